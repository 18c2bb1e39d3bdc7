"""Jobs at fixed periods of which those that would do nothing are left out; one total order of all; pure."""

from __future__ import annotations

import heapq

Job = tuple[str, str]


class Schedule:
    """Each job may be done at its instants: ``phase``, and every ``period`` ns from there on.

    Whichever are left out, the rest come in one order: by time, then by the order in which the jobs were
    added. ``now`` is the instant of the job that ``next`` gave last.
    """

    def __init__(self) -> None:
        self.now = 0
        self._grid: dict[Job, tuple[int, int, int]] = {}  # rank, phase, period
        self._at: dict[Job, int] = {}  # when each that will be done is done next
        self._heap: list[tuple[int, int, Job]] = []  # of which those hold that ``_at`` knows
        self._rank = -1  # of the job that was done last

    def add(self, job: Job, phase: int, period: int) -> None:
        """``job`` is done first at its phase."""
        assert job not in self._grid, f"{job} is there already"
        self._grid[job] = len(self._grid), phase, period
        self._put(job, phase)

    def next(self) -> Job:
        """The next job; to be followed by ``again``, or it is done when it is woken."""
        while True:
            at, rank, job = heapq.heappop(self._heap)
            if self._at.get(job) == at:
                del self._at[job]
                self.now, self._rank = at, rank
                return job

    def again(self, job: Job, due: int | None) -> None:
        """Do ``job`` at its first instant from ``due`` on that is still to come; None: when it is woken.

        Where it is to be done earlier already, that stays.
        """
        if due is None:
            return
        rank, phase, period = self._grid[job]
        since = max(due, self.now, phase)
        at = phase + -((phase - since) // period) * period
        if (at, rank) <= (self.now, self._rank):
            at += period
        before = self._at.get(job)
        if before is None or at < before:
            self._put(job, at)

    def wake(self, job: Job) -> None:
        """Do ``job`` at its next instant."""
        self.again(job, 0)

    def _put(self, job: Job, at: int) -> None:
        self._at[job] = at
        heapq.heappush(self._heap, (at, self._grid[job][0], job))

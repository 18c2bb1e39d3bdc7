"""Which planned operations a station has completed: those of a workpiece that has left it good; pure.

A plan may become final after the workpiece has left, so what left is remembered for a while.
"""

from __future__ import annotations

from collections import OrderedDict

from ledger.codec import Malformed
from ledger.records import Completion, Requirement, read
from ledger.state import State
from ledger.types import Commit

REMEMBERED = 1_024  # workpieces


class Completions:
    """Of the station ``me``. The task of a workpiece is its id."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._left: OrderedDict[str, int] = OrderedDict()  # workpiece -> when, UTC ns
        self._said: dict[str, set[int]] = {}  # of them: the operations that were said to be complete

    def left(self, workpiece: str, time: int, state: State | None) -> list[Completion]:
        """``workpiece`` has left; what that completes, by the chain's ``state`` if there is one at hand."""
        self._left[workpiece] = time
        self._left.move_to_end(workpiece)
        if len(self._left) > REMEMBERED:
            first, _ = self._left.popitem(last=False)
            self._said.pop(first, None)
        return self._due([workpiece], state) if state is not None else []

    def decided(self, commit: Commit, state: State) -> list[Completion]:
        """A block is final; what its plans say of workpieces that have left already."""
        planned = [
            record.task
            for record in map(read, commit.block.body)
            if not isinstance(record, Malformed)
            and isinstance(record, Requirement)
            and record.node == self._me
        ]
        return self._due([task for task in planned if task in self._left], state) if planned else []

    def begun(self, state: State) -> list[Completion]:
        """The chain is at hand (again), as ``state`` has it; what it planned of workpieces that left while it
        was not, and was not said before."""
        unsaid = {task: set(self._said.get(task, ())) for task in self._left}
        return [
            each for each in self._due(list(self._left), state) if each.operation not in unsaid[each.task]
        ]

    def _due(self, tasks: list[str], state: State) -> list[Completion]:
        due = [
            Completion(task, operation, self._left[task])
            for task in dict.fromkeys(tasks)
            for operation in state.workload.to_do(self._me, task)
        ]
        for each in due:
            self._said.setdefault(each.task, set()).add(each.operation)
        return due

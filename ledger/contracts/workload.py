"""M, the manufacturing workload of each node: planned time of work that was done and found good; pure.

Liu 2023, formula (2). A node cannot raise its own M: an operation counts once, when a dispatcher planned it
for that node, the node completed it, and somebody of another owner inspected it and passed it. No node has
more time than has gone by. M is in ns, counts the last 24 hours of the blocks' own time, and changes
once in an epoch of blocks, as the genesis says. A day after it was due an operation is forgotten, whatever
became of it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Mapping

from ledger.records import Completion, Inspection, Party, Requirement

EPOCH = 64  # blocks, where the genesis says nothing else
WINDOW = 24 * 3600 * 1_000_000_000
AHEAD = 7 * WINDOW  # for which work is planned at most
MAX_OPERATIONS = 100_000  # that are known at once


class Operation:
    """One operation of a task on its way: who is to do it, and what is known of it."""

    __slots__ = ("completed", "inspected", "node", "takes")

    def __init__(self, node: str, takes: int) -> None:
        self.node, self.takes = node, takes
        self.completed = self.inspected = False


class Workload:
    """Counts operations; ``begin`` is the chain's time 0, before which nobody worked."""

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.current: dict[str, int] = {}  # ns by node, as this epoch has them
        self._operations: dict[tuple[str, int], Operation] = {}
        self._until: list[tuple[int, tuple[str, int]]] = []  # a heap: when each is forgotten
        self._counted: deque[tuple[int, str, int]] = deque()  # (time, node, ns)

    def plan(self, record: Requirement, by: Party, parties: Mapping[str, Party], now: int) -> str:
        """A dispatcher plans an operation, at the block's time ``now``; why it means nothing, or nothing."""
        key = record.task, record.operation
        if not by.dispatcher:
            return f"{by.node} is no dispatcher"
        if record.node not in parties:
            return f"{record.node} is not enrolled"
        self._forget(now)
        if key in self._operations:
            return f"operation {record.operation} of {record.task} is planned already"
        if record.due > now + AHEAD:
            return f"operation {record.operation} of {record.task} is due in more than a week"
        if len(self._operations) >= MAX_OPERATIONS:
            return f"{MAX_OPERATIONS} operations are planned already"
        self._operations[key] = Operation(record.node, record.takes)
        heapq.heappush(self._until, (max(record.due, now) + WINDOW, key))
        return ""

    def complete(self, record: Completion, by: Party) -> str:
        """The node that it was planned for has done it."""
        operation = self._operations.get((record.task, record.operation))
        if operation is None or operation.node != by.node or operation.inspected:
            return f"operation {record.operation} of {record.task} is not open for {by.node}"
        operation.completed = True
        return ""

    def to_do(self, node: str, task: str) -> list[int]:
        """The operations of ``task`` that are planned for ``node`` and not completed, in order."""
        return sorted(
            number
            for (of, number), operation in self._operations.items()
            if of == task and operation.node == node and not operation.completed
        )

    def inspect(self, record: Inspection, by: Party, parties: Mapping[str, Party], now: int) -> str:
        """Somebody of another owner has found it good: it counts, at the block's time ``now``."""
        operation = self._operations.get((record.task, record.operation))
        if operation is None or not operation.completed or operation.inspected:
            return f"operation {record.operation} of {record.task} is not completed"
        doer = parties.get(operation.node)
        if doer is None or doer.owner == by.owner:
            return f"{by.node} belongs to {by.owner}, as {operation.node} does"
        operation.inspected = True
        if record.passed:
            self._counted.append((now, operation.node, operation.takes))
        return ""

    def _forget(self, now: int) -> None:
        """What was due a day ago is nobody's work any more."""
        while self._until and self._until[0][0] <= now:
            del self._operations[heapq.heappop(self._until)[1]]

    def turn(self, now: int, members: Collection[str]) -> None:
        """A new epoch begins after a block of time ``now``."""
        while self._counted and self._counted[0][0] <= now - WINDOW:
            self._counted.popleft()
        self.current = self.counted(now, members)

    def counted(self, now: int, members: Collection[str]) -> dict[str, int]:
        """M of each of ``members`` as it would be in an epoch that begins at ``now``, in ns."""
        at_most = min(now - self.begin, WINDOW)
        worked = dict.fromkeys(members, 0)
        for time, node, planned in self._counted:
            if node in worked and time > now - WINDOW:
                worked[node] += planned
        return {node: min(each, at_most) for node, each in worked.items()}

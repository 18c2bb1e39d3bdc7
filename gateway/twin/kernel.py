"""The event core: integer nanoseconds, one total order, events as data; pure.

The order is (time, priority, sequence): at one instant the lower priority number goes first, then what
was scheduled first. An event is data, so that a twin can be stored and restored. The same kernel serves
both clocks: a virtual clock calls ``advance`` as fast as it can, a wall clock calls it at each scan.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, NamedTuple

Handler = Callable[[str, Any], None]
SLACK = 64  # cancelled events that may lie in the queue besides as many as are pending


class Event(NamedTuple):
    """``kind`` with ``argument`` happens to ``component`` at ``time`` ns. Compares in the total order.

    The queue itself holds plain tuples of the same shape, which cost a third.
    """

    time: int
    priority: int
    sequence: int
    component: str
    kind: str
    argument: Any


class Kernel:
    """The queue of future events. ``handlers`` maps a component's name to what takes (kind, argument)."""

    __slots__ = ("_heap", "_pending", "_sequence", "handlers", "now")

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self.handlers: dict[str, Handler] = {}
        self._heap: list[tuple[int, int, int, str, str, Any]] = []
        self._sequence = 0
        self._pending: set[int] = set()  # sequence numbers in the heap that are not cancelled

    def schedule(self, time: int, component: str, kind: str, argument: Any = None, priority: int = 0) -> int:
        """Let ``kind`` happen to ``component`` at ``time``, not before now; gives a handle to cancel it."""
        assert time >= self.now, f"{component}: {kind} at {time} lies before now, {self.now}"
        self._sequence = sequence = self._sequence + 1
        self._pending.add(sequence)
        heapq.heappush(self._heap, (time, priority, sequence, component, kind, argument))
        return sequence

    def cancel(self, handle: int) -> None:
        """Forget a scheduled event; one that has happened is nothing to cancel."""
        self._pending.discard(handle)
        if len(self._heap) > 2 * len(self._pending) + SLACK:
            self._heap = [event for event in self._heap if event[2] in self._pending]
            heapq.heapify(self._heap)

    def advance(self, until: int) -> int:
        """Let everything up to and including ``until`` happen, in order; the count of events that did."""
        handlers, pending, pop = self.handlers, self._pending, heapq.heappop
        happened = 0
        while self._heap and self._heap[0][0] <= until:
            time, _, sequence, component, kind, argument = pop(self._heap)
            if sequence not in pending:
                continue
            pending.remove(sequence)
            self.now = time
            handlers[component](kind, argument)
            happened += 1
        self.now = max(self.now, until)
        return happened

    def next_time(self) -> int | None:
        """When the next event is due, or None."""
        while self._heap and self._heap[0][2] not in self._pending:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def snapshot(self) -> tuple[int, int, list[Event]]:
        """(now, sequence, pending events in order)."""
        pending = sorted(event for event in self._heap if event[2] in self._pending)
        return self.now, self._sequence, [Event(*event) for event in pending]

    def restore(self, taken: tuple[int, int, list[Event]]) -> None:
        """Return to a ``snapshot``."""
        self.now, self._sequence, pending = taken
        self._heap = [tuple(event) for event in pending]  # sorted, hence a heap
        self._pending.clear()
        self._pending.update(event.sequence for event in pending)

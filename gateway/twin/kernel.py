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
SLACK = 64  # cancelled handles that are kept besides half as many as there are events in the queue


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

    __slots__ = ("_cancelled", "_heap", "_sequence", "handlers", "now")

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self.handlers: dict[str, Handler] = {}
        self._heap: list[tuple[int, int, int, str, str, Any]] = []
        self._sequence = 0
        self._cancelled: set[int] = set()  # sequence numbers; also of some that happened before

    def schedule(self, time: int, component: str, kind: str, argument: Any = None, priority: int = 0) -> int:
        """Let ``kind`` happen to ``component`` at ``time``, not before now; gives a handle to cancel it."""
        assert time >= self.now, f"{component}: {kind} at {time} lies before now, {self.now}"
        self._sequence = sequence = self._sequence + 1
        heapq.heappush(self._heap, (time, priority, sequence, component, kind, argument))
        return sequence

    def cancel(self, handle: int) -> None:
        """Forget a scheduled event; one that has happened is nothing to cancel."""
        cancelled, heap = self._cancelled, self._heap
        cancelled.add(handle)
        if 2 * len(cancelled) > len(heap) + SLACK:
            heap[:] = [event for event in heap if event[2] not in cancelled]
            heapq.heapify(heap)
            cancelled.clear()

    def advance(self, until: int) -> int:
        """Let everything up to and including ``until`` happen, in order; the count of events that did."""
        handlers, heap, cancelled, pop = self.handlers, self._heap, self._cancelled, heapq.heappop
        happened = 0
        while heap and heap[0][0] <= until:
            time, _, sequence, component, kind, argument = pop(heap)
            if sequence in cancelled:
                cancelled.remove(sequence)
                continue
            self.now = time
            handlers[component](kind, argument)
            happened += 1
        if until > self.now:
            self.now = until
        return happened

    def next_time(self) -> int | None:
        """When the next event is due, or None."""
        heap, cancelled = self._heap, self._cancelled
        while heap and heap[0][2] in cancelled:
            cancelled.remove(heapq.heappop(heap)[2])
        return heap[0][0] if heap else None

    def snapshot(self) -> tuple[int, int, list[Event]]:
        """(now, sequence, pending events in order)."""
        pending = sorted(event for event in self._heap if event[2] not in self._cancelled)
        return self.now, self._sequence, [Event(*event) for event in pending]

    def restore(self, taken: tuple[int, int, list[Event]]) -> None:
        """Return to a ``snapshot``; not from within an event."""
        self.now, self._sequence, pending = taken
        self._heap[:] = [tuple(event) for event in pending]  # sorted, hence a heap
        self._cancelled.clear()

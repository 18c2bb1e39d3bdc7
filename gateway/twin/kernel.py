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


class Event(NamedTuple):
    """``kind`` with ``argument`` happens to ``component`` at ``time`` ns. Compares in the total order."""

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
        self._heap: list[Event] = []
        self._sequence = 0
        self._cancelled: set[int] = set()

    def schedule(self, time: int, component: str, kind: str, argument: Any = None, priority: int = 0) -> int:
        """Let ``kind`` happen to ``component`` at ``time``, not before now; gives a handle to cancel it."""
        assert time >= self.now, f"{component}: {kind} at {time} lies before now, {self.now}"
        self._sequence += 1
        heapq.heappush(self._heap, Event(time, priority, self._sequence, component, kind, argument))
        return self._sequence

    def cancel(self, handle: int) -> None:
        """Forget a scheduled event that has not happened yet."""
        self._cancelled.add(handle)

    def advance(self, until: int) -> int:
        """Let everything up to and including ``until`` happen, in order; the count of events that did."""
        heap, handlers, cancelled = self._heap, self.handlers, self._cancelled
        happened = 0
        while heap and heap[0][0] <= until:
            event = heapq.heappop(heap)
            if cancelled and event[2] in cancelled:
                cancelled.discard(event[2])
                continue
            self.now = event[0]
            handlers[event[3]](event[4], event[5])
            happened += 1
        self.now = max(self.now, until)
        return happened

    def next_time(self) -> int | None:
        """When the next event is due, or None."""
        heap, cancelled = self._heap, self._cancelled
        while heap and cancelled and heap[0][2] in cancelled:
            cancelled.discard(heapq.heappop(heap)[2])
        return heap[0][0] if heap else None

    def snapshot(self) -> tuple[int, int, list[Event]]:
        """(now, sequence, pending events in order)."""
        pending = sorted(event for event in self._heap if event.sequence not in self._cancelled)
        return self.now, self._sequence, pending

    def restore(self, taken: tuple[int, int, list[Event]]) -> None:
        """Return to a ``snapshot``."""
        self.now, self._sequence, pending = taken
        self._heap = list(pending)  # sorted, hence a heap
        self._cancelled.clear()

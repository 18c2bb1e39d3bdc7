"""The last events of a station and the last lines of its log, kept in memory; bounded."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable

from gateway.local.messages import Event

EVENTS = 200
LINES = 1_000
LONGEST = 500  # characters of a line


class Recent:
    """Events of one station, by kind where that is asked."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=EVENTS)

    def add(self, utc: int, kind: str, text: str) -> None:
        """It happened at ``utc``."""
        self._events.append(Event(utc, kind, text))

    def of(self, kinds: Iterable[str] = (), count: int = EVENTS) -> tuple[Event, ...]:
        """The last ``count`` of these ``kinds`` (none named: of all), the last one last."""
        wanted = frozenset(kinds)
        found = [event for event in self._events if not wanted or event.kind in wanted]
        return tuple(found[-count:])


class LogLines(logging.Handler):
    """Keeps what is logged in this process, as lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=LINES)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            self.lines.append(line[:LONGEST])


LOG = LogLines()
"""Of this process: all gateways in it log together."""

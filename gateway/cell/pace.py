"""How many tags may be written at a time, so that no second sees more than the station's rate; pure.

A tenth of the rate in any tenth of a second: what comes at once is spread, and the sum holds for every
second, wherever it begins.
"""

from __future__ import annotations

from collections import deque

SECOND = 1_000_000_000
PARTS = 10


class Pace:
    """Of ``rate`` writes a second; times are ns of the monotonic clock."""

    def __init__(self, rate: int) -> None:
        parts = PARTS if rate >= PARTS else 1
        self._share, self._window = rate // parts, SECOND // parts
        self._spent: deque[tuple[int, int]] = deque()  # when, and how many
        self._sum = 0

    def room(self, now: int) -> int:
        """How many may be written at ``now``."""
        while self._spent and now - self._spent[0][0] >= self._window:
            self._sum -= self._spent.popleft()[1]
        return self._share - self._sum

    def spend(self, now: int, count: int) -> None:
        """So many are written; ``room`` was asked for at ``now``."""
        assert self._sum + count <= self._share, "more than there was room for"
        if count:
            self._spent.append((now, count))
            self._sum += count

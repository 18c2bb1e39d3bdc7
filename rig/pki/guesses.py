"""How often somebody may try tokens that nobody made; pure."""

from __future__ import annotations

from collections import deque

EACH, ALL = 10, 100  # wrong tokens of one address, and of all, in a window
WINDOW = 600 * 10**9  # ns


class Guesses:
    """Of the last window. Times are ns of a monotonic clock."""

    def __init__(self, each: int = EACH, total: int = ALL, window: int = WINDOW) -> None:
        self._each, self._window = each, window
        self._seen: deque[tuple[int, str]] = deque(maxlen=total)

    def add(self, address: str, now: int) -> None:
        """``address`` tried one."""
        self._seen.append((now, address))

    def wait(self, address: str, now: int) -> int:
        """For how many ns ``address`` is not heard; 0: it is.

        Where very many guess, nobody is heard: a guess costs nothing, and a gateway can ask later.
        """
        while self._seen and self._seen[0][0] <= now - self._window:
            self._seen.popleft()
        own = [time for time, each in self._seen if each == address]
        if len(self._seen) == self._seen.maxlen:
            return self._seen[0][0] + self._window - now
        return own[-self._each] + self._window - now if len(own) >= self._each else 0

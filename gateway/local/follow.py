"""What a shell follows: changes of some tags as they come, kept within a bound until it takes them; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping

from gateway.field.types import Value
from gateway.local.messages import MAX_CHANGES, Change, Changes


class Follower:
    """Of ``tags``; ``woken`` is called when there is something to take."""

    def __init__(self, tags: Collection[str], woken: Callable[[], None], most: int = MAX_CHANGES) -> None:
        self._tags, self._woken, self._most = tuple(dict.fromkeys(tags)), woken, most
        self._kept: deque[Change] = deque()
        self._missed = 0

    def changed(self, utc: int, values: Mapping[str, Value]) -> None:
        """Tags became ``values`` at ``utc``; what does not fit any more is counted, not kept."""
        for tag in self._tags:
            if tag not in values:
                continue
            if len(self._kept) < self._most:
                self._kept.append(Change(utc, tag, values[tag]))
            else:
                self._missed += 1
        if self._kept:
            self._woken()

    def take(self) -> Changes:
        """All that came since the last time."""
        taken, missed = tuple(self._kept), self._missed
        self._kept.clear()
        self._missed = 0
        return Changes(taken, missed)

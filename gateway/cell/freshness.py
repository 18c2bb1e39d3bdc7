"""Whether a neighbour says something now: it repeats what it heard of us a moment ago; pure.

A broker that is broken into makes nothing up, but it can keep what was signed, and bring it later: then a
neighbour that is dead would seem to be there, and a workpiece be on offer that is no more.
"""

from __future__ import annotations

from gateway.net.messages import Accept, Coupled, Coupling, Moment

FRESH = 3_000_000_000  # ns, to a neighbour and back, its heartbeat and ours included


class Freshness:
    """Of the gateway in its life ``boot``; times are of its monotonic clock, ns."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._proven: dict[str, Moment] = {}  # what neighbours last said that was said then
        self._unproven: dict[str, Moment] = {}  # and what may have been said at any time

    def couple(self, neighbour: str, message: Coupling) -> Coupled:
        """``message`` as it goes to ``neighbour``."""
        heard = (self._proven.get(neighbour), self._unproven.get(neighbour))
        return Coupled(message, tuple(each for each in heard if each is not None))

    def takes(self, now: int, sender: str, said: Moment, coupled: Coupled) -> bool:
        """Whether what ``sender`` said at ``said``, on its clock, is to be heard ``now``.

        That a workpiece was taken holds whenever it was said.
        """
        fresh = any(each.boot == self._boot and 0 <= now - each.mono <= FRESH for each in coupled.heard)
        if fresh:
            before, other = self._proven.get(sender), self._unproven.get(sender)
            if before is None or before.boot != said.boot or before.mono < said.mono:
                self._proven[sender] = said
            if other is not None and other.boot == said.boot:
                del self._unproven[sender]
        else:
            self._unproven[sender] = said
        return fresh or isinstance(coupled.message, Accept)

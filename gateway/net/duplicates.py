"""Tells a new message from one seen before, in bounded memory: of the signed by a window of bits per sender
and boot; of the unsigned by what they say, since a number alone is anybody's word."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum

from gateway.net.envelope import NO_SEQUENCE, Envelope


class Arrival(Enum):
    """What the sequence number of a message says."""

    NEW = "new"
    SEEN = "seen"
    STALE = "stale"  # older than the window: seen or not, nobody can tell


class _Window:
    """``bits`` has bit i set when number ``highest - i`` was seen."""

    __slots__ = ("bits", "highest")

    def __init__(self, seq: int) -> None:
        self.highest = seq
        self.bits = 1


class Duplicates:
    """Remembers the last ``window`` numbers of each of the last ``senders`` (sender, boot id) pairs."""

    def __init__(self, window: int = 1024, senders: int = 256) -> None:
        self._size, self._senders = window, senders
        self._mask = (1 << window) - 1
        self._windows: OrderedDict[tuple[str, bytes], _Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def look(self, sender: str, boot: bytes, seq: int) -> Arrival:
        """What ``admit`` would say, remembering nothing."""
        window = self._windows.get((sender, boot))
        if seq == NO_SEQUENCE or window is None or seq > window.highest:
            return Arrival.NEW
        behind = window.highest - seq
        if behind >= self._size:
            return Arrival.STALE
        return Arrival.SEEN if window.bits >> behind & 1 else Arrival.NEW

    def admit(self, sender: str, boot: bytes, seq: int) -> Arrival:
        """NEW for a number not seen before, which is seen from now on; without a number always NEW."""
        arrival = self.look(sender, boot, seq)
        if arrival is not Arrival.NEW or seq == NO_SEQUENCE:
            return arrival
        key = (sender, boot)
        window = self._windows.get(key)
        if window is None:
            self._windows[key] = _Window(seq)
            if len(self._windows) > self._senders:
                self._windows.popitem(last=False)
            return arrival
        self._windows.move_to_end(key)
        ahead = seq - window.highest
        if ahead > 0:
            window.bits = (window.bits << ahead | 1) & self._mask if ahead < self._size else 1
            window.highest = seq
        else:
            window.bits |= 1 << -ahead
        return arrival


class Contents:
    """Remembers the last ``most`` messages, each with what it says, by a ``hash`` that nobody else computes.

    Whoever sends other things under the numbers of another neither makes that one's messages look old nor
    takes their place.
    """

    def __init__(self, hash: Callable[[bytes], int], most: int = 8_192) -> None:
        self._hash, self._most = hash, most
        self._seen: OrderedDict[tuple[str, bytes, int, int], None] = OrderedDict()

    def look(self, envelope: Envelope) -> Arrival:
        """What ``admit`` would say, remembering nothing."""
        return Arrival.SEEN if self._key(envelope) in self._seen else Arrival.NEW

    def admit(self, envelope: Envelope) -> Arrival:
        """NEW for what was not seen lately, which is seen from now on; without a number always NEW."""
        arrival = self.look(envelope)
        if arrival is Arrival.NEW and envelope.seq != NO_SEQUENCE:
            self._seen[self._key(envelope)] = None
            if len(self._seen) > self._most:
                self._seen.popitem(last=False)
        return arrival

    def _key(self, envelope: Envelope) -> tuple[str, bytes, int, int]:
        return envelope.sender, envelope.boot, envelope.seq, self._hash(envelope.body)

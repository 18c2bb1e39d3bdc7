"""Handing a workpiece to the neighbour: a two-phase exchange in which none is lost and none doubled; pure.

The sender owns the workpiece until it knows that the receiver has journalled it. One transfer at a time:
the sender journals (number, workpiece) and offers it, again and again; the receiver journals the
workpiece with the number before it accepts; an offer it has accepted before is accepted again, so a lost
answer costs a repetition and nothing else. Numbers belong to the sender's journal (its *epoch*).

All of this holds while both journals are kept. A receiver whose journal is thrown away no longer knows
what it accepted: if that answer is still under way, the workpiece is taken a second time. So who replaces
a gateway's journal resets the line.
"""

from __future__ import annotations

import msgspec

from gateway.net.messages import Accept, Offer
from gateway.twin.workpiece import Workpiece

REPEAT = 250_000_000


class Transfer(msgspec.Struct, frozen=True, array_like=True):
    """An offer that is not accepted yet, as journalled."""

    number: int
    workpiece: Workpiece | None


class Sender:
    """This station's side towards one neighbour downstream."""

    def __init__(self, epoch: str, transfer: Transfer) -> None:
        self.epoch = epoch
        self.transfer = transfer
        self._offered: int | None = None  # when this gateway first offered it
        self._next = 0

    @property
    def pending(self) -> Workpiece | None:
        """The workpiece on offer."""
        return self.transfer.workpiece

    def begin(self, now: int, workpiece: Workpiece) -> Transfer:
        """Offer ``workpiece``; gives what to journal before anything is sent."""
        assert self.pending is None, f"{self.pending} is on offer already"
        self.transfer = Transfer(self.transfer.number + 1, workpiece)
        self._offered, self._next = None, now
        return self.transfer

    def due(self, now: int) -> Offer | None:
        """The offer to send now, if it is time to."""
        if self.transfer.workpiece is None or now < self._next:
            return None
        self._next = now + REPEAT
        if self._offered is None:
            self._offered = now
        return Offer(self.epoch, self.transfer.number, self.transfer.workpiece)

    def accepted(self, now: int, message: Accept) -> tuple[Workpiece, int | None] | None:
        """The workpiece that is the neighbour's now, with offer to accept in ns (None: not known, it was
        offered before this gateway started); None for an old answer."""
        workpiece = self.transfer.workpiece
        if workpiece is None or (message.epoch, message.number) != (self.epoch, self.transfer.number):
            return None
        self.transfer = Transfer(self.transfer.number, None)
        return workpiece, None if self._offered is None else now - self._offered

    def withdraw(self) -> None:
        """The workpiece is taken off by hand; an answer that comes later means nothing."""
        self.transfer = Transfer(self.transfer.number, None)


class Received(msgspec.Struct, frozen=True, array_like=True):
    """The last transfer taken from a neighbour, as journalled."""

    epoch: str
    number: int


class Receiver:
    """This station's side towards one neighbour upstream."""

    def __init__(self, last: Received) -> None:
        self.last = last
        self.waiting: Offer | None = None
        self._heard = 0

    def offered(self, now: int, offer: Offer) -> Accept | None:
        """An offer came: the acceptance to repeat, if it was taken before; else it waits for room."""
        if offer.epoch == self.last.epoch and offer.number <= self.last.number:
            if offer.number == self.last.number:
                return Accept(offer.epoch, offer.number)
            return None
        waiting = self.waiting
        if waiting is not None and waiting.epoch == offer.epoch and waiting.number > offer.number:
            return None  # overtaken on the way: it was withdrawn, or the later one would not have been sent
        self.waiting, self._heard = offer, now
        return None

    def open_offer(self, now: int) -> Offer | None:
        """The offer that waits for room; one that is not repeated any more was withdrawn."""
        if now - self._heard > 2 * REPEAT:
            self.waiting = None
        return self.waiting

    def take(self) -> tuple[Received, Accept, Workpiece]:
        """There is room: what to journal, then to answer, and the workpiece that is ours now."""
        offer = self.waiting
        assert offer is not None, "nothing was offered"
        self.waiting = None
        self.last = Received(offer.epoch, offer.number)
        return self.last, Accept(offer.epoch, offer.number), offer.workpiece

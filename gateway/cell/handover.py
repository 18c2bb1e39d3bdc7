"""Handing a workpiece to the neighbour: a two-phase exchange in which none is lost and none doubled; pure.

The sender owns the workpiece until it knows that the receiver has journalled it. One transfer at a time
and outlet: the sender journals (number, workpiece) and offers it, again and again; the receiver journals
the workpiece with the number before it accepts; an offer it has accepted before is accepted again, so a
lost answer costs a repetition and nothing else.

Numbers belong to the sender's journal (its *epoch*), and an offer is made to one journal of the
receiver's, the *taker*. When the sender's journal is thrown away, a new epoch begins, and the receiver
remembers how far it took each. When the receiver's is, what it knew is gone: offers to it are taken by no
other, and the workpiece on offer to it is in doubt. That stays where it is, offered to nobody, until a
late answer says that it has passed, or a person takes it off.
"""

from __future__ import annotations

import msgspec

from gateway.net.messages import MAIN, Accept, Offer
from gateway.twin.workpiece import Workpiece

REPEAT = 250_000_000
MAX_PAST = 8


class Transfer(msgspec.Struct, frozen=True, array_like=True):
    """An offer that is not accepted yet, as journalled; ``taker`` is the journal that may take it ("": any,
    as gateways offered before they knew each other's)."""

    number: int
    workpiece: Workpiece | None
    taker: str = ""


class Sender:
    """This station's side of one outlet towards the neighbour that it leads to."""

    def __init__(self, epoch: str, transfer: Transfer, outlet: str = MAIN) -> None:
        self.epoch, self.outlet = epoch, outlet
        self.transfer = transfer
        self._offered: int | None = None  # when this gateway first offered it
        self._next = 0

    @property
    def pending(self) -> Workpiece | None:
        """The workpiece on offer."""
        return self.transfer.workpiece

    def begin(self, now: int, workpiece: Workpiece, taker: str = "") -> Transfer:
        """Offer ``workpiece`` to the journal ``taker``; gives what to journal before anything is sent."""
        assert self.pending is None, f"{self.pending} is on offer already"
        self.transfer = Transfer(self.transfer.number + 1, workpiece, taker)
        self._offered, self._next = None, now
        return self.transfer

    def doubtful(self, taker: str) -> bool:
        """Whether nobody can tell if the workpiece on offer has passed, for ``taker`` is another journal."""
        return self.pending is not None and bool(self.transfer.taker) and self.transfer.taker != taker

    def due(self, now: int) -> Offer | None:
        """The offer to send now, if it is time to."""
        if self.transfer.workpiece is None or now < self._next:
            return None
        self._next = now + REPEAT
        if self._offered is None:
            self._offered = now
        transfer = self.transfer
        return Offer(self.epoch, transfer.number, self.transfer.workpiece, self.outlet, transfer.taker)

    @property
    def repeats(self) -> int | None:
        """From when on the offer is due; None: nothing is on offer."""
        return None if self.pending is None else self._next

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
    """The last transfer taken from a neighbour's outlet, as journalled; ``past`` are the last ones of other
    epochs, those taken from of late first: messages of one may come after those of the next."""

    epoch: str
    number: int
    past: tuple[tuple[str, int], ...] = ()

    def of(self, epoch: str) -> int:
        """The number of the last that was taken of ``epoch``; 0: none."""
        return dict((*self.past, (self.epoch, self.number))).get(epoch, 0)

    def after(self, epoch: str, number: int) -> Received:
        """When transfer ``number`` of ``epoch`` is taken."""
        known = ((self.epoch, self.number), *self.past)
        others = tuple(each for each in known if each[0] not in ("", epoch))
        return Received(epoch, number, others[:MAX_PAST])


class Receiver:
    """This station's side towards one outlet of a neighbour upstream. ``taker`` names its own journal."""

    def __init__(self, last: Received, taker: str = "") -> None:
        self.last, self.taker = last, taker
        self.waiting: Offer | None = None
        self._heard = 0

    def offered(self, now: int, offer: Offer) -> Accept | None:
        """An offer came: the acceptance to repeat, if it was taken before; else it waits for room."""
        if offer.taker not in ("", self.taker):
            return None
        taken = self.last.of(offer.epoch)
        if offer.number <= taken:
            return Accept(offer.epoch, offer.number, offer.outlet) if offer.number == taken else None
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

    @property
    def ends(self) -> int | None:
        """From when on the offer that waits counts as withdrawn; None: none waits."""
        return None if self.waiting is None else self._heard + 2 * REPEAT + 1

    def take(self) -> tuple[Received, Accept, Workpiece]:
        """There is room: what to journal, then to answer, and the workpiece that is ours now."""
        offer = self.waiting
        assert offer is not None, "nothing was offered"
        self.waiting = None
        self.last = self.last.after(offer.epoch, offer.number)
        return self.last, Accept(offer.epoch, offer.number, offer.outlet), offer.workpiece

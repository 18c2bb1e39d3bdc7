"""A station beside its neighbours: workpieces taken in and handed on, and signals between them; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import msgspec

from gateway.cell.check import refuses_workpiece
from gateway.cell.handover import Received, Receiver, Sender, Transfer
from gateway.cell.signalling import Signalling
from gateway.field.types import Value
from gateway.net.messages import MAIN, Accept, Coupling, Offer, Signals
from gateway.station import Station
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Happening, Kind, Workpiece
from ledger.shapes import unpacked

NOTICES = 200_000_000  # how long whoever takes workpieces beyond the line shows that one has come, ns
BY = "by "  # before an outlet that is not the main one
Stored = Mapping[tuple[str, str], bytes]
Journal = Callable[[str, str, bytes | None], None]
T = TypeVar("T")


class Neighbours(msgspec.Struct, frozen=True):
    """Who stands beside this station.

    ``upstream[station]`` maps its outlets to our inlets, ``downstream`` our outlets to the stations that they
    lead to; ``listen[station]`` maps our inputs to its signals, ``tell[station]`` names our tags that it
    listens to.
    ``product`` is the type and length, mm, of what comes in on a real machine, where nobody hands it over.
    """

    upstream: dict[str, dict[str, str]] = {}
    downstream: dict[str, str] = {}
    listen: dict[str, dict[str, str]] = {}
    tell: dict[str, tuple[str, ...]] = {}
    product: tuple[str, float] = ("part", 100.0)


class Happened(Protocol):
    """Takes what happened to a workpiece."""

    def __call__(self, kind: Kind, component: str, workpiece: str, detail: str) -> None: ...


class Couplings:
    """The exchange with the neighbours and what passes through the station's inlets and outlets.

    ``journal`` writes before anything is sent; ``happened`` is told of workpieces. A neighbour that is
    silent for a second looks like a closed door: its signals are safe, and nothing is handed to it.
    """

    def __init__(
        self,
        station: Station,
        neighbours: Neighbours,
        twin: Twin,
        stored: Stored,
        epoch: str,
        journal: Journal,
        happened: Happened,
    ) -> None:
        self.station, self.neighbours, self.twin, self.epoch = station, neighbours, twin, epoch
        self.isolated = False
        self.feeding: list[tuple[str, Workpiece]] = []  # by a script: not ours before there is room
        self.returning: list[Workpiece] = []  # ours since before a restart, until there is room
        self._untakable = ""
        self._brought: set[str] = set()  # carriers at inlets, fed since these last refused
        self._shown: Mapping[str, Value] = {}  # what the controller put out when we were last told
        self._beyond: dict[str, int] = {}  # outlet out of the line -> when another may come
        self._watched = {*station.inlets.values(), *filter(None, (station.reentry,))}
        for carrier in self._watched:
            twin.carrier(carrier).subscribe_room(lambda: None)
        self._journal, self._happened = journal, happened
        self._known = {
            *neighbours.upstream, *neighbours.downstream.values(), *neighbours.listen, *neighbours.tell
        }  # fmt: skip
        self.signalling = Signalling(station.tags, epoch, self._known, neighbours.listen, neighbours.tell)
        self._answers: list[tuple[str, Coupling]] = []
        stored = self._with_outlets(stored)
        # By (outlet, neighbour); also where an outlet led before, for what is on offer there.
        self._senders = {
            pair: Sender(epoch, transfer, pair[0]) for pair, transfer in self._transfers(stored).items()
        }
        self._receivers = {
            (name, outlet): Receiver(load(stored, "received", f"{name}.{outlet}", Received("", 0)), epoch)
            for name, outlets in neighbours.upstream.items()
            for outlet in outlets
        }

    def _with_outlets(self, stored: Stored) -> Stored:
        """The journal of a gateway that knew one outlet and no names of outlets, as it is kept now."""
        moved = dict(stored)
        for table, key in stored:
            if table == "send" and "." not in key:
                named = f"{MAIN}.{self.neighbours.downstream.get(MAIN, '')}"
            elif table == "received" and "." not in key:
                named = f"{key}.{MAIN}"
            else:
                continue
            moved[table, named] = moved.pop((table, key))
            self._journal(table, named, moved[table, named])
            self._journal(table, key, None)
        return moved

    def _transfers(self, stored: Stored) -> dict[tuple[str, str], Transfer]:
        pairs = [*self.neighbours.downstream.items()]
        for table, key in sorted(stored):
            outlet, _, neighbour = key.partition(".")
            if table == "send" and (outlet, neighbour) not in pairs:
                pairs.append((outlet, neighbour))
        return {pair: load(stored, "send", ".".join(pair), Transfer(0, None)) for pair in pairs}

    @property
    def partners(self) -> set[str]:
        """Everybody who has something to say to the station: its neighbours, also former ones that may still
        answer."""
        return self._known | {neighbour for _, neighbour in self._senders}

    def recover(self, stored: Stored) -> list[str]:
        """After a kill: our workpieces reappear at the re-entry point; says what becomes of each.

        One that is on offer stands between the stations until the neighbour answers: on a carrier it
        would come to the outlet a second time.
        """
        told: list[str] = []
        offered, reentry = self.on_offer(), self.station.reentry
        for (table, key), data in sorted(stored.items()):
            if table != "workpiece" or key in offered:
                continue
            if reentry is None:
                self._journal("workpiece", key, None)
                told.append(f"{key} is taken off: the station has no re-entry point")
                continue
            self.returning.append(unpacked(data, Workpiece))
            told.append(f"{key} reappears at {reentry}")
        return told + [f"{key} is on offer to {neighbour}" for key, neighbour in offered.items()]

    def on_offer(self) -> dict[str, str]:
        """The ids of our workpieces that are on offer, and to which neighbour."""
        return {
            sender.pending.id: neighbour
            for (_, neighbour), sender in self._senders.items()
            if sender.pending is not None
        }

    @property
    def problem(self) -> str:
        """What a person has to look after; empty if nothing."""
        doubts = [
            f"{sender.pending.id} may have passed to {neighbour}, which no longer knows: reset the station"
            for (outlet, neighbour), sender in self._senders.items()
            if sender.pending is not None and self._in_doubt(outlet, neighbour, sender)
        ]
        return "; ".join(filter(None, (self._untakable, *doubts, *self.signalling.problems)))

    def _in_doubt(self, outlet: str, neighbour: str, sender: Sender) -> bool:
        """Whether what is on offer there can no longer be answered: the outlet leads elsewhere by now, or the
        neighbour has another journal."""
        if self.neighbours.downstream.get(outlet) != neighbour:
            return sender.pending is not None
        return neighbour in self.signalling.epochs and sender.doubtful(self.signalling.epochs[neighbour])

    def contents(self) -> tuple[Workpiece, ...]:
        """Every workpiece that is this station's, also one that stands on no carrier at present."""
        standing = [workpiece for _, workpiece in self.twin.contents()] + self.returning
        here = {each.id for each in standing}
        offered = (sender.pending for sender in self._senders.values())
        return (*standing, *(each for each in offered if each is not None and each.id not in here))

    def signals(self, now: int) -> dict[str, Value]:
        """Our inputs that neighbours drive, as far as they are there; beyond the line somebody takes all."""
        values: dict[str, Value] = {}
        if not self.isolated:
            for outlet, ready in self.station.handshake.readies.items():
                if outlet not in self.neighbours.downstream:
                    values[ready] = now >= self._beyond.get(outlet, now)
            values.update(self.signalling.values(now))
        return values

    def hear(self, now: int, sender: str, message: Coupling) -> tuple[str, int] | None:
        """A neighbour's message; gives (neighbour, offer to accept in ns) when a workpiece has passed."""
        match message:
            case Signals():
                self.signalling.hear(now, sender, message)
            case Offer(epoch=epoch) if self.signalling.epochs.get(sender) in (None, "", epoch):
                receiver = self._receivers.get((sender, message.outlet))
                again = receiver.offered(now, message) if receiver is not None else None
                if again is not None:
                    self._answers.append((sender, again))
            case Accept(outlet=outlet):
                giving = self._senders.get((outlet, sender))
                passed = giving.accepted(now, message) if giving is not None else None
                if giving is not None and passed is not None:
                    self._keep(outlet, sender, giving)
                    self._leave(passed[0], "left", outlet, sender)
                    return None if passed[1] is None else (sender, passed[1])
            case _:
                pass
        return None

    def move(self, now: int) -> None:
        """Feed the inlets, take what neighbours offer, offer what stands at the outlets."""
        reentry = self.station.reentry
        while self.returning and reentry is not None and self.twin.carrier(reentry).admits(self.returning[0]):
            self._enter(reentry, self.returning.pop(0), "")
        self._feed()
        self._take_offers(now)
        for outlet, carrier in self.station.outlets.items():
            self._offer(now, outlet, carrier)

    def _feed(self) -> None:
        """Whoever brings workpieces heeds what the station says of its inlet, as a neighbour does."""
        takes = self.station.handshake.takes
        shut = {self.station.inlets[inlet] for inlet, tag in takes.items() if not self._shown.get(tag)}
        self._brought -= shut
        full = shut | self._brought
        doors = {self.station.inlets[inlet] for inlet in takes}
        for each in tuple(self.feeding):
            carrier, workpiece = each
            if carrier in full or not self.twin.carrier(carrier).admits(workpiece):
                full.add(carrier)
                continue
            self.feeding.remove(each)
            if carrier in doors:
                self._brought.add(carrier)
                full.add(carrier)
            self._enter(carrier, workpiece, "")

    def _offer(self, now: int, outlet: str, carrier: str) -> None:
        neighbour = self.neighbours.downstream.get(outlet)
        sender = self._senders[outlet, neighbour] if neighbour is not None else None
        waiting = self.twin.carrier(carrier).waiting()
        if waiting is None or waiting.id in self.on_offer() or (sender is not None and sender.pending):
            return
        if self.isolated or neighbour is None or sender is None:
            self._beyond[outlet] = now + NOTICES
            self._leave(waiting, "left" if self.isolated else "finished", outlet, "")
        elif self.signalling.hears(neighbour, now):
            sender.begin(now, waiting, self.signalling.epochs[neighbour])
            self._keep(outlet, neighbour, sender)

    def _take_offers(self, now: int) -> None:
        self._untakable = ""
        for (name, outlet), receiver in self._receivers.items():
            inlet = self.station.inlets.get(self.neighbours.upstream[name][outlet])
            if inlet is None or self.isolated:
                receiver.waiting = None  # not to be taken later: by then it may be withdrawn
            offer = receiver.open_offer(now)
            if offer is None or inlet is None:
                continue
            why = refuses_workpiece(offer.workpiece, {each.id for each in self.contents()})
            if why:
                self._untakable = f"{name} offers what cannot be taken: {why}"
            elif self.twin.carrier(inlet).admits(offer.workpiece):
                self._enter(inlet, self._take(name, outlet, receiver), name)

    def _take(self, name: str, outlet: str, receiver: Receiver) -> Workpiece:
        """Take what is on offer there: journalled first, then answered."""
        received, accept, workpiece = receiver.take()
        self._journal("received", f"{name}.{outlet}", msgspec.msgpack.encode(received))
        self._answers.append((name, accept))
        return workpiece

    def tell(self, now: int, values: Mapping[str, Value] | None) -> list[tuple[str, Coupling]]:
        """What to send: answers, signals on change and as a heartbeat, the workpiece on offer.

        ``values`` is None while the controller is not connected: then the signals say nothing, and the
        neighbours fall back to their safe values.
        """
        messages, self._answers = self._answers, []
        self._shown = values or {}
        messages += self.signalling.tell(now, values)
        for outlet, neighbour in self.neighbours.downstream.items():
            sender = self._senders[outlet, neighbour]
            if self.signalling.hears(neighbour, now) and not self._in_doubt(outlet, neighbour, sender):
                offer = sender.due(now)
                if offer is not None:
                    messages.append((neighbour, offer))
        return messages

    def due(self, now: int) -> int | None:
        """From when on time alone may change what is heard, let in, or sent besides signals; None: never.

        Room on the carriers that are watched comes about at an event of the twin; on others it is looked for
        at each scan.
        """
        entering = {carrier for carrier, _ in self.feeding}
        if self.returning and self.station.reentry is not None:
            entering.add(self.station.reentry)
        if self._answers or not entering <= self._watched:
            return now
        hears = self.signalling.hears
        dues = [self.signalling.due(now)]
        dues += [sender.repeats for (_, neighbour), sender in self._senders.items() if hears(neighbour, now)]
        dues += [receiver.ends for receiver in self._receivers.values()]
        dues += [at for at in self._beyond.values() if at > now]
        return min((due for due in dues if due is not None), default=None)

    def gone(self, workpiece: str) -> None:
        """The twin has lost ``workpiece``: nobody gets it, and an answer that comes later means nothing."""
        for (outlet, neighbour), sender in self._senders.items():
            if sender.pending is not None and sender.pending.id == workpiece:
                sender.withdraw()
                self._keep(outlet, neighbour, sender)
        self._journal("workpiece", workpiece, None)

    def reset(self) -> None:
        """Take every workpiece off by hand; an offer that is under way means nothing any more."""
        gone = self.contents()
        self.feeding.clear()
        self.returning.clear()
        self._brought.clear()
        self.twin.reset()
        for (outlet, neighbour), sender in self._senders.items():
            if sender.pending is not None:
                sender.withdraw()
                self._keep(outlet, neighbour, sender)
        for workpiece in gone:
            self._journal("workpiece", workpiece.id, None)
        for receiver in self._receivers.values():
            receiver.waiting = None

    def _enter(self, carrier: str, workpiece: Workpiece, source: str, at: float = 0.0) -> None:
        self._journal("workpiece", workpiece.id, msgspec.msgpack.encode(workpiece))
        self.twin.admit(carrier, workpiece, at)
        self._happened("entered", carrier, workpiece.id, source)

    def _keep(self, outlet: str, neighbour: str, sender: Sender) -> None:
        self._journal("send", f"{outlet}.{neighbour}", msgspec.msgpack.encode(sender.transfer))

    def _leave(self, workpiece: Workpiece, kind: Kind, outlet: str, detail: str) -> None:
        """``workpiece`` is here no longer, wherever it stood: since it was offered a clamp may hold it, or a
        restart have taken it off its carrier."""
        for carrier, each in self.twin.contents():
            if each.id == workpiece.id:
                self.twin.remove(carrier, workpiece.id)
        self._journal("workpiece", workpiece.id, None)
        where = detail or ("" if outlet == MAIN else BY + outlet)
        self._happened(kind, self.station.outlets.get(outlet, ""), workpiece.id, where)


def outlet_of(finished: Happening) -> str:
    """The outlet by which a workpiece has come out of the line."""
    return finished.detail.removeprefix(BY) or MAIN


def load(stored: Stored, table: str, key: str, default: T) -> T:
    """What the journal holds under ``key``, of the default's type; the default where it holds nothing."""
    data = stored.get((table, key))
    return default if data is None else unpacked(data, type(default))

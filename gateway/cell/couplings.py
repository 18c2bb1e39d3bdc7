"""A station beside its neighbours: signals heard and told, workpieces taken in and handed on; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import msgspec

from gateway.cell.check import refuses_workpiece
from gateway.cell.handover import Received, Receiver, Sender, Transfer
from gateway.field.types import Value
from gateway.net.messages import Accept, Coupling, Offer, Signals
from gateway.station import Station
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Kind, Workpiece

HEARTBEAT = 200_000_000
SILENCE = 1_000_000_000
Stored = Mapping[tuple[str, str], bytes]
Journal = Callable[[str, str, bytes | None], None]
T = TypeVar("T")


class Neighbours(msgspec.Struct, frozen=True):
    """Who stands beside this station. ``listen[station]`` maps its signals to our inputs, ``tell[station]``
    names our tags that it listens to."""

    upstream: tuple[str, ...] = ()
    downstream: str | None = None
    listen: dict[str, dict[str, str]] = {}
    tell: dict[str, tuple[str, ...]] = {}


class Happened(Protocol):
    """Takes what happened to a workpiece."""

    def __call__(self, kind: Kind, component: str, workpiece: str, detail: str) -> None: ...


class Couplings:
    """The exchange with the neighbours and what passes through the twin's inlet and outlet.

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
        self.station, self.neighbours, self.twin = station, neighbours, twin
        self.isolated = False
        self.feeding: list[tuple[str, Workpiece]] = []  # by a script: not ours before there is room
        self.returning: list[Workpiece] = []  # ours since before a restart, until there is room
        self.problem = ""
        self._journal, self._happened = journal, happened
        self._known = {*neighbours.upstream, neighbours.downstream, *neighbours.listen, *neighbours.tell}
        self._heard: dict[str, int] = {}
        self._signals: dict[str, Value] = {}
        self._told: dict[str, tuple[int, dict[str, Value]]] = {}
        self._answers: list[tuple[str, Coupling]] = []
        self._sender = Sender(epoch, load(stored, "send", "transfer", Transfer(0, None)))
        self._receivers = {
            name: Receiver(load(stored, "received", name, Received("", 0))) for name in neighbours.upstream
        }

    def recover(self, stored: Stored) -> list[str]:
        """After a kill: our workpieces reappear at the re-entry point; says what becomes of each.

        One that is on offer stands between the stations until the neighbour answers: on a carrier it
        would come to the outlet a second time.
        """
        told: list[str] = []
        pending, reentry = self._sender.pending, self.station.reentry
        for (table, key), data in sorted(stored.items()):
            if table != "workpiece" or (pending is not None and pending.id == key):
                continue
            if reentry is None:
                self._journal("workpiece", key, None)
                told.append(f"{key} is taken off: the station has no re-entry point")
                continue
            self.returning.append(msgspec.msgpack.decode(data, type=Workpiece))
            told.append(f"{key} reappears at {reentry}")
        if pending is not None:
            told.append(f"{pending.id} is on offer to {self.neighbours.downstream}")
        return told

    def contents(self) -> tuple[Workpiece, ...]:
        """Every workpiece that is this station's, also one that stands on no carrier at present."""
        standing = [workpiece for _, workpiece in self.twin.contents()] + self.returning
        pending = self._sender.pending
        if pending is not None and all(each.id != pending.id for each in standing):
            standing.append(pending)
        return tuple(standing)

    def hears(self, neighbour: str, now: int) -> bool:
        """Whether ``neighbour`` was heard of within the last second."""
        heard = self._heard.get(neighbour)
        return heard is not None and now - heard < SILENCE

    def signals(self, now: int) -> dict[str, Value]:
        """Our inputs that neighbours drive, as far as they are there."""
        values: dict[str, Value] = {}
        if not self.isolated:
            for neighbour, listened in self.neighbours.listen.items():
                if self.hears(neighbour, now):
                    values.update({t: self._signals[t] for t in listened.values() if t in self._signals})
        return values

    def hear(self, now: int, sender: str, message: Coupling) -> tuple[str, int] | None:
        """A neighbour's message; gives (neighbour, offer to accept in ns) when a workpiece has passed."""
        match message:
            case Signals(values=values) if sender in self._known:
                self._heard[sender] = now
                for theirs, mine in self.neighbours.listen.get(sender, {}).items():
                    if theirs in values:
                        self._signals[mine] = values[theirs]
                    else:
                        self._signals.pop(mine, None)
            case Offer():
                receiver = self._receivers.get(sender)
                again = receiver.offered(now, message) if receiver is not None else None
                if again is not None:
                    self._answers.append((sender, again))
            case Accept():
                passed = self._sender.accepted(now, message) if sender == self.neighbours.downstream else None
                if passed is not None:
                    self._journal("send", "transfer", msgspec.msgpack.encode(self._sender.transfer))
                    self._leave(passed[0], "left", sender)
                    return None if passed[1] is None else (sender, passed[1])
            case _:
                pass
        return None

    def move(self, now: int) -> None:
        """Feed the inlet, take what neighbours offer, offer what stands at the outlet."""
        reentry = self.station.reentry
        while self.returning and reentry is not None and self.twin.carrier(reentry).admits(self.returning[0]):
            self._enter(reentry, self.returning.pop(0), "")
        while self.feeding and self.twin.carrier(self.feeding[0][0]).admits(self.feeding[0][1]):
            self._enter(*self.feeding.pop(0), "")
        self._take_offers(now)
        outlet = self.station.outlet
        waiting = self.twin.carrier(outlet).waiting() if outlet is not None else None
        if waiting is None or self._sender.pending is not None:
            return
        if self.isolated or self.neighbours.downstream is None:
            self._leave(waiting, "left" if self.isolated else "finished", "")
        elif self.hears(self.neighbours.downstream, now):
            transfer = self._sender.begin(now, waiting)
            self._journal("send", "transfer", msgspec.msgpack.encode(transfer))

    def _take_offers(self, now: int) -> None:
        inlet = self.station.inlet
        self.problem = ""
        for name, receiver in self._receivers.items():
            if inlet is None or self.isolated:
                receiver.waiting = None  # not to be taken later: by then it may be withdrawn
            offer = receiver.open_offer(now)
            if offer is None or inlet is None:
                continue
            why = refuses_workpiece(offer.workpiece, {each.id for each in self.contents()})
            if why:
                self.problem = f"{name} offers what cannot be taken: {why}"
            elif self.twin.carrier(inlet).admits(offer.workpiece):
                received, accept, workpiece = receiver.take()
                self._journal("received", name, msgspec.msgpack.encode(received))
                self._enter(inlet, workpiece, name)
                self._answers.append((name, accept))

    def tell(self, now: int, values: Mapping[str, Value] | None) -> list[tuple[str, Coupling]]:
        """What to send: answers, signals on change and as a heartbeat, the workpiece on offer.

        ``values`` is None while the controller is not connected: then the signals say nothing, and the
        neighbours fall back to their safe values.
        """
        messages, self._answers = self._answers, []
        for neighbour, names in self.neighbours.tell.items():
            said = {name: values[name] for name in names if name in values} if values is not None else {}
            at, told = self._told.get(neighbour, (now - HEARTBEAT, {}))
            if said != told or now - at >= HEARTBEAT:
                self._told[neighbour] = (now, said)
                messages.append((neighbour, Signals(said)))
        downstream = self.neighbours.downstream
        if downstream is not None and self.hears(downstream, now):
            offer = self._sender.due(now)
            if offer is not None:
                messages.append((downstream, offer))
        return messages

    def reset(self) -> None:
        """Take every workpiece off by hand; an offer that is under way means nothing any more."""
        gone = self.contents()
        self.feeding.clear()
        self.returning.clear()
        self.twin.reset()
        if self._sender.pending is not None:
            self._sender.withdraw()
            self._journal("send", "transfer", msgspec.msgpack.encode(self._sender.transfer))
        for workpiece in gone:
            self._journal("workpiece", workpiece.id, None)
        for receiver in self._receivers.values():
            receiver.waiting = None

    def _enter(self, carrier: str, workpiece: Workpiece, source: str) -> None:
        self._journal("workpiece", workpiece.id, msgspec.msgpack.encode(workpiece))
        self.twin.carrier(carrier).admit(workpiece)
        self._happened("entered", carrier, workpiece.id, source)

    def _leave(self, workpiece: Workpiece, kind: Kind, detail: str) -> None:
        """``workpiece`` is here no longer, wherever it stood: since it was offered a clamp may hold it, or a
        restart have taken it off its carrier."""
        for carrier, each in self.twin.contents():
            if each.id == workpiece.id:
                self.twin.carrier(carrier).remove(workpiece.id)
        self._journal("workpiece", workpiece.id, None)
        self._happened(kind, self.station.outlet or "", workpiece.id, detail)


def load(stored: Stored, table: str, key: str, default: T) -> T:
    """What the journal holds under ``key``, of the default's type; the default where it holds nothing."""
    data = stored.get((table, key))
    return default if data is None else msgspec.msgpack.decode(data, type=type(default))

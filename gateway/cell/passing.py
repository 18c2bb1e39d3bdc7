"""How workpieces pass through a station in shadow: the machine takes and gives, and its twin follows; pure.

One comes in when the machine sees it come, whatever a neighbour has on offer; so a neighbour upstream finds
the door closed until the machine takes something. One that has come to an outlet is off the machine; it is
handed to the neighbour downstream as ever, and stands between the stations until that takes it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.cell.arrivals import Arrivals, Door, doors
from gateway.cell.check import refuses_workpiece
from gateway.cell.couplings import Couplings, Happened, Journal, Neighbours, Stored, load
from gateway.cell.handover import Receiver
from gateway.field.types import Value
from gateway.station import Station
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Workpiece
from ledger.shapes import unpacked

MAX_GOING = 16  # at an outlet; what comes then stays on the twin's carrier


class Passing(Couplings):
    """The couplings of a station in shadow."""

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
        super().__init__(station, neighbours, twin, stored, epoch, journal, happened)
        seen = doors(self.station, self.twin)
        self._arrivals = Arrivals(seen)
        self._unseen = sorted(self.station.inlets.keys() - {door.inlet for door in seen})
        self._going: dict[str, list[Workpiece]] = {outlet: [] for outlet in self.station.outlets}
        self._count: int = load(stored, "arrived", "count", 0)  # that nobody handed over

    def recover(self, stored: Stored) -> list[str]:
        """After a restart nobody knows where on the machine our workpieces are, or whether they are: each is
        the next that comes."""
        offered = self.on_offer()
        told = [f"{key} is on offer to {neighbour}" for key, neighbour in offered.items()]
        for (table, key), data in sorted(stored.items()):
            if table == "workpiece" and key not in offered:
                self.returning.append(unpacked(data, Workpiece))
                told.append(f"{key} is the next that the machine sees come")
        return told

    @property
    def problem(self) -> str:
        """Also where what comes in is not seen."""
        unseen = [f"no sensor sees what comes in at {inlet}: the twin gets none" for inlet in self._unseen]
        return "; ".join(filter(None, (super().problem, *unseen)))

    def contents(self) -> tuple[Workpiece, ...]:
        """Also those that wait to be handed on."""
        return (*super().contents(), *(each for going in self._going.values() for each in going))

    def see(self, now: int, machine: Mapping[str, Value]) -> None:
        """What the ``machine`` shows: who has come in?"""
        for door in self._arrivals.see(machine, self.twin):
            if self._arrive(now, door):
                self._arrivals.came(door)

    def _arrive(self, now: int, door: Door) -> bool:
        """A workpiece is seen at ``door``: ours since before a restart, else the one that a neighbour has on
        offer there, else a new one. False: the twin has no room for it there, yet."""
        offer = self._offered(now, door.inlet)
        if self.returning:
            coming = self.returning[0]
        elif offer is not None and offer[2].waiting is not None:
            coming = offer[2].waiting.workpiece
        else:
            coming = Workpiece(f"{self.station.id}-real-{self._count + 1:04d}", *self.neighbours.product)
        if not self.twin.carrier(door.carrier).admits(coming, door.at):
            return False
        source = ""
        if self.returning:
            self.returning.pop(0)
        elif offer is not None:
            self._take(*offer)
            source = offer[0]
        else:
            self._count += 1
            self._journal("arrived", "count", msgspec.msgpack.encode(self._count))
        self._enter(door.carrier, coming, source, door.at)
        return True

    def _offered(self, now: int, inlet: str) -> tuple[str, str, Receiver] | None:
        """The neighbour, its outlet, and what is on offer from there at ``inlet``, if that can be taken."""
        for (name, outlet), receiver in self._receivers.items():
            offer = receiver.open_offer(now)
            if self.neighbours.upstream[name][outlet] != inlet or offer is None:
                continue
            if not refuses_workpiece(offer.workpiece, {each.id for each in self.contents()}):
                return name, outlet, receiver
        return None

    def move(self, now: int) -> None:
        """Hand on what has come to the outlets."""
        for outlet, carrier in self.station.outlets.items():
            neighbour = self.neighbours.downstream.get(outlet)
            waiting = self.twin.carrier(carrier).waiting()
            if neighbour is None:
                if waiting is not None:
                    self._leave(waiting, "finished", outlet, "")
                continue
            going, sender = self._going[outlet], self._senders[outlet, neighbour]
            if waiting is not None and len(going) < MAX_GOING:
                going.append(self.twin.remove(carrier, waiting.id))
            if going and sender.pending is None and self.signalling.hears(neighbour, now):
                sender.begin(now, going.pop(0), self.signalling.epochs[neighbour])
                self._keep(outlet, neighbour, sender)

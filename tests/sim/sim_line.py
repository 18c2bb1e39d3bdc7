"""A line of real cells on a network that drops, delays, doubles, reorders and cuts, with kills; all by seed.

Nothing here is real but the cells: time is a number, a disk a dictionary, the network a heap. What a
gateway's process does around its cell (journal first, then send) is done here in the same order, and a
kill may come between any two of those steps. Brokers go, journals are thrown away. A breach of what must
always hold raises ``Violation``.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import deque
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import msgspec
from sim_topology import Lane, Topology, chance

from gateway.cell.cell import Asked, Cell, Inputs, Outputs
from gateway.cell.handover import Received, Transfer
from gateway.net.messages import (
    Acquire,
    Coupling,
    Feed,
    Leased,
    Refused,
    Renew,
    Reset,
    Run,
    Trace,
    encode,
)
from gateway.twin.workpiece import Happening, Workpiece

MS = 1_000_000
Pair = tuple[str, str, str]  # the sender, its outlet, the receiver


class Violation(Exception):
    """Something that must always hold does not."""


class Weather(NamedTuple):
    """How bad it is: shares of messages dropped and doubled, the longest delay, chances of a kill, of a kill
    that also takes the journal, of all brokers gone for a while, and of a workpiece that falls off."""

    drop: float
    double: float
    delay: int
    kill: float
    kill_between: float
    resets: bool
    discard: float
    blackout: float
    drops: float


CALM = Weather(0.0, 0.0, 5 * MS, 0.0, 0.0, False, 0.0, 0.0, 0.0)


def storm(random: Random) -> Weather:
    """Some seeds are mild, so that everything is reached; some are very bad."""
    return Weather(
        random.choice((0.0, 0.1, 0.5)),
        random.choice((0.0, 0.1, 0.4)),
        random.choice((5 * MS, 300 * MS, 2_500 * MS)),
        random.choice((0.0, 0.3, 0.6)),
        random.choice((0.0, 0.02, 0.1)),
        random.random() < 0.2,
        random.choice((0.0, 0.1, 0.4)),
        random.choice((0.0, 0.05)),
        random.choice((0.0, 0.0, 0.003)),
    )


class Gateway:
    """One station's gateway: what its disk holds survives a kill, and nothing else."""

    def __init__(self, world: World, name: str, topology: Topology) -> None:
        self.world = world
        self.station = topology.station(name)
        self.neighbours = topology.neighbours(name)
        self.lanes = topology.of(name)
        self.journals = 1  # counted
        self.disk: dict[tuple[str, str], bytes] = {}
        self.boot()

    def boot(self) -> None:
        """The process starts with what is on the disk."""
        self.cell: Cell | None = Cell(
            self.station, self.neighbours, self.world.now, dict(self.disk), self.epoch
        )
        self.outbox: deque[Outputs] = deque()
        self.persisted = 0
        self.asked: list[Asked] = []
        self.coupled: list[tuple[str, Coupling]] = []
        self.image: dict[str, bool] = {"run": True}
        self.token = 0
        self.busy = False

    @property
    def epoch(self) -> str:
        """Of the journal on the disk."""
        return f"{self.station.id}-{self.journals}"

    def discard(self) -> None:
        """A new disk."""
        self.disk.clear()
        self.journals += 1

    def divert(self) -> None:
        """What a diverter in a twin does: a workpiece at the end of a belt goes onto another one."""
        assert self.cell is not None
        one, other = self.world.random.sample(self.lanes, 2)
        waiting = self.cell.twin.carrier(one.carrier).waiting()
        if waiting is not None and self.cell.twin.carrier(other.carrier).admits(waiting):
            self.cell.twin.remove(one.carrier, waiting.id)
            self.cell.twin.admit(other.carrier, waiting)

    def drop(self) -> None:
        """What a fault in a twin does: a workpiece falls off, also one that is on offer."""
        assert self.cell is not None
        twin = self.cell.twin
        for carrier, workpiece in twin.contents()[:1]:
            twin.carrier(carrier).remove(workpiece.id)
            happened = Happening(self.world.now, "dropped", carrier, workpiece.id)
            twin.surroundings.happenings.append(happened)

    def kill(self) -> None:
        """The process is gone, with everything that is not on the disk."""
        self.cell = None
        self.outbox.clear()

    def step(self) -> None:
        """One scan, as the process does it."""
        assert self.cell is not None
        now = self.world.now
        if len(self.lanes) > 1 and self.world.random.random() < 0.02:
            self.divert()
        if self.world.random.random() < self.world.weather.drops:
            self.drop()
        asked, coupled, image = tuple(self.asked), tuple(self.coupled), self.image
        self.asked, self.coupled, self.image = [], [], {}
        out = self.cell.step(now, Inputs(image, True, 0, now, self.persisted, asked, coupled))
        if out.journal or out.replies or out.couple or out.events:
            self.outbox.append(out)
        self.cell.took(out.writes)

    def flush(self, count: int) -> None:
        """Do ``count`` outputs, in order: the journal, then what speaks of it."""
        while count > 0 and self.outbox and self.cell is not None:
            count -= 1
            out = self.outbox.popleft()
            for phase in self.world.order:
                phase(self, out)
                if self.world.random.random() < self.world.weather.kill_between:
                    self.world.down(self)
                    return

    def persist(self, out: Outputs) -> None:
        """What is to survive a kill."""
        for change in out.journal:
            if change.data is None:
                self.disk.pop((change.table, change.key), None)
            else:
                self.disk[change.table, change.key] = change.data
        if out.journal:
            self.persisted = max(self.persisted, out.ticket)
            self.world.persisted(self, out)

    def send(self, out: Outputs) -> None:
        """What the others may know now."""
        for _, _, body in out.replies:
            if isinstance(body, Leased):
                self.token = body.token
            if isinstance(body, Refused):
                self.token = 0 if "lease" in body.why or "stale" in body.why else self.token
            if isinstance(body, Trace | Refused):
                self.busy = False
                self.world.resetting.discard(self.station.id)
        for neighbour, message in out.couple:
            self.world.post(self.station.id, neighbour, message)

    # --- what the disk says ---------------------------------------------------------------------------

    def holds(self) -> set[str]:
        return {key for table, key in self.disk if table == "workpiece"}

    def transfers(self) -> dict[Pair, Transfer]:
        """What is on offer."""
        found: dict[Pair, Transfer] = {}
        for (table, key), data in self.disk.items():
            if table == "send":
                outlet, _, neighbour = key.partition(".")
                found[self.station.id, outlet, neighbour] = msgspec.msgpack.decode(data, type=Transfer)
        return found


Phase = Callable[[Gateway, Outputs], None]


class World:
    """The line, its network and its weather."""

    def __init__(self, seed: int, topology: Topology | None = None, workpieces: int = 10) -> None:
        self.random = Random(seed)
        self.weather = storm(self.random)
        self.order: tuple[Phase, ...] = (Gateway.persist, Gateway.send)
        self.now = self.random.choice((0, 10**15))
        self.topology = topology or chance(self.random)
        names = self.topology.names()
        self.gateways = {name: Gateway(self, name, self.topology) for name in names}
        self.to_feed: list[tuple[Lane, Workpiece]] = [
            (self.random.choice(self.topology.sources), Workpiece(f"w-{n}", length=60.0))
            for n in range(workpieces)
        ]
        self.taken: set[tuple[Pair, str, int]] = set()  # transfers that ever came onto the receiver's disk
        self._dark = -1  # no broker until then
        self.seen: set[str] = set()  # were on some disk
        self.finished: list[str] = []
        self.removed: set[str] = set()  # by a reset, with a journal, or fallen off
        self._cut: dict[tuple[str, str], int] = {}
        self._events: list[tuple[int, int, str, object]] = []
        self._count = 0
        self._request = 0
        self.resetting: set[str] = set()
        self.kills = self.discards = self.blackouts = 0
        self.doubted: set[tuple[str, str]] = set()  # (station, workpiece)
        self._trace = hashlib.sha256()
        for name in names:
            self._at(self.now, "scan", name)
        self._at(self.now, "operator", None)
        self._at(self.now, "chaos", None)

    @property
    def trace(self) -> str:
        """A hash over everything that was delivered and written."""
        return self._trace.hexdigest()

    def run(self, chaos: int = 10_000 * MS, healing: int = 30_000 * MS) -> None:
        """Bad weather, then good: everything that was ever fed comes out once, within ``healing`` ns."""
        self._until(self.now + chaos)
        self.weather = CALM
        self._cut.clear()
        self._dark = -1
        for gateway in self.gateways.values():
            if gateway.cell is None:
                self._up(gateway)
        self._until(self.now + healing, lambda: not self.to_feed and self._all_out())
        if not self._all_out():
            held = {name: sorted(gateway.holds()) for name, gateway in self.gateways.items()}
            raise Violation(f"not out within {healing / 1e9:g} s: {held}, finished {self.finished}")

    def _all_out(self) -> bool:
        return all(not gateway.holds() for gateway in self.gateways.values())

    # --- time -------------------------------------------------------------------------------------------

    def _at(self, time: int, kind: str, what: object) -> None:
        self._count += 1
        heapq.heappush(self._events, (time, self._count, kind, what))

    def _until(self, end: int, done: Callable[[], bool] = lambda: False) -> None:
        while self._events[0][0] <= end and not done():
            self.now, _, kind, what = heapq.heappop(self._events)
            getattr(self, f"_on_{kind}")(what)
        self.now = max(self.now, end) if not done() else self.now

    def _on_scan(self, name: str) -> None:
        gateway = self.gateways[name]
        self._at(self.now + self.random.randint(10, 60) * MS, "scan", name)
        if gateway.cell is None:
            return
        gateway.step()
        self._check_cells()
        gateway.flush(self.random.choice((0, 1, 2, 8)) if self.weather != CALM else 8)

    def _on_deliver(self, what: tuple[str, str, Coupling]) -> None:
        sender, receiver, message = what
        self._note("deliver", sender, receiver, encode(message).hex())
        if self.gateways[receiver].cell is not None:
            self.gateways[receiver].coupled.append((sender, message))

    def _on_operator(self, _: object) -> None:
        """Feeds the sources until every workpiece has been seen, resets a station where a workpiece is in
        doubt, and another one now and then."""
        self._at(self.now + 100 * MS, "operator", None)
        for gateway in self.gateways.values():
            if gateway.cell is not None and "may have passed" in gateway.cell.couplings.problem:
                self.doubted |= {(gateway.station.id, each) for each in gateway.cell.couplings.on_offer()}
                self._reset(gateway)
        inside = self._inside()
        self.to_feed = [each for each in self.to_feed if each[1].id not in self.seen]
        next_one = next((each for each in self.to_feed if each[1].id not in inside), None)
        if next_one is not None:
            lane, workpiece = next_one
            source = self.gateways[lane.station]
            if self._leased(source) and not source.busy:
                source.busy = True
                self._ask(source, Run(source.token, (Feed(lane.carrier, (workpiece,)),)))
        if self.weather.resets and self.random.random() < 0.05:
            self._reset(self.gateways[self.random.choice(list(self.gateways))])

    def _reset(self, gateway: Gateway) -> None:
        if self._leased(gateway) and not gateway.busy:
            gateway.busy = True
            self.resetting.add(gateway.station.id)
            self._ask(gateway, Run(gateway.token, (Reset(),)))

    def _inside(self) -> set[str]:
        """What is in some gateway's memory, and may not be on its disk yet."""
        return {
            workpiece.id
            for gateway in self.gateways.values()
            if gateway.cell is not None
            for workpiece in gateway.cell.couplings.contents()
        }

    def _leased(self, gateway: Gateway) -> bool:
        if gateway.cell is None:
            return False
        if not gateway.token:
            self._ask(gateway, Acquire(5_000 * MS))
            return False
        self._ask(gateway, Renew(gateway.token))
        return True

    def _ask(self, gateway: Gateway, command: Acquire | Renew | Run) -> None:
        self._request += 1
        gateway.asked.append(Asked("anna", self._request, command))

    def _on_chaos(self, _: object) -> None:
        self._at(self.now + self.random.randint(50, 500) * MS, "chaos", None)
        if self.weather == CALM:
            return
        gateway = self.gateways[self.random.choice(list(self.gateways))]
        if gateway.cell is not None and self.random.random() < self.weather.kill:
            self.down(gateway)
            if self.random.random() < self.weather.discard:
                self._note("discard", gateway.station.id)
                self.discards += 1
                self.removed |= gateway.holds()
                gateway.discard()
        if self.random.random() < self.weather.blackout:
            self._dark = self.now + self.random.randint(500, 4_000) * MS
            self.blackouts += 1
        if self.random.random() < 0.3:
            one, other = self.random.sample(list(self.gateways), 2)
            self._cut[one, other] = self.now + self.random.randint(100, 2_000) * MS

    def down(self, gateway: Gateway) -> None:
        """Kill a gateway; it comes back after a while."""
        self._note("kill", gateway.station.id)
        self.kills += 1
        gateway.kill()
        self.resetting.discard(gateway.station.id)
        self._at(self.now + self.random.randint(0, 1_500) * MS, "up", gateway.station.id)

    def _on_up(self, name: str) -> None:
        if self.gateways[name].cell is None:
            self._up(self.gateways[name])

    def _up(self, gateway: Gateway) -> None:
        self._note("boot", gateway.station.id)
        gateway.boot()
        self._check_cells()

    # --- the network --------------------------------------------------------------------------------------

    def post(self, sender: str, receiver: str, message: Coupling) -> None:
        """Deliver ``message`` once, twice or never, sometime."""
        random, weather = self.random, self.weather
        cut = max(self._cut.get((sender, receiver), -1), self._dark)
        if cut > self.now or random.random() < weather.drop:
            return
        for _ in range(2 if random.random() < weather.double else 1):
            self._at(self.now + random.randint(MS, weather.delay), "deliver", (sender, receiver, message))

    # --- what must always hold ----------------------------------------------------------------------------

    def persisted(self, gateway: Gateway, out: Outputs) -> None:
        """Something came onto a disk: every workpiece that ever was on one has one owner, or is out."""
        for change in out.journal:
            self._note("disk", gateway.station.id, change.table, change.key, (change.data or b"").hex())
            if change.table == "received" and change.data is not None:
                neighbour, _, outlet = change.key.partition(".")
                last = msgspec.msgpack.decode(change.data, type=Received)
                self.taken.add(((neighbour, outlet, gateway.station.id), last.epoch, last.number))
            elif change.table == "workpiece" and change.data is not None:
                self.seen.add(change.key)
            elif change.table == "workpiece" and gateway.station.id in self.resetting:
                self.removed.add(change.key)
        for event in out.events:
            workpiece, _, happened = event.text.partition(" ")
            if event.kind == "workpiece" and happened.startswith("finished"):
                self.finished.append(workpiece)
            elif event.kind == "workpiece" and happened == "dropped":
                self.removed.add(workpiece)
        for workpiece in self.seen:
            owners = [each.station.id for each in self.gateways.values() if self._owns(each, workpiece)]
            out_of_it = self.finished.count(workpiece)
            if len(owners) + out_of_it > 1:
                raise Violation(f"{workpiece} exists twice: in {owners}, finished {out_of_it} times")
            if not owners and not out_of_it and workpiece not in self.removed:
                raise Violation(f"{workpiece} is lost")

    def _owns(self, gateway: Gateway, workpiece: str) -> bool:
        """On disk; not while it is on offer and the neighbour's disk says that it was taken."""
        if ("workpiece", workpiece) not in gateway.disk:
            return False
        return not any(
            pending.workpiece is not None
            and pending.workpiece.id == workpiece
            and (pair, gateway.epoch, pending.number) in self.taken
            for pair, pending in gateway.transfers().items()
        )

    def _check_cells(self) -> None:
        """No workpiece stands in two stations, but one that is on offer and just taken; none twice in one."""
        places: dict[str, str] = {}
        for name, gateway in self.gateways.items():
            if gateway.cell is None:
                continue
            couplings = gateway.cell.couplings
            offered = couplings.on_offer()
            ids = [workpiece.id for workpiece in couplings.contents()]
            if len(ids) != len(set(ids)):
                raise Violation(f"{name} holds a workpiece twice: {ids}")
            for workpiece in ids:
                if workpiece in offered:
                    continue
                if workpiece in places and not self._unsure(places[workpiece], name, workpiece):
                    raise Violation(f"{workpiece} stands in {places[workpiece]} and in {name}")
                places[workpiece] = name

    def _unsure(self, one: str, other: str, workpiece: str) -> bool:
        """Whether one of the two has it in memory only, and only since a kill undid what had followed."""
        return any(("workpiece", workpiece) not in self.gateways[name].disk for name in (one, other))

    def _note(self, *what: str) -> None:
        self._trace.update(f"{self.now} {' '.join(what)}\n".encode())

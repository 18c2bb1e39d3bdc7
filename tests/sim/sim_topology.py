"""Random lines for the simulation: stations of several belts, each with an inlet and outlet of its own.

Belts are numbered over the line; each leads to one of a smaller number in another station, and belt 0 out
of the line. So workpieces always come out, belts merge, stations stand in parallel, two stations lead to
each other in both directions, and a workpiece may come through a station several times.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from gateway.cell.couplings import Neighbours
from gateway.net.messages import MAIN
from gateway.station import Station, load_station

BELT = load_station(Path(__file__).parent.parent / "unit" / "data" / "cell" / "belt.yaml")


class Lane(NamedTuple):
    """A belt of a station, with the inlet and outlet of the same name."""

    station: str
    name: str

    @property
    def carrier(self) -> str:
        """The belt in the twin."""
        return "belt" if self.name == MAIN else f"belt-{self.name}"


class Topology(NamedTuple):
    """``ways`` lead from a lane to the next; ``sources`` are lanes that none leads to."""

    lanes: list[Lane]
    ways: dict[Lane, Lane]

    @property
    def sources(self) -> list[Lane]:
        fed = set(self.ways.values())
        return [lane for lane in self.lanes if lane not in fed]

    def names(self) -> list[str]:
        """The stations."""
        return list(dict.fromkeys(lane.station for lane in self.lanes))

    def of(self, station: str) -> list[Lane]:
        """The lanes of ``station``."""
        return [lane for lane in self.lanes if lane.station == station]

    def station(self, name: str) -> Station:
        """A station with a belt for each of its lanes, all on one motor output."""
        lanes = self.of(name)
        twin = dict(BELT.twin)
        belt = BELT.twin["belt"]
        for lane in lanes:
            ports = belt.ports if lane.name == MAIN else {"run": belt.ports["run"]}
            twin[lane.carrier] = msgspec.structs.replace(belt, name=lane.carrier, ports=ports)
        places = {lane.name: lane.carrier for lane in lanes}
        return msgspec.structs.replace(
            BELT, id=name, twin=twin, inlets=places, outlets=places, reentry=lanes[0].carrier
        )

    def neighbours(self, name: str) -> Neighbours:
        """Who stands beside ``name``."""
        upstream: dict[str, dict[str, str]] = {}
        for out, into in self.ways.items():
            if into.station == name:
                upstream.setdefault(out.station, {})[out.name] = into.name
        downstream = {out.name: into.station for out, into in self.ways.items() if out.station == name}
        return Neighbours(upstream, downstream, {}, dict.fromkeys([*upstream, *downstream.values()], ()))


def row(stations: int) -> Topology:
    """One belt each, one after the other."""
    lanes = [Lane(f"s{n}", MAIN) for n in range(stations)]
    return Topology(lanes, {lanes[n]: lanes[n - 1] for n in range(1, stations)})


def chance(random: Random) -> Topology:
    """Two to five stations of one to three belts."""
    count: dict[str, int] = {}
    for n in range(random.randint(2, 5)):
        count[f"s{n}"] = random.choice((1, 1, 2, 3))
    lanes = [
        Lane(name, MAIN if n == 0 else f"way-{n}") for name, belts in count.items() for n in range(belts)
    ]
    random.shuffle(lanes)
    ways: dict[Lane, Lane] = {}
    kept = lanes[:1]
    for lane in lanes[1:]:
        others = [each for each in kept if each.station != lane.station]
        if others:
            ways[lane] = random.choice(others)
            kept.append(lane)
    stations = {lane.station for lane in kept}
    if len(stations) < 2 or any(Lane(name, MAIN) not in kept for name in stations):
        return chance(random)
    return Topology(sorted(kept), ways)

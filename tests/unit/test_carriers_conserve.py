"""Whatever is done to a station of all carriers: no workpiece is lost, none exists twice, belts keep gaps."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twin_bench import Bench

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Component
from gateway.twin.components.buffers import Bin, Buffer, Magazine
from gateway.twin.components.gripping import PickAndPlace
from gateway.twin.components.lanes import Diverter, Merger, RollerZone
from gateway.twin.components.lifting import Flipper, Lift, TurnUnit
from gateway.twin.components.places import Nest
from gateway.twin.components.pneumatics import Cylinder
from gateway.twin.components.shuttle import Shuttle
from gateway.twin.components.transport import BeltConveyor
from gateway.twin.components.turning import RotaryTable
from gateway.twin.workpiece import GONE, Workpiece

BELT: dict[str, float] = {"length": 400, "speed": 500}


class Station:
    """A way through one of each carrier, from ``merger`` to ``last``, with a bin beside it."""

    def __init__(self) -> None:
        self.bench = bench = Bench()
        self.last = bench.add(Buffer, {"capacity": 3, "through": 100})
        self.zone = bench.add(RollerZone, BELT, to=self.last)
        self.second = bench.add(BeltConveyor, BELT, to=self.zone)
        stops = {"pitch": 300.0, "stops": 3, "speed": 2000, "acceleration": 20_000, "first": 1, "other": 2}
        self.bin = bench.add(Bin, {"capacity": 4})
        self.shuttle = bench.add(Shuttle, stops, to=self.second, second=self.bin)
        self.magazine = bench.add(Magazine, {"capacity": 2, "cycle": 100}, to=self.shuttle)
        self.table = bench.add(
            RotaryTable, {"places": 3, "step": 100, "outlet": 2, "pitch": 100}, to=self.magazine
        )
        self.nest = bench.add(Nest)
        self.unit = bench.add(
            PickAndPlace, {"slide": 90, "lower": 60, "close": 30}, **{"from": self.nest, "onto": self.table}
        )
        self.flipper = bench.add(Flipper, {"travel": 120, "load": 40}, to=self.nest)
        self.turn = bench.add(TurnUnit, {"travel": 150}, to=self.flipper)
        self.lift = bench.add(Lift, {"travel": 200, "load": 60}, to=self.turn)
        self.main = bench.add(Merger, {**BELT, "switch": 50}, to=self.lift)
        self.side = bench.add(BeltConveyor, {**BELT, "to-at": 200}, to=self.main)
        self.diverter = bench.add(
            Diverter, {"at": 250, "travel": 60, "to-at": 100}, on=self.main, to=self.side
        )
        bench.add(Cylinder, {"extend": 40, "retract": 40, "at": 300, "window": 60}, holds=self.main)
        bench.add(Cylinder, {"extend": 40, "retract": 40, "at": 0, "window": 60}, holds=self.table)
        self.fed = 0
        self.out: list[str] = []
        self.drives = [
            (component, port.name, port.kind)
            for component in bench.components
            for port in component.PORTS
            if port.direction == "actuator"
        ]
        self.faults = [
            (component, fault.name) for component in bench.components for fault in component.FAULTS
        ]
        for component, port, kind in self.drives:  # all that runs and gives, runs and gives
            component.drive(port, kind == "bool" and port in ("run", "release", "fast"))

    @property
    def carriers(self) -> list[Carrier]:
        return [each for each in self.bench.components if isinstance(each, Carrier)]

    def act(self, what: int, choice: int, value: float) -> None:
        """One act of the controller, a person or a neighbour; ``choice`` and ``value`` say which."""
        if what < 5:
            component, port, kind = self.drives[choice % len(self.drives)]
            number: Scalar = int(value * 3) if kind == "int" else value * 600
            component.drive(port, value < 0.6 if kind == "bool" else number)
        elif what < 7:
            into = self.carriers[choice % len(self.carriers)]
            new = Workpiece(f"w{self.fed}", "phone", round(20 + value * 100, 3))
            if into.admits(new):
                self.fed += 1
                into.admit(new)
        elif what == 7:
            waiting = self.last.waiting()
            if waiting is not None:
                self.out.append(self.last.release(waiting.id).id)
        else:
            component, fault = self.faults[choice % len(self.faults)]
            active = value < 0.4
            if (fault in component.faults) != active:
                self.bench.fault(component, fault, active)

    def check(self) -> None:
        here = [workpiece.id for carrier in self.carriers for workpiece in carrier.contents()]
        gone = [each.workpiece for each in self.bench.surroundings.happenings if each.kind in GONE]
        assert sorted(here + gone + self.out) == sorted(f"w{n}" for n in range(self.fed))
        for belt in (self.main, self.side, self.second, self.zone):
            places = zip(belt.contents(), belt.positions(), strict=True)
            for (ahead, a), (_, b) in itertools.pairwise(places):
                assert a - ahead.length - b >= 20 - 1e-4
            assert all(-1e-6 <= place <= 400 + 1e-6 for place in belt.positions())

    def seen(self) -> list[Any]:
        """What can be seen from outside now, in numbers that rounding does not change."""
        sensors = [
            round(float(component.sense(port.name)), 3)
            for component in self.bench.components
            for port in component.PORTS
            if port.direction == "sensor"
        ]
        return [sensors, [[each.id for each in carrier.contents()] for carrier in self.carriers]]


acts = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 10_000), st.floats(0, 1), st.integers(0, 300)), max_size=80
)


@settings(max_examples=300, deadline=None)
@given(acts)
def test_workpieces_are_conserved_and_never_overlap(script: list[tuple[int, int, float, int]]) -> None:
    station, now = Station(), 0
    for what, choice, value, wait in script:
        station.act(what, choice, value)
        station.check()
        now += wait
        station.bench.to(now)
        station.check()


@settings(max_examples=60, deadline=None)
@given(acts)
def test_without_faults_nothing_is_lost_but_by_the_gripper(script: list[tuple[int, int, float, int]]) -> None:
    station, now = Station(), 0
    for what, choice, value, wait in script:
        station.act(min(what, 7), choice, value)
        now += wait
        station.bench.to(now)
    lost = {
        each.component for each in station.bench.surroundings.happenings if each.kind in ("dropped", "joined")
    }
    assert lost <= {station.unit.name}


@settings(max_examples=100, deadline=None)
@given(acts, st.integers(2, 5))
def test_how_often_one_looks_at_carriers_changes_nothing(
    script: list[tuple[int, int, float, int]], parts: int
) -> None:
    traces = []
    for pieces in (1, parts):
        station, now, trace = Station(), 0.0, []
        for what, choice, value, wait in script:
            station.act(what, choice, value)
            for piece in range(pieces):
                station.bench.to(now + wait * (piece + 1) / pieces)
                if piece < pieces - 1:
                    station.seen()
            now += wait
            trace.append(station.seen())
        traces.append((trace, station.bench.told()))
    assert traces[0] == traces[1]


def restored(station: Station, taken: list[Any]) -> None:
    kernel, states = taken
    station.bench.kernel.restore(kernel)
    for component, state in zip(station.bench.components, states, strict=True):
        component.restore(state)


def stored(station: Station) -> list[Any]:
    states = [component.snapshot() for component in station.bench.components]
    return [station.bench.kernel.snapshot(), states]


@settings(max_examples=100, deadline=None)
@given(acts, acts)
def test_a_stored_station_goes_on_as_it_would_have(
    before: list[tuple[int, int, float, int]], after: list[tuple[int, int, float, int]]
) -> None:
    first, now = Station(), 0
    for what, choice, value, wait in before:
        first.act(what, choice, value)
        now += wait
        first.bench.to(now)
    second = Station()
    restored(second, stored(first))
    second.fed, second.out = first.fed, list(first.out)
    already = len(first.bench.told())
    for station in (first, second):
        later = now
        for what, choice, value, wait in after:
            station.act(what, choice, value)
            later += wait
            station.bench.to(later)
    assert first.seen() == second.seen()
    assert first.bench.told()[already:] == second.bench.told()


def test_the_station_of_all_carriers_has_them_all() -> None:
    families = {type(component) for component in Station().bench.components}

    def descendants(family: type[Component]) -> set[type[Component]]:
        return {each for child in family.__subclasses__() for each in (child, *descendants(child))}

    modules = {family.__module__ for family in families}
    concrete = {each for each in descendants(Carrier) if each.ABOUT and each.__module__ in modules}
    assert concrete <= families

"""The twin as a whole, over the starter line's stations: wires, faults, resetting, storing, determinism."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.field.types import Value
from gateway.station import Station, load_station
from gateway.twin.faults import check_fault
from gateway.twin.twin import Twin
from gateway.twin.wires import ACTUATOR_FAULTS, SENSOR_FAULTS, fits
from gateway.twin.workpiece import Workpiece

STATIONS = {
    name: load_station(Path(__file__).resolve().parents[2] / "config" / "stations" / f"{name}.yaml")
    for name in ("infeed", "glue", "screw")
}
MS = 1_000_000
every_station = pytest.mark.parametrize("station", STATIONS.values(), ids=STATIONS)


def new(station: Station, now: int = 0) -> Twin:
    return Twin(station.twin, station.tags, now)


def all_faults(station: Station) -> list[str]:
    """Every fault that can be injected in the station."""
    found = [f"{name}.{fault.name}" for name, spec in station.twin.items() for fault in spec.family.FAULTS]
    for name, spec in station.twin.items():
        for port in spec.family.PORTS:
            if port.name in spec.ports:
                tag = station.tags[spec.ports[port.name]]
                known = SENSOR_FAULTS if port.direction == "sensor" else ACTUATOR_FAULTS
                found += [f"{name}.{port.name}.{fault}" for fault in known if fits(fault, tag)]
    return found


class Hand:
    """Drives a twin at random, the same for the same seed."""

    def __init__(self, station: Station, seed: int) -> None:
        self.station, self.random, self.fed = station, random.Random(seed), 0
        self.faults = all_faults(station)

    def step(self, twin: Twin) -> tuple[dict[str, Value], list[Any], list[Any]]:
        """Do something, let up to 150 ms pass; what can be seen afterwards."""
        choice = self.random.random()
        if choice < 0.5:
            tag = self.random.choice([tag for tag in self.station.outputs if tag.type.kind != "bits"])
            value = self.random.uniform(*tag.range) if tag.type.kind == "real" else self.random.random() < 0.6
            twin.drive(tag.name, value)
        elif choice < 0.7:
            self.fed += 1
            workpiece = Workpiece(f"w{self.fed}", "phone", self.random.uniform(50, 150))
            if twin.carrier("belt").admits(workpiece):
                twin.admit("belt", workpiece)
        elif choice < 0.8:
            twin.inject(self.random.choice(self.faults), self.random.random() < 0.4)
        elif (waiting := twin.carrier("belt").waiting()) is not None:
            twin.remove("belt", waiting.id)
        twin.advance(twin.now + self.random.randrange(150 * MS))
        return twin.sense(), twin.happenings(), twin.contents()


@every_station
def test_the_same_inputs_give_the_same_trace_wherever_time_begins(station: Station) -> None:
    for seed in range(5):
        traces = []
        for start in (0, 987_654_321_987):
            hand, twin = Hand(station, seed), new(station, start)
            trace = [hand.step(twin) for _ in range(200)]
            for seen, happenings, _ in trace:
                for tag, value in seen.items():
                    seen[tag] = round(value, 4)
                happenings[:] = [
                    (each.time - start, each.kind, each.component, each.workpiece) for each in happenings
                ]
            traces.append(trace)
        assert traces[0] == traces[1]


@every_station
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), before=st.integers(0, 80))
def test_a_stored_twin_goes_on_as_the_original(station: Station, seed: int, before: int) -> None:
    hand, twin = Hand(station, seed), new(station)
    for _ in range(before):
        hand.step(twin)
    taken = twin.snapshot()
    state, fed = hand.random.getstate(), hand.fed
    original = [hand.step(twin) for _ in range(40)]
    other = new(station)
    other.restore(taken)
    hand.random.setstate(state)
    hand.fed = fed
    assert [hand.step(other) for _ in range(40)] == original
    # The original has gone on since: what was taken is untouched by that, and restores it too.
    twin.restore(taken)
    hand.random.setstate(state)
    hand.fed = fed
    assert [hand.step(twin) for _ in range(40)] == original


@every_station
def test_what_is_sensed_lies_in_the_tags_range(station: Station) -> None:
    hand, twin = Hand(station, 7), new(station)
    for _ in range(500):
        seen, _, _ = hand.step(twin)
        for tag, value in seen.items():
            low, high = station.tags[tag].range
            assert low <= value <= high


@every_station
def test_a_reset_clears_faults_and_workpieces_and_the_twin_works_on(station: Station) -> None:
    hand, twin = Hand(station, 3), new(station)
    for _ in range(100):
        hand.step(twin)
    for fault in all_faults(station):
        twin.inject(fault)
    before = [workpiece for _, workpiece in twin.contents()]
    assert list(twin.reset()) == before
    assert twin.active_faults() == []
    assert twin.contents() == []
    for tag in station.outputs:
        twin.drive(tag.name, 0)
    twin.advance(twin.now + 5000 * MS)
    rest = new(station)
    assert {k: round(v, 3) for k, v in twin.sense().items()} == {
        k: round(v, 3) for k, v in rest.sense().items()
    }


@every_station
def test_every_fault_is_accepted_shows_and_ends(station: Station) -> None:
    for fault in all_faults(station):
        twin = new(station)
        assert check_fault(fault, station.twin, station.tags) == ""
        twin.inject(fault)
        twin.inject(fault)
        assert twin.active_faults() == [fault]
        twin.inject(fault, False)
        assert twin.active_faults() == []


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ("belt", "names no fault"),
        ("belt.melted", "has the faults jam, trip"),
        ("nothing.jam", "names no fault"),
        ("belt.turn.stuck", "has the signals run, speed, ok"),
        ("belt.run.stuck-on", "this wire has the faults stuck, broken-wire, short-circuit"),
        ("belt.speed.stuck-on", "this wire has the faults stuck, broken-wire, short-circuit, offset, drift"),
    ],
)
def test_what_is_no_fault_is_said_with_what_would_be(fault: str, wrong: str) -> None:
    station = STATIONS["infeed"]
    assert wrong in check_fault(fault, station.twin, station.tags)


def test_wire_faults_change_what_arrives_and_not_the_plant() -> None:
    twin = new(STATIONS["infeed"])
    twin.drive("belt-run", True)
    twin.advance(100 * MS)
    real = twin.sense()["belt-speed"]
    for fault, arriving in (("short-circuit", 500), ("broken-wire", 0), ("stuck", real)):
        twin.inject(f"belt.speed.{fault}")
        assert twin.sense()["belt-speed"] == pytest.approx(arriving)
        twin.inject(f"belt.speed.{fault}", False)
    twin.inject("belt.speed.stuck")
    twin.inject("belt.ok.stuck-off")
    twin.advance(2000 * MS)
    assert twin.sense()["belt-speed"] == real
    assert twin.sense()["drive-ok"] is False
    twin.inject("belt.speed.stuck", False)
    twin.inject("belt.ok.stuck-off", False)
    assert twin.sense()["belt-speed"] == pytest.approx(500)
    assert twin.sense()["drive-ok"] is True


def test_an_output_driven_again_to_the_same_value_changes_nothing() -> None:
    twin = new(STATIONS["glue"])
    twin.drive("axis-target", 300.0)
    twin.advance(200 * MS)
    pending = twin.snapshot()
    twin.drive("axis-target", 300.0)
    assert twin.snapshot() == pending

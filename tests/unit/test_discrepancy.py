"""Two twins of one station, one of them as the machine: they part where it has a fault, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.field.tolerance import Tolerance
from gateway.field.types import Value
from gateway.station import Station, load_station
from gateway.terminals import terminals
from gateway.twin.discrepancy import Comparison, Discrepancy
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Workpiece

MS = 1_000_000
SCAN = 10 * MS
STATIONS = Path(__file__).resolve().parents[2] / "config" / "stations"
Driving = list[tuple[int, str, Value]]


def station(name: str) -> Station:
    return load_station(STATIONS / f"{name}.yaml")


def run(
    name: str, driving: Driving, fault: str = "", until: int = 3_000, late: int = 0, begins: int = 200
) -> tuple[list[Discrepancy], Comparison]:
    """Drive twin and machine alike (the machine ``late`` ms later); ``fault`` begins on the machine."""
    of = station(name)
    tags = terminals(of)
    twin, machine = Twin(of.twin, tags), Twin(of.twin, tags)
    for each in (twin, machine):
        each.admit("belt", Workpiece("w"))
    comparison = Comparison(of.twin, tags)
    told: list[Discrepancy] = []
    for now in range(0, until * MS, SCAN):
        for each, shift in ((twin, 0), (machine, late)):
            each.advance(now)
            for at, tag, value in driving:
                if (at + shift) * MS == now:
                    each.drive(tag, value)
        if fault and now == begins * MS:
            machine.inject(fault)
        told += comparison.look(now, twin.sense(), machine.sense())
    return told, comparison


BELT: Driving = [(100, "belt-run", True)]
LIFT: Driving = [*BELT, (900, "belt-run", False), (1_000, "lift-raise", True)]


@pytest.mark.parametrize(
    ("name", "driving", "fault", "tags", "suspect"),
    [
        ("infeed", BELT, "belt.jam", {"belt-speed", "part-at-stop"}, "belt"),
        ("infeed", BELT, "belt.trip", {"belt-speed", "drive-ok", "part-at-stop"}, "belt"),
        ("infeed", BELT, "eye-stop.sees.stuck-off", {"part-at-stop"}, "eye-stop"),
        ("infeed", BELT, "belt.speed.broken-wire", {"belt-speed"}, "belt"),
        ("infeed", BELT, "air.lost", {"air-ok"}, "air"),
        ("glue", LIFT, "lift.stuck", {"lift-up", "lift-down"}, "lift"),
        ("glue", LIFT, "lift.slow", {"lift-up"}, "lift"),
        ("glue", LIFT, "air.lost", {"air-ok", "lift-up", "lift-down"}, "air"),
        ("glue", LIFT, "door.open", {"door-closed"}, "door"),
    ],
)
def test_a_fault_shows_where_it_is_and_names_its_component(
    name: str, driving: Driving, fault: str, tags: set[str], suspect: str
) -> None:
    told, comparison = run(name, driving, fault)
    assert {each.tag for each in told} == tags
    lasting = comparison.present()
    assert {each.suspect for each in lasting or told} == {suspect}


@pytest.mark.parametrize(("name", "driving"), [("infeed", BELT), ("glue", LIFT)])
@pytest.mark.parametrize("late", [0, 10, 50])
def test_a_machine_that_is_a_little_late_is_no_discrepancy(name: str, driving: Driving, late: int) -> None:
    told, comparison = run(name, driving, late=late)
    assert told == []
    assert comparison.present() == []


TIMES = st.integers(0, 250).map(lambda number: 10 * number)
MOVES = st.lists(st.tuples(TIMES, st.sampled_from(["belt-run", "stopper-open"]), st.booleans()), max_size=12)


@settings(max_examples=40)
@given(MOVES, st.sampled_from([0, 10, 20, 30, 40, 50]))
def test_the_same_twin_on_both_sides_never_parts(driving: Driving, late: int) -> None:
    assert run("infeed", driving, late=late)[0] == []


def look(
    comparison: Comparison, *seen: tuple[int, Value, Value], tag: str = "part-at-stop"
) -> list[Discrepancy]:
    return [
        each for now, twin, machine in seen for each in comparison.look(now * MS, {tag: twin}, {tag: machine})
    ]


def fresh(**tolerances: Tolerance) -> Comparison:
    of = station("infeed")
    given = {"part_at_stop": Tolerance(0.0, 100 * MS), **tolerances}
    tags = terminals(of)
    for name, each in given.items():
        tag = name.replace("_", "-")
        tags[tag] = msgspec.structs.replace(tags[tag], tolerance=each)
    return Comparison(of.twin, tags)


def test_it_begins_when_they_part_and_ends_when_they_meet() -> None:
    told = look(
        fresh(),
        (0, False, False),
        (10, True, False),
        (110, True, False),
        (111, True, False),
        (200, True, True),
    )
    assert told == [
        Discrepancy("part-at-stop", 10 * MS, None, True, False, "eye-stop"),
        Discrepancy("part-at-stop", 10 * MS, 200 * MS, True, False, "eye-stop"),
    ]


@pytest.mark.parametrize(
    ("seen", "twin", "machine"),
    [
        ([(0, False, False), (10, True, False), (40, False, False), (110, False, False)], True, False),
        ([(0, False, False), (10, False, True), (40, False, False), (110, False, False)], False, True),
    ],
)
def test_a_short_pulse_on_one_side_alone_is_not_overlooked(
    seen: list[tuple[int, Value, Value]], twin: bool, machine: bool
) -> None:
    assert look(fresh(), *seen) == [Discrepancy("part-at-stop", 10 * MS, 40 * MS, twin, machine, "eye-stop")]


def test_a_side_that_follows_in_time_is_none() -> None:
    assert (
        look(
            fresh(),
            (0, False, False),
            (10, True, False),
            (40, True, True),
            (90, False, True),
            (99, False, False),
        )
        == []
    )


def test_short_pulses_that_one_side_shows_a_little_later_are_none() -> None:
    pulses = [(at, True) for at in (10, 50, 90)] + [(at + 20, False) for at in (10, 50, 90)]
    late = sorted((at + 50, level) for at, level in pulses)
    seen, comparison = [], fresh()
    for now in range(0, 400, 10):
        twin = next((level for at, level in sorted(pulses, reverse=True) if at <= now), False)
        machine = next((level for at, level in reversed(late) if at <= now), False)
        seen += look(comparison, (now, twin, machine))
    assert seen == []


def test_one_that_comes_back_after_it_was_told_ends_when_it_does() -> None:
    seen: list[tuple[int, Value, Value]] = [
        (0, False, False), (10, True, False), (110, True, False), (300, False, False), (500, False, False)
    ]  # fmt: skip
    assert [each.end for each in look(fresh(), *seen)] == [None, 300 * MS]


def test_a_pulse_that_may_have_come_between_two_looks_is_not_told() -> None:
    of = station("infeed")
    comparison = Comparison(of.twin, terminals(of), shortest=20 * MS)
    shorter: list[tuple[int, Value, Value]] = [(0, False, False), (10, True, False), (20, False, False)]
    assert look(comparison, *shorter, (300, False, False)) == []
    longer: list[tuple[int, Value, Value]] = [(310, True, False), (330, False, False), (600, False, False)]
    assert [each.begin for each in look(comparison, *longer)] == [310 * MS]


def test_tolerances_are_the_tags_own_where_given() -> None:
    tight = fresh(belt_speed=Tolerance(1.0, 0))
    seen: list[tuple[int, Value, Value]] = [(0, 100.0, 100.5), (10, 100.0, 102.0), (11, 100.0, 102.0)]
    assert [each.begin for each in look(tight, *seen, tag="belt-speed")] == [10 * MS]
    assert look(fresh(), *seen, tag="belt-speed") == []


def test_what_a_number_passes_between_two_looks_is_not_seen_and_counts_all_the_same() -> None:
    rising: list[tuple[int, Value, Value]] = [(0, 0.0, 0.0), (30, 285.0, 0.0), (40, 340.0, 126.0)]
    assert look(fresh(), *rising, tag="belt-speed") == []
    resting = [(at, 340.0, 126.0) for at in range(50, 300, 10)]
    assert [each.begin for each in look(fresh(), *rising, *resting, tag="belt-speed")] == [210 * MS]


def test_a_late_look_gives_more_time() -> None:
    comparison = fresh()
    seen = {"part-at-stop": False}, {"part-at-stop": True}
    comparison.look(0, seen[0], seen[0])
    assert comparison.look(10 * MS, seen[1], seen[0]) == []
    assert comparison.look(200 * MS, seen[1], seen[0], slack=150 * MS) == []
    assert len(comparison.look(270 * MS, seen[1], seen[0], slack=150 * MS)) == 1


def test_after_a_gap_it_begins_anew() -> None:
    comparison = fresh()
    look(comparison, (0, True, False), (200, True, False))
    assert comparison.present()
    comparison.forget()
    assert comparison.present() == []

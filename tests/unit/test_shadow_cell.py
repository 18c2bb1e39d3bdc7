"""A gateway in shadow: it only reads, its twin follows a real machine, and it tells where the two part."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shadow_bench import MS, SECOND, Shadow, station

from gateway.cell.arrivals import doors
from gateway.cell.cell import Cell
from gateway.cell.check import MAX_WATCH
from gateway.cell.couplings import Neighbours
from gateway.cell.standing import standing
from gateway.field.tags import TagRef
from gateway.net.messages import (
    MAIN,
    Abort,
    Accept,
    Acquire,
    Await,
    Done,
    Force,
    Offer,
    Pause,
    Refused,
    Run,
    Signals,
    Trace,
)
from gateway.twin.faults import check_fault
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Workpiece

STATIONS = ("infeed", "glue", "screw")
BETWEEN = Neighbours({"before": {MAIN: MAIN}}, {MAIN: "after"}, {}, {}, ("phone", 150.0))


def cycle(bench: Shadow, seconds: int, every: int = 4) -> None:
    """A workpiece comes every so many seconds."""
    for second in range(1, seconds + 1):
        if second % every == 0:
            bench.feed()
        bench.run(bench.now + SECOND)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(STATIONS), st.sampled_from([0, 10, 20, 30, 40, 50]), st.integers(3, 6))
def test_a_twin_beside_a_faultless_machine_never_parts_from_it(name: str, late: int, every: int) -> None:
    bench = Shadow(name, delay=late * MS)
    cycle(bench, 40, every)
    assert len(bench.taken) >= 5
    assert bench.told == []
    assert bench.writes == {}


COMPOSED = (
    "chip/load",
    "chip/contact",
    "glass/pair",
    "mainboard/reflow",
    "smartphone/press",
    "smartphone/weigh",
)


@pytest.mark.parametrize("name", COMPOSED)
def test_nor_does_one_of_a_composed_station(name: str) -> None:
    bench = Shadow(name)
    cycle(bench, 24, 8)
    assert len(bench.taken) >= 2
    assert bench.told == []


@pytest.mark.parametrize(
    ("name", "fault", "tags", "suspect"),
    [
        ("infeed", "stopper.stuck", {"stop-closed", "stop-opened"}, "stopper"),
        ("infeed", "belt.speed.broken-wire", {"belt-speed"}, "belt"),
        ("glue", "axis.position.drift 20 mm", {"axis-position"}, "axis"),
        ("screw", "driver.torque.stuck", {"torque"}, "driver"),
        ("infeed", "eye-leaving.sees.stuck-off", {"part-leaving"}, "eye-leaving"),
        ("glue", "lift.slow", {"lift-up", "lift-down"}, "lift"),
        ("screw", "press.slow", {"press-down", "press-up"}, "press"),
    ],
)
def test_a_fault_of_the_machine_is_told_with_its_signal_and_component(
    name: str, fault: str, tags: set[str], suspect: str
) -> None:
    bench = Shadow(name)
    assert not check_fault(fault, bench.station.twin, bench.station.tags)
    cycle(bench, 9)
    begun = bench.now
    bench.machine.inject(fault)
    cycle(bench, 5)
    first = bench.told[0]
    assert first.tag in tags
    assert first.suspect == suspect
    assert begun <= first.begin - SECOND, "in UTC, which is a second ahead here"
    assert {each.suspect for each in bench.told if each.tag in tags} == {suspect}


def test_what_lasts_is_in_the_heartbeat_and_ends_with_the_fault() -> None:
    bench = Shadow("glue")
    bench.run(3 * SECOND)
    bench.machine.inject("door.open")
    bench.run(4 * SECOND)
    [lasting] = standing(bench.cell, "boot", "ready").differs
    assert (lasting.tag, lasting.end, lasting.twin, lasting.machine) == ("door-closed", None, True, False)
    bench.machine.inject("door.open", False)
    bench.run(5 * SECOND)
    assert standing(bench.cell, "boot", "ready").differs == ()
    begin, end = bench.told
    assert (begin.begin, begin.end) == (lasting.begin, None)
    assert end.begin == begin.begin
    assert end.end is not None
    assert end.end > end.begin


def test_what_lasts_when_the_controller_is_lost_ends_there_and_begins_anew_when_it_is_back() -> None:
    bench = Shadow("glue")
    bench.run(3 * SECOND)
    bench.machine.inject("door.open")
    bench.run(4 * SECOND)
    bench.link = False
    bench.run(5 * SECOND)
    assert [each.end is None for each in bench.told] == [True, False]
    bench.link, bench._sensors = True, {}
    bench.run(9 * SECOND)
    assert [each.end is None for each in bench.told] == [True, False, True]


# --- watching --------------------------------------------------------------------------------------------


def test_there_is_no_lease_and_a_script_only_waits() -> None:
    bench = Shadow("infeed")
    asked = [
        bench.ask(Acquire(SECOND)),
        bench.ask(Run(0, (Force(TagRef("command"), 1),))),
        bench.ask(Run(0, (Pause(MAX_WATCH), Pause(1)))),
        bench.ask(Run(7, (Pause(1),))),
        bench.ask(Run(0, (Pause(-MAX_WATCH), Pause(2 * MAX_WATCH)))),
        bench.ask(Run(0, (Pause(2 * MAX_WATCH),), tail=-MAX_WATCH)),
        bench.ask(Run(0, (Pause(2 * MAX_WATCH), Await(TagRef("drive-ok"), False, 0, -MAX_WATCH)))),
    ]
    bench.step()
    assert bench.cell.script is None
    whys = [bench.replies[number] for number in asked]
    assert all(isinstance(why, Refused) for why in whys)
    assert "nothing is written" in str(whys[0])
    assert "nothing is written" in str(whys[1])
    assert bench.writes == {}


def test_a_watch_has_what_was_seen_and_where_the_two_parted() -> None:
    bench = Shadow("infeed")
    bench.run(3 * SECOND)
    bench.machine.inject("belt.trip")
    bench.run(4 * SECOND)
    bench.feed()
    trace = bench.watch(SECOND, Await(TagRef("drive-ok"), False, 0, SECOND))
    assert trace.ended == "done"
    assert trace.initial["drive-ok"] is False
    found = {each.tag: each for each in trace.differs}
    assert found["drive-ok"].begin < 0, "it began before the watch"
    assert found["drive-ok"].end is None
    assert found["drive-ok"].suspect == "belt"


def test_one_rig_does_not_end_what_another_watches_but_its_own() -> None:
    bench = Shadow("infeed")
    first = bench.ask(Run(0, (Pause(60 * SECOND),)), "anna")
    bench.step()
    other = bench.ask(Run(0, (Pause(SECOND),)), "bert")
    abort = bench.ask(Abort(0), "bert")
    bench.step()
    assert isinstance(bench.replies[other], Refused)
    assert isinstance(bench.replies[abort], Refused)
    assert first not in bench.replies
    again = bench.ask(Run(0, (Pause(60 * SECOND),)), "anna")
    bench.step()
    ended = bench.replies[first]
    assert isinstance(ended, Trace)
    assert ended.ended == "aborted"
    stop = bench.ask(Abort(0), "anna")
    bench.step()
    assert isinstance(bench.replies[stop], Done)
    assert isinstance(bench.replies[again], Trace)


def test_who_is_dismissed_watches_no_more() -> None:
    bench = Shadow("infeed")
    watch = bench.ask(Run(0, (Pause(60 * SECOND),)), "anna")
    bench.step()
    bench.cell.dismiss("bert", "bert is revoked")
    bench.step()
    assert watch not in bench.replies
    bench.cell.dismiss("anna", "anna is revoked")
    bench.step()
    ended = bench.replies[watch]
    assert isinstance(ended, Trace)
    assert ended.ended == "aborted"


# --- workpieces ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tag", "at"), [("infeed", "part-at-stop", 580.0), ("glue", "part-present", 340.0)]
)
def test_the_sensor_nearest_the_inlet_is_its_door(name: str, tag: str, at: float) -> None:
    of = station(name)
    [door] = doors(of, Twin(of.twin, of.tags))
    assert (door.inlet, door.tag, door.carrier, door.at) == (MAIN, tag, "belt", at)


def test_an_inlet_without_a_sensor_is_told() -> None:
    of = station("infeed")
    blind = {name: spec for name, spec in of.twin.items() if spec.kind != "photo-eye"}
    cell = Cell(msgspec.structs.replace(of, twin=blind), Neighbours(), mode="shadow")
    assert "no sensor sees what comes in at main" in standing(cell, "boot", "ready").problem
    assert standing(Shadow("infeed").cell, "boot", "ready").problem == ""


def test_a_workpiece_nobody_handed_over_gets_an_id_of_the_station() -> None:
    bench = Shadow("infeed")
    cycle(bench, 10)
    trace = bench.watch(6 * SECOND)
    assert bench.taken == ["real-1", "real-2"]
    entered = [each.workpiece for each in trace.happenings if each.kind == "entered"]
    assert bench.cell.couplings.contents() == ()
    assert set(entered) <= {"infeed-real-0002", "infeed-real-0003"}


def offer(bench: Shadow, number: int) -> Offer:
    return Offer("theirs", number, Workpiece(f"w-{number}", "phone", 150.0))


def neighbours_there(bench: Shadow) -> None:
    for name in ("before", "after"):
        bench.hears(name, Signals({}, "theirs"))


def test_a_neighbours_door_is_closed_until_the_machine_takes_something() -> None:
    bench = Shadow("infeed", BETWEEN)
    for _ in range(300):
        neighbours_there(bench)
        bench.hears("before", offer(bench, 1))
        bench.step()
    assert not [each for _, each in bench.sent if isinstance(each, Accept)]
    bench.feed()
    for _ in range(300):
        neighbours_there(bench)
        bench.hears("before", offer(bench, 1))
        bench.step()
    assert [each.number for _, each in bench.sent if isinstance(each, Accept)][:1] == [1]
    passed = {each.workpiece.id for name, each in bench.sent if isinstance(each, Offer) and name == "after"}
    assert passed == {"w-1"}
    assert [each.id for each in bench.cell.couplings.contents()] == ["w-1"]
    assert bench.taken == ["real-1"]
    assert bench.told == []


def test_what_leaves_the_machine_waits_between_the_stations_and_not_on_the_twin() -> None:
    bench = Shadow("infeed", BETWEEN)
    cycle(bench, 14)
    assert len(bench.taken) == 3
    assert bench.cell.twin.contents() == []
    assert len(bench.cell.couplings.contents()) == 3
    assert bench.told == []


def test_after_a_kill_ours_is_the_next_that_comes_and_none_is_lost_or_made_twice() -> None:
    bench = Shadow("infeed", BETWEEN)
    bench.feed()
    while not bench.cell.twin.contents():
        bench.step()
    bench.kill()
    assert bench.cell.twin.contents() == []
    assert [each.id for each in bench.cell.couplings.contents()] == ["infeed-real-0001"]
    bench.run(bench.now + 4 * SECOND)
    bench.feed()
    bench.run(bench.now + 6 * SECOND)
    ids = [each.id for each in bench.cell.couplings.contents()]
    assert len(ids) == len(set(ids))
    assert "infeed-real-0001" in ids

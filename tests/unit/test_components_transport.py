"""The belt conveyor, photo eyes, stoppers and reject gates: timing, signals, and no workpiece lost."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twin_bench import Bench, part

from gateway.twin.components.pneumatics import AirSupply, Cylinder
from gateway.twin.components.stops import RejectGate, Stopper
from gateway.twin.components.transport import BeltConveyor, PhotoEye
from gateway.twin.workpiece import Workpiece

BELT = {"length": 1000.0, "speed": 500.0}


def belt(bench: Bench, running: bool = True, **params: float) -> BeltConveyor:
    made = bench.add(BeltConveyor, {**BELT, **params})
    made.drive("run", running)
    return made


def test_a_workpiece_moves_with_the_belt_and_is_offered_at_the_end_once() -> None:
    bench = Bench()
    conveyor = belt(bench)
    conveyor.admit(part("a"))
    bench.to(1000)
    assert conveyor.positions() == [pytest.approx(500)]
    assert conveyor.waiting() is None
    conveyor.drive("run", False)
    bench.to(1500)
    assert conveyor.positions() == [pytest.approx(500)]
    conveyor.drive("run", True)
    bench.to(2499.999)
    assert conveyor.waiting() is None
    bench.to(4000)
    assert bench.told() == [(2500, "offered", "a", "")]
    assert conveyor.release("a") == part("a")
    assert conveyor.contents() == ()
    conveyor.admit(part("a"))  # the same again is offered again
    bench.to(6100)
    assert bench.told()[1:] == [(6000, "offered", "a", "")]


def test_the_inlet_is_free_when_the_last_one_and_the_gap_have_passed() -> None:
    bench = Bench()
    conveyor = belt(bench)
    assert conveyor.admits(part("a"))
    conveyor.admit(part("a", 150))
    assert not conveyor.admits(part("b"))
    bench.to(339)
    assert not conveyor.admits(part("b"))
    bench.to(340)  # (150 + 20) mm at 500 mm/s
    assert conveyor.admits(part("b"))


def test_workpieces_run_up_against_each_other_with_a_gap() -> None:
    bench = Bench()
    conveyor = belt(bench, gap=30)
    for index, name in enumerate("abc"):
        bench.to(index * 500)
        conveyor.admit(part(name, 100))
    bench.to(5000)
    assert conveyor.positions() == [1000, 870, 740]
    assert [w.id for w in conveyor.contents()] == ["a", "b", "c"]
    conveyor.release("a")
    bench.to(5130)
    assert conveyor.positions() == [pytest.approx(935), pytest.approx(805)]
    bench.to(5260)
    assert bench.told() == [(2000, "offered", "a", ""), (5260, "offered", "b", "")]


def test_a_jam_stands_still_with_a_healthy_drive_and_a_trip_says_so() -> None:
    bench = Bench()
    conveyor = belt(bench)
    conveyor.admit(part("a"))
    bench.to(200)
    bench.fault(conveyor, "jam")
    bench.to(700)
    assert conveyor.positions() == [pytest.approx(100)]
    assert conveyor.sense("ok") is True
    bench.fault(conveyor, "trip")
    assert conveyor.sense("ok") is False
    bench.fault(conveyor, "jam", False)
    bench.to(900)
    assert conveyor.positions() == [pytest.approx(100)]
    bench.fault(conveyor, "trip", False)
    assert conveyor.sense("ok") is True
    bench.to(1100)
    assert conveyor.positions() == [pytest.approx(200)]


def test_the_speed_sensor_follows_with_a_lag() -> None:
    bench = Bench()
    conveyor = belt(bench)
    bench.to(100)
    assert conveyor.sense("speed") == pytest.approx(500 * (1 - math.exp(-1)))
    bench.to(2000)
    conveyor.drive("run", False)
    bench.to(2100)
    assert conveyor.sense("speed") == pytest.approx(500 * math.exp(-1), rel=1e-6)


def test_a_photo_eye_sees_from_the_leading_to_the_trailing_edge() -> None:
    bench = Bench()
    conveyor = belt(bench)
    eye = bench.add(PhotoEye, {"at": 400}, on=conveyor)
    conveyor.admit(part("a", 150))
    for ms, sees in ((799.999, False), (800, True), (1099.999, True), (1100, False)):
        bench.to(ms)
        assert eye.sense("sees") is sees, ms


def test_a_stopper_holds_separates_and_comes_up_behind_a_workpiece() -> None:
    bench = Bench()
    conveyor = belt(bench)
    stopper = bench.add(Stopper, {"at": 600, "travel": 80}, on=conveyor)
    assert (stopper.sense("closed"), stopper.sense("opened")) == (True, False)
    conveyor.admit(part("a", 150))
    bench.to(400)
    conveyor.admit(part("b", 150))
    bench.to(2000)
    assert conveyor.positions() == [600, 430]
    stopper.drive("open", True)
    bench.to(2039.999)
    assert conveyor.positions()[0] == 600  # it bars the way up to half of its travel
    assert (stopper.sense("closed"), stopper.sense("opened")) == (False, False)
    bench.to(2080)
    assert (stopper.sense("closed"), stopper.sense("opened")) == (False, True)
    assert conveyor.positions() == [pytest.approx(620), pytest.approx(450)]
    stopper.drive("open", False)
    bench.to(2339.9)  # under a: half-way
    assert (stopper.sense("closed"), stopper.sense("opened")) == (False, False)
    bench.to(2379.9)  # a's trailing edge passed at 2340: the rest of its way takes 40 ms
    assert stopper.sense("closed") is False
    bench.to(2380)
    assert stopper.sense("closed") is True
    bench.to(5000)
    assert conveyor.positions() == [1000, 600]


@pytest.mark.parametrize("clear", [True, False], ids=["all", "one"])
def test_a_stopper_closes_when_what_held_it_off_is_taken_off_by_hand(clear: bool) -> None:
    bench = Bench()
    conveyor = belt(bench)
    stopper = bench.add(Stopper, {"at": 600, "travel": 80}, on=conveyor)
    conveyor.admit(part("a", 150))
    stopper.drive("open", True)
    bench.to(1300)
    conveyor.drive("run", False)
    stopper.drive("open", False)
    bench.to(3000)
    assert conveyor.across(600) is not None
    assert (stopper.sense("closed"), stopper.sense("opened")) == (False, False)
    if clear:
        conveyor.clear()
    else:
        conveyor.remove("a")
    bench.to(3039.9)
    assert stopper.sense("closed") is False
    bench.to(3040)
    assert stopper.sense("closed") is True


def test_without_air_a_stopper_closes_and_a_stuck_one_keeps_its_place() -> None:
    bench = Bench()
    air = bench.add(AirSupply, {"pressure": 6, "decay": 100})
    conveyor = belt(bench)
    stopper = bench.add(Stopper, {"at": 600, "travel": 80}, on=conveyor, air=air)
    stopper.drive("open", True)
    bench.to(500)
    bench.fault(air, "lost")
    weak = 500 + 100 * math.log(2)  # half of the nominal pressure is left
    bench.to(weak + 79)
    assert (stopper.sense("opened"), stopper.sense("closed")) == (False, False)
    bench.to(weak + 81)
    assert stopper.sense("closed") is True
    bench.fault(air, "lost", False)
    bench.to(2000)
    assert stopper.sense("opened") is True
    bench.fault(stopper, "stuck")
    stopper.drive("open", False)
    bench.to(3000)
    assert stopper.sense("opened") is True
    bench.fault(stopper, "stuck", False)
    bench.to(3100)
    assert stopper.sense("closed") is True


def test_a_gate_takes_out_what_comes_while_it_is_diverted() -> None:
    bench = Bench()
    conveyor = belt(bench)
    gate = bench.add(RejectGate, {"at": 700, "travel": 60}, on=conveyor)
    gate.drive("divert", True)
    conveyor.admit(part("bad"))
    bench.to(59)
    assert gate.sense("diverted") is False
    bench.to(60)
    assert gate.sense("diverted") is True
    bench.to(1000)
    conveyor.admit(part("good"))
    bench.to(1399.999)
    assert len(conveyor.contents()) == 2
    bench.to(1500)
    assert [w.id for w in conveyor.contents()] == ["good"]
    gate.drive("divert", False)
    bench.to(3100)
    assert bench.told() == [(1400, "rejected", "bad", ""), (3000, "offered", "good", "")]


def test_a_gate_that_moves_into_a_workpiece_or_is_met_on_its_way_hits_it() -> None:
    bench = Bench()
    conveyor = belt(bench)
    gate = bench.add(RejectGate, {"at": 500, "travel": 60}, on=conveyor)
    conveyor.admit(part("under"))
    bench.to(500)
    conveyor.admit(part("met"))
    bench.to(1100)  # 550: across the gate
    gate.drive("divert", True)
    bench.to(1460)
    gate.drive("divert", False)  # comes back until 1520; "met" arrives at 1500
    bench.to(1600)
    assert bench.told() == [(1100, "collided", "under", ""), (1500, "collided", "met", "")]
    assert len(conveyor.contents()) == 2


def test_a_lift_grips_what_stands_above_it_and_bars_the_way_if_nothing_does() -> None:
    bench = Bench()
    conveyor = belt(bench)
    lift = bench.add(Cylinder, {"extend": 100, "retract": 100, "at": 500, "window": 30}, holds=conveyor)
    conveyor.admit(part("a"))
    bench.to(1040)  # 520
    lift.drive("extend", True)
    bench.to(2000)
    assert conveyor.positions() == [pytest.approx(520)]
    held = conveyor.held(450)
    assert held is not None
    assert held.id == "a"
    assert conveyor.held(530) is None  # does not cover it
    lift.drive("extend", False)
    bench.to(2099.9)
    assert conveyor.positions() == [pytest.approx(520)]
    bench.to(2200)
    assert conveyor.positions() == [pytest.approx(570)]
    lift.drive("extend", True)
    conveyor.admit(part("b"))
    bench.to(6000)
    assert conveyor.positions() == [1000, 500]
    assert conveyor.held(450) is None  # b leans against the lift, a has gone on


def test_an_item_that_is_held_at_the_end_does_not_wait() -> None:
    bench = Bench()
    conveyor = belt(bench)
    lift = bench.add(Cylinder, {"extend": 100, "retract": 100, "at": 990, "window": 30}, holds=conveyor)
    conveyor.admit(part("a"))
    bench.to(2500)
    assert conveyor.waiting() == part("a")
    lift.drive("extend", True)
    assert conveyor.waiting() is None
    lift.drive("extend", False)
    bench.to(3000)
    assert conveyor.waiting() == part("a")


def test_clearing_takes_everything_off() -> None:
    bench = Bench()
    conveyor = belt(bench)
    conveyor.admit(part("a"))
    bench.to(2500)
    conveyor.admit(part("b"))
    assert [w.id for w in conveyor.clear()] == ["a", "b"]
    assert conveyor.contents() == ()
    assert conveyor.admits(part("a"))


ACTIONS = ["run", "stop", "open", "close", "divert", "straight", "lift", "lower", "take", "jam", "unjam"]
scripts = st.lists(
    st.tuples(st.sampled_from([*ACTIONS, "feed", "feed"]), st.integers(0, 900), st.floats(20, 250)),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(scripts)
def test_workpieces_are_never_lost_doubled_or_overlapping(script: list[tuple[str, int, float]]) -> None:
    bench = Bench()
    conveyor = belt(bench, running=False)
    stopper = bench.add(Stopper, {"at": 400, "travel": 60}, on=conveyor)
    gate = bench.add(RejectGate, {"at": 700, "travel": 60}, on=conveyor)
    lift = bench.add(Cylinder, {"extend": 90, "retract": 90, "at": 250, "window": 40}, holds=conveyor)
    fed: list[str] = []
    out: list[str] = []
    now = 0
    seen: dict[str, float] = {}
    for what, wait, length in script:
        if what in ("run", "stop"):
            conveyor.drive("run", what == "run")
        elif what in ("open", "close"):
            stopper.drive("open", what == "open")
        elif what in ("divert", "straight"):
            gate.drive("divert", what == "divert")
        elif what in ("lift", "lower"):
            lift.drive("extend", what == "lift")
        elif what in ("jam", "unjam"):
            bench.fault(conveyor, "jam", what == "jam")
        elif what == "take" and (waiting := conveyor.waiting()) is not None:
            out.append(conveyor.release(waiting.id).id)
        elif what == "feed":
            new = Workpiece(f"w{len(fed)}", "phone", round(length, 3))
            if conveyor.admits(new):
                conveyor.admit(new)
                fed.append(new.id)
        now += wait
        bench.to(now)
        rejected = [workpiece for _, kind, workpiece, _ in bench.told() if kind == "rejected"]
        here = [workpiece.id for workpiece in conveyor.contents()]
        assert sorted(here + out + rejected) == sorted(fed)
        places = conveyor.positions()
        for (ahead, a), (_, b) in itertools.pairwise(zip(conveyor.contents(), places, strict=True)):
            assert a - ahead.length - b >= 20 - 1e-5
        for workpiece, place in zip(here, places, strict=True):
            assert seen.get(workpiece, 0.0) - 1e-9 <= place <= 1000 + 1e-9
            seen[workpiece] = place
    offered = [workpiece for _, kind, workpiece, _ in bench.told() if kind == "offered"]
    assert len(offered) == len(set(offered))


@settings(max_examples=100, deadline=None)
@given(scripts, st.integers(1, 7))
def test_how_often_one_looks_changes_nothing(script: list[tuple[str, int, float]], parts: int) -> None:
    traces = []
    for pieces in (1, parts):
        bench = Bench()
        conveyor = belt(bench)
        stopper = bench.add(Stopper, {"at": 400, "travel": 60}, on=conveyor)
        now, trace = 0.0, []
        for index, (what, wait, _) in enumerate(script):
            if what in ("run", "stop"):
                conveyor.drive("run", what == "run")
            elif what in ("open", "close"):
                stopper.drive("open", what == "open")
            elif what == "feed" and conveyor.admits(part()):
                conveyor.admit(part(f"w{index}"))
            for piece in range(pieces):
                bench.to(now + wait * (piece + 1) / pieces)
            now += wait
            trace.append([round(place, 4) for place in conveyor.positions()])
        traces.append((trace, bench.told()))
    assert traces[0] == traces[1]

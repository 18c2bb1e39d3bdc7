"""Nests, lifts, turn units, flippers, shuttles and dial tables: what they take, move and give."""

from __future__ import annotations

import pytest
from carrier_bench import belt, ids
from twin_bench import Bench, part

from gateway.twin.components.lifting import Flipper, Lift, TurnUnit
from gateway.twin.components.places import Nest
from gateway.twin.components.pneumatics import Cylinder
from gateway.twin.components.shuttle import Shuttle
from gateway.twin.components.turning import RotaryTable


def test_a_nest_holds_until_it_is_released_and_no_clamp_grips() -> None:
    bench = Bench()
    outfeed = belt(bench)
    nest = bench.add(Nest, to=outfeed)
    clamp = bench.add(Cylinder, {"extend": 100, "retract": 100}, holds=nest)
    assert nest.admits(part("a"))
    nest.admit(part("a"))
    assert (nest.sense("occupied"), nest.sense("seated")) == (True, True)
    assert nest.held(123) == part("a")
    assert not nest.admits(part("b"))
    clamp.drive("extend", True)
    nest.drive("release", True)
    bench.to(500)
    assert ids(nest) == ["a"]
    clamp.drive("extend", False)
    bench.to(599)
    assert ids(nest) == ["a"]
    bench.to(601)
    assert (ids(nest), ids(outfeed)) == ([], ["a"])


def test_rollers_take_their_time_and_stand_when_they_are_off() -> None:
    bench = Bench()
    nest = bench.add(Nest, {"load": 400})
    nest.drive("run", True)
    nest.admit(part("a"))
    bench.to(100)
    nest.drive("run", False)
    bench.to(1000)
    assert nest.sense("seated") is False
    nest.drive("run", True)
    bench.to(1299)
    assert nest.sense("seated") is False
    bench.to(1301)
    assert nest.sense("seated") is True
    nest.drive("release", True)
    assert nest.sense("seated") is False
    bench.to(1700)
    assert nest.waiting() is None
    bench.to(1702)
    assert nest.waiting() == part("a")


def test_a_lift_brings_from_one_level_to_the_other() -> None:
    bench = Bench()
    upper = belt(bench)
    lift = bench.add(Lift, {"travel": 1000}, to=upper)
    lower = belt(bench, lift)
    lift.drive("up", False)
    lift.drive("down", False)
    lower.admit(part("a"))
    bench.to(2001)
    assert (ids(lift), lift.sense("seated")) == (["a"], True)
    lift.drive("up", True)
    bench.to(2500)
    assert (lift.sense("at-bottom"), lift.sense("at-top")) == (False, False)
    lift.drive("up", False)
    bench.to(4000)
    assert (lift.sense("at-bottom"), lift.sense("at-top")) == (False, False)
    lower.admit(part("b"))
    lift.drive("up", True)
    bench.to(4499)
    assert ids(lift) == ["a"]
    bench.to(4502)
    assert (ids(lift), ids(upper), lift.sense("at-top")) == ([], ["a"], True)
    bench.to(7000)
    assert ids(lower) == ["b"], "the lift is up"
    lift.drive("up", False)
    lift.drive("down", True)
    bench.to(7999)
    assert ids(lower) == ["b"]
    bench.to(8003)
    assert ids(lift) == ["b"]


@pytest.mark.parametrize(
    ("fault", "arrives"), [(None, 1000), ("slow", 3000), ("stuck", None)], ids=["well", "slow", "stuck"]
)
def test_how_long_a_lift_takes(fault: str | None, arrives: float | None) -> None:
    bench = Bench()
    lift = bench.add(Lift, {"travel": 1000})
    if fault is not None:
        bench.fault(lift, fault)
    lift.drive("up", True)
    if arrives is None:
        bench.to(60_000)
        assert lift.sense("at-bottom") is True
        return
    bench.to(arrives - 0.001)
    assert lift.sense("at-top") is False
    bench.to(arrives + 0.001)
    assert lift.sense("at-top") is True


def test_a_lift_sinks_when_its_brake_slips_and_hits_what_is_half_on() -> None:
    bench = Bench()
    lift = bench.add(Lift, {"travel": 1000, "load": 500})
    lift.drive("down", False)
    lift.admit(part("a"))
    bench.to(200)
    lift.drive("up", True)
    bench.to(1300)
    assert [each[1:3] for each in bench.told()] == [("collided", "a")]
    lift.drive("run", False)
    lift.drive("up", False)
    bench.fault(lift, "sinking")
    bench.to(1300 + 9999)
    assert lift.sense("at-bottom") is False
    bench.to(1300 + 10_001)
    assert lift.sense("at-bottom") is True


@pytest.mark.parametrize(
    ("family", "port", "pose"),
    [(TurnUnit, "turn", (90.0, False)), (Flipper, "flip", (0.0, True))],
    ids=["turn", "flip"],
)
def test_turning_changes_how_a_workpiece_lies(
    family: type[TurnUnit | Flipper], port: str, pose: tuple[float, bool]
) -> None:
    bench = Bench()
    unit = bench.add(family, {"travel": 800, "outlet": 2})
    unit.drive("run", False)
    unit.drive("run", True)
    unit.bar("hand", 0)
    unit.admit(part("a"))
    unit.drive(port, True)
    bench.to(400)
    unit.drive(port, False)  # half-way, and back: nothing has changed
    bench.to(900)
    assert unit.contents()[0].pose == part("a").pose
    unit.drive(port, True)
    bench.to(1701)
    lies = unit.contents()[0].pose
    assert (lies.turn, lies.flipped) == pose
    unit.drive(port, False)
    bench.to(2600)
    assert unit.contents()[0].pose == part("a").pose


def test_a_shuttle_takes_and_gives_where_it_stands() -> None:
    bench = Bench()
    near, far = belt(bench), belt(bench)
    params = {"pitch": 1000.0, "stops": 4, "speed": 1000, "acceleration": 1000, "first": 1, "other": 3}
    shuttle = bench.add(Shuttle, params, to=near, second=far)
    main, side = belt(bench, shuttle, length=50), belt(bench, shuttle, **{"length": 50, "to-at": 2000})
    main.admit(part("a", 50))
    side.admit(part("b", 50))
    bench.to(200)
    assert (ids(shuttle), ids(side)) == (["a"], ["b"])
    shuttle.drive("target", 3)
    bench.to(2200)
    assert shuttle.sense("position") == pytest.approx(1500)
    assert shuttle.sense("in-position") is False
    bench.to(4199)
    assert ids(shuttle) == ["a"]
    bench.to(4201)
    assert (ids(shuttle), ids(far), shuttle.sense("in-position")) == ([], ["a"], True)
    shuttle.drive("target", 2)
    bench.to(6202)
    assert ids(shuttle) == ["b"]
    shuttle.drive("target", 1)
    bench.to(8203)
    assert (ids(near), ids(shuttle)) == (["b"], [])
    bench.fault(shuttle, "stuck")
    shuttle.drive("target", 0)
    bench.to(20_000)
    assert shuttle.sense("position") == pytest.approx(1000)
    assert shuttle.sense("in-position") is False


def index(bench: Bench, table: RotaryTable, until: float) -> None:
    table.drive("index", True)
    table.drive("index", False)
    bench.to(until)


def test_a_table_takes_workpieces_round_and_turns_them() -> None:
    bench = Bench()
    outfeed = belt(bench)
    table = bench.add(RotaryTable, {"places": 4, "pitch": 100, "step": 500, "outlet": 3}, to=outfeed)
    assert table.sense("home") is True
    table.admit(part("a"))
    assert (table.sense("loaded"), table.held(0)) == (True, part("a"))
    assert not table.admits(part("b"))
    table.drive("index", True)
    assert not table.admits(part("b"))
    assert (table.sense("in-position"), table.held(100)) == (False, None)
    bench.to(500)
    assert table.sense("in-position") is True
    table.admit(part("b"))
    held = table.held(100)
    assert held is not None
    assert (held.id, held.pose.turn) == ("a", 90)
    bench.to(5000)
    assert table.held(100) == held, "one edge, one step"
    table.drive("index", False)
    index(bench, table, 4999 + 502)
    assert ids(table) == ["a", "b"]
    assert table.sense("home") is False
    index(bench, table, 6002)
    assert (ids(table), ids(outfeed)) == (["b"], ["a"])
    index(bench, table, 6503)
    assert table.sense("home") is True


def test_a_table_that_is_stuck_or_holds_a_gripped_workpiece() -> None:
    bench = Bench()
    table = bench.add(RotaryTable, {"places": 2, "pitch": 100, "step": 500, "outlet": 1})
    clamp = bench.add(Cylinder, {"extend": 100, "retract": 100, "at": 0, "window": 10}, holds=table)
    table.admit(part("a"))
    clamp.drive("extend", True)
    bench.to(200)
    bench.fault(table, "stuck")
    index(bench, table, 1000)
    assert (table.sense("in-position"), ids(table)) == (True, ["a"])
    bench.fault(table, "stuck", False)
    index(bench, table, 1200)
    assert [each[:3] for each in bench.told()] == [(1000, "collided", "a")]
    bench.fault(table, "stuck")
    bench.to(5000)
    assert table.sense("in-position") is False
    bench.fault(table, "stuck", False)
    bench.to(5301)
    assert table.sense("in-position") is True
    assert table.waiting() is None, "still clamped"

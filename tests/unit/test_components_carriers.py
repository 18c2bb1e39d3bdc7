"""Carriers beside the belt: what they take, hold, move, pass on and lose, each at its instant."""

from __future__ import annotations

import pytest
from twin_bench import Bench, part

from gateway.twin.carrier import Carrier
from gateway.twin.components.buffers import Bin, Buffer, Magazine
from gateway.twin.components.electrics import PowerSupply
from gateway.twin.components.gripping import PickAndPlace
from gateway.twin.components.lanes import Diverter, Merger, RollerZone
from gateway.twin.components.lifting import Flipper, Lift, TurnUnit
from gateway.twin.components.places import Nest
from gateway.twin.components.pneumatics import AirSupply, Cylinder
from gateway.twin.components.shuttle import Shuttle
from gateway.twin.components.transport import BeltConveyor, PhotoEye
from gateway.twin.components.turning import RotaryTable


def belt(bench: Bench, to: Carrier | None = None, **params: float) -> BeltConveyor:
    """1 m at 500 mm/s, running."""
    links = {} if to is None else {"to": to}
    made = bench.add(BeltConveyor, {"length": 1000, "speed": 500, **params}, **links)
    made.drive("run", True)
    return made


def ids(carrier: Carrier) -> list[str]:
    return [workpiece.id for workpiece in carrier.contents()]


# --- belts: speeds, ways, passing on -------------------------------------------------------------------


def test_a_belt_passes_on_to_the_next_as_soon_as_there_is_room() -> None:
    bench = Bench()
    second = belt(bench)
    first = belt(bench, second)
    first.admit(part("a", 150))
    bench.to(400)
    first.admit(part("b", 150))
    second.drive("run", False)
    bench.to(2000)
    assert (ids(first), ids(second)) == (["b"], ["a"])
    bench.to(2400)
    assert ids(first) == ["b"], "a stands in the way"
    second.drive("run", True)
    bench.to(2400 + 339)
    assert ids(first) == ["b"]
    bench.to(2400 + 341)  # 150 mm and the gap of 20 mm at 500 mm/s
    assert (ids(first), ids(second)) == ([], ["a", "b"])
    assert [kind for _, kind, _, _ in bench.told()] == [], "nothing was offered to a neighbour"


def test_a_side_lane_comes_in_where_there_is_a_gap() -> None:
    bench = Bench()
    main = belt(bench)
    side = belt(bench, main, **{"to-at": 500, "length": 100})
    for ms, name in ((0, "a"), (300, "b")):
        bench.to(ms)
        main.admit(part(name, 100))
    bench.to(900)  # a at 450, b at 300
    side.admit(part("c", 60))
    bench.to(1100)
    assert ids(side) == ["c"], "a is just passing"
    bench.to(1239)
    assert ids(side) == ["c"]  # a's trailing edge is at 519.5 mm: no gap yet
    bench.to(1241)
    assert ids(side) == ["c"], "between a and b there are 50 mm: too little"
    bench.to(1541)  # b has passed by its gap
    assert (ids(main), ids(side)) == (["a", "b", "c"], [])


def test_two_speeds_a_setpoint_and_reverse() -> None:
    bench = Bench()
    conveyor = belt(bench, creep=100)
    conveyor.admit(part("a"))
    steps = [
        (200, "fast", False, 100),
        (700, "fast", True, 150),
        (800, "setpoint", 250.0, 200),
        (1200, "reverse", True, 300),
        (1600, "setpoint", 1e6, 200),
        (1700, "run", False, 150),
        (1800, "run", True, 150),
        (2500, "reverse", False, 0),
        (2600, "run", False, 50),
    ]
    for ms, port, value, place in steps:
        bench.to(ms)
        assert conveyor.positions() == [pytest.approx(place)], (ms, port)
        conveyor.drive(port, value)


def test_backwards_workpieces_keep_their_gap_and_an_eye_sees_them_come_back() -> None:
    bench = Bench()
    conveyor = belt(bench)
    eye = bench.add(PhotoEye, {"at": 300}, on=conveyor)
    for ms, name in ((0, "a"), (600, "b")):
        bench.to(ms)
        conveyor.admit(part(name, 100))
    bench.to(1500)  # a at 750, b at 450: its trailing edge at 350
    assert eye.sense("sees") is False
    conveyor.drive("reverse", True)
    for ms, sees in ((1599, False), (1601, True), (1799, True), (1801, False)):
        bench.to(ms)
        assert eye.sense("sees") is sees, ms
    bench.to(5000)
    assert conveyor.positions() == [pytest.approx(120), pytest.approx(0, abs=1e-5)]


def test_zones_accumulate_without_pressure() -> None:
    bench = Bench()
    last = bench.add(RollerZone, {"length": 400, "speed": 400})
    first = bench.add(RollerZone, {"length": 400, "speed": 400}, to=last)
    assert not first.admits(part("a")), "it does not turn"
    first.drive("run", True)
    last.drive("run", True)
    first.admit(part("a", 200))
    assert not first.admits(part("b"))
    bench.to(949)
    assert first.sense("sees") is False
    bench.to(951)
    assert first.sense("sees") is True
    bench.to(1001)
    assert (ids(first), ids(last), first.sense("sees")) == ([], ["a"], False)
    first.admit(part("b", 200))
    last.drive("run", False)
    bench.to(2500)
    assert (ids(first), ids(last)) == (["b"], ["a"])
    last.drive("run", True)
    bench.to(3500)
    assert last.waiting() == part("a", 200)
    last.release("a")
    assert ids(last) == ["b"]


def test_a_merger_lets_in_from_the_lane_its_points_are_at() -> None:
    bench = Bench()
    merger = bench.add(Merger, {"length": 1000, "speed": 500, "switch": 200})
    merger.drive("run", True)
    main = belt(bench, merger, length=100)
    side = belt(bench, merger, **{"length": 100, "to-at": 400})
    main.admit(part("m", 50))
    side.admit(part("s", 50))
    bench.to(300)
    assert (ids(merger), ids(side)) == (["m"], ["s"])
    merger.drive("side", True)
    bench.to(499)
    assert (merger.sense("at-main"), merger.sense("at-side")) == (False, False)
    assert not merger.admits(part("x"))
    bench.to(501)
    assert merger.sense("at-side") is True
    assert ids(merger) == ["s", "m"]
    bench.fault(merger, "points-stuck")
    merger.drive("side", False)
    bench.to(1500)
    assert (merger.sense("at-main"), merger.sense("at-side")) == (False, True)


def test_a_diverter_passes_on_to_its_lane_and_waits_for_room_there() -> None:
    bench = Bench()
    main, lane = belt(bench), belt(bench, length=200)
    diverter = bench.add(Diverter, {"at": 500, "travel": 100}, on=main, to=lane)
    diverter.drive("divert", True)
    bench.to(100)
    assert (diverter.sense("diverted"), diverter.sense("straight")) == (True, False)
    main.admit(part("a", 100))
    lane.drive("run", False)
    bench.to(500)
    main.admit(part("b", 100))
    bench.to(1100)
    assert (ids(main), ids(lane)) == (["b"], ["a"])
    bench.to(3000)
    assert main.positions() == [500], "a stands at the inlet of its lane"
    lane.drive("run", True)
    bench.to(3241)
    assert (ids(main), ids(lane)) == ([], ["a", "b"])
    diverter.drive("divert", False)
    main.admit(part("c", 100))
    bench.to(5300)
    assert main.waiting() == part("c", 100)
    assert [each[1:] for each in bench.told()] == [
        ("offered", "a", ""),
        ("offered", "c", ""),
    ]


def test_a_diverter_that_moves_under_a_workpiece_hits_it() -> None:
    bench = Bench()
    main, lane = belt(bench), belt(bench)
    diverter = bench.add(Diverter, {"at": 500, "travel": 100}, on=main, to=lane)
    main.admit(part("a", 100))
    bench.to(1100)
    diverter.drive("divert", True)
    bench.to(3000)
    assert bench.told() == [(1100, "collided", "a", ""), (2000, "offered", "a", "")]


# --- single places -------------------------------------------------------------------------------------


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


# --- the rotary table ----------------------------------------------------------------------------------


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


# --- stores --------------------------------------------------------------------------------------------


def test_a_buffer_gives_in_order_after_its_time() -> None:
    bench = Bench()
    buffer = bench.add(Buffer, {"capacity": 2, "through": 1000, "entry": 300})
    buffer.drive("release", False)
    assert buffer.sense("empty") is True
    buffer.admit(part("a"))
    bench.to(299)
    assert (buffer.sense("at-inlet"), buffer.admits(part("b"))) == (True, False)
    bench.to(300)
    assert (buffer.sense("at-inlet"), buffer.admits(part("b"))) == (False, True)
    bench.to(400)
    buffer.admit(part("b"))
    assert (buffer.sense("count"), buffer.sense("full"), buffer.admits(part("c"))) == (2, True, False)
    bench.to(999)
    assert buffer.sense("ready") is False
    bench.to(1000)
    assert (buffer.sense("ready"), buffer.waiting()) == (True, None)
    bench.to(1001)
    buffer.drive("release", True)
    assert buffer.sense("passed") is False
    buffer.release("a")
    assert (buffer.waiting(), buffer.admits(part("c")), buffer.sense("passed")) == (None, True, True)
    bench.fault(buffer, "jam")
    bench.to(2000)
    assert buffer.waiting() is None, "one edge, one workpiece"
    buffer.drive("release", False)
    assert buffer.sense("passed") is False
    buffer.drive("release", True)
    assert (buffer.sense("ready"), buffer.waiting()) == (True, None)
    bench.fault(buffer, "jam", False)
    assert buffer.waiting() == part("b")
    assert bench.told() == [(1001, "offered", "a", ""), (2000, "offered", "b", "")]


@pytest.mark.parametrize(
    ("order", "given"), [(0, ["a", "b", "c"]), (1, ["c", "b", "a"])], ids=["fifo", "lifo"]
)
def test_a_magazine_separates_one_at_each_edge(order: float, given: list[str]) -> None:
    bench = Bench()
    magazine = bench.add(Magazine, {"capacity": 3, "order": order, "cycle": 500, "low": 1})
    for name in "abc":
        magazine.admit(part(name))
    assert (magazine.sense("full"), magazine.sense("low")) == (True, False)
    out = []
    for step in range(3):
        magazine.drive("separate", True)
        bench.to(step * 1000 + 499)
        assert magazine.sense("ready") is False
        bench.to(step * 1000 + 500)
        assert magazine.sense("ready") is True
        magazine.drive("separate", False)
        magazine.drive("separate", True)  # one is out: nothing more comes
        bench.to(step * 1000 + 1000)
        magazine.drive("separate", False)
        waiting = magazine.waiting()
        assert waiting is not None
        out.append(magazine.release(waiting.id).id)
    assert out == given
    assert (magazine.sense("empty"), magazine.sense("low")) == (True, True)


def test_a_jammed_magazine_gives_nothing() -> None:
    bench = Bench()
    magazine = bench.add(Magazine, {"cycle": 500})
    magazine.admit(part("a"))
    magazine.drive("separate", True)
    bench.to(200)
    bench.fault(magazine, "jam")
    bench.to(2000)
    assert magazine.sense("ready") is False
    bench.fault(magazine, "jam", False)
    magazine.drive("separate", False)
    magazine.drive("separate", True)
    bench.to(2501)
    assert magazine.waiting() == part("a")


def test_a_bin_rejects_until_it_is_full_and_is_emptied_by_hand() -> None:
    bench = Bench()
    chute = bench.add(Bin, {"capacity": 2})
    conveyor = belt(bench, chute, length=100)
    for step, name in enumerate("abc"):
        bench.to(step * 1000)
        conveyor.admit(part(name, 50))
    bench.to(3000)
    assert (chute.sense("count"), chute.sense("full"), ids(conveyor)) == (2, True, ["c"])
    bench.fault(chute, "emptied")
    assert (chute.sense("count"), ids(conveyor)) == (1, [])
    assert [each[:3] for each in bench.told()] == [
        (200, "rejected", "a"),
        (1200, "rejected", "b"),
        (3000, "rejected", "c"),
    ]


# --- gripping ------------------------------------------------------------------------------------------

UNIT = {"slide": 500, "lower": 300, "close": 100}


class Handling:
    """A nest, a pick-and-place unit and another nest; ``go`` drives ports and lets 600 ms pass."""

    def __init__(self, **params: float) -> None:
        self.bench = Bench()
        self.air = self.bench.add(AirSupply)
        self.source, self.target = self.bench.add(Nest), self.bench.add(Nest)
        links = {"from": self.source, "onto": self.target, "air": self.air}
        self.unit = self.bench.add(PickAndPlace, {**UNIT, **params}, **links)
        self.now = 0.0

    def go(self, **ports: bool) -> None:
        for port, value in ports.items():
            self.unit.drive(port, value)
        self.now += 600
        self.bench.to(self.now)

    def pick(self) -> None:
        self.go(lower=True)
        self.go(grip=True)
        self.go(lower=False)

    def told(self) -> list[tuple[str, str, str]]:
        return [(kind, who, detail) for _, kind, who, detail in self.bench.told() if kind != "offered"]


def test_a_workpiece_is_carried_from_nest_to_nest_and_turned() -> None:
    handling = Handling(turn=90)
    handling.source.admit(part("a"))
    handling.pick()
    assert (ids(handling.source), ids(handling.unit)) == ([], ["a"])
    assert (handling.unit.sense("gripped"), handling.unit.sense("raised")) == (True, True)
    handling.go(extend=True)
    assert (handling.unit.sense("extended"), handling.unit.sense("retracted")) == (True, False)
    handling.go(lower=True)
    handling.go(grip=False)
    assert (ids(handling.unit), ids(handling.target)) == ([], ["a"])
    assert handling.target.contents()[0].pose.turn == 90
    assert handling.told() == []


@pytest.mark.parametrize(
    ("fault", "taken"), [("", True), ("weak", False), ("lower-stuck", False)], ids=["well", "weak", "stuck"]
)
def test_what_it_grips(fault: str, taken: bool) -> None:
    handling = Handling()
    handling.source.admit(part("a"))
    if fault:
        handling.bench.fault(handling.unit, fault)
    handling.pick()
    assert handling.unit.sense("gripped") is taken
    assert ids(handling.source) == ([] if taken else ["a"])


@pytest.mark.parametrize(("keeps", "dropped"), [(1, False), (0, True)], ids=["spring", "vacuum"])
def test_without_air_a_vacuum_drops_and_a_spring_keeps(keeps: float, dropped: bool) -> None:
    handling = Handling(keeps=keeps)
    handling.source.admit(part("a"))
    handling.pick()
    handling.bench.fault(handling.air, "lost")
    handling.go()
    assert handling.unit.sense("gripped") is not dropped
    assert handling.told() == ([("dropped", "a", "")] if dropped else [])
    handling.go(grip=False)
    assert handling.unit.sense("gripped") is not dropped, "it takes air to open"
    handling.go(extend=True)
    assert handling.unit.sense("retracted") is True


def test_with_two_coils_the_slide_stands_and_the_grip_stays_when_both_are_off() -> None:
    handling = Handling()
    handling.unit.drive("retract", False)
    handling.unit.drive("open", False)
    handling.source.admit(part("a"))
    handling.pick()
    handling.go(grip=False)
    assert handling.unit.sense("gripped") is True
    handling.unit.drive("extend", True)
    handling.bench.to(handling.now + 250)
    handling.go(extend=False)
    assert (handling.unit.sense("extended"), handling.unit.sense("retracted")) == (False, False)
    handling.go(retract=True)
    assert handling.unit.sense("retracted") is True
    handling.go(lower=True)
    handling.go(open=True)
    assert (handling.unit.sense("gripped"), ids(handling.source)) == (False, ["a"])


def test_opened_in_mid_air_it_drops_and_onto_a_taken_place_it_hits() -> None:
    handling = Handling()
    handling.source.admit(part("a"))
    handling.pick()
    handling.go(grip=False)
    assert handling.told() == [("dropped", "a", "")]
    handling.target.admit(part("b"))
    handling.source.admit(part("c"))
    handling.pick()
    handling.go(extend=True)
    handling.go(lower=True)
    handling.go(extend=False)
    assert handling.told()[1:] == [
        ("collided", "c", "put down onto b"),
        ("collided", "c", "moved along while it was down"),
    ]


def test_what_is_put_down_can_become_part_of_what_is_there() -> None:
    handling = Handling(joins=1)
    handling.target.admit(part("phone"))
    handling.source.admit(part("screen"))
    handling.pick()
    handling.go(extend=True)
    handling.go(lower=True)
    handling.go(grip=False)
    (made,) = handling.target.contents()
    assert made == part("phone").with_part(part("screen"))
    assert handling.told() == [("joined", "screen", "phone"), ("worked", "phone", "part=phone")]
    handling.target.clear()
    handling.go(lower=False)
    handling.go(extend=False)
    handling.source.admit(part("lens"))
    handling.pick()
    handling.go(extend=True)
    handling.go(lower=True)
    handling.go(grip=False)
    assert handling.told()[2:] == [("dropped", "lens", "")], "there is nothing to join"


def test_it_takes_from_a_belt_and_puts_onto_one_where_there_is_room() -> None:
    bench = Bench()
    source, target = belt(bench), belt(bench)
    where = {"from-at": 300, "onto-at": 400}
    unit = bench.add(PickAndPlace, {**UNIT, **where}, **{"from": source, "onto": target})
    source.admit(part("a"))
    bench.to(700)
    source.drive("run", False)  # a at 350: it covers 300
    for ms, ports in ((1100, {"lower": True}), (1300, {"grip": True}), (1700, {"lower": False})):
        for port, value in ports.items():
            unit.drive(port, value)
        bench.to(ms)
    assert (ids(source), ids(unit)) == ([], ["a"])
    unit.drive("extend", True)
    bench.to(2300)
    unit.drive("lower", True)
    bench.to(2700)
    unit.drive("grip", False)
    assert target.positions() == [400]
    bench.to(3901)
    assert target.waiting() == part("a")


# --- faults that every carrier has ---------------------------------------------------------------------


def test_workpieces_that_are_dropped_missing_or_turned() -> None:
    bench = Bench()
    conveyor = belt(bench)
    conveyor.admit(part("a", 50))
    bench.to(500)
    conveyor.admit(part("b", 50))
    bench.to(600)
    bench.fault(conveyor, "dropped")
    assert ids(conveyor) == ["b"]
    bench.to(1000)
    assert ids(conveyor) == ["b"], "it happens once"
    bench.fault(conveyor, "missing")
    conveyor.admit(part("c", 50))
    assert ids(conveyor) == ["b"]
    bench.fault(conveyor, "missing", False)
    bench.fault(conveyor, "turned")
    conveyor.admit(part("d", 50))
    assert [each.pose.turn for each in conveyor.contents()] == [0, 180]
    assert [each[:4] for each in bench.told()] == [
        (600, "dropped", "a", ""),
        (1000, "dropped", "c", "missing"),
    ]


def test_without_power_all_that_is_driven_stands_and_goes_on_afterwards() -> None:
    bench = Bench()
    supply = bench.add(PowerSupply)
    conveyor = bench.add(BeltConveyor, {"length": 1000, "speed": 500}, power=supply)
    lift = bench.add(Lift, {"travel": 1000}, power=supply)
    shuttle = bench.add(Shuttle, {"pitch": 1000.0, "speed": 1000, "acceleration": 100_000}, power=supply)
    table = bench.add(RotaryTable, {"step": 1000}, power=supply)
    conveyor.drive("run", True)
    conveyor.admit(part("a"))
    lift.drive("up", True)
    shuttle.drive("target", 1)
    table.drive("index", True)
    bench.to(400)
    bench.fault(supply, "lost")
    bench.to(5000)
    assert conveyor.positions() == [pytest.approx(200)]
    assert (lift.sense("at-top"), lift.sense("at-bottom")) == (False, False)
    halted = shuttle.sense("position")
    assert 350 < float(halted) < 400
    assert table.sense("in-position") is False
    bench.fault(supply, "lost", False)
    bench.to(5599)
    assert (lift.sense("at-top"), table.sense("in-position")) == (False, False)
    bench.to(5700)
    assert conveyor.positions() == [pytest.approx(550)]
    assert lift.sense("at-top") is True
    assert shuttle.sense("in-position") is True
    assert (table.sense("in-position"), table.sense("home")) == (True, False)

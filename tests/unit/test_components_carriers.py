"""Stores and grippers, and what befalls workpieces and power on any carrier."""

from __future__ import annotations

import pytest
from carrier_bench import belt, ids
from twin_bench import Bench, part

from gateway.twin.components.buffers import Bin, Buffer, Magazine
from gateway.twin.components.electrics import PowerSupply
from gateway.twin.components.gripping import PickAndPlace
from gateway.twin.components.lifting import Lift
from gateway.twin.components.places import Nest
from gateway.twin.components.pneumatics import AirSupply
from gateway.twin.components.shuttle import Shuttle
from gateway.twin.components.transport import BeltConveyor
from gateway.twin.components.turning import RotaryTable


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

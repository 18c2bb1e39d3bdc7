"""The robot: programs in their times, places that are full or empty, assembly, stops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twin_bench import Bench, part

from gateway.twin.components.electrics import PowerSupply
from gateway.twin.components.places import Nest
from gateway.twin.components.robots import Robot
from gateway.twin.workpiece import GONE

ROBOT = {
    "speed": 100.0,
    "acceleration": 1_000.0,
    "lower": 200.0,
    "grip": 100.0,
    "angle-1": 50.0,
    "angle-2": 150.0,
}


class Cell:
    """A robot between two nests that keep what they have."""

    def __init__(self, **params: float) -> None:
        self.bench = Bench()
        self.supply = self.bench.add(PowerSupply)
        self.first = self.bench.add(Nest, {"load": 0})
        self.second = self.bench.add(Nest, {"load": 0})
        for nest in (self.first, self.second):
            nest.drive("release", False)
        links = {"place-1": self.first, "place-2": self.second, "power": self.supply}
        self.robot = self.bench.add(Robot, {**ROBOT, **params}, **links)
        self.robot.drive("enable", True)

    def run(self, program: int) -> None:
        self.robot.drive("start", False)
        self.robot.drive("program", program)
        self.robot.drive("start", True)


def test_a_program_takes_the_sum_of_its_steps() -> None:
    c = Cell()
    c.first.admit(part("a"))
    c.run(12)
    there, over = 600, 1_100  # 50 deg and 100 deg at 100 deg/s with ramps of 0.1 s
    c.bench.to(there - 1)
    assert c.robot.sense("angle") == pytest.approx(50, abs=0.01)
    c.bench.to(there + 299)
    assert (c.robot.sense("gripped"), c.robot.sense("busy"), c.robot.sense("active")) == (False, True, 12)
    c.bench.to(there + 301)
    assert c.robot.sense("gripped") is True
    assert [each.id for each in c.robot.contents()] == ["a"]
    end = there + 500 + over + 500
    c.bench.to(end - 1)
    assert c.robot.sense("done") is False
    c.bench.to(end + 1)
    assert (c.robot.sense("done"), c.robot.sense("busy"), c.robot.sense("gripped")) == (True, False, False)
    assert [each.id for each in c.second.contents()] == ["a"]
    assert c.robot.sense("at-home") is False
    c.run(0)
    assert c.robot.sense("done") is False
    c.bench.to(end + 5_000)
    assert (c.robot.sense("at-home"), c.robot.sense("done")) == (True, True)


def test_it_waits_over_a_place_that_is_taken() -> None:
    c = Cell()
    c.first.admit(part("a"))
    c.second.admit(part("b"))
    c.run(12)
    c.bench.to(10_000)
    assert (c.robot.sense("busy"), c.robot.sense("gripped")) == (True, True)
    c.second.clear()
    c.bench.to(10_400)
    assert [each.id for each in c.second.contents()] == ["a"]


def test_it_assembles_where_it_joins() -> None:
    c = Cell(**{"joins-2": 1})
    c.first.admit(part("a"))
    c.second.admit(part("b"))
    c.run(12)
    c.bench.to(10_000)
    assert [each.id for each in c.second.contents()[0].parts] == ["a"]
    assert [
        (kind, who, detail) for _, kind, who, detail in c.bench.told() if kind in ("joined", "worked")
    ] == [
        ("joined", "a", "b"),
        ("worked", "b", "part=phone"),
    ]


@pytest.mark.parametrize("program", [12, 32, 13, 10, 5])
def test_nothing_to_take_and_no_such_place_are_faults(program: int) -> None:
    c = Cell()
    c.run(program)
    c.bench.to(10_000)
    assert (c.robot.sense("fault"), c.robot.sense("done"), c.robot.sense("busy")) == (True, False, False)
    c.run(0)
    c.bench.to(20_000)
    assert c.robot.sense("done") is False  # not acknowledged
    c.robot.drive("reset", True)
    c.run(0)
    c.bench.to(30_000)
    assert (c.robot.sense("fault"), c.robot.sense("done"), c.robot.sense("at-home")) == (False, True, True)


@pytest.mark.parametrize("how", ["stopped", "power"])
def test_a_stop_keeps_place_and_grip(how: str) -> None:
    c = Cell()
    c.first.admit(part("a"))
    c.run(12)
    c.bench.to(1_500)
    angle = c.robot.sense("angle")
    target = c.robot if how == "stopped" else c.supply
    fault = "stopped" if how == "stopped" else "lost"
    c.bench.fault(target, fault)
    c.robot.drive("reset", True)
    c.bench.to(5_000)
    assert (c.robot.sense("fault"), c.robot.sense("angle"), c.robot.sense("gripped")) == (True, angle, True)
    c.bench.fault(target, fault, False)
    c.robot.drive("reset", False)
    c.robot.drive("reset", True)
    c.run(2)
    c.bench.to(9_000)
    assert (c.robot.sense("done"), c.robot.sense("gripped")) == (True, True)


def test_with_a_tool_it_needs_no_carriers() -> None:
    bench = Bench()
    robot = bench.add(Robot, ROBOT)
    robot.drive("enable", True)
    robot.drive("program", 2)
    robot.drive("start", True)
    bench.to(1_599)
    assert robot.sense("done") is False
    bench.to(1_601)
    assert (robot.sense("done"), robot.sense("angle")) == (True, 150)


def test_without_enable_it_stands_and_its_program_is_over() -> None:
    c = Cell()
    c.first.admit(part("a"))
    c.run(12)
    c.bench.to(1_500)
    c.robot.drive("enable", False)
    angle = c.robot.sense("angle")
    c.run(12)
    c.bench.to(5_000)
    assert (c.robot.sense("angle"), c.robot.sense("busy"), c.robot.sense("fault")) == (angle, False, False)
    assert c.robot.sense("gripped") is True
    c.robot.drive("enable", True)
    c.run(0)
    c.bench.to(9_000)
    assert (c.robot.sense("done"), c.robot.sense("at-home")) == (True, True)


def test_what_it_drops_is_gone() -> None:
    c = Cell()
    c.first.admit(part("a"))
    c.run(12)
    c.bench.to(1_200)
    c.bench.fault(c.robot, "dropped")
    c.bench.to(9_000)
    assert (c.robot.contents(), c.second.contents()) == ((), ())
    assert [each[1] for each in c.bench.told() if each[1] != "offered"] == ["dropped"]


@given(
    st.lists(
        st.sampled_from(["0", "1", "2", "12", "21", "stop", "clear", "drop", "admit", "wait"]), max_size=30
    )
)
def test_workpieces_are_conserved(doings: list[str]) -> None:
    c = Cell()
    time, made, taken = 0, 0, 0
    for doing in doings:
        if doing == "admit" and c.first.admits(part()):
            c.first.admit(part(f"w{made}"))
            made += 1
        elif doing == "stop":
            c.bench.fault(c.robot, "stopped")
            c.bench.fault(c.robot, "stopped", False)
            c.robot.drive("reset", True)
        elif doing == "clear":
            taken += len(c.second.clear())
        elif doing == "drop":
            c.bench.fault(c.robot, "dropped")
            c.bench.fault(c.robot, "dropped", False)
        elif doing.isdigit():
            c.run(int(doing))
        time += 700
        c.bench.to(time)
        there = [each.id for carrier in (c.first, c.second, c.robot) for each in carrier.contents()]
        assert len(set(there)) == len(there)
        gone = sum(each[1] in GONE for each in c.bench.told())
        assert len(there) + taken + gone == made

"""Servo axis, dispensing valve, screwdriver and door: curves, signals and what is done to workpieces."""

from __future__ import annotations

import math

import pytest
from twin_bench import Bench, part

from gateway.field.types import Value
from gateway.twin.components.axes import ServoAxis
from gateway.twin.components.dispensing import DispensingValve
from gateway.twin.components.joining import Screwdriver
from gateway.twin.components.pneumatics import AirSupply, Cylinder
from gateway.twin.components.safety import Door
from gateway.twin.components.transport import BeltConveyor

AXIS = {"speed": 500.0, "acceleration": 5000.0, "low": 0.0, "high": 400.0}


def test_an_axis_moves_by_a_trapezoid() -> None:
    bench = Bench()
    axis = bench.add(ServoAxis, AXIS)
    axis.drive("target", 200.0)
    for ms, place in ((50, 6.25), (100, 25.0), (300, 125.0), (400, 175.0), (450, 193.75), (500, 200.0)):
        bench.to(ms)
        assert axis.sense("position") == pytest.approx(place, abs=1e-6), ms


def test_an_axis_takes_a_new_target_on_the_way_and_keeps_its_ends() -> None:
    bench = Bench()
    axis = bench.add(ServoAxis, AXIS)
    axis.drive("target", 900.0)
    bench.to(300)
    assert axis.sense("position") == pytest.approx(125)
    axis.drive("target", 100.0)  # needs 25 mm to stop: on to 150, back to 100
    bench.to(400)
    assert axis.sense("position") == pytest.approx(150)
    bench.to(2000)
    assert axis.sense("position") == 100
    assert axis.odometer() == pytest.approx(200, abs=1e-6)
    axis.drive("target", 900.0)
    bench.to(4000)
    assert axis.sense("position") == 400
    axis.drive("target", -5.0)
    bench.to(6000)
    assert axis.sense("position") == 0


def test_a_jammed_axis_stays_and_goes_on_afterwards() -> None:
    bench = Bench()
    axis = bench.add(ServoAxis, AXIS)
    axis.drive("target", 200.0)
    bench.to(300)
    bench.fault(axis, "jam")
    axis.drive("target", 0.0)
    bench.to(2000)
    assert axis.sense("position") == pytest.approx(125)
    bench.fault(axis, "jam", False)
    bench.to(4000)
    assert axis.sense("position") == 0


class Dispenser:
    """A belt with a workpiece lifted under a valve on an axis."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.air = self.bench.add(AirSupply, {"decay": 100})
        self.belt = self.bench.add(BeltConveyor, {"length": 600, "speed": 500})
        self.lift = self.bench.add(Cylinder, {"extend": 50, "retract": 50, "at": 350}, holds=self.belt)
        self.axis = self.bench.add(ServoAxis, AXIS)
        self.valve = self.bench.add(
            DispensingValve,
            {"at": 300, "pressure": 4, "lag": 40},
            air=self.air,
            axis=self.axis,
            on=self.belt,
        )
        self.belt.drive("run", True)
        self.belt.admit(part("a"))
        self.bench.to(700)
        self.lift.drive("extend", True)
        self.bench.to(800)

    def bead(self) -> Value | None:
        return self.belt.contents()[0].done.get("glue_bead")


def test_the_pressure_follows_the_valve_with_its_lag() -> None:
    d = Dispenser()
    d.valve.drive("open", True)
    d.bench.to(840)
    assert d.valve.sense("pressure") == pytest.approx(4 * (1 - math.exp(-1)))
    d.bench.to(1500)
    d.valve.drive("open", False)
    d.bench.to(1540)
    assert d.valve.sense("pressure") == pytest.approx(4 * math.exp(-1), rel=1e-5)


def test_a_bead_is_as_long_as_the_axis_travels_with_the_valve_open() -> None:
    d = Dispenser()
    d.axis.drive("target", 20.0)
    d.bench.to(2000)
    d.valve.drive("open", True)
    d.axis.drive("target", 120.0)
    d.bench.to(2100)  # 25 mm so far; the target changes on the way
    d.axis.drive("target", 98.2)
    d.bench.to(3000)
    d.valve.drive("open", False)
    assert d.bench.told() == [(3000, "worked", "a", "bead=78.2mm")]
    assert d.bead() == 78.2
    d.axis.drive("target", 0.0)
    d.bench.to(4000)
    assert d.bead() == 78.2  # closed


def test_an_interrupted_bead_adds_up() -> None:
    d = Dispenser()
    for number, target in enumerate((50.0, 80.0)):
        d.valve.drive("open", True)
        d.axis.drive("target", target)
        d.bench.to(2000 + 1000 * number)
        d.valve.drive("open", False)
    assert [each[3] for each in d.bench.told()] == ["bead=50.0mm", "bead=30.0mm"]
    assert d.bead() == 80.0


@pytest.mark.parametrize(("fault", "pressure", "bead"), [("clogged", 6.0, None), ("leak", 1.6, 20.0)])
def test_a_clogged_nozzle_lays_nothing_and_a_leaking_valve_little(
    fault: str, pressure: float, bead: float | None
) -> None:
    d = Dispenser()
    d.bench.fault(d.valve, fault)
    d.valve.drive("open", True)
    d.axis.drive("target", 50.0)
    d.bench.to(2000)
    assert d.valve.sense("pressure") == pytest.approx(pressure, abs=1e-6)
    d.valve.drive("open", False)
    assert d.bead() == bead


def test_no_bead_without_air_or_on_a_workpiece_that_is_let_go() -> None:
    d = Dispenser()
    d.valve.drive("open", True)
    d.axis.drive("target", 50.0)
    d.bench.to(1000)  # arrived: 50 mm
    d.bench.fault(d.air, "lost")
    d.bench.to(1200)
    d.axis.drive("target", 0.0)
    d.bench.to(2000)
    assert d.bead() == 50.0
    assert d.valve.sense("pressure") == pytest.approx(0, abs=1e-6)
    d.bench.fault(d.air, "lost", False)
    d.bench.to(3000)
    d.axis.drive("target", 10.0)
    d.bench.to(4000)
    d.lift.drive("extend", False)
    d.bench.to(4400)
    d.axis.drive("target", 40.0)
    d.bench.to(5000)
    assert [each[3] for each in d.bench.told() if each[1] == "worked"] == ["bead=50.0mm", "bead=10.0mm"]


class Driver:
    """A belt with a workpiece clamped under a screwdriver on a press."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.belt = self.bench.add(BeltConveyor, {"length": 600, "speed": 500})
        self.clamp = self.bench.add(Cylinder, {"extend": 50, "retract": 50, "at": 300}, holds=self.belt)
        self.press = self.bench.add(Cylinder, {"extend": 100, "retract": 100})
        self.driver = self.bench.add(
            Screwdriver,
            {"at": 250, "torque": 2.0, "run-in": 300, "rise": 200},
            press=self.press,
            on=self.belt,
        )
        self.belt.drive("run", True)
        self.belt.admit(part("a"))
        self.bench.to(600)
        self.clamp.drive("extend", True)
        self.press.drive("extend", True)
        self.bench.to(1000)

    def torque(self) -> float:
        return float(self.driver.sense("torque"))


def test_the_torque_runs_in_rises_and_holds() -> None:
    d = Driver()
    d.driver.drive("run", True)
    for ms, torque in ((1000, 0.3), (1299, 0.3), (1400, 1.15), (1499.999, 2.0), (1800, 2.0)):
        d.bench.to(ms)
        assert d.torque() == pytest.approx(torque, abs=1e-4), ms
    assert d.bench.told() == [(1500, "worked", "a", "torque=2N.m")]
    assert d.belt.contents()[0].done == {"screw_torque": 2.0}
    d.driver.drive("run", False)
    d.bench.to(1820)
    assert d.torque() == pytest.approx(2 * math.exp(-1), rel=1e-5)
    d.bench.to(3000)
    assert d.torque() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("away", ["press", "clamp", "stop"])
def test_no_screw_without_press_clamp_or_time(away: str) -> None:
    d = Driver()
    d.driver.drive("run", True)
    d.bench.to(1440)  # the clamp lets go 50 ms later
    if away == "press":
        d.press.drive("extend", False)
    elif away == "clamp":
        d.clamp.drive("extend", False)
    else:
        d.driver.drive("run", False)
    d.bench.to(1700)
    assert [each for each in d.bench.told() if each[1] == "worked"] == []
    assert d.torque() == pytest.approx(0 if away == "stop" else 0.04, abs=1e-3)


@pytest.mark.parametrize(("fault", "torque"), [("stripped", 0.3), ("jam", 3.2)])
def test_a_stripped_thread_never_rises_and_a_jam_stalls(fault: str, torque: float) -> None:
    d = Driver()
    d.bench.fault(d.driver, fault)
    d.driver.drive("run", True)
    for ms in (1010, 1400, 2500):
        d.bench.to(ms)
        assert d.torque() == pytest.approx(torque)
    assert d.bench.told() == []
    assert d.belt.contents()[0].done == {}


def test_a_removed_workpiece_ends_the_screw() -> None:
    d = Driver()
    d.driver.drive("run", True)
    d.bench.to(1450)
    d.belt.clear()
    d.bench.to(3000)
    assert d.bench.told() == []
    assert d.torque() == pytest.approx(0.04, abs=1e-6)


def test_a_door_is_closed_until_somebody_opens_it() -> None:
    bench = Bench()
    door = bench.add(Door)
    assert door.sense("closed") is True
    bench.fault(door, "open")
    assert door.sense("closed") is False
    bench.fault(door, "open", False)
    assert door.sense("closed") is True

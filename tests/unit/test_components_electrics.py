"""Supplies, motors, pumps, vacuum, service unit and two-coil cylinders: curves, switches and faults."""

from __future__ import annotations

import math

import pytest
from twin_bench import Bench, part

from gateway.twin.components.electrics import FrequencyConverter, MotorStarter, PowerSupply
from gateway.twin.components.fluids import Fan, Pump
from gateway.twin.components.places import Nest
from gateway.twin.components.pneumatics import AirSupply, AirUnit, ValveCylinder
from gateway.twin.components.vacuum import Ejector


def test_a_supply_breaks_down_and_comes_back() -> None:
    bench = Bench()
    supply = bench.add(PowerSupply, {"voltage": 24, "hold-up": 20})
    assert (supply.sense("ok"), supply.sense("voltage")) == (True, 24)
    bench.fault(supply, "lost")
    bench.to(20)
    assert (supply.sense("ok"), supply.sense("voltage")) == (False, pytest.approx(24 * math.exp(-1)))
    bench.fault(supply, "lost", False)
    bench.fault(supply, "overload")
    bench.to(1_000)
    assert supply.sense("voltage") == pytest.approx(8)


STARTER = {"current": 2.0, "inrush": 6.0, "run-up": 200.0, "contactor": 20.0, "class": 2_000.0}


def test_a_starters_feedback_follows_and_its_current_has_an_inrush() -> None:
    bench = Bench()
    motor = bench.add(MotorStarter, STARTER)
    motor.drive("run", True)
    bench.to(19)
    assert (motor.sense("running"), motor.sense("current")) == (False, 0)
    bench.to(20)
    assert (motor.sense("running"), motor.sense("current")) == (True, pytest.approx(12))
    bench.to(220)
    assert motor.sense("current") == pytest.approx(2 + 10 * math.exp(-1))
    motor.drive("run", False)
    bench.to(241)
    assert (motor.sense("running"), motor.sense("current")) == (False, 0)


def test_a_blocked_motor_trips_its_protection() -> None:
    bench = Bench()
    motor = bench.add(MotorStarter, STARTER)
    bench.fault(motor, "blocked")
    motor.drive("run", True)
    bench.to(2_019)
    assert (motor.sense("ok"), motor.sense("current")) == (True, 12)
    bench.to(2_021)
    assert (motor.sense("ok"), motor.sense("current")) == (False, 0)
    bench.to(2_050)
    assert motor.sense("running") is False
    bench.fault(motor, "blocked", False)
    motor.drive("reset", True)
    bench.to(4_000)
    assert (motor.sense("ok"), motor.sense("running")) == (True, True)


def test_contactors_that_stick_and_weld() -> None:
    bench = Bench()
    motor = bench.add(MotorStarter, STARTER)
    bench.fault(motor, "contactor-stuck")
    motor.drive("run", True)
    bench.to(1_000)
    assert motor.sense("running") is False
    bench.fault(motor, "contactor-stuck", False)
    bench.to(2_000)
    bench.fault(motor, "contactor-welded")
    motor.drive("run", False)
    bench.to(3_000)
    assert motor.sense("running") is True


def test_without_power_no_contactor_pulls_in() -> None:
    bench = Bench()
    supply = bench.add(PowerSupply)
    motor = bench.add(MotorStarter, STARTER, power=supply)
    motor.drive("run", True)
    bench.to(100)
    bench.fault(supply, "lost")
    bench.to(200)
    assert motor.sense("running") is False


def test_a_converter_ramps_says_when_it_is_there_and_trips() -> None:
    bench = Bench()
    drive = bench.add(FrequencyConverter, {"rated": 50, "ramp": 1_000, "current": 4})
    drive.drive("frequency", 25.0)
    assert drive.sense("actual") == 0
    drive.drive("run", True)
    bench.to(250)
    assert (drive.sense("actual"), drive.sense("at-speed")) == (pytest.approx(12.5), False)
    bench.to(500)
    assert (drive.sense("actual"), drive.sense("at-speed")) == (25, True)
    assert drive.sense("current") == pytest.approx(4 * (0.3 + 0.7 * 0.5))
    bench.fault(drive, "trip")
    assert drive.sense("ok") is False
    bench.to(999)
    assert drive.sense("running") is True
    bench.to(1_001)
    assert drive.sense("running") is False
    drive.drive("reset", True)
    assert drive.sense("ok") is False
    bench.fault(drive, "trip", False)
    drive.drive("reset", False)
    drive.drive("reset", True)
    bench.to(2_000)
    assert drive.sense("at-speed") is True


@pytest.mark.parametrize(
    ("fault", "flow", "flowing"), [("", 20, True), ("leak", 10, False), ("blocked", 0, False)]
)
def test_a_pump_follows_what_drives_it(fault: str, flow: float, flowing: bool) -> None:
    bench = Bench()
    drive = bench.add(FrequencyConverter, {"rated": 50, "ramp": 1_000})
    pump = bench.add(Pump, {"flow": 20, "pressure": 3, "switch": 0.6}, **{"driven-by": drive})
    drive.drive("frequency", 50.0)
    drive.drive("run", True)
    bench.to(599)
    assert pump.sense("flowing") is False
    if fault:
        bench.fault(pump, fault)
    bench.to(601)
    assert pump.sense("flowing") is flowing
    bench.to(2_000)
    assert pump.sense("flow") == pytest.approx(flow)
    assert pump.sense("pressure") == pytest.approx(3)


def test_a_flow_switch_has_its_edges_at_their_instants() -> None:
    bench = Bench()
    drive = bench.add(FrequencyConverter, {"rated": 50, "ramp": 1_000})
    fan = bench.add(Fan, {"switch": 0.6}, **{"driven-by": drive})
    drive.drive("frequency", 50.0)
    drive.drive("run", True)
    edges, was = [], fan.sense("flowing")
    for begin, running in ((0, True), (2_000, False), (4_000, True)):
        bench.to(begin)
        drive.drive("run", running)
        while (due := bench.kernel.next_time()) is not None:
            bench.kernel.advance(due)
            if fan.sense("flowing") != was:
                was = fan.sense("flowing")
                edges.append(round((due - 5_000_000_123) / 1_000_000, 3))
    assert edges == [600, 2_400, 4_600]


def test_a_vacuum_builds_up_on_a_workpiece_and_holds_it() -> None:
    bench = Bench()
    nest, air = bench.add(Nest, {"load": 0}), bench.add(AirSupply, {"decay": 1})
    cup = bench.add(Ejector, {"vacuum": 80, "lag": 60, "threshold": 55}, on=nest, air=air)
    nest.drive("release", True)  # but for the cups the workpiece could go on
    cup.drive("suck", True)
    bench.to(2_000)
    assert (cup.sense("reached"), cup.sense("vacuum")) == (False, pytest.approx(12))
    nest.admit(part("a"))
    due = 2_000 + 60 * math.log((80 - 12) / (80 - 55))
    bench.to(due - 0.1)
    assert cup.sense("reached") is False
    bench.to(due + 0.1)
    assert (cup.sense("reached"), nest.waiting()) == (True, None)
    bench.fault(air, "lost")
    bench.to(3_000)
    assert cup.sense("reached") is False
    assert nest.waiting() is not None
    bench.fault(air, "lost", False)
    bench.to(4_000)
    assert cup.sense("reached") is True
    cup.drive("blow", True)
    bench.to(5_000)
    assert (cup.sense("reached"), cup.sense("vacuum")) == (False, pytest.approx(0, abs=1e-3))


@pytest.mark.parametrize("fault", ["leak", "clogged"])
def test_a_torn_cup_and_a_clogged_ejector_reach_no_vacuum(fault: str) -> None:
    bench = Bench()
    nest = bench.add(Nest, {"load": 0})
    cup = bench.add(Ejector, on=nest)
    nest.admit(part("a"))
    bench.fault(cup, fault)
    cup.drive("suck", True)
    bench.to(5_000)
    assert cup.sense("reached") is False


def test_a_service_unit_gives_air_while_its_valve_is_open() -> None:
    bench = Bench()
    unit = bench.add(AirUnit, {"pressure": 6, "decay": 100})
    assert (unit.sense("ok"), unit.strong, unit.sense("pressure")) == (False, False, 0)
    unit.drive("open", True)
    strong = 100 * math.log(1 / 0.5)
    bench.to(strong + 0.1)
    assert (unit.strong, unit.sense("ok")) == (True, False)
    bench.to(100 * math.log(1 / 0.3) + 0.1)
    assert unit.sense("ok") is True
    bench.fault(unit, "leak")
    bench.to(3_000)
    assert (unit.sense("ok"), unit.strong, unit.sense("pressure")) == (False, True, pytest.approx(3.3))
    bench.fault(unit, "leak", False)
    bench.to(4_000)
    assert unit.sense("ok") is True
    unit.drive("open", False)
    bench.to(5_000)
    assert (unit.sense("ok"), unit.strong) == (False, False)
    bench.fault(unit, "valve-stuck")
    unit.drive("open", True)
    bench.to(6_000)
    assert unit.sense("ok") is False


@pytest.mark.parametrize(("centre", "stays"), [(0.0, False), (1.0, True)])
def test_a_bistable_valve_goes_on_and_a_centred_one_stops(centre: float, stays: bool) -> None:
    bench = Bench()
    cylinder = bench.add(ValveCylinder, {"extend": 200, "retract": 100, "centre": centre})
    cylinder.drive("extend", True)
    bench.to(50)
    cylinder.drive("extend", False)
    bench.to(1_000)
    assert cylinder.sense("extended") is (not stays)
    assert cylinder.place == (0.25 if stays else 1)
    cylinder.drive("extend", True)
    cylinder.drive("retract", True)
    bench.to(2_000)
    assert cylinder.place == (0.25 if stays else 1)  # both coils: no change, or closed
    cylinder.drive("extend", False)
    bench.to(3_000)
    assert cylinder.sense("retracted") is True


def test_a_two_coil_cylinder_stays_without_air() -> None:
    bench = Bench()
    air = bench.add(AirSupply, {"decay": 1})
    cylinder = bench.add(ValveCylinder, {"extend": 200, "retract": 100}, air=air)
    cylinder.drive("extend", True)
    bench.to(100)
    bench.fault(air, "lost")
    bench.to(1_000)
    assert 0.5 <= cylinder.place < 0.51
    bench.fault(air, "lost", False)
    bench.to(2_000)
    assert cylinder.sense("extended") is True

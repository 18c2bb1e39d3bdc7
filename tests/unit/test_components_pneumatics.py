"""The air supply and the cylinder: timing, hysteresis, springs and faults."""

from __future__ import annotations

import math

import pytest
from twin_bench import Bench

from gateway.twin.components.pneumatics import AirSupply, Cylinder

STROKES = {"extend": 200.0, "retract": 100.0}


def switches(cylinder: Cylinder) -> tuple[bool, bool]:
    """(extended, retracted)"""
    return bool(cylinder.sense("extended")), bool(cylinder.sense("retracted"))


def test_pressure_decays_and_its_switch_has_hysteresis() -> None:
    bench = Bench()
    air = bench.add(AirSupply, {"pressure": 6, "decay": 150})
    bench.fault(air, "lost")
    off = 150 * math.log(1 / 0.6)
    bench.to(off - 0.001)
    assert air.sense("ok") is True
    bench.to(off + 0.001)
    assert air.sense("ok") is False
    assert air.sense("pressure") == pytest.approx(3.6, abs=1e-3)
    bench.fault(air, "lost", False)  # back before it was weak: from 3.6 up to 4.2 bar
    on = off + 150 * math.log(2.4 / 1.8)
    bench.to(on - 0.01)
    assert air.sense("ok") is False
    assert air.strong
    bench.to(on + 0.01)
    assert air.sense("ok") is True
    assert air.sense("pressure") == pytest.approx(4.2, abs=1e-3)


def test_a_short_loss_does_not_trip_the_switch() -> None:
    bench = Bench()
    air = bench.add(AirSupply, {"pressure": 6, "decay": 150})
    bench.fault(air, "lost")
    bench.to(60)  # 4.02 bar: between the two thresholds
    bench.fault(air, "lost", False)
    bench.to(500)
    assert air.sense("ok") is True


def test_a_cylinder_strokes_in_its_times() -> None:
    bench = Bench()
    cylinder = bench.add(Cylinder, STROKES)
    assert switches(cylinder) == (False, True)
    cylinder.drive("extend", True)
    assert switches(cylinder) == (False, False)
    bench.to(199.999)
    assert switches(cylinder) == (False, False)
    bench.to(200)
    assert switches(cylinder) == (True, False)
    bench.to(300)
    cylinder.drive("extend", False)
    assert switches(cylinder) == (False, False)
    bench.to(350)
    cylinder.drive("extend", True)  # turns back half-way: half of the stroke
    bench.to(449.9)
    assert switches(cylinder) == (False, False)
    bench.to(450)
    assert switches(cylinder) == (True, False)
    cylinder.drive("extend", False)
    bench.to(550)
    assert switches(cylinder) == (False, True)


@pytest.mark.parametrize(("spring", "expected"), [(1, (False, True)), (0, (False, False))])
def test_without_air_a_spring_takes_it_back_and_without_spring_it_stays(
    spring: float, expected: tuple[bool, bool]
) -> None:
    bench = Bench()
    air = bench.add(AirSupply, {"pressure": 6, "decay": 100})
    cylinder = bench.add(Cylinder, {**STROKES, "spring": spring}, air=air)
    bench.fault(air, "lost")
    weak = 100 * math.log(2)
    cylinder.drive("extend", True)
    bench.to(weak + 150)  # had gone out for 69 ms of 200
    assert switches(cylinder) == expected
    assert cylinder.place == pytest.approx(0 if spring else weak / 200, abs=1e-6)
    bench.fault(air, "lost", False)
    bench.to(weak + 600)
    assert switches(cylinder) == (True, False)
    bench.fault(air, "lost")
    bench.to(weak + 2000)
    assert switches(cylinder) == ((False, True) if spring else (True, False))
    cylinder.drive("extend", False)
    bench.to(weak + 2500)
    assert switches(cylinder) == ((False, True) if spring else (True, False))


def test_a_stuck_cylinder_keeps_its_place_and_a_slow_one_takes_three_times_as_long() -> None:
    bench = Bench()
    cylinder = bench.add(Cylinder, STROKES)
    cylinder.drive("extend", True)
    bench.to(50)
    bench.fault(cylinder, "stuck")
    bench.to(1000)
    assert cylinder.place == 0.25
    bench.fault(cylinder, "stuck", False)
    bench.fault(cylinder, "slow")
    bench.to(1449.9)
    assert switches(cylinder) == (False, False)
    bench.to(1450)  # three quarters of 200 ms, times three
    assert switches(cylinder) == (True, False)


def test_who_depends_on_the_extended_end_is_told() -> None:
    bench = Bench()
    cylinder = bench.add(Cylinder, STROKES)
    told: list[tuple[int, bool]] = []
    cylinder.subscribe(lambda: told.append((bench.kernel.now, cylinder.extended)))
    start = bench.kernel.now
    cylinder.drive("extend", True)
    bench.to(300)
    cylinder.drive("extend", False)
    bench.to(1000)
    assert told == [(start + 200_000_000, True), (start + 300_000_000, False)]

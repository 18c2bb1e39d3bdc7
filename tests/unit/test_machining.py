"""Cutting formulas against values worked out by hand from the text books' examples and tables."""

from __future__ import annotations

import math

import pytest

from gateway.twin import machining
from gateway.twin.machining import Material

# C45: kc1.1 = 2220 N/mm2, mc = 0.14 (Toenshoff and Denkena, table of specific cutting forces).
C45 = Material(2_220, 0.14, 400, 0.25)


def test_kienzles_force() -> None:
    # b = 3 mm, h = 0.4 mm: 2220 * 3 * 0.4^0.86 = 6660 * 0.4548 = 3029 N
    assert machining.kienzle(C45, 3, 0.4) == pytest.approx(3_029, abs=1)
    assert machining.kienzle(C45, 1, 1) == 2_220  # what kc1.1 means


def test_turning() -> None:
    # 100 mm in diameter at 600 /min: pi * 0.1 * 600 = 188.5 m/min; 3029 N * 188.5 m/min = 9.516 kW;
    # 120 mm at 0.4 mm * 600 /min = 0.5 min; 0.4^2 / (8 * 0.8) = 25 um.
    cut = machining.turn(C45, diameter=100, depth=3, feed=0.4, revolutions=600, length=120, corner=0.8)
    assert cut.force == pytest.approx(3_029, abs=1)
    assert cut.speed == pytest.approx(188.5, abs=0.01)
    assert cut.power == pytest.approx(9.516, abs=0.005)
    assert cut.minutes == pytest.approx(0.5)
    assert cut.peak == pytest.approx(25)


def test_milling_a_full_slot() -> None:
    # a_e = D: arc of 180 deg, mean chip f_z * 2 / pi = 0.0637 mm; half of 4 teeth cut.
    cut = machining.mill(
        C45, diameter=20, teeth=4, depth=5, width=20, feed=0.1, revolutions=1_600, length=100, corner=1
    )
    assert cut.force == pytest.approx(2 * 2_220 * 5 * (0.2 / math.pi) ** 0.86)
    assert cut.minutes == pytest.approx(120 / (0.1 * 4 * 1_600))


def test_milling_removes_what_its_mean_force_times_speed_pays_for() -> None:
    # Power over volume removed is the specific force at the mean chip: kc = kc1.1 h^-mc.
    cut = machining.mill(
        C45, diameter=50, teeth=5, depth=4, width=30, feed=0.12, revolutions=900, length=100, corner=1
    )
    volume = 4 * 30 * 0.12 * 5 * 900  # mm3/min
    arc = math.acos(1 - 2 * 30 / 50)
    mean = 0.12 * 2 * 30 / (50 * arc)
    specific = cut.power * 60e6 / volume  # N/mm2: 1 kW is 60e6 N.mm/min
    assert specific == pytest.approx(2_220 * mean**-0.14, rel=1e-9)


def test_drilling() -> None:
    # 118 deg: sin 59 = 0.857; two edges of 5.83 mm by 0.0857 mm; torque F/2 * d/2 / 2 * 2, at half speed.
    cut = machining.drill(C45, diameter=10, feed=0.2, revolutions=1_000, depth=20)
    lean = math.sin(math.radians(59))
    force = 2 * 2_220 * (5 / lean) * (0.1 * lean) ** 0.86
    torque = force / 2 * 10 / 4 * 2 / 1000  # N.m: each edge's half of the force at a quarter of the diameter
    assert cut.force == pytest.approx(force)
    assert cut.power == pytest.approx(torque * 2 * math.pi * 1_000 / 60 / 1000)
    assert cut.minutes == pytest.approx((20 + 5 / math.tan(math.radians(59))) / 200)


def test_taylors_life() -> None:
    assert machining.tool_life(C45, 400) == pytest.approx(1)  # what C means
    assert machining.tool_life(C45, 200) == pytest.approx(2**4)  # half the speed: 2^(1/n) times the life


def test_wear_costs_force_and_size() -> None:
    assert machining.worn_force(0) == 1
    assert machining.worn_force(1) == pytest.approx(1.3)
    assert machining.set_back(1) == pytest.approx(0.3 * math.tan(math.radians(7)))


def test_wire_cutting_goes_by_area() -> None:
    cut = machining.erode(height=30, length=100, rate=200, power=1.5, peak=8)
    assert (cut.minutes, cut.force) == (15, 0)

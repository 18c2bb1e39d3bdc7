"""Laser, resistance welder and solder wire: energy over time against sums, what they leave, their faults."""

from __future__ import annotations

import math

import pytest
from twin_bench import MS, START, Bench, part

from gateway.twin.components.axes import ServoAxis
from gateway.twin.components.electrics import PowerSupply
from gateway.twin.components.heat import HeatZone
from gateway.twin.components.places import Nest
from gateway.twin.components.soldering import WireFeeder
from gateway.twin.components.welding import MELT, LaserSource, ResistanceWelder, nugget


class Cell:
    """A nest with a workpiece, a supply, and what is tried."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.nest = self.bench.add(Nest, {"load": 0})
        self.nest.drive("release", False)
        self.supply = self.bench.add(PowerSupply)
        self.nest.admit(part("a"))

    def done(self) -> dict[str, float]:
        return {key: float(value) for key, value in self.nest.contents()[0].done.items()}


def test_a_lasers_energy_is_the_sum_of_its_output() -> None:
    c = Cell()
    laser = c.bench.add(LaserSource, {"rated": 200, "lag": 20}, on=c.nest, power=c.supply)
    laser.drive("power", 50.0)
    laser.drive("fire", True)
    summed = 0.0
    for step in range(3_000):  # 0.1 ms each
        c.bench.kernel.advance(START + step * MS // 10 + MS // 20)
        summed += float(laser.sense("output")) / 10_000
        if step == 1_499:
            c.bench.to(150)
            laser.drive("power", 100.0)
    c.bench.to(300)
    assert laser.sense("energy") == pytest.approx(summed, rel=1e-4)
    assert laser.sense("emitting") is True
    c.bench.to(1_000)
    assert (laser.steady("output"), laser.steady("energy")) == (True, False)
    laser.drive("fire", False)
    assert c.done() == {"weld_energy": pytest.approx(summed + 0.7 * 200, abs=0.1)}
    assert laser.sense("emitting") is False
    c.bench.to(2_000)
    assert laser.steady("energy") is True


@pytest.mark.parametrize(
    ("fault", "share", "output"), [("dirty-lens", 0.5, 200), ("aged", 0.7, 140), ("failed", 0, 0)]
)
def test_faults_of_a_laser(fault: str, share: float, output: float) -> None:
    c = Cell()
    laser = c.bench.add(LaserSource, {"rated": 200, "lag": 0.01}, on=c.nest)
    c.bench.fault(laser, fault)
    laser.drive("fire", True)
    c.bench.to(1_000)
    assert laser.sense("output") == pytest.approx(output)
    assert laser.sense("ready") is (fault != "failed")
    laser.drive("fire", False)
    assert c.done().get("weld_energy", 0) == pytest.approx(200 * share, rel=1e-3)


def test_a_seam_is_as_long_as_the_axis_travels_while_it_fires() -> None:
    c = Cell()
    axis = c.bench.add(ServoAxis, {"speed": 100, "acceleration": 10_000})
    laser = c.bench.add(LaserSource, {"rated": 200}, {"result": "seam"}, on=c.nest, axis=axis)
    axis.drive("target", 20.0)
    c.bench.to(1_000)
    laser.drive("fire", True)
    axis.drive("target", 70.0)
    c.bench.to(2_000)
    laser.drive("fire", False)
    assert c.done()["seam_seam"] == 50


def test_no_light_without_power() -> None:
    c = Cell()
    laser = c.bench.add(LaserSource, {"rated": 200}, on=c.nest, power=c.supply)
    laser.drive("fire", True)
    c.bench.to(100)
    c.bench.fault(c.supply, "lost")
    assert (laser.sense("ready"), laser.sense("emitting")) == (False, False)
    c.bench.to(1_000)
    assert 0 < c.done()["weld_energy"] < 21


SPOT = {"current": 8_000.0, "time": 200.0, "first": 0.2, "last": 0.1, "fall": 40.0}


def test_joule_heat_is_the_sum_of_current_squared_times_resistance() -> None:
    c = Cell()
    welder = c.bench.add(ResistanceWelder, SPOT, on=c.nest)
    welder.drive("start", True)
    summed = sum(
        8_000**2 * (0.1 + 0.1 * math.exp(-(n + 0.5) / 10_000 / 0.04)) / 1000 / 10_000 for n in range(2_000)
    )
    c.bench.to(199)
    assert (welder.sense("done"), welder.sense("current")) == (False, 8_000)
    assert (welder.steady("current"), welder.steady("energy")) == (True, False)
    c.bench.to(200)
    assert (welder.sense("done"), welder.sense("current")) == (True, 0)
    assert welder.sense("energy") == pytest.approx(summed, rel=1e-6)
    assert c.done() == {"weld_energy": round(summed, 1), "weld_nugget": round(nugget(summed, 2, 0.4), 2)}
    welder.drive("start", False)
    assert welder.sense("done") is False


def test_a_nugget_is_the_steel_that_the_heat_melts() -> None:
    # 0.4 of 1000 J at 8.44 J/mm3 (7.85 mg/mm3 times 0.55 J/gK * 1500 K + 250 J/g) melt 47.4 mm3: a disc of
    # 2 mm has sqrt(4 * 47.4 / (pi * 2)) = 5.49 mm.
    assert pytest.approx(8.44, abs=0.01) == MELT
    assert nugget(1_000, 2, 0.4) == pytest.approx(5.49, abs=0.01)


@pytest.mark.parametrize(
    ("fault", "energy", "nugget_share", "failed"),
    [("no-current", 0, 0, True), ("worn-tips", 0.64, 0.8, False), ("expulsion", 1, 0.5, False)],
)
def test_faults_of_a_resistance_welder(fault: str, energy: float, nugget_share: float, failed: bool) -> None:
    found = []
    for each in ("", fault):
        c = Cell()
        welder = c.bench.add(ResistanceWelder, SPOT, on=c.nest)
        if each:
            c.bench.fault(welder, each)
        welder.drive("start", True)
        c.bench.to(500)
        assert welder.sense("fault") is (failed and bool(each))
        found.append(c.done())
    good, bad = found
    assert bad.get("weld_energy", 0) == pytest.approx(energy * good["weld_energy"], rel=1e-3)
    assert bad.get("weld_nugget", 0) == pytest.approx(nugget_share * good["weld_nugget"], rel=5e-3)


def test_a_weld_that_is_let_go_is_not_done() -> None:
    c = Cell()
    welder = c.bench.add(ResistanceWelder, SPOT, on=c.nest)
    welder.drive("start", True)
    c.bench.to(100)
    welder.drive("start", False)
    c.bench.to(500)
    assert (welder.sense("done"), c.done()) == (False, {})
    c.nest.clear()
    welder.drive("start", True)
    assert welder.sense("fault") is True  # nothing between the electrodes


def test_wire_melts_while_the_iron_is_hot_enough() -> None:
    c = Cell()
    iron = c.bench.add(HeatZone, {"ambient": 20, "rise": 400, "tau": 5, "limit": 500})
    feeder = c.bench.add(WireFeeder, {"speed": 10, "melts": 220}, on=c.nest, iron=iron)
    iron.drive("heat", True)
    hot = 5 * math.log(400 / 200)  # s
    feeder.drive("feed", True)
    c.bench.to((hot + 2) * 1000)
    assert feeder.sense("feeding") is True
    feeder.drive("feed", False)
    assert c.done() == {"solder_wire": 20.0, "solder_cold": round(10 * hot, 2)}
    feeder.drive("feed", True)
    c.bench.to((hot + 3) * 1000)
    feeder.drive("feed", False)
    assert c.done()["solder_wire"] == 30.0


@pytest.mark.parametrize("fault", ["empty", "jam"])
def test_without_wire_nothing_is_soldered(fault: str) -> None:
    c = Cell()
    iron = c.bench.add(HeatZone, {"ambient": 20, "rise": 400, "tau": 1, "limit": 500})
    feeder = c.bench.add(WireFeeder, on=c.nest, iron=iron)
    iron.drive("heat", True)
    c.bench.to(10_000)
    c.bench.fault(feeder, fault)
    feeder.drive("feed", True)
    c.bench.to(12_000)
    feeder.drive("feed", False)
    assert (c.done(), feeder.sense("wire")) == ({}, fault != "empty")

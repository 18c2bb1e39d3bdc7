"""Cameras, testers, gauges, leak tester, code readers: when they answer, what they say, how they fail."""

from __future__ import annotations

import math
import statistics

import pytest
from twin_bench import Bench, part

from gateway.twin.components.identification import CODES, CodeReader, DistanceSensor, code_of
from gateway.twin.components.inspection import Camera, ElectricalTester, Gauge, Weigher
from gateway.twin.components.leaktest import LeakTester
from gateway.twin.components.places import Nest


class Post:
    """A nest before an instrument."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.nest = self.bench.add(Nest, {"load": 0})
        self.nest.drive("release", False)

    def put(self, **done: float) -> None:
        self.nest.clear()
        self.nest.admit(part("a").with_done(**done))

    def measured(self) -> dict[str, float]:
        return {key: float(value) for key, value in self.nest.contents()[0].measured.items()}


@pytest.mark.parametrize(
    ("done", "good", "value"),
    [
        ({"weld_energy": 50.0}, True, 50),
        ({"weld_energy": 30.0}, False, 30),
        ({"other": 50.0}, False, 0),
        ({}, False, 0),
    ],
)
def test_a_camera_looks_for_its_time_and_judges_the_property(
    done: dict[str, float], good: bool, value: float
) -> None:
    p = Post()
    camera = p.bench.add(Camera, {"time": 100, "low": 40, "high": 60}, {"looks-at": "weld_energy"}, on=p.nest)
    p.put(**done)
    camera.drive("trigger", True)
    p.bench.to(99)
    assert (camera.sense("busy"), camera.sense("done")) == (True, False)
    p.bench.to(100)
    assert (camera.sense("busy"), camera.sense("done"), camera.sense("good")) == (False, True, good)
    assert camera.sense("value") == value
    assert p.measured() == {"weld_energy": value, "weld_energy_good": good}
    camera.drive("trigger", False)
    assert (camera.sense("done"), camera.sense("good")) == (False, False)


def test_a_property_of_an_assembled_part_is_seen_too() -> None:
    p = Post()
    camera = p.bench.add(Camera, {"low": 1, "high": 1}, {"looks-at": "glued", "result": "seen"}, on=p.nest)
    p.nest.admit(part("a").with_part(part("b").with_done(glued=True)))
    camera.drive("trigger", True)
    p.bench.to(1_000)
    assert p.measured() == {"seen": 1, "seen_good": 1}


def test_a_property_that_was_measured_before_is_judged_again() -> None:
    p = Post()
    camera = p.bench.add(Camera, {"low": 9, "high": 11}, {"looks-at": "size"}, on=p.nest)
    p.nest.admit(part("a").with_measured(size=10.0))
    camera.drive("trigger", True)
    p.bench.to(1_000)
    assert (camera.sense("good"), camera.sense("value")) == (True, 10)


def test_nothing_before_the_camera_is_not_good() -> None:
    p = Post()
    camera = p.bench.add(Camera, {"low": 0, "high": 1}, on=p.nest)
    camera.drive("trigger", True)
    p.bench.to(1_000)
    assert (camera.sense("done"), camera.sense("good")) == (True, False)


@pytest.mark.parametrize(
    ("fault", "answers", "good", "bad"),
    [("dead", False, False, False), ("misjudges", True, False, False), ("blind", True, True, True)],
)
def test_faults_of_a_camera(fault: str, answers: bool, good: bool, bad: bool) -> None:
    for value, expected in ((1.0, good), (0.0, bad)):
        p = Post()
        camera = p.bench.add(Camera, {"low": 1, "high": 1}, on=p.nest)
        p.put(quality=value)
        p.bench.fault(camera, fault)
        camera.drive("trigger", True)
        p.bench.to(1_000)
        assert (camera.sense("done"), camera.sense("good")) == (answers, expected)


def test_measurements_scatter_as_told_and_the_same_again() -> None:
    runs = []
    for _ in range(2):
        p = Post()
        tester = p.bench.add(
            ElectricalTester, {"time": 1, "low": 90, "high": 110, "noise": 2}, {"looks-at": "r"}, on=p.nest
        )
        p.put(r=100.0)
        values = []
        for n in range(400):
            tester.drive("trigger", True)
            p.bench.to(10 * (n + 1))
            values.append(float(tester.sense("value")))
            tester.drive("trigger", False)
        runs.append(values)
    assert runs[0] == runs[1]
    assert statistics.mean(runs[0]) == pytest.approx(100, abs=0.4)  # 4 sigma of the mean
    assert statistics.stdev(runs[0]) == pytest.approx(2, abs=0.3)


def test_a_gauge_follows_what_comes_before_it() -> None:
    p = Post()
    gauge = p.bench.add(Gauge, {"lag": 30, "rest": 5}, {"looks-at": "cut_size"}, on=p.nest)
    assert gauge.sense("value") == 5
    p.put(cut_size=10.0)
    p.bench.to(30)
    assert gauge.sense("value") == pytest.approx(10 - 5 * math.exp(-1))
    p.bench.to(1_000)
    p.bench.fault(gauge, "worn")
    p.bench.to(2_000)
    assert gauge.sense("value") == pytest.approx(9.9)
    p.nest.clear()
    p.bench.to(3_000)
    assert gauge.sense("value") == pytest.approx(5)


def test_a_weigher_weighs_every_part() -> None:
    p = Post()
    weigher = p.bench.add(Weigher, {"mass": 120, "part": 30, "rest": 2, "lag": 1}, on=p.nest)
    p.nest.admit(part("a").with_part(part("b")).with_part(part("c")))
    p.bench.to(1_000)
    assert weigher.sense("value") == pytest.approx(182)


LEAK = {"pressure": 500.0, "fill": 400.0, "settle": 400.0, "measure": 1_000.0, "volume": 0.05, "limit": 2.0}


@pytest.mark.parametrize(("leak", "good"), [(0.02, True), (0.2, False)])
def test_a_leak_tester_measures_the_pressure_that_is_lost(leak: float, good: bool) -> None:
    p = Post()
    tester = p.bench.add(LeakTester, LEAK, on=p.nest)
    p.put(leak=leak)
    tester.drive("start", True)
    p.bench.to(800)
    top = float(tester.sense("pressure"))
    assert top == pytest.approx(500 * (1 - math.exp(-5)) - leak / 0.05 * 0.4)
    p.bench.to(1_799)
    assert tester.sense("busy") is True
    p.bench.to(1_800)
    assert (tester.sense("done"), tester.sense("good")) == (True, good)
    assert tester.sense("loss") == pytest.approx(leak / 0.05)  # mbar in 1 s
    assert p.measured() == {"leak_loss": pytest.approx(leak / 0.05), "leak_loss_good": good}
    tester.drive("start", False)
    p.bench.to(3_000)
    assert tester.sense("pressure") == pytest.approx(0, abs=1e-6)


def test_a_leaking_seal_fails_a_good_workpiece_and_nothing_fails_at_once() -> None:
    for fault in ("seal", ""):
        p = Post()
        tester = p.bench.add(LeakTester, LEAK, on=p.nest)
        if fault:
            p.put(leak=0.02)
            p.bench.fault(tester, fault)
        tester.drive("start", True)
        p.bench.to(2_000)
        assert (tester.sense("done"), tester.sense("good")) == (True, False)


def test_a_workpiece_that_is_taken_away_ends_the_test() -> None:
    p = Post()
    tester = p.bench.add(LeakTester, LEAK, on=p.nest)
    p.put(leak=0.02)
    tester.drive("start", True)
    p.bench.to(600)
    p.nest.clear()
    p.bench.to(3_000)
    assert (tester.sense("busy"), tester.sense("done")) == (False, False)


def test_a_code_reader_reads_a_number_from_the_id() -> None:
    p = Post()
    reader = p.bench.add(CodeReader, {"time": 60}, on=p.nest)
    p.put()
    reader.drive("trigger", True)
    p.bench.to(59)
    assert reader.sense("done") is False
    p.bench.to(60)
    assert (reader.sense("done"), reader.sense("read"), reader.sense("code")) == (True, True, code_of("a"))
    reader.drive("trigger", False)
    p.bench.fault(reader, "no-read")
    reader.drive("trigger", True)
    p.bench.to(200)
    assert (reader.sense("done"), reader.sense("read"), reader.sense("code")) == (True, False, 0)
    p.bench.fault(reader, "dead")
    reader.drive("trigger", False)
    reader.drive("trigger", True)
    p.bench.to(400)
    assert reader.sense("done") is False


def test_codes_are_whole_numbers_an_int_holds_and_differ() -> None:
    assert (code_of("phone-12"), code_of("w0"), code_of("w32768")) == (12, 32_767, 1)
    assert 1 <= code_of("phone") <= CODES
    codes = {code_of(f"phone-{n}") for n in range(10_000)}
    assert len(codes) == 10_000
    assert min(codes) >= 1
    assert max(codes) <= CODES


def test_a_distance_sensor_sees_the_workpiece_or_the_floor() -> None:
    p = Post()
    sensor = p.bench.add(DistanceSensor, {"near": 40, "far": 250}, on=p.nest)
    assert sensor.sense("distance") == 250
    p.put()
    assert sensor.sense("distance") == 40
    p.bench.fault(sensor, "dirty")
    assert sensor.sense("distance") == 250

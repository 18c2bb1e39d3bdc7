"""Axes with load: every move against Newton's law integrated finely; brake, gravity, reference, trips."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twin_bench import MS, START, Bench, part

from gateway.twin.components.axes import CamSwitch, ServoAxis
from gateway.twin.components.drive import Drive
from gateway.twin.components.drives import LinearAxis, RotaryAxis
from gateway.twin.components.electrics import PowerSupply
from gateway.twin.components.places import Nest
from gateway.twin.dynamics import GRAVITY, Load
from gateway.twin.motion import SECOND, coast, lag, trapezoid

LINEAR = {"speed": 500.0, "acceleration": 5000.0, "high": 400.0}
TOLERANCE = 0.05  # mm, of 400 mm integrated in steps of 20 us


def axis(bench: Bench, **params: float) -> LinearAxis:
    found = bench.add(LinearAxis, {**LINEAR, **params})
    found.drive("enable", True)
    return found


def integrated(bench: Bench, drive: Drive, weight: float, until: float) -> tuple[list[float], float]:
    """Positions each ms and the largest force, from nothing but the force read and Newton's law."""
    place, speed, largest = float(drive.sense("position")), 0.0, 0.0
    load, h = drive.carried, 20e-6
    positions: list[float] = []
    for step in range(round(until / h)):
        bench.to(step * h * 1000 + h * 500)  # the force in the middle of the step
        force = float(drive.sense("load")) / 100 * drive.motor
        largest = max(largest, abs(force))
        dry = math.copysign(load.friction, drive.path.speed_at(bench.kernel.now))
        if not drive.path.speed_at(bench.kernel.now):
            dry = 0.0
        gain = (force - dry - load.resistance * speed - weight) / load.mass
        place += (speed + gain * h / 2) * h * drive.SCALE
        speed += gain * h
        if step % 50 == 49:
            positions.append(place)
    return positions, largest


@pytest.mark.parametrize(
    ("params", "force_limited"),
    [
        ({"mass": 10.0, "force": 500.0}, False),
        ({"mass": 40.0, "force": 100.0, "friction": 20.0, "resistance": 30.0}, True),
        ({"mass": 20.0, "force": 260.0, "tilt": 90.0, "friction": 10.0}, True),
        ({"mass": 20.0, "force": 200.0, "tilt": 30.0, "friction": 5.0, "resistance": 10.0}, True),
    ],
)
def test_a_move_is_what_newtons_law_makes_of_the_force_read(
    params: dict[str, float], force_limited: bool
) -> None:
    bench = Bench()
    moved = axis(bench, **params)
    moved.drive("target", 300.0)
    weight = params["mass"] * GRAVITY * math.sin(math.radians(params.get("tilt", 0.0)))
    expected, largest = integrated(bench, moved, weight, 1.6)
    assert largest <= moved.motor * (1 + 1e-9)
    assert (largest >= moved.motor * 0.999) == force_limited
    again = Bench()
    same = axis(again, **params)
    same.drive("target", 300.0)
    for ms, place in enumerate(expected, 1):
        again.to(ms)
        assert same.sense("position") == pytest.approx(place, abs=TOLERANCE), ms
    assert same.sense("position") == 300


def test_a_turning_axis_obeys_the_same_law_in_degrees() -> None:
    bench = Bench()
    params = {
        "speed": 180.0,
        "acceleration": 5000.0,
        "high": 360.0,
        "inertia": 2.0,
        "torque": 30.0,
        "friction": 3.0,
    }
    moved = bench.add(RotaryAxis, params)
    moved.drive("enable", True)
    moved.drive("target", 90.0)
    expected, largest = integrated(bench, moved, 0.0, 1.0)
    assert largest == pytest.approx(30)
    again = Bench()
    same = again.add(RotaryAxis, params)
    same.drive("enable", True)
    same.drive("target", 90.0)
    for ms, place in enumerate(expected, 1):
        again.to(ms)
        assert same.sense("position") == pytest.approx(place, abs=TOLERANCE), ms


def test_gravity_makes_upwards_slower_than_downwards() -> None:
    took = []
    for begin, end in ((0.0, 300.0), (300.0, 0.0)):
        bench = Bench()
        lift = axis(bench, mass=20, force=300, tilt=90, acceleration=50_000)
        lift.drive("target", begin)
        bench.to(5_000)
        lift.drive("target", end)
        took.append((lift.path.segments[-1].start - bench.kernel.now) / MS)
    up, down = took
    # v/a + way/v with gaining (F -+ mg)/m and losing (F +- mg)/m: the sum of both ramps is the same, as
    # one is gained where the other is lost; so both take as long, and the peaks come at other times.
    assert up == pytest.approx(down, abs=0.01)
    load = Load(20, tilt=math.pi / 2)
    able = load.limits(300, 0.5)
    assert able is not None
    assert able.forwards == pytest.approx(300 / 20 - GRAVITY)
    assert able.backwards == pytest.approx(300 / 20 + GRAVITY)


def test_at_rest_a_vertical_axis_reads_its_weight() -> None:
    bench = Bench()
    lift = axis(bench, mass=20, force=400, tilt=90)
    assert lift.sense("load") == pytest.approx(20 * GRAVITY / 4)
    lift.drive("enable", False)
    bench.to(1)
    assert lift.sense("load") == 0


def test_what_stands_on_what_it_carries_adds_to_its_load() -> None:
    bench = Bench()
    nest = bench.add(Nest, {"load": 0})
    nest.drive("release", False)
    params = {**LINEAR, "mass": 20, "piece": 5, "force": 400, "tilt": 90}
    lift = bench.add(LinearAxis, params, carries=nest)
    lift.drive("enable", True)
    assert lift.sense("load") == pytest.approx(20 * GRAVITY / 4)
    nest.admit(part("a"))
    assert lift.sense("load") == pytest.approx(25 * GRAVITY / 4)
    lift.drive("target", 400.0)
    bench.to(50)
    assert lift.sense("load") == pytest.approx(25 * (GRAVITY + 5) / 4)
    nest.clear()
    assert lift.sense("load") == pytest.approx(20 * (GRAVITY + 5) / 4)
    bench.to(5_000)
    assert lift.sense("position") == 400


@pytest.mark.parametrize(("brake", "stays"), [(0.0, False), (150.0, False), (250.0, True)])
def test_without_power_a_brake_holds_a_vertical_axis_or_it_drops(brake: float, stays: bool) -> None:
    bench = Bench()
    lift = axis(bench, mass=20, force=400, tilt=90, friction=10, brake=brake)
    lift.drive("target", 300.0)
    bench.to(2_000)
    bench.fault(lift, "power")
    assert lift.sense("ready") is False
    bench.to(2_100)
    fallen = 300 - float(lift.sense("position"))
    net = GRAVITY - (10 + brake) / 20
    assert fallen == pytest.approx(0 if stays else net * 1000 * 0.1**2 / 2, abs=1e-3)
    bench.to(60_000)
    assert lift.sense("position") == (300 if stays else 0)
    assert lift.sense("at-low") is (not stays)
    bench.fault(lift, "power", False)  # the enable is still there: up again
    bench.to(62_000)
    assert lift.sense("in-position") is True
    bench.fault(lift, "brake-worn")
    lift.drive("enable", False)
    bench.to(120_000)
    assert lift.sense("position") == 0


def test_without_power_a_level_axis_coasts_and_with_it_it_is_stopped() -> None:
    bench = Bench()
    moved = axis(bench, mass=10, friction=20, high=1000)
    moved.drive("target", 1000.0)
    bench.to(300)
    place = float(moved.sense("position"))
    bench.fault(moved, "power")
    bench.to(2_000)
    assert moved.sense("position") == pytest.approx(place + 500**2 / (2 * 2000))
    bench.fault(moved, "power", False)
    bench.to(2_300)
    place = float(moved.sense("position"))
    moved.drive("enable", False)
    bench.to(4_000)
    assert moved.sense("position") == pytest.approx(place + 500**2 / (2 * 5000))
    assert moved.sense("in-position") is False


def test_a_supply_feeds_a_drive() -> None:
    bench = Bench()
    supply = bench.add(PowerSupply)
    moved = bench.add(LinearAxis, LINEAR, power=supply)
    moved.drive("enable", True)
    moved.drive("target", 100.0)
    bench.fault(supply, "lost")
    bench.to(100)
    assert moved.sense("ready") is False
    assert moved.sense("position") == 0
    bench.fault(supply, "lost", False)
    bench.to(1_000)
    assert moved.sense("in-position") is True


def test_an_axis_with_incremental_encoder_goes_nowhere_until_it_is_referenced() -> None:
    bench = Bench()
    moved = axis(bench, absolute=0, low=-50, creep=100)
    moved.drive("target", 200.0)
    bench.to(1_000)
    assert (moved.sense("position"), moved.sense("referenced")) == (0, False)
    moved.drive("home", True)
    bench.to(1_400)
    assert moved.sense("referenced") is False
    bench.to(1_600)
    assert moved.sense("referenced") is True
    bench.to(3_000)
    assert moved.sense("position") == 200  # taken directly
    moved.drive("home", False)
    bench.fault(moved, "power")
    bench.fault(moved, "power", False)
    assert moved.sense("referenced") is False
    moved.drive("home", True)
    bench.to(9_000)
    assert moved.sense("referenced") is True


def test_with_start_a_target_is_taken_at_the_edge() -> None:
    bench = Bench()
    moved = axis(bench, direct=0)
    moved.drive("target", 100.0)
    bench.to(500)
    assert moved.sense("position") == 0
    moved.drive("start", True)
    bench.to(600)
    assert moved.sense("in-position") is False
    bench.to(1_000)
    assert moved.sense("in-position") is True
    moved.drive("target", 50.0)
    bench.to(1_500)
    assert moved.sense("position") == 100
    moved.drive("start", False)
    moved.drive("start", True)
    bench.to(2_500)
    assert moved.sense("position") == 50


def test_jogging_creeps_while_it_is_pressed() -> None:
    bench = Bench()
    moved = axis(bench, creep=100)
    moved.drive("forward", True)
    bench.to(1_000)
    moved.drive("forward", False)
    bench.to(2_000)
    stopped = float(moved.sense("position"))
    assert stopped == pytest.approx(100 * 1.0 - 100**2 / 5000 / 2 + 100**2 / 5000 / 2, abs=0.01)
    moved.drive("backward", True)
    bench.to(9_000)
    assert moved.sense("at-low") is True


def test_a_blocked_axis_pushes_with_all_it_has_then_trips_and_is_reset() -> None:
    bench = Bench()
    moved = axis(bench, patience=300)
    moved.drive("target", 200.0)
    bench.to(100)
    bench.fault(moved, "jam")
    bench.to(399)
    assert moved.sense("load") == 100
    assert moved.sense("fault") is False
    bench.to(401)
    assert moved.sense("fault") is True
    assert moved.sense("load") == 0
    bench.fault(moved, "jam", False)
    bench.to(1_000)
    moved.drive("reset", True)
    assert moved.sense("fault") is False
    bench.to(2_000)
    assert moved.sense("in-position") is True


def test_a_motor_too_weak_for_its_weight_trips() -> None:
    bench = Bench()
    lift = axis(bench, mass=20, force=100, tilt=90, patience=200)
    lift.drive("target", 100.0)
    bench.to(300)
    assert lift.sense("fault") is True


def test_a_tripped_drive_stays_so_until_the_cause_is_gone() -> None:
    bench = Bench()
    moved = axis(bench)
    bench.fault(moved, "encoder")
    assert (moved.sense("fault"), moved.sense("referenced")) == (True, False)
    moved.drive("reset", True)
    assert moved.sense("fault") is True
    bench.fault(moved, "encoder", False)
    moved.drive("reset", False)
    moved.drive("reset", True)
    assert moved.sense("fault") is False


def test_in_position_waits_for_the_following_error() -> None:
    bench = Bench()
    moved = axis(bench, gain=40, window=0.1)
    moved.drive("target", 200.0)
    bench.to(300)
    assert moved.sense("following") == pytest.approx(500 / 40, rel=0.01)
    bench.to(499)
    assert moved.path.segments[-1].start <= START + 500 * MS
    bench.to(501)
    assert moved.sense("in-position") is False
    left = float(moved.sense("following"))
    settles = 501 + math.log(left / 0.1) / 40 * 1000
    bench.to(settles - 0.01)
    assert moved.sense("in-position") is False
    bench.to(settles + 0.01)
    assert moved.sense("in-position") is True


@given(st.floats(1, 100), st.floats(-5, 5), st.floats(0.01, 1.5))
def test_the_following_error_solves_its_equation(gain: float, initial: float, seconds: float) -> None:
    path = trapezoid(START, 0, 0, 300, 400, 3000)
    h, error = 50e-6, initial
    steps = round(seconds / h)
    for step in range(steps):  # midpoint rule
        middle = error + h / 2 * (path.speed_at(START + round(step * h * SECOND)) - gain * error)
        error += h * (path.speed_at(START + round((step + 0.5) * h * SECOND)) - gain * middle)
    assert lag(path, gain, initial, START + round(steps * h * SECOND)) == pytest.approx(error, abs=1e-3)


@given(
    st.floats(10, 390),
    st.floats(-800, 800),
    st.floats(-9810, 9810),
    st.floats(0, 20_000),
    st.integers(1, 1_500),
)
def test_coasting_is_the_integral_of_pull_and_friction(
    value: float, moving: float, pull: float, friction: float, ms: int
) -> None:
    path = coast(START, value, moving, pull, friction, 0, 400)
    h, place, speed = 20e-6, value, moving
    for _ in range(round(ms / 1000 / h)):
        if speed:
            change = (pull - math.copysign(friction, speed)) * h
            after = speed + change
            if after * speed < 0:
                after = 0.0
        else:
            net = max(abs(pull) - friction, 0.0)
            after = math.copysign(net * h, pull)
        place += (speed + after) / 2 * h
        speed = after
        if not 0 <= place <= 400:
            place = min(max(place, 0), 400)
            break
    assert path.at(START + ms * MS) == pytest.approx(place, abs=0.3)


@pytest.mark.parametrize(
    ("at", "window", "targets"),
    [
        (100.0, 5.0, [200.0]),
        (0.0, 2.0, [200.0, 0.0]),
        (200.0, 1.0, [200.0]),
        (195.0, 5.0, [200.0]),
        (5.0, 5.0, [200.0]),
    ],
)
def test_a_cam_switch_changes_at_its_borders(at: float, window: float, targets: list[float]) -> None:
    bench = Bench()
    moved = bench.add(ServoAxis, {"speed": 500, "acceleration": 5000})
    cam = bench.add(CamSwitch, {"at": at, "window": window}, axis=moved)
    for number, target in enumerate(targets):
        bench.to(number * 1_000)
        moved.drive("target", target)
        begun = bench.kernel.now
        levels: list[tuple[int, bool]] = []
        times = range(begun, begun + 1_000 * MS, 10_000)
        states = [(t, abs(moved.path.at(t) - at) <= window) for t in times]
        expected = [(b[0], b[1]) for a, b in itertools.pairwise(states) if a[1] != b[1]]
        made = bool(cam.sense("made"))
        while (due := bench.kernel.next_time()) is not None:
            bench.kernel.advance(due)
            if bool(cam.sense("made")) != made:
                made = not made
                levels.append((due, made))
        assert [level for _, level in levels] == [level for _, level in expected]
        for (found, _), (sampled, _) in zip(levels, expected, strict=True):
            assert sampled - 10_000 <= found <= sampled + 2_000

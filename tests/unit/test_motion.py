"""Segments and profiles, held against fine numerical integration."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.twin.motion import (
    SECOND,
    Exponential,
    Path,
    Polynomial,
    Segment,
    beyond,
    first_root,
    ramp,
    scaled,
    speeds,
    still,
    trapezoid,
)

START = 3_000_000_007
STEP = 20_000  # ns of the numerical integration
TOLERANCE = 1e-4  # of value, for ranges of about a thousand, integrated in steps of 20 us


def rounded(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers of six places: a machine has none of 1e-239."""
    return st.floats(low, high).map(lambda number: round(number, 6))


values, rates, accelerations = rounded(-500, 500), rounded(-800, 800), rounded(-5000, 5000)


def integrated(segment: Segment, seconds: float) -> float:
    """The value after ``seconds`` by the differential equation alone (Runge-Kutta, fourth order)."""

    def rate(value: float, t: float) -> float:
        if isinstance(segment, Exponential):
            return (segment.target - value) / (segment.tau / SECOND)
        return segment.speed + segment.acceleration * t

    steps = max(1, round(seconds * SECOND / 1_000_000))
    h, value = seconds / steps, segment.value
    for index in range(steps):
        t = index * h
        k1 = rate(value, t)
        k2 = rate(value + h / 2 * k1, t + h / 2)
        k3 = rate(value + h / 2 * k2, t + h / 2)
        k4 = rate(value + h * k3, t + h)
        value += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return value


@given(values, rates, accelerations, st.integers(1, SECOND))
def test_a_polynomial_is_the_integral_of_its_speed(v: float, s: float, a: float, later: int) -> None:
    segment = Polynomial(START, v, s, a)
    assert segment.at(START + later) == pytest.approx(integrated(segment, later / SECOND), abs=TOLERANCE)
    assert segment.at(START) == v
    assert segment.speed_at(START + later) == pytest.approx(s + a * later / SECOND)


@given(values, values, st.floats(0.02, 2.0), st.integers(1, SECOND))
def test_an_exponential_solves_its_equation(v: float, target: float, tau: float, later: int) -> None:
    segment = Exponential(START, v, target, tau * SECOND)
    assert segment.at(START + later) == pytest.approx(integrated(segment, later / SECOND), abs=TOLERANCE)
    small = 1000
    slope = (segment.at(START + later + small) - segment.at(START + later)) / small * SECOND
    assert segment.speed_at(START + later) == pytest.approx(slope, rel=1e-3, abs=0.1)


def crossed(segment: Segment | Path, level: float, since: int, until: int) -> int | None:
    """The first of many samples that lies at the level or beyond it, seen from ``since``."""
    side = segment.at(since) - level
    if side == 0:
        return since
    for t in range(since, until, 200_000):
        if (segment.at(t) - level) * side <= 0:
            return t
    return None


@pytest.mark.parametrize(
    ("segment", "level", "expected"),
    [
        (Polynomial(START, 0, 250), 100, START + 400_000_000),
        (Polynomial(START, 0, 300), 100, START + 333_333_334),  # rounded up
        (Polynomial(START, 0, 250), -1, None),  # moves away
        (Polynomial(START, 7), 7, START),  # is there
        (Polynomial(START, 7), 8, None),
        (Polynomial(START, 0, 100, -100), 50.0, START + SECOND),  # touches at the turning point
        (Polynomial(START, 0, 100, -100), 50.1, None),  # turns before
        (Polynomial(START, 0, 0, 200), 100, START + SECOND),
        (Exponential(START, 6, 0, 150e6), 3, START + math.ceil(150e6 * math.log(2))),
        (Exponential(START, 6, 0, 150e6), 0, None),  # never quite
        (Exponential(START, 6, 0, 150e6), 7, None),
        (Exponential(START, 0, 6, 150e6), 6.1, None),
    ],
)
def test_when_a_level_is_reached(segment: Segment, level: float, expected: int | None) -> None:
    assert segment.reaches(level, START) == expected


segments = st.one_of(
    st.builds(Polynomial, st.just(START), values, rates, accelerations),
    st.builds(Exponential, st.just(START), values, values, st.floats(2e7, 2e9)),
)


@given(segments, values, st.integers(0, SECOND))
def test_a_level_is_reached_at_the_nanosecond_and_not_before(s: Segment, level: float, later: int) -> None:
    # An exponential comes to its target in floating point, though never in truth.
    assume(isinstance(s, Polynomial) or abs(level - s.target) > 1e-3)
    since = START + later
    found = s.reaches(level, since)
    sampled = crossed(s, level, since, since + SECOND)
    if sampled is not None:
        assert found is not None
        assert found <= sampled
    if found is not None and found > since:
        assume(found - since < 3600 * SECOND)  # past an hour the position's own rounding is larger
        assert s.at(found) == pytest.approx(level, abs=1e-6 + abs(s.speed_at(found)) * 2e-9)
        side = s.at(since) - level
        assume(abs(side) > 1e-6)
        for share in (0.0, 0.3, 0.6, 0.9, 0.999):
            assert (s.at(since + int((found - since) * share)) - level) * side >= -1e-6


@given(values, values, st.floats(1, 1000))
def test_a_ramp_ends_at_its_target(a: float, b: float, speed: float) -> None:
    path = ramp(START, a, b, speed)
    took = abs(b - a) / speed
    assert path.at(START) == a
    assert path.at(START + math.ceil(took * SECOND) + 1) == b
    assert path.at(START + int(took / 2 * SECOND)) == pytest.approx((a + b) / 2, abs=1e-4)
    found = path.reaches(b, START)
    assert found is not None
    assert found - START == pytest.approx(took * SECOND, abs=2)


def servo(value: float, moving: float, target: float, speed: float, acceleration: float) -> list[float]:
    """Positions every STEP, of a time-optimal drive that only knows where it is and how fast."""
    h, positions = STEP / SECOND, []
    for _ in range(round(6 * SECOND / STEP)):
        positions.append(value)
        way = target - value
        wanted = math.copysign(min(speed, math.sqrt(2 * acceleration * abs(way))), way)
        change = min(max(wanted - moving, -acceleration * h), acceleration * h)
        value += (moving + change / 2) * h
        moving += change
        if abs(target - value) < 0.02 and abs(moving) < 2 * acceleration * h:
            break
    return positions


@pytest.mark.parametrize(
    ("value", "moving", "target"),
    [
        (0, 0, 400),  # with a cruise
        (0, 0, 20),  # too short to cruise
        (100, 600, 380),  # on the way already
        (100, 300, 110),  # cannot stop before it: overshoots and comes back
        (100, -500, 300),  # moves away from it
        (300, -600, 0),
        (50, 200, 50),
        (50, 0, 50),
    ],
)
def test_a_trapezoid_does_what_a_time_optimal_drive_does(value: float, moving: float, target: float) -> None:
    path = trapezoid(START, value, moving, target, 600, 6000)
    for index, expected in enumerate(servo(value, moving, target, 600, 6000)):
        # 0.3 mm: what the sampled drive wanders about the switching point.
        assert path.at(START + index * STEP) == pytest.approx(expected, abs=0.3)
    assert path.at(START + 10 * SECOND) == target


@given(values, st.floats(-1, 1), values, st.floats(1, 1000), st.floats(10, 20000))
def test_a_trapezoid_keeps_its_limits_and_ends_at_rest_on_its_target(
    value: float, share: float, target: float, speed: float, acceleration: float
) -> None:
    moving = share * speed
    path = trapezoid(START, value, moving, target, speed, acceleration)
    end = path.segments[-1]
    assert (end.at(end.start), end.speed_at(end.start)) == (target, 0)
    for before, after in itertools.pairwise(path.segments):
        assert isinstance(before, Polynomial)
        assert before.at(after.start) == pytest.approx(after.at(after.start), abs=1e-6 + speed * 2e-9)
        assert abs(before.acceleration) <= acceleration * (1 + 1e-9)
        assert abs(before.speed_at(after.start)) <= speed + acceleration * 2e-9 + 1e-6
        # No segment turns back midway, so the way covered is exact.
        assert before.speed * before.speed_at(after.start) >= -acceleration * speed * 4e-9 - 1e-6
    covered = path.travel(end.start)
    assert covered >= abs(target - value) - 1e-3
    samples = [path.at(START + round((end.start - START) * n / 2000)) for n in range(2001)]
    summed = sum(abs(b - a) for a, b in itertools.pairwise(samples))
    assert covered == pytest.approx(summed, rel=1e-2, abs=0.01)


def test_a_path_reaches_a_level_on_the_segment_that_is_valid_then() -> None:
    path = Path((still(START, 1), Polynomial(START + 100, 1, 1e9), still(START + 200, 101)))
    assert path.reaches(51, START) == START + 150
    assert path.reaches(101, START) == START + 200
    assert path.reaches(102, START) is None
    assert path.reaches(1, START + 150) is None
    assert path.reaches(1, START) == START


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(-100, 100))
def test_the_first_root_is_a_root_and_none_is_before_it(a: float, b: float, c: float) -> None:
    root = first_root(a, b, c)
    scale = max(abs(a), abs(b), abs(c))
    assume(scale == 0 or all(x == 0 or abs(x) > 1e-3 for x in (a, b, c)))
    if root is None:
        for n in range(1, 2000):
            t = n / 50
            assert (a * t * t + b * t + c) * (c or 1) > -1e-6 * scale * (1 + t * t)
    else:
        size = scale * (1 + root * root)
        assert abs(a * root * root + b * root + c) <= 1e-6 * size
        for n in range(100):
            t = root * n / 100
            assert (a * t * t + b * t + c) * c >= -1e-6 * size * abs(c)


@given(values, values, rounded(1, 800), values, st.floats(-3, 3))
def test_what_lies_beyond_a_level_and_multiples_are_what_they_are_of_the_values(
    a: float, b: float, speed: float, level: float, factor: float
) -> None:
    down = ramp(START, a, b, speed)
    turn = down.segments[-1].start
    path = Path((*down.segments[:-1], *ramp(turn, b, a, speed).segments))
    above, times = beyond(path, level), scaled(path, factor)
    for n in range(101):
        now = START + round((path.segments[-1].start - START + SECOND) * n / 100)
        assert above.at(now) == pytest.approx(max(path.at(now) - level, 0.0), abs=1e-5)
        assert times.at(now) == pytest.approx(path.at(now) * factor, abs=1e-6)


def test_the_speeds_of_a_path_are_a_path() -> None:
    path = trapezoid(START, 0, 0, 300, 400, 3000)
    faster = speeds(path)
    for n in range(101):
        now = START + n * 9_999_999
        assert faster.at(now) == pytest.approx(path.speed_at(now))
    eased = scaled(Path((Exponential(START, 5, 1, 1e8),)), 2)
    assert eased.at(START + 100_000_000) == pytest.approx(2 * (1 + 4 * math.exp(-1)))

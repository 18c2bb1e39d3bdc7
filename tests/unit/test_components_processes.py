"""Treatment, heat, press, laminator: what they need, how long, what they leave, and what their faults do."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twin_bench import START, Bench, part

from gateway.field.types import Value
from gateway.twin.components.heat import HeatZone, follows, hottest
from gateway.twin.components.laminating import Laminator
from gateway.twin.components.places import Nest
from gateway.twin.components.pneumatics import AirSupply
from gateway.twin.components.pressing import Press
from gateway.twin.components.treating import Treatment
from gateway.twin.motion import SECOND, Exponential, Polynomial, above, integral


def nest(bench: Bench) -> Nest:
    found = bench.add(Nest, {"load": 0})
    found.drive("release", False)
    found.admit(part("a"))
    return found


def done(carrier: Nest) -> dict[str, Value]:
    return dict(carrier.contents()[0].done)


# --- treatment


def test_a_treatment_needs_its_time_over_a_workpiece() -> None:
    bench = Bench()
    carrier = nest(bench)
    plasma = bench.add(Treatment, {"time": 500, "warm-up": 200}, {"result": "plasma"}, on=carrier)
    plasma.drive("on", True)
    assert plasma.sense("active") is True
    bench.to(699)
    assert (plasma.sense("done"), done(carrier)) == (False, {})
    bench.to(700)
    assert (plasma.sense("done"), done(carrier)) == (True, {"plasma": 0.5})
    assert bench.told() == [(700, "worked", "a", "plasma=0.5s")]
    plasma.drive("on", False)
    assert plasma.sense("done") is False


@pytest.mark.parametrize("how", ["off", "air", "failed", "empty", "gone"])
def test_an_interrupted_treatment_leaves_nothing(how: str) -> None:
    bench = Bench()
    carrier = nest(bench)
    air = bench.add(AirSupply, {"decay": 10})
    plasma = bench.add(Treatment, {"time": 500}, on=carrier, air=air)
    plasma.drive("on", True)
    bench.to(400)
    if how == "off":
        plasma.drive("on", False)
    elif how == "gone":
        taken = carrier.remove("a")
        carrier.admit(taken)
    elif how == "air":
        bench.fault(air, "lost")
    else:
        bench.fault(plasma, how)
        assert plasma.sense("ready") is False
    bench.to(899)
    assert done(carrier) == {}
    bench.to(2000)
    assert bool(done(carrier)) == (how == "gone")  # it came back: begun anew


def test_a_weak_treatment_shows_nothing_and_leaves_nothing() -> None:
    bench = Bench()
    carrier = nest(bench)
    plasma = bench.add(Treatment, {"time": 500}, on=carrier)
    bench.fault(plasma, "weak")
    plasma.drive("on", True)
    bench.to(600)
    assert (plasma.sense("ready"), plasma.sense("done"), done(carrier)) == (True, True, {})


# --- heat

OVEN = {"ambient": 20.0, "rise": 200.0, "tau": 10.0, "limit": 150.0, "soak": 80.0, "time": 4.0, "lag": 5.0}


def test_a_zone_follows_newtons_law_of_cooling() -> None:
    bench = Bench()
    zone = bench.add(HeatZone, {**OVEN, "limit": 500, "cooling": 4})
    zone.drive("heat", True)
    bench.to(10_000)
    assert zone.sense("temperature") == pytest.approx(20 + 200 * (1 - math.exp(-1)))
    zone.drive("heat", False)
    hot = float(zone.sense("temperature"))
    zone.drive("cool", True)
    bench.to(12_500)
    assert zone.sense("temperature") == pytest.approx(20 + (hot - 20) * math.exp(-1))
    zone.drive("cool", False)
    zone.drive("heat", True)
    zone.drive("power", 50.0)
    bench.to(200_000)
    assert zone.sense("temperature") == pytest.approx(120, abs=1e-3)


def test_the_limiter_cuts_off_at_its_instant_and_waits_for_its_reset() -> None:
    bench = Bench()
    zone = bench.add(HeatZone, OVEN)
    bench.fault(zone, "heater-stuck")
    due = 10_000 * math.log(200 / (200 - 130))
    bench.to(due - 0.01)
    assert (zone.sense("ok"), zone.sense("heating")) == (True, True)
    bench.to(due + 0.01)
    assert (zone.sense("ok"), zone.sense("heating")) == (False, False)
    bench.fault(zone, "heater-stuck", False)
    bench.to(60_000)
    assert zone.sense("ok") is False
    zone.drive("reset", True)
    assert zone.sense("ok") is True


def test_a_workpiece_has_soaked_when_its_time_at_temperature_is_over() -> None:
    bench = Bench()
    carrier = nest(bench)
    zone = bench.add(HeatZone, OVEN, {"result": "cured"}, on=carrier)
    carrier.changed()
    zone.drive("heat", True)
    hot = 10 * math.log(200 / (200 - 60))
    bench.to((hot + 4) * 1000 - 1)
    assert done(carrier) == {}
    bench.to((hot + 4) * 1000 + 1)
    assert done(carrier)["cured"] == 4.0
    assert bench.told()[-1][1:] == ("worked", "a", "cured=4.0s")
    peak = follows(Exponential(0, 20, 220, 10 * SECOND), 20, 5 * SECOND, round((hot + 4) * SECOND))
    assert done(carrier)["cured_peak"] == pytest.approx(peak, abs=0.06)


def test_a_broken_heater_and_a_failed_fan_change_nothing() -> None:
    bench = Bench()
    zone = bench.add(HeatZone, OVEN)
    bench.fault(zone, "heater-broken")
    zone.drive("heat", True)
    bench.to(5_000)
    assert zone.sense("temperature") == 20
    bench.fault(zone, "heater-broken", False)
    bench.fault(zone, "fan-failed")
    bench.to(10_000)
    warm = float(zone.sense("temperature"))
    zone.drive("cool", True)
    zone.drive("heat", False)
    bench.to(20_000)
    assert zone.sense("temperature") == pytest.approx(20 + (warm - 20) * math.exp(-1))


@given(
    st.floats(20, 300),
    st.floats(20, 300),
    st.floats(20, 300),
    st.floats(1, 30),
    st.floats(1, 30),
    st.floats(1, 60),
)
def test_what_follows_a_zone_solves_its_equation(
    zone: float, target: float, value: float, tau: float, lag: float, seconds: float
) -> None:
    curve = Exponential(START, zone, target, tau * SECOND)
    h, here, most = seconds / 4000, value, value
    for step in range(4000):  # midpoint rule
        middle = here + h / 2 * (curve.at(START + round(step * h * SECOND)) - here) / lag
        here += h * (curve.at(START + round((step + 0.5) * h * SECOND)) - middle) / lag
        most = max(most, here)
    end = START + round(seconds * SECOND)
    assert follows(curve, value, lag * SECOND, end) == pytest.approx(here, abs=0.02)
    assert hottest(curve, value, lag * SECOND, end) == pytest.approx(most, abs=0.02)


# --- segments: how long above a level, and their integral

segments = st.one_of(
    st.builds(Polynomial, st.just(START), st.floats(-50, 50), st.floats(-50, 50)),
    st.builds(Exponential, st.just(START), st.floats(-50, 50), st.floats(-50, 50), st.floats(1e8, 3e9)),
)


@given(segments, st.floats(-40, 40), st.integers(1_000_000, 3 * SECOND))
def test_the_time_above_a_level_is_what_sampling_finds(
    segment: Polynomial | Exponential, level: float, span: int
) -> None:
    since, until = above(segment, level, START, START + span)
    assert START <= since <= until <= START + span
    samples = [segment.at(START + round(span * (n + 0.5) / 1000)) >= level for n in range(1000)]
    assert (until - since) / span == pytest.approx(sum(samples) / 1000, abs=0.002)


@given(segments, st.integers(1, 3 * SECOND))
def test_an_integral_is_what_summing_gives(segment: Polynomial | Exponential, span: int) -> None:
    seconds = span / SECOND
    summed = sum(segment.at(START + round(span * (n + 0.5) / 2000)) for n in range(2000)) * seconds / 2000
    assert integral(segment, START, START + span) == pytest.approx(summed, abs=1e-3 + 1e-4 * abs(summed))


# --- press

RAM = {"contact": 50.0, "stiffness": 200.0, "force": 1000.0, "way": 60.0, "approach": 200.0, "speed": 20.0}


def press(bench: Bench, carrier: Nest, **params: float) -> Press:
    return bench.add(Press, {**RAM, **params}, on=carrier)


def test_a_press_ends_by_force_and_leaves_force_and_way() -> None:
    bench = Bench()
    carrier = nest(bench)
    ram = press(bench, carrier)
    carrier.changed()
    assert ram.sense("home") is True
    ram.drive("press", True)
    bench.to(250)
    assert (ram.sense("way"), ram.sense("force")) == (pytest.approx(50), pytest.approx(0, abs=1e-6))
    bench.to(375)
    assert ram.sense("force") == pytest.approx(500)
    bench.to(499)
    assert ram.sense("by-force") is False
    bench.to(500)
    assert (ram.sense("by-force"), ram.sense("by-way")) == (True, False)
    assert done(carrier) == {"press_force": 1000.0, "press_way": 55.0}
    bench.to(2_000)
    assert ram.sense("force") == pytest.approx(1000)  # it holds
    ram.drive("press", False)
    bench.to(2_274)
    assert ram.sense("home") is False
    bench.to(2_275)
    assert (ram.sense("home"), ram.sense("force")) == (True, 0)


@pytest.mark.parametrize(
    ("fault", "by", "expected"),
    [
        ("hard", "by-force", {"press_force": 1000.0, "press_way": 51.25}),
        ("soft", "by-way", {"press_force": 0.0, "press_way": 60.0}),
        ("leak", "", {}),
        ("stuck", "", {}),
    ],
)
def test_faults_of_a_press_show_in_what_it_leaves(fault: str, by: str, expected: dict[str, Value]) -> None:
    bench = Bench()
    carrier = nest(bench)
    ram = press(bench, carrier)
    carrier.changed()
    bench.fault(ram, fault)
    ram.drive("press", True)
    bench.to(5_000)
    assert [port for port in ("by-force", "by-way") if ram.sense(port)] == ([by] if by else [])
    assert done(carrier) == expected
    assert ram.sense("force") == pytest.approx({"hard": 1000, "leak": 600}.get(fault, 0), abs=1e-6)


def test_with_nothing_under_it_a_press_ends_by_way() -> None:
    bench = Bench()
    ram = press(bench, bench.add(Nest, {"load": 0}))
    ram.drive("press", True)
    bench.to(5_000)
    assert (ram.sense("by-way"), ram.sense("force")) == (True, 0)


def test_without_air_a_press_stands() -> None:
    bench = Bench()
    carrier, air = nest(bench), bench.add(AirSupply, {"decay": 1})
    ram = bench.add(Press, RAM, on=carrier, air=air)
    ram.drive("press", True)
    bench.to(100)
    bench.fault(air, "lost")
    bench.to(102)
    way = ram.sense("way")
    bench.to(3_000)
    assert ram.sense("way") == way == pytest.approx(20, abs=0.2)
    bench.fault(air, "lost", False)
    bench.to(5_000)
    assert ram.sense("by-force") is True


# --- laminator


def test_a_laminator_counts_time_at_pressure_and_temperature() -> None:
    bench = Bench()
    carrier = nest(bench)
    heat = bench.add(HeatZone, {**OVEN, "limit": 500})
    plate = bench.add(
        Laminator,
        {"travel": 300, "pressure": 4, "lag": 100, "temperature": 80, "time": 2},
        on=carrier,
        heat=heat,
    )
    carrier.changed()
    plate.drive("close", True)
    bench.to(299)
    assert plate.sense("closed") is False
    bench.to(300)
    assert plate.sense("closed") is True
    bench.to(400)
    assert plate.sense("pressure") == pytest.approx(4 * (1 - math.exp(-1)))
    heat.drive("heat", True)  # 80 Cel after 3.567 s
    hot = 400 + 10_000 * math.log(200 / 140)
    bench.to(hot + 1_999)
    assert done(carrier) == {}
    bench.to(hot + 2_001)
    assert done(carrier) == {"laminated": pytest.approx(2, abs=1e-3)}


@pytest.mark.parametrize("fault", ["leak", "stuck"])
def test_a_laminator_with_a_fault_laminates_nothing(fault: str) -> None:
    bench = Bench()
    carrier = nest(bench)
    plate = bench.add(Laminator, {"time": 1}, on=carrier)
    carrier.changed()
    bench.fault(plate, fault)
    plate.drive("close", True)
    bench.to(10_000)
    assert (plate.sense("closed"), done(carrier)) == (fault == "leak", {})


def test_lamination_that_is_interrupted_goes_on_counting() -> None:
    bench = Bench()
    carrier = nest(bench)
    plate = bench.add(Laminator, {"travel": 100, "lag": 1, "time": 2}, on=carrier)
    carrier.changed()
    plate.drive("close", True)
    bench.to(1_100)
    plate.drive("close", False)
    bench.to(2_000)
    assert float(done(carrier)["laminated"]) == pytest.approx(1, abs=0.01)
    plate.drive("close", True)
    bench.to(3_095)
    assert bench.told() == []
    bench.to(3_110)
    assert [each[1] for each in bench.told()] == ["worked"]

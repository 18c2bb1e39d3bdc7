"""The chain behind a real sensor, against fine numerical integration; the same however it is read."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twin_bench import Bench

from gateway.field.types import Scalar
from gateway.twin.component import Component, Port
from gateway.twin.components.axes import ServoAxis
from gateway.twin.components.transport import BeltConveyor
from gateway.twin.motion import SECOND, Exponential, Path, Polynomial, lag
from gateway.twin.signal import SAMPLE, Signal, chain_params

MS = 1_000_000


class Scale(Component):
    """A weight that is put on and taken off by hand, at no event; it says nothing of its course."""

    PORTS = (Port("weight", "sensor", "real", "g"), Port("full", "sensor"), Port("count", "sensor", "int"))

    def start(self) -> None:
        self.weight = 0.0

    def sense(self, port: str) -> Scalar:
        return self.weight


def euler(component: Component, port: str, shown: float, tau: float, until: int, bench: Bench) -> float:
    """``shown`` after a first-order lag of ``tau`` s behind what is sensed, by fine steps (midpoint rule)."""
    step = 20_000  # ns
    while component.now < until:
        bench.kernel.advance(component.now + step // 2)
        middle = float(component.sense(port))
        bench.kernel.advance(min(component.now + step // 2, until))
        factor = math.exp(-step / SECOND / tau)
        shown = middle + (shown - middle) * factor
    return shown


segments = st.one_of(
    st.builds(Polynomial, st.just(0), st.floats(-50, 50), st.floats(-300, 300), st.floats(-900, 900)),
    st.builds(Exponential, st.just(0), st.floats(-50, 50), st.floats(-50, 50), st.floats(2e7, 5e8)),
)


@settings(max_examples=40, deadline=None)
@given(first=segments, second=segments, constant=st.floats(0.01, 0.5), initial=st.floats(-20, 20))
def test_the_lag_behind_a_path_is_its_integral(
    first: Polynomial | Exponential, second: Polynomial | Exponential, constant: float, initial: float
) -> None:
    cut, end, steps = 150 * MS, 400 * MS, 8000
    second = type(second)(cut, *[getattr(second, name) for name in second.__struct_fields__[1:]])
    path = Path((first, second))  # which jumps, as a force does and a position does not
    shown = path.at(0) - initial
    width = end / steps
    for index in range(steps):
        middle = path.at(round((index + 0.5) * width))
        shown = middle + (shown - middle) * math.exp(-width / SECOND / constant)
    assert path.at(end) - lag(path, 1 / constant, initial, end) == pytest.approx(shown, abs=2e-3)


def test_two_constants_that_are_all_but_the_same_lag_as_one() -> None:
    for rate in (0.1, 0.1 + 1e-12, 0.1 + 1e-7, 0.1 + 1e-5):
        path = Path((Exponential(0, 0.0, 100.0, rate * SECOND),))
        shown = path.at(200 * MS) - lag(path, 10.0, 0.0, 200 * MS)
        assert shown == pytest.approx(100 * (1 - 3 * math.exp(-2)), abs=2e-2 if rate > 0.100001 else 2e-4)


def test_a_lagging_reading_of_a_belt_that_starts_and_stops() -> None:
    bench, fine = Bench(), Bench()
    belts = [each.add(BeltConveyor, {"length": 1000, "speed": 300}) for each in (bench, fine)]
    signal = Signal(belts[0], "speed", {"speed.lag": 80.0})
    signal.track(bench.kernel.now)
    shown, begun = 0.0, bench.kernel.now
    for until, on in ((50, True), (200, False), (230, True), (600, True)):
        for belt in belts:
            belt.drive("run", on)
        signal.track(bench.kernel.now)
        shown = euler(belts[1], "speed", shown, 0.08, begun + until * MS, fine)
        bench.kernel.advance(begun + until * MS)
        assert signal.shows(float(belts[0].sense("speed")), bench.kernel.now) == pytest.approx(
            shown, abs=1e-2
        )


def test_a_lagging_reading_of_an_axis_on_its_way() -> None:
    bench, fine = Bench(), Bench()
    axes = [
        each.add(ServoAxis, {"low": 0, "high": 500, "speed": 400, "acceleration": 2000})
        for each in (bench, fine)
    ]
    signal = Signal(axes[0], "position", {"position.lag": 25.0})
    signal.track(bench.kernel.now)
    shown, begun = 0.0, bench.kernel.now
    for until, target in ((130, 300.0), (400, 20.0), (1500, 20.0)):
        for axis in axes:
            axis.drive("target", target)
        signal.track(bench.kernel.now)
        shown = euler(axes[1], "position", shown, 0.025, begun + until * MS, fine)
        bench.kernel.advance(begun + until * MS)
        read = signal.shows(float(axes[0].sense("position")), bench.kernel.now)
        assert read == pytest.approx(shown, abs=1e-2)
    assert read == pytest.approx(20, abs=1e-6)


def test_what_steps_is_followed_by_63_percent_in_each_constant() -> None:
    bench = Bench()
    scale = bench.add(Scale)
    signal = Signal(scale, "weight", {"weight.lag": 100.0})
    signal.track(scale.now)
    scale.weight = 500.0
    signal.track(scale.now)
    begun = scale.now
    for constants in range(5):
        bench.kernel.advance(begun + constants * 100 * MS)
        signal.track(scale.now)  # nothing new
        assert signal.shows(500.0, scale.now) == pytest.approx(500 * (1 - math.exp(-constants)))
    scale.weight = 0.0
    signal.track(scale.now)
    assert signal.shows(0.0, scale.now) == pytest.approx(500 * (1 - math.exp(-4)))  # it does not jump


def test_noise_has_its_deviation_and_is_the_same_at_each_reading() -> None:
    bench = Bench()
    scale = bench.add(Scale)
    signal = Signal(scale, "weight", {"weight.noise": 0.5})
    read = [signal.shows(100.0, scale.now + index * SAMPLE) for index in range(5000)]
    assert read == [signal.shows(100.0, scale.now + index * SAMPLE + SAMPLE - 1) for index in range(5000)]
    assert statistics.fmean(read) == pytest.approx(100, abs=0.03)
    assert statistics.stdev(read) == pytest.approx(0.5, rel=0.05)
    louder = [signal.shows(100.0, scale.now + index * SAMPLE, 1.2) for index in range(5000)]
    assert statistics.stdev(louder) == pytest.approx(1.3, rel=0.05)  # deviations add as squares


def test_resolution_is_the_smallest_step() -> None:
    signal = Signal(Bench().add(Scale), "weight", {"weight.resolution": 0.25})
    assert [signal.shows(value, 0) for value in (0.1, 0.13, 0.37, -0.4)] == [0.0, 0.25, 0.25, -0.5]


def test_every_real_sensor_and_no_other_port_has_the_parameters() -> None:
    assert list(chain_params(Scale.PORTS)) == ["weight.lag", "weight.noise", "weight.resolution"]
    assert chain_params(Scale.PORTS)["weight.noise"].unit == "g"
    assert list(chain_params(ServoAxis.PORTS)) == ["position.lag", "position.noise", "position.resolution"]


def test_a_stored_reading_goes_on() -> None:
    bench = Bench()
    scale = bench.add(Scale)
    signals = [Signal(scale, "weight", {"weight.lag": 100.0, "weight.noise": 1.0}) for _ in range(2)]
    signals[0].track(scale.now)
    scale.weight = 80.0
    signals[0].track(scale.now)
    bench.kernel.advance(scale.now + 70 * MS)
    signals[1].restore(signals[0].snapshot())
    bench.kernel.advance(scale.now + 70 * MS)
    assert signals[1].shows(80.0, scale.now) == signals[0].shows(80.0, scale.now) != 80.0

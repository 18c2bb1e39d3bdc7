"""Faults: how they are written, when they begin and end, what they do to wires, and that each is its own."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.station import load_station
from gateway.twin.chance import Distribution, Stream, read_distribution
from gateway.twin.faults import Order, check_fault, read_order
from gateway.twin.twin import Twin

INFEED = load_station(Path(__file__).resolve().parents[2] / "config" / "stations" / "infeed.yaml")
MS = 1_000_000
S = 1000 * MS


@pytest.fixture
def twin() -> Twin:
    twin = Twin(INFEED.twin, INFEED.tags)
    twin.drive("belt-run", True)
    twin.advance(2 * S)
    return twin


def jammed(twin: Twin) -> bool:
    return "jam" in twin.components["belt"].faults


def ends(twin: Twin, until: int) -> list[tuple[float, bool]]:
    """When the belt became jammed and free, s."""
    found: list[tuple[float, bool]] = []
    was = jammed(twin)
    while twin.now < until:
        due = twin.kernel.next_time()
        twin.advance(min(until, until if due is None else due))
        if jammed(twin) != was:
            was = not was
            found.append((twin.now / S, was))
    return found


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("belt.jam", Order("belt", "jam")),
        ("belt.speed.drift 5 mm/s", Order("belt.speed", "drift", "5 mm/s")),
        (
            "belt.jam at 2 s for 1 min",
            Order("belt", "jam", at=2 * S, lasts=Distribution("constant", (60.0,))),
        ),
        ("stopper.stuck when stopper.opened", Order("stopper", "stuck", when="stopper.opened")),
        (
            "stopper.stuck when not stopper.opened",
            Order("stopper", "stuck", when="stopper.opened", level=False),
        ),
        (
            "press.slow 3 every weibull 1 h 1.5 for uniform 10 s 20 s",
            Order(
                "press",
                "slow",
                "3",
                every=Distribution("weibull", (3600.0, 1.5)),
                lasts=Distribution("uniform", (10.0, 20.0)),
            ),
        ),
    ],
)
def test_orders_are_read(text: str, order: Order) -> None:
    assert read_order(text) == order


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "names no fault"),
        ("jam", "names no fault"),
        ("belt..jam", "names no fault"),
        ("belt.jam at 2", "has no unit"),
        ("belt.jam at 2 s at 3 s", "says 'at' twice"),
        ("belt.jam at 2 s when belt.run", "begins in two ways"),
        ("belt.jam every 10 s", "never ends"),
        ("belt.jam every seldom for 2 s", "is no distribution"),
        ("belt.jam 5 mm", "has no size; leave '5 mm' out"),
        ("stopper.stuck 2", "has no size"),
        ("belt.ok.broken-wire 5", "has no size; leave '5' out"),
        ("belt.speed.drift 5 kg", "is a mass"),
        ("belt.jam when nobody.home", "names no component"),
        ("belt.jam when belt.speed", "belt has the BOOL ports run, ok"),
        ("belt.jam when", "names no component"),
        ("belt.jam when belt.fast", "belt has the BOOL ports run, ok"),
    ],
)
def test_what_is_no_order_is_said_with_what_would_be(text: str, wrong: str) -> None:
    assert wrong in check_fault(text, INFEED.twin, INFEED.tags)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("exponential", "'exponential <mean>'"),
        ("uniform 5 s 3 s", "that rise"),
        ("weibull 3 s 0", "has a shape of 0; give 0.1 to 100"),
        ("exponential 1e12 s", "0 to 1e\\+09"),
        ("constant -1 s", "0 to"),
        ("3 s 4 s", "'<value>'"),
        ("gamma 3 s", "one of constant, uniform"),
        ("normal 3 kg 1 s", "is a mass"),
    ],
)
def test_what_is_no_distribution_is_said_with_what_would_be(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong.replace("(", "\\(")):
        read_distribution(text, "s")


def test_distributions_are_read_in_any_unit_and_drawn_from() -> None:
    assert read_distribution("triangular 1 min 90 s 2 min", "s").numbers == (60.0, 90.0, 120.0)
    for text in ("5 s", "uniform 4 s 6 s", "normal 5 s 1 s", "exponential 5 s", "triangular 4 s 5 s 6 s"):
        stream, distribution = Stream(3), read_distribution(text, "s")
        assert statistics.fmean(distribution.draw(stream) for _ in range(4000)) == pytest.approx(5, rel=0.05)
        assert distribution.mean == 5
    worn, stream = read_distribution("weibull 5 s 2", "s"), Stream(3)
    assert statistics.fmean(worn.draw(stream) for _ in range(4000)) == pytest.approx(worn.mean, rel=0.05)


def test_a_fault_begins_at_its_time_and_ends_after_it(twin: Twin) -> None:
    twin.inject("belt.jam at 1500 ms for 250 ms")
    assert twin.active_faults() == ["belt.jam at 1500 ms for 250 ms"]
    assert ends(twin, 10 * S) == [(3.5, True), (3.75, False)]
    assert twin.active_faults() == []


def test_a_fault_that_was_still_to_come_does_not_once_it_is_cleared(twin: Twin) -> None:
    twin.inject("belt.jam at 1 s")
    twin.inject("belt.jam", False)
    assert ends(twin, 5 * S) == []
    twin.inject("belt.jam at 1 s for 2 s")
    twin.inject("belt.jam at 2 s for 1 s")  # replaces it
    assert ends(twin, 15 * S) == [(7.0, True), (8.0, False)]


def test_a_fault_begins_at_the_instant_of_its_condition(twin: Twin) -> None:
    twin.inject("belt.jam when stopper.opened")
    twin.inject("belt.trip when stopper.open for 5 ms")
    assert not twin.components["belt"].faults
    twin.drive("stopper-open", True)
    assert twin.components["belt"].faults == {"trip"}  # an actuator is a condition too
    stroke = INFEED.twin["stopper"].params["travel"] / 1000
    assert ends(twin, 5 * S) == [(pytest.approx(2 + stroke), True)]
    twin.inject("belt.jam", False)
    twin.inject("belt.jam when not stopper.opened")
    assert ends(twin, 7 * S) == []
    twin.inject("belt.trip when stopper.opened")  # it is already
    assert twin.components["belt"].faults == {"trip"}


def test_breakdowns_come_again_and_last_as_drawn_and_follow_from_the_seed() -> None:
    def run(seed: int) -> list[tuple[float, bool]]:
        twin = Twin(INFEED.twin, INFEED.tags, seed=seed)
        twin.inject("belt.jam every exponential 100 s for uniform 4 s 6 s")
        found = ends(twin, 100_000 * S)
        assert twin.active_faults() == ["belt.jam every exponential 100 s for uniform 4 s 6 s"]
        twin.inject("belt.jam", False)
        assert twin.active_faults() == []
        assert not jammed(twin)
        return found

    first = run(1)
    assert run(1) == first
    assert run(2) != first
    lasted = [end - begin for (begin, _), (end, _) in zip(first[::2], first[1::2], strict=False)]
    between = [begin - end for (end, _), (begin, _) in zip(first[1::2], first[2::2], strict=False)]
    assert len(lasted) > 800
    assert 4 <= min(lasted) <= max(lasted) <= 6
    assert statistics.fmean(between) == pytest.approx(100, rel=0.1)


def test_breakdowns_of_no_length_do_not_stop_time() -> None:
    twin = Twin(INFEED.twin, INFEED.tags)
    twin.inject("belt.jam every 0 s for 0 s")
    assert twin.advance(S) <= 1000


def test_one_fault_of_a_wire_ends_and_the_others_stay(twin: Twin) -> None:
    twin.inject("belt.speed.broken-wire")
    twin.inject("belt.speed.offset -100 mm/s")
    twin.inject("belt.speed.stuck", False)
    assert twin.sense()["belt-speed"] == 0
    twin.inject("belt.speed.broken-wire", False)
    assert twin.sense()["belt-speed"] == pytest.approx(400)
    assert twin.active_faults() == ["belt.speed.offset -100 mm/s"]
    twin.inject("belt.speed.offset", False)
    assert twin.sense()["belt-speed"] == pytest.approx(500)


def test_drift_grows_with_time_within_the_range_and_noise_has_its_deviation(twin: Twin) -> None:
    low, high = INFEED.tags["belt-speed"].range
    twin.inject("belt.speed.drift -20 mm/s")
    for seconds in (0, 1, 7):
        twin.advance((2 + seconds) * S)
        assert twin.sense()["belt-speed"] == pytest.approx(500 - 20 * seconds)
    twin.advance(200 * S)
    assert twin.sense()["belt-speed"] == low
    twin.inject("belt.speed.drift", False)
    twin.inject("belt.speed.drift")  # its usual size
    twin.advance(201 * S)
    assert twin.sense()["belt-speed"] == pytest.approx(min(500 + (high - low) / 100, high))
    twin.inject("belt.speed.drift", False)
    twin.inject("belt.speed.offset -200 mm/s")
    twin.inject("belt.speed.noise 3 mm/s")
    seen = []
    for _ in range(3000):
        twin.advance(twin.now + MS)
        seen.append(float(twin.sense()["belt-speed"]))  # type: ignore[arg-type]  # a number
        assert twin.sense()["belt-speed"] == seen[-1]  # however often it is read
    assert statistics.fmean(seen) == pytest.approx(300, abs=0.3)
    assert statistics.stdev(seen) == pytest.approx(3, rel=0.06)


def test_the_wire_of_an_actuator_breaks_shorts_and_holds(twin: Twin) -> None:
    def moves() -> bool:
        twin.advance(twin.now + 3 * S)
        return twin.sense()["belt-speed"] == pytest.approx(500)

    twin.inject("belt.run.broken-wire")
    assert not moves()
    twin.drive("belt-run", False)
    twin.drive("belt-run", True)
    assert not moves()
    twin.inject("belt.run.broken-wire", False)
    assert moves()
    twin.inject("belt.run.stuck")
    twin.drive("belt-run", False)
    assert moves()
    twin.inject("belt.run.stuck", False)
    assert not moves()
    twin.inject("belt.run.short-circuit")
    assert moves()


SAID = (
    "belt.jam", "belt.speed.drift", "belt.speed.noise", "belt.run.stuck", "belt.", "x.y", "belt.run",
    "at", "when", "not", "every", "for", "exponential", "uniform", "normal", "weibull", "triangular",
    "0", "1", "0.5", "-3", "1e5", "1e400", "nan", "5 mm", "7 s", "2 kg", "4 mm/s",
)  # fmt: skip
texts = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(SAID), max_size=7).map(" ".join))


@given(text=texts)
def test_any_text_is_an_order_that_can_be_carried_out_or_is_refused(text: str) -> None:
    if check_fault(text, INFEED.twin, INFEED.tags):
        return
    twin = Twin(INFEED.twin, INFEED.tags)
    twin.inject(text)
    twin.advance(20 * MS)
    for tag, value in twin.sense().items():
        assert INFEED.tags[tag].in_range(value)
    twin.inject(text, False)
    assert twin.active_faults() == []

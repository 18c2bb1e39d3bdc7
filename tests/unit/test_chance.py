"""Seeded chance: the published generator, its distributions against their moments, noise by time."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from gateway.twin.chance import Stream, noise, seeded
from gateway.twin.component import Surroundings
from gateway.twin.kernel import Kernel

COUNT = 40_000


def test_it_is_splitmix64_as_published() -> None:
    stream = Stream(1234567)
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [stream.random() for _ in published] == [((each >> 11) + 0.5) / 2**53 for each in published]


@pytest.mark.parametrize(
    ("draw", "mean", "deviation", "low", "high"),
    [
        (lambda s: s.random(), 0.5, math.sqrt(1 / 12), 0, 1),
        (lambda s: s.uniform(-2, 4), 1, math.sqrt(36 / 12), -2, 4),
        (lambda s: s.normal(3, 2), 3, 2, -math.inf, math.inf),
        (lambda s: s.exponential(5), 5, 5, 0, math.inf),
        (lambda s: s.triangular(1, 2, 6), 3, math.sqrt((1 + 4 + 36 - 2 - 6 - 12) / 18), 1, 6),
        (lambda s: s.triangular(1, 1, 2), 4 / 3, math.sqrt(1 / 18), 1, 2),
        (lambda s: s.weibull(2, 1), 2, 2, 0, math.inf),
        (
            lambda s: s.weibull(2, 3),
            2 * math.gamma(4 / 3),
            2 * math.sqrt(math.gamma(5 / 3) - math.gamma(4 / 3) ** 2),
            0,
            math.inf,
        ),
        (lambda s: s.below(6), 2.5, math.sqrt(35 / 12), 0, 5),
    ],
)
def test_what_is_drawn_has_the_moments_of_its_distribution(
    draw: Callable[[Stream], float], mean: float, deviation: float, low: float, high: float
) -> None:
    stream = Stream(seeded(7, "oven"))
    drawn = [draw(stream) for _ in range(COUNT)]
    found = sum(drawn) / COUNT
    spread = math.sqrt(sum((each - found) ** 2 for each in drawn) / COUNT)
    assert found == pytest.approx(mean, abs=4 * deviation / math.sqrt(COUNT))
    assert spread == pytest.approx(deviation, rel=0.03)
    assert low <= min(drawn)
    assert max(drawn) <= high


def test_noise_is_standard_normal_uncorrelated_and_the_same_at_each_reading() -> None:
    key = seeded(1, "scale.weight")
    read = [noise(key, instant) for instant in range(COUNT)]
    assert [noise(key, instant) for instant in range(100)] == read[:100]
    assert sum(read) / COUNT == pytest.approx(0, abs=0.02)
    assert sum(each**2 for each in read) / COUNT == pytest.approx(1, abs=0.03)
    assert sum(a * b for a, b in pairwise(read)) / COUNT == pytest.approx(0, abs=0.02)
    assert sum(abs(each) < 1 for each in read) / COUNT == pytest.approx(0.6827, abs=0.01)


def test_streams_of_two_names_and_of_two_seeds_differ_and_go_on_where_they_were() -> None:
    one, two = Surroundings(Kernel(), 1), Surroundings(Kernel(), 2)
    firsts = {each.random(name).random() for each in (one, two) for name in ("a", "b")}
    assert len(firsts) == 4
    taken = {name: stream.state for name, stream in one.streams.items()}
    stream = one.random("a")
    following, late = [stream.random() for _ in range(5)], one.random("c").random()
    one.restore_chance(taken)
    assert [stream.random() for _ in range(5)] == following
    assert one.random("c").random() == late  # it had not been drawn from when that was taken

"""Workpieces through two and three stations in bad weather: none is lost, none exists twice, all arrive."""

from __future__ import annotations

import pytest
from sim_line import World


@pytest.mark.parametrize("stations", [2, 3])
def test_every_workpiece_arrives_once(stations: int, seed: int) -> None:
    world = World(seed, stations)
    world.run()
    assert sorted({*world.finished, *world.removed}) == sorted(world.seen)
    assert len(world.seen) == 10


def test_the_same_seed_makes_the_same_trace() -> None:
    def trace(seed: int) -> str:
        world = World(seed, 3)
        world.run()
        return world.trace

    first = [trace(seed) for seed in range(5)]
    assert first == [trace(seed) for seed in range(5)]
    assert len(set(first)) == 5

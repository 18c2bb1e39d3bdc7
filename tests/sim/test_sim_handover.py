"""Workpieces through lines of any shape in bad weather: none is lost, none exists twice, all arrive."""

from __future__ import annotations

import pytest
from sim_line import World
from sim_topology import Topology, row


@pytest.mark.parametrize("topology", [row(2), None], ids=["row", "chance"])
def test_every_workpiece_arrives_once(topology: Topology | None, seed: int) -> None:
    world = World(seed, topology)
    world.run()
    assert sorted({*world.finished, *world.removed}) == sorted(world.seen)
    assert len(world.seen) == 10


def test_the_same_seed_makes_the_same_trace() -> None:
    def trace(seed: int) -> str:
        world = World(seed)
        world.run()
        return world.trace

    first = [trace(seed) for seed in range(5)]
    assert first == [trace(seed) for seed in range(5)]
    assert len(set(first)) == 5


def test_what_the_shapes_are_like() -> None:
    """Merges, stations in parallel, several ways between two stations, and in both directions."""
    merges = parallel = several = both = 0
    for seed in range(100):
        shape = World(seed).topology
        merges += len(set(shape.ways.values())) < len(shape.ways)
        parallel += len({lane.station for lane in shape.sources}) > 1
        pairs = [(out.station, into.station) for out, into in shape.ways.items()]
        several += len(set(pairs)) < len(pairs)
        both += any((into, out) in pairs for out, into in pairs)
    assert min(merges, parallel, several, both) >= 10


def test_what_the_weather_brings() -> None:
    """Kills, journals thrown away, workpieces in doubt, times without a broker: often enough to be tried."""
    worlds = [World(seed) for seed in range(60)]
    for world in worlds:
        world.run()
    assert sum(world.kills for world in worlds) >= 300
    assert sum(world.discards for world in worlds) >= 30
    assert sum(world.blackouts for world in worlds) >= 30
    assert sum(len(world.doubted) for world in worlds) >= 5

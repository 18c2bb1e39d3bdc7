"""A disk put back to an earlier copy of itself: its node signs nothing twice, and the chain goes on."""

from __future__ import annotations

import copy
import random

import pytest
from ledger_checks import watch_all
from sim_ledger import Disk, Faults, World
from test_sim_ledger import CALM, LIES, STORM, heal

from ledger.whereabouts import Whereabouts

SEEDS = 60
NAMED = (916,)  # who was ahead of a starting node told of its vote before that was at their height
OLD = "n1"


class Images(World):
    """Copies the disk of ``OLD`` now and then, and puts the first copy back while it is down."""

    def __init__(self, seed: int, members: int, liars: dict[str, str], faults: Faults) -> None:
        super().__init__(seed, members, liars, faults)
        self.image: Disk | None = None
        self.put_back = 0

    def _on_copy(self, _: None) -> None:
        self.image = copy.deepcopy(self.disks[OLD])

    def _on_put_back(self, _: None) -> None:
        if self.image is not None:
            self.kill(OLD)
            old, disk = self.image, self.disks[OLD]  # its own transactions are not what this is about
            self.put_back += old.kept != disk.kept
            disk.kept, disk.blocks, disk.commits = old.kept, old.blocks, old.commits
            self.image = None
            self.trace.append(f"{self.now} the disk of {OLD} is put back")
            self.start(OLD)


def world_of(seed: int) -> Images:
    """At most f that lie, or whose disk is put back."""
    draw = random.Random(f"images {seed}")
    members = draw.choice([4, 4, 6, 7])
    others = [f"n{number}" for number in range(2, members)]
    lying = {name: draw.choice(LIES) for name in draw.sample(others, (members - 1) // 3 - 1)}
    faults = Faults(drop=draw.choice([0, 0.1]), late=draw.choice([0, 0.1]), kills=draw.choice([0, 1]))
    world = Images(seed, members, lying, faults)
    world.heal_at = STORM
    for name in world.names:
        world.start(name)
        for _ in range(6):
            world.at(draw.randint(0, STORM), "submit", name)
    for _ in range(6):
        begin = draw.choice([0, *(draw.randint(0, STORM) for _ in range(5))])  # at 0 it is empty yet
        world.at(begin, "copy", None)
        world.at(min(begin + draw.choice([10**6, 10**7, 10**8, 10**9, 4 * 10**9]), STORM), "put_back", None)
    return world


def play(world: World) -> None:
    watch_all(world)
    world.run(STORM)
    heal(world)
    honest = [name for name in world.names if name not in world.liars]
    wanted = max(node.chain.height for node in world.nodes.values() if node) + 4

    def arrived() -> bool:
        return all((node := world.nodes[name]) and node.chain.height >= wanted for name in honest)

    world.run(STORM + CALM, arrived)
    assert arrived(), f"no progress within {CALM / 1e9:g} s of calm\n" + "\n".join(world.trace[-40:])


def claimed(seed: int) -> World:
    """f members say that they have votes of others, show none and vote for nothing; others are killed."""
    draw = random.Random(f"claimed {seed}")
    members = draw.choice([4, 7])
    lying = {f"n{number}": "claim" for number in range(1, members)[-((members - 1) // 3) :]}
    world = World(seed, members, lying, Faults(drop=draw.choice([0, 0.1]), late=draw.choice([0, 0.1])))
    world.heal_at = STORM
    for name in world.names:
        world.start(name)
        for _ in range(3):
            world.at(draw.randint(0, STORM), "submit", name)
    for _ in range(6):
        world.at(
            draw.randint(0, STORM), "kill", draw.choice([each for each in world.names if each not in lying])
        )
    return world


def test_who_claims_what_it_does_not_show_stops_nobody(seed: int) -> None:
    play(claimed(seed))


def test_a_disk_that_was_put_back_signs_nothing_twice_and_all_go_on(seed: int) -> None:
    play(world_of(seed))


def test_disks_are_put_back_to_what_they_were() -> None:
    worlds = [world_of(seed) for seed in range(15)]
    for world in worlds:
        world.run(STORM)
    assert sum(world.put_back for world in worlds) >= 10


def test_without_asking_the_others_it_signs_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Whereabouts, "settled", lambda *_: True)
    found = ""
    for seed in range(12):
        try:
            play(world_of(seed))
        except AssertionError as error:
            found += str(error)
    assert f"{OLD} signed twice" in found

"""The ledger under a hostile network: no fork, no double signature, nothing final lost, and it goes on."""

from __future__ import annotations

import random

import msgspec
import pytest
from ledger_checks import MembersAlone, watch_all
from sim_ledger import SECOND, Faults, SimKeys, World, party

from ledger.codec import Malformed, digest
from ledger.light import Trust, follow
from ledger.proof import prove
from ledger.records import Enrolled, Revoked
from ledger.state import State

LIES = ("equivocate", "withhold", "invalid", "flood", "wrong-chain")
STORM = 20 * SECOND
CALM = 60 * SECOND
SEEDS = 500
NAMED = (
    2347,  # one that was killed waited for one that was a round ahead, which waited for it
    1210,  # one that followed a liar to a later round was waited for in the one that it left
    1535,  # a member's vote was taken for another's, where others vote at the next height
    2903,  # a prevote was judged again when it was said again
)


def hostile(seed: int) -> World:
    """A world drawn from ``seed``: its size, its liars (at most f), its faults, who joins and who goes."""
    draw = random.Random(f"world {seed}")
    members = draw.choice([1, 4, 4, 5, 6, 7])
    liars = {f"n{number}": draw.choice(LIES) for number in range(1, members)}
    lying = dict(draw.sample(sorted(liars.items()), draw.randint(0, (members - 1) // 3)))
    faults = Faults(
        drop=draw.choice([0, 0, 0.05, 0.3]),
        double=draw.choice([0, 0.1]),
        late=draw.choice([0, 0.05, 0.2]),
        kills=draw.choice([0, 0, 1, 3]),
        partitions=draw.choice([0, 1, 3]),
        one_way=draw.choice([0, 0, 2]),
    )
    spares = draw.choice([0, 0, 1, 2])
    world = World(seed, members, lying, faults, onlookers=draw.choice([0, 0, 1]), spares=spares)
    for number in range(spares):
        joins = Enrolled(party(f"s{number}"))
        world.at(draw.randint(0, STORM), "record", ("n0", joins))
    others = [f"n{number}" for number in range(1, members)]
    goes = draw.choice(sorted(lying) or others) if others and draw.random() < 0.3 else None
    if goes is not None and len(lying.keys() - {goes}) <= (members - 2) // 3:
        begin = draw.randint(0, STORM)
        world.at(begin, "record", ("n0", Revoked(goes, "drawn", weakens=True)))
        if draw.random() < 0.5:  # it comes back by another key, where that is not too early
            again = msgspec.structs.replace(party(goes), public=digest(goes.encode(), b"again"))
            world.at(draw.randint(begin, STORM), "record", ("n0", Enrolled(again)))
    world.heal_at = STORM
    for name in world.names:
        world.start(name)
        for _ in range(draw.randint(0, 6)):
            world.at(draw.randint(0, STORM), "submit", name)
    for _ in range(faults.kills * 2):
        world.at(draw.randint(0, STORM), "kill", draw.choice(world.names))
    for _ in range(faults.partitions):
        begin, one = draw.randint(0, STORM), set(draw.sample(world.names, members // 2))
        links = {(a, b) for a in world.names for b in world.names if (a in one) != (b in one)}
        world.at(begin, "cut", links)
        world.at(min(begin + draw.randint(SECOND, 8 * SECOND), STORM - world.now), "join", links)
    for _ in range(faults.one_way):
        begin, link = draw.randint(0, STORM), {(draw.choice(world.names), draw.choice(world.names))}
        world.at(begin, "cut", link)
        world.at(min(begin + 5 * SECOND, STORM), "join", link)
    return world


def heal(world: World) -> None:
    """From now on the network is good and everybody is there."""
    world.faults = Faults()
    world.cut.clear()
    for name in world.names:
        if world.nodes[name] is None:
            world.start(name)


def calm_down(world: World) -> None:
    """Heal the world: within a bound all who are enrolled go on, nothing that an honest one accepted is lost,
    and of the latest record there is a proof."""
    heal(world)
    wanted = max(node.chain.height for node in world.nodes.values() if node) + 3

    def arrived() -> bool:
        latest = max((node for node in world.nodes.values() if node), key=lambda node: node.chain.height)
        state = latest.chain.state
        for name in state.parties.keys() - world.liars.keys():
            node = world.nodes[name]
            if node is None or node.chain.height < wanted or state.seqs.get(name, 0) < len(node.disk.own):
                return False
        return True

    world.run(STORM + CALM, arrived)
    assert arrived(), f"no progress within {CALM / 1e9:g} s of calm\n" + "\n".join(world.trace[-40:])
    decided = world.disks["n0"].commits
    recorded = [height for height, commit in decided.items() if commit.block.body]
    if recorded:
        shown = prove(world.genesis, decided.get, max(recorded), 0)
        trust = follow(
            Trust(world.genesis.chain, 0, State(world.genesis).voting), shown, lambda _: SimKeys("")
        )
        assert not isinstance(trust, Malformed), trust.reason


def test_no_seed_forks_and_all_go_on(seed: int) -> None:
    world = hostile(seed)
    watch_all(world)
    world.run(STORM)
    calm_down(world)


def test_members_come_and_go_in_the_seeds() -> None:
    changes = 0
    for seed in range(20):
        world = hostile(seed)
        looks = MembersAlone(world)
        world.run(STORM)
        changes += looks.changes
    assert changes >= 5


@pytest.mark.parametrize("seed_of_liar", range(4))
def test_who_equivocates_is_accused_on_the_chain_and_comes_last(seed_of_liar: int) -> None:
    world = World(seed_of_liar, 4, {"n3": "equivocate"}, Faults(drop=0.1))
    watch_all(world)
    for name in world.names:
        world.start(name)
        for second in range(10):
            world.at(second * SECOND, "submit", name)
    honest = ("n0", "n1", "n2")

    def accused() -> bool:
        return all((node := world.nodes[name]) and node.chain.accuses("n3") for name in honest)

    world.run(60 * SECOND, accused)
    assert accused()
    states = [node.chain.state for name in honest if (node := world.nodes[name])]
    assert all("n3" in state.late for state in states)
    told = [tx.kind for commit in world.disks["n0"].commits.values() for tx in commit.block.body]
    assert "accused" in told
    begin = max(world.disks["n0"].commits)
    world.run(world.now + 60 * SECOND)
    made = [world.disks["n0"].commits[at] for at in range(begin + 1, max(world.disks["n0"].commits) + 1)]
    assert len(made) > 5
    assert all(commit.block.header.proposer != "n3" or commit.qc.round > 0 for commit in made)


@pytest.mark.parametrize("seed_of_two", [3, 11])
def test_the_same_seed_gives_the_same_trace(seed_of_two: int) -> None:
    traces = []
    for _ in range(2):
        world = hostile(seed_of_two)
        world.run(STORM)
        traces.append(world.trace)
    assert traces[0] == traces[1]
    assert len(traces[0]) > 10

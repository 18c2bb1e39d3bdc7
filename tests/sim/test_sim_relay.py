"""Votes by way of the proposer: nothing forks, one that is gone stops nobody, few messages are said."""

from __future__ import annotations

import pytest
from ledger_checks import watch_all
from sim_ledger import SECOND, Faults, Node, World
from test_sim_ledger import CALM, STORM, heal, hostile

from ledger.ports import Output, Send, Timer
from ledger.relay import Relay
from ledger.types import PRECOMMIT, PREVOTE, Qc, Vote

SEEDS = 100


def relayed(world: World) -> World:
    """``world`` with a relay in each of its nodes, from their next start on."""
    relays: dict[str, tuple[Node, Relay]] = {}
    plain, on_timer = world.do, world._on_timer

    def relay(name: str) -> Relay:
        node = world.nodes[name]
        assert node is not None
        if name not in relays or relays[name][0] is not node:
            relays[name] = node, Relay(node.consensus, direct=0)
        return relays[name][1]

    def do(name: str, outputs: list[Output]) -> None:
        plain(name, relay(name).lead(outputs))

    def timer(argument: tuple[str, int, Timer]) -> None:
        name, life, timer = argument
        if timer.kind != "relay":
            on_timer(argument)
        elif world.nodes[name] is not None and life == world._lives[name]:
            plain(name, relay(name).timeout(timer))

    world.do, world._on_timer = do, timer  # type: ignore[method-assign]
    return world


def test_no_seed_forks_and_all_go_on_by_relay(seed: int) -> None:
    world = relayed(hostile(seed))
    watch_all(world)
    world.run(STORM)
    heal(world)
    ahead = max((node for node in world.nodes.values() if node), key=lambda node: node.chain.height)
    wanted = ahead.chain.height + 3

    def arrived() -> bool:
        honest = [name for name in world.names if name not in world.liars and ahead.chain.knows(name)]
        return all((node := world.nodes[name]) and node.chain.height >= wanted for name in honest)

    world.run(STORM + CALM, arrived)
    assert arrived(), f"no progress within {CALM / 1e9:g} s of calm\n" + "\n".join(world.trace[-40:])


def said(world: World) -> list[Send]:
    """What is said in ``world`` from now on."""
    found: list[Send] = []
    world.watchers.append(lambda name, output: found.append(output) if isinstance(output, Send) else None)
    return found


def at(world: World, height: int) -> bool:
    return all(node is not None and node.chain.height >= height for node in world.nodes.values())


@pytest.mark.parametrize("members", [7, 16])
def test_votes_go_to_one_and_a_certificate_to_all(members: int) -> None:
    world = relayed(World(1, members, faults=Faults(delay=(1_000_000, 2_000_000))))
    for name in world.names:
        world.start(name)
    sends, own = said(world), list[Send]()

    def watch(name: str, output: Output) -> None:
        if isinstance(output, Send) and isinstance(output.message, Vote) and output.message.who == name:
            own.append(output)  # what answers a status has others' votes

    world.watchers.append(watch)
    world.at(0, "submit", "n0")
    world.run(5 * SECOND, lambda: at(world, 2))
    votes = [each for each in sends if isinstance(each.message, Vote)]
    certificates = [each.message.type for each in sends if isinstance(each.message, Qc)]
    assert at(world, 2)
    assert len(own) <= 2 * members
    assert all(each.to is not None for each in votes)
    assert sorted(certificates) == [PREVOTE, PRECOMMIT]


def test_a_proposer_that_is_heard_no_more_stops_nobody() -> None:
    world = relayed(World(1, 7))
    watch_all(world)
    for name in world.names:
        world.start(name)
    node = world.nodes["n0"]
    assert node is not None
    proposer = node.chain.proposer(0).node
    others = [name for name in world.names if name != proposer]
    sends = said(world)

    def proposed() -> bool:
        return any(isinstance(each.message, Vote) for each in sends)

    world.at(0, "submit", proposer)
    world.run(5 * SECOND, proposed)
    world.kill(proposer)  # its proposal is out, and votes for it are on their way to nobody
    world.run(
        world.now + 3 * SECOND,
        lambda: all((each := world.nodes[name]) is not None and each.chain.height >= 2 for name in others),
    )
    assert all((each := world.nodes[name]) is not None and each.chain.height >= 2 for name in others)
    first = world.nodes[others[0]]
    assert first is not None
    assert first.chain.state.seqs == {proposer: 1}  # what it proposed is what was decided

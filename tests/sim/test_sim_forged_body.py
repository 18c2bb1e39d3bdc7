"""A header is signed, its body only hashed in it: who puts another body under it must not stop anybody."""

from __future__ import annotations

import msgspec
from sim_ledger import SECOND, World

from ledger.ports import Decided, Output, Send
from ledger.types import PRECOMMIT, PREVOTE, Block, Commit, Proposal, Qc, Seal, Vote


def decided_once() -> tuple[World, Proposal, Commit]:
    """A world that decides one block, and how; n3 hears nothing meanwhile."""
    world = World(1)
    seen: list[Output] = []
    world.watchers.append(lambda name, output: seen.append(output))
    for name in world.names:
        world.start(name)
    world.cut = {(name, "n3") for name in world.names} | {("n3", name) for name in world.names}
    first = world.nodes["n0"]
    assert first is not None
    proposer = first.chain.proposer(0).node
    world.at(0, "submit", proposer if proposer != "n3" else "n0")
    world.run(60 * SECOND, lambda: any(isinstance(each, Decided) for each in seen))
    commit = next(each.commit for each in seen if isinstance(each, Decided))
    proposal = next(
        each.message
        for each in seen
        if isinstance(each, Send) and isinstance(each.message, Proposal)
        and each.message.block.id == commit.block.id
    )  # fmt: skip
    assert commit.block.body
    return world, proposal, commit


def forged(block: Block) -> Block:
    return Block(block.header, ())


def test_a_decided_block_is_taken_after_a_forgery_of_it() -> None:
    world, _, commit = decided_once()
    node = world.nodes["n3"]
    assert node is not None
    node.receive(Commit(commit.qc, forged(commit.block)))
    assert node.chain.height == 1
    outputs = node.receive(commit)
    assert any(isinstance(each, Decided) for each in outputs)


def test_a_proposal_is_voted_for_after_a_forgery_of_it() -> None:
    world, proposal, commit = decided_once()
    node = world.nodes["n3"]
    assert node is not None
    at = proposal.round
    node.consensus.round = at  # it heard nothing: its own time-outs may have led it on
    node.consensus.step = 0
    node.consensus.signed.clear()
    node.consensus.unsure = None
    assert node.receive(msgspec.structs.replace(proposal, block=forged(proposal.block))) == []
    votes = [
        each.message
        for each in node.receive(proposal)
        if isinstance(each, Send) and isinstance(each.message, Vote)
    ]
    assert [(vote.type, vote.bid) for vote in votes] == [(PREVOTE, commit.block.id)]


def test_a_certificate_of_somebody_else_decides_nothing() -> None:
    world, _, commit = decided_once()
    node = world.nodes["n3"]
    assert node is not None
    seals = tuple(Seal(seal.who, bytes(64)) for seal in commit.qc.seals)
    qc = Qc(commit.qc.chain, 1, commit.qc.round, PRECOMMIT, commit.block.id, seals)
    assert node.receive(Commit(qc, commit.block)) == []
    assert node.chain.height == 1

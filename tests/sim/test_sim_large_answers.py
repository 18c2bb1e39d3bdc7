"""Who was away asks all: small answers come from several, a large one from one alone."""

from __future__ import annotations

import pytest
from sim_ledger import SECOND, World

from ledger.codec import encode
from ledger.gossip import ANSWERS, LARGE
from ledger.records import Loaded
from ledger.types import Commit


@pytest.mark.parametrize(("records", "answers"), [(1, ANSWERS), (200, 1)])
def test_a_large_block_comes_from_one_of_those_who_answer(records: int, answers: int) -> None:
    world = World(1, 7)
    for name in world.names:
        world.start(name)
    world.run(SECOND)
    world.cut = {(name, "n6") for name in world.names} | {("n6", name) for name in world.names}
    first, away = world.nodes["n0"], world.nodes["n6"]
    assert first is not None
    assert away is not None
    program = Loaded("infeed", bytes(32), bytes(32))
    for tx in [first.submit(program) for _ in range(records)]:
        for name in world.names[:6]:
            world.post("n0", name, tx)
    others = [node for name in world.names[:6] if (node := world.nodes[name])]
    world.run(20 * SECOND, lambda: all(node.chain.state.seqs.get("n0") == records for node in others))
    status = away.gossip.status().message
    commits = [[each.message for each in node.receive(status) if hasattr(each, "message")] for node in others]
    large = [
        commit
        for sent in commits
        for commit in sent
        if isinstance(commit, Commit) and (len(encode(commit)) > LARGE) == (records > 1)
    ]
    heights = {commit.qc.height for commit in large}
    assert heights
    assert all(sum(commit.qc.height == height for commit in large) == answers for height in heights)

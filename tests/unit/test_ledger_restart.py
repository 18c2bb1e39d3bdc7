"""A node that is killed at any moment goes on from what it had on disk, and is bound by what it said."""

from __future__ import annotations

import pytest
from ledgers import HASH, SECOND, UTC, Keys, Ledger, genesis

from ledger.consensus import PRECOMMITTING, SAID, Consensus
from ledger.ports import Keep, Kept, Output, Send, Timer
from ledger.signing import sign
from ledger.types import PREVOTE, Ballot, Block, Proposal, Qc, Seal, Vote

NOW = UTC + SECOND


class Disk:
    """Carries out what a node wants kept."""

    def __init__(self) -> None:
        self.kept: Kept | None = None
        self.blocks: dict[bytes, Block] = {}
        self.sizes: list[int] = []

    def take(self, outputs: list[Output]) -> list[Output]:
        for output in outputs:
            if isinstance(output, Keep):
                self.kept = output.kept
                self.sizes.append(len(output.kept.signed))
                if output.block is not None:
                    self.blocks[output.block.id] = output.block
        return outputs


def certificate(ledger: Ledger, block: Block, round: int, who: str = "acd") -> Qc:
    votes = [sign(Keys(each), Vote(ledger.chain.id, 1, round, PREVOTE, block.id, each)) for each in who]
    return Qc(ledger.chain.id, 1, round, PREVOTE, block.id, tuple(Seal(v.who, v.sig) for v in votes))


def proposal(ledger: Ledger) -> Proposal:
    place = ledger.chain.proposer(0)
    block = ledger.chain.propose(place, NOW)
    said = sign(Keys(place.node), Ballot(ledger.chain.id, 1, 0, block.id, place.node))
    return Proposal(ledger.chain.id, 1, 0, None, place.node, block, said.sig)


def late_certificate() -> tuple[Ledger, Disk, Consensus, Block]:
    """A node has given a round up for none when it hears that a quorum prevoted for the block."""
    ledger = Ledger(genesis())
    me = ledger.chain.proposer(1).node
    disk, node = Disk(), Consensus(me, ledger.chain, Keys(me))
    said = proposal(ledger)
    disk.take(node.begin(NOW))
    disk.take(node.receive(said, NOW))
    disk.take(node.timeout(Timer("prevote", 1, 0), NOW))
    assert node.step == PRECOMMITTING
    disk.take(node.receive(certificate(ledger, said.block, 0, "".join(set("abcd") - {me})), NOW))
    assert node.valid == (0, said.block.id)
    assert node.locked is None
    return ledger, disk, node, said.block


@pytest.mark.parametrize("killed_before_its_turn", [True, False])
def test_what_a_quorum_prevoted_for_is_proposed_after_a_restart(killed_before_its_turn: bool) -> None:
    ledger, disk, node, block = late_certificate()
    if not killed_before_its_turn:
        disk.take(node.timeout(Timer("precommit", 1, 0), NOW))
    again = Consensus(
        node.me, ledger.chain, Keys(node.me), kept=disk.kept, blocks=tuple(disk.blocks.values())
    )
    outputs = disk.take(again.begin(NOW))
    if killed_before_its_turn:
        outputs = disk.take(again.timeout(Timer("precommit", 1, 0), NOW))
    said = [each.message for each in outputs if isinstance(each, Send) and isinstance(each.message, Proposal)]
    assert [(each.round, each.block) for each in said] == [(1, block)]
    assert said[0].pol is not None


def test_what_is_kept_does_not_grow_with_the_rounds() -> None:
    """A height that nobody decides for a week is no more on disk than one that has just begun."""
    ledger = Ledger(genesis())
    disk, node = Disk(), Consensus("b", ledger.chain, Keys("b"))
    disk.take(node.begin(NOW))
    for round in range(500):
        for who, bid in ("a", HASH), ("c", HASH[::-1]), ("d", b""):
            said = Vote(ledger.chain.id, 1, round, PREVOTE, bid, who)
            disk.take(node.receive(sign(Keys(who), said), NOW))
        for kind in ("propose", "prevote", "precommit"):
            disk.take(node.timeout(Timer(kind, 1, round), NOW + round))  # type: ignore[arg-type]
    assert node.round == 500
    assert max(disk.sizes) <= 3 * (SAID + 1)
    assert len(node.heard.blocks) <= 4
    assert len(node._once) <= 8
    again = Consensus("b", ledger.chain, Keys("b"), kept=disk.kept, blocks=tuple(disk.blocks.values()))
    again.begin(NOW)
    assert again.round in (499, 500)


def test_what_was_said_in_a_round_is_said_again_and_never_anew() -> None:
    ledger = Ledger(genesis())
    me = next(name for name in "abcd" if name != ledger.chain.proposer(0).node)
    disk, node = Disk(), Consensus(me, ledger.chain, Keys(me))
    disk.take(node.begin(NOW))
    first = disk.take(node.timeout(Timer("propose", 1, 0), NOW))
    again = Consensus(me, ledger.chain, Keys(me), kept=disk.kept, blocks=tuple(disk.blocks.values()))
    disk.take(again.begin(NOW))
    second = disk.take(again.receive(proposal(ledger), NOW))
    votes = [each.message for each in (*first, *second) if isinstance(each, Send)]
    assert len(votes) == 2
    assert votes[0] == votes[1]

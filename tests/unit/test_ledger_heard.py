"""What is heard of one height: taken once, shown where it is ours, and evidence where somebody lies."""

from __future__ import annotations

from ledgers import UTC, Keys, Ledger, genesis

from ledger.heard import WINDOW, Heard
from ledger.signing import sign
from ledger.types import NIL, PREVOTE, Ballot, Block, Evidence, Proposal, Vote


class Ear:
    """Member ``a``'s, at height 1; ``ours`` and ``accused`` are what it was told."""

    def __init__(self) -> None:
        self.ledger = Ledger(genesis("abcd"))
        self.chain = self.ledger.chain
        self.ours: list[tuple[Vote | Ballot, Block | None]] = []
        self.accused: list[Evidence] = []
        self.heard = Heard("a", self.chain, Keys("a"), self._show, self.accused.append)

    def _show(self, said: Vote | Ballot, block: Block | None) -> None:
        self.ours.append((said, block))

    def vote(self, who: str, bid: bytes = NIL, round: int = 0, height: int = 1) -> Vote:
        return sign(Keys(who), Vote(self.chain.id, height, round, PREVOTE, bid, who))

    def proposal(self, time: int = UTC + 1, round: int = 0) -> Proposal:
        place = self.chain.proposer(round)
        block = self.chain.propose(place, time)
        said = sign(Keys(place.node), Ballot(self.chain.id, 1, round, block.id, place.node))
        return Proposal(self.chain.id, 1, round, None, place.node, block, said.sig)

    def take(self, message: Vote | Proposal, round: int = 0) -> bool:
        return self.heard.take(message, round, UTC, again=False)


def test_a_vote_is_taken_once_and_only_if_signed_and_of_this_height() -> None:
    ear = Ear()
    assert ear.take(ear.vote("b"))
    assert ear.heard.votes.has(0, PREVOTE, "b")
    assert not ear.take(ear.vote("c", height=2))
    assert not ear.take(sign(Keys("d"), Vote(ear.chain.id, 1, 0, PREVOTE, NIL, "c")))
    assert not ear.heard.votes.has(0, PREVOTE, "c")


def test_two_votes_of_one_member_are_evidence_once() -> None:
    ear = Ear()
    first, second = ear.vote("b"), ear.vote("b", bytes(32))
    for message in (first, second, ear.vote("b", bytes([1] * 32))):
        ear.take(message)
    assert ear.accused == [Evidence(first, second)]


def test_two_proposals_of_one_round_are_evidence_and_the_first_is_held() -> None:
    ear = Ear()
    first = ear.proposal()
    assert ear.take(first)
    assert not ear.take(ear.proposal(UTC + 2))
    assert [each.first.who for each in ear.accused] == [first.who]
    assert ear.heard.blocks.keys() == {first.block.id}


def test_what_we_said_ourselves_is_shown_to_us() -> None:
    ear = Ear()
    ours = ear.vote("a")
    ear.take(ear.vote("b"))
    ear.take(ours)
    assert ear.ours == [(ours, None)]


def test_the_latest_round_is_one_that_f_and_one_more_have_reached() -> None:
    ear = Ear()
    assert ear.heard.latest == -1
    ear.take(ear.vote("b", round=WINDOW + 100))
    assert ear.heard.latest == -1
    ear.take(ear.vote("c", round=3))
    assert ear.heard.latest == 3
    assert not ear.heard.votes.has(WINDOW + 100, PREVOTE, "b"), "too far ahead to be held"


def test_blocks_are_let_go_of_but_for_those_that_are_needed() -> None:
    ear = Ear()
    proposed = ear.proposal()
    ear.take(proposed)
    bid = proposed.block.id
    ear.heard.forget(1, set(), set())
    assert bid in ear.heard.blocks, "it was proposed of late"
    ear.heard.forget(50, set(), {bid})
    assert bid in ear.heard.blocks, "somebody is bound to it"
    ear.heard.forget(50, set(), set())
    assert not ear.heard.blocks

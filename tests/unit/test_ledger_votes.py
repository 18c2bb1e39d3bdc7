"""Counting votes: quorums, certificates, and who voted twice."""

from __future__ import annotations

import pytest

from ledger.types import NIL, PRECOMMIT, PREVOTE, Evidence, Qc, Vote, VoteType
from ledger.votes import Votes, faults, quorum

MEMBERS = ("a", "b", "c", "d")
X, Y = bytes([1]) * 32, bytes([2]) * 32


def vote(who: str, bid: bytes = X, round: int = 0, type: VoteType = PREVOTE) -> Vote:
    return Vote("main", 1, round, type, bid, who, bytes(64))


@pytest.mark.parametrize(
    ("members", "lying", "needed"),
    [(1, 0, 1), (3, 0, 3), (4, 1, 3), (6, 1, 5), (7, 2, 5), (18, 5, 13), (36, 11, 25), (64, 21, 43)],
)  # fmt: skip
def test_two_quorums_share_an_honest_member(members: int, lying: int, needed: int) -> None:
    assert (faults(members), quorum(members)) == (lying, needed)
    assert 2 * needed - members > lying
    assert needed <= members - lying


def test_a_quorum_makes_a_certificate_of_the_votes_for_it() -> None:
    votes = Votes("main", 1, MEMBERS)
    for who, bid in (("a", X), ("b", Y), ("c", X)):
        assert votes.cast(vote(who, bid)) is None
    assert votes.any_quorum(0, PREVOTE)
    assert votes.qc(0, PREVOTE) is None
    votes.cast(vote("d", X))
    qc = votes.qc(0, PREVOTE)
    assert qc is not None
    assert (qc.bid, [seal.who for seal in qc.seals]) == (X, ["a", "c", "d"])
    assert {each.who for each in qc.votes()} == {"a", "c", "d"}
    assert votes.for_block(0, PREVOTE) == qc
    assert votes.decided() is None


def test_the_first_vote_counts_and_another_one_is_evidence() -> None:
    votes = Votes("main", 1, MEMBERS)
    votes.cast(vote("a", X))
    assert votes.cast(vote("a", X)) is None
    assert votes.cast(vote("a", NIL)) == Evidence(vote("a", X), vote("a", NIL))
    assert [each.bid for each in votes.of(0, PREVOTE)] == [X]
    assert votes.cast(vote("a", Y, round=1)) is None
    assert votes.cast(vote("a", Y, type=PRECOMMIT)) is None


def test_precommits_decide_in_whatever_round_unless_for_none() -> None:
    votes = Votes("main", 1, MEMBERS)
    for who in "abc":
        votes.cast(vote(who, NIL, 3, PRECOMMIT))
    assert votes.decided() is None
    votes.accept(Qc("main", 1, 2, PRECOMMIT, Y, ()))
    assert votes.decided() is not None


def test_what_another_lacks_is_found_by_its_bitmap() -> None:
    votes, other = Votes("main", 1, MEMBERS), Votes("main", 1, MEMBERS)
    for who in "acd":
        votes.cast(vote(who))
    other.cast(vote("c"))
    assert other.bitmap(0, PREVOTE) == bytes([0b0100])
    assert [each.who for each in votes.missing(0, PREVOTE, other.bitmap(0, PREVOTE))] == ["a", "d"]


def test_old_rounds_are_forgotten_but_for_what_decides_or_is_locked() -> None:
    votes = Votes("main", 1, MEMBERS)
    for round in range(4):
        for who in "abc":
            votes.cast(vote(who, X, round, PREVOTE))
            votes.cast(vote(who, X, round, PRECOMMIT))
    votes.forget(3, {1})
    assert [round for round in range(4) if votes.qc(round, PREVOTE)] == [1, 3]
    assert all(votes.qc(round, PRECOMMIT) for round in range(4))
    assert [round for round in range(4) if votes.of(round, PREVOTE)] == [1, 3]

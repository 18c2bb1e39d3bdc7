"""Who votes: changed on the chain alone, a few at a time, two heights later; and what becomes of liars."""

from __future__ import annotations

import msgspec
import pytest
from ledgers import HASH, UTC, Keys, Ledger, genesis, party

from ledger.codec import Malformed, decode, digest, encode
from ledger.consensus import Consensus
from ledger.genesis import Genesis
from ledger.ports import Accuse, Send
from ledger.records import Accused, Enrolled, Loaded, Party, Revoked
from ledger.signing import Roll, sign
from ledger.state import AHEAD
from ledger.types import PRECOMMIT, PREVOTE, Evidence, Vote, VoteType

LOADED = Loaded("a", HASH, HASH)


def vote(ledger: Ledger, who: str, bid: bytes, height: int, round: int = 0, type: VoteType = PREVOTE) -> Vote:
    return sign(Keys(who), Vote(ledger.chain.id, height, round, type, bid, who))


def lie(ledger: Ledger, who: str, height: int) -> Accused:
    first, second = (vote(ledger, who, digest(bid), height) for bid in (b"x", b"y"))
    return Accused(Evidence(first, second))


def changes(ledger: Ledger, blocks: int) -> list[int]:
    """How many joined or went, block by block."""
    found = []
    for _ in range(blocks):
        before = set(ledger.chain.state.next_voting)
        ledger.decide()
        found.append(len(before ^ set(ledger.chain.state.next_voting)))
    return found


def test_a_change_counts_two_heights_later() -> None:
    ledger = Ledger(genesis())
    ledger.record("a", Enrolled(party("e")))
    height = ledger.decide().header.height
    for _ in range(AHEAD - 1):
        assert "e" not in ledger.chain.members
        block = ledger.decide()
    assert block.header.height == height + 1
    assert block.header.next_members != block.header.members
    assert ledger.chain.members == ("a", "b", "c", "d", "e")


@pytest.mark.parametrize(("members", "at_once"), [("abcd", 1), ("abcdefg", 2), ("abcdefghij", 3), ("a", 1)])
def test_fewer_than_a_third_change_in_a_block_and_none_is_forgotten(members: str, at_once: int) -> None:
    ledger = Ledger(genesis(members))
    for name in "uvwxyz":
        ledger.record("a", Enrolled(party(name)))
    made = changes(ledger, 10)
    assert max(made) >= at_once
    assert sum(made) == 6
    ledger.decide(AHEAD)
    assert set(ledger.chain.members) == {*members, *"uvwxyz"}
    sizes = len(members)
    for each in made:
        assert each <= max(1, (sizes - 1) // 3)
        sizes += each


def test_the_revoked_go_before_others_come() -> None:
    ledger = Ledger(genesis("abcd"))
    ledger.record("a", Enrolled(party("e")))
    ledger.record("a", Revoked("d", "stolen", weakens=True))
    ledger.decide(2)
    assert ledger.chain.members == ("a", "b", "c")
    ledger.decide()
    assert ledger.chain.members == ("a", "b", "c", "e")


def test_somebody_always_votes() -> None:
    parties = (party("a"), party("b", False, False, "commissioner"))
    ledger = Ledger(Genesis(1, "main", UTC, parties))
    ledger.record("b", Revoked("a", "the last"))
    ledger.decide()
    assert ledger.void == ["a is the last that votes"]
    ledger.record("b", Enrolled(party("c")))
    ledger.record("b", Revoked("a", "another is there"))
    ledger.decide()
    seen = []
    for _ in range(4):
        seen.append(ledger.chain.members)
        ledger.decide()
    assert seen == [("a",), ("a", "c"), ("c",), ("c",)]


def test_somebody_can_always_enrol() -> None:
    ledger = Ledger(genesis())
    ledger.record("a", Revoked("a", "the last"))
    ledger.decide()
    assert ledger.void == ["a is the last commissioner"]
    ledger.record("a", Enrolled(party("e", False, True, "commissioner")))
    ledger.record("a", Revoked("a", "e goes on", weakens=True))
    ledger.decide()
    assert ledger.void == []


def test_somebody_can_always_run_sessions() -> None:
    ledger = Ledger(genesis())
    ledger.record("a", Enrolled(party("e", False, False, "commissioner", "operator")))
    ledger.record("a", Revoked("a", "who is to run sessions now?", weakens=True))
    ledger.decide()
    assert ledger.void == ["a is the last dispatcher"]
    ledger.record("e", Enrolled(party("a", True, False)))
    ledger.decide()
    assert ledger.void == ["a is the last dispatcher"]
    ledger.record("a", Enrolled(party("e", False, True, "commissioner", "operator")))
    ledger.record("a", Revoked("a", "e goes on", weakens=True))
    ledger.decide()
    assert ledger.void == []


@pytest.mark.parametrize(
    ("parties", "why"),
    [
        ((party("a"), party("a")), "two parties of main have one name"),
        ((party("a"), Party("b", party("a").public, "b")), "two parties of main have one key"),
        ((party("a", member=False),), "1 to 256 parties of main vote"),
        (tuple(party(f"p{number}") for number in range(257)), "1 to 256 parties of main vote"),
    ],
)
def test_a_genesis_that_cannot_be_says_why(parties: tuple[Party, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Genesis(1, "main", UTC, parties)
    whole = msgspec.to_builtins(genesis())
    read = decode(encode([*whole[:4], msgspec.to_builtins(parties), *whole[5:]]), Genesis)
    assert isinstance(read, Malformed)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (Enrolled(party("b")), "b is enrolled already"),
        (Enrolled(Party("e", party("b").public, "thief")), "e has the key of another"),
        (Revoked("x", ""), "x is not enrolled"),
    ],
)
def test_a_change_that_means_nothing_says_why(wrong: Enrolled | Revoked, why: str) -> None:
    ledger = Ledger(genesis())
    ledger.record("a", wrong)
    ledger.decide()
    assert ledger.void == [why]


def test_a_revoked_members_vote_counts_no_more() -> None:
    ledger = Ledger(genesis("abcde"))
    ledger.record("a", Revoked("e", "stolen"))
    ledger.decide(2)
    chain = ledger.chain
    assert chain.members == tuple("abcd")
    block = chain.propose(chain.proposer(0), chain.state.time + 1)
    roll = Roll(chain.id, chain.height, chain.members, Keys())
    assert roll.certified(ledger.certificate(block, ("a", "b", "c")), PRECOMMIT)
    assert not roll.certified(ledger.certificate(block, ("a", "b", "e")), PRECOMMIT)
    node = Consensus("b", chain, Keys("b"))
    node.begin(UTC)
    node.receive(vote(ledger, "e", block.id, chain.height), UTC)
    assert not node.heard.votes.has(0, PREVOTE, "e")
    node.receive(vote(ledger, "d", block.id, chain.height), UTC)
    assert node.heard.votes.has(0, PREVOTE, "d")


def test_a_revoked_node_signs_nothing_itself() -> None:
    ledger = Ledger(genesis("abcde"))
    ledger.record("a", Revoked("e", "stolen"))
    ledger.decide(2)
    node = Consensus("e", ledger.chain, Keys("e"))
    outputs = node.begin(UTC) + node.work(UTC)
    assert node.silent
    assert not any(isinstance(output, Send) for output in outputs)


def test_what_a_revoked_party_left_waiting_does_not_stop_the_chain() -> None:
    ledger = Ledger(genesis("abcde"))
    ledger.record("a", Revoked("e", "stolen"))
    chain = ledger.chain
    revokes = chain.propose(chain.proposer(0), UTC + 1)
    ledger.record("e", LOADED)
    assert chain.has_work()
    ledger.take(revokes)
    assert not chain.has_work()
    assert "e is not enrolled" in chain.submit(ledger.tx("e", LOADED))
    ledger.record("b", LOADED)
    assert [tx.node for tx in ledger.decide().body] == ["b"]


def test_a_liar_comes_last_until_it_is_revoked_and_enrolled_anew() -> None:
    ledger = Ledger(genesis())
    ledger.decide()
    ledger.record("b", lie(ledger, "c", 1))
    ledger.record("d", lie(ledger, "c", 1))
    ledger.decide()
    assert ledger.void == ["c is accused already"]
    ledger.decide(40)
    assert "c" in ledger.chain.state.late
    ledger.record("a", Revoked("c", "repaired", weakens=True))
    ledger.record("b", lie(ledger, "c", 1))
    ledger.decide(AHEAD + 1)
    ledger.record("a", Enrolled(Party("c", HASH, "owner of c")))
    ledger.record("b", lie(ledger, "c", 1))
    ledger.decide()
    assert ledger.void == ["c was not enrolled then"]
    ledger.record("b", lie(ledger, "c", ledger.chain.state.height))
    ledger.decide()
    assert ledger.void == ["c was not enrolled then"]
    ledger.decide(40)
    assert "c" not in ledger.chain.state.admission.accused
    assert "c" in {ledger.commits[h].block.header.proposer for h in range(44, ledger.chain.height)}


def test_a_liar_proposes_no_block_while_others_may() -> None:
    ledger = Ledger(genesis())
    ledger.record("b", lie(ledger, "c", 1))
    ledger.decide()
    ledger.decide(30)
    assert "c" not in {ledger.commits[height].block.header.proposer for height in range(2, 32)}


def test_who_is_accused_on_the_chain_is_not_accused_again() -> None:
    ledger = Ledger(genesis())
    node = Consensus("b", ledger.chain, Keys("b"))
    node.begin(UTC)
    node.receive(vote(ledger, "c", digest(b"x"), 1), UTC)
    outputs = node.receive(vote(ledger, "c", digest(b"y"), 1), UTC)
    evidence = [output.evidence for output in outputs if isinstance(output, Accuse)]
    assert len(evidence) == 1
    ledger.record("b", Accused(evidence[0]))
    ledger.decide()
    again = Consensus("b", ledger.chain, Keys("b"))
    again.begin(UTC)
    for bid in (b"x", b"y"):
        outputs = again.receive(vote(ledger, "c", digest(bid), 2), UTC)
        assert not any(isinstance(output, Accuse) for output in outputs)

"""Who is answered: whoever is enrolled, within bounds; strangers cost nothing."""

from __future__ import annotations

import msgspec
import pytest
from ledgers import UTC, Keys

from ledger.chain import DecidedChain
from ledger.codec import digest
from ledger.consensus import Consensus
from ledger.genesis import Genesis
from ledger.gossip import EACH, ONLOOKERS, Gossip
from ledger.ports import Send
from ledger.records import Party
from ledger.signing import sign
from ledger.types import PRECOMMIT, UNSIGNED, Commit, Qc, Seal, Status, Vote
from ledger.whereabouts import Whereabouts

MEMBERS = ("a", "b", "c", "d")
WATCHERS = tuple(f"w{number}" for number in range(ONLOOKERS + 4))
GENESIS = Genesis(
    1, "main", UTC, tuple(Party(n, digest(n.encode()), n, member=n in MEMBERS) for n in (*MEMBERS, *WATCHERS))
)


class Nodes:
    """The members, all at the same height, and what they answer."""

    def __init__(self, heights: int = 2) -> None:
        self.gossip = {name: self._made(name, heights) for name in MEMBERS}

    def _made(self, name: str, heights: int) -> Gossip:
        commits: dict[int, Commit] = {}
        keys = Keys(name)
        chain = DecidedChain(GENESIS, keys, commits.get)
        for height in range(1, heights + 1):
            block = chain.propose(chain.proposer(0), UTC + height)
            votes = [
                sign(Keys(who), Vote(chain.id, height, 0, PRECOMMIT, block.id, who)) for who in MEMBERS[:3]
            ]
            seals = tuple(Seal(vote.who, vote.sig) for vote in votes)
            commits[height] = Commit(Qc(chain.id, height, 0, PRECOMMIT, block.id, seals), block)
            chain.commit(commits[height])
        gossip = Gossip(Consensus(name, chain, keys))
        keys.asked = 0
        return gossip

    def answers(self, status: Status) -> list[Send]:
        return [send for gossip in self.gossip.values() for send in gossip.answer(status)]

    @property
    def verified(self) -> int:
        return sum(gossip.consensus.keys.asked for gossip in self.gossip.values())  # type: ignore[attr-defined]


def told(who: str, count: int = 1, height: int = 1, by: str = "", **fields: object) -> Status:
    status = Status(GENESIS.chain, who, count, height, 0, b"", b"\0", b"\0", False, False, UNSIGNED)
    return sign(Keys(by or who), msgspec.structs.replace(status, **fields))


def test_an_onlooker_is_told_the_blocks_that_it_lacks() -> None:
    nodes = Nodes()
    answers = nodes.answers(told("w0"))
    assert {send.to for send in answers} == {"w0"}
    chain = DecidedChain(GENESIS, Keys("w0"), lambda height: None)
    onlooker = Consensus("w0", chain, Keys("w0"))
    onlooker.begin(UTC)
    for send in answers:
        onlooker.receive(send.message, UTC)
    assert chain.height == 3
    assert onlooker.silent


@pytest.mark.parametrize(
    "status",
    [told("stranger"), told("w0", chain="other-chain"), told("a", chain="other-chain")],
    ids=["stranger", "onlooker of another chain", "member on another chain"],
)
def test_who_is_not_of_the_chain_costs_no_signature(status: Status) -> None:
    nodes = Nodes()
    assert nodes.answers(status) == []
    assert nodes.verified == 0
    assert not any(gossip._heard for gossip in nodes.gossip.values())


def test_what_another_signed_is_not_answered() -> None:
    assert Nodes().answers(told("w0", by="w1")) == []


def test_a_status_is_answered_once_and_each_sender_a_few_times_between_ours() -> None:
    nodes = Nodes()
    assert nodes.answers(told("w0", 1))
    assert nodes.answers(told("w0", 1)) == []
    for count in range(2, EACH + 1):
        assert nodes.answers(told("w0", count))
    asked = nodes.verified
    assert nodes.answers(told("w0", EACH + 1)) == []
    assert nodes.verified == asked
    for gossip in nodes.gossip.values():
        gossip.status()
    assert nodes.answers(told("w0", EACH + 2))


def test_many_onlookers_leave_room_for_those_who_vote() -> None:
    nodes = Nodes()
    answered = [who for who in WATCHERS if nodes.answers(told(who))]
    assert answered == list(WATCHERS[:ONLOOKERS])
    assert nodes.answers(told("d"))


def test_onlookers_neither_answer_nor_place_a_node_that_lost_its_disk() -> None:
    commits: dict[int, Commit] = {}
    chain = DecidedChain(GENESIS, Keys("a"), commits.get)
    lost = Consensus("a", chain, Keys("a"), unsure=Whereabouts(1, 0, lost=True))
    gossip = Gossip(lost)
    for who in WATCHERS:
        gossip.answer(told(who, height=2**40))
    assert lost.resume(0) == []
    assert lost.silent
    onlooker = Gossip(Consensus("w0", chain, Keys("w0")))
    assert onlooker.answer(told("a", height=0)) == []

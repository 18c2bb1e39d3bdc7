"""Who is answered: whoever is enrolled, within bounds; strangers cost nothing."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import UTC, Keys

from ledger.catchup import BLOCKS, draw, place
from ledger.chain import DecidedChain
from ledger.codec import digest
from ledger.consensus import Consensus
from ledger.genesis import Genesis
from ledger.gossip import ASKED_ON, EACH, ONLOOKERS, Gossip
from ledger.ports import Output, Send
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


class Behind:
    """An onlooker that has nothing, and the members it asks; ``asked`` is what it said after each answer."""

    def __init__(self, heights: int) -> None:
        self.nodes = Nodes(heights)
        self.chain = DecidedChain(GENESIS, Keys("w0"), lambda height: None)
        self.gossip = Gossip(Consensus("w0", self.chain, Keys("w0")))
        self.gossip.consensus.begin(UTC)
        self.asked: list[Send] = []

    def hear(self, *members: str) -> None:
        """They tell how far they are."""
        for name in members:
            self.take([self.nodes.gossip[name].status()])

    def take(self, sends: list[Send]) -> None:
        for send in sends:
            for output in self.gossip.receive(send.message, UTC):  # type: ignore[arg-type]
                if isinstance(output, Send) and isinstance(output.message, Status):
                    self.asked.append(output)

    def go_on(self, deaf: tuple[str, ...] = ()) -> int:
        """Let what it asks be answered by all but the ``deaf``, until it asks no more; how many statuses."""
        count = 0
        while self.asked:
            send = self.asked.pop()
            count += 1
            assert isinstance(send.message, Status)
            asked = [send.to] if send.to else MEMBERS
            answers = [
                (name, self.nodes.gossip[name].answer(send.message)) for name in asked if name not in deaf
            ]
            for _, found in answers:
                self.take(found)
        return count


def test_who_lacks_many_blocks_asks_on_after_each_whole_answer_one_at_a_time() -> None:
    behind = Behind(10 * BLOCKS + 3)
    behind.hear(*MEMBERS)
    behind.asked = [behind.gossip.status()]
    assert behind.go_on() == 1 + 10
    assert behind.chain.height == 10 * BLOCKS + 3 + 1


def test_it_asks_several_whole_and_none_that_is_not_ahead() -> None:
    behind = Behind(10 * BLOCKS)
    behind.hear("b", "c", "d")
    behind.asked = [behind.gossip.status()]
    asked: list[str | None] = []
    taken = behind.take

    def watch(sends: list[Send]) -> None:
        taken(sends)
        asked.extend(send.to for send in behind.asked)
        for send in behind.asked:
            told = send.message
            assert isinstance(told, Status)
            assert draw("w0", told.count, told.height, MEMBERS)[0] == send.to

    behind.take = watch  # type: ignore[method-assign]
    behind.go_on()
    assert {"b", "c", "d"} >= set(asked) > {asked[0]}


def test_who_does_not_answer_is_passed_over() -> None:
    behind = Behind(12 * BLOCKS)
    statuses = 0
    while behind.chain.height <= 12 * BLOCKS:
        behind.hear("a", "b", "c", "d")
        behind.asked = [behind.gossip.status()]
        behind.go_on(deaf=("d",))
        statuses += 1
    assert statuses <= 3


def test_nobody_is_told_more_than_that_between_two_statuses_however_it_asks() -> None:
    nodes = Nodes(ASKED_ON * BLOCKS + 2 * BLOCKS)
    at, answers = 1, 0
    gossip = nodes.gossip["a"]
    for count in range(1, 4 * ASKED_ON):
        found: list[Output] = [*gossip.answer(told("w0", count, at))]
        answers += bool(found)
        at += BLOCKS if found else 0
    assert answers <= ASKED_ON
    repeated = [bool(gossip.answer(told("w1", count, 1))) for count in range(1, ASKED_ON)]
    assert sum(repeated) <= EACH


@given(st.integers(1, 20), st.integers(0, 9), st.integers(1, 9), st.integers(1, 5))
def test_a_place_is_that_in_the_draw(members: int, count: int, height: int, enough: int) -> None:
    names = tuple(f"n{number}" for number in range(members))
    for who in (*names, "onlooker"):
        order = draw(who, count, height, names)
        for me in order:
            assert place(me, who, count, height, names, enough) == min(enough, order.index(me))

"""Whatever one member signs and sends, a node holds no more than its bounds, and goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from ledgers import HASH, UTC, Keys, Ledger, genesis, party

from ledger import merkle
from ledger.chain import leaves
from ledger.codec import decode, digest, encode
from ledger.consensus import Consensus
from ledger.gossip import Gossip
from ledger.mempool import BYTES, WAITING, Mempool
from ledger.ports import Decided
from ledger.records import Enrolled, Loaded, transaction
from ledger.signing import sign
from ledger.types import (
    MAX_RECORD,
    PRECOMMIT,
    PREVOTE,
    Ballot,
    Block,
    Commit,
    Message,
    Proposal,
    Qc,
    Seal,
    Status,
    Tx,
    Vote,
)

LIAR = "d"
GENESIS = genesis("abcd")
MIB = 1024 * 1024
Flood = Callable[["Victim", int], Any]


class Victim:
    """An honest node that has heard of one decided block."""

    def __init__(self) -> None:
        self.ledger = Ledger(GENESIS)
        self.ledger.decide()
        self.chain = self.ledger.chain
        self.keys = Keys("b")
        self.consensus = Consensus("b", self.chain, self.keys)
        self.gossip = Gossip(self.consensus)
        self.consensus.begin(UTC)

    def hear(self, message: Message | Tx) -> None:
        if isinstance(message, Tx):
            self.chain.submit(message)
        elif isinstance(message, Status):
            self.gossip.answer(message)
        else:
            self.consensus.receive(message, UTC)

    @property
    def held(self) -> int:
        """Bytes of all that it holds."""
        return _size((self.consensus, self.gossip, self.chain), set())


def _size(value: Any, seen: set[int]) -> int:
    if id(value) in seen or isinstance(value, type):
        return 0
    seen.add(id(value))
    total = sys.getsizeof(value)
    if isinstance(value, dict):
        return total + sum(_size(key, seen) + _size(each, seen) for key, each in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return total + sum(_size(each, seen) for each in value)
    if isinstance(value, msgspec.Struct):
        return total + sum(_size(getattr(value, field), seen) for field in value.__struct_fields__)
    return total + sum(_size(each, seen) for each in getattr(value, "__dict__", {}).values())


def signed(vote: Vote) -> Vote:
    return sign(Keys(LIAR), vote)


def other_votes(node: Victim, number: int) -> Message:
    bid = digest(number.to_bytes(8))
    return signed(Vote(node.chain.id, node.chain.height, 0, PREVOTE, bid, LIAR))


def votes_of_far_rounds(node: Victim, number: int) -> Message:
    return signed(Vote(node.chain.id, node.chain.height, 70 + number, PRECOMMIT, HASH, LIAR))


def votes_of_near_rounds(node: Victim, number: int) -> Message:
    bid = digest(number.to_bytes(8))
    return signed(Vote(node.chain.id, node.chain.height, number % 64, PREVOTE, bid, LIAR))


def votes_of_the_next_height(node: Victim, number: int) -> Message:
    return signed(Vote(node.chain.id, node.chain.height + 1, number, PREVOTE, HASH, LIAR))


def votes_of_far_heights(node: Victim, number: int) -> Message:
    return signed(Vote(node.chain.id, node.chain.height + 2 + number, 0, PREVOTE, HASH, LIAR))


def votes_of_another_chain(node: Victim, number: int) -> Message:
    return signed(Vote(f"other{number}", node.chain.height, 0, PREVOTE, HASH, LIAR))


def _proposal(node: Victim, number: int, height: int, round: int, size: int = MIB) -> Proposal:
    """One with a body of that many bytes that is all its own."""
    body = tuple(
        Tx(1, node.chain.id, LIAR, seq, "loaded", digest(number.to_bytes(8)) * (MAX_RECORD // 32))
        for seq in range(1, size // MAX_RECORD + 1)
    )
    header = node.chain.propose(node.chain.proposer(0), UTC + number).header
    root = merkle.root(leaves(body))
    block = Block(msgspec.structs.replace(header, height=height, proposer=LIAR, body_root=root), body)
    said = sign(Keys(LIAR), Ballot(node.chain.id, height, round, block.id, LIAR))
    return Proposal(node.chain.id, height, round, None, LIAR, block, said.sig)


def _round(node: Victim, number: int) -> int:
    return next(r for r in range(4) if node.chain.proposer(r).node == LIAR) + 4 * number


def proposals_of_all_its_rounds(node: Victim, number: int) -> Message:
    return _proposal(node, number, node.chain.height, _round(node, number))


def proposals_of_the_next_height(node: Victim, number: int) -> Message:
    return _proposal(node, number, node.chain.height + 1, number % 7)


def oversized_proposals(node: Victim, number: int) -> Message:
    return _proposal(node, number, node.chain.height, _round(node, number), 3 * MIB)


def certificates_that_are_none(node: Victim, number: int) -> Message:
    seals = tuple(Seal(who, digest(number.to_bytes(8)) * 2) for who in "abc")
    return Qc(node.chain.id, node.chain.height, number % 100, PREVOTE, HASH, seals)


def commits_that_are_none(node: Victim, number: int) -> Message:
    block = _proposal(node, number, node.chain.height, 0).block
    seals = tuple(Seal(who, bytes(64)) for who in "abc")
    return Commit(Qc(node.chain.id, node.chain.height, 0, PRECOMMIT, block.id, seals), block)


def statuses(node: Victim, number: int) -> Message:
    return sign(
        Keys(LIAR),
        Status(node.chain.id, LIAR, number + 1, number, number, b"", b"\0", b"\0", False, False),
    )


def _tx(node: Victim, seq: int, number: int) -> Tx:
    record = Loaded("d", digest(number.to_bytes(8)), HASH)
    return sign(Keys(LIAR), transaction(node.chain.id, LIAR, seq, record))


def transactions_under_one_number(node: Victim, number: int) -> Tx:
    return _tx(node, 1, number)


def transactions_without_end(node: Victim, number: int) -> Tx:
    return _tx(node, number + 1, number)


def transactions_of_strangers(node: Victim, number: int) -> Tx:
    record = Loaded("d", digest(number.to_bytes(8)), HASH)
    return sign(Keys(f"z{number}"), transaction(node.chain.id, f"z{number}", 1, record))


def large_transactions(node: Victim, number: int) -> Tx:
    """Signed, and of no kind."""
    body = digest(number.to_bytes(8)) * (MAX_RECORD // 32)
    return sign(Keys(LIAR), Tx(1, node.chain.id, LIAR, number + 1, "loaded", body))


SMALL = (
    other_votes, votes_of_far_rounds, votes_of_near_rounds, votes_of_the_next_height, votes_of_far_heights,
    votes_of_another_chain, certificates_that_are_none, statuses, transactions_under_one_number,
    transactions_without_end, transactions_of_strangers,
)  # fmt: skip
LARGE = (
    proposals_of_all_its_rounds, proposals_of_the_next_height, oversized_proposals, commits_that_are_none,
    large_transactions,
)  # fmt: skip
CASES = [(flood, 20_000, 3 * MIB) for flood in SMALL] + [(flood, 100, 6 * MIB) for flood in LARGE]


@pytest.mark.parametrize(("flood", "count", "bound"), CASES, ids=lambda each: getattr(each, "__name__", ""))
def test_a_flood_fills_no_memory_and_does_not_stop_the_chain(flood: Flood, count: int, bound: int) -> None:
    node = Victim()
    before = node.held
    for number in range(count):
        message = flood(node, number)
        if count < 1_000:  # as it comes over the wire: nothing of it is shared
            message = decode(encode(message), type(message))
        node.hear(message)
    assert node.held - before < bound
    height = node.chain.height
    block = node.chain.propose(node.chain.proposer(0), UTC + 9)
    outputs = node.consensus.receive(Commit(node.ledger.certificate(block, ("a", "b", "c")), block), UTC)
    assert any(isinstance(output, Decided) for output in outputs)
    assert node.chain.height == height + 1


@pytest.mark.parametrize(
    ("flood", "verified"),
    [
        (votes_of_another_chain, 0),
        (votes_of_far_heights, 0),
        (transactions_of_strangers, 0),
        (votes_of_the_next_height, 8),
        (other_votes, 2),
        (statuses, 2),
        (transactions_under_one_number, 1),
        (transactions_without_end, WAITING),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_tells_nothing_new_costs_no_signature(flood: Flood, verified: int) -> None:
    node = Victim()
    node.keys.asked = node.ledger.keys.asked = 0
    for number in range(500):
        node.hear(flood(node, number))
    assert node.keys.asked + node.ledger.keys.asked == verified


def _waiting(seq: int, size: int) -> Tx:
    return Tx(1, "main", "a", seq, "loaded", bytes(size))


def sizes() -> Iterator[Tx]:
    for seq in range(40, 1, -1):
        yield _waiting(seq, MAX_RECORD - 200)


def test_a_mempool_holds_so_many_bytes_of_a_node_and_drops_the_later_ones() -> None:
    pool = Mempool()
    for tx in sizes():
        pool.add(tx, 0)
    assert sum(len(encode(tx)) for tx, _ in pool._waiting["a"].values()) <= BYTES
    assert pool.add(_waiting(1, MAX_RECORD - 200), 0)
    assert min(pool._waiting["a"]) == 1
    assert [tx.seq for tx in pool.ready({})] == sorted(pool._waiting["a"])
    assert not pool.add(_waiting(99, MAX_RECORD - 200), 0)
    pool.forget({"a": 40}, "a")
    assert (len(pool), pool._waiting, pool._bytes) == (0, {}, {})


def test_parties_have_bounds() -> None:
    ledger = Ledger(GENESIS)
    taken = ledger.chain.state
    taken.parties.update({f"p{number}": party(f"p{number}", member=False) for number in range(1_020)})
    ledger.record("a", Enrolled(party("one-more")))
    ledger.decide()
    assert ledger.void == ["there is no room for one-more"]

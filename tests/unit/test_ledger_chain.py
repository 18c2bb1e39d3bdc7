"""What may be the next block, what waits for one, and what decided blocks add up to."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.chain import DecidedChain
from ledger.codec import digest
from ledger.genesis import Genesis
from ledger.mempool import WAITING, Mempool
from ledger.records import Accused, Enrolled, Loaded, Party, Record, Revoked, transaction
from ledger.signing import sign
from ledger.state import AHEAD, State
from ledger.types import (
    PRECOMMIT,
    PREVOTE,
    Block,
    Commit,
    Evidence,
    Header,
    Qc,
    Tx,
    Vote,
)

UTC = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
PARTIES = tuple(
    Party(name, digest(name.encode()), name, True, name == "a", ("commissioner",) * (name == "a"))
    for name in "abcd"
)
GENESIS = Genesis(1, "main", UTC, PARTIES)
LOADED = Loaded("a", bytes(32), bytes(32))


class Keys:
    """Signatures by name."""

    def __init__(self, who: str = "") -> None:
        self.who = who

    def sign(self, context: str, data: bytes) -> bytes:
        return digest(self.who.encode(), context.encode(), data) * 2

    def verify(self, node: str, context: str, data: bytes, signature: bytes) -> bool:
        return signature == Keys(node).sign(context, data)


def tx(who: str, seq: int, record: Record = LOADED) -> Tx:
    return sign(Keys(who), transaction(GENESIS.chain, who, seq, record))


def fresh() -> DecidedChain:
    return DecidedChain(GENESIS, Keys(), {}.get)


def take(chain: DecidedChain, *txs: Tx) -> Block:
    """Decide a block of ``txs``."""
    for each in txs:
        assert chain.submit(each) == ""
    block = chain.propose(chain.proposer(0), chain.state.time + SECOND)
    assert chain.refuses(block, None) == ""
    chain.commit(Commit(Qc(chain.id, chain.height, 0, PRECOMMIT, block.id, ()), block))
    return block


def with_header(block: Block, **changes: object) -> Block:
    return Block(msgspec.structs.replace(block.header, **changes), block.body)


def other_root(block: Block) -> Block:
    return with_header(block, state_root=bytes(32))


def other_body(block: Block) -> Block:
    return Block(block.header, block.body[:-1])


def later_nonce(block: Block) -> Block:
    return with_header(block, nonce=block.header.nonce + 1)


def too_early(block: Block) -> Block:
    return with_header(block, time=UTC)


def too_late(block: Block) -> Block:
    return with_header(block, time=block.header.time + 3 * SECOND)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (other_root, "the header is not what follows"),
        (other_body, "the header is not what follows"),
        (later_nonce, "does not meet formula"),
        (too_early, "it is not later than the block before"),
        (too_late, "its time is +3.0 s from ours"),
    ],
)
def test_a_block_that_does_not_follow_is_refused(change: Callable[[Block], Block], why: str) -> None:
    chain = fresh()
    chain.submit(tx("b", 1))
    now = UTC + SECOND
    block = chain.propose(chain.proposer(0), now)
    assert chain.refuses(block, now) == ""
    assert why in chain.refuses(change(block), now)


def test_a_late_block_stands_once_it_is_not_new() -> None:
    chain = fresh()
    block = chain.propose(chain.proposer(0), UTC + 60 * SECOND)
    assert chain.refuses(block, UTC + SECOND) != ""
    assert chain.refuses(block, None) == ""


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (msgspec.structs.replace(tx("b", 1), sig=bytes(64)), "is not signed by it"),
        (msgspec.structs.replace(tx("b", 1), node="c"), "is not signed by it"),
        (msgspec.structs.replace(tx("b", 1), chain="other"), "is of chain other"),
        (tx("x", 1), "x is not enrolled"),
        (sign(Keys("b"), Tx(1, GENESIS.chain, "b", 1, "loaded", b"\x90")), "transaction 1 of b:"),
        (sign(Keys("b"), msgspec.structs.replace(tx("b", 1), kind="forced")), "a loaded in a transaction"),
    ],
)
def test_a_transaction_that_is_unsound_waits_for_nothing(wrong: Tx, why: str) -> None:
    chain = fresh()
    assert why in chain.submit(wrong)
    assert not chain.has_work()


def test_numbers_come_without_a_gap_and_once() -> None:
    chain = fresh()
    assert chain.submit(tx("b", 2)) == ""
    assert not chain.has_work()
    block = take(chain, tx("b", 1))
    assert [each.seq for each in block.body] == [1, 2]
    assert "here or taken already" in chain.submit(tx("b", 2))
    again = Block(chain.propose(chain.proposer(0), UTC + 9 * SECOND).header, (tx("b", 2),))
    assert chain.refuses(again, None) != ""


def evidence(**second: object) -> Evidence:
    first = Vote(GENESIS.chain, 3, 1, PREVOTE, digest(b"x"), "c")
    other = msgspec.structs.replace(first, **({"bid": digest(b"y")} | second))
    return Evidence(sign(Keys("c"), first), sign(Keys(other.who), other))


@pytest.mark.parametrize(
    ("shown", "proves"),
    [
        (evidence(), True),
        (evidence(bid=b""), True),
        (evidence(bid=digest(b"x")), False),
        (evidence(round=2), False),
        (evidence(height=4), False),
        (evidence(type=PRECOMMIT), False),
        (evidence(who="d"), False),
        (evidence(chain="other"), False),
        (Evidence(evidence().first, msgspec.structs.replace(evidence().second, sig=bytes(64))), False),
    ],
)
def test_evidence_is_two_signed_statements_that_exclude_each_other(shown: Evidence, proves: bool) -> None:
    chain = fresh()
    take(chain, tx("b", 1, Accused(shown)))
    assert chain.state.admission.accused == ({"c"} if proves else set())
    why = "is accused without proof"
    assert [entry[3].partition(" ")[2] for entry in chain.state.void] == ([] if proves else [why])


def test_members_change_two_heights_later_and_by_the_dispatcher_alone() -> None:
    chain = fresh()
    take(chain, tx("a", 1, Enrolled(Party("e", digest(b"e"), "e"))), tx("b", 1, Revoked("d", "mine")))
    assert [entry[1:] for entry in chain.state.void] == [("b", 1, "b may revoke nobody")]
    for height in range(2, 2 + AHEAD):
        assert ("e" in chain.members) == (height >= 1 + AHEAD), height
        take(chain)
    take(chain, tx("a", 2, Revoked("e", "sold")))
    assert "e" in chain.members
    assert "e is not enrolled" in chain.submit(tx("e", 1))
    take(chain)
    assert chain.members == ("a", "b", "c", "d")


def test_the_same_blocks_give_the_same_roots_and_proposers() -> None:
    one, other = fresh(), State(GENESIS)
    for number in range(1, 70):
        other.apply(take(one, tx("b", number)))
        assert (one.state.root, one.state.pom_root, one.state.late) == (
            other.root,
            other.pom_root,
            other.late,
        )
    assert list(one.state.order()) == list(other.order())
    assert one.state.late


SUBMITTED = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 12)), max_size=60)


@given(SUBMITTED)
def test_a_pool_gives_each_nodes_numbers_in_order_whatever_came_when(
    submitted: list[tuple[str, int]],
) -> None:
    pool, taken = Mempool(), dict[str, int]()
    for who, seq in submitted:
        pool.add(tx(who, seq), 0)
    ready = pool.ready(taken)
    for who in "abc":
        seqs = [each.seq for each in ready if each.node == who]
        there = {seq for name, seq in submitted if name == who}
        expected = next(n for n in range(14) if n + 1 not in there)
        assert seqs == list(range(1, expected + 1))
    assert pool.has_ready(taken) == bool(ready)


def test_a_pool_has_bounds() -> None:
    pool = Mempool()
    assert not pool.add(tx("a", WAITING + 1), 0)
    assert pool.add(tx("a", WAITING), 0)
    assert not pool.add(tx("a", WAITING), 0)
    assert not pool.add(tx("a", 3), 3)
    pool.forget({"a": WAITING}, "a")
    assert len(pool) == 0


def test_a_header_covers_every_field() -> None:
    header = fresh().propose(fresh().proposer(0), UTC + SECOND).header
    ids = {header.id}
    for field in Header.__struct_fields__:
        value = getattr(header, field)
        other = value + 1 if isinstance(value, int) else bytes(32) if isinstance(value, bytes) else "x"
        ids.add(msgspec.structs.replace(header, **{field: other}).id)
    assert len(ids) == len(Header.__struct_fields__) + 1

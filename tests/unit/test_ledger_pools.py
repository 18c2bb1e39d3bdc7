"""Pools: the main chain reserves nodes, and each pool has a chain of its own, that stops and goes on."""

from __future__ import annotations

import msgspec
import pytest
from ledgers import HASH, SECOND, UTC, Keys, Ledger
from pool_ledgers import HOUR, LOADED, OPENED, PARTIES, busy, opened, shown

from ledger.chain import DecidedChain
from ledger.codec import digest, encode
from ledger.consensus import Consensus
from ledger.contracts import pools
from ledger.contracts.pools import LONGEST
from ledger.genesis import Genesis
from ledger.ports import Output, Send, Start
from ledger.records import (
    Anchored,
    Demand,
    PoolClosed,
    PoolOpened,
    PoolPaused,
    PoolResumed,
    Record,
)

# --- reserving ------------------------------------------------------------------------------------------


def test_every_node_makes_the_same_genesis_from_the_main_chain() -> None:
    main, pool = opened()
    other = DecidedChain(PARTIES, Keys(), {}.get)
    for commit in main.commits.values():
        other.commit(commit)
    made = other.state.pools["mill"].genesis
    assert made == pool.genesis
    assert made.origin == digest(encode(main.commits[1].block.body[0]))
    assert pool.chain.members == ("b", "c", "d", "e")
    assert {each.node for each in made.parties if each.dispatcher} == {"a"}
    assert {each.node for each in made.parties if not each.member} == {"a", "x", "y"}


def test_the_same_pool_opened_twice_is_two_chains() -> None:
    main, pool = opened()
    proof = shown(pool, PoolClosed("mill"))
    main.record("a", Anchored("mill", proof))
    main.record("a", OPENED)
    main.decide()
    assert main.void == []
    assert main.chain.state.pools["mill"].genesis.chain != pool.genesis.chain


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"pool": "mill"}, "there is a pool mill"),
        ({"nodes": ("d", "f", "g", "h")}, "not free: d in mill"),
        ({"nodes": ("f", "g", "h", "z")}, "z cannot be reserved: not enrolled to vote"),
        ({"nodes": ("g", "f", "h", "x")}, "its nodes are not in order, each once"),
        ({"nodes": ("f", "f", "g", "h")}, "its nodes are not in order, each once"),
        ({"nodes": ("a", "f", "g", "x")}, "x cannot be reserved: not enrolled to vote"),
        ({"until": UTC}, "it would end -2 s from now; 604800 s at most"),
        ({"until": UTC + LONGEST + 3 * SECOND}, "it would end +604801 s from now; 604800 s at most"),
    ],
)
def test_what_cannot_be_reserved_is_told(wrong: dict[str, object], why: str) -> None:
    main, _ = opened()
    other = msgspec.structs.replace(OPENED, pool="lathe", nodes=("a", "f", "g", "h"))
    main.record("a", msgspec.structs.replace(other, **wrong))
    main.decide()
    assert main.void == [why]
    assert busy(main) == "bcde"


def test_three_nodes_are_no_pool_and_the_dispatcher_alone_reserves() -> None:
    main = Ledger(PARTIES)
    with pytest.raises(ValueError, match="length >= 4"):
        main.tx("a", msgspec.structs.replace(OPENED, nodes=("b", "c", "d")))
    main.seqs.clear()
    main.record("b", OPENED)
    main.decide()
    assert main.void == ["b is no dispatcher"]


def test_a_reservation_runs_out() -> None:
    main, _ = opened()
    assert busy(main) == "bcde"
    main.decide(time=UTC + HOUR - 1)
    assert busy(main) == "bcde"
    main.decide(time=UTC + HOUR)
    assert busy(main) == ""
    main.record("a", PoolOpened("lathe", "t2", ("a", "b", "f", "g"), UTC + 2 * HOUR))
    main.decide()
    assert busy(main) == "abfg"
    main.record("a", PoolResumed("mill", "t3", UTC + 2 * HOUR))
    main.decide()
    assert main.void == ["not free: b in lathe"]


def test_the_same_nodes_take_up_the_pool_they_have() -> None:
    main, pool = opened()
    main.record("a", Anchored("mill", shown(pool, PoolPaused("mill"))))
    main.decide()
    main.record("a", msgspec.structs.replace(OPENED, pool="again"))
    main.decide()
    assert main.void == ["pool mill has these nodes: resume it"]


def test_there_are_only_so_many_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    main, _ = opened()
    monkeypatch.setattr(pools, "MAX_POOLS", 1)
    main.record("a", PoolOpened("lathe", "t2", ("a", "f", "g", "h"), UTC + HOUR))
    main.decide()
    assert main.void == ["there are too many pools"]


def test_an_open_pool_is_held_for_longer() -> None:
    main, _ = opened()
    main.record("a", PoolResumed("mill", "t1", UTC + 2 * HOUR))
    main.decide()
    assert main.void == []
    main.decide(time=UTC + HOUR + 1)
    assert busy(main) == "bcde"


# --- a pool's chain stops and goes on ---------------------------------------------------------------------


def test_a_block_that_pauses_is_the_last() -> None:
    _, pool = opened()
    pool.record("a", PoolPaused("mill"))
    pool.record("a", PoolResumed("mill", "t2", UTC + HOUR))
    pool.decide()
    assert pool.void == ["mill is paused by this block"]
    chain = pool.chain
    block = chain.propose(chain.proposer(0), chain.state.time + 1)
    assert chain.refuses(block, None) == "the chain is paused"
    assert chain.rests()


def test_a_closed_chain_is_never_taken_up() -> None:
    _, pool = opened()
    pool.record("a", PoolClosed("mill"))
    pool.decide()
    pool.record("a", PoolResumed("mill", "t2", UTC + HOUR))
    chain = pool.chain
    assert not chain.has_work()
    block = chain.propose(chain.proposer(0), chain.state.time + 1)
    assert chain.refuses(block, None) == "the chain is closed"


def test_who_resumes_finds_room_however_much_waits() -> None:
    _, pool = opened()
    pool.record("a", PoolPaused("mill"))
    pool.decide()
    for who in "bcdex":
        for _ in range(250):
            pool.record(who, Demand("part", "f" * 256, "c" * 256, "w" * 256))
    for _ in range(250):
        pool.record("a", LOADED)
    assert len(pool.chain.waiting.ready(pool.chain.state.seqs)) < 6 * 250  # not all of it fits
    pool.record("a", PoolResumed("mill", "t2", UTC + HOUR))
    assert {tx.node for tx in pool.decide().body} == {"a"}
    assert pool.chain.state.run.state == "on"


def sent(outputs: list[Output]) -> list[Output]:
    return [each for each in outputs if isinstance(each, Send | Start)]


def test_a_paused_chain_says_and_waits_for_nothing_until_it_is_resumed() -> None:
    _, pool = opened()
    pool.record("a", PoolPaused("mill"))
    pool.decide()
    nodes = {name: Consensus(name, pool.chain, Keys(name)) for name in pool.chain.members}
    assert not any(sent(node.begin(UTC) + node.work(UTC)) for node in nodes.values())
    pool.record("b", LOADED)
    assert not any(sent(node.work(UTC)) for node in nodes.values())
    pool.record("a", PoolResumed("mill", "t2", UTC + HOUR))
    outputs = [output for node in nodes.values() for output in node.work(pool.chain.state.time)]
    assert any(isinstance(each, Send) for each in outputs)


@pytest.mark.parametrize(
    ("chain", "record"),
    [
        ("main", PoolPaused("mill")),
        ("main", PoolClosed("mill")),
        ("pool", OPENED),
    ],
)
def test_each_chain_takes_its_own_kinds(chain: str, record: Record) -> None:
    main, pool = opened()
    ledger = main if chain == "main" else pool
    ledger.record("a", record)
    ledger.decide()
    assert "means nothing on" in ledger.void[0]


# --- one node, several chains -------------------------------------------------------------------------------


def test_what_is_signed_for_one_chain_is_good_for_no_other() -> None:
    """The same keys on both: every message of the pool's chain, as it is and under the main chain's id."""
    main, pool = opened()
    pool.record("b", LOADED)
    node = Consensus("c", pool.chain, Keys("c"))
    said = [output.message for output in node.begin(UTC) + node.work(pool.chain.state.time + SECOND)
            if isinstance(output, Send)]  # fmt: skip
    block = pool.chain.propose(pool.chain.proposer(0), pool.chain.state.time + SECOND)
    certificate = pool.certificate(block)
    said += [*certificate.votes(), certificate]
    listener = Consensus("b", main.chain, Keys("b"))
    listener.begin(UTC)
    for message in said:
        for heard in (message, msgspec.structs.replace(message, chain=main.chain.id)):
            for height in (pool.chain.height, main.chain.height):
                replayed = msgspec.structs.replace(heard, height=height)
                assert sent(listener.receive(replayed, UTC)) == []
    assert not any(listener.heard.votes.of(0, kind) for kind in (1, 2))
    assert main.chain.height == 2
    tx = pool.chain._body()[0]
    assert "is of chain" in main.chain.submit(tx)
    assert "not signed by it" in main.chain.submit(msgspec.structs.replace(tx, chain=main.chain.id))


def test_chains_of_one_name_are_told_apart() -> None:
    ids = {
        Genesis(1, "main", UTC + number, PARTIES.parties, 64, origin).chain
        for number in range(3)
        for origin in (b"", HASH)
    }
    assert len(ids) == 6
    assert all(len(each) <= 32 for each in ids)

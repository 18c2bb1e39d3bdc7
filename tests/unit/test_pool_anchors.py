"""What is shown of a pool's chain on the main chain: proofs that its members signed free its nodes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from ledgers import UTC, Ledger, party
from pool_ledgers import HOUR, LOADED, busy, opened, shown

from ledger.light import Proof
from ledger.proof import prove
from ledger.records import Anchored, Enrolled, PoolClosed, PoolOpened, PoolPaused, PoolResumed, Revoked


def test_a_paused_pool_is_free_and_goes_on_for_a_later_task() -> None:
    main, pool = opened()
    pool.record("b", LOADED)
    pool.decide(3)
    main.record("c", Anchored("mill", shown(pool, PoolPaused("mill"))))
    main.decide()
    held = main.chain.state.pools["mill"]
    assert main.void == []
    assert (busy(main), held.anchored) == ("", (4, pool.commits[4].block.id))
    main.record("a", PoolResumed("mill", "t2", UTC + 2 * HOUR))
    main.decide()
    assert (busy(main), held.task) == ("bcde", "t2")
    pool.record("b", LOADED)
    assert not pool.chain.has_work()
    pool.record("a", PoolResumed("mill", "t2", UTC + 2 * HOUR))
    assert [tx.kind for tx in pool.decide().body] == ["pool-resumed"]
    assert [tx.kind for tx in pool.decide().body] == ["loaded"]
    main.record("c", Anchored("mill", shown(pool, PoolClosed("mill"))))
    main.decide()
    assert list(main.chain.state.pools) == []


def test_what_paused_a_pool_before_it_was_taken_up_again_does_not_free_it_again() -> None:
    main, pool = opened()
    paused = shown(pool, PoolPaused("mill"))
    main.record("b", Anchored("mill", paused))
    main.decide()
    main.record("a", PoolResumed("mill", "t2", UTC + HOUR))
    main.record("c", Anchored("mill", paused))  # who was slower than b
    main.decide()
    assert main.void == ["height 1 of " + pool.genesis.chain + " follows 1 of " + pool.genesis.chain]
    assert busy(main) == "bcde"
    assert not main.chain.state.pools["mill"].wants(1)
    pool.record("a", PoolResumed("mill", "t2", UTC + HOUR))
    pool.decide()
    main.record("b", Anchored("mill", shown(pool, PoolPaused("mill"))))
    main.decide()
    assert busy(main) == ""


def test_a_node_runs_the_pools_that_it_is_in_until_they_are_shown_to_be_paused() -> None:
    main, pool = opened()
    pools_of = main.chain.state.pools.of
    assert pools_of("f") == []
    main.decide(time=UTC + 2 * HOUR)  # it has run out, and is not paused
    main.record("a", PoolOpened("lathe", "t2", ("a", "b", "c", "f"), UTC + 3 * HOUR))
    main.decide()
    assert [(each.genesis.name, each.paused) for each in pools_of("b")] == [("lathe", False), ("mill", False)]
    main.record("e", Anchored("mill", shown(pool, PoolPaused("mill"))))
    main.decide()
    assert [(each.genesis.name, each.paused) for each in pools_of("b")] == [("lathe", False), ("mill", True)]
    assert main.chain.state.pools.of_nodes(("a", "b", "c", "f")) is pools_of("f")[0]
    assert main.chain.state.pools.of_nodes(("a", "b", "c")) is None


def test_a_running_pool_is_anchored_and_stays_reserved() -> None:
    main, pool = opened()
    for _ in range(3):
        main.record("b", Anchored("mill", shown(pool, LOADED, "b")))
        main.decide()
        assert main.void == []
    assert main.chain.state.pools["mill"].anchored[0] == 3
    assert busy(main) == "bcde"


def test_of_one_height_more_than_one_record_may_be_shown() -> None:
    main, pool = opened()
    pool.record("b", LOADED)
    pool.record("a", PoolPaused("mill"))
    pool.decide()
    for index in (1, 0):
        main.record("b", Anchored("mill", prove(pool.genesis, pool.commits.get, 1, index)))
    main.decide()
    assert main.void == []
    assert busy(main) == ""


def forged(proof: Proof) -> Proof:
    step = proof.steps[-1]
    seals = (*step.qc.seals[:-1], msgspec.structs.replace(step.qc.seals[-1], sig=bytes(64)))
    return _with_step(proof, qc=msgspec.structs.replace(step.qc, seals=seals))


def two_signed(proof: Proof) -> Proof:
    return _with_step(
        proof, qc=msgspec.structs.replace(proof.steps[-1].qc, seals=proof.steps[-1].qc.seals[:2])
    )


def another_header(proof: Proof) -> Proof:
    return _with_step(proof, header=msgspec.structs.replace(proof.steps[-1].header, height=9))


def another_record(proof: Proof) -> Proof:
    return msgspec.structs.replace(proof, tx=msgspec.structs.replace(proof.tx, seq=7))


def _with_step(proof: Proof, **changes: object) -> Proof:
    return msgspec.structs.replace(
        proof, steps=(*proof.steps[:-1], msgspec.structs.replace(proof.steps[-1], **changes))
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (forged, "height 2 has no certificate of its members"),
        (two_signed, "height 2 has no certificate of its members"),
        (another_header, "height 9 has no certificate of its members"),
        (another_record, "the transaction is not in the block at height 2"),
    ],
)
def test_what_the_pools_members_did_not_sign_frees_nobody(change: Callable[[Proof], Proof], why: str) -> None:
    main, pool = opened()
    pool.decide()
    main.record("b", Anchored("mill", change(shown(pool, PoolPaused("mill")))))
    main.decide()
    assert main.void == [why]
    assert busy(main) == "bcde"
    assert main.chain.state.pools["mill"].anchored[0] == 0


def test_what_another_chain_paused_frees_nobody() -> None:
    main, pool = opened()
    twin = Ledger(msgspec.structs.replace(pool.genesis, time=UTC + 7))  # the same people, another chain
    main.record("b", Anchored("mill", shown(twin, PoolPaused("mill"))))
    main.decide()
    assert "the proof is of chain" in main.void[0]


def test_an_anchor_never_goes_back_and_a_stranger_drops_none() -> None:
    main, pool = opened()
    first, second = shown(pool, LOADED, "b"), shown(pool, LOADED, "b")
    main.record("b", Anchored("mill", second))
    main.decide()
    main.record("c", Anchored("mill", first))
    main.decide()
    assert main.void[0].startswith("height 1 of ")
    main.record("h", Anchored("mill", second))
    main.decide()
    assert main.void == ["h has no part in mill"]


@pytest.mark.parametrize("who", ["b", "x"])
def test_who_is_no_dispatcher_pauses_nothing_and_frees_nobody(who: str) -> None:
    main, pool = opened()
    proof = shown(pool, PoolPaused("mill"), who)
    assert pool.void == [f"{who} may not do that to mill"]
    assert pool.chain.state.run.state == "on"
    main.record("b", Anchored("mill", proof))
    main.decide()
    assert main.void == []
    assert busy(main) == "bcde"


def test_a_pools_members_may_change_among_those_enrolled() -> None:
    main, pool = opened()
    for name in "fgh":
        pool.record("a", Enrolled(party(name)))
    for name in "bcd":
        pool.record("a", Revoked(name, "on another task", weakens=True))
    pool.decide(9)
    assert pool.chain.members == ("e", "f", "g", "h")
    proof = shown(pool, PoolPaused("mill"))
    assert len(proof.steps) > 1
    main.record("e", Anchored("mill", proof))
    main.decide()
    assert main.void == []
    assert busy(main) == ""


def test_a_pool_of_strangers_anchors_nothing() -> None:
    main, pool = opened()
    pool.record("a", Enrolled(party("z")))
    pool.decide(3)
    main.record("e", Anchored("mill", shown(pool, PoolPaused("mill"))))
    main.decide()
    assert main.void == ["height 4 has members who are not known by these keys"]


def test_who_is_revoked_on_the_main_chain_vouches_for_no_pool() -> None:
    main, pool = opened()
    main.record("a", Revoked("b", "stolen", weakens=True))
    main.decide()
    main.record("c", Anchored("mill", shown(pool, LOADED, "c")))
    main.decide()
    assert main.void == ["height 1 has members who are not known by these keys"]
    pool.record("a", Revoked("b", "stolen", weakens=True))
    pool.decide(2)
    main.record("c", Anchored("mill", shown(pool, PoolPaused("mill"))))
    main.decide()
    assert main.void == []
    assert busy(main) == ""

"""How long the rig waits for a record to become final, and what it says where it does not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from chain_made import HASH, Made

from gateway.net.identity import Identity
from gateway.net.reports import ChainState
from ledger.records import Completion, Record, SessionOpened
from ledger.store import StoreFailed
from ledger.types import Commit
from rig import chain as module
from rig.chain import CATCH_UP, FINAL, HOPE, NotFinal, RigChain, Submitted

RECORD = SessionOpened("s", "starter", HASH)


class World:
    """The clock, and what the rig's nodes have at each second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.made = Made(epoch=1)
        self.held: Callable[[float], int] = lambda now: len(self.made.commits)
        self.peers: tuple[str, ...] = self.made.chain.members
        self.failed = ""

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return int(self.now * 1e9)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Keeper:
    """In place of a node with its disk and connections."""

    world: World

    def __init__(self, line: str, identity: Identity, *_: object, **__: object) -> None:
        self.me, self.problem = identity.node, ""

    @property
    def shown(self) -> ChainState:
        return ChainState(True, "", "", peers=self.world.peers)

    def commit(self, height: int) -> Commit | None:
        if self.world.failed:
            raise StoreFailed(self.world.failed)
        return self.world.made.commits[height - 1] if height <= self.world.held(self.world.now) else None

    def record(self, record: Record) -> Future[int]:
        self.world.made.block((self.me, record))
        accepted: Future[int] = Future()
        accepted.set_result(self.world.made.seqs[self.me])
        return accepted


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(Keeper, "world", world, raising=False)
    monkeypatch.setattr(module, "time", world)
    monkeypatch.setattr(module, "ChainKeeper", Keeper)
    return world


def followed(world: World) -> RigChain:
    operator, inspector = Identity.create("rig"), Identity.create("inspector")
    return RigChain("starter", world.made.genesis, operator, inspector, (), Path())


def test_it_is_final_with_its_block_and_who_signed(world: World) -> None:
    chain = followed(world)
    world.made.block()
    settled = chain.settle(chain.submit(RECORD))
    assert (settled.height, settled.at, settled.members) == (2, 0, 2)
    assert [each.record for each in chain.decided] == [RECORD]
    assert chain.state.height == 2


def test_another_ones_record_of_that_number_is_not_ours(world: World) -> None:
    chain = followed(world)
    world.made.block(("inspector", Completion("w", 1, 0)))
    world.made.block(("glue", Completion("w", 1, 0)))
    assert chain.settle(chain.submit(RECORD)).height == 3


def test_another_record_of_ours_by_that_number_is_not_it(world: World) -> None:
    """It was made with our key at another desk; ours comes by a later number."""
    chain = followed(world)
    world.made.block(("rig", Completion("other", 1, 0)))
    number: Future[int] = Future()
    number.set_result(1)
    submitted = Submitted(RECORD, "rig", number)
    with pytest.raises(NotFinal):
        chain.settle(submitted, limit=2.0)
    world.made.block(("rig", RECORD))
    assert chain.settle(submitted).height == 2


def test_many_are_recorded_in_their_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    monkeypatch.setattr(module, "wait", lambda futures, limit: waited.append(futures[0].result()))
    chain = followed(world)
    last = chain.submit_all(Completion("w", number, 0) for number in range(600))
    assert last is not None
    assert last.number.result() == 600
    assert waited == [256, 512]
    chain.settle(last)
    assert [each.record for each in chain.decided] == [Completion("w", number, 0) for number in range(600)]
    assert chain.submit_all(()) is None


def test_without_a_quorum_it_does_not_hope_for_long(world: World) -> None:
    chain = followed(world)
    world.peers, world.held = ("glue",), lambda now: 0
    with pytest.raises(NotFinal, match="1 of 2 nodes are heard, 2 must sign"):
        chain.settle(chain.submit(RECORD))
    assert HOPE <= world.now < HOPE + 1


def test_with_a_quorum_that_decides_nothing_it_waits_its_time(world: World) -> None:
    chain = followed(world)
    world.held = lambda now: 0
    with pytest.raises(NotFinal, match="2 of 2 nodes are heard"):
        chain.settle(chain.submit(RECORD))
    assert FINAL <= world.now < FINAL + 1
    with pytest.raises(NotFinal):
        chain.settle(chain.submit(RECORD), limit=2.0)


def test_who_was_away_is_given_time_to_catch_up(world: World) -> None:
    chain = followed(world)
    for _ in range(1_500):
        world.made.block()
    submitted = chain.submit(RECORD)
    world.held = lambda now: min(16 * int(2 * now), 1_501)  # 16 blocks, twice a second
    assert chain.settle(submitted).height == 1_501
    assert world.now > FINAL


def test_but_not_for_ever(world: World) -> None:
    chain = followed(world)
    for _ in range(3_500):
        world.made.block()
    world.held = lambda now: min(10 * int(now), 3_500)  # the others are as quick
    with pytest.raises(NotFinal):
        chain.settle(chain.submit(RECORD))
    assert world.now <= CATCH_UP + 2 * FINAL


def test_a_disk_that_fails_is_said(world: World) -> None:
    chain = followed(world)
    submitted = chain.submit(RECORD)
    world.failed = "disk I/O error"
    with pytest.raises(NotFinal, match="disk I/O error"):
        chain.settle(submitted)
    refused: Future[int] = Future()
    refused.set_exception(StoreFailed("no room"))
    world.failed = ""
    with pytest.raises(NotFinal, match="no room"):
        chain.settle(Submitted(RECORD, "rig", refused))

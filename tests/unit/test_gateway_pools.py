"""Which pools' chains a node carries, and which of its nodes shows that one is paused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from ledgers import SECOND, UTC, Ledger, genesis

from gateway import pools as module
from gateway.net.reports import ChainState
from gateway.pools import MAX_CARRIED, Pools
from ledger.genesis import Genesis
from ledger.records import Anchored, PoolClosed, PoolOpened, PoolPaused, PoolResumed
from ledger.types import Commit

HOUR = 3_600 * SECOND
NODES = ("b", "c", "d", "e")


class Kept:
    """A keeper that runs nothing: the pool's chain is the one in ``chains``."""

    def __init__(self, genesis: Genesis, chains: dict[str, Ledger]) -> None:
        self._ledger = chains.get(genesis.name)
        self.runs: bool | None = None
        self.shown = ChainState(True, "", genesis.chain)

    @property
    def rests(self) -> bool:
        return self._ledger is not None and self._ledger.chain.state.run.state != "on"

    @property
    def last(self) -> Commit | None:
        commits = self._ledger.commits if self._ledger is not None else {}
        return commits.get(max(commits, default=0))

    def commit(self, height: int) -> Commit | None:
        assert self._ledger is not None
        return self._ledger.commits.get(height)

    def start(self) -> None:
        self.runs = True

    def stop(self) -> None:
        self.runs = False


class Line:
    """A line's chain, the pools' own, and what its nodes carry of them."""

    def __init__(self) -> None:
        self.main = Ledger(genesis("abcdefgh", "xy"))
        self.chains: dict[str, Ledger] = {}
        self.keepers: list[Kept] = []
        self.said: list[str] = []  # who has shown something

    def open(self, name: str, until: int, nodes: tuple[str, ...] = NODES) -> None:
        self.main.record("a", PoolOpened(name, "t1", nodes, until))
        self.main.decide()
        assert self.main.void == []
        self.chains[name] = Ledger(self.main.chain.state.pools[name].genesis)

    def node(self, me: str) -> Pools:
        def made(genesis: Genesis) -> Kept:
            self.keepers.append(Kept(genesis, self.chains))
            return self.keepers[-1]

        def show(record: Anchored) -> None:
            self.said.append(me)
            self.main.record(me, record)
            self.main.decide()

        return Pools(me, made, show)

    async def run(self, nodes: list[Pools], holds: Callable[[], bool]) -> None:
        tasks = [asyncio.create_task(each.run(lambda: self.main.chain.state)) for each in nodes]
        async with asyncio.timeout(30):
            while not holds():
                await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    monkeypatch.setattr(module, "TURN_S", 1.0)
    return Line()


def test_what_a_node_is_reserved_for_it_carries_and_nobody_else(line: Line) -> None:
    line.open("mill", UTC + HOUR)
    ours, others = line.node("b"), line.node("f")
    asyncio.run(line.run([ours, others], lambda: len(ours.running) == 1))
    assert [(kept.shown.chain, kept.runs) for kept in line.keepers] == [
        (line.chains["mill"].genesis.chain, False)  # ended with the node
    ]
    assert ours.running == {}


@pytest.mark.parametrize("record", [PoolPaused("mill"), PoolClosed("mill")])
def test_one_of_the_nodes_shows_the_end_and_all_give_it_up(
    line: Line, record: PoolPaused | PoolClosed
) -> None:
    line.open("mill", UTC + HOUR)
    own = line.chains["mill"]
    own.record("a", record)
    made = own.decide().header.proposer
    nodes = [line.node(name) for name in NODES]

    def given_up() -> bool:
        return len(line.keepers) == len(NODES) and not any(each.running for each in nodes)

    asyncio.run(line.run(nodes, given_up))
    assert line.said == [made]
    assert line.main.void == []
    assert line.main.chain.state.pools.busy(UTC) == {}
    assert all(kept.runs is False for kept in line.keepers)


def test_where_who_is_first_is_dead_the_next_one_shows_it(line: Line) -> None:
    line.open("mill", UTC + HOUR)
    own = line.chains["mill"]
    own.record("a", PoolPaused("mill"))
    made = own.decide().header.proposer
    nodes = [line.node(name) for name in NODES if name != made]
    asyncio.run(line.run(nodes, lambda: line.said != []))
    following = NODES[(NODES.index(made) + 1) % len(NODES)]
    assert line.said == [following]


def test_what_was_paused_before_it_was_taken_up_again_is_not_shown_again(line: Line) -> None:
    line.open("mill", UTC + HOUR)
    own = line.chains["mill"]
    own.record("a", PoolPaused("mill"))
    own.decide()
    first = line.node("b")
    asyncio.run(line.run([first], lambda: line.said != [] and not first.running))
    line.main.record("a", PoolResumed("mill", "t2", UTC + HOUR))
    line.main.decide()
    looks = 0

    def looked() -> bool:
        nonlocal looks
        looks += 1
        return looks > 300

    again = [line.node(name) for name in NODES]
    asyncio.run(line.run(again, looked))
    assert line.said == ["b"]


def test_it_carries_only_so_many_and_the_one_it_is_reserved_for_first(line: Line) -> None:
    others = [(*NODES[:3], last) for last in "afgh"] + [("a", "b", "f", "g")]
    for number, nodes in enumerate([NODES, *others]):  # each has run out when the next is made
        line.open(f"pool-{number}", UTC + (number + 1) * HOUR, tuple(sorted(nodes)))
        line.main.decide(time=UTC + (number + 1) * HOUR)
    line.open("now", UTC + 9 * HOUR, ("b", "c", "g", "h"))
    ours = line.node("b")
    carried: set[str] = set()

    def full() -> bool:
        carried.update(ours.running)
        return len(ours.running) >= MAX_CARRIED

    asyncio.run(line.run([ours], full))
    assert len(carried) == MAX_CARRIED
    assert line.chains["now"].genesis.chain in carried
    assert line.chains["pool-0"].genesis.chain not in carried
    assert ours.problem == "not carried: pool-2, pool-1, pool-0; pause pools that have run out"

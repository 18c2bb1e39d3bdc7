"""A main chain and a pool's chain on the same nodes with the same keys, in one storm: reserved, run, paused,
shown, taken up again; and nothing said on one means anything on the other."""

from __future__ import annotations

import random

from ledger_checks import watch_all
from sim_ledger import MS, SECOND, UTC, Faults, Node, World
from test_sim_ledger import LIES, STORM, heal

from ledger import codec
from ledger.ports import Output, Send
from ledger.proof import prove
from ledger.records import (
    Anchored,
    Loaded,
    PoolClosed,
    PoolOpened,
    PoolPaused,
    PoolResumed,
    Record,
    transaction,
)
from ledger.types import Vote

SEEDS = 40
SLICE = 50 * MS
CALM = 120 * SECOND
UNTIL = UTC + 24 * 3600 * SECOND
OPENED = PoolOpened("mill", "t1", ("n1", "n2", "n3", "n4"), UNTIL)


class Both:
    """Two worlds under one clock. What is said in one is heard in the other too, now and then."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(f"pools {seed}")
        self.seed = seed
        self.faults = Faults(
            drop=self.draw.choice([0, 0.1]),
            late=self.draw.choice([0, 0.1]),
            kills=self.draw.choice([0, 1, 2]),
        )
        members = self.draw.choice([5, 6, 7])
        liars = {f"n{number}": self.draw.choice(LIES) for number in range(1, members)}
        self.liars = dict(self.draw.sample(sorted(liars.items()), self.draw.randint(0, 1)))
        self.main = World(seed, members, self.liars, self.faults)
        self.pool: World | None = None
        self.begun = 0  # when the pool's world began
        self.heard = 0
        self._enter(self.main)

    def _enter(self, world: World) -> None:
        world.heal_at = STORM
        watch_all(world)
        world.watchers.append(lambda name, output: self._overhear(world, name, output))
        for name in world.names:
            world.start(name)
        for number in range(world.faults.kills):
            world.at(self.draw.randint(0, STORM), "kill", world.names[number + 1])

    def _overhear(self, world: World, name: str, output: Output) -> None:
        """The broker gives a message to nodes of the other chain; or a liar says it in the other's name."""
        other = self.main if world is self.pool else self.pool
        if other is None or not isinstance(output, Send) or self.draw.random() > 0.1:
            return
        message = output.message
        if isinstance(message, Vote) and name in self.liars:
            message = Vote(
                other.genesis.chain, *(getattr(message, each) for each in Vote.__struct_fields__[1:])
            )
        for receiver in OPENED.nodes:
            self.heard += 1
            other.at(MS, "message", (receiver, codec.encode(message)))

    @property
    def now(self) -> int:
        return self.main.now

    def until(self, limit: int, wanted: object) -> None:
        """Let time pass in both until ``wanted()``."""
        begin = self.now
        while not wanted():  # type: ignore[operator]
            assert self.now - begin < limit, (
                f"seed {self.seed}: not within {limit / SECOND:g} s\n"
                + "\n".join((self.pool or self.main).trace[-30:])
            )
            self.main.run(self.now + SLICE)
            if self.pool is not None:
                self.pool.run(self.now - self.begun)

    def decided(self, world: World, who: str, record: Record) -> tuple[int, int]:
        """Record it and wait until it is final at n0; its height and its place in the block."""
        world.at(0, "record", (who, record))
        body = transaction("x", who, 1, record).body
        found: list[tuple[int, int]] = []
        looked = 0

        def final() -> bool:
            nonlocal looked
            commits = world.disks["n0"].commits
            for height in range(looked + 1, max(commits, default=0) + 1):
                txs = commits[height].block.body
                found.extend((height, at) for at, tx in enumerate(txs) if (tx.node, tx.body) == (who, body))
                looked = height
            return bool(found)

        self.until(CALM, final)
        return found[0]

    def open(self) -> None:
        """Reserve the nodes; the pool's world begins with the genesis that follows at n0."""
        self.decided(self.main, "n0", OPENED)
        node = self.at_n0()
        liars = {name: lie for name, lie in self.liars.items() if name in OPENED.nodes}
        genesis = node.chain.state.pools["mill"].genesis
        self.pool = World(self.seed + 1, liars=liars, faults=self.faults, genesis=genesis)
        self.begun = self.now
        self._enter(self.pool)

    def end(self, record: PoolPaused | PoolClosed, by: str) -> None:
        """End the pool's blocks, and show that on the main chain."""
        assert self.pool is not None
        height, at = self.decided(self.pool, "n0", record)
        proof = prove(self.pool.genesis, self.pool.disks["n0"].commits.get, height, at)
        self.decided(self.main, by, Anchored("mill", proof))
        honest = set(OPENED.nodes) - self.liars.keys()
        self.until(CALM, lambda: all(self.height(name) == height for name in honest))
        self.until(3 * SECOND, lambda: self.now % (3 * SECOND) < SLICE)
        assert max(self.pool.disks["n0"].commits) == height, "a block follows the last one"

    def height(self, name: str) -> int:
        """As far as the pool's chain is final there."""
        return max(self.pool.disks[name].commits, default=0) if self.pool is not None else 0

    def at_n0(self) -> Node:
        """The dispatcher's node on the main chain, once it is up."""
        self.until(CALM, lambda: self.main.nodes["n0"] is not None)
        node = self.main.nodes["n0"]
        assert node is not None
        return node

    def busy(self) -> list[str]:
        node = self.at_n0()
        assert [why for *_, why in node.chain.state.void if "accused" not in why] == []
        return sorted(node.chain.state.pools.busy(node.chain.state.time))


def test_a_pool_is_run_paused_shown_and_taken_up_again(seed: int) -> None:
    both = Both(seed)
    both.open()
    assert both.busy() == sorted(OPENED.nodes)
    pool = both.pool
    assert pool is not None
    for name in OPENED.nodes:
        pool.at(both.draw.randint(0, SECOND), "submit", name)
    both.decided(pool, "n0", Loaded("n0", bytes(32), bytes(32)))
    for world in (both.main, pool):
        heal(world)
    both.end(PoolPaused("mill"), both.draw.choice(OPENED.nodes))
    assert both.busy() == []
    again = PoolResumed("mill", "t2", UNTIL)
    both.decided(both.main, "n0", again)
    assert both.busy() == sorted(OPENED.nodes)
    resumed, _ = both.decided(pool, "n0", again)
    both.until(
        CALM, lambda: all(both.height(name) > resumed + 1 for name in OPENED.nodes if name not in both.liars)
    )
    both.end(PoolClosed("mill"), both.draw.choice(OPENED.nodes))
    assert both.busy() == []
    assert both.heard > 50

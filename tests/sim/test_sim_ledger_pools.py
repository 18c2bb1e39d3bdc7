"""A main chain and pools' chains on the same nodes with the same keys, in one storm: reserved, run, paused,
shown, taken up again; and nothing said on one means anything on another."""

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


class Chains:
    """Worlds under one clock: the main chain's, and one for each pool. What is said in one is heard in the
    others too, now and then."""

    def __init__(self, seed: int, sizes: tuple[int, ...] = (5, 6, 7), liars: int = 1) -> None:
        self.draw = random.Random(f"pools {seed}")
        self.seed = seed
        self.faults = Faults(
            drop=self.draw.choice([0, 0.1]),
            late=self.draw.choice([0, 0.1]),
            kills=self.draw.choice([0, 1, 2]),
        )
        members = self.draw.choice(sizes)
        lies = {f"n{number}": self.draw.choice(LIES) for number in range(1, members)}
        self.liars = dict(self.draw.sample(sorted(lies.items()), self.draw.randint(0, liars)))
        self.main = World(seed, members, self.liars, self.faults)
        self.pools: dict[str, World] = {}
        self.nodes: dict[str, tuple[str, ...]] = {}  # of each pool
        self.begun: dict[str, int] = {}  # when each pool's world began
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
        if not isinstance(output, Send) or self.draw.random() > 0.1:
            return
        for pool, own in self.pools.items():
            if world not in (self.main, own):
                continue
            other, message = (own if world is self.main else self.main), output.message
            if isinstance(message, Vote) and name in self.liars:
                message = Vote(
                    other.genesis.chain, *(getattr(message, each) for each in Vote.__struct_fields__[1:])
                )
            for receiver in self.nodes[pool]:
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
                + "\n".join(line for world in self.worlds for line in world.trace[-30:])
            )
            self.main.run(self.now + SLICE)
            for name, world in self.pools.items():
                world.run(self.now - self.begun[name])

    @property
    def worlds(self) -> list[World]:
        return [self.main, *self.pools.values()]

    def kill(self, name: str, delay: int) -> None:
        """A gateway dies, and with it its part in every chain."""
        for world in self.worlds:
            if name in world.names:
                world.at(delay, "kill", name)

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

    def open(self, opened: PoolOpened = OPENED) -> World:
        """Reserve the nodes; the pool's world begins with the genesis that follows at n0."""
        self.decided(self.main, "n0", opened)
        genesis = self.at_n0().chain.state.pools[opened.pool].genesis
        liars = {name: lie for name, lie in self.liars.items() if name in opened.nodes}
        number = len(self.pools) + 1
        world = World(self.seed + number, liars=liars, faults=self.faults, genesis=genesis)
        self.pools[opened.pool], self.nodes[opened.pool] = world, opened.nodes
        self.begun[opened.pool] = self.now
        self._enter(world)
        return world

    def end(self, record: PoolPaused | PoolClosed, by: str) -> int:
        """End the pool's blocks, and show that on the main chain; the last one's height."""
        pool = self.pools[record.pool]
        height, at = self.decided(pool, "n0", record)
        proof = prove(pool.genesis, pool.disks["n0"].commits.get, height, at)
        self.decided(self.main, by, Anchored(record.pool, proof))
        honest = self.honest(record.pool)
        self.until(CALM, lambda: all(self.height(name, record.pool) == height for name in honest))
        self.until(3 * SECOND, lambda: self.now % (3 * SECOND) < SLICE)
        assert max(pool.disks["n0"].commits) == height, "a block follows the last one"
        return height

    def recorded(self, pool: str) -> set[str]:
        """Whose records are final on the pool's chain."""
        commits = self.pools[pool].disks["n0"].commits.values()
        return {tx.node for commit in commits for tx in commit.block.body}

    def honest(self, pool: str) -> list[str]:
        return [name for name in self.nodes[pool] if name not in self.liars]

    def height(self, name: str, pool: str = "mill") -> int:
        """As far as the pool's chain is final there."""
        return max(self.pools[pool].disks[name].commits, default=0)

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
    both = Chains(seed)
    pool = both.open()
    assert both.busy() == sorted(OPENED.nodes)
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

"""One gateway on several chains: the line's, and that of a pool, with one key, over one connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.net.bus import Bus
from gateway.net.chainbus import ChainBus
from gateway.net.identity import Identity
from ledger.codec import digest
from ledger.genesis import Genesis
from ledger.node import Node
from ledger.ports import Timing
from ledger.proof import prove
from ledger.records import Anchored, Loaded, Party, PoolOpened, PoolPaused, PoolResumed, Record
from ledger.store import Store, StoreFailed
from rig.broker import Broker

NODES = ("a", "b", "c", "d")
RIG = "rig"  # the dispatcher, who has no vote: on every chain an onlooker
IDLE = Timing(idle=300_000_000)
HOUR = 3_600_000_000_000


class House:
    """Gateways with a key and a connection each, and a node for every chain that they are on."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.identities = {name: Identity.create(name) for name in (*NODES, RIG)}
        self.buses = {name: Bus(name, [url], loop=asyncio.get_running_loop()) for name in self.identities}
        self.nodes: dict[tuple[str, str], Node] = {}

    def path(self, name: str, genesis: Genesis) -> Path:
        return self.folder / f"{name}-{genesis.chain}.sqlite"

    async def join(self, genesis: Genesis) -> None:
        """Everybody takes up the chain."""
        for name in self.identities:
            carried = ChainBus(self.buses[name], genesis.chain, name, self._hears(name, genesis.chain))
            store = Store(self.path(name, genesis), genesis)
            self.nodes[name, genesis.chain] = Node(
                name, genesis, self.identities[name], store, carried, timing=IDLE
            )
        for name in self.identities:
            await self.nodes[name, genesis.chain].start()

    def _hears(self, name: str, chain: str) -> Callable[[bytes], None]:
        return lambda data: self.nodes[name, chain].receive(data)

    async def final(self, who: str, chain: str, record: Record) -> tuple[int, int]:
        """Record it; its height and its place in the block, once it is final there."""
        node = self.nodes[who, chain]
        seq = await node.submit(record)
        height = await node.final(seq)
        while True:  # final by then: in that block or one before
            commit = node.store.decided(height)
            assert commit is not None
            for index, tx in enumerate(commit.block.body):
                if (tx.node, tx.seq) == (who, seq):
                    return height, index
            height -= 1

    async def leave(self) -> None:
        for node in self.nodes.values():
            await node.stop()
            node.store.close()
        for bus in self.buses.values():
            await asyncio.to_thread(bus.close)


async def play(folder: Path, url: str) -> None:
    house = House(folder, url)
    parties = tuple(
        Party(name, identity.public_bytes, f"owner of {name}", name != RIG, name == RIG)
        for name, identity in house.identities.items()
    )
    main = Genesis(1, "main", time.time_ns(), parties)
    try:
        for bus in house.buses.values():
            bus.start()
            await asyncio.to_thread(bus.wait_ready, 10)
        await house.join(main)
        until = time.time_ns() + HOUR
        await house.final(RIG, main.chain, PoolOpened("mill", "t1", NODES, until))

        opened = house.nodes[RIG, main.chain].chain.state
        pool = opened.pools["mill"].genesis
        Store(folder / "taken.sqlite", main).close()
        with pytest.raises(StoreFailed, match="another chain"):
            Store(folder / "taken.sqlite", pool)
        await house.join(pool)
        await house.final("b", pool.chain, Loaded("b", digest(b"program"), digest(b"configuration")))
        made = {house.nodes[name, main.chain].chain.state.pools["mill"].genesis for name in NODES}
        assert made == {pool}

        height, index = await house.final(RIG, pool.chain, PoolPaused("mill"))
        proof = prove(pool, house.nodes[RIG, pool.chain].store.decided, height, index)
        await house.final("c", main.chain, Anchored("mill", proof))
        free = house.nodes["c", main.chain].chain.state
        assert list(free.void) == []
        assert free.pools.busy(free.time) == {}
        assert free.pools["mill"].anchored[0] == height

        again = PoolResumed("mill", "t2", until)
        await house.final(RIG, main.chain, again)
        resumed, _ = await house.final(RIG, pool.chain, again)
        assert resumed == height + 1
        await house.final("d", pool.chain, Loaded("d", digest(b"program"), digest(b"configuration")))
        for (_, chain), node in house.nodes.items():
            assert node.malformed == 0
            blocks = (node.store.decided(each) for each in range(1, node.chain.height))
            assert {each.block.header.chain for each in blocks if each} == {chain}
    finally:
        await house.leave()


def test_a_pool_runs_beside_the_main_chain(tmp_path: Path) -> None:
    with Broker(tmp_path) as broker:

        async def bounded() -> None:
            async with asyncio.timeout(180):
                await play(tmp_path, f"mqtt://127.0.0.1:{broker.port}")

        asyncio.run(bounded())

"""Nodes with real disks, keys and a broker: records become final everywhere, whoever is away meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.net.bus import Bus
from gateway.net.chainbus import ChainBus
from gateway.net.identity import Identity
from ledger.codec import digest
from ledger.genesis import Genesis
from ledger.node import Node
from ledger.ports import Timing
from ledger.proof import Proven, prove, verify
from ledger.records import Loaded, Party, read
from ledger.store import Store, StoreFailed
from ledger.types import Commit
from rig.broker import Broker

NAMES = ("a", "b", "c", "d")
IDLE = Timing(idle=300_000_000)
PROGRAM = Loaded("infeed", digest(b"program"), digest(b"configuration"))


class Chain:
    """Four nodes that can be stopped and started again."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.identities = {name: Identity.create(name) for name in NAMES}
        parties = tuple(
            Party(name, identity.public_bytes, f"owner of {name}")
            for name, identity in self.identities.items()
        )
        self.genesis = Genesis(1, "main", time.time_ns(), parties)
        self.nodes: dict[str, Node] = {}
        self.buses: dict[str, Bus] = {}
        self.heights: dict[str, list[int]] = {name: [] for name in NAMES}
        self.blocks: dict[int, bytes] = {}
        self.deaf: set[str] = set()  # who hears nothing of the others

    def decided(self, name: str, commit: Commit) -> None:
        height = commit.qc.height
        assert self.blocks.setdefault(height, commit.block.id) == commit.block.id
        self.heights[name].append(height)

    def hears(self, name: str, data: bytes) -> None:
        if name not in self.deaf:
            self.nodes[name].receive(data)

    async def start(self, name: str, lost: bool = False) -> Node:
        bus = Bus(name, [self.url], loop=asyncio.get_running_loop())
        store = Store(self.folder / f"{name}.chain", self.genesis)
        carried = ChainBus(bus, self.genesis.chain, name, lambda data: self.hears(name, data))
        node = self.nodes[name] = Node(
            name, self.genesis, self.identities[name], store, carried,
            lambda commit: self.decided(name, commit), IDLE, lost,
        )  # fmt: skip
        self.buses[name] = bus
        bus.start()
        await asyncio.to_thread(bus.wait_ready, 60)
        await node.start()
        return node

    async def stop(self, name: str) -> None:
        node = self.nodes.pop(name)
        await node.stop()
        await asyncio.to_thread(self.buses.pop(name).close)
        node.store.close()

    async def all_sign(self) -> None:
        """Wait until every running node votes."""
        async with asyncio.timeout(60):
            while any(node.consensus.silent for node in self.nodes.values()):
                await asyncio.sleep(0.02)

    async def all_at(self, height: int) -> None:
        """Wait until every running node has decided ``height``, and has it on its disk."""
        async with asyncio.timeout(60):
            while any(node.store.decided(height) is None for node in self.nodes.values()):
                await asyncio.sleep(0.02)  # several chains on one loop: there is no single event


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with Broker(tmp_path) as broker:
        yield f"mqtt://127.0.0.1:{broker.port}"


@asynccontextmanager
async def chain(folder: Path, url: str) -> AsyncIterator[Chain]:
    made = Chain(folder, url)
    try:
        for name in NAMES:
            await made.start(name)
        yield made
    finally:
        for name in list(made.nodes):
            await made.stop(name)


def test_a_record_becomes_final_everywhere_and_proves(tmp_path: Path, url: str) -> None:
    async def play() -> None:
        async with chain(tmp_path, url) as made:
            node = made.nodes["b"]
            async with asyncio.timeout(60):
                height = await node.final(await node.submit(PROGRAM))
            await made.all_at(height)
            commit = made.nodes["c"].store.decided(height)
            assert commit is not None
            proof = prove(made.genesis, made.nodes["c"].store.decided, height, 0)
            shown = verify(proof, made.genesis)
            assert isinstance(shown, Proven)
            assert (shown.node, shown.record) == ("b", PROGRAM)

    asyncio.run(play())


def test_who_was_away_catches_up_and_what_it_accepted_is_not_lost(tmp_path: Path, url: str) -> None:
    async def play() -> None:
        async with chain(tmp_path, url) as made:
            await made.all_sign()
            seq = await made.nodes["d"].submit(PROGRAM)
            await made.stop("d")  # accepted, and perhaps not yet told to anybody
            at = made.nodes["a"].chain.height
            await made.all_at(at + 2)
            back = await made.start("d")
            async with asyncio.timeout(60):
                await back.final(seq)
            assert back.chain.height > at

    asyncio.run(play())


def test_a_node_whose_disk_is_lost_signs_again_only_when_it_is_safe(tmp_path: Path, url: str) -> None:
    async def play() -> None:
        async with chain(tmp_path, url) as made:
            await made.all_sign()
            await made.stop("c")
            (tmp_path / "c.chain").rename(tmp_path / "c.lost")
            made.deaf.add("c")
            back = await made.start("c", lost=True)
            assert back.store.fresh
            assert back.consensus.silent
            made.deaf.clear()
            async with asyncio.timeout(60):
                while back.consensus.silent:
                    await asyncio.sleep(0.02)
            assert back.chain.height >= back.consensus.silent_until > 1

    asyncio.run(play())


def test_what_is_accepted_on_an_old_disk_gets_a_number_that_is_free(tmp_path: Path, url: str) -> None:
    first, second = Loaded("infeed", digest(b"1"), digest(b"")), Loaded("infeed", digest(b"2"), digest(b""))

    async def play() -> None:
        async with chain(tmp_path, url) as made:
            await made.all_sign()
            await made.stop("d")
            path = tmp_path / "d.chain"
            old = path.read_bytes()
            node = await made.start("d")
            async with asyncio.timeout(60):
                await node.final(await node.submit(PROGRAM))
                at = await node.final(await node.submit(first))
            await made.stop("d")
            path.write_bytes(old)
            made.deaf.add("d")
            back = await made.start("d")
            seq = await back.submit(second)
            assert back.chain.height <= at  # it does not know yet that this number is taken
            made.deaf.clear()
            async with asyncio.timeout(60):
                height = await back.final(seq)
            commits = [back.store.decided(each) for each in range(1, height + 1)]
            txs = [tx for commit in commits if commit is not None for tx in commit.block.body]
            assert [read(tx) for tx in txs if tx.node == "d"] == [PROGRAM, first, second]

    asyncio.run(play())


def test_a_store_refuses_what_is_not_its_own(tmp_path: Path) -> None:
    one = Genesis(1, "one", 0, (Party("a", bytes(32), "x"),))
    Store(tmp_path / "one", one).close()
    with pytest.raises(StoreFailed, match="another chain") as refused:
        Store(tmp_path / "one", Genesis(1, "two", 0, one.parties))
    Store(tmp_path / "one", one).close()  # nothing holds it, as long as the refusal is remembered
    assert refused.value
    (tmp_path / "text").write_text("not a database " * 1000)
    with pytest.raises(StoreFailed, match="not a database"):
        Store(tmp_path / "text", one)

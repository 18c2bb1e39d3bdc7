"""What a node holds, and how it ends: bounded queues, a disk that fails, a clean stop, and one for all."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.net.identity import Identity
from ledger import codec, relay
from ledger import node as node_module
from ledger.codec import digest
from ledger.genesis import Genesis
from ledger.mempool import WAITING
from ledger.node import Ended, Node
from ledger.ports import TIMING, Timing
from ledger.records import Loaded, Party
from ledger.store import Store, StoreFailed
from ledger.types import Batch, Message, Tx

PROGRAM = Loaded("infeed", digest(b"program"), digest(b"configuration"))
SOON_S = 60.0
SECOND = 1_000_000_000


class Wires:
    """Joins nodes within one loop, in order and without loss; counts what is said to all."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.to_all: Counter[str] = Counter()

    def of(self, me: str) -> Wire:
        return Wire(self, me)


class Wire:
    """One node's end."""

    def __init__(self, wires: Wires, me: str) -> None:
        self._wires, self._me = wires, me

    def publish(self, data: bytes, to: str | None) -> None:
        if to is None:
            self._wires.to_all[type(codec.decode(data, Message | Tx | Batch)).__name__] += 1
        for name in [to] if to else [name for name in self._wires.nodes if name != self._me]:
            asyncio.get_running_loop().call_soon(self._wires.nodes[name].receive, data)


@asynccontextmanager
async def chain(folder: Path, members: int = 1, timing: Timing = TIMING) -> AsyncIterator[Wires]:
    identities = [Identity.create(f"n{number:02}") for number in range(members)]
    parties = tuple(Party(each.node, each.public_bytes, each.node) for each in identities)
    genesis = Genesis(1, "main", time.time_ns(), parties)
    wires = Wires()
    for identity in identities:
        store = Store(folder / f"{identity.node}.chain", genesis)
        wires.nodes[identity.node] = Node(
            identity.node, genesis, identity, store, wires.of(identity.node), timing=timing
        )
    try:
        for node in wires.nodes.values():
            await node.start()
        async with asyncio.timeout(SOON_S):
            while any(node.consensus.silent for node in wires.nodes.values()):
                await asyncio.sleep(0.01)  # each has heard where the others stand: there is no event for that
        yield wires
    finally:
        for node in wires.nodes.values():
            await node.stop()
            node.store.close()


def test_more_than_a_pool_takes_becomes_final(tmp_path: Path) -> None:
    async def play() -> None:
        async with chain(tmp_path) as wires, asyncio.timeout(SOON_S):
            node = wires.nodes["n00"]
            seqs = await asyncio.gather(*(node.submit(PROGRAM) for _ in range(2 * WAITING + 10)))
            assert sorted(seqs) == list(range(1, 2 * WAITING + 11))
            await node.final(max(seqs))

    asyncio.run(play())


def test_votes_and_transactions_of_a_large_chain_go_by_one_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow this machine is, nobody is to lose patience here.
    monkeypatch.setattr(relay, "LATE", 60 * SECOND)
    patient = Timing(propose=60 * SECOND, vote=60 * SECOND)

    async def play() -> None:
        async with chain(tmp_path, 13, patient) as wires, asyncio.timeout(SOON_S):
            await asyncio.gather(*(await_final(node) for node in wires.nodes.values()))
            assert wires.to_all["Vote"] == 0
            assert wires.to_all["Qc"] >= 2
            assert wires.to_all["Batch"] >= 1

    async def await_final(node: Node) -> None:
        await node.final(await node.submit(PROGRAM))

    asyncio.run(play())


def test_a_record_that_no_chain_takes_is_refused_and_takes_no_number(tmp_path: Path) -> None:
    async def play() -> None:
        async with chain(tmp_path) as wires, asyncio.timeout(SOON_S):
            node = wires.nodes["n00"]
            with pytest.raises(ValueError, match="cannot be"):
                await node.submit(Loaded("No Id", bytes(32), bytes(32)))
            assert await node.final(await node.submit(PROGRAM)) == 1

    asyncio.run(play())


def test_a_disk_that_fails_ends_the_node_and_everybody_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        async with chain(tmp_path) as wires, asyncio.timeout(SOON_S):
            node = wires.nodes["n00"]
            waiter = asyncio.create_task(node.final(99))
            await node.final(await node.submit(PROGRAM))
            node.store.close()
            with pytest.raises(StoreFailed, match="closed database"):
                await node.submit(PROGRAM)
            for told in (node.ended(), waiter, node.submit(PROGRAM), node.final(99)):
                with pytest.raises(StoreFailed):
                    await told

    asyncio.run(play())
    assert "has ended" in caplog.text


def test_a_stop_fails_who_waits_and_keeps_what_was_accepted(tmp_path: Path) -> None:
    async def play() -> None:
        async with chain(tmp_path) as wires, asyncio.timeout(SOON_S):
            node = wires.nodes["n00"]
            seq = await node.submit(PROGRAM)
            waiter = asyncio.create_task(node.final(99))
            await asyncio.sleep(0)
            await node.stop()
            await node.ended()
            with pytest.raises(Ended):
                await waiter
            with pytest.raises(Ended):
                await node.submit(PROGRAM)
            assert [tx.seq for tx in node.store.waiting(0, 10)] == [seq]
            await node.stop()  # once more does no harm

    asyncio.run(play())


def test_messages_are_dropped_while_the_disk_hangs_and_nothing_accepted_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "OUTBOX", 4)

    async def play() -> None:
        async with chain(tmp_path, 4) as wires, asyncio.timeout(SOON_S):
            node = wires.nodes["n00"]
            with node.store._lock:
                submitted = [asyncio.create_task(node.submit(PROGRAM))]
                await asyncio.sleep(0)
                while node._outbox:  # until the disk has it
                    await asyncio.sleep(0)
                submitted += [asyncio.create_task(node.submit(PROGRAM)) for _ in range(8)]
                await asyncio.sleep(0)
                before = node.dropped
                other = wires.nodes["n01"]
                wires.of("n01").publish(codec.encode(other.gossip.status().message), "n00")
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                assert node.dropped > before
                assert len(node._outbox) == 8
            for seq in await asyncio.gather(*submitted):
                await node.final(seq)

    asyncio.run(play())

"""One node of a chain as a process under load: it submits at an offered rate, and notes when what is final.

The load is open: a record is due at its instant whether or not the ones before it are final, and its time
counts from then. All processes of one machine share the monotonic clock.
"""

from __future__ import annotations

import asyncio
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from gateway.net.bus import Bus
from gateway.net.chainbus import ChainBus
from gateway.net.identity import Identity
from ledger.codec import digest
from ledger.genesis import Genesis
from ledger.node import Node
from ledger.records import Loaded
from ledger.store import Store
from ledger.types import Commit

READY_S = 120.0
DRAIN_S = 30.0
TICK_S = 0.005  # records due within one tick are submitted together


class Spec(msgspec.Struct, frozen=True):
    """What a node is given."""

    identity: Identity
    genesis: Genesis
    url: str
    folder: Path


class Load(msgspec.Struct, frozen=True):
    """``rate`` records a second for ``seconds``, from ``since`` (ns, monotonic)."""

    rate: float
    seconds: float
    since: int


class Noted(msgspec.Struct):
    """What a node saw. Times are ns, monotonic."""

    node: str
    due: dict[int, int]  # our transaction -> when it was to be submitted
    block_of: dict[int, int]  # our transaction -> the height at which it is final
    decided: dict[int, int]  # height -> when it was final here
    sizes: dict[int, int]  # height -> transactions
    rounds: dict[int, int]
    cpu: float  # s, under load
    elapsed: float  # s, under load
    memory: float  # MB, resident
    dropped: int
    malformed: int


def serve(conn: Connection, spec: Spec) -> None:
    """The whole life of the process; ``conn`` brings Load, then a height to wait for."""
    uvloop.run(_serve(conn, spec))


async def _serve(conn: Connection, spec: Spec) -> None:
    me = spec.identity.node
    noted = Noted(me, {}, {}, {}, {}, {}, 0.0, 0.0, 0.0, 0, 0)

    def decided(commit: Commit) -> None:
        height = commit.qc.height
        noted.decided[height] = time.monotonic_ns()
        noted.sizes[height], noted.rounds[height] = len(commit.block.body), commit.qc.round
        for tx in commit.block.body:
            if tx.node == me:
                noted.block_of[tx.seq] = height

    loop = asyncio.get_running_loop()
    bus = Bus(me, [spec.url], loop=loop)
    with Store(spec.folder / f"{me}.chain", spec.genesis) as store:
        node: Node
        carried = ChainBus(bus, spec.genesis.chain, me, lambda data: node.receive(data))
        node = Node(me, spec.genesis, spec.identity, store, carried, decided)
        bus.start()
        if not await asyncio.to_thread(bus.wait_ready, READY_S):
            raise TimeoutError(f"{me}: no broker")
        conn.send("ready")
        await asyncio.to_thread(conn.recv)
        await node.start()
        async with asyncio.timeout(READY_S):
            while node.consensus.silent:  # it signs nothing before a quorum has told where it stands
                await asyncio.sleep(TICK_S)
        conn.send("started")
        load: Load = await asyncio.to_thread(conn.recv)
        cpu, began = time.process_time(), time.monotonic()
        await _submit(node, load, noted)
        noted.cpu, noted.elapsed = time.process_time() - cpu, time.monotonic() - began
        last = 0
        try:
            async with asyncio.timeout(DRAIN_S):
                last = max([await node.final(seq) for seq in noted.due], default=0)
        except TimeoutError:
            pass
        conn.send(last)
        wanted: int = await asyncio.to_thread(conn.recv)
        deadline = time.monotonic() + DRAIN_S
        while wanted not in noted.decided and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        noted.memory = _resident_mb()
        noted.dropped, noted.malformed = node.dropped, node.malformed
        conn.send(noted)
        await asyncio.to_thread(conn.recv)
        await node.stop()
        await asyncio.to_thread(bus.close)


async def _submit(node: Node, load: Load, noted: Noted) -> None:
    """Every record is due at its own instant; a tick submits those that are."""
    count, every = int(load.rate * load.seconds), 1e9 / load.rate if load.rate else 0.0
    record = Loaded(node.me, digest(b"program"), digest(b"configuration"))
    waiting: set[asyncio.Task[Any]] = set()

    async def one(due: int) -> None:
        noted.due[await node.submit(record)] = due

    done = 0
    end = load.since + int(load.seconds * 1e9)
    while (now := time.monotonic_ns()) < end or done < count:
        while done < count and load.since + done * every <= now:
            task = asyncio.create_task(one(load.since + int(done * every)))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            done += 1
        await asyncio.sleep(TICK_S)
    await asyncio.gather(*waiting)


def _resident_mb() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096 / 1e6

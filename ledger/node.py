"""A node of one chain: the consensus with a clock, a disk and a bus around it.

It is given its bus, its store and its keys. Inputs are worked off one at a time in the order in which they
came; what an input gives rise to is carried out in its order, so nothing is said before it is on disk.
*Accepted* means on this node's disk, *final* means decided.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Protocol

from ledger import codec
from ledger.chain import DecidedChain
from ledger.codec import Malformed, encode
from ledger.consensus import Consensus
from ledger.gossip import Gossip
from ledger.keys import Keyring, Signer
from ledger.ports import TIMING, Accuse, Decided, Keep, Output, Send, Start, Timer, Timing
from ledger.records import Accused, Record, transaction
from ledger.signing import sign
from ledger.state import Genesis
from ledger.store import Store
from ledger.types import Batch, Commit, Message, Status, Tx

log = logging.getLogger(__name__)
QUEUE = 4_096  # messages that wait; more are dropped, and repaired by gossip
BATCH_S = 0.020
GOSSIP_MS = 500  # at least; more in a large chain
RESEND = 64  # of our transactions, with each status
SECOND = 1e9


class Bus(Protocol):
    """Carries bytes between the nodes of a chain; may lose, double and delay them."""

    def publish(self, data: bytes, to: str | None) -> None:
        """To all other nodes, or to one; never blocks."""


class Node:
    """``me`` on the chain of ``genesis``. ``decided`` is called with each final block, in order.

    ``lost``: this node has voted before and its store is new. Raises StoreFailed.
    """

    def __init__(
        self,
        me: str,
        genesis: Genesis,
        signer: Signer,
        store: Store,
        bus: Bus,
        decided: Callable[[Commit], None] = lambda commit: None,
        timing: Timing = TIMING,
        lost: bool = False,
    ) -> None:
        self.me, self.genesis, self.store = me, genesis, store
        publics: dict[str, bytes] = {}
        self._keys = Keyring(publics, signer)
        self.chain = DecidedChain(genesis, self._keys, store.decided)
        publics.update(self.chain.state.publics)
        self.chain.state.publics = publics  # grows as parties enrol
        while (commit := store.decided(self.chain.height)) is not None:
            self.chain.commit(commit)
        kept, blocks = store.kept()
        self.consensus = Consensus(me, self.chain, self._keys, timing, kept, blocks, lost)
        self.gossip = Gossip(self.consensus, time.time_ns())
        self.dropped = 0  # messages for which there was no room
        self.malformed = 0
        self._bus, self._decided = bus, decided
        self._seq = max(store.last_own(), self.chain.state.seqs.get(me, 0))
        self._inputs: asyncio.Queue[Message | Tx | Timer | None] = asyncio.Queue()
        self._outgoing: list[Tx] = []
        self._final: dict[int, list[asyncio.Future[int]]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    # --- from outside -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to take part."""
        for tx in self.store.waiting(self.chain.state.seqs.get(self.me, 0)):
            self.chain.submit(tx)
            self._outgoing.append(tx)
        await self._carry_out(self.consensus.begin(time.time_ns()))
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(each) for each in (self._work(), self._gossip(), self._send_batches())
        ]

    async def stop(self) -> None:
        """Take part no longer; the store stays open."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()

    def receive(self, data: bytes) -> None:
        """Bytes came over the bus."""
        message = codec.decode(data, Message | Tx | Batch)
        if isinstance(message, Malformed):
            self.malformed += 1
            return
        for each in message.txs if isinstance(message, Batch) else (message,):
            if self._inputs.qsize() < QUEUE:
                self._inputs.put_nowait(each)
            else:
                self.dropped += 1

    async def submit(self, record: Record) -> int:
        """Record something: accepted, under the number that comes back, when this returns. StoreFailed."""
        self._seq += 1
        tx = sign(self._keys, transaction(self.chain.id, self.me, self._seq, record))
        await asyncio.to_thread(self.store.own, tx)
        self._inputs.put_nowait(tx)
        self._outgoing.append(tx)
        return tx.seq

    async def final(self, seq: int) -> int:
        """A height by which our transaction ``seq`` is final, once it is."""
        if self.chain.state.seqs.get(self.me, 0) >= seq:
            return self.chain.state.height
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._final.setdefault(seq, []).append(future)
        return await future

    # --- inside -------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            item = await self._inputs.get()
            now = time.time_ns()
            match item:
                case Tx():
                    outputs = self.consensus.work(now) if not self.chain.submit(item) else []
                case Timer():
                    outputs = self.consensus.timeout(item, now)
                case Status():
                    outputs = list(self.gossip.answer(item))
                case None:
                    outputs = [self.gossip.status()]
                case _:
                    outputs = self.consensus.receive(item, now)
            await self._carry_out(outputs)

    async def _carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Keep(kept, block):
                    await asyncio.to_thread(self.store.keep, kept, block)
                case Send(message, to):
                    self._bus.publish(encode(message), to)
                case Start(timer, delay):
                    asyncio.get_running_loop().call_later(delay / SECOND, self._inputs.put_nowait, timer)
                case Decided(commit):
                    await asyncio.to_thread(self.store.decide, commit)
                    self._tell(commit)
                case Accuse(evidence):
                    log.warning("%s breaks the rules of %s", evidence.first.who, self.chain.id)
                    await self.submit(Accused(evidence))

    def _tell(self, commit: Commit) -> None:
        height, taken = commit.qc.height, self.chain.state.seqs.get(self.me, 0)
        for seq in [seq for seq in self._final if seq <= taken]:
            for future in self._final.pop(seq):
                if not future.done():
                    future.set_result(height)
        self._decided(commit)

    async def _gossip(self) -> None:
        """Tell what we have, and what of ours is not decided yet."""
        while True:
            interval = max(GOSSIP_MS, 40 * len(self.chain.members)) / 1_000
            await asyncio.sleep(interval)
            self._inputs.put_nowait(None)
            self._outgoing += self.store.waiting(self.chain.state.seqs.get(self.me, 0))[:RESEND]

    async def _send_batches(self) -> None:
        while True:
            await asyncio.sleep(BATCH_S)
            if self._outgoing:
                batch, self._outgoing = self._outgoing[:RESEND], self._outgoing[RESEND:]
                self._bus.publish(encode(Batch(tuple(batch))), None)

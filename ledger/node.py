"""A node of one chain: the consensus with a clock, a disk and a bus around it.

It is given its bus, its store and its keys. Inputs are worked off at once; what they give rise to waits in
one queue, in order, for the disk: all that waits goes with one sync, and is said after it. So nothing is said
before it is on disk, and a slow disk means more at a time, not a longer queue.
*Accepted* means on this node's disk, *final* means decided, and on this node's disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from ledger import codec
from ledger.chain import DecidedChain
from ledger.codec import Malformed, encode
from ledger.consensus import Consensus
from ledger.genesis import Genesis
from ledger.gossip import Gossip
from ledger.keys import Keyring, Signer
from ledger.numbers import Numbers
from ledger.ports import Accuse, Decided, Keep, Output, Send, Start, Timer, TimerKind, Timing, timing_of
from ledger.records import Accused, Record, read, transaction
from ledger.relay import Relay
from ledger.signing import sign
from ledger.store import Change, Store, StoreFailed
from ledger.types import Batch, Commit, Message, Tx
from ledger.whereabouts import Whereabouts

log = logging.getLogger(__name__)
T = TypeVar("T")
OUTBOX = 4_096  # outputs that wait for the disk; with more, messages are dropped, and repaired by gossip
BATCH_S, BATCH_EACH_S = 0.020, 0.005  # between two batches of a node; for each member where all tell all
BATCH = 512  # transactions in one
GOSSIP_MS = 500  # at least; more in a large chain
RESEND = 64  # of our transactions, after each status
STOP_S = 10.0  # for a write that has begun
FULL_S = 0.1  # after which a time-out that found the outbox full comes again
SECOND = 1e9


class Bus(Protocol):
    """Carries bytes between the nodes of a chain; may lose, double and delay them."""

    def publish(self, data: bytes, to: str | None) -> None:
        """To all other nodes, or to one; never blocks."""


class Ended(Exception):
    """The node takes part no longer; what it accepted is on its disk, and goes on when it starts again."""


class _Own(NamedTuple):
    """A transaction of ours, for the disk; then it is accepted."""

    tx: Tx
    accepted: asyncio.Future[None] | None


_Out: TypeAlias = Output | _Own


class Node:
    """``me`` on the chain of ``genesis``. ``decided`` is called with each final block, in order.

    ``timing``: other time-outs than the usual ones for so many members. ``lost``: this node has voted before
    and its store is new. Raises StoreFailed.
    """

    def __init__(
        self,
        me: str,
        genesis: Genesis,
        signer: Signer,
        store: Store,
        bus: Bus,
        decided: Callable[[Commit], None] = lambda commit: None,
        timing: Timing | None = None,
        lost: bool = False,
    ) -> None:
        self.me, self.genesis, self.store = me, genesis, store
        self._keys = Keyring({}, signer)
        self.chain = DecidedChain(genesis, self._keys, store.decided)
        self._keys.publics = self.chain.state.publics  # grows as parties enrol
        while (commit := store.decided(self.chain.height)) is not None:
            self.chain.commit(commit)
        kept, blocks = store.kept()
        timing = timing or timing_of(len(self.chain.members))
        round = kept.round if kept is not None and kept.height == self.chain.height else 0
        unsure = Whereabouts(self.chain.height, round, lost)
        self.consensus = Consensus(me, self.chain, self._keys, timing, kept, blocks, unsure)
        self._relay = Relay(self.consensus)
        self.gossip = Gossip(self.consensus, time.time_ns())
        self.dropped = 0  # messages for which there was no room
        self.malformed = 0
        self._bus, self._decided = bus, decided
        self._disk = ThreadPoolExecutor(1, f"chain-{me}")  # its own: others' work must not delay it
        self._outbox: list[_Out] = []
        self._waits = asyncio.Event()  # there is something in the outbox, or we stop
        self._timers: dict[TimerKind, asyncio.TimerHandle] = {}
        self._own = Numbers(store.last_own(), self._taken)
        self._outgoing: list[Tx] = []  # for all
        self._handed: list[Tx] = []  # of ours, for the one who spreads them
        self._has_outgoing = asyncio.Event()
        self._height = self.chain.state.height  # decided, and on disk
        self._final: dict[int, list[asyncio.Future[int]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._error: Exception | None = None
        self._over = asyncio.Event()

    # --- from outside -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to take part."""
        self._do(lambda now: self.consensus.begin(now))
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._guarded(work))
            for work in (self._carry_out, self._gossip, self._send_batches)
        ]

    async def stop(self) -> None:
        """Take part no longer; a write that has begun is finished. The store stays open."""
        self._stopping = True
        self._waits.set()
        if self._tasks:
            carrying, *others = self._tasks
            for task in others:
                task.cancel()
            if not (await asyncio.wait((carrying,), timeout=STOP_S))[0]:
                log.error("the disk of %s does not answer; it is left behind", self.store.path)
                carrying.cancel()
            for task in others:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._end()

    @property
    def height(self) -> int:
        """That of the last block that is final, and on our disk."""
        return self._height

    async def ended(self) -> None:
        """Return once the node is stopped; raises what it broke off for: StoreFailed, or an error of ours."""
        await self._over.wait()
        if self._error is not None:
            raise self._error

    def receive(self, data: bytes) -> None:
        """Bytes came over the bus."""
        message = codec.decode(data, Message | Tx | Batch)
        if isinstance(message, Malformed):
            self.malformed += 1
            return
        spread = isinstance(message, Batch) and message.spread
        for each in message.txs if isinstance(message, Batch) else (message,):
            if len(self._outbox) < OUTBOX:
                self._take(each, spread)
            else:
                self.dropped += 1

    async def submit(self, record: Record) -> int:
        """Record something: accepted, under the number that comes back, when this returns; who is not
        enrolled yet waits for that with it. Raises ValueError for a record that no chain takes, or where our
        key was revoked, StoreFailed, Ended."""
        accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        tx = self._make(record, accepted)
        await accepted
        return tx.seq

    async def final(self, seq: int) -> int:
        """A height by which our transaction ``seq`` is final, once it is. ValueError where it was lost,
        StoreFailed, Ended."""
        seq = self._own.now(seq)
        if self._own.told >= seq:
            return self._height
        self._check()
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._final.setdefault(seq, []).append(future)
        return await future

    # --- inputs -------------------------------------------------------------------------------------------

    @property
    def _taken(self) -> int:
        return self.chain.state.seqs.get(self.me, 0)

    def _take(self, message: Message | Tx, spread: bool = False) -> None:
        match message:
            case Tx():
                self._do(lambda now: self._add(message, spread, now))
            case _:
                self._do(lambda now: self.gossip.receive(message, now))

    def _add(self, tx: Tx, spread: bool, now: int) -> list[Output]:
        if self.chain.submit(tx):
            return []
        if spread:
            self._send(self._outgoing, [tx])
        return self.consensus.work(now)

    def _on_timer(self, timer: Timer) -> None:
        if timer.kind == "relay":
            self._queue(self._relay.timeout(timer))
        elif len(self._outbox) < OUTBOX:
            self._do(lambda now: self.consensus.timeout(timer, now))
        else:
            self._start(timer, FULL_S)

    def _do(self, work: Callable[[int], Iterable[Output]]) -> None:
        """Let the consensus work now, and queue what comes of it."""
        if self._over.is_set():
            return
        try:
            self._queue(self._relay.lead(work(time.time_ns())))
        except Exception as error:  # its state may be half changed: it must not go on
            self._end(error)

    def _queue(self, outputs: Iterable[_Out]) -> None:
        self._outbox += outputs
        if self._outbox:
            self._waits.set()

    def _make(self, record: Record, accepted: asyncio.Future[None] | None) -> Tx:
        self._check()
        seq = max(self._own.made, self._taken) + 1
        tx = sign(self._keys, transaction(self.chain.id, self.me, seq, record))
        if why := self.chain.vouch(tx):
            raise ValueError(f"it cannot be recorded: {why}")
        self._own.made = seq
        self._queue([_Own(tx, accepted)])
        return tx

    # --- outputs ------------------------------------------------------------------------------------------

    async def _carry_out(self) -> None:
        """What waits goes to disk together, and is then carried out in its order."""
        while not self._stopping:
            await self._waits.wait()
            self._waits.clear()
            outputs, self._outbox = self._outbox, []
            changes: list[Change] = []
            for output in outputs:
                if isinstance(output, Keep | Decided):
                    changes.append(output)
                elif isinstance(output, _Own):
                    changes.append(output.tx)
            if changes:
                try:
                    await self._on_disk_thread(self.store.write, changes)
                except StoreFailed as error:
                    for output in outputs:
                        if isinstance(output, _Own) and output.accepted is not None:
                            _fail(output.accepted, error)
                    raise
            for output in outputs:
                self._effect(output)
            await self._offer_waiting()

    def _effect(self, output: _Out) -> None:
        match output:
            case Send(message, to):
                self._bus.publish(encode(message), to)
            case Start(timer, delay):
                self._start(timer, delay / SECOND)
            case Decided(commit):
                self._tell(commit)
            case Accuse(evidence):
                log.warning("%s breaks the rules of %s", evidence.first.who, self.chain.id)
                if self.me in self.chain.state.parties:  # nobody hears the word of another
                    self._make(Accused(evidence), None)
            case _Own(tx, accepted):
                due, late = self._own.accept(tx, self._taken)
                if late:
                    self._renumber(tx)
                elif due:
                    self._offer(tx)
                if accepted is not None and not accepted.done():
                    accepted.set_result(None)
            case _:
                pass

    def _start(self, timer: Timer, delay: float) -> None:
        """Of each kind the one that was started last counts: those before it are of rounds that are over, or
        go off later."""
        if self._over.is_set():
            return
        if (before := self._timers.get(timer.kind)) is not None:
            before.cancel()
        self._timers[timer.kind] = asyncio.get_running_loop().call_later(delay, self._on_timer, timer)

    def _tell(self, commit: Commit) -> None:
        self._height = commit.qc.height
        for tx in commit.block.body:
            if tx.node == self.me:
                ours = self._own.decide(tx)
                if ours is not None:
                    self._renumber(ours)
        for seq in [seq for seq in self._final if seq <= self._own.told]:
            for future in self._final.pop(seq):
                if not future.done():
                    future.set_result(self._height)
        self._decided(commit)

    # --- our transactions ---------------------------------------------------------------------------------

    async def _offer_waiting(self) -> None:
        """Offer what was accepted while the pools had no room for it."""
        room = self._own.room(self._taken)
        if room:
            for tx in await self._on_disk_thread(self.store.waiting, self._own.offered, room):
                self._offer(tx)

    def _on_disk_thread(self, call: Callable[..., T], *arguments: object) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._disk, call, *arguments)

    def _renumber(self, tx: Tx) -> None:
        record = read(tx)
        assert not isinstance(record, Malformed), record.reason  # we made it
        waiting = self._final.pop(tx.seq, [])
        try:
            new = self._make(record, None).seq
        except ValueError as refused:  # we were revoked meanwhile, by the key that we have
            log.error("record %d of %s is lost: %s", tx.seq, self.me, refused)
            for future in waiting:
                _fail(future, refused)
            return
        self._own.move(tx.seq, new)
        if waiting:
            self._final[new] = waiting

    def _offer(self, tx: Tx) -> None:
        goes, late = self._own.offer(tx)
        if late:
            self._renumber(tx)
        if not goes:
            return
        self._send(self._outgoing if self._relay.spreader in (None, self.me) else self._handed, [tx])
        self._take(tx)

    def _send(self, outgoing: list[Tx], txs: list[Tx]) -> None:
        outgoing += txs
        self._has_outgoing.set()

    async def _send_batches(self) -> None:
        """At once after a pause, then in batches."""
        while True:
            await self._has_outgoing.wait()
            self._has_outgoing.clear()
            for outgoing, to in ((self._outgoing, None), (self._handed, self._relay.spreader)):
                if outgoing:
                    batch = Batch(tuple(outgoing[:BATCH]), spread=to is not None)
                    del outgoing[:BATCH]
                    self._bus.publish(encode(batch), to)
            if self._outgoing or self._handed:
                self._has_outgoing.set()
            alone = self._relay.spreader is None
            await asyncio.sleep(max(BATCH_S, BATCH_EACH_S * len(self.chain.members) * alone))

    async def _gossip(self) -> None:
        """Tell what we have, and again what of ours is not decided since we told it last."""
        offered = 0
        while True:
            self._do(lambda now: [self.gossip.status()])
            await asyncio.sleep(max(GOSSIP_MS, 40 * len(self.chain.members)) / 1_000)
            again = [tx for seq, tx in self._own.open.items() if seq <= offered][:RESEND]
            offered = self._own.offered
            if again and not self._outgoing and self.chain.knows(self.me):
                self._send(self._outgoing, again)

    # --- the end ------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._stopping:
            raise Ended(f"{self.me} on {self.chain.id} is stopped")

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            self._end(error)

    def _end(self, error: Exception | None = None) -> None:
        """Stop for good, for ``error`` if there is one; whoever waits is told."""
        if self._over.is_set():
            return
        if error is not None:
            trace = None if isinstance(error, StoreFailed) else error  # of a disk the text says all
            log.error("the node of %s on %s has ended: %s", self.me, self.chain.id, error, exc_info=trace)
        self._error, self._stopping = error, True
        self._over.set()
        self._disk.shutdown(wait=False)
        self._waits.set()
        for timer in self._timers.values():
            timer.cancel()
        ended = error or Ended(f"{self.me} on {self.chain.id} is stopped")
        waiting: list[asyncio.Future[int] | asyncio.Future[None] | None] = [
            *(future for futures in self._final.values() for future in futures),
            *(output.accepted for output in self._outbox if isinstance(output, _Own)),
        ]
        for future in waiting:
            _fail(future, ended)
        self._final.clear()
        self._outbox.clear()


def _fail(future: asyncio.Future[int] | asyncio.Future[None] | None, error: Exception) -> None:
    if future is not None and not future.done():
        future.set_exception(error)

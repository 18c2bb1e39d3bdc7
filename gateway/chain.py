"""A node's part in its line's chain: it keeps a copy, votes if it is a member, and records what happens here.

It works on a thread of its own, with connections to the brokers of its own: neither consensus work nor a
flood of its messages comes between a gateway and its scan. What cannot be recorded is a problem that is told,
never a reason to stop. A pool that has the node is kept by another keeper, likewise (``gateway.pools``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from gateway.agentfile import AgentConfig
from gateway.belonging import Belonging
from gateway.chainreport import facts, standing
from gateway.completions import Completions
from gateway.genesisfile import load_genesis
from gateway.net import topics
from gateway.net.bus import Bus, Counters, Will
from gateway.net.chainbus import ChainBus
from gateway.net.identity import Identity, boot_id
from gateway.net.messages import encode
from gateway.net.reports import ChainState
from gateway.pending import Pending
from gateway.pki.credentials import TlsFiles
from gateway.pools import Pools
from ledger.genesis import Genesis
from ledger.node import Ended, Node
from ledger.ports import TIMING, Timing
from ledger.records import Record
from ledger.state import State
from ledger.store import Store, StoreFailed
from ledger.types import Commit

log = logging.getLogger(__name__)

STORE, POOLS = "chain.sqlite", "pools"
REPORT_S = 1.0  # between two reports of what has changed
REPEAT_S = 5.0  # between two of what has not
AGAIN_S = (1.0, 30.0)  # after which a disk that failed is tried again, at first and at most
END_S = 5.0


def store_of(state: Path, genesis: Genesis) -> Path:
    """Where in the folder ``state`` of a node its copy of the chain is: the line's, or that of a pool."""
    return (state / POOLS / genesis.chain if genesis.origin else state) / STORE


class ChainKeeper:
    """``identity``'s node on the chain of ``genesis``, with its copy in the folder ``state``.

    ``line`` is where its report goes, which has the pools in it; ``decided`` is called on the keeper's thread
    with each final block, in order, those that were final before excepted; ``belonging`` with the parties, as
    soon as they are known, and whenever a block has changed them.
    """

    def __init__(
        self,
        line: str,
        identity: Identity,
        brokers: Sequence[str],
        genesis: Genesis,
        state: Path,
        decided: Callable[[Commit], None] = lambda commit: None,
        timing: Timing = TIMING,
        belonging: Callable[[Belonging], object] = lambda belonging: None,
        tls: TlsFiles | None = None,
    ) -> None:
        self.me, self.genesis, self.path = identity.node, genesis, store_of(state, genesis)
        self._identity, self._brokers, self._timing = identity, list(brokers), timing
        self._line, self._state_folder, self._tls = line, state, tls
        self.pools = Pools(self.me, self._pool, self.record)
        self._topic = topics.chain(line, self.me)
        self._decided, self._completions = decided, Completions(identity.node)
        self._pending = Pending(self._call)
        self._belonging, self._changes = belonging, -1  # those of the parties that were told
        self._stranger = ""
        self._failed = ""  # why the node does not run
        self._node: Node | None = None
        self._bus: Bus | None = None
        self.shown = ChainState(True, boot_id().hex(), genesis.chain)  # what was reported last
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._begun = threading.Event()
        self._ending = asyncio.Event()

    # --- from any thread -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to take part."""
        assert self._thread is None
        self._thread = threading.Thread(target=self._run, name=f"chain-{self.me}", daemon=True)
        self._thread.start()
        self._begun.wait()

    def stop(self) -> None:
        """Take part no longer; blocks until the store is closed, within a bound."""
        if self._thread is not None:
            self._call(self._ending.set)
            self._thread.join(END_S)
            if self._thread.is_alive():
                log.warning("the chain's thread did not end in %g s and is left behind", END_S)

    def record(self, record: Record) -> Future[int]:
        """Record something; its number among our records, once it is on our disk. Never blocks."""
        return self._pending.put(record)

    def commit(self, height: int) -> Commit | None:
        """The block decided at ``height``, if our copy has it and is open. StoreFailed."""
        node = self._node
        return node.store.decided(height) if node is not None else None

    @property
    def rests(self) -> bool:
        """Whether it is the chain of a pool, and that is paused or closed there."""
        node = self._node
        return node is not None and node.chain.state.run.state != "on"

    @property
    def last(self) -> Commit | None:
        """The last final block, if our copy has one and is open. StoreFailed."""
        node = self._node
        return node.store.decided(node.height) if node is not None else None

    def made(self, workpiece: str, time: int) -> None:
        """``workpiece`` has left this station good, at ``time`` (UTC ns): what was planned for it is done."""
        self._call(partial(self._made, workpiece, time))

    @property
    def problem(self) -> str:
        """What is wrong; empty if nothing is."""
        said = [self._failed] if self._failed else []
        if self._stranger:
            said.append(self._stranger)
        if self._pending.lost:
            said.append(f"{self._pending.lost} records were lost: the chain's disk did not take them in time")
        if self.pools.problem:
            said.append(self.pools.problem)
        return "; ".join(said)

    @property
    def brokers(self) -> dict[str, bool]:
        """Each broker, and whether it is up."""
        return self._bus.brokers if self._bus is not None else dict.fromkeys(self._brokers, False)

    @property
    def counted(self) -> dict[str, int]:
        """What was sent and received, and refused."""
        if self._bus is None:
            return msgspec.structs.asdict(Counters())
        return msgspec.structs.asdict(self._bus.counters)

    def facts(self) -> dict[str, str]:
        """What there is to say of it, by what it is about, for a person."""
        return facts(self.shown)

    def _call(self, what: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(what)

    # --- the thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        factory = None
        if sys.platform != "win32":
            import uvloop

            factory = uvloop.new_event_loop
        try:
            with asyncio.Runner(loop_factory=factory) as runner:
                self._loop = runner.get_loop()
                self._begun.set()
                runner.run(self._live())
        except Exception as error:
            self._failed = f"the chain has ended: {error}"
            log.exception("the chain's thread has ended")
        finally:
            self._begun.set()
            self._pending.end(Ended(f"{self.me} takes part no longer"))

    async def _live(self) -> None:
        bus = Bus(
            self.me,
            self._brokers,
            identity=self._identity,
            loop=asyncio.get_running_loop(),
            will=Will(self._topic, "chain", self._offline, sign=True) if self._reports else None,
            tls=self._tls,
        )
        self._carried = ChainBus(bus, self.genesis.chain, self.me, self._received)
        self._bus = bus
        bus.start()
        beside = [asyncio.create_task(self._report(bus))]
        if self._reports:
            beside.append(asyncio.create_task(self.pools.run(self._line_state)))
        try:
            await self._keep()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await asyncio.to_thread(bus.close, 1.0)

    def _line_state(self) -> State | None:
        return self._node.chain.state if self._node is not None else None

    def _pool(self, genesis: Genesis) -> ChainKeeper:
        """The keeper of a pool that has us."""
        return ChainKeeper(
            self._line, self._identity, self._brokers, genesis, self._state_folder,
            lambda commit: self.pools.wake(), self._timing, tls=self._tls,
        )  # fmt: skip

    def _open(self) -> Store:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreFailed(f"{self.path.parent}: {error.strerror}") from error
        return Store(self.path, self.genesis)

    async def _keep(self) -> None:
        """Run the node; a disk that failed is tried again, since what waits here is lost with the process."""
        first, most = AGAIN_S
        again = first
        while not self._ending.is_set():
            try:
                store = await asyncio.to_thread(self._open)
            except StoreFailed as error:
                self._fail(error)
            else:
                with store:
                    began = time.monotonic()
                    await self._take_part(store)
                    again = first if time.monotonic() - began > most else again
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(again):
                    await self._ending.wait()
            again = min(2 * again, most)

    async def _take_part(self, store: Store) -> None:
        """Until the end, or until the node breaks off."""
        try:
            node = Node(self.me, self.genesis, self._identity, store, self._carried, self._take, self._timing)
            await node.start()
        except StoreFailed as error:
            self._fail(error)
            return
        self._node, self._failed, self._changes = node, "", -1
        for completion in self._completions.begun(node.chain.state):
            self.record(completion)
        self._tell_parties(node)
        self.pools.wake()
        recording = self._pending.hand_over(node.submit)
        works: list[Coroutine[Any, Any, None]] = [node.ended(), recording, self._to_end()]
        tasks = [asyncio.create_task(work) for work in works]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await node.stop()
        self._node = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            if not task.cancelled() and (broken := task.exception()) is not None:
                self._fail(broken)

    async def _to_end(self) -> None:
        await self._ending.wait()
        await self._pending.emptied()  # what was recorded is accepted first

    def _take(self, commit: Commit) -> None:
        assert self._node is not None
        for completion in self._completions.decided(commit, self._node.chain.state):
            self.record(completion)
        self._tell_parties(self._node)
        self.pools.wake()
        self._decided(commit)

    def _tell_parties(self, node: Node) -> None:
        state = node.chain.state
        if state.admission.changes != self._changes:
            self._changes = state.admission.changes
            self._stranger = self._why_unheard(state)
            with contextlib.suppress(RuntimeError):  # whoever is told has ended
                self._belonging(Belonging.of(state))

    def _why_unheard(self, state: State) -> str:
        if self.me not in state.parties:
            return f"{self.me} is not enrolled in the chain: nobody hears what it records"
        if state.publics[self.me] != self._identity.public_bytes:
            return f"{self.me} has another key in the chain: nobody hears what it records"
        return ""

    def _made(self, workpiece: str, time: int) -> None:
        state = self._node.chain.state if self._node is not None else None
        for completion in self._completions.left(workpiece, time, state):
            self.record(completion)

    def _received(self, data: bytes) -> None:
        if self._node is not None:
            self._node.receive(data)

    def _fail(self, error: BaseException) -> None:
        self._failed = f"nothing is recorded on the chain: {error}"
        log.error("%s", self._failed)

    # --- what it tells ----------------------------------------------------------------------------------

    @property
    def _reports(self) -> bool:
        """How a pool is, the keeper of the line's chain tells."""
        return not self.genesis.origin

    async def _report(self, bus: Bus) -> None:
        """The retained report: what has changed soon, what has not now and then."""
        before, told = None, 0.0
        while True:
            state, now = self._state(), time.monotonic()
            self.shown = state
            if self._reports and (state != before or now - told >= REPEAT_S):
                bus.publish(self._topic, "chain", encode(state), retain=True, sign=True)
                before, told = state, now
            await asyncio.sleep(REPORT_S)

    def _state(self) -> ChainState:
        node, boot = self._node, boot_id().hex()
        if node is None:
            return ChainState(True, boot, self.genesis.chain, problem=self.problem)
        state = node.chain.state
        try:
            # A new disk has none of what an earlier one recorded, and the chain has.
            waits = max(0, node.store.last_own() - state.seqs.get(self.me, 0)) + len(self._pending)
        except StoreFailed as failed:
            return ChainState(True, boot, self.genesis.chain, problem=str(failed))
        return standing(
            boot, node.consensus, node.chain, self._carried.heard, waits, self.problem,
            self.pools.states(state),
        )  # fmt: skip

    def _offline(self, _broker: str) -> bytes:
        return encode(ChainState(False, boot_id().hex(), self.genesis.chain))


def chain_of(
    config: AgentConfig,
    identity: Identity,
    belonging: Callable[[Belonging], object] = lambda belonging: None,
) -> ChainKeeper | None:
    """The keeper of the chain that ``config`` names, if it names one; BadInput."""
    if not config.chain:
        return None
    genesis = load_genesis(Path(config.chain))
    return ChainKeeper(
        config.line, identity, config.brokers, genesis, Path(config.state), belonging=belonging,
        tls=config.tls_files,
    )  # fmt: skip

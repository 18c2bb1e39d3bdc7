"""The pools' chains that a node carries beside its line's: which, from when to when, and what it shows of
them.

All of it follows from the line's chain, which every node has for itself: a block that makes a pool, or takes
it up again, has each of the pool's nodes run the pool's chain; once the line's chain has been shown that the
pool is paused, they end it. So after a restart it is there again, from what is on disk. Whoever of the nodes
sees first that the pool is paused shows it; in turn, so that one does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

from gateway.net.reports import MAX_POOLS, ChainState, PoolState
from ledger.contracts.pools import ManufacturingPool, ends
from ledger.genesis import Genesis
from ledger.proof import prove
from ledger.records import Anchored
from ledger.state import State
from ledger.store import StoreFailed
from ledger.types import Commit

log = logging.getLogger(__name__)

MAX_CARRIED = 4  # pools' chains at once: the one that a node is reserved for, and those that ran out unpaused
LOOK_S = 1.0  # between two looks, where nothing has happened
TURN_S = 3.0  # the nodes of a pool show that it is paused so long after one another,
AGAIN_S = 60.0  # and again if that came to nothing


class Keeper(Protocol):
    """Runs one chain (``gateway.chain.ChainKeeper``)."""

    @property
    def shown(self) -> ChainState: ...

    @property
    def rests(self) -> bool:
        """Whether the chain is paused, or closed."""

    @property
    def last(self) -> Commit | None:
        """The last final block. StoreFailed."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def commit(self, height: int) -> Commit | None: ...


class Pools:
    """Those that ``me`` carries, each with the keeper that ``made`` makes of its genesis. ``show`` records on
    the line's chain. Used on one event loop, ``wake`` and reading ``running`` excepted."""

    def __init__(
        self, me: str, made: Callable[[Genesis], Keeper], show: Callable[[Anchored], object]
    ) -> None:
        self._me, self._made, self._show = me, made, show
        self.running: dict[str, Keeper] = {}  # by the chain's id
        self.problem = ""
        self._due: dict[str, tuple[int, float]] = {}  # chain -> the height to show, and when it is our turn
        self._ends: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def wake(self) -> None:
        """Something has changed on one of the chains; from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self, state: Callable[[], State | None]) -> None:
        """Carry what the line's chain says, whose ``state`` is given while its node runs; ends those that run
        when it is cancelled."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                self._woken.clear()
                if (now := state()) is not None:
                    self._carry(now)
                    for pool in now.pools.of(self._me):
                        await self._show_if_due(pool)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._woken.wait()
        except Exception as error:
            self.problem = f"pools are looked after no more: {error}"
            log.exception("pools are looked after no more")
        finally:
            for chain in list(self.running):
                self._end(chain)
            await asyncio.gather(*self._ends, return_exceptions=True)

    def states(self, state: State) -> tuple[PoolState, ...]:
        """How the pools are that have this node."""
        return tuple(
            PoolState(
                pool.genesis.name, pool.genesis.chain, pool.task, pool.until,
                pool.anchored[0], pool.anchored[1].hex(),
                self.running[pool.genesis.chain].shown if pool.genesis.chain in self.running else None,
            )
            for pool in state.pools.of(self._me)[:MAX_POOLS]
        )  # fmt: skip

    def _carry(self, state: State) -> None:
        party = state.parties.get(self._me)
        reserved = [pool for pool in state.pools.of(self._me) if not pool.paused]
        wanted = {} if party is None else {pool.genesis.chain: pool for pool in reserved[:MAX_CARRIED]}
        left = [pool.genesis.name for pool in reserved[MAX_CARRIED:]]
        self.problem = f"not carried: {', '.join(left)}; pause pools that have run out" if left else ""
        for chain in self.running.keys() - wanted.keys():
            self._end(chain)
        for chain, pool in wanted.items():
            if chain not in self.running:
                log.info("%s runs the chain %s for %s", self._me, chain, pool.task)
                self.running[chain] = self._made(pool.genesis)
                self.running[chain].start()

    def _end(self, chain: str) -> None:
        log.info("%s runs the chain %s no more", self._me, chain)
        task = asyncio.create_task(asyncio.to_thread(self.running.pop(chain).stop))
        self._due.pop(chain, None)
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    async def _show_if_due(self, pool: ManufacturingPool) -> None:
        """Show on the line's chain that the pool is paused, if it is, and if it is our turn."""
        genesis, now = pool.genesis, asyncio.get_running_loop().time()
        keeper = self.running.get(genesis.chain)
        if keeper is None or not keeper.rests:
            return
        try:
            last = keeper.last
            index = None if last is None else _end_of(last, genesis)
            if last is None or index is None or not pool.wants(last.qc.height):
                self._due.pop(genesis.chain, None)
                return
            height, at = self._due.get(genesis.chain, (0, 0.0))
            if height != last.qc.height:
                height, at = last.qc.height, now + TURN_S * _place(self._me, last, pool.nodes)
            if at <= now:
                proof = await asyncio.to_thread(prove, genesis, keeper.commit, height, index)
                self._show(Anchored(genesis.name, proof))
                at = now + AGAIN_S
            self._due[genesis.chain] = height, at
        except (StoreFailed, IndexError) as failed:
            log.warning("%s cannot be shown to be paused yet: %s", genesis.chain, failed)


def _end_of(last: Commit, genesis: Genesis) -> int | None:
    """Where in the last block it is said that there is no other."""
    return next((at for at, tx in enumerate(last.block.body) if ends(genesis, tx)), None)


def _place(me: str, last: Commit, nodes: tuple[str, ...]) -> int:
    """The how manieth we are of ``nodes``: who made the last block is first."""
    made = last.block.header.proposer
    first = nodes.index(made) if made in nodes else 0
    return (nodes.index(me) - first) % len(nodes)

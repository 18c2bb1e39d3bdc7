"""Manufacturing pools: nodes that a task has for itself for a while, on a chain of their own; pure.

After Liu 2023, 5.4: the main chain, over all that are enrolled, reserves nodes; each pool has a chain of its
own. The pool's genesis follows from the transaction that opened it, so every node that follows the main chain
makes the same one. When a task is done the pool's chain is paused, and its last header is shown on the main
chain with its certificate (an anchor): its nodes are free, and a later task that needs the same takes the
pool up again where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from ledger.codec import Malformed
from ledger.genesis import Genesis
from ledger.light import Trust, follow
from ledger.records import (
    Anchored,
    Party,
    PoolClosed,
    PoolOpened,
    PoolPaused,
    PoolResumed,
    read,
)
from ledger.signing import Keys
from ledger.types import BlockId, Member, Members, Tx

MAX_POOLS = 1_024  # that are not closed
LONGEST = 7 * 24 * 3600 * 1_000_000_000  # ns for which nodes are reserved at once


class ManufacturingPool:
    """One pool as the main chain has it. Its nodes are reserved ``until`` a block's time, UTC ns; 0: free."""

    def __init__(self, record: PoolOpened, genesis: Genesis) -> None:
        self.genesis = genesis
        self.task, self.nodes, self.until = record.task, record.nodes, record.until
        self.anchored: tuple[int, BlockId] = 0, genesis.id  # height and id of the last header shown here
        self.trust = Trust(genesis.chain, 0, members_of(genesis))

    @property
    def paused(self) -> bool:
        """Whether its last blocks have been shown to be so: its nodes are free, and run its chain no more."""
        return self.until == 0

    def wants(self, height: int) -> bool:
        """Whether a record at ``height`` of its chain can still be shown here."""
        return height > self.trust.height


def ends(genesis: Genesis, tx: Tx) -> PoolPaused | PoolClosed | None:
    """What ``tx``, final on the chain of the pool that ``genesis`` begins, says if it ends its blocks."""
    record = read(tx)
    if not isinstance(record, PoolPaused | PoolClosed) or record.pool != genesis.name:
        return None
    dispatches = any(party.node == tx.node and party.dispatcher for party in genesis.parties)
    return record if dispatches else None


def members_of(genesis: Genesis) -> Members:
    """Who votes first, in order of name."""
    parties = sorted(genesis.parties, key=lambda party: party.node)
    return tuple(Member(party.node, party.public) for party in parties if party.member)


class Pools:
    """All pools of the main chain that ``main`` begins."""

    def __init__(self, main: Genesis) -> None:
        self._main = main
        self._pools: dict[str, ManufacturingPool] = {}

    def __getitem__(self, pool: str) -> ManufacturingPool:
        """The pool of that name; KeyError if there is none, or it is closed."""
        return self._pools[pool]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._pools))

    def of(self, node: str) -> list[ManufacturingPool]:
        """Those that have ``node``; reserved for longest first, hence paused ones last."""
        found = [pool for pool in self._pools.values() if node in pool.nodes]
        return sorted(found, key=lambda pool: (-pool.until, pool.genesis.name))

    def of_nodes(self, nodes: Sequence[str]) -> ManufacturingPool | None:
        """The one that has exactly ``nodes``, in order of name: a task for them takes it up again."""
        return next((pool for pool in self._pools.values() if list(pool.nodes) == list(nodes)), None)

    def busy(self, now: int) -> dict[str, str]:
        """Which node is reserved for which pool at the block's time ``now``."""
        return {node: name for name, pool in self._pools.items() if pool.until > now for node in pool.nodes}

    def open(
        self, record: PoolOpened, by: Party, parties: Mapping[str, Party], now: int, origin: bytes
    ) -> str:
        """Reserve nodes for a new pool, whose chain begins with the transaction of hash ``origin``; why not,
        or nothing."""
        if record.pool in self._pools:
            return f"there is a pool {record.pool}"
        if len(self._pools) >= MAX_POOLS:
            return "there are too many pools"
        if list(record.nodes) != sorted(set(record.nodes)):
            return "its nodes are not in order, each once"
        same = self.of_nodes(record.nodes)
        if same is not None:
            return f"pool {same.genesis.name} has these nodes: resume it"
        why = self._reserves(record, record.nodes, by, parties, now)
        if why:
            return why
        everybody = tuple(
            party if party.node in record.nodes else msgspec.structs.replace(party, member=False)
            for _, party in sorted(parties.items())
            if party.node in record.nodes or party.dispatcher or party.roles or not party.member
        )
        genesis = Genesis(1, record.pool, now, everybody, self._main.epoch, origin)
        self._pools[record.pool] = ManufacturingPool(record, genesis)
        return ""

    def resume(self, record: PoolResumed, by: Party, parties: Mapping[str, Party], now: int) -> str:
        """Reserve the nodes of a pool again, for another task or for longer; why not, or nothing."""
        pool = self._pools.get(record.pool)
        if pool is None:
            return f"there is no pool {record.pool}"
        why = self._reserves(record, pool.nodes, by, parties, now)
        if not why:
            if pool.paused:  # what has paused it is past: shown once more, it must not free the nodes again
                pool.trust = pool.trust._replace(height=pool.anchored[0])
            pool.task, pool.until = record.task, record.until
        return why

    def anchor(self, record: Anchored, by: Party, parties: Mapping[str, Party], keys: Keys) -> str:
        """Check what is shown of a pool's chain, where nobody may vote who is not enrolled here; if it is
        paused or closed there, its nodes are free. Why it shows nothing, or nothing."""
        pool = self._pools.get(record.pool)
        if pool is None:
            return f"there is no pool {record.pool}"
        if by.node not in {party.node for party in pool.genesis.parties}:
            return f"{by.node} has no part in {record.pool}"

        def keys_of(members: Members) -> Keys | None:
            enrolled = {Member(each.node, each.public) for each in parties.values()}
            return keys if enrolled.issuperset(members) else None

        trust = follow(pool.trust, record.proof, keys_of)
        if isinstance(trust, Malformed):
            return trust.reason
        pool.anchored = trust.height, record.proof.steps[-1].header.id
        pool.trust = trust._replace(height=trust.height - 1)  # another record of that height may be shown
        self._ended(pool, record.proof.tx)
        return ""

    def _ended(self, pool: ManufacturingPool, tx: Tx) -> None:
        """Free the nodes if ``tx``, which is final on the pool's chain, ended its blocks."""
        record = ends(pool.genesis, tx)
        if record is not None:
            pool.until = 0
        if isinstance(record, PoolClosed):
            del self._pools[record.pool]

    def _reserves(
        self,
        record: PoolOpened | PoolResumed,
        nodes: tuple[str, ...],
        by: Party,
        parties: Mapping[str, Party],
        now: int,
    ) -> str:
        """Why ``nodes`` cannot be reserved as ``record`` wants it."""
        if not by.dispatcher:
            return f"{by.node} is no dispatcher"
        if not now < record.until <= now + LONGEST:
            return f"it would end {(record.until - now) / 1e9:+.0f} s from now; {LONGEST // 10**9} s at most"
        missing = [node for node in nodes if node not in parties or not parties[node].member]
        if missing:
            return f"{', '.join(missing)} cannot be reserved: not enrolled to vote"
        busy = self.busy(now)
        taken = [f"{node} in {busy[node]}" for node in nodes if busy.get(node, record.pool) != record.pool]
        return f"not free: {', '.join(taken)}" if taken else ""


class Run:
    """Whether a pool's own chain goes on: a dispatcher pauses it, resumes it and closes it."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.state: Literal["on", "paused", "closed"] = "on"
        self._since = 0  # the height at which it became so

    def take(self, record: PoolPaused | PoolResumed | PoolClosed, by: Party, height: int) -> str:
        """Let ``record`` in the block at ``height`` have its effect; why it has none, or nothing. What is
        paused is resumed in a later block, so that a block that pauses is the last until then."""
        if record.pool != self.genesis.name or not by.dispatcher:
            return f"{by.node} may not do that to {self.genesis.name}"
        if (self.state == "on") == isinstance(record, PoolResumed):
            return f"{record.pool} is {self.state}"
        if isinstance(record, PoolResumed):
            if self._since == height:
                return f"{record.pool} is paused by this block"
            self.state = "on"
        else:
            self.state = "paused" if isinstance(record, PoolPaused) else "closed"
        self._since = height
        return ""

    def holds_back(self, body: Sequence[Tx], parties: Mapping[str, Party]) -> str:
        """Why no block of ``body`` may come next, or nothing: what is paused waits for who resumes it."""
        if self.state == "on" or (self.state == "paused" and any(self._resumes(tx, parties) for tx in body)):
            return ""
        return f"the chain is {self.state}"

    def _resumes(self, tx: Tx, parties: Mapping[str, Party]) -> bool:
        if tx.kind != "pool-resumed" or tx.node not in parties or not parties[tx.node].dispatcher:
            return False
        record = read(tx)
        return isinstance(record, PoolResumed) and record.pool == self.genesis.name

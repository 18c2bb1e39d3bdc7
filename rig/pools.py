"""Pools of a line at a desk: nodes are taken for a task and given back, and pools are looked at.

A task for nodes that have a pool already takes that up again, so that what it did before stays on one chain.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.errors import BadInput, Problem
from ledger.audit import audit
from ledger.codec import Malformed
from ledger.contracts.pools import ManufacturingPool
from ledger.genesis import Genesis
from ledger.records import PoolClosed, PoolOpened, PoolPaused, PoolResumed, Record, read
from ledger.state import State
from ledger.types import Commit
from rig.admission import Void, decide, on_chain
from rig.chain import FINAL, NotFinal, RigChain
from rig.report.wording import clean, utc

SHOWN = 60.0  # s, for the pool's nodes to show on the line's chain that it is paused
LOOK = 0.2  # s


def make(
    keys: Path,
    operator: str,
    task: str,
    nodes: Sequence[str],
    length: int,
    name: str = "",
    brokers: Sequence[str] = (),
) -> list[str]:
    """Reserve ``nodes`` for ``task``, for ``length`` ns from now: in the pool that they have, or a new one
    (``name``, else pool-1, pool-2 …). What has come of it, a line each. NotFinal, Void, BadInput, OSError."""
    wanted, until = tuple(sorted(set(nodes))), time.time_ns() + length

    def made(state: State) -> PoolOpened | PoolResumed:
        same = state.pools.of_nodes(wanted)
        if same is not None:
            return PoolResumed(same.genesis.name, task, until)
        return PoolOpened(name or _free(state), task, wanted, until)

    with on_chain(keys, operator, brokers) as line:
        settled, record = decide(line, made)
        assert isinstance(record, PoolOpened | PoolResumed)
        pool = line.state.pools[record.pool]
        if isinstance(record, PoolOpened):
            return [f"pool {record.pool} is made for {task}, {settled.text}", *_lines(pool)]
        with line.pool(pool.genesis) as own:
            own.catch_up()
            if own.state.run.state == "paused":
                _record(own, record)
        return [f"pool {record.pool} is taken up again for {task}, {settled.text}", *_lines(pool)]


def pause(
    keys: Path, operator: str, name: str, brokers: Sequence[str] = (), close: bool = False
) -> list[str]:
    """Have the blocks of pool ``name`` end, for ever if it is to ``close``, and its nodes be free; what has
    come of it, a line each. NotFinal, Void, BadInput, OSError."""
    with on_chain(keys, operator, brokers) as line:
        line.catch_up()
        pool = _found(line.state, name)
        if pool.paused and not close:
            return [f"pool {name} is paused already", *_lines(pool)]
        if pool.paused:
            hint = "take it up again first: twinline ledger pool make"
            raise BadInput([Problem("POOL", 0, 0, f"{name} is paused, no block can follow", hint)])
        with line.pool(pool.genesis) as own:
            own.catch_up()
            if own.state.run.state == "paused" and not pool.wants(own.state.height):
                _record(own, PoolResumed(name, pool.task, pool.until))
            if own.state.run.state == "on":
                _record(own, PoolClosed(name) if close else PoolPaused(name))
            ended = own.state.height
            _await_shown(line, pool, ended)
        return [f"pool {name} is {'closed' if close else 'paused'}, its nodes are free", *_lines(pool)]


def listed(genesis: Genesis, commits: Sequence[Commit]) -> Iterator[str]:
    """The pools that ``commits`` of a line's chain say there are."""
    state = State(genesis)
    for commit in commits:
        state.apply(commit.block)
    yield f"chain    {state.chain}, height {state.height}, {utc(state.time)}"
    for name in state.pools:
        pool = state.pools[name]
        yield ""
        yield f"pool     {name}"
        yield from _lines(pool)
        if not pool.paused and pool.until <= state.time:
            yield "         that has run out: pause it, its chain still runs"


def checked(
    line: tuple[Genesis, Sequence[Commit]], pool: tuple[Genesis, Sequence[Commit]]
) -> tuple[list[str], bool]:
    """Whether the copy ``pool`` is of a pool of the line's chain in the copy ``line``, is what its members
    decided, and has the block that was shown there; in words, and whether all that holds."""
    (begun, decided), (genesis, commits) = line, pool
    _, wrong = audit(begun, decided)
    if wrong:
        return [f"{begun.chain}: {wrong}"], False
    as_made = _as_made(begun, decided, genesis)
    if as_made is None:
        return [f"{genesis.chain}: no pool of {begun.chain} begins so"], False
    state, wrong = audit(genesis, commits)
    if wrong:
        return [f"{genesis.chain}: {wrong}"], False
    height, head = as_made.anchored
    if height > state.height:
        return [f"{genesis.chain}: {state.height} blocks are here, {height} were shown to the line"], False
    if height and commits[height - 1].block.id != head:
        return [f"{genesis.chain}: block {height} is not the one that was shown to the line"], False
    shown = f"block {height}, {head.hex()}" if height else "nothing yet"
    return [
        f"{genesis.chain}: {state.height} blocks, each valid and signed by a quorum; {state.run.state}",
        f"genesis  {genesis.id.hex()}, as {begun.chain} has it",
        f"shown    to the line's chain: {shown}",
        f"line     {len(decided)} blocks of {begun.chain}, each valid and signed by a quorum",
        f"         genesis {begun.id.hex()}: compare it with one that you were given",
    ], True


def _as_made(begun: Genesis, commits: Sequence[Commit], genesis: Genesis) -> ManufacturingPool | None:
    """The pool of the line's chain that ``genesis`` begins, closed or not, as ``commits`` leave it."""
    state, found = State(begun), None
    for commit in commits:
        state.apply(commit.block)
        if found is None and any(_opens(read(tx), genesis.name) for tx in commit.block.body):
            pool = state.pools[genesis.name] if genesis.name in list(state.pools) else None
            found = pool if pool is not None and pool.genesis == genesis else None
    return found


def _opens(record: Record | Malformed, name: str) -> bool:
    return isinstance(record, PoolOpened) and record.pool == name


def _record(own: RigChain, record: Record) -> None:
    """Have it final on a pool's chain that is followed up to now. NotFinal, Void."""
    why = own.void(own.settle(own.submit(record)))
    if why:
        raise Void(why)


def _await_shown(line: RigChain, pool: ManufacturingPool, height: int) -> None:
    """Until the line's chain has been shown the block at ``height`` that ends the pool's. NotFinal."""
    until = time.monotonic() + SHOWN + FINAL
    while not pool.paused:
        if time.monotonic() > until:
            raise NotFinal(
                f"{pool.genesis.name} has ended at height {height}, which its nodes have not shown to the "
                f"line's chain yet; they go on trying, and are reserved until then, or {utc(pool.until)}"
            )
        time.sleep(LOOK)
        line.follow()


def _found(state: State, name: str) -> ManufacturingPool:
    there = list(state.pools)
    if name not in there:
        hint = f"there are: {', '.join(there) or 'none'}"
        raise BadInput([Problem("POOL", 0, 0, f"there is no pool {name!r}", hint)])
    return state.pools[name]


def _free(state: State) -> str:
    taken, number = set(state.pools), 1
    while f"pool-{number}" in taken:
        number += 1
    return f"pool-{number}"


def _lines(pool: ManufacturingPool) -> Iterator[str]:
    height, head = pool.anchored
    yield f"chain    {pool.genesis.chain}"
    yield f"nodes    {', '.join(pool.nodes)}"
    yield f"task     {clean(pool.task)}, " + ("paused" if pool.paused else f"until {utc(pool.until)}")
    if height:
        yield f"shown    block {height}, {head.hex()}"

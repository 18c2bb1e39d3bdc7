"""How a node says that its chain stands: the report that it keeps at the brokers, and that for a person."""

from __future__ import annotations

import time
from collections.abc import Mapping

from gateway.net.reports import ChainState, PoolState
from ledger import pom
from ledger.chain import DecidedChain
from ledger.consensus import Consensus

PRESENT_NS = 5_000_000_000  # after its last message a peer counts as heard


def standing(
    boot: str,
    consensus: Consensus,
    chain: DecidedChain,
    heard: Mapping[str, int],
    waiting: int,
    problem: str,
    pools: tuple[PoolState, ...],
) -> ChainState:
    """The report of a node that runs: ``heard`` is when each sender was heard last (monotonic ns)."""
    me, state = consensus.me, chain.state
    workloads = state.workloads
    since = time.monotonic_ns() - PRESENT_NS
    peers = (who for who, at in heard.items() if at >= since and who in state.parties and who != me)
    return ChainState(
        online=True,
        boot=boot,
        chain=chain.id,
        member=me in state.members,
        height=state.height,
        head=state.head.hex(),
        time=state.time,
        round=consensus.round,
        proposer=chain.proposer(consensus.round).node,
        peers=tuple(sorted(peers)),
        workloads=workloads,
        shares={each: _ratio(*pom.share(each, workloads)) for each in workloads},
        waiting=waiting,
        silent=consensus.silent,
        problem=problem,
        pools=pools,
    )


def facts(state: ChainState) -> dict[str, str]:
    """What there is to say of it, by what it is about, for a person."""
    said = {
        "chain": state.chain,
        "part": "member" if state.member else "follows, without a vote",
        "height": str(state.height),
        "next proposer": state.proposer,
        "peers heard": ", ".join(state.peers) or "none",
        "records not final": str(state.waiting),
        "problem": state.problem or "none",
    }
    return said | {f"pool {each.pool}": _pool(each) for each in state.pools}


def _pool(pool: PoolState) -> str:
    if not pool.until:
        return f"paused at height {pool.height}, block {pool.head[:16]}"
    if pool.state is None:
        return f"reserved for {pool.task}; its chain does not run here"
    heard = ", ".join(pool.state.peers) or "nobody"
    wrong = f"; {pool.state.problem}" if pool.state.problem else ""
    return f"reserved for {pool.task}; at height {pool.state.height} of {pool.chain}, hears {heard}{wrong}"


def _ratio(part: int, whole: int) -> float:
    return part / whole

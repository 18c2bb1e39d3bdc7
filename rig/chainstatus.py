"""How a chain stands, asked of the nodes that run: each keeps a report at the broker."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import msgspec

from gateway.errors import BadInput, Problem
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.identity import Identity, Trust
from gateway.net.link import broker_address, check_plain
from gateway.net.messages import decode
from gateway.net.reports import ChainState, PoolState
from rig.admission import may_be_plain
from rig.backend import BrokerGone
from rig.prepare import TRUST, tls_of
from rig.report.wording import clean, utc

CONNECT = 5.0  # s
LISTEN = 1.5  # s; what is retained comes at once
ASKING = "ledger-status"


class Heard(msgspec.Struct, frozen=True):
    """A node's report, and whether a key that is known here signed it."""

    state: ChainState
    verified: bool


def ask(broker: str, keys: Path | None, operator: str) -> dict[str, Heard]:
    """The reports at ``broker`` by line and node; ``keys`` holds whom to trust, and what ``operator`` shows
    the broker. BrokerGone, BadInput."""
    tls = None if keys is None else tls_of(keys, operator)
    try:
        check_plain(broker, keys is not None and may_be_plain(keys))
        if broker_address(broker).secured and tls is None:
            raise ValueError(f"{broker} wants a certificate; give --keys and --operator who has one there")
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        raise BadInput([Problem("--broker", 0, 0, what, hint)]) from None
    trust = Trust() if keys is None else Trust.load(keys / TRUST)
    heard: dict[str, Heard] = {}
    bus = Bus(ASKING, [broker], identity=Identity.create(ASKING), trust=trust, tls=tls)

    def take(delivery: Delivery) -> None:
        with contextlib.suppress(msgspec.MsgspecError):
            state = decode(delivery.envelope.body, ChainState)
            name = "/".join(delivery.topic.split("/")[3::2][:2])
            if delivery.verified is True or name not in heard or not heard[name].verified:
                heard[name] = Heard(state, delivery.verified is True)

    bus.subscribe(topics.chain(topics.ANY, topics.ANY), take)
    with bus:
        if not bus.wait_ready(CONNECT):
            raise BrokerGone(f"no broker answers at {broker}: {bus.problems.get(broker, 'not in time')}")
        threading.Event().wait(LISTEN)
        return dict(heard)


def table(heard: dict[str, Heard], chain: str = "") -> list[str]:
    """Each chain, or the one of that name or id, with its nodes; then M and share of its members, and its
    pools, as the node that is furthest has them, of those that are verified if there are any."""
    lines: list[str] = []
    told = [(name, each) for name, each in sorted(heard.items())]
    told += [(name, Heard(own, each.verified)) for name, each in told for own in _pools(each.state)]
    for shown in sorted({each.state.chain for _, each in told}):
        if chain not in ("", shown, shown.rpartition("-")[0]):
            continue
        of_it = {name: each for name, each in told if each.state.chain == shown}
        sure = [each.state for each in of_it.values() if each.verified]
        states = sure or [each.state for each in of_it.values()]
        best = max(states, key=lambda state: (state.online, state.height))
        lines += [
            f"chain    {clean(shown)}",
            f"height   {best.height}, {utc(best.time)}{'' if sure else ', unverified'}",
            f"next     proposed by {clean(best.proposer) or '-'}, round {best.round}",
            "",
            f"{'node':<28} {'height':>6} {'waits':>5}  peers heard",
        ]
        for name, each in of_it.items():
            lines.append(
                f"{clean(name):<28} {each.state.height:>6} {each.state.waiting:>5}  {_words(each)}"[:80]
            )
        lines += ["", f"{'member':<28} {'M':>8} {'share Pom':>10}"]
        for node, worked in best.workloads.items():
            lines.append(f"{clean(node):<28} {worked / 1e9:>6.1f} s {best.shares.get(node, 0.0):>10.1%}")
        pools = {pool.chain: pool for state in states for pool in state.pools}
        lines += ["", *(_pool(pool) for _, pool in sorted(pools.items()))] if pools else []
        lines.append("")
    return lines[:-1]


def _pools(state: ChainState) -> list[ChainState]:
    """How the chains of its pools are, as the node has them that runs them."""
    return [pool.state for pool in state.pools if pool.state is not None]


def _pool(pool: PoolState) -> str:
    reserved = f"for {clean(pool.task)} until {utc(pool.until)}" if pool.until else "paused"
    shown = f", shown at height {pool.height}: {pool.head[:16]}" if pool.height else ""
    return f"pool {clean(pool.pool)}: {reserved}{shown}"


def _words(each: Heard) -> str:
    state = each.state
    said = "" if each.verified else "unverified; "
    said += "offline" if not state.online else clean(", ".join(state.peers)) or "none"
    said += "; signs nothing" if state.online and state.silent and state.member else ""
    said += f"; {clean(state.problem)}" if state.problem else ""
    return said

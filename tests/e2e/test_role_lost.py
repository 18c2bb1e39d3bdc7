"""Who loses a role loses what came with it at once: the lease, what was forced, the answers."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import WITHIN, Memory, Starter, belt, memory, until
from site_alone import Site

from gateway.agent import Agent, _agent
from gateway.agentfile import load_config
from gateway.field.tags import TagRef
from gateway.net.identity import Identity, Trust
from gateway.net.messages import Force, Pause
from rig.backend import GatewayGone, LeaseLost, RigFault, Script
from rig.broker import Broker
from rig.prepare import TRUST
from rig.remote import BusBackend

HOLDS = (Force(TagRef("command"), 32), Force(TagRef("part-leaves"), True))
SECOND = 1_000_000_000


@pytest.fixture
def site(tmp_path: Path, start: Starter) -> Iterator[Site]:
    made = belt(tmp_path, serve=False)
    start.controller(tmp_path, made)
    with Broker(tmp_path / "broker") as broker:
        yield Site(tmp_path, made, start, broker, ("anna", "berta"))


@contextmanager
def running(config: Path) -> Iterator[Agent]:
    """The gateway itself, in this process: whom it trusts is changed as its line's chain does."""
    made: Future[Agent] = Future()
    loop: Future[asyncio.AbstractEventLoop] = Future()

    async def live() -> None:
        agent = _agent(load_config(config), asyncio.get_running_loop())
        assert isinstance(agent, Agent)
        loop.set_result(asyncio.get_running_loop())
        made.set_result(agent)
        await agent.run()

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    agent = made.result(WITHIN)
    try:
        asyncio.run_coroutine_threadsafe(agent.ready.wait(), loop.result()).result(WITHIN)
        yield agent
    finally:
        loop.result().call_soon_threadsafe(agent.ending.set)
        thread.join(WITHIN)
        assert not thread.is_alive()


def test_roles_that_are_taken_and_given(site: Site) -> None:
    key = site.operators["anna"].public_bytes
    with running(site.config) as agent, memory(site.made.port) as watched:
        with site.operator("anna") as anna, site.operator("berta") as berta:
            anna.hold("belt")
            anna.run({"belt": Script(HOLDS, keep=True)})
            watched.wait(Memory.HELD)
            begun = anna.begin({"belt": Script((Pause(60 * SECOND),))})
            until("a script", lambda: agent.cell.script is not None)
            agent.trust.add("anna", key, ("viewer",))
            watched.wait(Memory.SAFE)
            assert anna.finish(begun)["belt"].ended == "lease"
            assert anna.identify("belt")[0].station == "belt"  # a viewer sees
            with pytest.raises(LeaseLost, match="anna has not the role operator here; it has viewer"):
                anna.run({"belt": Script((), keep=True)})
            with pytest.raises(RigFault, match="grants no lease: anna has not the role operator"):
                anna.hold("belt")

            agent.trust.add("anna", key, ("signer",))
            with pytest.raises(GatewayGone, match="anna has not the role viewer here; it has signer"):
                anna.identify("belt")
            berta.hold("belt")  # nobody else is touched
            berta.run({"belt": Script(HOLDS, keep=True)})
            watched.wait(Memory.HELD)
            agent.trust.add("anna", key, ("operator",))
            assert watched.read() == Memory.HELD
            berta.close()

            anna.hold("belt")
            anna.run({"belt": Script(HOLDS, keep=True)})
            watched.wait(Memory.HELD)
            agent.trust.revoke("anna")
            watched.wait(Memory.SAFE)
            with pytest.raises(GatewayGone, match=r"answers nothing|no answer within 3 s"):
                anna.identify("belt")
            assert agent.refused["unknown"] >= 1
        again = Identity.create("anna")
        agent.trust.add("anna", again.public_bytes, ("commissioner",))
        with site.operator("berta") as berta:
            berta.hold("belt")
        assert agent.cell.lease.token == 4


def test_a_trust_file_that_changed_is_taken_by_the_gateway_that_runs(site: Site) -> None:
    """Whole, or not at all: what is wrong in it is said with its line, and the one before holds. Of anna the
    chain has decided, and no file says otherwise; berta is known by the file alone."""
    trust, there = Trust.load(site.keys / TRUST), site.keys / "belt" / TRUST
    keys = {name: identity.public_bytes for name, identity in site.operators.items()}
    gateway = site.gateway()

    def give(name: str, *roles: str) -> None:
        trust.add(name, keys[name], roles)
        trust.save(there)
        before = gateway.shown.count("the trust file is taken")
        gateway.signal(signal.SIGHUP)
        until("taken", lambda: gateway.shown.count("the trust file is taken") > before)

    with memory(site.made.port) as watched, site.operator("anna") as anna, site.operator("berta") as berta:
        berta.hold("belt")
        berta.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)
        there.write_text(there.read_text() + f"revoked: [{keys['berta'].hex()}, 12]\n")
        gateway.signal(signal.SIGHUP)
        line = there.read_text().count("\n")
        until("what is wrong", lambda: f"{there.name}:{line}:" in gateway.shown)
        there.write_text(there.read_text().replace(", 12]", "]"))
        gateway.signal(signal.SIGHUP)
        until("what is wrong", lambda: "the key of berta is revoked" in gateway.shown)
        until("a problem", lambda: "the trust file is not taken" in problem_of(anna))
        assert watched.read() == Memory.HELD, "the file before holds"

        give("berta", "viewer")
        watched.wait(Memory.SAFE)
        assert berta.identify("belt")[0].station == "belt"
        with pytest.raises(RigFault, match="grants no lease: berta has not the role operator"):
            berta.hold("belt")
        until("no problem", lambda: not problem_of(anna))
        give("berta", "signer")
        with pytest.raises(GatewayGone, match="berta has not the role viewer here; it has signer"):
            berta.identify("belt")
        give("anna", "viewer")
        anna.hold("belt")
        give("berta", "operator")
        assert berta.identify("belt")[0].station == "belt"
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0


def problem_of(backend: BusBackend) -> str:
    """What the gateway says is wrong with it."""
    state = backend.seen(("belt",))["belt"].state
    return "" if state is None else state.problem

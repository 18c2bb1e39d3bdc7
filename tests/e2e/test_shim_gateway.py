"""A program with its shim, a gateway alone and a session: the twin while it lives, else the terminals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import GATEWAY, Starter, by_id, until
from site_alone import Site
from site_shim import REAL, TWIN, Seen, shimmed

from gateway.field.tags import TagRef
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.messages import Force, decode
from gateway.net.reports import State
from rig.backend import Script
from rig.broker import Broker
from rig.remote import BusBackend


@contextmanager
def holding(site: Site) -> Iterator[BusBackend]:
    """The lease, with inputs held at ``TWIN``; given back in order at the end."""
    with site.operator() as backend:
        backend.hold("belt")
        names = ("part-enters", "part-leaves", "drive-ok", "command")
        held = tuple(Force(TagRef(name), value) for name, value in zip(names, TWIN, strict=True))
        backend.run({"belt": Script(held, keep=True)})
        yield backend


def protected(site: Site) -> list[bool]:
    """What the gateway says of it, once it says so."""
    said: list[bool] = []
    bus = Bus("anna", [site.broker.url], identity=site.operators["anna"], trust=site.trust)

    def on_state(delivery: Delivery) -> None:
        state = decode(delivery.envelope.body, State)
        if state.online and state.link == "ready":
            said.append(state.protected)

    bus.subscribe(topics.state("one", "belt"), on_state)
    with bus:
        until("a state of the gateway", lambda: len(said) > 2)
    return said


def test_a_killed_gateway_gives_the_terminals_back(tmp_path: Path, start: Starter) -> None:
    made = shimmed(tmp_path, serve=False)
    controller = start.controller(tmp_path, made)
    seen = Seen(made.port)
    with Broker(tmp_path / "broker") as broker:
        site = Site(tmp_path, made, start, broker)
        first = site.gateway()
        assert seen.read() == REAL
        assert protected(site)[-1] is True
        with holding(site):
            seen.wait(TWIN)
            first.kill(GATEWAY)
            first.wait()
            # By the controller alone, with the flag and the twin's values still in its memory.
            seen.wait(REAL)
        site.gateway()
        with holding(site):
            seen.wait(TWIN)  # nobody had to restart the controller
        seen.wait(REAL)
    seen.close()
    assert controller.process.poll() is None


def test_without_its_shim_a_station_is_unprotected(tmp_path: Path, start: Starter) -> None:
    made = shimmed(tmp_path, serve=False, with_shim=False)
    start.controller(tmp_path, made)
    with Broker(tmp_path / "broker") as broker:
        site = Site(tmp_path, made, start, broker)
        site.gateway()
        assert protected(site)[-1] is False


@pytest.mark.parametrize("mode", ["hil", "virtual"])
def test_a_session_through_the_shim(tmp_path: Path, start: Starter, mode: str) -> None:
    made = shimmed(tmp_path, serve=True)
    options = ("-k", "lease or input or output") if mode == "hil" else ()
    run = start.session(tmp_path, made.line, "--mode", mode, "--broker", "embedded", *options)
    assert run.wait() == 0, run.shown
    steps = by_id(run.record("PASS", True))
    (measured,) = [m for m in steps["connect/lease[belt]"].measurements if m.name == "shim"]
    assert re.fullmatch(r"stamp 16#54[0-9A-F]{6}", str(measured.value))
    inputs = [name for name in steps if name.startswith("checkout/input[")]
    assert len(inputs) == 4  # what the shim is told is no signal of the plant
    assert not any("shim-" in name for name in steps)


def test_a_program_without_the_shim_fails(tmp_path: Path, start: Starter) -> None:
    made = shimmed(tmp_path, serve=True, with_shim=False)
    run = start.session(tmp_path, made.line, "--mode", "virtual", "-k", "lease")
    assert run.wait() == 1, run.shown
    step = by_id(run.record("FAIL", True))["connect/lease[belt]"]
    assert "make one with twinline tags shim" in step.message
    assert step.tags[:2] == ("shim-status", "shim-stamp")

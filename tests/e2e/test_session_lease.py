"""The lease on a gateway that stands alone: read-only without, one operator, safe when it ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import WITHIN, Memory, Starter, belt, memory, secured, until
from site_alone import Site

from gateway.field.tags import TagRef
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.messages import Force, decode
from gateway.net.reports import Image, State
from rig.backend import LeaseLost, RigFault, Script
from rig.prepare import KEY, tls_of
from rig.remote import BusBackend

HOLDS = (Force(TagRef("command"), 32), Force(TagRef("part-leaves"), True))
# A rig that holds the lease and forces inputs until it is killed.
RIG = """
import sys
from pathlib import Path
from gateway.field.tags import TagRef
from gateway.net.identity import Identity, Trust
from gateway.net.messages import Force
from rig.backend import Script
from rig.prepare import tls_of
from rig.remote import BusBackend

broker, folder = sys.argv[1], Path(sys.argv[2])
backend = BusBackend(
    "one", ["belt"], [broker], Identity.load(folder / "anna.pem"), Trust.load(folder / "trust.yaml"),
    tls=tls_of(folder, "anna"),
)
backend.start()
backend.hold("belt")
held = (Force(TagRef("command"), 32), Force(TagRef("part-leaves"), True))
backend.run({"belt": Script(held, keep=True)})
print("holding", flush=True)
sys.stdin.buffer.read() or __import__("time").sleep(600)
"""


@pytest.fixture
def site(tmp_path: Path, start: Starter) -> Iterator[Site]:
    made = belt(tmp_path, serve=False)
    start.controller(tmp_path, made)
    with secured(tmp_path) as broker:
        yield Site(tmp_path, made, start, broker, ("anna", "berta"))


@pytest.fixture
def watched(site: Site) -> Iterator[Memory]:
    with memory(site.made.port) as client:
        yield client


def test_without_a_lease_it_only_reads(site: Site, watched: Memory) -> None:
    foreign = (12345, True, True, False)  # each unlike its safe value or unlike what the twin would write
    watched.write(foreign)
    states: list[State] = []
    seen: list[int] = []

    def on_state(delivery: Delivery) -> None:
        states.append(decode(delivery.envelope.body, State))

    def on_image(delivery: Delivery) -> None:
        image = decode(delivery.envelope.body, Image)
        if image.good and "seen-command" in image.values:
            seen.append(int(image.values["seen-command"]))

    tls = tls_of(site.keys, "anna")
    bus = Bus("anna", [site.broker.url], identity=site.operators["anna"], trust=site.trust, tls=tls)
    bus.subscribe(topics.state("one", "belt"), on_state)
    bus.subscribe(topics.image("one", "belt"), on_image)
    with bus:
        gateway = site.gateway()
        until("a gateway that is connected", lambda: any(state.link == "ready" for state in states))
        count = len(states)
        until("heartbeats", lambda: len(states) >= count + 4)
        until("what the controller shows", lambda: 12345 in seen)
        assert {state.holder for state in states} == {""}
    assert watched.read() == foreign
    gateway.process.terminate()
    assert gateway.wait() == 0, gateway.shown
    assert watched.read() == foreign


def test_a_second_operator_is_refused(site: Site, watched: Memory) -> None:
    site.gateway()
    with site.operator("anna") as anna, site.operator("berta") as berta:
        anna.hold("belt")
        anna.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)
        with pytest.raises(
            RigFault, match=r"belt grants no lease: anna holds the lease, since .*, for \d\.\d s more"
        ):
            berta.hold("belt")
        with pytest.raises(RigFault, match="no lease is held"):
            berta.run({"belt": Script(HOLDS)})
        assert watched.read() == Memory.HELD  # the refusal changed nothing
        anna.close()
        watched.wait(Memory.SAFE)
        berta.hold("belt")
        berta.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)


def test_a_commissioner_breaks_a_lease_and_a_rig_that_ends_says_what_is_still_forced(
    site: Site, watched: Memory
) -> None:
    site.gateway()
    berta = BusBackend(
        "one", ["belt"], [site.broker.url], site.operators["berta"], site.trust,
        tls=tls_of(site.keys, "berta"), breaks=True,
    )  # fmt: skip
    with site.operator("anna") as anna, contextlib.closing(berta):
        berta.start()
        anna.hold("belt")
        anna.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)
        berta.hold("belt")
        with pytest.raises(LeaseLost, match="berta broke this lease"):
            anna.run({"belt": Script(HOLDS)})
        berta.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)

        def told() -> bool:
            state = anna.seen()["belt"].state
            return state is not None and len(state.forces) == len(HOLDS)

        until("anna's rig hears of the forces", told)
        anna.close()
        assert anna.left("belt") == ("command", "part-leaves")
        berta.close()
        assert berta.left("belt") == ()
        watched.wait(Memory.SAFE)


def test_what_was_held_under_an_old_lease_is_refused(site: Site, watched: Memory) -> None:
    site.gateway()
    with site.operator("anna") as first, site.operator("anna") as second:
        first.hold("belt")
        second.hold("belt")  # the same operator, again: the first's token is stale
        with pytest.raises(LeaseLost, match="belt: the lease is lost: token 1 is stale, the lease has 2"):
            first.run({"belt": Script(HOLDS)})
        second.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)


def test_an_operator_that_is_killed(site: Site, watched: Memory) -> None:
    gateway = site.gateway()
    rig = site.start(site.folder, sys.executable, "-c", RIG, site.broker.url, str(site.keys))
    until("a rig that holds", lambda: "holding" in rig.shown or rig.process.poll() is not None)
    watched.wait(Memory.HELD)
    rig.process.kill()
    watched.wait(Memory.SAFE)
    until("what became of the lease", lambda: "lease of anna ran out" in gateway.shown)
    with site.operator("berta") as berta:
        berta.hold("belt")  # free for the next


@pytest.mark.parametrize("ending", ["the broker goes", "the gateway is told to end"])
def test_other_ends_of_a_lease(ending: str, site: Site, watched: Memory) -> None:
    gateway = site.gateway()
    with site.operator("anna") as anna:
        anna.hold("belt")
        anna.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)
        if ending == "the broker goes":
            site.broker.kill()
        else:
            gateway.process.terminate()
            assert gateway.wait() == 0, gateway.shown
        watched.wait(Memory.SAFE)
    gateway.assert_no_traceback()


def test_a_gateway_that_is_killed_restores_when_it_is_back(site: Site, watched: Memory) -> None:
    gateway = site.gateway()
    with site.operator("anna") as anna:
        anna.hold("belt")
        anna.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)
        gateway.process.kill()
        gateway.wait()
        assert watched.read() == Memory.HELD  # a dead gateway restores nothing
    again = site.gateway()
    watched.wait(Memory.SAFE)
    until("the event", lambda: "forces ended: command, part-leaves" in again.shown)
    with site.operator("berta") as berta:
        berta.hold("belt")
    again.process.terminate()
    assert again.wait() == 0, again.shown


@pytest.mark.parametrize("ending", ["killed", "told to end", "told to end while a lease is held"])
def test_a_gateway_that_was_safe_when_it_ended_writes_nothing(
    ending: str, site: Site, watched: Memory
) -> None:
    gateway = site.gateway()
    with site.operator("anna") as anna:
        anna.hold("belt")
        anna.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)
        if ending == "told to end while a lease is held":
            gateway.process.terminate()
            gateway.wait()
    until("the safe state", lambda: "the safe state is driven" in gateway.shown)  # told once it is journalled
    gateway.process.kill() if ending == "killed" else gateway.process.terminate()
    gateway.wait()
    foreign = (12345, True, True, False)
    watched.write(foreign)
    site.gateway()
    with site.operator("berta") as berta:
        until("the link", lambda: berta.identify("belt")[0].link == "ready")
        berta.identify("belt")
    assert watched.read() == foreign


def test_two_gateways_do_not_share_a_journal(site: Site) -> None:
    site.gateway()
    second = site.start_gateway()
    assert second.wait(WITHIN) == 2
    assert "journal.sqlite: is in use; another gateway runs here with this journal" in second.said
    assert "Traceback" not in second.shown


def test_a_gateway_without_its_files(site: Site) -> None:
    (site.config.parent / KEY).unlink()
    run = site.start_gateway()
    assert run.wait() == 2
    assert "Traceback" not in run.shown
    assert str(site.config.parent / KEY) in run.said


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "Input data was truncated"),
        ("{}", "Object missing required field `line`"),
        ('{"lime": "one"}', "Object contains unknown field `lime`"),
    ],
)
def test_a_configuration_that_cannot_be_read(text: str, what: str, site: Site) -> None:
    site.config.write_text(text)
    run = site.start_gateway()
    assert run.wait() == 2
    assert "Traceback" not in run.shown
    assert f"{site.config}: {what}" in run.shown
    assert "docs/gateway.md" in run.shown

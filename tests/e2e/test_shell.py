"""The local shell as a technician uses it: a real agent beside a controller, typed into in a terminal."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator

import pytest
from running import WITHIN, Memory, memory, until
from site_alone import Site
from site_shell import HOLDING, PROMPT, Open, connected, do, shells, state_of
from terminal import CTRL_C, CTRL_D, TAB, UP, Terminal

from gateway.errors import BadInput
from gateway.local.client import Client
from gateway.local.holding import Holding
from gateway.local.messages import AskLease, LeaseShown
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.identity import Identity
from gateway.net.messages import Acquire, Ask, decode, encode
from gateway.net.reports import StationEvent
from rig.backend import RigFault, Script
from rig.line import load_line
from rig.prepare import prepare


@pytest.fixture
def watched(site: Site) -> Iterator[Memory]:
    with memory(site.made.port) as client:
        yield client


@pytest.fixture
def open_shell(site: Site) -> Iterator[Open]:
    with shells(site) as made:
        yield made


# --- as a person types ---------------------------------------------------------------------------------


def test_an_hour_of_a_technician(site: Site, open_shell: Open, watched: Memory) -> None:
    site.gateway()
    connected(site)
    shell = open_shell()
    shell.type("sta" + TAB, enter=False)
    shell.expect("> status")
    shell.type("")
    assert "belt (Belt) of line one, mode hil" in shell.expect(PROMPT)
    shell.type("tags lamp")
    assert re.search(r"lamp-fault +out +(true|false) +BOOL +coil:1\n", shell.expect(PROMPT))
    shell.type("watch belt-r" + TAB, enter=False)
    shell.expect("> watch belt-run")
    shell.type("part-enters")
    shell.expect(r"part-enters +false")
    shell.type(CTRL_C, enter=False)
    shell.expect(PROMPT)
    shell.type("lease take")
    shell.expect(HOLDING)
    shell.type("force part-enters true")
    shell.expect(f"part-enters is held at true{HOLDING}")
    until("the force at the controller", lambda: watched.read()[1])  # type: ignore[index]
    shell.type("watch seen belt-run")
    shell.expect(r"seen +5")  # its bits: part-enters, and drive-ok of the twin
    shell.type(CTRL_C, enter=False)
    shell.expect(HOLDING)
    shell.type("release part-enters")
    shell.expect(f"part-enters is released{HOLDING}")
    shell.type("lease give")
    shell.expect(PROMPT)
    watched.wait(Memory.SAFE)
    shell.type("nonsense")
    assert "not a recognized command" in shell.expect(PROMPT)
    shell.type(UP + UP, enter=False)
    shell.expect("lease give")
    shell.type("")
    assert "holds no lease" in shell.expect(PROMPT)
    shell.type(CTRL_D, enter=False)
    assert shell.wait() == 0
    assert "Traceback" not in shell.shown
    assert "Error" not in shell.shown
    assert [line for line in shell.shown.splitlines() if len(line) > 80 and "> " not in line] == []
    again = open_shell()  # what was typed is remembered
    again.type(UP, enter=False)
    again.expect("lease give")


def test_the_agent_killed_in_the_middle_of_watch(site: Site, open_shell: Open) -> None:
    gateway = site.gateway()
    connected(site)
    shell = open_shell()
    shell.type("watch belt-run")
    shell.expect(r"belt-run +(true|false)")
    gateway.process.kill()
    gateway.wait()
    assert "the gateway's process has ended" in " ".join(shell.expect(PROMPT).split())
    shell.type("status")
    assert "the gateway's process does not run" in shell.expect(PROMPT)
    site.gateway()  # over the dead one's socket
    shell.type("status")
    assert "of line one" in shell.expect(PROMPT)
    assert "Traceback" not in shell.shown


def test_two_shells_do_not_hold_one_lease(site: Site, open_shell: Open, watched: Memory) -> None:
    site.gateway()
    connected(site)
    one, two = open_shell(), open_shell()
    one.type("lease take")
    one.expect(HOLDING)
    one.type("force command 32")
    one.expect(f"held at 32{HOLDING}")
    two.type("lease take")
    said = two.expect(PROMPT)
    assert re.search(r"no lease: local-\w+-\d+ holds the lease", said)
    two.type("force command 1")
    assert "this shell holds no lease" in two.expect(PROMPT)
    two.type("tags command")
    assert re.search(r"\ncommand +in +32\* ", two.expect(PROMPT))
    two.type("lease take --break")  # who stands beside the machine may
    two.expect(HOLDING)
    one.expect("the lease is lost: local-\\w+-\\d+ broke this lease")
    one.type("force command 1")  # maybe while the prompt is drawn again: no prompt tells that it is answered
    one.expect("this shell holds no lease")
    two.type("force command 32")
    two.expect(f"held at 32{HOLDING}")
    watched.write((33, True, True, True))  # somebody else does
    until("the force that does not hold", lambda: "overwritten" in says(two, "status"))
    assert "command does not hold, it is 33" in " ".join(says(two, "status").split())
    assert "32, which does not hold: it is 33" in " ".join(says(two, "lease").split())
    assert re.search(r"\ncommand +in +33# ", says(two, "tags command"))
    two.type("quit", enter=True)
    assert two.wait() == 0
    watched.wait(Memory.SAFE)
    one.type("lease take")
    one.expect(HOLDING)


def says(shell: Terminal, command: str) -> str:
    """What a shell that holds the lease answers."""
    shell.type(command)
    return shell.expect(HOLDING)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGHUP])
def test_a_shell_that_is_gone_holds_nothing(
    number: signal.Signals, site: Site, open_shell: Open, watched: Memory
) -> None:
    """Killed, its terminal lost, or stuck so that it renews no more."""
    site.gateway()
    connected(site)
    shell = open_shell()
    shell.type("lease take")
    shell.expect(HOLDING)
    shell.type("force command 32")
    shell.expect(f"held at 32{HOLDING}")
    shell.type("force part-leaves true")
    watched.wait(Memory.HELD)
    shell.process.send_signal(number)
    watched.wait(Memory.SAFE)
    with Client(state_of(site)) as client:
        lease = client.ask(AskLease(), LeaseShown)
    assert isinstance(lease, LeaseShown)
    assert (lease.holder, lease.forces) == ("", {})


def test_nobody_types_any_more(site: Site, watched: Memory) -> None:
    """A lease that is renewed by a program alone is given back."""
    site.gateway()
    connected(site)
    said: list[str] = []
    holding = Holding(state_of(site), said.append, present_s=0.5)
    until("the end of the lease", lambda: said)
    assert said == ["nobody has typed a command for 0.5 s: the lease is given back"]
    watched.wait(Memory.SAFE)
    assert holding.act() == said[0]
    holding.give_back()
    Holding(state_of(site), said.append).give_back()  # free for the next


# --- beside a rig --------------------------------------------------------------------------------------


def test_a_rig_and_a_shell_do_not_hold_one_lease(site: Site, open_shell: Open, watched: Memory) -> None:
    site.gateway()
    events: list[str] = []

    def on_event(delivery: Delivery) -> None:
        event = decode(delivery.envelope.body, StationEvent)
        events.append(f"{event.kind}: {event.text}")

    listener = Bus("listener", [site.broker.url])
    listener.subscribe(topics.event("one", "belt"), on_event)
    with listener:
        assert listener.wait_ready(WITHIN)
        connected(site)
        shell = open_shell()
        with site.operator("anna") as anna:
            anna.hold("belt")
            shell.type("lease take")
            assert re.search(
                r"no lease: anna holds the lease, since [^>]*\d\.\d\s+s\s+more", shell.expect(PROMPT)
            )
            shell.type("status")
            assert "held by anna" in shell.expect(PROMPT)
        until("the lease given back", lambda: "anna gave the lease back" in " ".join(events))
        shell.type("lease take")
        shell.expect(HOLDING)
        with site.operator("anna") as anna, pytest.raises(RigFault, match=r"local-\w+-\d+ holds the lease"):
            anna.hold("belt")
        shell.type("force command 32")
        shell.expect(f"held at 32{HOLDING}")
        # The rig's side is told who is there and what is held.
        until("the force as an event", lambda: "force: command held at 32" in events)
        assert any(re.match(r"lease: local-\w+-\d+ holds the lease, token \d+", event) for event in events)
        shell.type(CTRL_D, enter=False)
        assert shell.wait() == 0
        watched.wait(Memory.SAFE)
        with site.operator("anna") as anna:
            anna.hold("belt")
            anna.run({"belt": Script((), keep=True)})


def test_nobody_on_the_bus_speaks_as_a_shell(site: Site) -> None:
    """Not even one whose key the gateway knows under such a name."""
    with pytest.raises(BadInput, match="would be the name of a local shell"):
        list(prepare(load_line(site.made.line), site.keys, (site.broker.url,), "local-root-1"))
    false = Identity.create("local-root-1")
    site.trust.add(false.node, false.public_bytes)
    site.trust.save(site.config.parent / "trust.yaml")
    gateway = site.gateway()
    with Bus(false.node, [site.broker.url], identity=false) as bus:
        assert bus.wait_ready(WITHIN)
        topic = topics.command("one", "belt", false.node)
        bus.publish(topic, "command", encode(Ask(1, Acquire(1_000_000_000))), qos=1, sign=True)
        until("the warning", lambda: "under a name that is a local shell's" in gateway.shown)
    assert json.loads(do(site, "lease --json"))["token"] == 0

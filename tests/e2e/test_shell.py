"""The local shell as a technician uses it: a real agent beside a controller, typed into in a terminal."""

from __future__ import annotations

import contextlib
import csv
import grp
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from running import WITHIN, Memory, Starter, belt, memory, until
from site_alone import Site
from terminal import CTRL_C, CTRL_D, TAB, UP, Terminal

from gateway.errors import BadInput
from gateway.local.client import Client, Unanswered
from gateway.local.holding import Holding
from gateway.local.messages import AskLease, LeaseShown
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.identity import Identity
from gateway.net.messages import Acquire, Ask, decode, encode
from gateway.net.reports import StationEvent
from rig.backend import RigFault, Script
from rig.broker import Broker
from rig.line import load_line
from rig.prepare import prepare

ROOT = Path(__file__).parents[2]
PROMPT, HOLDING = r"\nbelt>$", r"\nbelt HOLDS THE LEASE>$"


@contextlib.contextmanager
def site_in(folder: Path, start: Starter) -> Iterator[Site]:
    """The small line's controller, a broker, and what its gateway needs."""
    made = belt(folder, serve=False)
    start.controller(folder, made)
    with Broker(folder / "broker") as broker:
        yield Site(folder, made, start, broker)


@pytest.fixture
def site(tmp_path: Path, start: Starter) -> Iterator[Site]:
    with site_in(tmp_path, start) as made:
        yield made


@pytest.fixture
def common(start: Starter) -> Iterator[Site]:
    """A site in a folder that other users can enter: pytest closes its own to them, again and again."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("another user can be had by root alone, with setpriv")
    with tempfile.TemporaryDirectory() as folder, site_in(Path(folder), start) as made:
        for each in made.config.parents:
            if each not in (Path("/"), Path("/tmp")):
                each.chmod(each.stat().st_mode | 0o055)
        yield made


@pytest.fixture
def watched(site: Site) -> Iterator[Memory]:
    with memory(site.made.port) as client:
        yield client


Open = Callable[[], Terminal]


@pytest.fixture
def open_shell(site: Site) -> Iterator[Open]:
    """Shells in terminals of their own, at their prompt."""
    with contextlib.ExitStack() as stack:

        def made() -> Terminal:
            env = {"XDG_STATE_HOME": str(site.folder / "home"), "PYTHONPATH": str(ROOT)}
            env["PROMPT_TOOLKIT_NO_CPR"] = "1"  # nobody answers where the cursor is
            command = [sys.executable, "-m", "rig", "shell", str(site.config.parent)]
            terminal = Terminal(command, site.folder, env)
            stack.callback(terminal.end)
            terminal.expect(PROMPT)
            return terminal

        yield made


def do(site: Site, *commands: str, status: int | None = 0) -> str:
    """``-c`` each of ``commands``; what they say. ``status`` None: however they end."""
    given = [part for command in commands for part in ("-c", command)]
    done = subprocess.run(
        [sys.executable, "-m", "gateway.local", str(site.config), *given],
        cwd=ROOT, capture_output=True, text=True, timeout=WITHIN, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert status in (None, done.returncode), (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout + (done.stderr if status is not None else "")


def state_of(site: Site) -> Path:
    return site.config.parent / "state"


def connected(site: Site) -> None:
    until("the controller", lambda: json.loads(do(site, "plc --json", status=None))["devices"][0]["ready"])


# --- as a person types --------------------------------------------------------------------------------


def test_an_hour_of_a_technician(site: Site, open_shell: Open, watched: Memory) -> None:
    site.gateway()
    connected(site)
    shell = open_shell()
    shell.type("sta" + TAB, enter=False)
    shell.expect("> status")
    shell.type("")
    assert "belt (Belt) of line one, mode hil" in shell.expect(PROMPT)
    shell.type("tags lamp")
    assert re.search(r"lamp-fault +out +(true|false) +1 +BOOL +coil:1\n", shell.expect(PROMPT))
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
    one.type("force command 1")
    assert "this shell holds no lease" in one.expect(PROMPT)
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
    watched.wait(Memory.SAFE, within=5)
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


# --- beside a rig -------------------------------------------------------------------------------------


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


def test_what_may_not_be_forced_is_refused_by_the_one_gate(site: Site) -> None:
    site.gateway()
    connected(site)
    for command, why, status in (
        ("force belt-run true", "only inputs can be forced", 1),
        ("force nowhere true", "nowhere is no tag of belt", 2),
        ("force part-enters 3", "'3' is not a BOOL", 2),
        ("force command 70000", "70000 does not fit WORD", 2),
    ):
        assert why in " ".join(do(site, "lease take", command, status=status).split())


def each_json(text: str) -> Iterator[Any]:
    """The values that stand one after the other in ``text``."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].strip()


# --- in scripts ---------------------------------------------------------------------------------------


def test_json_csv_and_scripts(site: Site, tmp_path: Path) -> None:
    site.gateway()
    connected(site)
    commands = ("status", "tags", "plc", "twin", "lease", "net", "peers", "chain", "logs", "probe")
    said = do(site, *(f"{command} --json" for command in commands))
    found = dict(zip(commands, each_json(said), strict=True))
    status = found["status"]
    assert (status["station"], status["state"]["online"], status["lost"]) == ("belt", True, {})
    assert [tag["name"] for tag in found["tags"]][:2] == ["command", "part-enters"]
    assert found["plc"]["devices"][0]["ready"]
    assert found["probe"]["answered"]
    lines = do(site, "selftest", status=None).splitlines()
    assert len(lines) >= 7
    assert max(map(len, lines)) <= 80
    script = tmp_path / "commands.txt"
    script.write_text("lease take\nforce part-enters true\nstatus\nlease give\n")
    said = do(site, f"run_script {script}")
    assert "part-enters is held at true" in said
    assert "forces      part-enters" in said
    trace = tmp_path / "trace.csv"
    do(site, "lease take", "force part-enters true", f"trace belt-run seen --for 500ms > {trace}")
    rows = list(csv.DictReader(trace.read_text().splitlines()))
    assert {row["tag"] for row in rows} == {"belt-run", "seen"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["utc"]) for row in rows)
    assert [row["utc"] for row in rows] == sorted(row["utc"] for row in rows)


def test_exit_statuses(site: Site) -> None:
    assert "does not run" in " ".join(do(site, "status", status=3).split())
    site.gateway()
    connected(site)
    do(site, "nonsense", "status", status=2)
    do(site, "trace nowhere --for 1s", status=3)
    do(site, "trace belt-run --for soon", status=2)
    do(site, "tags nowhere", status=1)
    do(site, "release", status=1)


# --- who may, and what is told ------------------------------------------------------------------------


def test_another_user_is_refused(common: Site) -> None:
    """Even where the folder and the socket would let him in."""
    common.gateway()
    connected(common)
    socket_path = state_of(common) / "shell.sock"
    ask = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
        "print(s.recv(65536)); s.sendall(bytes(4)); print(s.recv(10))"
    )
    nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "/usr/bin/env",
        "python3",
        "-c",
        ask,
    ]

    def tried() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*nobody, str(socket_path)], capture_output=True, text=True, timeout=WITHIN, cwd="/",
            env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip

    assert "Permission denied" in tried().stderr
    socket_path.parent.chmod(0o755)
    socket_path.chmod(0o666)
    done = tried()
    assert "may not" in done.stdout, done
    assert done.stdout.splitlines()[1:] in (["b''"], []), done  # and the connection is at its end


def test_a_member_of_the_group_is_let_in(common: Site) -> None:
    """One who is neither root nor the gateway's user, and may read neither key nor journal."""
    group = grp.getgrall()[-1]
    config = msgspec.json.decode(common.config.read_bytes())
    common.config.write_bytes(msgspec.json.encode({**config, "group": group.gr_name}))
    common.gateway()
    connected(common)
    socket_path = state_of(common) / "shell.sock"
    assert (socket_path.stat().st_gid, socket_path.stat().st_mode & 0o777) == (group.gr_gid, 0o660)
    said = {}
    for groups in (f"--groups={group.gr_gid}", "--clear-groups"):
        done = subprocess.run(
            ["setpriv", "--reuid=65533", "--regid=65533", groups, sys.executable, "-m", "gateway.local"]
            + [str(common.config), "-c", "status", "-c", "selftest"],
            capture_output=True, text=True, timeout=WITHIN, cwd=ROOT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        said[groups] = " ".join((done.stdout + done.stderr).split())
    member, stranger = said.values()
    assert "of line one" in member
    assert "open disk this user may not write" in member
    assert "open files all but the key can be read" in member
    assert "you may not open" in stranger


def test_a_bundle_holds_no_key(site: Site, tmp_path: Path) -> None:
    station = site.config.parent / "station.yaml"
    station.write_text(station.read_text() + "# mqtt://anna:geheim@broker.example:1883\n")
    site.gateway()
    connected(site)
    into = tmp_path / "bundle.zip"
    do(site, f"bundle {into}")
    assert into.stat().st_mode & 0o077 == 0
    pem = (site.config.parent / "key.pem").read_text()
    body = "".join(pem.splitlines()[2:-1])
    secrets = {body[at : at + 24] for at in range(0, len(body) - 23, 8)} | {"PRIVATE KEY", "geheim", "anna:"}
    with zipfile.ZipFile(into) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {"status.json", "tags.json", "logs.json", "selftest.txt", "station.yaml"} <= members.keys()
    assert json.loads(members["tags.json"])["tags"]
    for name, text in members.items():
        assert [secret for secret in secrets if secret in text] == [], name


def test_too_many_shells_are_refused_and_nothing_else_suffers(site: Site) -> None:
    site.gateway()
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(Client(state_of(site)))
        with pytest.raises(Unanswered, match="16 connections are open already"):
            Client(state_of(site))
    until("a free place", lambda: "of line one" in do(site, "status", status=None))

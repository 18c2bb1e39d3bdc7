"""Sessions as a person runs them: processes, watched from outside until nothing of them is left."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import msgspec
import psutil
import pytest
from pymodbus.client import ModbusTcpClient

from rig.broker import Broker
from rig.ports import free_ports
from rig.record import Record, Step
from rig.report.bundle import JUNIT, REPORT, SESSION, STEPS, verify

ROOT = Path(__file__).parents[2]
TWINLINE = (sys.executable, "-m", "rig")
PYTEST = (sys.executable, "-m", "pytest")
MARK = "TWINLINE_TEST_MARK"
WITHIN = 60.0  # s, for anything that is waited for
CONTROLLER, GATEWAY, BROKER = "gateway.controller.serve", "gateway.agent", "rig.broker"
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
BROKERS = [
    pytest.param(
        "mosquitto", marks=pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
    ),
    "embedded",
]

# Holds inputs away from their safe values until the session is ended from outside.
HOLD = '''
from gateway.field.tags import TagRef
from gateway.net.messages import Force, Pause


def test_hold(station):
    """Hold on."""
    held = [Force(TagRef("command"), 32), Force(TagRef("part-leaves"), True)]
    station.run(*held, Pause(120_000_000_000))


def test_then(station, step):
    """What comes after."""
    step.measure("scans", station.run(Pause(1_000_000)).trace.scans, low=1)
'''


def until(what: str, holds: Callable[[], Any], within: float = WITHIN) -> Any:
    """What ``holds`` gives once it is true; fails after ``within`` seconds."""
    deadline = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
        time.sleep(0.02)
    return found


class Belt(NamedTuple):
    """A copy of the small line; its controller is at ``port``."""

    folder: Path
    port: int

    @property
    def line(self) -> Path:
        return self.folder / "lines/one.yaml"

    def change(self, file: str, *changes: tuple[str, str]) -> int:
        """Replace texts in a file of the line; the line number of the last."""
        path = self.folder / file
        text = path.read_text()
        number = 0
        for old, new in changes:
            assert old in text, f"{file} has no {old!r}"
            number = text[: text.index(old)].count("\n") + 1
            text = text.replace(old, new)
        path.write_text(text)
        return number


def belt(folder: Path, serve: bool = True) -> Belt:
    """The small line in ``folder``/line, at a free port; without ``serve`` its controller is another's."""
    (port,) = free_ports(1)
    shutil.copytree(Path(__file__).parent / "data/belt", folder / "line")
    made = Belt(folder / "line", port)
    made.change("stations/belt.yaml", ("15921", str(port)))
    if not serve:
        made.change("lines/one.yaml", ("serve: true", "serve: false"))
    return made


def procedures(folder: Path, **files: str) -> None:
    """Own procedures in ``folder``/procedures, by file name."""
    (folder / "procedures").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / "procedures" / f"{name}.py").write_text(text)


class Run:
    """A command in ``folder``, and every process that comes of it."""

    def __init__(self, folder: Path, *command: str, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.output = folder / f"output-{self.mark}.txt"
        self.scratch = folder / f"scratch-{self.mark}"
        self.scratch.mkdir(parents=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TWINLINE_")}
        settings = {MARK: self.mark, "TMPDIR": str(self.scratch), "PYTHONPATH": str(ROOT)}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=folder, env={**inherited, **settings, **(env or {})}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def shown(self) -> str:
        """What a person has seen so far, in lines as long as they come."""
        return self.output.read_text(errors="replace")

    @property
    def said(self) -> str:
        """``shown`` on one line."""
        return " ".join(self.shown.split())

    @property
    def run(self) -> Path | None:
        """The run's folder, once there is one."""
        return next((self.folder / "runs").glob("*"), None)

    def wait(self, within: float = WITHIN) -> int:
        """The exit status."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            pytest.fail(f"did not end within {within:g} s:\n{self.shown}")

    def wait_ready(self) -> None:
        """Until it says that it is there."""

        def is_there() -> bool:
            assert self.process.poll() is None, self.shown
            return re.search(r'^\{"ready": true.*\}$', self.shown, re.MULTILINE) is not None

        until("ready", is_there)

    def wait_step(self, step: str) -> None:
        """Until that step is in the evidence."""

        def ended() -> bool:
            assert self.process.poll() is None, self.shown
            log = self.run and self.run / STEPS
            return bool(log) and log.exists() and f'"id":"{step}"' in log.read_text()

        until(f"step {step}", ended)

    def processes(self, part: str = "") -> list[psutil.Process]:
        """Those alive that came of this command and have ``part`` in their command line."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found += [process] if part in " ".join(process.cmdline()) else []
        return found

    def kill(self, part: str) -> None:
        """SIGKILL to the children with ``part`` in their command line."""
        victims = self.processes(part)
        assert victims, f"no process of {part}"
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):  # one of them may take another along
                victim.kill()

    def signal(self, number: signal.Signals) -> None:
        """To the command itself."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Whatever is left, by force."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.kill()
        self.process.wait(WITHIN)

    def assert_nothing_left(self) -> None:
        """No process, no key or journal outside the evidence, and nobody saw a traceback."""
        until("no process left", lambda: not self.processes())
        assert list(self.scratch.iterdir()) == []
        self.assert_no_traceback()

    def assert_no_traceback(self) -> None:
        """In no output and no log."""
        assert "Traceback" not in self.shown
        for log in (self.folder / "runs").glob("*/logs/*"):
            assert "Traceback" not in log.read_text(), log

    def record(self, verdict: str, complete: bool) -> Record:
        """The evidence, whole and consistent, with this verdict."""
        assert self.run is not None, self.shown
        return evidence(self.run, verdict, complete)


def evidence(run: Path, verdict: str, complete: bool) -> Record:
    """The evidence in the folder ``run``, whole and consistent, with this verdict."""
    assert verify(run) == []
    record = msgspec.json.decode((run / SESSION).read_bytes(), type=Record)
    assert (record.verdict, record.complete) == (verdict, complete), record.note
    logged = [msgspec.json.decode(line, type=Step) for line in (run / STEPS).read_bytes().splitlines()]
    assert tuple(logged) == record.steps
    cases = ElementTree.parse(run / JUNIT).getroot().findall(".//testcase")
    assert len(cases) >= len(record.steps)
    page = (run / REPORT).read_text()
    assert verdict in page
    assert all(step.id in page for step in record.steps)
    return record


def by_id(record: Record) -> dict[str, Step]:
    """The steps by their ids."""
    return {step.id: step for step in record.steps}


def is_free(port: int) -> bool:
    """Whether a port of loopback is free."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


class Memory:
    """The inputs in the small line's controller, seen by a client of our own."""

    SAFE = (0, False, False, False)
    HELD = (32, False, True, True)  # by HOLD; the rest is the twin's

    def __init__(self, port: int) -> None:
        self._client = ModbusTcpClient("127.0.0.1", port=port, timeout=2, retries=0)

    def read(self) -> tuple[int, bool, bool, bool] | None:
        """command, part-enters, part-leaves, drive-ok; None while nobody serves them."""
        if not self._client.connected and not self._client.connect():
            return None
        words = self._client.read_holding_registers(1024, count=1)
        bits = self._client.read_coils(2064, count=3)
        assert not words.isError()
        assert not bits.isError()
        first, second, third = bits.bits[:3]
        return words.registers[0], first, second, third

    def write(self, values: tuple[int, bool, bool, bool]) -> None:
        """As nobody but a test does."""
        assert not self._client.write_registers(1024, [values[0]]).isError()
        assert not self._client.write_coils(2064, list(values[1:])).isError()

    def wait(self, wanted: tuple[int, bool, bool, bool], within: float = WITHIN) -> None:
        """Until they are ``wanted``."""
        until(f"memory {wanted}", lambda: self.read() == wanted, within)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


@contextlib.contextmanager
def memory(port: int) -> Iterator[Memory]:
    """A client of the controller at ``port``."""
    client = Memory(port)
    try:
        yield client
    finally:
        client.close()


def witnesses(folder: Path, keys: Path, start: Starter) -> Run:
    """Those of the line whose gateways were prepared in ``keys``, once they are there, in one process."""
    configs = sorted(str(path) for path in keys.glob("witness-*/gateway.json"))
    run = start(folder, sys.executable, "-m", GATEWAY, *configs)
    run.wait_ready()
    return run


@contextlib.contextmanager
def secured(folder: Path) -> Iterator[Broker]:
    """The broker of the site in ``folder``, with TLS; the site starts it once it has let everybody in."""
    broker = Broker(folder / "gateways" / "broker", secured=True)
    try:
        yield broker
    finally:
        broker.stop()


class Starter:
    """Starts commands; the fixture ``start`` ends what they leave."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def __call__(self, folder: Path, *command: str, env: Mapping[str, str] | None = None) -> Run:
        self.runs.append(Run(folder, *command, env=env))
        return self.runs[-1]

    def session(self, folder: Path, line: Path, *options: str) -> Run:
        """``twinline session run``."""
        return self(folder, *TWINLINE, "session", "run", str(line), *options)

    def controller(self, folder: Path, made: Belt) -> Run:
        """The small line's controller, as another's: it does not end with a session."""
        address = f"modbus://127.0.0.1:{made.port}/1"
        program = str(made.folder / "programs/belt.st")
        run = self(folder, sys.executable, "-m", CONTROLLER, program, "--address", address)
        run.wait_ready()
        return run


@contextlib.contextmanager
def starter() -> Iterator[Starter]:
    """For the fixture ``start``."""
    made = Starter()
    try:
        yield made
    finally:
        for run in made.runs:
            run.end()

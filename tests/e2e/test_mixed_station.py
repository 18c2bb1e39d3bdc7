"""A station whose inputs come four ways over three protocols: whole sessions, and parts that go."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from running import CONTROLLER, GATEWAY, ROOT, Run, Starter, by_id, is_free, procedures, until
from snap7.client import Client
from snap7.type import Area

from rig.ports import free_ports

HOLD = '''
from gateway.field.tags import TagRef
from gateway.net.messages import Force, Pause


def test_hold(station):
    """Hold on."""
    held = [Force(TagRef(tag), True) for tag in ("press-down", "door-closed")]
    station.run(Force(TagRef("command"), 32), *held, Force(TagRef("torque"), 5), Pause(120_000_000_000))


def test_then(station, step):
    """What comes after."""
    step.measure("scans", station.run(Pause(1_000_000)).trace.scans, low=1)
'''
# command, door-closed, press-down, torque; as the program sees them
HELD, SAFE = (32, True, True, 5.0), (0, False, False, 0.0)


class Mixed(NamedTuple):
    """A copy of the mixed line at free ports."""

    folder: Path
    ports: dict[str, int]  # by device

    @property
    def line(self) -> Path:
        return self.folder / "lines/mixed.yaml"

    @property
    def station(self) -> Path:
        return self.folder / "stations/mixed.yaml"


def mixed(folder: Path, serve: bool) -> Mixed:
    """Without ``serve`` the controller is another's."""
    shutil.copytree(ROOT / "config", folder / "config")
    names = ("plc", "rio", "field", "tool")
    made = Mixed(folder / "config", dict(zip(names, free_ports(len(names)), strict=True)))
    text = made.station.read_text()
    for number, port in enumerate(made.ports.values()):
        assert str(15030 + number) in text
        text = text.replace(str(15030 + number), str(port))
    made.station.write_text(text)
    if not serve:
        made.line.write_text(made.line.read_text().replace("serve: true", "serve: false"))
    return made


def controller(start: Starter, folder: Path, made: Mixed, coupler: int) -> Run:
    """The mixed station's controller, as another's, with its coupler at that port."""
    run = start(
        folder, sys.executable, "-m", CONTROLLER, str(made.folder / "programs/mixed.st"),
        "--address", f"s7://127.0.0.1:{made.ports['plc']}/0/1",
        "--coupler", f"modbus://127.0.0.1:{coupler}/1?at=64",
        "--poll", f"modbus://127.0.0.1:{made.ports['field']}/1?at=80",
        "--poll", f"opc.tcp://127.0.0.1:{made.ports['tool']}?at=96",
    )  # fmt: skip
    ready = until("a controller", lambda: re.search(r"^\{.*\}$", run.shown, re.MULTILINE))
    assert json.loads(ready[0])["ready"] is True
    return run


class Program:
    """What the program sees, asked by a client of our own."""

    def __init__(self, port: int) -> None:
        self._client = Client()
        self._client.connect("127.0.0.1", 0, 1, port)

    def sees(self) -> tuple[int, bool, bool, float]:
        """command, door-closed, press-down, torque."""
        memory = self._client.read_area(Area.MK, 0, 2, 2)
        image = self._client.read_area(Area.PE, 0, 64, 36)
        (torque,) = struct.unpack_from(">f", image, 32)
        return int.from_bytes(memory, "big"), bool(image[0] & 2), bool(image[16] & 2), torque

    def wait(self, wanted: tuple[int, bool, bool, float]) -> None:
        """Until it sees ``wanted``."""
        until(f"{wanted} in the program", lambda: self.sees() == wanted)

    def close(self) -> None:
        """Close the connection."""
        self._client.disconnect()


@contextlib.contextmanager
def program(made: Mixed) -> Iterator[Program]:
    """A client of the controller."""
    client = Program(made.ports["plc"])
    try:
        yield client
    finally:
        client.close()


class Cable:
    """Carries connections from one port to another until it is cut."""

    def __init__(self, here: int, there: int) -> None:
        self._there = there
        self._listener = socket.create_server(("127.0.0.1", here))
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ends = self._listener.accept()[0], socket.create_connection(("127.0.0.1", self._there))
                self._ends += ends
                for one, other in (ends, ends[::-1]):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """Now, for good."""
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def test_a_session_over_all_four_ways_passes(tmp_path: Path, start: Starter) -> None:
    made = mixed(tmp_path, serve=True)
    run = start.session(tmp_path, made.line, "-k", "checkout or screwing or door")
    assert run.wait() == 0, run.shown
    run.assert_nothing_left()
    assert all(is_free(port) for port in made.ports.values())
    steps = by_id(run.record("PASS", complete=True))
    assert {step.verdict for step in steps.values()} == {"PASS"}
    assert len([name for name in steps if name.startswith("checkout/input")]) == 10
    shown = {
        device: {each.name: each.value for each in steps[f"connect/device[mixed.{device}]"].measurements}
        for device in ("rio", "field", "tool")
    }
    assert [each["role"] for each in shown.values()] == ["coupler", "served", "served"]
    assert [each["protocol"] for each in shown.values()] == ["modbus", "modbus", "opcua"]
    assert str(shown["rio"]["device"]).startswith("Twinline virtual remote I/O")


@pytest.mark.long
def test_what_the_gateway_serves_may_be_secured(tmp_path: Path, start: Starter) -> None:
    made = mixed(tmp_path, serve=True)
    tool = f"opc.tcp://127.0.0.1:{made.ports['tool']}"
    secured = f'"{tool}", security: Basic256Sha256'
    made.station.write_text(made.station.read_text().replace(f'"{tool}"', secured))
    assert secured in made.station.read_text()
    run = start.session(tmp_path, made.line, "-k", "connect or (input and torque)")
    assert run.wait() == 0, run.shown
    steps = by_id(run.record("PASS", complete=True))
    measured = {each.name: each.value for each in steps["connect/device[mixed.tool]"].measurements}
    assert measured["security"] == "Basic256Sha256/SignAndEncrypt"
    assert steps["checkout/input[mixed.torque]"].verdict == "PASS"


def test_virtual_mode_has_the_same_verdicts(tmp_path: Path, start: Starter) -> None:
    run = start.session(tmp_path, ROOT / "config/lines/mixed.yaml", "--mode", "virtual")
    assert run.wait() == 0, run.shown
    record = run.record("PASS", complete=True)
    assert {step.verdict for step in record.steps if step.phase != "connect"} == {"PASS"}
    assert len(record.steps) == 27


RIO = {
    "s7": {"coil": "DB1.DBX0.{}", "di": "DB2.DBX0.{}", "hr": "DB1.DBW2"},
    "opc.tcp": {"coil": ("AirOk", "DoorClosed", "ClampClosed", "ClampOpened"), "hr": "SpeedRaw",
                "di": ("BeltRun", "ClampClose", "LampFault")},
}  # fmt: skip


def wired_over(made: Mixed, scheme: str) -> None:
    """Let the module that is wired to the controller speak another protocol; hr:1 is its only register."""

    def there(match: re.Match[str]) -> str:
        place = RIO[scheme][match[1]]
        if scheme == "s7":
            return f"address: {str(place).format(match[2])}"
        return f"address: ns=2;s=Mixed.{place if isinstance(place, str) else place[int(match[2])]}"

    text = made.station.read_text()
    url = f"modbus://127.0.0.1:{made.ports['rio']}/1"
    assert url in text
    text = text.replace(url, f"{scheme}://127.0.0.1:{made.ports['rio']}{'/0/1' if scheme == 's7' else ''}")
    lines = [
        re.sub(r'address: "(coil|di|hr):(\d)"', there, line) if "device: rio," in line else line
        for line in text.splitlines()
    ]
    made.station.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("mode", ["virtual", pytest.param("hil", marks=pytest.mark.long)])
@pytest.mark.parametrize("scheme", RIO)
def test_a_coupler_may_speak_any_protocol(tmp_path: Path, start: Starter, scheme: str, mode: str) -> None:
    made = mixed(tmp_path, serve=True)
    wired_over(made, scheme)
    run = start.session(tmp_path, made.line, "--mode", mode, "-k", "connect or checkout or screwing or door")
    assert run.wait() == 0, run.shown
    run.assert_nothing_left()
    steps = by_id(run.record("PASS", complete=True))
    assert len([name for name in steps if name.startswith("checkout/input")]) == 10
    assert all(step.verdict == "PASS" for name, step in steps.items() if not name.startswith("connect"))
    if mode == "hil":
        shown = {each.name: each.value for each in steps["connect/device[mixed.rio]"].measurements}
        assert shown["protocol"] == {"s7": "s7", "opc.tcp": "opcua"}[scheme]
        assert "virtual remote I/O" in str(shown["device"]) or scheme == "s7"


def test_a_coupler_whose_cable_is_cut_fails_the_station_and_is_named(tmp_path: Path, start: Starter) -> None:
    made = mixed(tmp_path, serve=False)
    procedures(tmp_path, hold=HOLD)
    (behind,) = free_ports(1)
    controller(start, tmp_path, made, behind)
    cable = Cable(made.ports["rio"], behind)
    run = start.session(tmp_path, made.line, "-k", "hold")
    with program(made) as seen:
        seen.wait(HELD)
        cable.cut()
        assert run.wait() == 1, run.shown
        # What is wired through the coupler stays as it was; all else is safe.
        seen.wait((SAFE[0], HELD[1], SAFE[2], SAFE[3]))
    run.assert_nothing_left()
    steps = by_id(run.record("FAIL", complete=True))
    held, then = (steps[f"procedures/hold/{name}[mixed]"] for name in ("hold", "then"))
    assert held.verdict == "FAIL"
    # The last where the scan comes before the driver has said why.
    why = r"((the device|127.0.0.1:\d+) closed the connection|the connection was lost)"
    assert re.match(rf"mixed: device rio is lost: {why}", held.message)
    assert "rio" in held.tags
    assert then.verdict == "SKIPPED"
    assert then.message == f"{held.message}; it did not come back within 10 s"


@pytest.mark.long
def test_a_dead_gateway_reads_as_off_where_it_was_the_module(tmp_path: Path, start: Starter) -> None:
    made = mixed(tmp_path, serve=False)
    procedures(tmp_path, hold=HOLD)
    controller(start, tmp_path, made, made.ports["rio"])
    run = start.session(tmp_path, made.line, "-k", "hold")
    with program(made) as seen:
        seen.wait(HELD)
        run.kill(GATEWAY)
        assert run.wait() == 3, run.shown
        seen.wait((*HELD[:2], *SAFE[2:]))
    run.assert_nothing_left()


def test_ctrl_c_leaves_every_way_in_safe(tmp_path: Path, start: Starter) -> None:
    made = mixed(tmp_path, serve=False)
    procedures(tmp_path, hold=HOLD)
    controller(start, tmp_path, made, made.ports["rio"])
    run = start.session(tmp_path, made.line, "-k", "hold")
    with program(made) as seen:
        seen.wait(HELD)
        run.signal(signal.SIGINT)
        assert run.wait() == 130, run.shown
        seen.wait(SAFE)
    run.assert_nothing_left()


@pytest.mark.long
def test_a_controller_that_does_not_poll_the_gateway_is_told(tmp_path: Path, start: Starter) -> None:
    made = mixed(tmp_path, serve=False)
    (elsewhere,) = free_ports(1)
    controller(start, tmp_path, made._replace(ports={**made.ports, "field": elsewhere}), made.ports["rio"])
    run = start.session(tmp_path, made.line, "-k", "press-up")
    assert run.wait() == 1, run.shown
    run.assert_nothing_left()
    steps = by_id(run.record("FAIL", complete=True))
    failed = steps["connect/device[mixed.field]"]
    assert failed.verdict == "FAIL"
    address = f"modbus://127.0.0.1:{made.ports['field']}/1"
    assert failed.message == f"mixed: field at {address}: no controller polls {address}"
    assert steps["checkout/input[mixed.press-up]"].verdict == "SKIPPED"

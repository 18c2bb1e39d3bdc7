"""Several devices in one station: what a person is told, and what the cell does when one is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cell.cell import Asked, Cell, Inputs, Outputs
from gateway.cell.couplings import Neighbours
from gateway.errors import BadInput
from gateway.field.types import Value
from gateway.net.messages import Acquire, Pause, Run, Trace
from gateway.station import Station, load_station
from rig.verdicts import ControllerGone

CONFIG = Path(__file__).parents[2] / "config"
MIXED = CONFIG / "stations/mixed.yaml"
MS = 1_000_000


@pytest.fixture(scope="module")
def mixed() -> Station:
    return load_station(MIXED)


def said(folder: Path, *edits: tuple[str, str]) -> list[str]:
    """``line: what; hint`` about the mixed station after ``edits``, each of which must apply once."""
    text = MIXED.read_text()
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "mixed.yaml"
    path.write_text(text)
    try:
        load_station(path)
    except BadInput as bad:
        return [str(problem).removeprefix(f"{path}:") for problem in bad.problems]
    return []


def line_of(start: str) -> int:
    lines = MIXED.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(start))


def test_the_four_ways_of_an_input(mixed: Station) -> None:
    ways = {device.name: (device.role, device.protocol, device.at) for device in mixed.devices.values()}
    assert ways == {
        "plc": ("controller", "s7", 0),
        "rio": ("coupler", "modbus", 64),
        "field": ("served", "modbus", 80),
        "tool": ("served", "opcua", 96),
    }
    assert {tag.device for tag in mixed.inputs} == set(ways)
    assert mixed.controller.name == "plc"
    assert [device.name for device in mixed.having("served")] == ["field", "tool"]


def test_an_observer_may_be_the_controllers_own_input_image(mixed: Station) -> None:
    image = {tag.name for tag in mixed.outputs if tag.text.startswith("%I")}
    assert image == {"terminals", "image-torque"}
    assert image <= mixed.echoes
    observed = {tag.device for tag in mixed.inputs if tag.observer is not None and tag.observer.tag in image}
    assert observed == {"rio", "tool"}


@pytest.mark.parametrize(
    ("old", "new", "start", "message"),
    [
        ("role: coupler", "role: controller", "devices:",
         "devices: a station has one controller; give the others role: coupler or served"),
        ("at: 80}", "at: 64}", "field:",
         "field begins at byte 64, as rio (line 14); give each its own at"),
        ("at: 80}", "at: 81}", "field:",
         "field: at 81 is no word of %I and %Q; give an even byte, 0 to 254"),
        ("at: 80}", "at: 256}", "field:",
         "field: at 256 is no word of %I and %Q; give an even byte, 0 to 254"),
        ("at: 80}", "timeout: 0 s, at: 80}", "field:", "field: timeout is 0; give for example 200 ms"),
        ("program: ../programs/mixed.st", "program: ../programs/mixed.st, at: 2", "plc:",
         "plc: a controller has no at; leave at out"),
        ("at: 64}", "at: 64, program: x.st}", "rio:",
         "rio: a coupler device runs no program; leave program out"),
        ('"coil:0", safe', '"di:7", safe', "air-ok:",
         "air-ok: di:7 cannot be written, and an input is written; "
         "use a coil or holding register that the program reads"),
        ('"coil:0", jog', '"di:9", jog', "press-lower:",
         "press-lower: di:9 of a served device is only read by the controller, and it writes an output; "
         "use a coil or holding register that the controller writes"),
        ("ns=2;s=Mixed.Torque", "i=2258", "torque:",
         "torque: i=2258 cannot be served: the namespace is not the gateway's; "
         "write ns=2;s=… with a namespace from 2 to 9"),
        ("device: field, direction: input,  type: BOOL, address: \"di:0\"",
         "direction: input,  type: BOOL, address: \"di:0\"", "part-present:",
         "part-present: names no device; declared are plc, rio, field, tool"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_where_it_is(tmp_path: Path, old: str, new: str, start: str, message: str) -> None:
    assert f"{line_of(start)}: {message}" in said(tmp_path, (old, new))


def test_the_gateway_is_no_s7_device(tmp_path: Path) -> None:
    found = said(tmp_path, ("modbus://127.0.0.1:15032/1", "s7://127.0.0.1:15032/0/1"))
    wanted = "field: the gateway cannot be an I/O device at s7://127.0.0.1:15032/0/1; "
    assert f"{line_of('field:')}: {wanted}write modbus://host:port/unit or opc.tcp://host:port" in found


def test_modules_of_a_real_controller_need_no_place_in_a_virtual_one(tmp_path: Path) -> None:
    edits = ((", program: ../programs/mixed.st", ""), ("at: 64}", "at: 0}"), ("at: 80}", "at: 0}"))
    assert said(tmp_path, *edits) == []


# --- the cell, when a device is lost -----------------------------------------------------------------


class Bench:
    """A cell of the mixed station, stepped every 10 ms; ``lost`` are devices that are not connected."""

    def __init__(self, station: Station) -> None:
        self.cell = Cell(station, Neighbours())
        self.station = station
        self.lost: dict[str, str] = {}
        self.held: dict[str, Value] = {}
        self.events: list[str] = []
        self.replies: dict[int, object] = {}
        self._now, self._ticket = 0, 0

    def step(self, *asked: Asked) -> Outputs:
        self._now += 10 * MS
        seen = Inputs({}, not self.lost, persisted=self._ticket, asked=asked, lost=self.lost)
        out = self.cell.step(self._now, seen)
        self._ticket = out.ticket
        assert {self.station.tags[name].device for name in out.writes}.isdisjoint(self.lost)
        self.held |= out.writes
        self.cell.took(out.writes)
        self.events += [event.text for event in out.events]
        self.replies |= {request: body for _, request, body in out.replies}
        return out

    def hold(self) -> None:
        """Take the lease, and scan until the twin's values are written."""
        self.step(Asked("anna", 1, Acquire(1_000_000_000)))
        for _ in range(3):
            self.step()
        assert self.held["door-closed"] is True
        assert self.held["press-up"] is True

    def on(self, device: str) -> dict[str, Value]:
        """The inputs that the device holds."""
        return {name: value for name, value in self.held.items() if self.station.tags[name].device == device}

    def safe(self, device: str) -> dict[str, Value]:
        return {tag.name: tag.safe for tag in self.station.inputs if tag.device == device}


@pytest.fixture
def bench(mixed: Station) -> Bench:
    made = Bench(mixed)
    made.step()
    made.hold()
    return made


def test_a_script_ends_when_any_device_is_lost_and_says_which(bench: Bench) -> None:
    token = bench.cell.lease.token
    bench.step(Asked("anna", 2, Run(token, (Pause(10**9),))))
    bench.step()
    bench.lost = {"rio": "127.0.0.1:15031 closed the connection"}
    bench.step()
    trace = bench.replies[2]
    assert isinstance(trace, Trace)
    assert (trace.ended, trace.lost) == ("link", bench.lost)
    assert "device rio is not connected: 127.0.0.1:15031 closed the connection" in bench.events
    assert str(ControllerGone(bench.station, trace.lost)) == (
        "mixed: device rio is lost: 127.0.0.1:15031 closed the connection"
    )


def test_the_controller_is_blamed_where_it_is_lost_too(mixed: Station) -> None:
    text = str(ControllerGone(mixed, {"rio": "closed", "plc": "closed"}))
    assert text == "mixed: the controller closed the connection or fell silent (closed)"


def test_the_others_become_safe_at_once_and_the_lost_one_when_it_is_back(bench: Bench) -> None:
    before = bench.on("rio")
    bench.lost = {"rio": "gone"}
    bench.step()
    assert bench.on("field") != bench.safe("field")
    bench.cell.shut()
    assert bench.cell.driving
    bench.step()
    assert not bench.cell.driving, "nothing more can be brought to a device that is there"
    assert bench.on("field") == bench.safe("field")
    assert bench.on("tool") == bench.safe("tool")
    assert bench.on("rio") == before != bench.safe("rio")
    assert bench.cell.gate.state == "safing"
    bench.lost = {}
    bench.step()
    assert bench.on("rio") == bench.safe("rio")
    assert bench.cell.gate.state == "closed"


def test_a_device_that_is_back_is_written_anew_and_the_others_are_not(bench: Bench) -> None:
    bench.lost = {"rio": "gone"}
    bench.step()
    bench.lost = {}
    out = bench.step()
    assert set(out.writes) == set(bench.safe("rio"))
    assert "device rio is connected" in bench.events


def test_one_lost_device_after_another_is_told_once_each(bench: Bench) -> None:
    bench.events.clear()
    bench.lost = {"rio": "gone"}
    bench.step()
    bench.lost = {"rio": "gone", "tool": "no controller polls it"}
    bench.step()
    bench.step()
    assert bench.events == [
        "device rio is not connected: gone",
        "device tool is not connected: no controller polls it",
    ]

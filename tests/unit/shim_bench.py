"""A station with a shim, its program with the shim put in as the file says, and a controller that runs it."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.controller.compile import compile_program
from gateway.controller.mapping import Loopback
from gateway.controller.runtime import VirtualController
from gateway.field.types import Value
from gateway.station import Station, load_station
from rig.tags.shim import generate
from rig.tags.shimplan import plan
from rig.tags.shimst import PARTS

MS = 1_000_000
SCAN = 10 * MS

PROGRAM = """\
PROGRAM Press
VAR
    DoorClosed AT %IX0.0 : BOOL;
    PartHere   AT %IX0.1 : BOOL;
    Force      AT %IW1   : INT;
    Height     AT %ID1   : REAL;
    Run        AT %QX0.0 : BOOL;
    SeenDoor   AT %QX0.1 : BOOL;
    SeenPart   AT %QX0.2 : BOOL;
    SeenForce  AT %QW1   : INT;
    SeenHeight AT %QD1   : REAL;
    SeenCommand AT %QW4  : WORD;
END_VAR
Run := DoorClosed AND PartHere AND Force < 100;
SeenDoor := DoorClosed;
SeenPart := PartHere;
SeenForce := Force;
SeenHeight := Height;
END_PROGRAM
"""
STATION = """\
twinline: station 1
id: press
manual: command.0
devices:
  plc: {{address: "{device}"}}
shim: {{commissioning: twin-on, heartbeat: beat, status: shim-status, stamp: shim-stamp}}
tags:
  command:     {{direction: input,  type: WORD, address: {0}, safe: 0, observer: seen-command}}
  door-closed: {{direction: input,  type: BOOL, address: {1}, safe: false, title: "Tür (zu)"}}
  part-here:   {{direction: input,  type: BOOL, address: {2}, safe: false}}
  force:       {{direction: input,  type: INT,  address: {3}, range: 0..10, raw: 0..1000, safe: 1}}
  height:      {{direction: input,  type: REAL, address: {4}, range: 0..50, safe: 0}}
  twin-on:     {{direction: input,  type: BOOL, address: {5}, safe: false}}
  beat:        {{direction: input,  type: UINT, address: {6}, safe: 0}}
  run:         {{direction: output, type: BOOL, address: {7}, jog: command.1}}
  seen-door:   {{direction: output, type: BOOL, address: {8}}}
  seen-part:   {{direction: output, type: BOOL, address: {9}}}
  seen-force:  {{direction: output, type: INT,  address: {10}, range: 0..10, raw: 0..1000}}
  seen-height: {{direction: output, type: REAL, address: {11}, range: 0..50}}
  seen-command: {{direction: output, type: WORD, address: {12}}}
  shim-status: {{direction: output, type: WORD, address: {13}}}
  shim-stamp:  {{direction: output, type: DWORD, address: {14}}}
twin: {{}}
"""
ADDRESSES = {
    "modbus": (
        "modbus://127.0.0.1:1502/1", '"hr:1024"', '"coil:2080"', '"hr:1027.4"', '"hr:1030"', '"hr:1032"',
        '"hr:1027.15"', '"hr:1036"', '"coil:0"', '"coil:1"', '"coil:2"', '"hr:1"', '"hr:2"', '"hr:4"',
        '"hr:1040"', '"hr:1042"',
    ),
    "s7": (
        "s7://127.0.0.1:1102/0/1", "DB1.DBW0", "DB1.DBX4.0", "DB1.DBX4.3", "DB1.DBW10", "DB1.DBD12",
        "DB1.DBX6.7", "DB1.DBW22", "DB2.DBX0.0", "DB2.DBX0.1", "DB2.DBX0.2", "DB2.DBW2", "DB2.DBD4",
        "DB2.DBW8", "MW30", "MD32",
    ),
    "opcua": (
        "opc.tcp://127.0.0.1:14840", *(f"ns=2;s=Press.{name}" for name in (
            "TwinCommand", "TwinDoor", "TwinPart", "TwinForce", "TwinHeight", "TwinOn", "TwinBeat", "Run",
            "SeenDoor", "SeenPart", "SeenForce", "SeenHeight", "SeenCommand", "ShimStatus", "ShimStamp",
        )),
    ),
}  # fmt: skip


def station(folder: Path, protocol: str, *edits: tuple[str, str]) -> Station:
    """The press behind ``protocol``, after ``edits``, each of which must apply."""
    device, *addresses = ADDRESSES[protocol]
    text = STATION.format(*addresses, device=device)
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "press.yaml"
    path.write_text(text)
    return load_station(path)


def put_in(program: str, code: str) -> str:
    """``program`` with the shim, step by step as the file's heading tells a person."""
    _, *rest = re.split("|".join(map(re.escape, PARTS)), code)
    block, declarations, call = rest
    for old, new in re.findall(r"^ +(\w+) : \w+;  // at its terminal: (\w+)$", declarations, re.MULTILINE):
        program, count = re.subn(rf"\b{old}(\s+AT %I)", rf"{new}\1", program)
        assert count == 1, old
    head, end, body = program.rpartition("END_VAR")
    return f"{block}\n{head}{end}\n{declarations}\n{call}\n{body}"


def located(program: str) -> str:
    """A virtual controller serves located variables alone over OPC UA: give the shim's an address."""
    at = iter(range(8, 200, 8))
    sizes = {"BOOL": "X{}.0", "WORD": "W{0}", "INT": "W{0}", "UINT": "W{0}", "REAL": "D{0}", "DWORD": "D{0}"}

    def locate(match: re.Match[str]) -> str:
        size = sizes[match[2]]
        place = size.format(next(at) // {"X": 1, "W": 2, "D": 4}[size[0]])
        return f"    {match[1]} AT %M{place} : {match[2]};"

    return re.sub(r"^    ((?:Twin|Shim)\w+) : (\w+);(?=  // )", locate, program, flags=re.MULTILINE)


class ShimBench:
    """The press with its shim under a clock of our own; ``text`` is the whole program."""

    def __init__(self, folder: Path, protocol: str = "modbus", *edits: tuple[str, str]) -> None:
        self.station = station(folder, protocol, *edits)
        self.plan = plan(self.station)
        self.text = put_in(PROGRAM, generate(self.plan, "st"))
        if protocol == "opcua":
            self.text = located(self.text)
        program = compile_program(self.text)
        assert not [w for w in program.warnings if "never" not in w.what], program.warnings
        self.controller = VirtualController(program)
        self._loop = Loopback(self.station.controller.protocol, program, self.controller.memory)
        self.now = 5_000 * MS

    def write(self, **values: Value) -> None:
        """As the gateway does, tags with _ for -."""
        for name, value in values.items():
            tag = self.station.tags[name.replace("_", "-")]
            self._loop.write(tag.address, tag.type, tag.to_device(value))

    def terminal(self, door: bool, part: bool, force: int, height: float) -> None:
        """What the machine itself shows (``force`` as the card has it)."""
        memory = self.controller.memory
        memory.write_bit("I", 0, 0, door)
        memory.write_bit("I", 0, 1, part)
        memory.write("I", 2, "INT", force)
        memory.write("I", 4, "REAL", height)

    def scan(self, count: int = 1) -> None:
        for _ in range(count):
            self.now += SCAN
            self.controller.scan(self.now)
        assert self.controller.fault is None

    def read(self, name: str) -> Value:
        tag = self.station.tags[name]
        return tag.from_device(self._loop.read(tag.address, tag.type))

    @property
    def seen(self) -> tuple[Value, ...]:
        """What the program sees of its inputs: door, part, force, height."""
        return tuple(self.read(name) for name in ("seen-door", "seen-part", "seen-force", "seen-height"))

    @property
    def active(self) -> bool:
        status = self.read("shim-status")
        assert isinstance(status, int)
        return bool(status & 1)

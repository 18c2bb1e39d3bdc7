"""I/O modules of a virtual controller: the tables of docs/mapping.md, wired and polled, without sockets."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.controller.compile import compile_program
from gateway.controller.couplers import CouplerTables, coupler_view
from gateway.controller.mapping import Direct
from gateway.controller.memory import Memory
from gateway.controller.modules import Polled, Range, ranges
from gateway.controller.runtime import VirtualController
from gateway.controller.servers.addresses import read_module
from gateway.errors import DeviceRefused
from gateway.field.addresses import Protocol, parse_address
from gateway.field.types import TYPES, Value

PROGRAM = compile_program(
    """
PROGRAM Cell
VAR
    below AT %IX0.0 : BOOL;    sensor AT %IX64.3 : BOOL;  speed AT %IW33 : INT;   level AT %ID17 : REAL;
    lamp AT %QX65.0 : BOOL;    motor AT %QX64.7 : BOOL;   wanted AT %QD17 : REAL; count AT %QW36 : UINT;
    after AT %IX80.0 : BOOL;   small AT %IB76 : BYTE;     command AT %MW1 : WORD;
END_VAR
lamp := sensor; motor := NOT sensor; wanted := level; count := INT_TO_UINT(speed);
IF below OR after OR (small > BYTE#0) OR (command > WORD#0) THEN count := UINT#0; END_IF;
END_PROGRAM
"""
)
HERE = Range(64, 80)
DOCUMENT = (Path(__file__).parents[2] / "docs/mapping.md").read_text()


def coupler(memory: Memory) -> Direct:
    return Direct(CouplerTables(memory, HERE))


def place(text: str) -> tuple[str, int, int]:
    """Area, byte and bit (-1: none) of an IEC address."""
    area, size, index, bit = re.fullmatch(r"%([IQ])([XWD])(\d+)(?:\.(\d))?", text).groups()  # type: ignore[union-attr]
    return area, int(index) * {"X": 1, "W": 2, "D": 4}[size], int(bit) if bit else -1


def examples() -> list[tuple[str, str, str, str]]:
    """The example table of the document: (IEC address, at the coupler, polled, at a coupler over S7)."""
    rows = DOCUMENT.partition("For example, with `at=64`:")[2].partition("\n## ")[0]
    row = r"^\| `(%\S+?)`.*?\| `(\w+:\d+)`.*?\| `(\w+:\d+)`.*?\| `(DB\S+)`"
    found = re.findall(row, rows, re.MULTILINE)
    assert len(found) == 4
    return [(iec, wired, polled, block) for iec, wired, polled, block in found]


@pytest.mark.parametrize(("iec", "wired", "polled", "block"), examples())
def test_the_document_says_where_things_are(iec: str, wired: str, polled: str, block: str) -> None:
    area, byte, bit = place(iec)
    memory = Memory()
    if bit >= 0:
        kind, value = TYPES["BOOL"], True
        memory.write_bit(area, byte, bit, True)
    else:
        kind, value = TYPES["REAL" if "D" in iec else "INT"], 1  # type: ignore[assignment]
        memory.write(area, byte, kind.name, value)
    assert coupler(memory).read(parse_address("modbus", wired), kind) == value
    over_s7 = Direct(coupler_view("s7", PROGRAM, memory, HERE))
    assert over_s7.read(parse_address("s7", block), kind) == value
    module = Polled(PROGRAM, memory, "modbus", HERE)
    (name,) = (name for name, tag in module.tags.items() if tag.address == parse_address("modbus", polled))
    if area == "Q":
        assert module.give()[name] == value
    else:
        module.clear()
        assert coupler(memory).read(parse_address("modbus", wired), kind) == 0
        module.take({name: value})
        assert coupler(memory).read(parse_address("modbus", wired), kind) == value


def test_what_is_written_to_a_coupler_is_latched_and_what_comes_out_is_read_there() -> None:
    controller = VirtualController(PROGRAM)
    client = coupler(controller.memory)
    client.write(parse_address("modbus", "coil:3"), TYPES["BOOL"], True)
    client.write(parse_address("modbus", "hr:1"), TYPES["INT"], 77)
    client.write(parse_address("modbus", "hr:2"), TYPES["REAL"], 2.5)
    controller.scan(0)
    assert client.read(parse_address("modbus", "di:8"), TYPES["BOOL"]) is True
    assert client.read(parse_address("modbus", "di:7"), TYPES["BOOL"]) is False
    assert client.read(parse_address("modbus", "ir:2"), TYPES["REAL"]) == 2.5
    assert client.read(parse_address("modbus", "ir:4"), TYPES["UINT"]) == 77
    assert client.read(parse_address("modbus", "hr:1"), TYPES["INT"]) == 77


@pytest.mark.parametrize("address", ["coil:128", "di:128", "hr:8", "ir:8", "hr:65535"])
def test_a_coupler_ends_where_the_next_module_begins(address: str) -> None:
    kind = TYPES["BOOL" if address[0] in "cd" else "INT"]
    with pytest.raises(DeviceRefused, match=r"served are \w+:0\.\.(127|7)"):
        coupler(Memory()).read(parse_address("modbus", address), kind)
    if address.startswith(("coil", "hr")):
        memory = Memory()
        with pytest.raises(DeviceRefused):
            coupler(memory).write(parse_address("modbus", address), kind, 1)
        assert not any(memory.areas["I"])


@pytest.mark.parametrize("address", ["di:0", "ir:0"])
def test_what_the_controller_puts_out_is_not_written_at_a_coupler(address: str) -> None:
    with pytest.raises(DeviceRefused):
        coupler(Memory()).write(
            parse_address("modbus", address), TYPES["BOOL" if "di" in address else "INT"], 1
        )


@given(st.lists(st.integers(0, 127).map(lambda n: 2 * n), unique=True, min_size=1, max_size=8))
def test_every_byte_from_the_first_module_on_belongs_to_exactly_one(begins: list[int]) -> None:
    found = ranges(begins)
    assert [each.at for each in found] == begins
    owners = [sum(each.at <= byte < each.end for each in found) for byte in range(256)]
    assert owners == [int(byte >= min(begins)) for byte in range(256)]


def test_a_master_polls_what_is_located_in_the_module_and_nothing_else() -> None:
    module = Polled(PROGRAM, Memory(), "modbus", HERE)
    read = {name: tag.text for name, tag in module.tags.items() if tag.direction == "output"}
    written = {name: tag.text for name, tag in module.tags.items() if tag.direction == "input"}
    assert read == {"Cell.sensor": "di:3", "Cell.speed": "ir:1", "Cell.level": "ir:2"}
    assert written == {
        "Cell.lamp": "coil:8", "Cell.motor": "coil:7", "Cell.wanted": "hr:2", "Cell.count": "hr:4",
    }  # fmt: skip
    assert module.unserved == ["Cell.small at %IB76: BYTE"]


def test_over_opc_ua_the_variables_names_are_their_nodes() -> None:
    module = Polled(PROGRAM, Memory(), "opcua", HERE)
    assert module.tags["Cell.small"].text == "ns=2;s=Cell.small"
    assert module.unserved == []


@pytest.mark.parametrize("protocol", ["modbus", "opcua"])
def test_what_a_master_takes_is_what_the_program_sees(protocol: str) -> None:
    controller = VirtualController(PROGRAM)
    module = Polled(PROGRAM, controller.memory, protocol, HERE)  # type: ignore[arg-type]
    taken: dict[str, Value] = {"Cell.sensor": True, "Cell.speed": 300, "Cell.level": -1.5}
    module.take(taken)
    controller.scan(0)
    assert module.give() == {"Cell.lamp": True, "Cell.motor": False, "Cell.wanted": -1.5, "Cell.count": 300}
    module.clear()
    controller.scan(1)
    assert module.give() == {"Cell.lamp": False, "Cell.motor": True, "Cell.wanted": 0.0, "Cell.count": 0}


def test_a_module_leaves_what_belongs_to_others() -> None:
    memory = Memory()
    for area in memory.areas.values():
        area[:] = b"\xff" * len(area)
    module = Polled(PROGRAM, memory, "modbus", HERE)
    module.clear()
    assert [at for at, byte in enumerate(memory.areas["I"]) if byte != 0xFF] == [64, *range(66, 72)]
    assert memory.areas["I"][64] == 0xF7
    assert set(memory.areas["Q"] + memory.areas["M"]) == {0xFF}


def test_a_module_is_read_from_the_command_line() -> None:
    module = read_module("modbus://127.0.0.1:15032/1?at=80", ("modbus", "opc.tcp"))
    assert (str(module.address), module.at) == ("modbus://127.0.0.1:15032/1", 80)
    assert read_module("opc.tcp://127.0.0.1:4840", ("opc.tcp",)).at == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s7://a/0/1", "this is done over modbus and opc.tcp alone"),
        ("modbus://a/1?at=", "is no byte of %I and %Q; give 0 to 254, even"),
        ("modbus://a/1?at=256", "is no byte of %I and %Q"),
        ("modbus://a/1?at=-2", "is no byte of %I and %Q"),
        ("modbus://a/1?at=7", "a module begins at a word; give an even byte"),
        ("modbus://a/1?unit=7", "is not an address to serve at"),
        ("modbus://a/9999", "is not an address to serve at"),
    ],
)
def test_a_module_that_cannot_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_module(text, ("modbus", "opc.tcp"))


# --- couplers over S7 and OPC UA ------------------------------------------------------------------------

# What the coupler's tables hold at coil:3, hr:1, hr:2, di:8 and ir:2, over the other two protocols.
PLACES = {
    "s7": ("DB1.DBX0.3", "DB1.DBW2", "DB1.DBD4", "DB2.DBX1.0", "DB2.DBD4", "DB2.DBW8"),
    "opcua": tuple(f"ns=2;s=Cell.{name}" for name in ("sensor", "speed", "level", "lamp", "wanted", "count")),
}


@pytest.mark.parametrize("protocol", ["s7", "opcua"])
def test_a_coupler_over_another_protocol_is_wired_to_the_same_bytes(protocol: Protocol) -> None:
    controller = VirtualController(PROGRAM)
    client = Direct(coupler_view(protocol, PROGRAM, controller.memory, HERE))
    sensor, speed, level, lamp, wanted, count = (parse_address(protocol, text) for text in PLACES[protocol])
    client.write(sensor, TYPES["BOOL"], True)
    client.write(speed, TYPES["INT"], 77)
    client.write(level, TYPES["REAL"], 2.5)
    assert coupler(controller.memory).read(parse_address("modbus", "coil:3"), TYPES["BOOL"]) is True
    assert coupler(controller.memory).read(parse_address("modbus", "hr:1"), TYPES["INT"]) == 77
    controller.scan(0)
    assert client.read(lamp, TYPES["BOOL"]) is True
    assert client.read(wanted, TYPES["REAL"]) == 2.5
    assert client.read(count, TYPES["UINT"]) == 77
    assert client.read(speed, TYPES["INT"]) == 77
    client.write(sensor, TYPES["BOOL"], False)
    assert client.read(speed, TYPES["INT"]) == 77
    controller.scan(1)
    assert client.read(lamp, TYPES["BOOL"]) is False


@pytest.mark.parametrize(
    ("protocol", "address", "said"),
    [
        ("s7", "DB1.DBX16.0", "served are bytes 0..15"),
        ("s7", "DB2.DBW15", "served are bytes 0..15"),
        ("s7", "DB3.DBW0", "served are DB1 .* and DB2"),
        ("s7", "MW0", "served are DB1 .* and DB2"),
        ("opcua", "ns=2;s=Cell.below", "name a located variable"),
        ("opcua", "ns=2;s=Cell.after", "name a located variable"),
        ("opcua", "ns=2;s=Cell.command", "name a located variable"),
    ],
)
def test_what_is_not_the_modules_is_not_served(protocol: Protocol, address: str, said: str) -> None:
    at = parse_address(protocol, address)
    kind = TYPES["BOOL" if "DBX" in address or "below" in address or "after" in address else "WORD"]
    memory = Memory()
    client = Direct(coupler_view(protocol, PROGRAM, memory, HERE))
    with pytest.raises(DeviceRefused, match=said):
        client.read(at, kind)
    with pytest.raises(DeviceRefused):
        client.write(at, kind, 1)
    assert not any(map(any, memory.areas.values()))


@pytest.mark.parametrize("protocol", ["s7", "opcua"])
def test_what_comes_out_of_the_controller_is_not_written_there(protocol: Protocol) -> None:
    """An S7 device takes such a write and does nothing with it; an OPC UA server says so."""
    memory = Memory()
    client = Direct(coupler_view(protocol, PROGRAM, memory, HERE))
    with contextlib.nullcontext() if protocol == "s7" else pytest.raises(DeviceRefused, match="NotWritable"):
        client.write(parse_address(protocol, PLACES[protocol][3]), TYPES["BOOL"], True)
    with contextlib.nullcontext() if protocol == "s7" else pytest.raises(DeviceRefused, match="NotWritable"):
        client.write(parse_address(protocol, PLACES[protocol][5]), TYPES["UINT"], 7)
    assert not any(map(any, memory.areas.values()))

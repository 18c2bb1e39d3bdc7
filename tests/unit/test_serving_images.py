"""What the gateway shows as a remote I/O device, and what a controller may do to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.controller.mapping import Direct
from gateway.errors import DeviceRefused
from gateway.field.addresses import Protocol, parse_address
from gateway.field.entries import Dialect, TagEntry, compile_tags
from gateway.field.serving import bits
from gateway.field.serving.tables import Tables
from gateway.field.serving.variables import Variables
from gateway.field.tags import Range, Tag
from gateway.field.types import TYPES, Value

# name: direction, type, Modbus address; the node is ns=2;s=<name>
PLACES = {
    "door": ("input", "BOOL", "di:0"), "air": ("input", "BOOL", "coil:3"),
    "ready": ("input", "BOOL", "hr:7.2"), "level": ("input", "INT", "ir:1"),
    "speed": ("input", "REAL", "hr:10"), "run": ("output", "BOOL", "coil:8"),
    "lamp": ("output", "BOOL", "hr:20.5"), "target": ("output", "REAL", "hr:30"),
}  # fmt: skip
SET: dict[str, Value] = {"door": True, "air": True, "ready": True, "level": 50, "speed": 2.5}


def tags(protocol: Protocol) -> dict[str, Tag]:
    problems: list[str] = []
    found = compile_tags(
        [
            TagEntry(
                direction,  # type: ignore[arg-type]
                kind,
                address if protocol == "modbus" else f"ns=2;s={name}",
                safe="0" if direction == "input" else None,
                range=Range(0, 100) if name == "level" else None,
                raw=Range(0, 1000) if name == "level" else None,
                name=name,
            )
            for name, (direction, kind, address) in PLACES.items()
        ],
        {"field": protocol},
        lambda _, what, hint: problems.append(f"{what}; {hint}"),
        {"field": Dialect(served=True)},
    )
    assert problems == []
    return found


class Polls:
    """An image with its controller's side; ``heard`` counts requests."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol, self.tags, self.heard = protocol, tags(protocol), 0
        kind = Tables if protocol == "modbus" else Variables
        self.image = kind(self.tags.values(), self._hear)
        self.controller = Direct(self.image)

    def _hear(self) -> None:
        self.heard += 1

    def read(self, name: str) -> Value:
        if isinstance(self.image, Variables):
            self.image.asked([self.tags[name].text])
        return self.controller.read(self.tags[name].address, self.tags[name].type)

    def write(self, name: str, value: Value) -> None:
        self.controller.write(self.tags[name].address, self.tags[name].type, value)


@pytest.fixture(params=["modbus", "opcua"])
def polls(request: pytest.FixtureRequest) -> Polls:
    return Polls(request.param)


def test_the_controller_reads_the_inputs_that_were_put_there(polls: Polls) -> None:
    assert {name: polls.read(name) for name in SET} == dict.fromkeys(SET, 0)
    polls.image.put(SET)
    assert {name: polls.read(name) for name in SET} == {**SET, "level": 500}
    polls.image.put({"air": False})
    assert {name: polls.read(name) for name in SET} == {**SET, "level": 500, "air": False}


def test_what_the_controller_writes_is_told_once(polls: Polls) -> None:
    assert polls.image.changes() == {"run": False, "lamp": False, "target": 0.0}
    assert polls.image.changes() == {}
    polls.write("target", 1.5)
    polls.write("lamp", True)
    assert polls.image.changes() == {"lamp": True, "target": 1.5}
    polls.write("lamp", True)
    assert polls.image.changes() == {}


@pytest.mark.parametrize("name", SET)
def test_the_controller_writes_no_input(polls: Polls, name: str) -> None:
    polls.image.put(SET)
    with pytest.raises(DeviceRefused):
        polls.write(name, 0)
    assert polls.read(name) == (500 if name == "level" else SET[name])


def test_the_tags_that_the_controller_leaves_out_are_known(polls: Polls) -> None:
    assert set(polls.image.unpolled) == set(PLACES)
    for name in ("door", "speed"):
        polls.read(name)
    polls.write("run", False)
    assert set(polls.image.unpolled) == set(PLACES) - {"door", "speed", "run"}
    assert polls.heard >= 3
    polls.image.expect()
    assert set(polls.image.unpolled) == set(PLACES)


def test_reading_an_output_or_being_refused_is_no_poll_of_it(polls: Polls) -> None:
    polls.read("target")
    with pytest.raises(DeviceRefused):
        polls.write("speed", 1.0)
    assert {"target", "speed"} <= set(polls.image.unpolled)


def test_blocks_over_what_no_tag_names_are_polled_and_written_whole() -> None:
    polls = Polls("modbus")
    assert isinstance(polls.image, Tables)
    assert len(polls.image.read_bits("di", 0, 2000)) == 250
    assert polls.image.read_registers("ir", 65411, 125) == bytes(250)
    polls.image.write_bits(4, 100, 1 << 4)  # from the coil behind the input air
    polls.image.write_registers(11 + 1, bytes(2 * 100))
    assert polls.image.changes() == {"run": True, "lamp": False, "target": 0.0}
    with pytest.raises(DeviceRefused, match="coil:3"):
        polls.image.write_bits(0, 100, 0)
    with pytest.raises(DeviceRefused):
        polls.image.read_bits("coil", 65000, 1000)


def test_a_type_or_a_node_that_is_not_there_is_refused() -> None:
    polls = Polls("opcua")
    with pytest.raises(DeviceRefused, match="BadTypeMismatch"):
        polls.controller.write(polls.tags["target"].address, TYPES["INT"], 1)
    with pytest.raises(DeviceRefused, match="BadNodeIdUnknown"):
        polls.controller.read(parse_address("opcua", "ns=2;s=other"), TYPES["INT"])


@given(st.binary(min_size=8, max_size=8), st.data())
def test_bits_are_put_where_they_are_cut(data: bytes, draw: st.DataObject) -> None:
    first = draw.draw(st.integers(0, 63))
    count = draw.draw(st.integers(1, 64 - first))
    wanted = draw.draw(st.integers(0, 2**64 - 1))
    space = bytearray(data)
    bits.put(space, first, count, wanted)
    assert int.from_bytes(bits.cut(space, first, count), "little") == wanted & (1 << count) - 1
    row = [byte >> bit & 1 for byte in data for bit in range(8)]
    row[first : first + count] = [wanted >> bit & 1 for bit in range(count)]
    assert [byte >> bit & 1 for byte in space for bit in range(8)] == row

"""Where the signals of a composed station lie: held against the views that the virtual controller serves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.controller.compile import compile_program
from gateway.controller.mapping import Loopback
from gateway.controller.memory import Memory
from gateway.errors import DeviceRefused
from gateway.field.addresses import Protocol, parse_address
from gateway.field.types import TYPES
from gateway.library.signals import BITS, Bit, Full, Signal, Words, place

PROTOCOLS: tuple[Protocol, ...] = ("modbus", "s7", "opcua")
SIGNALS = [
    Signal(f"{direction[:2]}-{index}", direction, kind)
    for index, kind in enumerate(["BOOL", "REAL", "BOOL", "WORD", "INT", "DWORD", *["BOOL"] * 9])
    for direction in ("input", "output")
]


def program_of(signals: list[Signal]) -> str:
    """A program with these variables that assigns its outputs."""
    lines = [f"{each.variable} AT {each.located} : {each.type};" for each in signals]
    outputs = [each for each in signals if each.direction == "output"]
    body = [f"{each.variable} := {each.variable};" for each in outputs]
    return "\n".join(["PROGRAM Trial", "VAR", *lines, "END_VAR", *body, "END_PROGRAM"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_finds_every_signal_where_the_program_has_it(protocol: Protocol) -> None:
    placed = place(SIGNALS)
    program = compile_program(program_of(placed))
    memory = Memory()
    client = Loopback(protocol, program, memory)
    for each in placed:
        address = parse_address(protocol, each.address(protocol, "Trial"))
        kind, value = TYPES[each.type], True if each.type == "BOOL" else 42
        area = "M" if each.direction == "input" else "Q"
        if each.type == "BOOL":
            memory.write_bit(area, each.byte, each.bit, True)
        else:
            memory.write(area, each.byte, each.type, value)
        assert client.read(address, kind) == value, each
        if each.type == "BOOL":
            memory.write_bit(area, each.byte, each.bit, False)
        else:
            memory.write(area, each.byte, each.type, 0)
        if each.direction == "input":
            client.write(address, kind, value)
            assert client.read(address, kind) == value, each
            client.write(address, kind, False if each.type == "BOOL" else 0)


@given(st.lists(st.tuples(st.sampled_from(sorted(BITS)), st.booleans()), max_size=80))
def test_no_two_signals_share_a_bit_and_each_lies_at_its_size(drawn: list[tuple[str, bool]]) -> None:
    signals = [
        Signal(f"s-{index}", "input" if inside else "output", kind)
        for index, (kind, inside) in enumerate(drawn)
    ]
    taken: set[tuple[str, int]] = set()
    placed = place(signals)
    assert [each.name for each in placed] == [each.name for each in signals]
    for each in placed:
        first, size = 8 * each.byte + each.bit, BITS[each.type]
        assert first % size == 0
        own = {(each.direction, bit) for bit in range(first, first + size)}
        assert not own & taken
        taken |= own


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("base", [0, 1])
def test_an_address_leads_back_to_the_place(protocol: Protocol, base: int) -> None:
    for each in place(SIGNALS):
        text = each.address(protocol, "Trial", base)
        assert each.moved(text, protocol, "Trial", base) == each


@pytest.mark.parametrize(
    ("kind", "direction", "protocol", "text"),
    [
        ("BOOL", "input", "modbus", "coil:5"),  # outputs lie there
        ("BOOL", "input", "modbus", "hr:1024.3"),
        ("REAL", "input", "modbus", "hr:1025"),  # no double word begins there
        ("REAL", "input", "modbus", "coil:2048"),
        ("WORD", "output", "modbus", "hr:5000"),
        ("BOOL", "input", "s7", "DB7.DBX0.0"),
        ("BOOL", "input", "s7", "M0.0"),
        ("INT", "input", "s7", "DB1.DBD4"),
        ("INT", "input", "s7", "DB1.DBW3"),
        ("BOOL", "input", "opcua", "ns=2;s=Plant.Door"),
        ("BOOL", "input", "modbus", "nowhere"),
    ],
)
def test_an_address_that_the_program_has_no_place_for(
    kind: str, direction: str, protocol: Protocol, text: str
) -> None:
    signal = Signal("x", "input" if direction == "input" else "output", kind)
    assert signal.moved(text, protocol, "Trial") is None


def test_moved_where_a_client_says() -> None:
    signal = Signal("x", "input", "REAL")
    moved = signal.moved("hr:1030", "modbus", "Trial")
    assert moved is not None
    assert moved.located == "%MD3"
    moved = Signal("x", "output", "BOOL").moved("DB2.DBX7.6", "s7", "Trial")
    assert moved is not None
    assert moved.located == "%QX7.6"


def test_more_than_a_controller_serves() -> None:
    with pytest.raises(Full, match="260 bytes; a controller serves 256"):
        place(Signal(f"s-{n}", "input", "REAL") for n in range(65))
    assert len(place(Signal(f"s-{n}", "input", "REAL") for n in range(64))) == 64


def test_words_are_numbered_as_they_fill() -> None:
    words = Words("seen", 16)
    assert words.names == []
    taken = [words.take() for _ in range(17)]
    assert taken[0] == Bit("seen", 0)
    assert taken[15] == Bit("seen", 15)
    assert taken[16] == Bit("seen-2", 0)
    assert words.names == ["seen", "seen-2"]
    assert str(taken[16]) == "seen-2.0"
    assert taken[16].variable == "Seen2.0"


def test_what_is_not_there_is_refused() -> None:
    """The views say no, so the tests above cannot pass by luck."""
    client = Loopback("modbus", compile_program(program_of(place(SIGNALS))), Memory())
    with pytest.raises(DeviceRefused):
        client.read(parse_address("modbus", "hr:200"), TYPES["WORD"])

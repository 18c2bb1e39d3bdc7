"""Addresses in the notations of the protocols."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.addresses import (
    Address,
    ModbusAddress,
    OpcUaAddress,
    Protocol,
    S7Address,
    parse_address,
)


@pytest.mark.parametrize(
    ("protocol", "text", "address", "width"),
    [
        ("modbus", "coil:12", ModbusAddress("coil", 12), 1),
        ("modbus", "di:3", ModbusAddress("di", 3), 1),
        ("modbus", "ir:65535", ModbusAddress("ir", 65535), 16),
        ("modbus", " hr:0 ", ModbusAddress("hr", 0), 16),
        ("modbus", "hr:00010.3", ModbusAddress("hr", 10, 3), 1),
        ("s7", "DB1.DBX0.7", S7Address("DB", 1, 0, 7, 1), 1),
        ("s7", "db20.dbb2", S7Address("DB", 20, 2, -1, 8), 8),
        ("s7", "DB1.DBW2", S7Address("DB", 1, 2, -1, 16), 16),
        ("s7", "DB1.DBD4", S7Address("DB", 1, 4, -1, 32), 32),
        ("s7", "%I0.0", S7Address("I", 0, 0, 0, 1), 1),
        ("s7", "E0.0", S7Address("I", 0, 0, 0, 1), 1),
        ("s7", "%QW4", S7Address("Q", 0, 4, -1, 16), 16),
        ("s7", "AB1", S7Address("Q", 0, 1, -1, 8), 8),
        ("s7", "%MX10.2", S7Address("M", 0, 10, 2, 1), 1),
        ("s7", "MD8", S7Address("M", 0, 8, -1, 32), 32),
        ("opcua", "ns=2;s=Machine.Door", OpcUaAddress("ns=2;s=Machine.Door"), 0),
        ("opcua", "i=2258", OpcUaAddress("i=2258"), 0),
        ("opcua", "/Objects/2:Cell", OpcUaAddress("/Objects/2:Cell"), 0),
        ("opcua", "ns=1;s=a b;c=d", OpcUaAddress("ns=1;s=a b;c=d"), 0),
        (
            "opcua",
            "ns=3;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            OpcUaAddress("ns=3;g=09087e75-8e5e-499b-954f-f2a9603db28a"),
            0,
        ),
    ],
)
def test_addresses_that_people_use(protocol: Protocol, text: str, address: Address, width: int) -> None:
    found = parse_address(protocol, text)
    assert found == address
    assert found.width == width


@pytest.mark.parametrize(
    ("base", "text", "address"),
    [
        (0, "40001", ModbusAddress("hr", 0)),
        (1, "40001", ModbusAddress("hr", 0)),
        (0, "400001", ModbusAddress("hr", 0)),
        (0, "465536", ModbusAddress("hr", 65535)),
        (0, "30010", ModbusAddress("ir", 9)),
        (0, "10003", ModbusAddress("di", 2)),
        (0, "00013", ModbusAddress("coil", 12)),
        (0, "000013", ModbusAddress("coil", 12)),
        (0, "40011.3", ModbusAddress("hr", 10, 3)),
        (1, "hr:1", ModbusAddress("hr", 0)),
        (1, "coil:65536", ModbusAddress("coil", 65535)),
        (1, "ir:5.15", ModbusAddress("ir", 4, 15)),
    ],
)
def test_classic_addresses_count_from_one_and_the_others_from_the_base(
    base: int, text: str, address: ModbusAddress
) -> None:
    assert parse_address("modbus", text, base) == address


@given(st.integers(1, 65536), st.sampled_from("0134"))
def test_classic_and_named_addresses_are_the_same_cells(number: int, table: str) -> None:
    name = {"0": "coil", "1": "di", "3": "ir", "4": "hr"}[table]
    wanted = parse_address("modbus", f"{name}:{number - 1}")
    assert parse_address("modbus", f"{table}{number:05}") == wanted
    assert parse_address("modbus", f"{name}:{number}", 1) == wanted
    if number < 10_000:
        assert parse_address("modbus", f"{table}{number:04}") == wanted


@pytest.mark.parametrize(
    ("text", "right"), [("hr:0", "hr:1"), ("40000", "40001"), ("400000", "400001"), ("coil:0", "coil:1")]
)
def test_there_is_no_address_before_the_first(text: str, right: str) -> None:
    with pytest.raises(ValueError, match=f"counted from 1 here; write {right} for the first one"):
        parse_address("modbus", text, 1)


@pytest.mark.parametrize(
    ("protocol", "text", "what", "hint"),
    [
        ("modbus", "20001", "is not a Modbus address", "hr:0"),
        ("modbus", "hr0", "is not a Modbus address", "hr:0"),
        ("modbus", "hr:-1", "is not a Modbus address", "hr:0"),
        ("modbus", "hr:65536", "is past the last address", "0 to 65535"),
        ("modbus", "hr:1.16", "a register has bits 0 to 15", "hr:1.15"),
        ("modbus", "coil:1.0", "a coil is one bit", "coil:1"),
        ("modbus", "hr:1\n", "", ""),
        ("s7", "DB1.DBX0", "names no bit", "DB1.DBX0.0"),
        ("s7", "M10", "names no bit", "M10.0"),
        ("s7", "MW10.2", "only a bit address ends in .2", "MW10"),
        ("s7", "DB0.DBW0", "data blocks are numbered from 1", "DB1"),
        ("s7", "DB1.DBX0.8", "is not an S7 address", "DB1.DBX0.0"),
        ("s7", "DB1.W0", "is not an S7 address", "DB1.DBW2"),
        ("opcua", "Machine.Door", "is not an OPC UA node id", "ns=2;s="),
        ("opcua", "ns=2;s=", "is not an OPC UA node id", "ns=2;s="),
        ("opcua", "/Objects//2:Cell", "is not a browse path", "/Objects/2:Machine/2:Door"),
        ("opcua", "/", "is not a browse path", "/Objects/2:Machine/2:Door"),
        ("opcua", "/Objects/2:", "is not a browse path", "/Objects/2:Machine/2:Door"),
        ("opcua", "ns=x;i=1", "is not an OPC UA node id", "ns=2;s="),
    ],
)
def test_what_is_wrong_and_what_would_be_right(protocol: Protocol, text: str, what: str, hint: str) -> None:
    if not what:  # white space around is no error
        assert parse_address(protocol, text) == parse_address(protocol, text.strip())
        return
    with pytest.raises(ValueError) as caught:
        parse_address(protocol, text)
    said, _, advice = str(caught.value).partition("; ")
    assert what in said
    assert hint in advice


@given(st.sampled_from(["coil", "di", "hr", "ir"]), st.integers(0, 65535), st.integers(-1, 15))
def test_every_modbus_address_reads_back(table: str, index: int, bit: int) -> None:
    bit = bit if table in ("hr", "ir") else -1
    text = f"{table}:{index}" + (f".{bit}" if bit >= 0 else "")
    assert parse_address("modbus", text) == ModbusAddress(table, index, bit)  # type: ignore[arg-type]


@given(st.sampled_from(["modbus", "s7", "opcua"]), st.text(max_size=20))
def test_nothing_but_a_value_error(protocol: Protocol, text: str) -> None:
    said = "; "
    try:
        parse_address(protocol, text)
    except ValueError as error:
        said = str(error)
    assert "; " in said


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("ns=2;s=/a/b", ()),
        ("/Objects/2:Machine/2:Door", ((0, "Objects"), (2, "Machine"), (2, "Door"))),
        ("/0:Objects/12:in&/out/3:R&&D", ((0, "Objects"), (12, "in/out"), (3, "R&D"))),
        ("/Objects/2:a:b", ((0, "Objects"), (2, "a:b"))),
    ],
)
def test_browse_paths(text: str, path: tuple[tuple[int, str], ...]) -> None:
    found = parse_address("opcua", text)
    assert isinstance(found, OpcUaAddress)
    assert found.path == path

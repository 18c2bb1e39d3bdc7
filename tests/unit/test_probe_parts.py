"""The probe's pure parts: ends of stretches, types and orders of an expected value, the report's tables."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.addresses import ModbusAddress, OpcUaAddress
from gateway.field.drivers.opcua_paths import path_text
from gateway.field.probe.expect import ORDERS, read_expectation, readings
from gateway.field.probe.extent import extent, largest
from gateway.field.probe.report import Report, show
from gateway.field.types import TYPES, arrange

LAST = 65535


@given(st.integers(0, LAST), st.integers(0, LAST), st.integers(0, LAST))
def test_the_ends_of_a_stretch_are_exact_and_found_in_few_questions(one: int, two: int, three: int) -> None:
    first, inside, last = sorted((one, two, three))
    asked: list[int] = []

    async def answers(at: int) -> bool:
        assert 0 <= at <= LAST
        asked.append(at)
        return first <= at <= last

    assert asyncio.run(extent(answers, inside, 0, LAST)) == (first, last)
    assert len(asked) <= 2 * (2 * 16 + 2)


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_the_largest_count_is_exact(limit: int, most: int) -> None:
    async def accepts(count: int) -> bool:
        return count <= limit

    assert asyncio.run(largest(accepts, most)) == min(limit, most)


@given(
    st.sampled_from(("INT", "UINT", "DINT", "UDINT", "REAL", "LREAL")),
    st.data(),
    st.data(),
)
def test_a_value_is_found_in_the_type_and_order_that_hold_it(
    name: str, draw: st.DataObject, choose: st.DataObject
) -> None:
    kind = TYPES[name]
    size = kind.bits // 8
    order = choose.draw(st.sampled_from(ORDERS[size]))
    value = draw.draw(
        st.integers(-9999, 9999).map(lambda n: n / 8)
        if kind.kind == "real"
        else st.integers(int(kind.low), int(kind.high))
    )
    # Putting in order is its own inverse: what is sent in an order comes back by the same.
    raw = arrange(kind.pack(value), order)
    for text in (f"hr:0={value!r}", f"hr:0:{name}={value!r}"):
        found = readings(raw, read_expectation("modbus", text), (2, 4, 8))
        assert (name, order, 1) in [reading[:3] for reading in found]


def test_a_shown_value_is_rounded_and_a_whole_number_may_hold_parts_of_it() -> None:
    shown = read_expectation("modbus", "hr:7=12.5")
    assert (shown.address, shown.value, shown.places, shown.type) == (ModbusAddress("hr", 7), 12.5, 1, None)
    assert [each[:3] for each in readings(struct.pack(">f", 12.54), shown, (4,))] == [("REAL", "ABCD", 1)]
    assert readings(struct.pack(">f", 12.56), shown, (4,)) == []
    tenths = readings(b"\x00\x7d", shown, (2,))
    assert [each[:3] for each in tenths] == [("INT", "ABCD", 10), ("UINT", "ABCD", 10)]
    assert readings(b"\x00\x7e", shown, (2,)) == []
    assert readings(b"\x00", shown, (2,)) == []


@pytest.mark.parametrize("text", ["hr:0", "hr:0=", "hr:0=wet", "hr:0=nan", "hr:0=inf", "=1", "hr:zero=1"])
def test_an_expectation_that_cannot_be_read_says_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="; write "):
        read_expectation("modbus", text)


def test_a_node_id_may_have_signs_of_its_own() -> None:
    wanted = read_expectation("opcua", "ns=2;s=Machine.Door:Left=true")
    assert (wanted.address, wanted.value) == (OpcUaAddress("ns=2;s=Machine.Door:Left"), 1.0)


@pytest.mark.parametrize(
    ("text", "address", "type"),
    [
        ("/Objects/2:Machine/2:Door=1", "/Objects/2:Machine/2:Door", None),
        ("/Objects/2:Machine/2:Level:REAL=1", "/Objects/2:Machine/2:Level", "REAL"),
        ("/Objects/2:Machine/2:REAL=1", "/Objects/2:Machine/2:REAL", None),
        ("/Objects/2:Machine/2:REAL:REAL=1", "/Objects/2:Machine/2:REAL", "REAL"),
    ],
)
def test_a_browse_path_keeps_its_last_name_apart_from_a_type(
    text: str, address: str, type: str | None
) -> None:
    wanted = read_expectation("opcua", text)
    assert wanted.address == OpcUaAddress(address)
    assert (wanted.type.name if wanted.type else None) == type


def test_the_path_of_a_name_with_signs_of_structure_is_read_as_it_was() -> None:
    path = ((0, "Objects"), (2, "a/b"), (0, "3:c"), (2, "d&e"), (10, "plain"))
    assert OpcUaAddress(path_text(path)).path == path


def test_numbers_counted_from_one_are_where_they_mean() -> None:
    assert read_expectation("modbus", "40001=7").address == ModbusAddress("hr", 0)


def test_a_report_is_a_table_that_nothing_the_device_says_can_tear() -> None:
    report = Report("modbus://x", "modbus", answered=True, requests=3)
    report.add("identity", what="vendor", says="Ac\x1b[2Jme\n")
    report.add("tables", table="hr", first=0, last=None, whole=True)
    report.add("tables", table="coil", first=1.5, last=7, whole=False)
    report.advice.append("do this")
    assert list(show(report)) == [
        "modbus://x answers (3 requests)",
        "",
        "identity",
        "  vendor  Ac?[2Jme?",
        "",
        "tables",
        "  table  first  last  whole",
        "  hr     0      -     yes",
        "  coil   1.5    7     no",
        "",
        "advice",
        "  do this",
    ]

"""Data types: limits, bytes and how people write their values."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.types import TYPES, DataType, Value

WHOLE = [each for each in TYPES.values() if each.kind in ("int", "bits", "time")]


@pytest.mark.parametrize(
    ("name", "value", "data"),
    [
        ("BOOL", True, "01"),
        ("INT", -2, "fffe"),
        ("WORD", 0xBEEF, "beef"),
        ("DWORD", 0xDEADBEEF, "deadbeef"),
        ("DINT", -1, "ffffffff"),
        ("SINT", -128, "80"),
        ("USINT", 255, "ff"),
        ("REAL", 1.5, "3fc00000"),
        ("LREAL", -2.0, "c000000000000000"),
        ("TIME", 500, "000001f4"),
    ],
)
def test_bytes_have_the_high_one_first(name: str, value: Value, data: str) -> None:
    kind = TYPES[name]
    assert kind.pack(value).hex() == data
    assert kind.unpack(bytes.fromhex(data)) == value
    assert len(data) // 2 == max(1, kind.bits // 8)


@given(st.sampled_from(WHOLE), st.data())
def test_whole_numbers_hold_exactly_their_bits(kind: DataType, data: st.DataObject) -> None:
    assert kind.high - kind.low == 2**kind.bits - 1
    value = data.draw(st.integers(int(kind.low), int(kind.high)))
    assert kind.unpack(kind.pack(value)) == value
    assert kind.parse(str(value)) == value
    for outside in (int(kind.low) - 1, int(kind.high) + 1):
        with pytest.raises(struct.error):
            kind.pack(outside)
        with pytest.raises(ValueError, match=f"does not fit {kind.name}; it holds"):
            kind.parse(str(outside))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_real_holds_single_precision(value: float) -> None:
    assert TYPES["REAL"].unpack(TYPES["REAL"].pack(value)) == value
    assert TYPES["REAL"].parse(repr(value)) == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("BOOL", "TRUE", True),
        ("BOOL", "false", False),
        ("BOOL", "1", True),
        ("BOOL", "0", False),
        ("WORD", "16#FF", 255),
        ("WORD", "2#1010_0000", 160),
        ("INT", "-00010", -10),
        ("DINT", "1_000", 1000),
        ("REAL", "2.5e-3", 0.0025),
        ("TIME", "500", 500),
    ],
)
def test_values_as_people_write_them(name: str, text: str, value: Value) -> None:
    found = TYPES[name].parse(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("BOOL", "on", "is not a BOOL; write true or false"),
        ("BOOL", "2", "is not a BOOL; write true or false"),
        ("INT", "2.5", "is not a INT; write for example 12"),
        ("WORD", "0xFF", "is not a WORD; write for example 16#FF"),
        ("WORD", "16#", "is not a WORD; write"),
        ("WORD", "99#1", "is not a WORD; write"),
        ("WORD", "16#10000", "does not fit WORD; it holds 0 to 65535"),
        ("INT", "9" * 5000, "is not a INT; write"),
        ("REAL", "much", "is not a REAL; write for example 2.5"),
        ("REAL", "nan", "does not fit REAL"),
        ("REAL", "1e39", "does not fit REAL"),
        ("LREAL", "inf", "does not fit LREAL"),
        ("TIME", "1s", "is not a TIME; write for example 500"),
    ],
)
def test_values_that_are_none(name: str, text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        TYPES[name].parse(text)


def test_limits_of_real_are_those_of_its_bytes() -> None:
    for name in ("REAL", "LREAL"):
        kind = TYPES[name]
        assert kind.unpack(kind.pack(kind.high)) == kind.high
        assert math.isfinite(kind.low)

"""Quantities and times as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.units import LONGEST, UNITS, duration, format_duration, quantity


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("250 mm/s", "mm/s", 250.0),
        ("250", "mm/s", 250.0),
        ("0.25 m/s", "mm/s", 250.0),
        ("15 m/min", "mm/s", 250.0),
        ("1 bar", "Pa", 1e5),
        ("6bar", "bar", 6.0),
        ("  -1.5e2 mm ", "m", -0.15),
        (".5 s", "ms", 500.0),
        ("50 %", "1", 0.5),
        ("1_000 mm", "m", 1.0),
        ("20 Cel", "Cel", 20.0),
        ("60 /min", "Hz", 1.0),
    ],
)
def test_a_quantity_is_read_in_the_unit_of_its_field(text: str, unit: str, value: float) -> None:
    assert quantity(text, unit) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "unit", "what", "hint"),
    [
        ("fast", "mm/s", "'fast' is not a number with a unit", "'10 mm/s'"),
        ("", "mm", "is not a number", "'10 mm'"),
        ("3 furlongs", "mm", "unit 'furlongs' is not known", "'10 mm'"),
        ("3 bar", "mm", "is a pressure", "in mm is wanted"),
        ("20 Cel", "1", "is a temperature", "'10'"),
        ("1e400 mm", "mm", "is too large", "'10 mm'"),
        ("1 mm 2", "mm", "is not a number with a unit", "'10 mm'"),
        ("nan", "mm", "is not a number with a unit", "'10 mm'"),
    ],
)
def test_what_is_wrong_with_a_quantity_and_what_would_be_right(
    text: str, unit: str, what: str, hint: str
) -> None:
    with pytest.raises(ValueError) as caught:
        quantity(text, unit)
    said, _, advice = str(caught.value).partition("; ")
    assert what in said
    assert hint in advice


@pytest.mark.parametrize(
    ("text", "ns"),
    [("10 ms", 10_000_000), ("1.5 s", 1_500_000_000), ("2 min", 120_000_000_000), ("7 ns", 7), ("0", 0)],
)
def test_a_time_is_integer_nanoseconds(text: str, ns: int) -> None:
    assert duration(text) == ns
    assert isinstance(duration(text), int)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("10", "has no unit"),
        ("1e3", "has no unit"),
        ("-5 ms", "no time that can be waited for"),
        ("1e300 h", "no time that can be waited for"),
        ("1e400 s", "is too large"),
        ("10 mm", "is a length"),
        (f"{LONGEST + 1} s", "no time that can be waited for"),
    ],
)
def test_no_time(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        duration(text)


@given(st.floats(-1e9, 1e9), st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)))
def test_there_and_back_is_the_same_or_an_error_names_both_kinds(value: float, one: str, other: str) -> None:
    if UNITS[one][0] != UNITS[other][0]:
        with pytest.raises(ValueError, match=UNITS[one][0]):
            quantity(f"{value!r} {one}", other)
        return
    there = quantity(f"{value!r} {one}", other)
    assert math.isclose(quantity(f"{there!r} {other}", one), value, rel_tol=1e-12, abs_tol=1e-300)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ms"),
        (250, "0.25 us"),
        (12_300_000, "12.3 ms"),
        (1_250_000_000, "1.25 s"),
        (-4_000_000, "-4 ms"),
    ],
)
def test_times_as_people_read_them(ns: int, text: str) -> None:
    assert format_duration(ns) == text

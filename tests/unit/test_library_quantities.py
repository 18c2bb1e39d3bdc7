"""Values calculated from a group's parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.library.quantities import evaluate

KNOWN = {"at": "300 mm", "count": "3", "travel": "80 ms", "name": "quality"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("600 ms", "600 ms"),  # what has no parameter in it stays as it was written
        ("16#FF", "16#FF"),
        ("$at", "300 mm"),
        ("$name", "quality"),
        ("$at - 2 cm", "280 mm"),
        ("2 cm + $at", "32 cm"),  # in the unit of the first part
        ("($at - 20 mm) / 2", "140 mm"),
        ("$travel * $count + 300 ms", "540 ms"),
        ("2 * $at", "600 mm"),
        ("-$at + 1 m", "700 mm"),
        ("$count * $count - 1", "8"),
        ("$at / $count / 2", "50 mm"),
        ("$at - 10 mm - 20 mm", "270 mm"),
    ],
)
def test_value(text: str, value: str) -> None:
    assert evaluate(text, KNOWN) == value


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("$att", "$att is no parameter of the group; there are $at"),
        ("$at - 2 s", "is a time; a quantity in mm is wanted"),
        ("$at * $at", "300 mm is no plain number"),
        ("$at / 0", "divides by 0"),
        ("$at /", "cannot be calculated at 'its end'"),
        ("($at", "cannot be calculated at 'its end'"),
        ("$at)", "cannot be calculated at ')'"),
        ("$at 5", "cannot be calculated at '5'"),
        ("$at ? 2", "cannot be calculated at '? 2'"),
        ("(" * 30 + "$at" + ")" * 30, "is nested too deeply"),
    ],
)
def test_what_is_no_calculation(text: str, what: str) -> None:
    with pytest.raises(ValueError) as caught:
        evaluate(text, KNOWN)
    assert what in str(caught.value)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 50))
def test_as_arithmetic_has_it(a: int, b: int, c: int) -> None:
    found = evaluate(f"($a + {b} mm) / {c} - $a", {"a": f"{a} mm"})
    number, unit = found.split()
    assert unit == "mm"
    assert float(number) == pytest.approx((a + b) / c - a, abs=1e-6)

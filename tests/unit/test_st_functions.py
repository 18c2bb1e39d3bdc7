"""Every standard function and conversion, against written results."""

from __future__ import annotations

import math

import pytest
from st_running import MS, after, result

from gateway.controller.compile import RuntimeFault
from gateway.controller.datatypes import TYPES
from gateway.controller.functions import STANDARD


@pytest.mark.parametrize(
    ("expression", "kind", "expected"),
    [
        ("ADD(1, 2, 3)", "INT", 6),
        ("ADD(T#1s, T#2s)", "TIME", 3000 * MS),
        ("SUB(5, 7)", "INT", -2),
        ("MUL(2, 3, 4)", "INT", 24),
        ("DIV(-7, 2)", "INT", -3),
        ("MOD(-7, 3)", "INT", -1),
        ("EXPT(2.0, 10)", "LREAL", 1024.0),
        ("2.0 ** 0.5", "LREAL", math.sqrt(2)),
        ("AND(TRUE, FALSE, TRUE)", "BOOL", False),
        ("OR(FALSE, TRUE)", "BOOL", True),
        ("XOR(TRUE, TRUE, TRUE)", "BOOL", True),
        ("AND(16#F0, WORD#16#3C)", "WORD", 0x30),
        ("OR(BYTE#16#0F, 16#30)", "BYTE", 0x3F),
        ("NOT(BYTE#16#0F)", "BYTE", 0xF0),
        ("NOT 16#0F", "WORD", 0xFFF0),
        ("NOT(TRUE) OR TRUE", "BOOL", True),
        ("GT(2, 1)", "BOOL", True),
        ("GE(1, 2)", "BOOL", False),
        ("EQ(1, 1)", "BOOL", True),
        ("LE(2, 1)", "BOOL", False),
        ("LT(T#1s, T#2s)", "BOOL", True),
        ("NE(1, 1)", "BOOL", False),
        ("SHL(WORD#16#1234, 4)", "WORD", 0x2340),
        ("SHL(WORD#16#1234, 16)", "WORD", 0),
        ("SHR(WORD#16#1234, 4)", "WORD", 0x0123),
        ("SHR(BYTE#16#80, 9)", "BYTE", 0),
        ("ROL(BYTE#16#81, 1)", "BYTE", 0x03),
        ("ROL(BYTE#16#81, 9)", "BYTE", 0x03),
        ("ROR(BYTE#16#81, 1)", "BYTE", 0xC0),
        ("ROR(DWORD#1, 32)", "DWORD", 1),
        ("SHL(1, 3)", "WORD", 8),
        ("SEL(FALSE, 1, 2)", "INT", 1),
        ("SEL(TRUE, 1, 2)", "INT", 2),
        ("SEL(G := TRUE, IN1 := T#2s, IN0 := T#1s)", "TIME", 2000 * MS),
        ("MUX(0, 10, 20, 30)", "INT", 10),
        ("MUX(2, 10, 20, 30)", "INT", 30),
        ("MUX(9, 10, 20, 30)", "INT", 30),
        ("MUX(-1, 10, 20, 30)", "INT", 30),
        ("MUX(K := 1, IN0 := 5, IN1 := 6, IN2 := 7)", "INT", 6),
        ("MAX(1, 5, 3)", "INT", 5),
        ("MIN(1.5, 5, 3)", "REAL", 1.5),
        ("MAX(T#1s, T#2s)", "TIME", 2000 * MS),
        ("LIMIT(0, 15, 10)", "INT", 10),
        ("LIMIT(MN := 0, IN := -15, MX := 10)", "INT", 0),
        ("MOVE(7)", "INT", 7),
        ("ABS(-7)", "INT", 7),
        ("ABS(INT#-32768)", "INT", -32768),
        ("ABS(-1.5)", "REAL", 1.5),
        ("SQRT(2.0)", "REAL", 1.4142135381698608),
        ("SQRT(2.0)", "LREAL", math.sqrt(2)),
        ("SQRT(INT#16)", "REAL", 4.0),
        ("LN(10.0)", "LREAL", math.log(10)),
        ("LOG(1000.0)", "LREAL", math.log10(1000)),
        ("EXP(1.0)", "LREAL", math.e),
        ("SIN(0.5)", "LREAL", math.sin(0.5)),
        ("COS(0.5)", "LREAL", math.cos(0.5)),
        ("TAN(0.5)", "LREAL", math.tan(0.5)),
        ("ASIN(0.5)", "LREAL", math.asin(0.5)),
        ("ACOS(0.5)", "LREAL", math.acos(0.5)),
        ("ATAN(0.5)", "LREAL", math.atan(0.5)),
        ("ATAN2(1.0, -1.0)", "LREAL", math.atan2(1, -1)),
        ("TRUNC(2.9)", "INT", 2),
        ("TRUNC(-2.9)", "DINT", -2),
    ],
)
def test_functions(expression: str, kind: str, expected: bool | int | float) -> None:
    value = result(expression, kind)
    assert value == expected
    assert type(value) is type(expected)


def test_every_standard_function_is_tested_above() -> None:
    marks = next(mark for mark in test_functions.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    tested = " ".join(row[0] for row in marks.args[1])
    assert [name for name in STANDARD if f"{name}(" not in tested] == []


CONVERSIONS: list[tuple[str, str, str, bool | int | float]] = [
    ("REAL_TO_INT", "0.5", "INT", 0),
    ("REAL_TO_INT", "1.5", "INT", 2),
    ("REAL_TO_INT", "2.5", "INT", 2),
    ("REAL_TO_INT", "-1.5", "INT", -2),
    ("REAL_TO_INT", "40000.0", "INT", 40000 - 65536),
    ("REAL_TO_UINT", "-1.0", "UINT", 65535),
    ("LREAL_TO_DINT", "2147483647.5", "DINT", -2147483648),
    ("LREAL_TO_REAL", "0.1", "REAL", 0.10000000149011612),
    ("LREAL_TO_REAL", "1.0E300", "REAL", math.inf),
    ("REAL_TO_LREAL", "0.1", "LREAL", 0.10000000149011612),
    ("INT_TO_REAL", "7", "REAL", 7.0),
    ("DINT_TO_REAL", "16777217", "REAL", 16777216.0),
    ("DINT_TO_INT", "70000", "INT", 70000 - 65536),
    ("INT_TO_UINT", "-1", "UINT", 65535),
    ("INT_TO_DINT", "-1", "DINT", -1),
    ("INT_TO_WORD", "-1", "WORD", 65535),
    ("WORD_TO_INT", "16#8000", "INT", -32768),
    ("WORD_TO_BYTE", "16#1234", "BYTE", 0x34),
    ("DWORD_TO_DINT", "16#FFFF_FFFF", "DINT", -1),
    ("BOOL_TO_INT", "TRUE", "INT", 1),
    ("BOOL_TO_REAL", "TRUE", "REAL", 1.0),
    ("BOOL_TO_WORD", "TRUE", "WORD", 1),
    ("INT_TO_BOOL", "2", "BOOL", True),
    ("WORD_TO_BOOL", "0", "BOOL", False),
    ("REAL_TO_BOOL", "0.5", "BOOL", True),
    ("REAL_TO_DWORD", "3.5", "DWORD", 4),
    ("TIME_TO_DINT", "T#1s500ms", "DINT", 1500),
    ("TIME_TO_DINT", "T#-1.9ms", "DINT", -1),
    ("TIME_TO_INT", "T#70s", "INT", 70000 - 65536),
    ("TIME_TO_REAL", "T#1.5ms", "REAL", 1.5),
    ("TIME_TO_BOOL", "T#1ns", "BOOL", True),
    ("DINT_TO_TIME", "1500", "TIME", 1500 * MS),
    ("REAL_TO_TIME", "1.5", "TIME", 1_500_000),
    ("BOOL_TO_TIME", "TRUE", "TIME", MS),
    ("TO_INT", "2.5", "INT", 2),
    ("TO_DINT", "T#3s", "DINT", 3000),
]


@pytest.mark.parametrize(("function", "value", "kind", "expected"), CONVERSIONS)
def test_conversions(function: str, value: str, kind: str, expected: bool | int | float) -> None:
    source = function.partition("_TO_")[0] if "_TO_" in function else ("TIME" if value[0] == "T" else "REAL")
    # The same folded from a literal and computed from a variable.
    done = after(f"a := {function}({value}); b := {function}(v);", f"a, b : {kind}; v : {source} := {value};")
    for name in "ab":
        assert done.get(name) == expected
        assert type(done.get(name)) is type(expected)


@pytest.mark.parametrize("target", TYPES)
@pytest.mark.parametrize("source", TYPES)
def test_every_conversion_gives_a_value_of_its_type(source: str, target: str) -> None:
    if source == target:
        return
    for start in ("", f":= {'T#7ms' if source == 'TIME' else 1}"):
        done = after(f"t := {source}_TO_{target}(s);", f"s : {source} {start}; t : {target};")
        value, kind = done.get("t"), TYPES[target]
        done.set("t", value)  # checks the type and the range
        assert type(value) is type(kind.zero)


@pytest.mark.parametrize(
    ("expression", "kind", "values"),
    [
        ("10 / x", "INT", {"x": 0}),
        ("10 / (x - 3)", "INT", {"x": 3}),
        ("1.0 / f", "REAL", {"f": 0.0}),
        ("T#1s / x", "TIME", {"x": 0}),
        ("SQRT(f)", "REAL", {"f": -1.0}),
        ("LN(f)", "REAL", {"f": 0.0}),
        ("f ** -1.0", "REAL", {"f": 0.0}),
        ("f ** 0.5", "REAL", {"f": -1.0}),
        ("EXP(f)", "REAL", {"f": 1000.0}),
        ("REAL_TO_INT(f * f)", "INT", {"f": 1e30}),
        ("WORD_TO_INT(SHL(w, x))", "INT", {"x": -1}),
    ],
)
def test_faults_name_their_line(expression: str, kind: str, values: dict[str, float]) -> None:
    with pytest.raises(RuntimeFault) as caught:
        result(f"\n{expression}", kind, "x : INT; f : REAL; w : WORD;", "", **values)
    assert caught.value.line == 3
    assert caught.value.what


@pytest.mark.parametrize(
    ("x", "y", "expected"), [(7, 0, 0), (-7, 0, 0), (7, 3, 1), (-7, 3, -1), (7, -3, 1), (-7, -3, -1)]
)
def test_mod_follows_the_standard(x: int, y: int, expected: int) -> None:
    assert result("x MOD y", "INT", "x, y : INT;", x=x, y=y) == expected


@pytest.mark.parametrize(
    ("expression", "kind", "expected"),
    [
        ("i + 1", "INT", -32768),
        ("i * 2", "INT", -2),
        ("-m", "INT", -32768),
        ("m - 1", "INT", 32767),
        ("m / -1", "INT", -32768),
        ("u + 1", "UINT", 0),
        ("u - u - 1", "UINT", 65535),
        ("(i + 1) / 2", "INT", -16384),
        ("i + d", "DINT", 32768),
        ("i * i * i", "INT", 32767**3 % 65536),
        ("MAX(i + 1, 0)", "INT", 0),
        ("T#100d * 2000", "TIME", 100 * 86_400 * 10**9 * 2000 - 2**64),
    ],
)
def test_integers_wrap(expression: str, kind: str, expected: int) -> None:
    variables = "i : INT := 32767; m : INT := -32768; u : UINT := 65535; d : DINT := 1;"
    assert result(expression, kind, variables) == expected


def test_a_real_equals_what_was_stored_from_the_same_expression() -> None:
    done = after(
        "c := a + b; same := c = a + b; tenth := a = 0.1;",
        "a : REAL := 0.1; b, c : REAL := 0.2; same, tenth : BOOL;",
    )
    assert (done.get("same"), done.get("tenth")) == (True, True)
    assert done.get("c") == 0.30000001192092896

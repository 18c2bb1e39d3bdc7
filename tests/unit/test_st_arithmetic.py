"""Generated expressions: what the generated code computes equals an evaluator that wraps at every step."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from st_running import START, instance

from gateway.controller.compile import ProgramErrors, RuntimeFault
from gateway.controller.datatypes import TYPES


@dataclass(frozen=True)
class Term:
    """An expression as text, and its value for given variables by rules written here alone."""

    text: str
    value: Callable[[dict[str, int]], int]


INTS = ["SINT", "INT", "DINT", "LINT", "USINT", "UINT", "UDINT", "ULINT"]


def wrap(kind: str, value: int) -> int:
    bits, low = TYPES[kind].bits, TYPES[kind].low
    return (value - low) % (1 << bits) + low


def truncated(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


STEPS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": truncated,
    "MOD": lambda a, b: a - b * truncated(a, b) if b else 0,
}


def binary(kind: str, sign: str, a: Term, b: Term) -> Term:
    return Term(f"({a.text} {sign} {b.text})", lambda v: wrap(kind, STEPS[sign](a.value(v), b.value(v))))


def chosen(test: str, a: Term, b: Term, c: Term) -> Term:
    tests: dict[str, Callable[[int, int], bool]] = {
        "<": int.__lt__,
        ">=": int.__ge__,
        "=": int.__eq__,
        "<>": int.__ne__,
    }
    # SEL evaluates the condition and then one side; the other is a variable, which cannot fault.
    return Term(
        f"SEL({a.text} {test} {b.text}, {c.text}, {b.text})",
        lambda v: b.value(v) if tests[test](a.value(v), b.value(v)) else c.value(v),
    )


def terms(kind: str) -> st.SearchStrategy[Term]:
    low, high = TYPES[kind].low, TYPES[kind].high
    numbers = st.integers(low, high) | st.sampled_from([low, high, 0, 1])
    literal = numbers.map(lambda n: Term(f"{kind}#{n}", lambda _: n))
    variable = st.sampled_from("xyz").map(lambda name: Term(name, lambda v: v[name]))
    signs = st.sampled_from(list(STEPS))
    return st.recursive(
        literal | variable,
        lambda inner: (
            st.builds(binary, st.just(kind), signs, inner, inner)
            | inner.map(lambda a: Term(f"(-{a.text})", lambda v: wrap(kind, -a.value(v))) if low else a)
            | inner.map(lambda a: Term(f"ABS({a.text})", lambda v: wrap(kind, abs(a.value(v)))))
            | st.builds(
                lambda a, b: Term(f"MAX({a.text}, {b.text})", lambda v: max(a.value(v), b.value(v))),
                inner,
                inner,
            )
            | st.builds(chosen, st.sampled_from(["<", ">=", "=", "<>"]), inner, inner, variable)
        ),
        max_leaves=12,
    )


def computed(text: str, kind: str, values: dict[str, int]) -> int | str:
    """What a scan makes of the expression: its value, or what went wrong."""
    try:
        running = instance(f"r := {text};", f"r, x, y, z : {kind};")
        for name, value in values.items():
            running.set(name, value)
        running.scan(START)
    except RuntimeFault as fault:
        return fault.what
    except ProgramErrors as errors:  # between constants it is found before running
        return errors.problems[0].what
    return int(running.get("r"))


def expected(term: Term, values: dict[str, int]) -> int | str:
    try:
        return term.value(values)
    except ZeroDivisionError:
        return "division by zero"


@given(st.data(), st.sampled_from(INTS))
def test_integer_expressions(data: st.DataObject, kind: str) -> None:
    term = data.draw(terms(kind))
    numbers = st.integers(TYPES[kind].low, TYPES[kind].high)
    values = {name: data.draw(numbers, label=name) for name in "xyz"}
    assert computed(term.text, kind, values) == expected(term, values)


WIDTHS = ["BYTE", "WORD", "DWORD", "LWORD"]


def bit_terms(kind: str) -> st.SearchStrategy[Term]:
    bits, high = TYPES[kind].bits, TYPES[kind].high
    literal = st.integers(0, high).map(lambda n: Term(f"{kind}#16#{n:X}", lambda _: n))
    variable = st.sampled_from("xyz").map(lambda name: Term(name, lambda v: v[name]))
    counts = st.integers(0, bits + 3)
    return st.recursive(
        literal | variable,
        lambda inner: (
            st.builds(
                lambda a, b: Term(f"({a.text} AND {b.text})", lambda v: a.value(v) & b.value(v)), inner, inner
            )
            | st.builds(
                lambda a, b: Term(f"({a.text} OR {b.text})", lambda v: a.value(v) | b.value(v)), inner, inner
            )
            | st.builds(
                lambda a, b: Term(f"({a.text} XOR {b.text})", lambda v: a.value(v) ^ b.value(v)), inner, inner
            )
            | inner.map(lambda a: Term(f"(NOT {a.text})", lambda v: high - a.value(v)))
            | st.builds(
                lambda a, n: Term(f"SHL({a.text}, {n})", lambda v: a.value(v) * 2**n % 2**bits), inner, counts
            )
            | st.builds(lambda a, n: Term(f"SHR({a.text}, {n})", lambda v: a.value(v) // 2**n), inner, counts)
            | st.builds(
                lambda a, n: Term(f"ROL({a.text}, {n})", lambda v: turned(a.value(v), n, bits)), inner, counts
            )
            | st.builds(
                lambda a, n: Term(f"ROR({a.text}, {n})", lambda v: turned(a.value(v), -n, bits)),
                inner,
                counts,
            )
        ),
        max_leaves=12,
    )


def turned(value: int, n: int, bits: int) -> int:
    digits = f"{value:0{bits}b}"
    n %= bits
    return int(digits[n:] + digits[:n], 2)


@given(st.data(), st.sampled_from(WIDTHS))
def test_bit_string_expressions(data: st.DataObject, kind: str) -> None:
    term = data.draw(bit_terms(kind))
    running = instance(f"r := {term.text};", f"r, x, y, z : {kind};")
    values = {name: data.draw(st.integers(0, TYPES[kind].high), label=name) for name in "xyz"}
    for name, value in values.items():
        running.set(name, value)
    running.scan(START)
    assert running.get("r") == term.value(values)


def bool_terms() -> st.SearchStrategy[Term]:
    leaf = st.sampled_from("xyz").map(lambda name: Term(name, lambda v: v[name])) | st.booleans().map(
        lambda b: Term(str(b).upper(), lambda _: int(b))
    )
    return st.recursive(
        leaf,
        lambda inner: (
            st.builds(
                lambda a, b: Term(f"({a.text} AND {b.text})", lambda v: a.value(v) & b.value(v)), inner, inner
            )
            | st.builds(
                lambda a, b: Term(f"{a.text} OR ({b.text})", lambda v: a.value(v) | b.value(v)), inner, inner
            ).map(lambda a: Term(f"({a.text})", a.value))
            | st.builds(
                lambda a, b: Term(f"({a.text} XOR {b.text})", lambda v: a.value(v) ^ b.value(v)), inner, inner
            )
            | st.builds(
                lambda a, b: Term(f"({a.text} = {b.text})", lambda v: int(a.value(v) == b.value(v))),
                inner,
                inner,
            )
            | st.builds(
                lambda a, b: Term(f"({a.text} < {b.text})", lambda v: int(a.value(v) < b.value(v))),
                inner,
                inner,
            )
            | inner.map(lambda a: Term(f"(NOT {a.text})", lambda v: 1 - a.value(v)))
        ),
        max_leaves=16,
    )


@given(bool_terms(), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_bool_expressions(term: Term, given_values: tuple[bool, bool, bool]) -> None:
    running = instance(f"r := {term.text};", "r, x, y, z : BOOL;")
    values = dict(zip("xyz", map(int, given_values), strict=True))
    for name, value in values.items():
        running.set(name, value)
    running.scan(START)
    assert running.get("r") is bool(term.value(values))


SINGLES = st.floats(-1e6, 1e6, width=32)


def single(x: float) -> float:
    rounded: float = struct.unpack("<f", struct.pack("<f", x))[0]
    return rounded


@given(SINGLES, SINGLES, SINGLES)
def test_reals_are_singles_when_stored(x: float, y: float, z: float) -> None:
    running = instance(
        "s := x + y; p := x * z; q := s - p; l := x * z;", "x, y, z, s, p, q : REAL; l : LREAL;"
    )
    for name, value in (("x", x), ("y", y), ("z", z)):
        running.set(name, value)
    running.scan(START)
    total, product = single(x + y), single(x * z)
    assert running.get("s") == total
    assert running.get("p") == product
    assert running.get("q") == single(total - product)
    assert running.get("l") == product  # a product of REALs is REAL before it widens


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_long_reals_are_doubles(x: float, y: float) -> None:
    running = instance("s := x - y; b := x < y;", "x, y, s : LREAL; b : BOOL;")
    running.set("x", x)
    running.set("y", y)
    running.scan(START)
    assert (running.get("s"), running.get("b")) == (x - y, x < y)

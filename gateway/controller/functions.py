"""The standard functions: their parameters and the intermediate form a call of each becomes.

All arguments are evaluated, except that SEL evaluates only the side it gives. Where implementations
disagree: MUX beyond its inputs gives the last one;
TRUNC gives a DINT unless another integer type is wanted; REAL_TO_INT and its like round half to even and
then wrap; conversions between TIME and numbers count in milliseconds; a shift by the width or more gives
0; a negative shift, a root of a negative number and a logarithm of 0 are controller faults.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from gateway.controller.datatypes import ANY_REAL, BOOL, DINT, TYPES, DataType
from gateway.controller.ir import Apply, Binary, Choose, Const, Expr, Intrinsic, Operator
from gateway.controller.typed import (
    Mistyped,
    binary,
    coerce,
    concrete,
    constant,
    convert,
    inverse,
    settle,
    unify,
)  # fmt: skip

Build = Callable[[list[Expr], DataType | None], Expr]


@dataclass(frozen=True, slots=True)
class Standard:
    """`parameters` in order; `more` allows further ones of the last name's kind (IN3, IN4, ...)."""

    parameters: tuple[str, ...]
    build: Build
    more: bool = False
    wants: DataType | None = None
    """The type the first argument is read as, where the function's name says it."""

    def index(self, name: str) -> int | None:
        """The position of a formal parameter."""
        if name in self.parameters:
            return self.parameters.index(name)
        last = re.fullmatch(r"([A-Z]+)(\d+)", self.parameters[-1])
        further = re.fullmatch(r"([A-Z]+)([1-9]\d{0,3})", name)
        if self.more and last and further and further[1] == last[1] and int(further[2]) > int(last[2]):
            return len(self.parameters) - 1 + int(further[2]) - int(last[2])
        return None


def lookup(name: str) -> Standard | None:
    """The standard function of an upper-case name, conversions included."""
    if name in STANDARD:
        return STANDARD[name]
    match = re.fullmatch(r"(?:([A-Z]+)_)?TO_([A-Z]+)", name)
    if match and match[2] in TYPES and (match[1] is None or match[1] in TYPES):
        return _conversion(TYPES.get(match[1] or ""), TYPES[match[2]])
    return None


def _conversion(source: DataType | None, target: DataType) -> Standard:
    def build(arguments: list[Expr], _: DataType | None) -> Expr:
        value = coerce(arguments[0], source) if source else concrete(arguments[0])
        result = convert(value, target)
        return (constant(result) or result) if isinstance(value, Const) else result

    return Standard(("IN",), build, wants=source)


def _fold(op: Operator) -> Build:
    return lambda arguments, want: reduce(lambda a, b: binary(op, a, b, want), arguments)


def _same(what: str, arguments: list[Expr], want: DataType | None) -> list[Expr]:
    """The arguments as values of one type, a typed one."""
    same = unify(arguments, what)
    if same[0].type.literal:
        kinds = [concrete(one, want).type for one in same]
        widest = max(kinds, key=lambda kind: kind.bits)
        same = [coerce(one, widest) for one in same]
    return [settle(one) for one in same]


def _choice(name: Intrinsic) -> Build:
    def build(arguments: list[Expr], want: DataType | None) -> Expr:
        same = _same(name.upper(), arguments, want)
        return Apply(same[0].type, name, tuple(same))

    return build


def _limit(arguments: list[Expr], want: DataType | None) -> Expr:
    low, value, high = _same("LIMIT", arguments, want)
    return Apply(low.type, "min", (Apply(low.type, "max", (value, low)), high))


def _sel(arguments: list[Expr], want: DataType | None) -> Expr:
    first, second = _same("SEL", arguments[1:], want)
    return Choose(first.type, coerce(arguments[0], BOOL), second, first)


def _mux(arguments: list[Expr], want: DataType | None) -> Expr:
    which = concrete(arguments[0])
    if which.type.kind != "int":
        raise Mistyped(f"MUX chooses by an integer, not {which.type}")
    same = _same("MUX", arguments[1:], want)
    return Apply(same[0].type, "mux", (which, *same))


def _real(name: Intrinsic) -> Build:
    """A function of reals; integers widen where they do so by themselves."""

    def build(arguments: list[Expr], want: DataType | None) -> Expr:
        for one in arguments:
            if not one.type.numeric:
                raise Mistyped(f"{name.upper()} of {one.type}", "it takes REAL or LREAL")
        same = unify([*arguments, Const(ANY_REAL, 0.0)], name.upper())[:-1]
        same = [concrete(one, want if want and want.real else None) for one in same]
        result = Apply(same[0].type, name, tuple(same))
        return (constant(settle(result)) or result) if all(isinstance(a, Const) for a in same) else result

    return build


def _abs(arguments: list[Expr], want: DataType | None) -> Expr:
    value = concrete(arguments[0], want)
    if not value.type.numeric:
        raise Mistyped(f"ABS of {value.type}", "it takes numbers")
    return Apply(value.type, "abs", (value,))


def _trunc(arguments: list[Expr], want: DataType | None) -> Expr:
    value = concrete(arguments[0])
    if not value.type.real:
        raise Mistyped(f"TRUNC of {value.type}", "it takes REAL or LREAL")
    return settle(Apply(want if want and want.kind == "int" else DINT, "trunc", (value,)))


def _shift(op: Operator) -> Build:
    def build(arguments: list[Expr], want: DataType | None) -> Expr:
        value, by = arguments[0], concrete(arguments[1])
        value = concrete(value, want if want and want.kind == "bits" else None)
        if value.type.kind != "bits":
            hint = f"convert it with {value.type}_TO_WORD(...)" if value.type.name in TYPES else ""
            raise Mistyped(f"{op.upper()} of {value.type}", hint or "it takes bit strings")
        if by.type.kind != "int":
            raise Mistyped(f"{op.upper()} by {by.type}", "the count is an integer")
        if isinstance(by, Const) and by.value < 0:
            raise Mistyped(f"{op.upper()} by {by.value}", "the count is not negative")
        return Binary(value.type, op, value, by)

    return build


def _not(arguments: list[Expr], want: DataType | None) -> Expr:
    return inverse(arguments[0], want)


_TWO = ("IN1", "IN2")
STANDARD: dict[str, Standard] = {
    "ADD": Standard(_TWO, _fold("add"), more=True),
    "MUL": Standard(_TWO, _fold("mul"), more=True),
    "SUB": Standard(_TWO, _fold("sub")),
    "DIV": Standard(_TWO, _fold("div")),
    "MOD": Standard(_TWO, _fold("mod")),
    "EXPT": Standard(_TWO, _fold("pow")),
    "AND": Standard(_TWO, _fold("and"), more=True),
    "OR": Standard(_TWO, _fold("or"), more=True),
    "XOR": Standard(_TWO, _fold("xor"), more=True),
    "NOT": Standard(("IN",), _not),
    "GT": Standard(_TWO, _fold("gt")),
    "GE": Standard(_TWO, _fold("ge")),
    "EQ": Standard(_TWO, _fold("eq")),
    "LE": Standard(_TWO, _fold("le")),
    "LT": Standard(_TWO, _fold("lt")),
    "NE": Standard(_TWO, _fold("ne")),
    "SHL": Standard(("IN", "N"), _shift("shl")),
    "SHR": Standard(("IN", "N"), _shift("shr")),
    "ROL": Standard(("IN", "N"), _shift("rol")),
    "ROR": Standard(("IN", "N"), _shift("ror")),
    "SEL": Standard(("G", "IN0", "IN1"), _sel),
    "MUX": Standard(("K", "IN0"), _mux, more=True),
    "MAX": Standard(_TWO, _choice("max"), more=True),
    "MIN": Standard(_TWO, _choice("min"), more=True),
    "LIMIT": Standard(("MN", "IN", "MX"), _limit),
    "MOVE": Standard(("IN",), lambda arguments, want: concrete(arguments[0], want)),
    "ABS": Standard(("IN",), _abs),
    "TRUNC": Standard(("IN",), _trunc),
    "SQRT": Standard(("IN",), _real("sqrt")),
    "LN": Standard(("IN",), _real("ln")),
    "LOG": Standard(("IN",), _real("log")),
    "EXP": Standard(("IN",), _real("exp")),
    "SIN": Standard(("IN",), _real("sin")),
    "COS": Standard(("IN",), _real("cos")),
    "TAN": Standard(("IN",), _real("tan")),
    "ASIN": Standard(("IN",), _real("asin")),
    "ACOS": Standard(("IN",), _real("acos")),
    "ATAN": Standard(("IN",), _real("atan")),
    "ATAN2": Standard(("Y", "X"), _real("atan2")),
}

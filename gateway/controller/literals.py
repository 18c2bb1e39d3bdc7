"""The value of a literal token: numbers in any base, typed literals and durations."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from gateway.controller import tree
from gateway.controller.datatypes import TIME, TYPES

_UNITS = {"D": 86_400_000_000_000, "H": 3_600_000_000_000, "M": 60_000_000_000, "S": 1_000_000_000,
          "MS": 1_000_000, "US": 1_000, "NS": 1}  # fmt: skip
_PART = re.compile(r"([\d_]+(?:\.\d+)?) ?([A-Z]+)_?")
_DIGITS = 80  # more than any 64-bit number needs, in base 2 too


class BadLiteral(Exception):
    """A literal without a value: what was wrong, and what would be right."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


def number(text: str) -> int | float:
    """The value of `10`, `1_000`, `16#FF`, `-5`, `1.5E3`. Raises BadLiteral."""
    plain = text.replace("_", "")
    if len(plain) > _DIGITS:
        raise BadLiteral(f"the number has {len(plain)} digits", f"at most {_DIGITS} characters are read")
    base, mark, digits = plain.partition("#")
    if mark:
        if base not in ("2", "8", "10", "16"):
            raise BadLiteral(f"{text} has base {base}", "bases are 2, 8, 10 and 16")
        try:
            return int(digits, int(base))
        except ValueError:
            raise BadLiteral(f"{digits or 'nothing'!r} is no number in base {base}") from None
    if plain.lstrip("+-").isdigit():
        return int(plain)
    value = float(plain)
    if not math.isfinite(value):
        raise BadLiteral(f"{text} is too large", "an LREAL reaches about 1.8E308")
    return value


def typed(at: int, text: str) -> tree.Expr:
    """`INT#5`, `WORD#16#FF`, `BOOL#TRUE`, or `State#Idle`. Raises BadLiteral."""
    name, _, rest = text.partition("#")
    kind = name.upper()
    if kind in ("T", "TIME", "LT", "LTIME"):
        raise BadLiteral(f"{text} lacks a unit", "write for example T#500ms, T#1.5s or T#1h30m")
    if kind == "BOOL" and rest.upper() in ("TRUE", "FALSE"):
        return tree.Number(at, rest.upper() == "TRUE", kind)
    if re.match(r"[A-Za-z_]", rest):
        return tree.EnumValue(at, name, rest)
    if kind not in TYPES:
        raise BadLiteral(f"{name} is no elementary type", "typed literals look like INT#5 or WORD#16#FF")
    return tree.Number(at, number(rest), kind)


def duration(text: str) -> int:
    """Nanoseconds of `T#1d2h3m4s5ms6us7ns`, with fractions and `_` between parts. Raises BadLiteral."""
    rest = text.upper().partition("#")[2].strip()
    sign, rest = (-1, rest[1:]) if rest.startswith("-") else (1, rest.removeprefix("+"))
    total, last = Fraction(0), math.inf
    for digits, unit in _PART.findall(rest):
        size = _UNITS.get(unit)
        if size is None:
            raise BadLiteral(
                f"{unit.lower()} is no unit of time in {text}", "units are d, h, m, s, ms, us, ns"
            )
        if size >= last:
            raise BadLiteral(f"{text} is not in order", "write each unit once, the largest first")
        total, last = total + Fraction(digits.replace("_", "")[:_DIGITS]) * size, size
    if total > TIME.high:
        raise BadLiteral(f"{text} is longer than TIME holds", "the longest is about T#106751d")
    return sign * int(total)

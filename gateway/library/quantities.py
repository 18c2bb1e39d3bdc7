"""Values in a library group: ``$at - 20 mm`` calculated from the group's parameters; pure.

$speed                 a parameter as it is given
$at - 20 mm            numbers with units, + - * / and parentheses
($length - $at) / 2    a sum is in the unit of its first part; factors and divisors are plain numbers
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from gateway.units import quantity

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)\s*([A-Za-z%][\w./%]*)?|\$([a-z][a-z0-9-]*)|([-+*/()]))", re.ASCII)
_NAME = re.compile(r"\$([a-z][a-z0-9-]*)\Z", re.ASCII)
DEEPEST = 20  # parentheses within one another


class Quantity(NamedTuple):
    """A number of ``unit``."""

    number: float
    unit: str

    def __str__(self) -> str:
        text = f"{round(self.number, 9):.12g}"
        return text if self.unit == "1" else f"{text} {self.unit}"


def evaluate(text: str, known: Mapping[str, str]) -> str:
    """``text`` with the parameters in ``known`` put in, and calculated where it is a calculation.

    ValueError("what was wrong; what would be right").
    """
    if "$" not in text:
        return text
    single = _NAME.match(text)
    if single is not None:
        return _known(single[1], known)
    return str(_Calculation(text, known).whole())


def _known(name: str, known: Mapping[str, str]) -> str:
    if name not in known:
        there = ", ".join(f"${each}" for each in known) or "none"
        raise ValueError(f"${name} is no parameter of the group; there are {there}")
    return known[name]


class _Calculation:
    def __init__(self, text: str, known: Mapping[str, str]) -> None:
        self.text, self.known, self.at, self.depth = text, known, 0, 0
        self.token: re.Match[str] | None = None
        self._next()

    def whole(self) -> Quantity:
        result = self._sum()
        if self.token is not None:
            raise self._wrong(self.token[0].strip())
        return result

    def _next(self) -> None:
        rest = self.text[self.at :].strip()
        self.token = _TOKEN.match(self.text, self.at) if rest else None
        if rest and self.token is None:
            raise self._wrong(rest)
        self.at = self.token.end() if self.token is not None else len(self.text)

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"{self.text!r} cannot be calculated at {what!r}; write for example $at - 20 mm")

    def _sign(self, among: str) -> str:
        sign = self.token[4] if self.token is not None else None
        return sign if sign is not None and sign in among else ""

    def _sum(self) -> Quantity:
        result = self._product()
        while sign := self._sign("+-"):
            self._next()
            other = self._product()
            number = quantity(f"{other.number} {other.unit}", result.unit)
            result = Quantity(result.number + (number if sign == "+" else -number), result.unit)
        return result

    def _product(self) -> Quantity:
        result = self._one()
        while sign := self._sign("*/"):
            self._next()
            other = self._one()
            if sign == "*" and result.unit == "1":
                result, other = other, result
            if other.unit != "1":
                raise ValueError(f"{self.text!r}: {other} is no plain number; leave its unit out")
            if sign == "/" and other.number == 0:
                raise ValueError(f"{self.text!r} divides by 0; choose another divisor")
            factor = other.number if sign == "*" else 1 / other.number
            result = Quantity(result.number * factor, result.unit)
        return result

    def _one(self) -> Quantity:
        token = self.token
        if token is None:
            raise self._wrong("its end")
        if token[4] in ("(", "-"):
            self.depth += 1
            if self.depth > DEEPEST:
                raise ValueError(f"{self.text!r} is nested too deeply; simplify it")
            self._next()
            inner = self._sum() if token[4] == "(" else self._one()
            if token[4] == "(":
                if self._sign(")") == "":
                    raise self._wrong(self.token[0].strip() if self.token is not None else "its end")
                self._next()
            self.depth -= 1
            return inner if token[4] == "(" else Quantity(-inner.number, inner.unit)
        if token[4] is not None:
            raise self._wrong(token[4])
        self._next()
        if token[3] is not None:
            return read(_known(token[3], self.known))
        return Quantity(float(token[1]), token[2] or "1")


def read(text: str) -> Quantity:
    """``300 mm`` as number and unit; ValueError."""
    number, _, unit = text.strip().partition(" ")
    unit = unit.strip() or "1"
    return Quantity(quantity(number, unit), unit)

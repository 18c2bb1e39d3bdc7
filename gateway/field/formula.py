"""Formulas over the tags of a station: numbers, + - * /, parentheses, min, max, abs and clamp; pure.

    raw * 0.05 + zero-drift        a name is a tag's id; raw is what the device holds
    (value - zero-drift) / 0.05    the inverse; value is the engineering value

A name may hold a hyphen, so a difference has spaces around its sign. What has no result (a division by 0)
is not a number. A BOOL counts as 0 or 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import msgspec

from gateway.field.types import Value

MOST = 500  # characters
DEEPEST = 40  # parentheses and signs within one another
_TOKEN = re.compile(
    r"\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([a-z][a-z0-9]*(?:-[a-z0-9]+)*)|([-+*/(),]))", re.ASCII
)
_BINDS = {"+": 1, "-": 1, "*": 2, "/": 2}
_FUNCTIONS: dict[str, tuple[int, int, Callable[..., float]]] = {
    "min": (2, 9, min),
    "max": (2, 9, max),
    "abs": (1, 1, abs),
    "clamp": (3, 3, lambda x, low, high: min(max(x, low), high)),
}
_USE = {"min": "min(a, b)", "max": "max(a, b)", "abs": "abs(a)", "clamp": "clamp(a, low, high)"}
Tree = float | str | tuple[str, tuple["Tree", ...]]
"""A number, a name, or an operation with what it is done to."""


class Formula(msgspec.Struct, frozen=True):
    """A formula as written, its tree, and the names in it."""

    text: str
    tree: Tree
    names: frozenset[str]

    def __str__(self) -> str:
        return self.text

    def of(self, known: Mapping[str, Value]) -> float:
        """The result where every name is in ``known``; not a number where there is none."""
        try:
            return float(_evaluate(self.tree, known))
        except (ZeroDivisionError, OverflowError):
            return math.nan


def read_formula(text: str) -> Formula:
    """Read ``raw * 0.1 + offset``; ValueError("what was wrong; what would be right")."""
    if len(text) > MOST:
        raise ValueError(f"formula has {len(text)} characters; write at most {MOST}")
    parser = _Parser(text)
    tree = parser.expression(0, 0)
    if parser.token:
        raise parser.wrong("was not expected")
    return Formula(text, tree, frozenset(parser.names))


def _evaluate(tree: Tree, known: Mapping[str, Value]) -> float:
    if isinstance(tree, str):
        value = known[tree]
        assert not isinstance(value, str | tuple), f"{tree} is no number"
        return value
    if not isinstance(tree, tuple):
        return tree
    operation, parts = tree
    values = [_evaluate(part, known) for part in parts]
    match operation, values:
        case "+", [one, other]:
            return one + other
        case "-", [one, other]:
            return one - other
        case "*", [one, other]:
            return one * other
        case "/", [one, other]:
            return one / other
        case "-", [one]:
            return -one
        case _:
            return _FUNCTIONS[operation][2](*values)


class _Parser:
    """Takes a formula apart by binding strength; ``token`` is the next one, empty at the end."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.begins = text.rstrip(), 0, 0
        self.token, self.kind = "", 0
        self.names: set[str] = set()
        self.advance()

    def advance(self) -> None:
        if self.at == len(self.text):
            self.token, self.kind, self.begins = "", 0, self.at
            return
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            self.token, self.begins = self.text[self.at :].lstrip()[:1], self.at
            raise self.wrong("has no place in a formula")
        self.kind = match.lastindex or 0
        self.token, self.begins, self.at = match[self.kind], match.start(self.kind), match.end()

    def wrong(self, what: str) -> ValueError:
        place = f"{self.token!r} at character {self.begins + 1}" if self.token else "the end"
        return ValueError(f"formula {self.text!r}: {place} {what}; write for example raw * 0.1 + 4")

    def take(self, token: str) -> None:
        if self.token != token:
            raise self.wrong(f"came where {token!r} should be")
        self.advance()

    def expression(self, strength: int, depth: int) -> Tree:
        left = self.operand(depth)
        while (binds := _BINDS.get(self.token, 0)) > strength:
            operation = self.token
            self.advance()
            left = (operation, (left, self.expression(binds, depth)))
        return left

    def operand(self, depth: int) -> Tree:
        if depth > DEEPEST:
            raise self.wrong("is nested too deeply")
        token, kind = self.token, self.kind
        if kind not in (1, 2) and token not in ("-", "("):
            raise self.wrong("came where a number or a name should be")
        self.advance()
        if kind == 1:
            return float(token)
        if token == "-":
            return ("-", (self.operand(depth + 1),))
        if token == "(":
            inner = self.expression(0, depth + 1)
            self.take(")")
            return inner
        if self.token == "(":
            return self.call(token, depth)
        self.names.add(token)
        return token

    def call(self, name: str, depth: int) -> Tree:
        if name not in _FUNCTIONS:
            raise ValueError(f"formula {self.text!r}: {name} is no function; use {', '.join(_FUNCTIONS)}")
        self.take("(")
        parts = [self.expression(0, depth + 1)]
        while self.token == ",":
            self.advance()
            parts.append(self.expression(0, depth + 1))
        self.take(")")
        fewest, most, _ = _FUNCTIONS[name]
        if not fewest <= len(parts) <= most:
            count = str(fewest) if fewest == most else f"{fewest} or more"
            what = f"formula {self.text!r}: {name} takes {count} numbers, not {len(parts)}"
            raise ValueError(f"{what}; write {_USE[name]}")
        return (name, tuple(parts))

"""The place in the tokens, and how problems are reported and passed over."""

from __future__ import annotations

from gateway.controller.lexer import Source, Token, tokens
from gateway.errors import Problem

MAX_PROBLEMS = 100

UNITS = {"PROGRAM": "END_PROGRAM", "FUNCTION_BLOCK": "END_FUNCTION_BLOCK", "FUNCTION": "END_FUNCTION"}
VARS = ("VAR", "VAR_INPUT", "VAR_OUTPUT", "VAR_IN_OUT", "VAR_TEMP", "VAR_GLOBAL", "VAR_EXTERNAL")
BLOCKS = {"IF": "END_IF", "CASE": "END_CASE", "FOR": "END_FOR", "WHILE": "END_WHILE", "REPEAT": "END_REPEAT"}
# Words at which recovery stops: they close or open something that the caller knows.
UNIT_STOPS = {*UNITS, *UNITS.values(), "TYPE", "END_TYPE", "end"}
BLOCK_STOPS = {*BLOCKS.values(), "ELSE", "ELSIF", "UNTIL"}
STOPS = UNIT_STOPS | BLOCK_STOPS | {*VARS, "END_VAR"}


class Skip(Exception):
    """A problem was recorded; go on behind the statement or declaration."""


class TooMany(Exception):
    """Enough problems were recorded to stop reading."""


class Cursor:
    def __init__(self, source: Source, problems: list[Problem]) -> None:
        self.source, self.problems = source, problems
        self.tokens = tokens(source, problems)
        self.at = 0

    @property
    def now(self) -> Token:
        return self.tokens[self.at]

    def peek(self, distance: int = 1) -> Token:
        return self.tokens[min(self.at + distance, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.now
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def accept(self, *kinds: str) -> Token | None:
        return self.take() if self.now.kind in kinds else None

    def expect(self, kind: str, where: str, hint: str = "") -> Token:
        if self.now.kind == kind:
            return self.take()
        wanted = {"name": "a name", "direct": "an address"}.get(kind, f"`{kind}`")
        raise self.fail(self.now.at, f"{wanted} expected {where}, found {self.shown()}", hint)

    def shown(self) -> str:
        return self.now.text if self.now.kind == "end" else f"`{self.now.text[:40]}`"

    def report(self, at: int, what: str, hint: str = "") -> None:
        self.problems.append(self.source.problem(at, what, hint))
        if len(self.problems) >= MAX_PROBLEMS:
            raise TooMany

    def fail(self, at: int, what: str, hint: str = "") -> Skip:
        """Report, for `raise self.fail(...)`."""
        self.report(at, what, hint)
        return Skip()

    def skip(self, *stops: str) -> None:
        """Go behind the next `;`, or to a word that closes something."""
        while self.now.kind not in STOPS and self.now.kind not in stops:
            if self.take().kind == ";":
                return

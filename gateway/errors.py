"""What can go wrong, by who is at fault: a person's input, a device, or a peer's bytes."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing wrong in a person's file: where, what was wrong, and what would be right."""

    file: str
    line: int
    column: int
    what: str
    hint: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        text = f"{place}: {self.what}" if place else self.what
        return f"{text}; {self.hint}" if self.hint else text


class BadInput(Exception):
    """All the problems of a person's input at once (exit status 2)."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class GatewayError(Exception):
    """A device or its connection is at fault."""


class ConnectionLost(GatewayError):
    """The peer is not there, went away or fell silent; retried within a bound."""


class DeviceRefused(GatewayError):
    """The device answered and said no: its code, the tag or block, and what to change."""

    def __init__(self, code: str, where: str, change: str = "") -> None:
        self.code, self.where, self.change = code, where, change
        super().__init__(f"{where}: refused with {code}" + (f"; {change}" if change else ""))


class ProtocolViolation(GatewayError):
    """The peer sent bytes that its protocol does not allow here."""

"""The syntax tree: what was written, before anything is known about names and types.

`at` is an offset in the source text, the place an error about the node points to.
"""

from __future__ import annotations

from dataclasses import dataclass

# ---------------------------------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Number:
    """An untyped literal, or (with `type`) a typed one; TRUE and FALSE are bools."""

    at: int
    value: bool | int | float
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Duration:
    at: int
    nanoseconds: int


@dataclass(frozen=True, slots=True)
class EnumValue:
    """`Type#Value`."""

    at: int
    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, or `path` through an instance: `t.Q`."""

    at: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bit:
    """`word.3` and `word.%X3`."""

    at: int
    word: Name
    bit: int


@dataclass(frozen=True, slots=True)
class Prefix:
    """`-x`, `NOT x`."""

    at: int
    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Infix:
    """`at` is the operator's place."""

    at: int
    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Argument:
    """Positional, `name := value`, or (`out`) `name => value`."""

    at: int
    name: str | None
    value: Expr
    out: bool = False


@dataclass(frozen=True, slots=True)
class Invocation:
    """`name(...)`: a function, or as a statement a function block instance."""

    at: int
    name: str
    arguments: tuple[Argument, ...]


Expr = Number | Duration | EnumValue | Name | Bit | Prefix | Infix | Invocation

# ----------------------------------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Assign:
    at: int
    target: Name | Bit
    value: Expr


@dataclass(frozen=True, slots=True)
class CallStatement:
    at: int
    call: Invocation


@dataclass(frozen=True, slots=True)
class If:
    at: int
    arms: tuple[tuple[Expr, Body], ...]
    other: Body


@dataclass(frozen=True, slots=True)
class Label:
    """One value of a CASE arm, or a range."""

    at: int
    low: Expr
    high: Expr | None


@dataclass(frozen=True, slots=True)
class Case:
    at: int
    selector: Expr
    arms: tuple[tuple[tuple[Label, ...], Body], ...]
    other: Body


@dataclass(frozen=True, slots=True)
class For:
    at: int
    variable: Name
    start: Expr
    stop: Expr
    step: Expr | None
    body: Body


@dataclass(frozen=True, slots=True)
class While:
    at: int
    condition: Expr
    body: Body


@dataclass(frozen=True, slots=True)
class Repeat:
    at: int
    body: Body
    until: Expr


@dataclass(frozen=True, slots=True)
class Jump:
    """EXIT, CONTINUE or RETURN."""

    at: int
    word: str


Statement = Assign | CallStatement | If | Case | For | While | Repeat | Jump
Body = tuple[Statement, ...]

# --------------------------------------------------------------------------------------- declarations


@dataclass(frozen=True, slots=True)
class Declaration:
    """One variable; `initial` is an expression, or `presets` of an instance's variables."""

    at: int
    name: str
    section: str
    """The keyword: VAR, VAR_INPUT, ..."""
    constant: bool
    type: str
    type_at: int
    address: str | None = None
    address_at: int = 0
    initial: Expr | None = None
    presets: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Enumeration:
    at: int
    name: str
    values: tuple[tuple[int, str, Expr | None], ...]
    """(offset, name, explicit value or None)."""


@dataclass(frozen=True, slots=True)
class Unit:
    """PROGRAM, FUNCTION_BLOCK or FUNCTION (`kind` is the keyword)."""

    at: int
    kind: str
    name: str
    result: str | None
    declarations: tuple[Declaration, ...]
    body: Body


@dataclass(frozen=True, slots=True)
class File:
    units: tuple[Unit, ...]
    enumerations: tuple[Enumeration, ...]
    lost: frozenset[str] = frozenset()
    """Upper-case names whose declarations have syntax errors, so that their use is no further problem."""
    incomplete: bool = False
    """Whole units or sections were lost, so that any unknown name may be one of theirs."""

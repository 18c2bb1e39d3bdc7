"""The intermediate form of a control program, which the virtual controller runs and a checker can explore.

It is small and hides nothing:

- Every expression is typed and **pure**: it may fault (division by zero), it never changes state.
- Arithmetic nodes (add, sub, mul, neg, and div on integers) compute exact integers, or doubles. `Fit`
  makes such a result a value of a type: integers wrap to the type's width, REAL rounds to IEEE single.
  A Fit stands wherever a result is stored, compared, converted or passed on, unless its interval shows
  that it cannot leave the type. Wrapping is a ring homomorphism, so fitting once at the root of
  `a + b * c` equals fitting at each step; for REAL the inner steps keep double precision.
- State is a tree of places. A place is a path of upper-case names from the unit's own variables, such as
  `("START",)`, or into an instance it owns, `("T1", "Q")`.
- A call of a function block is: stores to its inputs, `Invoke`, loads of its outputs. VAR_IN_OUT is a
  store before and a load after (call by value and result).
- A function without outputs is the pure expression `Call`; one with outputs appears only as the
  statement `CallOut`, which names every place it writes.
- The clock is the expression `Now`: one value for the whole scan.

`line` of a statement is its 1-based line in the source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gateway.controller.datatypes import DataType, Value

# ---------------------------------------------------------------------------------------- expressions

Operator = Literal[
    "add", "sub", "mul", "div", "mod", "pow", "and", "or", "xor",
    "eq", "ne", "lt", "le", "gt", "ge", "shl", "shr", "rol", "ror",
]  # fmt: skip
"""`and` and `or` on BOOL do not evaluate their right side when the left decides (as MATIEC's C does).
`div` truncates toward zero; `mod` takes the sign of its left side and is 0 when the right side is 0."""

Intrinsic = Literal[
    "sqrt", "ln", "log", "exp", "sin", "cos", "tan", "asin", "acos", "atan", "atan2",
    "abs", "min", "max", "mux", "trunc",
]  # fmt: skip
"""`mux` gives the argument its first one counts to, from 0; the last one where there is none."""


@dataclass(frozen=True, slots=True)
class Const:
    type: DataType
    value: Value


@dataclass(frozen=True, slots=True)
class Load:
    """The value at a place."""

    type: DataType
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Now:
    """The scan's one timestamp, in nanoseconds since an arbitrary start."""

    type: DataType


@dataclass(frozen=True, slots=True)
class Unary:
    """`not` (logical on BOOL, bitwise on bit strings) or `neg`."""

    type: DataType
    op: Literal["not", "neg"]
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator on two operands of one type (of any integer type on the right for shifts)."""

    type: DataType
    op: Operator
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Fit:
    """The operand made a value of the type: integers wrap, REAL rounds to single precision."""

    type: DataType
    operand: Expr


@dataclass(frozen=True, slots=True)
class Convert:
    """The operand's value in another type: reals round half to even, TIME counts in milliseconds, a
    number is TRUE when it is not 0. The operand fits its own type; the result may need a Fit."""

    type: DataType
    operand: Expr


@dataclass(frozen=True, slots=True)
class Choose:
    """`then` if the condition is TRUE, else `other`; only the chosen side is evaluated."""

    type: DataType
    condition: Expr
    then: Expr
    other: Expr


@dataclass(frozen=True, slots=True)
class Apply:
    """A mathematical function without state."""

    type: DataType
    name: Intrinsic
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A user's function that has inputs and a result only; arguments in the order of its inputs."""

    type: DataType
    function: str
    arguments: tuple[Expr, ...]


Expr = Const | Load | Now | Unary | Binary | Fit | Convert | Choose | Apply | Call

# ----------------------------------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Store:
    line: int
    path: tuple[str, ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class Invoke:
    """Run the function block instance at a place."""

    line: int
    path: tuple[str, ...]
    block: str


@dataclass(frozen=True, slots=True)
class CallOut:
    """Call a function that has outputs: `targets` receive its result (None: dropped), then its VAR_OUTPUT
    and VAR_IN_OUT in their order. Arguments are its VAR_INPUT and VAR_IN_OUT in their order."""

    line: int
    function: str
    arguments: tuple[Expr, ...]
    targets: tuple[tuple[str, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class If:
    line: int
    arms: tuple[tuple[Expr, Body], ...]
    other: Body


@dataclass(frozen=True, slots=True)
class Case:
    """The arm whose ranges (both ends included) hold the selector's value, else `other`."""

    line: int
    selector: Expr
    arms: tuple[tuple[tuple[tuple[int, int], ...], Body], ...]
    other: Body


@dataclass(frozen=True, slots=True)
class For:
    """`stop` and `step` are evaluated once, after `start` was stored. The variable is tested before each
    pass and ends at the first value past `stop` (its value at EXIT)."""

    line: int
    path: tuple[str, ...]
    type: DataType
    start: Expr
    stop: Expr
    step: Expr
    body: Body


@dataclass(frozen=True, slots=True)
class While:
    line: int
    condition: Expr
    body: Body


@dataclass(frozen=True, slots=True)
class Repeat:
    """The body, until the condition is TRUE after a pass."""

    line: int
    body: Body
    until: Expr


@dataclass(frozen=True, slots=True)
class Exit:
    line: int


@dataclass(frozen=True, slots=True)
class Continue:
    line: int


@dataclass(frozen=True, slots=True)
class Return:
    line: int


Statement = Store | Invoke | CallOut | If | Case | For | While | Repeat | Exit | Continue | Return
Body = tuple[Statement, ...]

# ---------------------------------------------------------------------------------------------- units

Kind = Literal["program", "block", "function"]
Section = Literal["local", "input", "output", "in_out", "temp", "constant", "result"]


@dataclass(frozen=True, slots=True)
class Location:
    """An address in the controller's memory; `byte` is the index times the size, as CODESYS counts."""

    area: str
    size: str
    byte: int
    bit: int
    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One variable of a unit: of an elementary type, or (with `block`) an instance of a function block."""

    name: str
    """As written; `key` is what paths use."""
    section: Section
    type: DataType | None
    block: str | None
    initial: Value
    line: int
    location: Location | None = None
    preset: tuple[tuple[str, Value], ...] = ()
    """Initial values of an instance's own variables that differ from its block's."""

    @property
    def key(self) -> str:
        return self.name.upper()


@dataclass(slots=True)
class Unit:
    """A program, function block or function."""

    name: str
    kind: Kind
    slots: tuple[Slot, ...]
    body: Body = ()
    result: DataType | None = None
    line: int = 0

    @property
    def key(self) -> str:
        return self.name.upper()

    def section(self, *sections: Section) -> tuple[Slot, ...]:
        return tuple(s for s in self.slots if s.section in sections)


@dataclass(slots=True)
class Module:
    """All units a program needs, callees before callers; the program is the last."""

    units: dict[str, Unit] = field(default_factory=dict)

    @property
    def program(self) -> Unit:
        return next(reversed(self.units.values()))

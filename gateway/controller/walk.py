"""Questions about the intermediate form: what is inside, what is read and written, what values can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from gateway.controller.datatypes import DataType
from gateway.controller.ir import (
    Apply,
    Binary,
    Body,
    Call,
    CallOut,
    Case,
    Choose,
    Const,
    Convert,
    Expr,
    Fit,
    For,
    If,
    Repeat,
    Statement,
    Store,
    Unary,
    While,
)


def parts(expr: Expr) -> tuple[Expr, ...]:
    """The direct operands of an expression."""
    match expr:
        case Unary() | Fit() | Convert():
            return (expr.operand,)
        case Binary():
            return (expr.left, expr.right)
        case Choose():
            return (expr.condition, expr.then, expr.other)
        case Apply() | Call():
            return expr.arguments
        case _:
            return ()


def within(expr: Expr) -> Iterator[Expr]:
    """The expression and everything inside it."""
    pending = [expr]
    while pending:
        one = pending.pop()
        yield one
        pending += parts(one)


def bodies(statement: Statement) -> tuple[Body, ...]:
    """The bodies nested directly in a statement."""
    match statement:
        case If() | Case():
            return (*(body for _, body in statement.arms), statement.other)
        case For() | While() | Repeat():
            return (statement.body,)
        case _:
            return ()


def statements(body: Iterable[Statement]) -> Iterator[Statement]:
    """Every statement of a body, nested ones too, in source order."""
    for statement in body:
        yield statement
        for inner in bodies(statement):
            yield from statements(inner)


def expressions(statement: Statement) -> tuple[Expr, ...]:
    """The expressions a statement itself evaluates (not those of nested bodies)."""
    match statement:
        case Store():
            return (statement.value,)
        case CallOut():
            return statement.arguments
        case If():
            return tuple(condition for condition, _ in statement.arms)
        case Case():
            return (statement.selector,)
        case For():
            return (statement.start, statement.stop, statement.step)
        case While():
            return (statement.condition,)
        case Repeat():
            return (statement.until,)
        case _:
            return ()


Interval = tuple[int, int]
_UNBOUNDED = (-(1 << 1100), 1 << 1100)  # beyond what an LREAL reaches

_ENDS: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
}


def interval(expr: Expr) -> Interval:
    """Bounds on the value of an integer, bit string or BOOL expression, before any wrapping."""
    match expr:
        case Const(value=bool() | int() as value):
            return int(value), int(value)
        case Unary(op="neg"):
            low, high = interval(expr.operand)
            return -high, -low
        case Binary(op="add" | "sub" | "mul"):
            end = _ENDS[expr.op]
            left, right = interval(expr.left), interval(expr.right)
            ends = [end(a, b) for a in left for b in right]
            return min(ends), max(ends)
        case Binary(op="div", right=Const(value=int() as by)) if by:
            ends = [abs(end) // abs(by) * (1 if (end < 0) == (by < 0) else -1) for end in interval(expr.left)]
            return min(ends), max(ends)
        case Binary(op="div"):
            low, high = interval(expr.left)
            most = max(abs(low), abs(high))
            return -most, most
        case Binary(op="mod"):
            low, high = interval(expr.left)
            most = max(1, *(abs(end) for end in interval(expr.right))) - 1
            return max(min(low, 0), -most), min(max(high, 0), most)
        case Apply(name="abs"):
            low, high = interval(expr.arguments[0])
            return 0, max(abs(low), abs(high))
        case Apply(name="trunc"):
            return _UNBOUNDED
        case Convert(operand=inner) if inner.type.kind in ("int", "bits", "bool", "enum") and (
            expr.type.kind in ("int", "bits", "enum")
        ):
            return interval(inner)
        case Convert(type=DataType(kind="int" | "bits" | "time")):
            return _UNBOUNDED
        case Choose():
            (a, b), (c, d) = interval(expr.then), interval(expr.other)
            return min(a, c), max(b, d)
        case _ if expr.type.kind == "bool":
            return 0, 1
        case _:
            return expr.type.low, expr.type.high

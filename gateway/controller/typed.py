"""Typed operations: which types an operator takes, and the intermediate form it becomes.

Operands and results are expressions of ir.py. What the standard does not allow raises Mistyped with what
was wrong and what to write instead; the caller knows the place.
"""

from __future__ import annotations

from gateway.controller.codegen import evaluate
from gateway.controller.datatypes import (
    ANY_INT,
    ANY_REAL,
    BOOL,
    DINT,
    INT,
    LINT,
    LREAL,
    REAL,
    TIME,
    ULINT,
    DataType,
    common,
    widens,
)  # fmt: skip
from gateway.controller.ir import (
    Apply,
    Binary,
    Choose,
    Const,
    Convert,
    Expr,
    Fit,
    Operator,
    Unary,
)  # fmt: skip
from gateway.controller.walk import interval, within

WORDS: dict[str, Operator] = {
    "+": "add", "-": "sub", "*": "mul", "/": "div", "MOD": "mod", "**": "pow",
    "AND": "and", "OR": "or", "XOR": "xor",
    "=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
}  # fmt: skip
SIGNS = {op: sign for sign, op in WORDS.items()}


class Mistyped(Exception):
    """An operation on types that do not take it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


def constant(expr: Expr) -> Const | None:
    """The expression's value, where it has one before running. Raises Mistyped if computing it faults."""
    if isinstance(expr, Const):
        return expr
    if not all(
        isinstance(one, Const | Unary | Binary | Fit | Convert | Choose | Apply) for one in within(expr)
    ):
        return None
    try:
        return Const(expr.type, evaluate(expr))
    except ZeroDivisionError:
        raise Mistyped("division by zero") from None
    except (ArithmeticError, ValueError) as error:
        raise Mistyped(f"this constant has no value: {error}") from None


def settle(expr: Expr) -> Expr:
    """The expression as a value of its type: fitted, where its arithmetic can leave the type."""
    kind = expr.type
    if kind is REAL:
        match expr:
            case Binary() | Unary() | Convert():
                return expr if isinstance(expr, Convert) and expr.operand.type.bits <= 16 else Fit(REAL, expr)
            case Apply(name="abs" | "min" | "max" | "mux"):
                return expr
            case Apply():
                return Fit(REAL, expr)
    elif kind.discrete and not kind.literal:
        low, high = interval(expr)
        if low < kind.low or high > kind.high:
            return Fit(kind, expr)
    return expr


def coerce(expr: Expr, target: DataType) -> Expr:
    """The expression as `target`, where the standard converts without being asked."""
    source = expr.type
    if source == target:
        return settle(expr)
    if isinstance(expr, Const) and source.literal:
        return _literal(expr, target)
    if widens(source, target):
        return settle(Convert(target, settle(expr)))
    if target == BOOL and source.kind in ("int", "bits"):
        hint = f"compare it, or write {source}_TO_BOOL(...)"
    elif target.kind == "enum":
        hint = f"use a value of {target}, such as {target}#..."
    elif source.kind == "enum":
        hint = f"{source} widens to INT only"
    else:
        hint = f"write {source}_TO_{target}(...)"
    raise Mistyped(f"{source} does not convert to {target} by itself", hint)


def _literal(expr: Const, target: DataType) -> Const:
    """An untyped literal as a constant of the target type."""
    value = expr.value
    if target.real:
        folded = constant(Fit(target, Const(target, float(value))))
        assert folded is not None
        return folded
    if isinstance(value, float):
        raise Mistyped(f"{value} is real, {target} is needed", "write it without a fraction, or convert")
    match target.kind:
        case "int" | "bits" | "literal int":
            if target.literal or target.low <= value <= target.high:
                return Const(target, value)
            raise Mistyped(f"{value} is out of range", f"{target} holds {target.low} to {target.high}")
        case "bool":
            if value in (0, 1):
                return Const(BOOL, bool(value))
            raise Mistyped(f"{value} is no BOOL", "write TRUE or FALSE")
        case "time":
            raise Mistyped(f"{value} is no TIME", f"give it a unit: T#{value}ms or T#{value}s")
        case _:
            raise Mistyped(f"{value} is no {target}", f"use one of its names: {target}#...")


def concrete(expr: Expr, want: DataType | None = None) -> Expr:
    """An untyped literal given the wanted type if it can take it, else the smallest that holds it."""
    if not expr.type.literal:
        return settle(expr)
    assert isinstance(expr, Const)
    if want is not None and (want.real or (want.kind in ("int", "bits") and expr.type is ANY_INT)):
        return coerce(expr, want)
    if expr.type is ANY_REAL:
        return coerce(expr, LREAL)
    for kind in (INT, DINT, LINT, ULINT):
        if kind.low <= expr.value <= kind.high:
            return Const(kind, expr.value)
    raise Mistyped(f"{expr.value} is out of range", "no integer type holds it")


def unify(operands: list[Expr], what: str, want: DataType | None = None) -> list[Expr]:
    """All operands in the nearest common type; literals only give literals unless a type is wanted."""
    kinds = [one.type for one in operands if not one.type.literal]
    if not kinds:
        kind: DataType | None = ANY_REAL if any(one.type is ANY_REAL for one in operands) else ANY_INT
    else:
        kind = kinds[0]
        for other in kinds[1:]:
            kind = common(kind, other) if kind else None
        if kind and not kind.real and any(one.type is ANY_REAL for one in operands):
            kind = common(kind, REAL) or (LREAL if widens(kind, LREAL) else None)
    if kind is None:
        names = " and ".join(dict.fromkeys(str(one.type) for one in operands))
        raise Mistyped(f"{what} of {names} has no common type", _meeting(operands))
    if kind.literal:
        literals: list[Expr] = [
            Const(kind, float(one.value) if kind is ANY_REAL else one.value)
            for one in operands
            if isinstance(one, Const)
        ]
        return [concrete(one, want) for one in literals] if want else literals
    return [_raw(one, kind) for one in operands]


def _raw(expr: Expr, kind: DataType) -> Expr:
    """Like coerce, but arithmetic of the same type stays unfitted: it is fitted at the root."""
    return expr if expr.type == kind else coerce(expr, kind)


def _meeting(operands: list[Expr]) -> str:
    """The conversion that makes the operands meet."""
    kinds = [one.type for one in operands if not one.type.literal]
    if len(kinds) == 2:
        a, b = sorted(kinds, key=lambda kind: (kind.real, kind.bits))
        if "enum" not in (a.kind, b.kind):
            return f"convert one with {a}_TO_{b}(...)"
    return "use values of one type"


def binary(op: Operator, left: Expr, right: Expr, want: DataType | None = None) -> Expr:
    """An infix operator, or the function of the same meaning."""
    sign = f"`{SIGNS.get(op, op)}`"
    if op in ("add", "sub", "mul", "div", "mod") and TIME in (left.type, right.type):
        return _with_time(op, left, right, sign)
    if op == "pow":
        base = unify([left, Const(ANY_REAL, 0.0)], sign, want)[0]
        base = concrete(base, want if want and want.real else LREAL) if base.type.literal else base
        _need_numeric(right, sign)
        exponent = coerce(right, LREAL) if right.type.literal else settle(Convert(LREAL, settle(right)))
        return _folded(Binary(base.type, "pow", settle(base), exponent))
    if op in ("and", "or", "xor"):
        for one in (left.type, right.type):
            if one.kind not in ("bool", "bits", "literal int"):
                hint = f"convert it with {one}_TO_WORD(...)" if one.kind == "int" else "compare or convert"
                raise Mistyped(f"{sign} of {one}", f"it takes BOOL or bit strings; {hint}")
    if op in ("add", "sub", "mul", "div", "mod"):
        for one in (left.type, right.type):
            if one.kind == "enum":
                raise Mistyped(f"{sign} of {one}", "enumerations are compared, not counted")
    a, b = unify([left, right], sign)
    kind = a.type
    if op in ("and", "or", "xor"):
        if kind is ANY_INT and want and want.kind in ("bits", "bool"):
            a, b = coerce(a, want), coerce(b, want)
            kind = want
        if kind.kind not in ("bool", "bits"):
            raise Mistyped(
                f"{sign} of {kind}", "it takes BOOL or bit strings (BYTE, WORD, DWORD); compare or convert"
            )
        return _folded(Binary(kind, op, settle(a), settle(b)))
    if op in ("eq", "ne", "lt", "le", "gt", "ge"):
        return _folded(Binary(BOOL, op, settle(a), settle(b)))
    if not kind.numeric:
        hint = f"convert it, for example with {kind}_TO_{'UINT' if kind.kind == 'bits' else 'INT'}(...)"
        raise Mistyped(f"{sign} of {kind}", hint)
    if op == "mod" and kind.real:
        raise Mistyped(f"MOD of {kind}", "it takes integers")
    if op == "div" and isinstance(b, Const) and not b.value:
        raise Mistyped("division by zero")
    if op in ("div", "mod") and not kind.real:
        a, b = settle(a), settle(b)
    return _folded(Binary(kind, op, a, b))


def _folded(expr: Expr) -> Expr:
    """Constant operands become their value at once, so that literals stay literals."""
    operands = (expr.left, expr.right) if isinstance(expr, Binary) else (expr,)
    if all(isinstance(one, Const) for one in operands):
        if expr.type.literal or expr.type is BOOL:
            return constant(expr) or expr
        return constant(settle(expr)) or expr
    return expr


def _with_time(op: Operator, left: Expr, right: Expr, sign: str) -> Expr:
    if op in ("add", "sub") and left.type == right.type:
        return _folded(Binary(TIME, op, left, right))
    if op == "mul" and right.type == TIME:
        left, right = right, left
    if op in ("mul", "div") and left.type == TIME and right.type.numeric:
        right = concrete(right, LREAL if right.type.real else LINT)
        if right.type.real:
            product = Binary(LREAL, op, Convert(LREAL, settle(left)), settle(Convert(LREAL, right)))
            return Convert(TIME, product)
        if op == "div" and isinstance(right, Const) and not right.value:
            raise Mistyped("division by zero")
        right = Convert(LINT, right)
        return _folded(Binary(TIME, op, settle(left) if op == "div" else left, right))
    names = f"{left.type} {sign} {right.type}"
    raise Mistyped(f"{names} is not defined", "TIME takes `+` and `-` with TIME, `*` and `/` with a number")


def negative(operand: Expr) -> Expr:
    if operand.type.kind not in ("int", "real", "time", "literal int", "literal real"):
        raise Mistyped(f"`-` of {operand.type}", "it takes numbers and TIME")
    if isinstance(operand, Const):
        return constant(settle(Unary(operand.type, "neg", operand))) or operand
    return Unary(operand.type, "neg", operand)


def inverse(operand: Expr, want: DataType | None = None) -> Expr:
    if operand.type is ANY_INT and want and want.kind in ("bits", "bool"):
        operand = coerce(operand, want)
    if operand.type.kind not in ("bool", "bits"):
        raise Mistyped(f"NOT of {operand.type}", "it takes BOOL or bit strings; compare, or put parentheses")
    operand = settle(operand)
    result = Unary(operand.type, "not", operand)
    return (constant(result) or result) if isinstance(operand, Const) else result


def convert(expr: Expr, target: DataType) -> Expr:
    """The explicit conversion functions: any elementary type to any other."""
    expr = settle(expr)
    if expr.type == target:
        return expr
    return settle(Convert(target, expr))


def _need_numeric(expr: Expr, what: str) -> None:
    if not expr.type.numeric:
        raise Mistyped(f"{what} of {expr.type}", "it takes numbers")

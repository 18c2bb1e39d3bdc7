"""What generated code calls: the operators of Structured Text that Python has no operator for.

Names are short because they appear on every line of generated code. Arithmetic and domain errors are
raised as Python raises them (ArithmeticError, ValueError); the instance turns them into a RuntimeFault.
"""

from __future__ import annotations

import math
from ctypes import c_float

from gateway.controller.datatypes import Value

LOOP_LIMIT = 1_000_000
"""Rounds that all loops of one scan may take together."""


class LoopLimit(ArithmeticError):
    """The loops of a scan took more rounds than LOOP_LIMIT: the controller's watchdog."""

    def __init__(self) -> None:
        super().__init__(f"loops took more than {LOOP_LIMIT} rounds in one scan")


def f32(x: float) -> float:
    """Rounded to single precision; what is too large becomes infinite."""
    return c_float(x).value


def div(a: int, b: int) -> int:
    """Integer division that truncates toward zero. Raises ZeroDivisionError."""
    return a // b if (a < 0) == (b < 0) else -(-a // b)


def mod(a: int, b: int) -> int:
    """The remainder with the sign of `a`; 0 when `b` is 0, as the standard defines MOD."""
    if b == 0:
        return 0
    r = abs(a) % abs(b)
    return -r if a < 0 else r


def count(n: int) -> int:
    """A shift count. Raises ValueError if it is negative."""
    if n < 0:
        raise ValueError(f"shift by {n}")
    return n


def shl(x: int, n: int, bits: int) -> int:
    return x << n & (1 << bits) - 1 if count(n) < bits else 0


def shr(x: int, n: int, bits: int) -> int:
    return x >> n if count(n) < bits else 0


def rol(x: int, n: int, bits: int) -> int:
    n = count(n) % bits
    return (x << n | x >> bits - n) & (1 << bits) - 1


def ror(x: int, n: int, bits: int) -> int:
    return rol(x, bits - count(n) % bits, bits)


def power(x: float, y: float) -> float:
    """Raises ZeroDivisionError for 0 to a negative power, ValueError where the result is not real."""
    if x == 0 and y < 0:
        raise ZeroDivisionError("0 to a negative power")
    return math.pow(x, y)


def mux(k: int, *values: Value) -> Value:
    return values[k] if 0 <= k < len(values) else values[-1]


def cell() -> memoryview[float]:
    """A cell of IEEE single precision, `real` in generated code: `real[0] = x; y = real[0]` rounds at a third
    of the cost of `f32`, so stores use it. A program has one; its instances run in one thread."""
    return memoryview(bytearray(4)).cast("f")


NAMES = {
    **{f.__name__: f for f in (f32, mux, div, mod, shl, shr, rol, ror, power, LoopLimit)},
    **{f.__name__: f for f in (math.sqrt, math.exp, math.sin, math.cos, math.tan)},
    **{f.__name__: f for f in (math.asin, math.acos, math.atan, math.atan2, math.trunc)},
    "ln": math.log,
    "log": math.log10,
    "inf": math.inf,
    "nan": math.nan,
}
"""The globals of generated code, which has a `real` cell besides."""

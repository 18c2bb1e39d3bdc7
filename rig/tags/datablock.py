"""Declares a data block so that TIA Portal's layout puts each variable at the offset that its tag has; pure.

Without optimised access a BOOL takes the next bit, a type of one byte the next byte, all else the next
even byte; arrays end at an even byte. What lies between the tags is filled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from gateway.field.types import DataType


class Field(NamedTuple):
    """A variable of SCL type ``kind`` that is to lie at bit ``at``; ``remark`` follows on its line."""

    name: str
    kind: str
    type: DataType
    at: int
    remark: str


def declare(fields: Iterable[Field], bad: Callable[[Field, str, str], None]) -> list[str]:
    """The declarations, in order; ``bad(field, what, hint)`` for each that TIA Portal cannot put there."""
    lines: list[str] = []
    cursor, odd_text = 0, False
    for field in sorted(fields, key=lambda each: each.at):
        compound = field.type.kind in ("string", "array")
        unit = 1 if field.type.kind == "bool" else 8 if field.type.bits == 8 and not compound else 16
        if field.at % unit:
            bad(field, "begins at an odd byte", "TIA Portal puts it at an even one: move it")
            continue
        between = _between(cursor, field.at, unit)
        if odd_text and unit < 16 and not (between and "Array" in between[0]):
            bad(field, "comes straight after a text of odd length", "leave the next two bytes free")
        lines += between
        lines.append(f"{field.name} : {field.kind};  {field.remark}")
        cursor = field.at + field.type.bits
        odd_text = field.type.kind == "string" and cursor % 16 != 0
        if compound:
            cursor = _up(cursor, 16)
    return lines


def _between(cursor: int, to: int, unit: int) -> list[str]:
    """What fills the bits from ``cursor`` so that what is aligned to ``unit`` comes to lie at ``to``."""
    lines = []
    while _up(cursor, unit) < to:
        byte = _up(cursor, 8)
        count = (to - byte) // 8
        if count < 1:
            lines.append(f"free_{cursor // 8}_{cursor % 8} : Bool;")
            cursor += 1
        elif count == 1 or byte % 16:
            lines.append(f"free_{byte // 8} : Byte;")
            cursor = byte + 8
        else:
            even = count - count % 2
            lines.append(f"free_{byte // 8} : Array[0..{even - 1}] of Byte;")
            cursor = byte + 8 * even
    return lines


def _up(bits: int, unit: int) -> int:
    return -(-bits // unit) * unit

"""A tag: a named signal of a station, and how its value lies in its device; pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec

from gateway.field.addresses import Address
from gateway.field.compound import ArrayType
from gateway.field.conversion import Conversion, Range, read_range
from gateway.field.formula import Formula
from gateway.field.observed import Real
from gateway.field.refs import Ref, TagRef, read_ref
from gateway.field.tolerance import Tolerance
from gateway.field.types import TYPES, DataType, Value

__all__ = ["Complain", "Direction", "Range", "Ref", "Tag", "TagRef", "read_range", "read_ref"]

Direction = Literal["input", "output"]
Complain = Callable[[int, str, str], None]


class Tag(msgspec.Struct, frozen=True):
    """A checked tag.

    ``type`` is as it lies in the device. ``range`` is in ``unit``; by ``conversion`` what the device holds
    becomes a number of ``unit`` (each element of an array for itself). ``safe`` (inputs) is in ``unit``.
    ``observer`` (inputs) is what the program derives from it, ``jog`` (outputs) the command that moves it
    in manual mode. ``hold`` (BOOL inputs) is how long it keeps a level at least, ns; None: as the station.

    With ``formula`` the value follows from the raw number and other tags, and by ``inverse`` the raw number
    from the value: the cell does that (gateway.cell.formulas), and for ``to_device`` and ``from_device``
    the raw number is the value. ``step`` is the largest change of the value over one raw unit.
    ``verify`` (inputs): what was written is read again, and must be there. ``real`` (inputs) is where it is
    read in shadow mode, if not at its address. ``tolerance`` is how far it may differ from its model.
    ``safety``: it belongs to a safety function, and nobody ever writes it from here.
    """

    name: str
    device: str
    direction: Direction
    type: DataType
    address: Address
    text: str
    range: Range
    conversion: Conversion | None
    unit: str
    safe: Value
    observer: TagRef | None
    jog: TagRef | None
    title: str
    line: int
    hold: int | None = None
    formula: Formula | None = None
    inverse: Formula | None = None
    step: float = 0.0
    verify: bool = False
    real: Real | None = None
    tolerance: Tolerance = Tolerance()
    safety: bool = False

    def to_device(self, value: Value) -> Value:
        """Engineering value to what the device holds, held within the data type."""
        if self.conversion is not None:
            value = _each(self.conversion.held, value)
        return self.type.hold(value)

    def from_device(self, value: Value) -> Value:
        """What the device holds to the engineering value."""
        return value if self.conversion is None else _each(self.conversion.value, value)

    def parse(self, text: str) -> Value:
        """An engineering value as people write it; ValueError("what was wrong; what would be right")."""
        shown = _engineering(self.type, self.conversion is not None or self.formula is not None)
        try:
            return shown.parse(text)
        except ValueError:
            if shown == self.type:
                raise
            raise ValueError(f"{text!r} is not a number; write for example 2.5") from None

    @property
    def plain(self) -> DataType:
        """The type, or that of an array's elements."""
        return self.type.element if isinstance(self.type, ArrayType) else self.type

    def part(self, ref: TagRef) -> Tag:
        """The tag as ``ref`` to it has it: for an element one of the element's type, else this."""
        return self if ref.element < 0 else msgspec.structs.replace(self, type=self.plain)

    @property
    def is_number(self) -> bool:
        """Whether it is one number: no BOOL, no text, no array."""
        return self.type.kind not in ("bool", "string", "array")

    @property
    def is_whole(self) -> bool:
        """Whether its engineering values are whole numbers."""
        return self.conversion is None and self.formula is None and self.plain.kind in ("bits", "int", "time")

    @property
    def resolution(self) -> float:
        """The smallest step of the engineering value that the device can hold (REAL: 1e-6 of the range)."""
        if self.plain.kind in ("bool", "string"):
            return 0.0
        if self.plain.kind == "real":
            return (self.range.high - self.range.low) * 1e-6
        if self.formula is not None:
            return self.step
        return 1.0 if self.conversion is None else self.conversion.step

    def takes(self, value: Value) -> bool:
        """Whether ``value`` is one of the tag's kind: a truth value, a finite number, a text, or a row of as
        many of them as it has."""
        if not isinstance(self.type, ArrayType):
            return _is_kind(self.type.kind, value)
        if not isinstance(value, tuple) or len(value) != self.type.count:
            return False
        return all(_is_kind(self.plain.kind, part) for part in value)

    def in_range(self, value: Value) -> bool:
        """Whether every number in ``value`` lies within the range (a truth value or a text has none, where
        the tag is one of those); nothing else does, nor a row of another length.

        The ends count as the type holds them: 2.4 is 2.4000001 in a REAL.
        """
        low, high = self.range
        kind: str = self.type.kind
        parts: tuple[Value, ...] = (value,)
        if kind == "real":
            low, high = min(low, self._as_held(low)), max(high, self._as_held(high))
        elif isinstance(self.type, ArrayType):
            if not isinstance(value, tuple) or len(value) != self.type.count:
                return False
            kind, parts = self.type.element.kind, value
        if kind == "string":
            return all(isinstance(part, str) for part in parts)
        return all(isinstance(p, bool) or (isinstance(p, int | float) and low <= p <= high) for p in parts)

    def _as_held(self, number: float) -> float:
        held = self.type.unpack(self.type.pack(number))
        assert isinstance(held, float), f"{self.type.name} holds {held!r}"
        return held


def _is_kind(kind: str, value: Value) -> bool:
    """Whether ``value`` is a truth value, a text or a number, as ``kind`` of a plain type says."""
    if kind in ("bool", "string"):
        return isinstance(value, bool if kind == "bool" else str)
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _each(convert: Callable[[float], float], value: Value) -> Value:
    if isinstance(value, tuple):
        return tuple(convert(part) for part in value if not isinstance(part, str))
    assert not isinstance(value, str), f"{value!r} is no number"
    return convert(value)


def _engineering(kind: DataType, converted: bool) -> DataType:
    """The type of the engineering values."""
    if not converted:
        return kind
    real = TYPES["LREAL"]
    return msgspec.structs.replace(kind, element=real) if isinstance(kind, ArrayType) else real

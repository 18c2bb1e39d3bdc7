"""The elementary data types of IEC 61131-3: their ranges, and which widens to which.

Values inside the controller are Python values: BOOL a bool, integers and bit strings an int within the
range of the type, REAL a float that IEEE single precision can represent, LREAL a float, and TIME an int
of nanoseconds (64 bit signed). On the wire TIME is a DINT of milliseconds; see memory.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Value = bool | int | float
Kind = Literal["bool", "int", "bits", "real", "time", "enum", "literal int", "literal real"]


@dataclass(frozen=True, slots=True)
class DataType:
    """One elementary type. `low` and `high` bound its integers; they are 0 for BOOL and reals."""

    name: str
    kind: Kind
    bits: int
    low: int = 0
    high: int = 0

    def __str__(self) -> str:
        return self.name

    @property
    def discrete(self) -> bool:
        """Its values are Python ints."""
        return self.kind in ("int", "bits", "time", "enum", "literal int")

    @property
    def numeric(self) -> bool:
        """IEC's ANY_NUM."""
        return self.kind in ("int", "real", "literal int", "literal real")

    @property
    def real(self) -> bool:
        return self.kind in ("real", "literal real")

    @property
    def literal(self) -> bool:
        """The type of an untyped literal, which takes the type of what it meets."""
        return self.kind in ("literal int", "literal real")

    @property
    def zero(self) -> Value:
        return False if self.kind == "bool" else 0.0 if self.real else 0


def _signed(name: str, kind: Kind, bits: int) -> DataType:
    return DataType(name, kind, bits, -(1 << bits - 1), (1 << bits - 1) - 1)


def _unsigned(name: str, kind: Kind, bits: int) -> DataType:
    return DataType(name, kind, bits, 0, (1 << bits) - 1)


BOOL = DataType("BOOL", "bool", 1)
SINT, INT, DINT, LINT = (
    _signed(n, "int", b) for n, b in (("SINT", 8), ("INT", 16), ("DINT", 32), ("LINT", 64))
)
USINT, UINT, UDINT, ULINT = (
    _unsigned(n, "int", b) for n, b in (("USINT", 8), ("UINT", 16), ("UDINT", 32), ("ULINT", 64))
)
BYTE, WORD, DWORD, LWORD = (
    _unsigned(n, "bits", b) for n, b in (("BYTE", 8), ("WORD", 16), ("DWORD", 32), ("LWORD", 64))
)
REAL, LREAL = DataType("REAL", "real", 32), DataType("LREAL", "real", 64)
TIME = _signed("TIME", "time", 64)

# An untyped literal is exact until it meets a type.
ANY_INT = DataType("integer literal", "literal int", 0)
ANY_REAL = DataType("real literal", "literal real", 0)

TYPES: dict[str, DataType] = {
    t.name: t
    for t in (
        *(BOOL, SINT, INT, DINT, LINT, USINT, UINT, UDINT, ULINT),
        *(BYTE, WORD, DWORD, LWORD, REAL, LREAL, TIME),
    )
}

# Names that people write and this compiler knows of, but does not support yet.
UNSUPPORTED_TYPES = {
    "STRING", "WSTRING", "CHAR", "WCHAR", "DATE", "DT", "TOD", "DATE_AND_TIME", "TIME_OF_DAY",
    "LDATE", "LDT", "LTOD", "LTIME", "ARRAY", "STRUCT", "POINTER", "REF_TO", "REFERENCE",
}  # fmt: skip

# One step of IEC's implicit conversions; the rest follows by transitivity.
_STEPS: dict[DataType, tuple[DataType, ...]] = {
    BOOL: (BYTE,),
    BYTE: (WORD,),
    WORD: (DWORD,),
    DWORD: (LWORD,),
    SINT: (INT,),
    INT: (DINT, REAL),
    DINT: (LINT, LREAL),
    USINT: (UINT, INT),
    UINT: (UDINT, DINT, REAL),
    UDINT: (ULINT, LINT, LREAL),
    REAL: (LREAL,),
}


def _reach() -> dict[DataType, tuple[DataType, ...]]:
    reach: dict[DataType, tuple[DataType, ...]] = {}
    for start in TYPES.values():
        found = [start]  # breadth first, so the nearest types come first
        for one in found:
            found += [step for step in _STEPS.get(one, ()) if step not in found]
        reach[start] = tuple(found)
    return reach


_REACH = _reach()


def widens(source: DataType, target: DataType) -> bool:
    """Whether `source` converts to `target` without being asked and without loss of range."""
    if source == target:
        return True
    if source.kind == "enum":
        return widens(INT, target)
    return target in _REACH.get(source, ())


def common(left: DataType, right: DataType) -> DataType | None:
    """The nearest type that both widen to, or None."""
    if left == right:
        return left
    if left.kind == right.kind == "enum":
        return None
    if left.kind == "enum" or right.kind == "enum":
        left, right = (INT if t.kind == "enum" else t for t in (left, right))
    shared = [t for t in _REACH.get(left, ()) if widens(right, t)]
    return min(shared, key=lambda t: (t.real, t.bits)) if shared else None


def enumeration(name: str) -> DataType:
    """An enumerated type: INT values under a name of its own."""
    return DataType(name, "enum", 16, INT.low, INT.high)

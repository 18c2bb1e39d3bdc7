"""The controller's memory: the byte areas I, Q and M that programs locate variables in.

Words are big-endian (high byte first); bit `i` of byte `b` is `(area[b] >> i) & 1`. TIME is a DINT of
milliseconds here and nanoseconds in Python, truncated toward zero and wrapped to 32 bits when written.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from gateway.controller.datatypes import INT, TYPES, DataType, Value
from gateway.controller.operations import div, f32

MILLISECOND = 1_000_000
AREAS = ("I", "Q", "M")

_FORMATS = {
    "SINT": "b", "USINT": "B", "BYTE": "B", "INT": "h", "UINT": "H", "WORD": "H",
    "DINT": "i", "UDINT": "I", "DWORD": "I", "LINT": "q", "ULINT": "Q", "LWORD": "Q",
    "REAL": "f", "LREAL": "d", "TIME": "i",
}  # fmt: skip


def layout(kind: DataType) -> str:
    """The struct format of a type in memory. Enumerations are INT. BOOL has none: it is a bit."""
    return _FORMATS[INT.name if kind.kind == "enum" else kind.name]


def milliseconds(nanoseconds: int) -> int:
    """A TIME as the DINT on the wire."""
    return (div(nanoseconds, MILLISECOND) + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000


class Memory:
    def __init__(self, sizes: Mapping[str, int] | None = None) -> None:
        """Areas of `sizes` bytes, 4096 each where none is given. Raises ValueError for an unknown area."""
        if unknown := set(sizes or ()) - set(AREAS):
            raise ValueError(f"unknown memory area {', '.join(sorted(unknown))}; areas are I, Q and M")
        self.areas = {area: bytearray((sizes or {}).get(area, 4096)) for area in AREAS}

    def read_bit(self, area: str, byte: int, bit: int) -> bool:
        """Raises IndexError outside the area."""
        self._check(area, byte, 1)
        return bool(self.areas[area][byte] >> bit & 1)

    def write_bit(self, area: str, byte: int, bit: int, value: bool) -> None:
        self._check(area, byte, 1)
        cell = self.areas[area]
        cell[byte] = cell[byte] | 1 << bit if value else cell[byte] & ~(1 << bit)

    def read(self, area: str, byte: int, type: str) -> Value:
        """The value of an elementary type at a byte. Raises IndexError outside the area, KeyError for BOOL
        (see read_bit) and unknown types."""
        form = _FORMATS[type]
        self._check(area, byte, struct.calcsize(form))
        value: int | float = struct.unpack_from(f">{form}", self.areas[area], byte)[0]
        return value * MILLISECOND if type == "TIME" else value

    def write(self, area: str, byte: int, type: str, value: Value) -> None:
        """Like read. Raises ValueError if the value is no value of the type."""
        form, kind = _FORMATS[type], TYPES[type]
        self._check(area, byte, struct.calcsize(form))
        if kind.discrete and not (isinstance(value, int) and kind.low <= value <= kind.high):
            raise ValueError(f"{value!r} is no {type}; it holds {kind.low} to {kind.high}")
        if kind is TYPES["TIME"]:
            value = milliseconds(int(value))
        elif type == "REAL":
            value = f32(value)
        struct.pack_into(f">{form}", self.areas[area], byte, value)

    def _check(self, area: str, byte: int, size: int) -> None:
        if not 0 <= byte <= len(self.areas[area]) - size:
            raise IndexError(f"%{area} byte {byte} is outside the memory of {len(self.areas[area])} bytes")

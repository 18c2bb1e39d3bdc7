"""STRING and ARRAY, and how every type lies in a device of each protocol; pure.

A text has one byte a character (ISO 8859-1). On S7 two bytes come before it: how long it may be, and how
long it is. On Modbus two characters share a register, the first in its high byte, and what is left over is
filled with zeros. OPC UA has texts and arrays of its own.
"""

from __future__ import annotations

import re

import msgspec

from gateway.field.addresses import Protocol
from gateway.field.types import TYPES, DataType, Order, Value

LONGEST = 254  # characters, as S7 has it
MOST = 10_000  # elements
_STRING = re.compile(r"STRING(?:\s*[\[(]\s*(\d{1,5})\s*[\])])?\Z")
_ARRAY = re.compile(r"ARRAY\s*\[\s*(-?\d{1,6})\s*\.\.\s*(-?\d{1,6})\s*\]\s*OF\s+(.+)\Z")
_SHORT = re.compile(r"([A-Z]+(?:\s*\(\s*\d+\s*\))?)\s*\[\s*(\d{1,6})\s*\]\Z")
_BREAK = re.compile(r"[,;]")
_SWAPPED = ("BADC", "DCBA")


class StringType(DataType, frozen=True):
    """A text of at most ``characters``; ``header`` where its lengths come before it."""

    characters: int = 0
    header: bool = False

    def pack(self, value: Value) -> bytes:
        text = str(value).encode("latin-1", "replace")[: self.characters]
        if self.header:
            text = bytes((self.characters, len(text))) + text
        data = text.ljust(self.bits // 8, b"\0")
        return _swap(data) if self.order in _SWAPPED else data

    def unpack(self, data: bytes) -> Value:
        if self.order in _SWAPPED:
            data = _swap(data)
        if self.header:
            text = data[2 : 2 + min(data[1], self.characters)]
        else:
            text = data[: self.characters].partition(b"\0")[0]
        return text.decode("latin-1")

    def hold(self, value: Value) -> Value:
        return str(value)[: self.characters]

    def parse(self, text: str) -> Value:
        if len(text) > self.characters:
            raise ValueError(f"{text!r} is longer than {self.name}; write {self.characters} characters")
        try:
            text.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(f"{text!r} has letters that no device keeps; use those of ISO 8859-1") from None
        return text


class ArrayType(DataType, frozen=True):
    """``count`` values of one type, each ``stride`` bits after the one before; ``first`` is as declared."""

    element: DataType = TYPES["INT"]
    count: int = 0
    stride: int = 0
    first: int = 0

    def pack(self, value: Value) -> bytes:
        assert isinstance(value, tuple), f"{value!r} is no {self.name}"
        if self.stride == 1:
            bits = sum(1 << at for at, each in enumerate(value) if each)
            return bits.to_bytes((self.bits + 7) // 8, "little")
        return b"".join(self.element.pack(each).ljust(self.stride // 8, b"\0") for each in value)

    def unpack(self, data: bytes) -> Value:
        if self.stride == 1:
            return tuple(bool(data[at // 8] >> at % 8 & 1) for at in range(self.count))
        size, step = self.element.bits // 8, self.stride // 8
        found = (self.element.unpack(data[at * step : at * step + size]) for at in range(self.count))
        return tuple(each for each in found if not isinstance(each, tuple))

    def hold(self, value: Value) -> Value:
        assert isinstance(value, tuple), f"{value!r} is no {self.name}"
        held = (self.element.hold(each) for each in value)
        return tuple(each for each in held if not isinstance(each, tuple))

    def parse(self, text: str) -> Value:
        """``1, 2, 3``; one value stands for all elements."""
        found = [self.element.parse(part.strip()) for part in _BREAK.split(text)]
        if len(found) == 1:
            found *= self.count
        if len(found) != self.count:
            raise ValueError(f"{len(found)} values for {self.name}; write {self.count}, or one for all")
        return tuple(each for each in found if not isinstance(each, tuple))


def read_type(text: str) -> DataType:
    """Read ``DINT``, ``STRING[20]``, ``ARRAY[0..9] OF INT`` or ``INT[10]``, as an OPC UA server has it.

    ValueError("what was wrong; what would be right").
    """
    wanted = text.strip().upper()
    if wanted in TYPES:
        return TYPES[wanted]
    if match := _STRING.match(wanted):
        length = int(match[1] or LONGEST)
        if not 1 <= length <= LONGEST:
            raise ValueError(f"{text!r}: a text has 1 to {LONGEST} characters; write STRING[{LONGEST}]")
        return StringType(f"STRING[{length}]", "string", 8 * length, "", 0, 0, "ABCD", length)
    if match := _ARRAY.match(wanted):
        first, last, element = int(match[1]), int(match[2]), read_type(match[3])
    elif match := _SHORT.match(wanted):
        first, last, element = 0, int(match[2]) - 1, read_type(match[1])
    else:
        raise ValueError(
            f"{text!r} is no type; write {', '.join(TYPES)}, STRING[20] or ARRAY[0..9] OF one of them"
        )
    count = last - first + 1
    if not 1 <= count <= MOST or isinstance(element, ArrayType):
        raise ValueError(f"{text!r}: an array has 1 to {MOST} plain elements; write ARRAY[0..9] OF INT")
    return ArrayType(
        f"ARRAY[{first}..{last}] OF {element.name}", "array", count * element.bits, "", element.low,
        element.high, "ABCD", element, count, element.bits, first,
    )  # fmt: skip


def type_text(text: str) -> str:
    """A type as written, checked; see ``read_type``."""
    read_type(text)
    return text


def laid_out(kind: DataType, protocol: Protocol, order: Order = "ABCD") -> DataType:
    """``kind`` as it lies in a device's memory; unchanged for OPC UA."""
    if protocol == "opcua":
        return kind
    if isinstance(kind, StringType):
        header = protocol == "s7"
        size = kind.characters + 2 if header else kind.characters + kind.characters % 2
        return msgspec.structs.replace(kind, header=header, bits=8 * size, order=order)
    if isinstance(kind, ArrayType):
        element = laid_out(kind.element, protocol, order)
        stride = element.bits
        if element.kind == "string":
            stride += stride % 16  # each begins at a word
        bits = kind.count * stride
        if stride == 1 and protocol == "s7":
            bits = (bits + 7) // 8 * 8
        return msgspec.structs.replace(kind, element=element, stride=stride, bits=bits, order=order)
    return msgspec.structs.replace(kind, order=order)


def _swap(data: bytes) -> bytes:
    return b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))

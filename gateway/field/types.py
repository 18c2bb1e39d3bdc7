"""Data types of tags: their bits, their limits, and their bytes (high byte first); pure."""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

Value = bool | int | float
Kind = Literal["bool", "int", "bits", "real", "time"]


class DataType(msgspec.Struct, frozen=True):
    """An elementary type of IEC 61131-3; ``code`` is its struct character, ``low``/``high`` what it holds."""

    name: str
    kind: Kind
    bits: int
    code: str
    low: float
    high: float

    def pack(self, value: Value) -> bytes:
        """``value`` as bytes, high byte first; struct.error or OverflowError where it does not fit."""
        return struct.pack(">" + self.code, value)

    def unpack(self, data: bytes) -> Value:
        """The value of ``data`` (``bits // 8`` bytes, high byte first)."""
        value: Value = struct.unpack(">" + self.code, data)[0]
        return value

    def parse(self, text: str) -> Value:
        """Read ``true``, ``12``, ``16#FF``, ``2.5``; ValueError("what was wrong; what would be right")."""
        if self.kind == "bool":
            if text.lower() in ("true", "false", "1", "0"):
                return text.lower() in ("true", "1")
            raise ValueError(f"{text!r} is not a BOOL; write true or false")
        try:
            value: Value = float(text) if self.kind == "real" else _integer(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is not a {self.name}; write for example {_EXAMPLE[self.kind]}"
            ) from None
        if not self.low <= value <= self.high:
            raise ValueError(f"{text} does not fit {self.name}; it holds {self.low:g} to {self.high:g}")
        return value


def _integer(text: str) -> int:
    base, sharp, digits = text.replace("_", "").partition("#")
    return int(digits, int(base)) if sharp else int(base)


_EXAMPLE = {"int": "12", "bits": "16#FF", "real": "2.5", "time": "500 (milliseconds)"}


def _whole(name: str, kind: Kind, bits: int, code: str) -> DataType:
    signed = code.islower()
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return DataType(name, kind, bits, code, low, high)


TYPES: dict[str, DataType] = {
    each.name: each
    for each in (
        DataType("BOOL", "bool", 1, "?", 0, 1),
        _whole("BYTE", "bits", 8, "B"),
        _whole("WORD", "bits", 16, "H"),
        _whole("DWORD", "bits", 32, "I"),
        _whole("SINT", "int", 8, "b"),
        _whole("USINT", "int", 8, "B"),
        _whole("INT", "int", 16, "h"),
        _whole("UINT", "int", 16, "H"),
        _whole("DINT", "int", 32, "i"),
        _whole("UDINT", "int", 32, "I"),
        DataType("REAL", "real", 32, "f", -3.4028234663852886e38, 3.4028234663852886e38),
        DataType("LREAL", "real", 64, "d", -1.7976931348623157e308, 1.7976931348623157e308),
        DataType("TIME", "time", 32, "i", -(2**31), 2**31 - 1),
    )
}

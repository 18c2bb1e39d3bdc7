"""Elementary data types of tags: their bits, their limits, and their bytes in a device's order; pure."""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

Scalar = bool | int | float
Value = bool | int | float | str | tuple[bool | int | float | str, ...]
"""What a tag can be: a truth value, a number, a text (STRING), or a row of these (ARRAY)."""

Kind = Literal["bool", "int", "bits", "real", "time", "string", "array"]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]

ORDERS: dict[str, Order] = {
    "ABCD": "ABCD", "CDAB": "CDAB", "BADC": "BADC", "DCBA": "DCBA", "AB": "ABCD", "BA": "BADC",
    "BIG-ENDIAN": "ABCD", "LITTLE-ENDIAN": "DCBA",
    "BIG-ENDIAN-BYTE-SWAP": "BADC", "LITTLE-ENDIAN-BYTE-SWAP": "CDAB",
}  # fmt: skip
"""How people name the order in which a number's bytes come, A being the highest."""


def read_order(text: str) -> Order:
    """Read ``CDAB`` or another of ``ORDERS``; ValueError("what was wrong; what would be right")."""
    found = ORDERS.get(text.strip().upper().replace(" ", "-"))
    if found is None:
        raise ValueError(f"{text!r} is no order of bytes; write ABCD, CDAB, BADC or DCBA")
    return found


def arrange(data: bytes, order: Order) -> bytes:
    """``data`` (whole 16-bit words, or one byte) from high byte first into ``order``, and back again."""
    if order == "ABCD" or len(data) < 2:
        return data
    if order == "DCBA":
        return data[::-1]
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    return b"".join(reversed(words) if order == "CDAB" else (word[::-1] for word in words))


class DataType(msgspec.Struct, frozen=True):
    """A type of IEC 61131-3 as it lies in a device, in ``bits`` bits.

    ``code`` is its struct character, ``low``/``high`` what it (or each of its elements) holds, ``order``
    that of its bytes. STRING and ARRAY are in ``gateway.field.compound``.
    """

    name: str
    kind: Kind
    bits: int
    code: str
    low: float
    high: float
    order: Order = "ABCD"

    def pack(self, value: Value) -> bytes:
        """``value`` as bytes in the device's order; struct.error or OverflowError where it does not fit."""
        return arrange(struct.pack(">" + self.code, value), self.order)

    def unpack(self, data: bytes) -> Value:
        """The value of ``data`` (``bits // 8`` bytes in the device's order)."""
        value: Value = struct.unpack(">" + self.code, arrange(data, self.order))[0]
        return value

    def hold(self, value: Value) -> Value:
        """``value`` brought within what the type holds: rounded where it is whole, kept within its limits."""
        assert not isinstance(value, str | tuple), f"{value!r} is no {self.name}"
        if self.kind == "bool":
            return bool(value)
        if self.kind != "real":
            value = round(value)
        return min(max(value, self.low), self.high)

    def parse(self, text: str) -> Value:
        """Read ``true``, ``12``, ``16#FF``, ``2.5``; ValueError("what was wrong; what would be right")."""
        if self.kind == "bool":
            if text.lower() in ("true", "false", "1", "0"):
                return text.lower() in ("true", "1")
            raise ValueError(f"{text!r} is not a BOOL; write true or false")
        try:
            value: Scalar = float(text) if self.kind == "real" else _integer(text)
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
        _whole("LWORD", "bits", 64, "Q"),
        _whole("SINT", "int", 8, "b"),
        _whole("USINT", "int", 8, "B"),
        _whole("INT", "int", 16, "h"),
        _whole("UINT", "int", 16, "H"),
        _whole("DINT", "int", 32, "i"),
        _whole("UDINT", "int", 32, "I"),
        _whole("LINT", "int", 64, "q"),
        _whole("ULINT", "int", 64, "Q"),
        DataType("REAL", "real", 32, "f", -3.4028234663852886e38, 3.4028234663852886e38),
        DataType("LREAL", "real", 64, "d", -1.7976931348623157e308, 1.7976931348623157e308),
        DataType("TIME", "time", 32, "i", -(2**31), 2**31 - 1),
    )
}

OPCUA_TYPES = {
    "BOOL": "Boolean",
    "BYTE": "Byte",
    "WORD": "UInt16",
    "DWORD": "UInt32",
    "SINT": "SByte",
    "USINT": "Byte",
    "INT": "Int16",
    "UINT": "UInt16",
    "DINT": "Int32",
    "UDINT": "UInt32",
    "LWORD": "UInt64",
    "LINT": "Int64",
    "ULINT": "UInt64",
    "REAL": "Float",
    "LREAL": "Double",
    "TIME": "Int32",
}
"""What each type is called in OPC UA (TIME in milliseconds)."""

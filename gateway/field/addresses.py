"""Addresses in the notation people already use, read into structs; pure.

Modbus  ``coil:12`` ``di:3`` ``ir:4`` ``hr:0`` counted from the device's base, ``40001`` and ``400001``
        counted from 1, a bit of a register ``hr:10.3`` ``40011.3``;
S7      ``DB1.DBX0.0`` ``DB1.DBB2`` ``DB1.DBW2`` ``DB1.DBD4`` ``%I0.0`` ``%QW4`` ``M10.2`` ``MD8``;
OPC UA  a node id, ``ns=2;s=Machine.Door``, or a browse path, ``/Objects/2:Machine/2:Door``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import msgspec

Protocol = Literal["modbus", "opcua", "s7"]


class ModbusAddress(msgspec.Struct, frozen=True, order=True):
    """``table`` coil, di, ir or hr; ``index`` from 0; ``bit`` 0..15 of a register, or -1 for the whole."""

    table: Literal["coil", "di", "hr", "ir"]
    index: int
    bit: int = -1

    @property
    def width(self) -> int:
        """Bits at this address: 1, or 16 for a register (longer types take the following ones)."""
        return 1 if self.table in ("coil", "di") or self.bit >= 0 else 16


class S7Address(msgspec.Struct, frozen=True, order=True):
    """``area`` DB, I, Q or M; ``db`` 0 unless DB; ``byte`` offset; ``bit`` 0..7 or -1; ``width`` in bits."""

    area: Literal["DB", "I", "Q", "M"]
    db: int
    byte: int
    bit: int
    width: int


class OpcUaAddress(msgspec.Struct, frozen=True, order=True):
    """``node`` is the node id in its text form, or a browse path."""

    node: str

    @property
    def path(self) -> tuple[tuple[int, str], ...]:
        """Namespace and name of each element of a browse path from the root; empty for a node id."""
        if not self.node.startswith("/"):
            return ()
        found = [_ELEMENT.match(each) for each in _SLASH.split(self.node[1:])]
        return tuple((int(each[1] or 0), _ESCAPED.sub(r"\1", each[2])) for each in found if each)

    @property
    def width(self) -> int:
        """0: a variable is as wide as its own type."""
        return 0


Address = ModbusAddress | S7Address | OpcUaAddress

_MODBUS = re.compile(r"(coil|di|hr|ir):(\d{1,5})(?:\.(\d{1,2}))?\Z")
_CLASSIC = re.compile(r"([0134])(\d{4,5})(?:\.(\d{1,2}))?\Z")
_TABLES = {"0": "coil", "1": "di", "3": "ir", "4": "hr"}
_S7_DB = re.compile(r"DB(\d{1,5})\.DB([XBWDL])(\d{1,5})(?:\.([0-7]))?\Z", re.IGNORECASE)
_S7_AREA = re.compile(r"%?([IQMEA])([XBWDL]?)(\d{1,5})(?:\.([0-7]))?\Z", re.IGNORECASE)
_OPCUA = re.compile(r"(?:ns=\d{1,5};)?(?:i=\d+|s=.+|g=[0-9a-fA-F-]{36}|b=[A-Za-z0-9+/=]+)\Z")
_SLASH = re.compile(r"(?<!&)/")
_ELEMENT = re.compile(r"(?:(\d{1,5}):(?=.))?((?!\d*:\Z|:).+)\Z")
_ESCAPED = re.compile(r"&(.)")  # as OPC UA writes a name that holds / . < > : # ! or &
_S7_WIDTH = {"X": 1, "B": 8, "W": 16, "D": 32, "L": 64}


def parse_address(protocol: Protocol, text: str, base: int = 0) -> Address:
    """Read ``text`` in the notation of ``protocol``; ValueError("what; what would be right").

    ``base`` is the number of the first cell in ``coil:…`` and its like; what is written as ``40001`` counts
    from 1 by definition.
    """
    return _PARSERS[protocol](text.strip(), base)


def _modbus(text: str, base: int) -> ModbusAddress:
    match = _MODBUS.match(text)
    if match is not None:
        table, first = match[1], base
    else:
        match = _CLASSIC.match(text)
        if match is None:
            raise ValueError(
                f"{text!r} is not a Modbus address; "
                "write coil:12, di:3, ir:4, hr:0 or hr:10.3, or 00013, 10004, 30005, 40001 (counted from 1)"
            )
        table, first = _TABLES[match[1]], 1
    index, bit = int(match[2]) - first, -1 if match[3] is None else int(match[3])
    stem = text.partition(".")[0]
    if index < 0:
        right = f"{table}:1" if match.re is _MODBUS else f"{stem[:-1]}1"
        raise ValueError(f"{text!r}: addresses are counted from 1 here; write {right} for the first one")
    if index > 65535:
        raise ValueError(f"{text!r} is past the last address; use {first} to {65535 + first}")
    if bit >= 0 and table in ("coil", "di"):
        raise ValueError(f"{text!r}: a {table} is one bit and has no bits; write {stem}")
    if bit > 15:
        raise ValueError(f"{text!r}: a register has bits 0 to 15; write {stem}.15")
    return ModbusAddress(table, index, bit)  # type: ignore[arg-type]  # the expressions allow these four


def _s7(text: str, base: int) -> S7Address:
    if match := _S7_DB.match(text):
        db, size, byte, bit = int(match[1]), match[2].upper(), int(match[3]), match[4]
        if db == 0:
            raise ValueError(f"{text!r}: data blocks are numbered from 1; write DB1.DBX0.0")
        return _s7_checked(text, "DB", db, size, byte, bit)
    if match := _S7_AREA.match(text):
        area = {"E": "I", "A": "Q"}.get(match[1].upper(), match[1].upper())
        return _s7_checked(text, area, 0, match[2].upper() or "X", int(match[3]), match[4])
    raise ValueError(f"{text!r} is not an S7 address; write DB1.DBX0.0, DB1.DBW2, %I0.0, %QW4 or M10.2")


def _s7_checked(text: str, area: str, db: int, size: str, byte: int, bit: str | None) -> S7Address:
    if size == "X" and bit is None:
        raise ValueError(f"{text!r} names no bit; write {text}.0")
    if size != "X" and bit is not None:
        raise ValueError(f"{text!r}: only a bit address ends in .{bit}; write {text.rpartition('.')[0]}")
    return S7Address(area, db, byte, -1 if bit is None else int(bit), _S7_WIDTH[size])  # type: ignore[arg-type]


def _opcua(text: str, base: int) -> OpcUaAddress:
    if text.startswith("/"):
        if not all(_ELEMENT.match(each) for each in _SLASH.split(text[1:])):
            raise ValueError(f"{text!r} is not a browse path; write for example /Objects/2:Machine/2:Door")
        return OpcUaAddress(text)
    if not _OPCUA.match(text):
        raise ValueError(f"{text!r} is not an OPC UA node id; write for example ns=2;s=Machine.Door")
    return OpcUaAddress(text)


_PARSERS: dict[str, Callable[[str, int], Address]] = {"modbus": _modbus, "s7": _s7, "opcua": _opcua}

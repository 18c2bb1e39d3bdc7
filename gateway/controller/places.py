"""Where in a controller's memory that lies which a protocol's address shows; pure."""

from __future__ import annotations

from typing import NamedTuple

from gateway.controller.compile import Location
from gateway.field.addresses import ModbusAddress, S7Address
from gateway.field.types import DataType


class Span(NamedTuple):
    """The bytes ``first`` to ``end`` (not included) of an area; "" stands for what never changes.

    Of a BOOL it is one byte, and ``bit`` the bit of it; else -1.
    """

    area: str
    first: int
    end: int
    bit: int = -1


def table_span(area: str, start: int, address: ModbusAddress, type: DataType) -> Span:
    """That of ``address`` where its table begins at byte ``start`` of the area."""
    index, bit = address.index, address.bit
    if address.table in ("coil", "di"):
        one = type.bits <= 1
        return Span(
            area, start + index // 8, start + (index + max(type.bits, 1) + 7) // 8, index % 8 if one else -1
        )
    first = start + 2 * index
    if bit >= 0:  # of a register, high byte first
        return Span(area, first + 1 - bit // 8, first + 2 - bit // 8, bit % 8)
    return Span(area, first, first + max(type.bits // 8, 2))


def byte_span(area: str, start: int, address: S7Address, type: DataType) -> Span:
    """That of ``address`` where its block begins at byte ``start`` of the area."""
    first = start + address.byte
    return Span(area, first, first + max(type.bits // 8, 1), address.bit if type.kind == "bool" else -1)


def located_span(at: Location, type: DataType) -> Span:
    """That of a located variable."""
    return Span(at.area, at.byte, at.byte + max(type.bits // 8, 1), at.bit if type.kind == "bool" else -1)

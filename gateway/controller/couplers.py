"""A remote I/O module that is wired to the controller's terminals, as each protocol shows it; pure.

What a client writes to the module's outputs comes in at %I, and what the controller puts out at %Q is read at
the module's inputs (docs/mapping.md).
"""

from __future__ import annotations

from typing import Literal

from gateway.controller.compile import Program
from gateway.controller.mapping import OpcUaView, S7AreaName
from gateway.controller.memory import Memory
from gateway.controller.modules import Range
from gateway.controller.places import Span, byte_span, table_span
from gateway.errors import DeviceRefused
from gateway.field.addresses import ModbusAddress, Protocol, S7Address
from gateway.field.serving import bits
from gateway.field.types import DataType


def coupler_view(
    protocol: Protocol, program: Program, memory: Memory, where: Range
) -> CouplerTables | CouplerBlocks | CouplerVariables:
    """What a client over ``protocol`` sees of the module with the bytes ``where``."""
    if protocol == "modbus":
        return CouplerTables(memory, where)
    if protocol == "s7":
        return CouplerBlocks(memory, where)
    return CouplerVariables(program, memory, where)


class CouplerTables:
    """The module as Modbus tables.

    Its outputs are coils and holding registers, its inputs discrete inputs and input registers. Bits and
    registers are two names of the same bytes.
    """

    def __init__(self, memory: Memory, where: Range) -> None:
        self._areas, self._where = memory.areas, where

    def read_bits(self, table: Literal["coil", "di"], first: int, count: int) -> bytes:
        """``count`` bits in ceil(count / 8) bytes."""
        self._check(table, first, count, 8 * (self._where.end - self._where.at))
        return bits.cut(self._areas["I" if table == "coil" else "Q"], 8 * self._where.at + first, count)

    def read_registers(self, table: Literal["hr", "ir"], first: int, count: int) -> bytes:
        """``count`` registers, each high byte first."""
        self._check(table, first, count, (self._where.end - self._where.at) // 2)
        start = self._where.at + 2 * first
        return bytes(self._areas["I" if table == "hr" else "Q"][start : start + 2 * count])

    def write_bits(self, first: int, count: int, values: int) -> None:
        """Write ``count`` coils from the low bits of ``values``."""
        self._check("coil", first, count, 8 * (self._where.end - self._where.at))
        bits.put(self._areas["I"], 8 * self._where.at + first, count, values)

    def write_registers(self, first: int, data: bytes) -> None:
        """Write ``len(data) // 2`` holding registers, each high byte first."""
        self._check("hr", first, len(data) // 2, (self._where.end - self._where.at) // 2)
        start = self._where.at + 2 * first
        self._areas["I"][start : start + len(data)] = data

    def span(self, address: ModbusAddress, type: DataType) -> Span:
        """The bytes of the controller's memory that a read of ``address`` depends on."""
        return table_span("I" if address.table in ("coil", "hr") else "Q", self._where.at, address, type)

    def _check(self, table: str, first: int, count: int, size: int) -> None:
        if first + count > size:
            raise DeviceRefused(
                "illegal data address", f"{table}:{first + count - 1}", f"served are {table}:0..{size - 1}"
            )


class CouplerBlocks:
    """The module as S7 data blocks: DB1 its outputs, read and written; DB2 its inputs, read.

    A write to DB2 is taken and comes to nothing, as one to a controller's outputs does.
    """

    def __init__(self, memory: Memory, where: Range) -> None:
        self._areas, self._where = memory.areas, where

    def read(self, area: S7AreaName, db: int, first: int, count: int) -> bytes:
        """``count`` bytes from byte ``first`` of data block ``db``."""
        data, start = self._data(area, db, first, count)
        return bytes(data[start : start + count])

    def write(self, area: S7AreaName, db: int, first: int, data: bytes) -> None:
        """Write bytes from byte ``first``."""
        target, start = self._data(area, db, first, len(data))
        if target is self._areas["I"]:
            target[start : start + len(data)] = data

    def write_bit(self, area: S7AreaName, db: int, byte: int, bit: int, value: bool) -> None:
        """Write one bit; its neighbours stay."""
        target, start = self._data(area, db, byte, 1)
        if target is self._areas["I"]:
            bits.put(target, 8 * start + bit, 1, value)

    def span(self, address: S7Address, type: DataType) -> Span:
        """The bytes of the controller's memory that a read of ``address`` depends on."""
        return byte_span("I" if address.db == 1 else "Q", self._where.at, address, type)

    def _data(self, area: S7AreaName, db: int, first: int, count: int) -> tuple[bytearray, int]:
        """The bytes that the block lies in, and where its byte ``first`` is."""
        if area != "DB" or db not in (1, 2):
            raise DeviceRefused(
                "object does not exist",
                f"{area}{db or ''}",
                "served are DB1 (the module's outputs) and DB2 (its inputs)",
            )
        size = self._where.end - self._where.at
        if first + count > size:
            where = f"DB{db} bytes {first}..{first + count - 1}"
            raise DeviceRefused("address out of range", where, f"served are bytes 0..{size - 1}")
        return self._areas["I" if db == 1 else "Q"], self._where.at + first


class CouplerVariables(OpcUaView):
    """The module as OPC UA variables: those that the program has located in its bytes, %I writable."""

    def __init__(self, program: Program, memory: Memory, where: Range) -> None:
        super().__init__(program, memory)
        self.nodes = {
            name: node._replace(writable=node.location.area == "I")
            for name, node in self.nodes.items()
            if node.location.area != "M" and where.at <= node.location.byte < where.end
        }

"""How each protocol sees a controller's memory (docs/mapping.md as code), and the loopback; pure.

A view takes requests as its protocol words them and raises DeviceRefused where a device would say no. The
real servers and the loopback answer from the same views, so neither can drift from the other.
"""

from __future__ import annotations

import typing
from typing import Any, Literal, NamedTuple, cast

import msgspec

from gateway.controller.compile import Location, Program
from gateway.controller.memory import Memory
from gateway.controller.places import Span, byte_span, located_span, table_span
from gateway.errors import DeviceRefused
from gateway.field.addresses import Address, ModbusAddress, OpcUaAddress, Protocol, S7Address
from gateway.field.serving import bits
from gateway.field.serving.variables import NAMESPACE
from gateway.field.types import OPCUA_TYPES, TYPES, DataType, Value

Area = Literal["I", "Q", "M"]

SERVED_BYTES = 256  # of each area, over Modbus and S7
SERVED_BITS = SERVED_BYTES * 8
SERVED_REGISTERS = SERVED_BYTES // 2
M_COILS = 2048  # coils from here on are %MX, below %QX
M_REGISTERS = 1024  # holding registers from here on are %MW, below %QW

NAME_BYTES = 32  # of the program's name at the start of DB3; its hash in hexadecimal follows

_SERVED_COILS = f"coil:0..{SERVED_BITS - 1} (%QX) and coil:{M_COILS}..{M_COILS + SERVED_BITS - 1} (%MX)"
_SERVED_HOLDING = (
    f"hr:0..{SERVED_REGISTERS - 1} (%QW) and hr:{M_REGISTERS}..{M_REGISTERS + SERVED_REGISTERS - 1} (%MW)"
)
_SERVED_TABLES = {
    "coil": _SERVED_COILS,
    "di": f"di:0..{SERVED_BITS - 1} (%IX)",
    "hr": _SERVED_HOLDING,
    "ir": f"ir:0..{SERVED_REGISTERS - 1} (%IW)",
}


class ModbusView:
    """The four tables of Modbus. Bits are packed as on the wire: the first in the lowest bit of byte 0."""

    def __init__(self, memory: Memory) -> None:
        self._areas = memory.areas

    def read_bits(self, table: Literal["coil", "di"], first: int, count: int) -> bytes:
        """``count`` bits in ceil(count / 8) bytes."""
        if table == "di":
            space: bytes | bytearray = self._areas["I"][:SERVED_BYTES]
        else:
            space = self._areas["Q"][:SERVED_BYTES] + self._areas["M"][:SERVED_BYTES]
        if first + count > len(space) * 8:
            raise _unserved(table, first, count)
        return bits.cut(space, first, count)

    def read_registers(self, table: Literal["hr", "ir"], first: int, count: int) -> bytes:
        """``count`` registers, each high byte first."""
        area, offset = "I", first
        if table == "hr":
            area, offset = ("M", first - M_REGISTERS) if first >= M_REGISTERS else ("Q", first)
        if offset + count > SERVED_REGISTERS:
            raise _unserved(table, first, count)
        return bytes(self._areas[area][2 * offset : 2 * (offset + count)])

    def span(self, address: ModbusAddress, type: DataType) -> Span:
        """The bytes that a read of ``address`` depends on."""
        second = {"coil": M_COILS, "hr": M_REGISTERS}.get(address.table)
        if second is None:
            return table_span("I", 0, address, type)
        if address.index >= second:
            return table_span("M", 0, msgspec.structs.replace(address, index=address.index - second), type)
        return table_span("Q", 0, address, type)

    def write_bits(self, first: int, count: int, values: int) -> None:
        """Write ``count`` coils from the low bits of ``values``."""
        start = first - M_COILS
        if start < 0 or start + count > SERVED_BITS:
            raise _read_only("coil", first, count)
        bits.put(self._areas["M"], start, count, values)

    def write_registers(self, first: int, data: bytes) -> None:
        """Write ``len(data) // 2`` holding registers, each high byte first."""
        start, count = first - M_REGISTERS, len(data) // 2
        if start < 0 or start + count > SERVED_REGISTERS:
            raise _read_only("hr", first, count)
        self._areas["M"][2 * start : 2 * (start + count)] = data


def _unserved(table: str, first: int, count: int) -> DeviceRefused:
    return DeviceRefused(
        "illegal data address", _modbus_span(table, first, count), f"served are {_SERVED_TABLES[table]}"
    )


def _read_only(table: str, first: int, count: int) -> DeviceRefused:
    size, base = (SERVED_BITS, M_COILS) if table == "coil" else (SERVED_REGISTERS, M_REGISTERS)
    return DeviceRefused(
        "illegal data address",
        _modbus_span(table, first, count),
        f"clients write {table}:{base}..{base + size - 1} (%M) alone",
    )


def _modbus_span(table: str, first: int, count: int) -> str:
    return f"{table}:{first}" if count == 1 else f"{table}:{first}..{first + count - 1}"


S7AreaName = Literal["DB", "I", "Q", "M"]


class S7View:
    """The areas I, Q and M, and DB1 (%M), DB2 (%Q) and DB3 (who we are).

    Writes outside %M are taken and come to nothing, as on a PLC whose program owns its outputs.
    """

    def __init__(self, program: Program, memory: Memory) -> None:
        self._areas = memory.areas
        name = program.name.encode("ascii", "replace")[:NAME_BYTES].ljust(NAME_BYTES, b"\0")
        self._identity = name + program.sha256.encode("ascii")

    def read(self, area: S7AreaName, db: int, first: int, count: int) -> bytes:
        """``count`` bytes from byte ``first``; ``db`` counts for area DB only."""
        data = self._data(area, db, first, count)
        return bytes(data[first : first + count])

    def write(self, area: S7AreaName, db: int, first: int, data: bytes) -> None:
        """Write bytes from byte ``first``."""
        target = self._data(area, db, first, len(data))
        if target is self._areas["M"]:
            target[first : first + len(data)] = data

    def write_bit(self, area: S7AreaName, db: int, byte: int, bit: int, value: bool) -> None:
        """Write one bit; its neighbours stay."""
        target = self._data(area, db, byte, 1)
        if target is self._areas["M"]:
            target[byte] = target[byte] & ~(1 << bit) | value << bit

    def span(self, address: S7Address, type: DataType) -> Span:
        """The bytes that a read of ``address`` depends on."""
        area = {1: "M", 2: "Q"}.get(address.db, "") if address.area == "DB" else address.area
        return byte_span(area, 0, address, type)

    def _data(self, area: S7AreaName, db: int, first: int, count: int) -> bytearray:
        size = SERVED_BYTES
        if area != "DB":
            data = self._areas[area]
        elif db in (1, 2):
            data = self._areas["M" if db == 1 else "Q"]
        elif db == 3:
            data, size = bytearray(self._identity), len(self._identity)
        else:
            raise DeviceRefused(
                "object does not exist", f"DB{db}", "served are DB1 (%M), DB2 (%Q) and DB3 (program)"
            )
        if first + count > size:
            where = f"{area}{db or ''} bytes {first}..{first + count - 1}"
            raise DeviceRefused("address out of range", where, f"served are bytes 0..{size - 1}")
        return data


class OpcUaNode(NamedTuple):
    """One located variable as an OPC UA variable; ``opcua_type`` as in OPCUA_TYPES."""

    node: str
    name: str
    type: DataType
    opcua_type: str
    location: Location
    writable: bool


class OpcUaView:
    """The program's located variables as nodes ``ns=2;s=<Program>.<variable>``."""

    def __init__(self, program: Program, memory: Memory) -> None:
        self._areas = memory.areas
        self.nodes: dict[str, OpcUaNode] = {}
        self._paths: dict[str, str] = {}  # browse path -> node
        for variable in program.variables:
            if variable.location is None:
                continue
            kind = TYPES[variable.type]
            node = f"ns={NAMESPACE};s={program.name}.{variable.name}"
            self._paths[f"/Objects/{NAMESPACE}:{program.name}/{NAMESPACE}:{variable.name}"] = node
            self.nodes[node] = OpcUaNode(
                node,
                variable.name,
                kind,
                OPCUA_TYPES[kind.name],
                variable.location,
                variable.location.area == "M" and not variable.assigned,
            )

    def state(self) -> object:
        """Equal to the last one while no value has changed."""
        return tuple(bytes(area) for area in self._areas.values())

    def read(self, node: str) -> Value:
        """The node's value (TIME in milliseconds)."""
        found = self._find(node)
        area, at = self._areas[found.location.area], found.location
        if found.type.kind == "bool":
            return bool(area[at.byte] >> at.bit & 1)
        return found.type.unpack(bytes(area[at.byte : at.byte + found.type.bits // 8]))

    def write(self, node: str, opcua_type: str, value: Value) -> None:
        """Write ``value``, sent as ``opcua_type`` ("" for an array or nothing)."""
        found = self._find(node)
        if not found.writable:
            raise DeviceRefused(
                "BadNotWritable", node, "write an input of the program: what it does not assign itself"
            )
        self.check_type(node, opcua_type)
        area, at = self._areas[found.location.area], found.location
        if found.type.kind == "bool":
            area[at.byte] = area[at.byte] & ~(1 << at.bit) | bool(value) << at.bit
        else:
            area[at.byte : at.byte + found.type.bits // 8] = found.type.pack(value)

    def span(self, address: OpcUaAddress, type: DataType) -> Span:
        """The bytes that a read of ``address`` depends on."""
        return located_span(self._find(address.node).location, type)

    def check_type(self, node: str, opcua_type: str) -> None:
        """Raise BadTypeMismatch unless the node is of ``opcua_type``."""
        found = self._find(node)
        if opcua_type != found.opcua_type:
            raise DeviceRefused(
                "BadTypeMismatch", node, f"it is a {found.type.name}, {found.opcua_type} in OPC UA"
            )

    def _find(self, node: str) -> OpcUaNode:
        found = self.nodes.get(self._paths.get(node, node))
        if found is None:
            raise DeviceRefused("BadNodeIdUnknown", node, "name a located variable of the program")
        return found


def view_of(protocol: Protocol, program: Program, memory: Memory) -> ModbusView | S7View | OpcUaView:
    """What a client over ``protocol`` sees of a controller's memory."""
    if protocol == "modbus":
        return ModbusView(memory)
    return S7View(program, memory) if protocol == "s7" else OpcUaView(program, memory)


class ModbusTables(typing.Protocol):
    """What Modbus serves: see gateway.field.serving.modbus.View."""

    def read_bits(self, table: Literal["coil", "di"], first: int, count: int) -> bytes: ...
    def read_registers(self, table: Literal["hr", "ir"], first: int, count: int) -> bytes: ...
    def write_bits(self, first: int, count: int, values: int) -> None: ...
    def write_registers(self, first: int, data: bytes) -> None: ...


class S7Data(typing.Protocol):
    """What S7 serves: data in areas and blocks; DeviceRefused for what is not there."""

    def read(self, area: S7AreaName, db: int, first: int, count: int) -> bytes: ...
    def write(self, area: S7AreaName, db: int, first: int, data: bytes) -> None: ...
    def write_bit(self, area: S7AreaName, db: int, byte: int, bit: int, value: bool) -> None: ...


class OpcUaVariables(typing.Protocol):
    """What OPC UA serves: see gateway.field.serving.opcua.View."""

    def read(self, node: str) -> Value: ...
    def write(self, node: str, opcua_type: str, value: Value) -> None: ...
    def check_type(self, node: str, opcua_type: str) -> None: ...


class Direct:
    """A client and a server in one, without the wire: for virtual mode and for tests.

    ``view`` is of the protocol of the addresses it is asked for. Address and type must fit each other as the
    station file's check demands (a BOOL on a bit, numbers on registers or bytes of their size). Refuses where
    the server would, with the server's code.
    """

    def __init__(self, view: ModbusTables | S7Data | OpcUaVariables) -> None:
        self._modbus = cast(ModbusTables, view)
        self._s7 = cast(S7Data, view)
        self._opcua = cast(OpcUaVariables, view)

    def read(self, address: Address, type: DataType) -> Value:
        """What a client reads there (TIME in milliseconds); DeviceRefused."""
        if isinstance(address, ModbusAddress):
            return self._read_modbus(address, type)
        if isinstance(address, S7Address):
            if type.kind == "bool":
                byte = self._s7.read(address.area, address.db, address.byte, 1)[0]
                return bool(byte >> address.bit & 1)
            return type.unpack(self._s7.read(address.area, address.db, address.byte, type.bits // 8))
        self._opcua.check_type(address.node, OPCUA_TYPES.get(type.name, ""))
        return self._opcua.read(address.node)

    def write(self, address: Address, type: DataType, value: Value) -> None:
        """Write ``value``, which ``type`` can hold, as a client would; DeviceRefused."""
        if isinstance(address, ModbusAddress):
            self._write_modbus(address, type, value)
        elif isinstance(address, OpcUaAddress):
            self._opcua.write(address.node, OPCUA_TYPES.get(type.name, ""), value)
        elif type.kind == "bool":
            self._s7.write_bit(address.area, address.db, address.byte, address.bit, bool(value))
        else:
            self._s7.write(address.area, address.db, address.byte, type.pack(value))

    def _read_modbus(self, address: ModbusAddress, type: DataType) -> Value:
        table = address.table
        if table == "coil" or table == "di":
            return type.unpack(self._modbus.read_bits(table, address.index, type.bits))
        if address.bit >= 0:
            register = int.from_bytes(self._modbus.read_registers(table, address.index, 1), "big")
            return bool(register >> address.bit & 1)
        return type.unpack(self._modbus.read_registers(table, address.index, type.bits // 16))

    def _write_modbus(self, address: ModbusAddress, type: DataType, value: Value) -> None:
        if address.table == "coil":
            self._modbus.write_bits(address.index, type.bits, int.from_bytes(type.pack(value), "little"))
        elif address.table != "hr":
            raise DeviceRefused(
                "illegal data address",
                f"{address.table}:{address.index}",
                "inputs of the device cannot be written; use a coil or a holding register",
            )
        elif address.bit >= 0:
            register = int.from_bytes(self._modbus.read_registers("hr", address.index, 1), "big")
            register = register & ~(1 << address.bit) | bool(value) << address.bit
            self._modbus.write_registers(address.index, register.to_bytes(2, "big"))
        else:
            self._modbus.write_registers(address.index, type.pack(value))


class MemoryView(typing.Protocol):
    """A view that knows where in a controller's memory what it shows lies."""

    def span(self, address: Any, type: DataType) -> Span: ...


class Shown(Direct):
    """The client of what a view shows of a controller's memory."""

    def __init__(self, view: ModbusTables | S7Data | OpcUaVariables) -> None:
        super().__init__(view)
        self._memory = cast(MemoryView, view)

    def span(self, address: Address, type: DataType) -> Span:
        """The bytes of the memory that ``read`` depends on; DeviceRefused."""
        return self._memory.span(address, type)


class Loopback(Shown):
    """The client of a controller's own memory over ``protocol``."""

    def __init__(self, protocol: Protocol, program: Program, memory: Memory) -> None:
        self.protocol = protocol
        super().__init__(view_of(protocol, program, memory))

"""Modbus TCP: function codes, addresses and device identification, over pymodbus' requests and answers."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import SplitResult

from pymodbus.constants import DeviceInformation
from pymodbus.pdu import ModbusPDU, ReadCoilsRequest, ReadHoldingRegistersRequest
from pymodbus.pdu.bit_message import ReadDiscreteInputsRequest
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.register_message import ReadInputRegistersRequest

from gateway.errors import DeviceRefused
from gateway.field.drivers.base import Identity
from gateway.field.drivers.blocks import Area
from gateway.field.drivers.memory import MemoryDriver
from gateway.field.security import Access
from gateway.field.tags import Tag
from gateway.field.types import Value

_HEADER = struct.Struct(">HHHB")  # transaction, protocol 0, bytes that follow, unit
_WRITE, _WRITE_ONE = struct.Struct(">BHHB"), struct.Struct(">BHH")  # then the data as they are in the image
_READS: dict[str, type[ModbusPDU]] = {
    "coil": ReadCoilsRequest,
    "di": ReadDiscreteInputsRequest,
    "hr": ReadHoldingRegistersRequest,
    "ir": ReadInputRegistersRequest,
}
_EXCEPTIONS = {
    1: ("illegal function", "the device does not serve this kind of address: use another table"),
    2: ("illegal data address", "check the address of {} in the station file"),
    3: ("illegal data value", "check the type and range of {} in the station file"),
    4: ("server device failure", "look at the device's own diagnosis"),
    5: ("acknowledge", "the device is still busy with it: scan more slowly"),
    6: ("server device busy", "scan more slowly, or end other connections to the device"),
    8: ("memory parity error", "look at the device's own diagnosis"),
    10: ("gateway path unavailable", "check the unit number in the device's address"),
    11: ("gateway target device failed to respond", "check the unit number in the device's address"),
}
_HINTS = dict(_EXCEPTIONS.values())
_OBJECTS = {
    0: "vendor", 1: "product code", 2: "version", 3: "url", 4: "product", 5: "model", 6: "application"
}  # fmt: skip
_PAGES = 16  # of device identification, at most
_BASIC, _EXTENDED = DeviceInformation.BASIC, DeviceInformation.EXTENDED


def open_url(
    url: SplitResult,
    endpoint: tuple[str, int],
    tags: Mapping[str, Tag],
    timeout_ns: int,
    initial: Mapping[str, Value],
    access: Access | None = None,
) -> ModbusDriver:
    """The driver for ``modbus://host:port/unit`` (unit 1 when left out)."""
    unit = url.path.strip("/") or "1"
    if not unit.isdecimal() or int(unit) > 255:
        raise ValueError(f"{unit!r} is not a Modbus unit; write modbus://host:port/unit with 0 to 255")
    return ModbusDriver(endpoint, tags, timeout_ns, initial, unit=int(unit))


@lru_cache(maxsize=4096)
def _read_pdu(table: str, first: int, cells: int) -> bytes:
    request = _READS[table](address=first, count=cells)
    return bytes((request.function_code,)) + request.encode()


def _write_pdu(table: str, first: int, cells: int, data: bytes) -> bytes:
    """One coil by function 5, several by 15; registers by 16, which every device knows."""
    if table == "hr":
        return _WRITE.pack(16, first, cells, len(data)) + data
    if cells == 1:
        return _WRITE_ONE.pack(5, first, 0xFF00 if data[0] & 1 else 0)
    return _WRITE.pack(15, first, cells, len(data)) + data


def _measure(data: bytes | bytearray) -> int:
    if len(data) < 6:
        return 0
    _, protocol, follow = struct.unpack_from(">HHH", data)
    if protocol or not 2 < follow + 1 <= 255:
        raise ValueError(f"no Modbus frame: {bytes(data[:6])!r}")
    return 6 + int(follow)


class ModbusDriver(MemoryDriver):
    """One Modbus TCP connection. ``unit`` is the unit number that is spoken to behind it."""

    protocol = "modbus"
    measure = staticmethod(_measure)

    def __init__(
        self,
        endpoint: tuple[str, int],
        tags: Mapping[str, Tag],
        timeout_ns: int,
        initial: Mapping[str, Value],
        unit: int = 1,
    ) -> None:
        super().__init__(endpoint, tags, timeout_ns, initial)
        self.unit, self._transaction = unit, 0

    async def shake_hands(self) -> None:
        """Modbus has no handshake."""

    def read_limit(self, area: Area) -> int:
        return 2000 if area.cell_bits == 1 else 125

    def write_limit(self, area: Area) -> int:
        return 1968 if area.cell_bits == 1 else 123

    def advice(self, code: str, names: str) -> str:
        return _HINTS.get(code, "see the device's manual").format(names)

    async def _ask(self, pdu: bytes) -> bytes:
        """The data that answers ``pdu``, without its function code."""
        self._transaction = sent = self._transaction % 0xFFFF + 1
        answer = await self.exchange(_HEADER.pack(sent, 0, len(pdu) + 1, self.unit) + pdu)
        transaction, _, _, unit = _HEADER.unpack_from(answer)
        function = answer[7]
        if transaction != sent or unit != self.unit:
            raise self.violated(
                f"answered transaction {transaction} of unit {unit}, asked was {sent} of {self.unit}"
            )
        if function == pdu[0] | 0x80 and len(answer) == 9:
            code, _ = _EXCEPTIONS.get(answer[8], (f"exception {answer[8]}", ""))
            raise DeviceRefused(code, f"function {pdu[0]}")
        if function != pdu[0]:
            raise self.violated(f"answered function {function}, asked was {pdu[0]}")
        return answer[8:]

    async def fetch(self, area: Area, first: int, cells: int) -> bytes:
        answer = await self._ask(_read_pdu(area.kind, first, cells))
        size = (cells * area.cell_bits + 7) // 8
        if len(answer) != size + 1 or answer[0] != size:
            raise self.violated(f"answered {len(answer) - 1} bytes of data, asked were {size}")
        return answer[1:]

    async def store(self, area: Area, first: int, cells: int, data: bytes) -> None:
        pdu = _write_pdu(area.kind, first, cells, data)
        answer = await self._ask(pdu)
        if answer != pdu[1:5]:
            raise self.violated(f"acknowledged {answer.hex(' ')}, written was {pdu[1:5].hex(' ')}")

    async def identify(self) -> Identity:
        objects: dict[int, str] = {}
        for level in (_EXTENDED, _BASIC):
            try:
                objects = await self._identification(level)
                break
            except DeviceRefused:
                continue
        details = {"unit": str(self.unit)}
        details |= {_OBJECTS.get(key, f"object {key}"): text for key, text in sorted(objects.items())}
        hashes = [text for key, text in objects.items() if key >= 0x80 and _is_sha256(text)]
        return Identity(
            self.protocol, objects.get(0, ""), objects.get(4) or objects.get(1, ""), objects.get(2, ""),
            objects.get(6, ""), hashes[0] if hashes else "", details,
        )  # fmt: skip

    async def _identification(self, level: DeviceInformation) -> dict[int, str]:
        """Function 43/14: the objects of ``level``, in as many pages as the device makes of them."""
        objects: dict[int, str] = {}
        following = 0
        for _ in range(_PAGES):
            request = ReadDeviceInformationRequest(level, following)
            answer = ReadDeviceInformationResponse()
            data = await self._ask(bytes((request.function_code,)) + request.encode())
            try:
                answer.decode(data)
            except (struct.error, IndexError):
                raise self.violated("torn device identification") from None
            for key, value in answer.information.items():
                text = value if isinstance(value, bytes) else b"".join(value)
                objects[key] = text.decode("utf-8", "replace").strip("\0 ")
            if not answer.more_follows or answer.next_object_id <= following:
                break
            following = answer.next_object_id
        return objects


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)

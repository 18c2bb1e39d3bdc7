"""S7 communication (PUT/GET): handshake, areas and CPU identification, over python-snap7's encoders."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult

from snap7.datatypes import S7Area, S7WordLen
from snap7.error import S7ProtocolError, get_protocol_error_message
from snap7.s7protocol import S7Function, S7PDUType, S7Protocol
from snap7.szl import parse_cpu_info_szl, parse_order_code_szl
from snap7.type import S7SZL

from gateway.errors import DeviceRefused
from gateway.field.drivers.base import Identity
from gateway.field.drivers.blocks import Area
from gateway.field.drivers.memory import MemoryDriver
from gateway.field.s7family import PROTECTED, family
from gateway.field.security import Access
from gateway.field.tags import Tag
from gateway.field.types import Value

_AREAS = {"DB": S7Area.DB, "I": S7Area.PE, "Q": S7Area.PA, "M": S7Area.MK}
_PDU = 480  # bytes asked for; the device may grant fewer
_READ_OVERHEAD, _WRITE_OVERHEAD = 18, 28
_GAP_BITS = 222 * 8  # a request more costs more than the bytes between, and a data block has no holes
_BASIC = 3  # kind of connection: S7 basic, which leaves the programming device's slot free
_CONFIRM, _DATA = 0xD0, 0xF0
_HANG_UP = bytes.fromhex("0300000b06800000000100")
_DATA_HEADER = bytes((2, _DATA, 0x80))
_FRAGMENTS = 32  # of one system status list, at most
_PROGRAM = Area("DB", 3)  # where a virtual controller shows its program's name and hash
_NAME, _HASH = 32, 64

_PLACE = "check rack and slot in the device's address: 0/1 for an S7-1200 or S7-1500, 0/2 for an S7-300"
_FAULT = "hardware error"
_CODES = {
    0x01: _FAULT,
    0x03: "access not allowed",
    0x05: "address out of range",
    0x06: "data type not supported",
    0x07: "data type inconsistent",
    0x0A: "object does not exist",
    0x8104: "function not available",
    0x8404: "function cannot be performed",
    0x8701: "addressing error",
    0x8703: "access to object refused",
    0xD602: "access not allowed",
}


def open_url(
    url: SplitResult,
    endpoint: tuple[str, int],
    tags: Mapping[str, Tag],
    timeout_ns: int,
    initial: Mapping[str, Value],
    access: Access | None = None,
) -> S7Driver:
    """The driver for ``s7://host:port/rack/slot`` (rack 0, slot 1 when left out)."""
    match = re.fullmatch(r"/?|/(\d)/(\d{1,2})/?", url.path)
    if match is None or int(match[1] or 0) > 7 or int(match[2] or 1) > 31:
        raise ValueError(
            f"{url.path!r} is not rack and slot; write s7://host:port/rack/slot, "
            "0/1 for an S7-1200 or S7-1500, 0/2 for an S7-300"
        )
    return S7Driver(endpoint, tags, timeout_ns, initial, rack=int(match[1] or 0), slot=int(match[2] or 1))


@lru_cache(maxsize=4096)
def _read_pdu(kind: str, number: int, first: int, cells: int) -> bytes:
    return bytes(S7Protocol().build_read_request(_AREAS[kind], number, first, S7WordLen.BYTE, cells))


def _measure(data: bytes | bytearray) -> int:
    if len(data) < 4:
        return 0
    version, length = data[0], int.from_bytes(data[2:4], "big")
    if version != 3 or not 7 <= length <= _PDU + 7:
        raise ValueError(f"no S7 frame: {bytes(data[:4])!r}")
    return length


def _framed(payload: bytes) -> bytes:
    return struct.pack(">BBH", 3, 0, len(payload) + 4) + payload


class S7Driver(MemoryDriver):
    """One S7 connection to the CPU in ``rack`` and ``slot``."""

    protocol = "s7"
    measure = staticmethod(_measure)

    def __init__(
        self,
        endpoint: tuple[str, int],
        tags: Mapping[str, Tag],
        timeout_ns: int,
        initial: Mapping[str, Value],
        rack: int = 0,
        slot: int = 1,
    ) -> None:
        super().__init__(endpoint, tags, timeout_ns, initial, _GAP_BITS)
        self.place = rack, slot
        self._called = _BASIC << 8 | rack << 5 | slot
        self._s7 = S7Protocol()
        self._sequence = 0
        self._pdu = _PDU
        self._product = ""  # as the CPU tells it

    async def shake_hands(self) -> None:
        parameters = struct.pack(">BBHBBHBBB", 0xC1, 2, 0x0100, 0xC2, 2, self._called, 0xC0, 1, 10)
        call = struct.pack(">BBHHB", 6 + len(parameters), 0xE0, 0, 1, 0) + parameters
        answer = await self.exchange(_framed(call))
        if answer[5] != _CONFIRM:
            raise DeviceRefused(
                f"connection code {answer[5]:#04x}", f"rack {self.place[0]}, slot {self.place[1]}", _PLACE
            )
        setup = await self._ask(self._s7.build_setup_communication_request(1, 1, _PDU))
        granted = (setup["parameters"] or {}).get("pdu_length", 0)
        if not 64 <= granted <= _PDU:
            raise self.violated(f"granted {granted} bytes a message, asked were {_PDU}")
        self._pdu = granted

    def read_limit(self, area: Area) -> int:
        return self._pdu - _READ_OVERHEAD

    def write_limit(self, area: Area) -> int:
        return self._pdu - _WRITE_OVERHEAD

    def advice(self, code: str, names: str) -> str:
        if code == _FAULT or code not in _CODES.values():
            return "look at the CPU's diagnostic buffer"
        found = family(self._product, self.place[1])
        return (found.short_access if code in PROTECTED else found.short_block).format(names)

    def farewell(self) -> bytes:
        return _HANG_UP

    async def _ask(self, pdu: bytes) -> dict[str, Any]:
        """Send ``pdu`` under the next sequence number; the answer as python-snap7 parses it."""
        self._sequence = sent = self._sequence % 0xFFFF + 1
        frame = _framed(_DATA_HEADER + pdu[:4] + sent.to_bytes(2, "big") + pdu[6:])
        answer = await self.exchange(frame)
        if answer[4:7] != _DATA_HEADER or len(answer) < 17:
            raise self.violated(f"no S7 data: {answer[:16].hex(' ')}")
        if int.from_bytes(answer[11:13], "big") != sent:
            raise self.violated(f"answered request {int.from_bytes(answer[11:13], 'big')}, asked was {sent}")
        try:
            return self._s7.parse_response(answer[7:])
        except S7ProtocolError as error:
            if error.error_code:
                raise _refusal(error.error_code) from None
            if answer[8] == S7PDUType.USERDATA:  # a question about itself that the CPU does not answer
                raise DeviceRefused(str(error), "request") from None
            raise self.violated(str(error)) from None
        except (struct.error, IndexError):
            raise self.violated("torn S7 answer") from None

    async def fetch(self, area: Area, first: int, cells: int) -> bytes:
        answer = await self._ask(_read_pdu(area.kind, area.number, first, cells))
        self._check_function(answer, S7Function.READ_AREA)
        item = answer["data"] or {}
        if "return_code" not in item:
            raise self.violated("answered a read without data")
        if item["return_code"] != 0xFF:
            raise _refusal(item["return_code"])
        data = item.get("data", b"")
        if len(data) != cells:
            raise self.violated(f"answered {len(data)} bytes of data, asked were {cells}")
        return bytes(data)

    async def store(self, area: Area, first: int, cells: int, data: bytes) -> None:
        request = self._s7.build_write_request(_AREAS[area.kind], area.number, first, S7WordLen.BYTE, data)
        answer = await self._ask(request)
        self._check_function(answer, S7Function.WRITE_AREA)
        codes = answer.get("raw_data", b"")
        if len(codes) != 1:
            raise self.violated(f"acknowledged {len(codes)} writes, asked was 1")
        if codes[0] != 0xFF:
            raise _refusal(codes[0])

    def _check_function(self, answer: Mapping[str, Any], function: S7Function) -> None:
        parameters = answer["parameters"] or {}
        if parameters.get("function_code") != function or parameters.get("item_count") != 1:
            raise self.violated(f"answered {parameters}, asked was function {int(function)}")

    async def identify(self) -> Identity:
        details = {"pdu": str(self._pdu)}
        product = version = ""
        order = await self._status_list(0x0011)
        if order is not None:
            code = parse_order_code_szl(order)
            product = _text(code.OrderCode)
            version = f"{code.V1}.{code.V2}.{code.V3}"
            self._product = product
        cpu = await self._status_list(0x001C)
        if cpu is not None:
            info = parse_cpu_info_szl(cpu)
            found = {
                "module": _text(info.ModuleTypeName),
                "station": _text(info.ASName),
                "serial": _text(info.SerialNumber),
                "copyright": _text(info.Copyright),
            }
            details |= {key: text for key, text in found.items() if text}
        program, sha256 = await self._program()
        vendor = "Siemens" if product.startswith("6ES7") else details.get("copyright", "")
        return Identity(self.protocol, vendor, product, version, program, sha256, details)

    async def _status_list(self, number: int) -> S7SZL | None:
        """A system status list (SZL), or None where the CPU does not tell."""
        data = bytearray()
        request = self._s7.build_read_szl_request(number, 0)
        try:
            for fragment in range(_FRAGMENTS):
                answer = await self._ask(request)
                if (answer["data"] or {}).get("return_code") != 0xFF:
                    return None
                data += self._s7.parse_read_szl_response(answer, first_fragment=fragment == 0)["data"]
                parameters = answer["parameters"] or {}
                if not parameters.get("last_data_unit"):
                    break
                request = self._s7.build_userdata_followup_request(4, 1, parameters["sequence_number"])
        except DeviceRefused:
            return None
        found = S7SZL()
        size = min(len(data), len(found.Data))
        found.Header.LengthDR, found.Header.NDR = size, 1
        for at in range(size):
            found.Data[at] = data[at] - 256 if data[at] > 127 else data[at]
        return found

    async def _program(self) -> tuple[str, str]:
        """Name and hash of the program, where data block 3 holds them as text."""
        try:
            raw = await self.fetch(_PROGRAM, 0, _NAME + _HASH)
        except DeviceRefused:
            return "", ""
        name, sha256 = (part.decode("ascii", "replace").strip("\0 ") for part in (raw[:_NAME], raw[_NAME:]))
        return (name, sha256) if re.fullmatch(r"[0-9a-f]{64}", sha256) else ("", "")


def _refusal(code: int) -> DeviceRefused:
    unnamed = get_protocol_error_message(code) if code > 0xFF else f"code {code:#04x}"
    return DeviceRefused(_CODES.get(code, unnamed), "request")


def _text(raw: bytes) -> str:
    return raw.decode("ascii", "replace").strip("\0 ")

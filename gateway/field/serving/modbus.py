"""Modbus TCP: a memory as coils, inputs and registers.

Written here because pymodbus's server keeps its own lists of registers, which would have to be copied at
every scan and back, loses pipelined requests, and costs two to five times the CPU of a request (measured by
tests/bench/bench_serve.py).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Literal, Protocol

from gateway.errors import DeviceRefused
from gateway.field.serving.tcp import Hangup

_HEAD = struct.Struct(">HHHB")  # transaction, protocol 0, length of what follows it, unit
_PAIR = struct.Struct(">HH")
_MAX_PDU = 253
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE, _NO_TARGET = 1, 2, 3, 11
_ANY_UNIT = (0, 255)  # how clients address a device that is no gateway
_MEI_IDENTIFICATION = 14
_FIRST_OBJECTS = {1: range(3), 2: range(7), 3: range(256)}  # by read device id code
_CONFORMITY = 0x83  # extended identification, as a stream and one by one


class _Refusal(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


class View(Protocol):
    """The four tables of a memory. Bits are packed as on the wire: the first in the lowest bit of byte 0;
    registers are high byte first. What is not served, or not to be written, raises DeviceRefused."""

    def read_bits(self, table: Literal["coil", "di"], first: int, count: int) -> bytes:
        """``count`` bits in ceil(count / 8) bytes."""
        ...

    def read_registers(self, table: Literal["hr", "ir"], first: int, count: int) -> bytes:
        """``count`` registers in 2 * count bytes."""
        ...

    def write_bits(self, first: int, count: int, values: int) -> None:
        """Write ``count`` coils from the low bits of ``values``."""
        ...

    def write_registers(self, first: int, data: bytes) -> None:
        """Write ``len(data) // 2`` holding registers."""
        ...


def identification(product: str, version: str, program: str = "", sha256: str = "") -> dict[int, bytes]:
    """The device identification objects (function 43/14); 0x80 is the hash of the program's source."""
    texts = {
        0x00: "Twinline",
        0x01: product,
        0x02: version,
        0x04: product,
        0x05: product,
        0x06: program,
        0x80: sha256,
    }
    shown = {number: text for number, text in texts.items() if text}
    return {number: text.encode("utf-8", "replace")[:128] for number, text in shown.items()}


class ModbusSession:
    """Answers the requests of one connection; it has no state between them."""

    def __init__(self, view: View, unit: int, objects: dict[int, bytes]) -> None:
        self._view, self._unit, self._objects = view, unit, objects
        self._functions: dict[int, Callable[[bytes], bytes]] = {
            1: self._read_bits,
            2: self._read_bits,
            3: self._read_registers,
            4: self._read_registers,
            5: self._write_coil,
            6: self._write_register,
            15: self._write_coils,
            16: self._write_registers,
            22: self._mask_register,
            23: self._read_write,
            43: self._identify,
        }

    def frame_size(self, buffer: bytearray) -> int:
        """Bytes of the first frame, 0 while its head is incomplete; Hangup where it is not Modbus TCP."""
        if len(buffer) < _HEAD.size:
            return 0
        _, protocol, length, _ = _HEAD.unpack_from(buffer)
        if protocol != 0 or not 2 <= length <= _MAX_PDU + 1:
            raise Hangup
        return int(length) + 6

    def answer(self, frame: bytes) -> bytes:
        """The answer to one request frame."""
        transaction, _, _, unit = _HEAD.unpack_from(frame)
        pdu = self._answer(unit, frame[_HEAD.size :])
        return _HEAD.pack(transaction, 0, len(pdu) + 1, unit) + pdu

    def _answer(self, unit: int, pdu: bytes) -> bytes:
        try:
            if unit != self._unit and unit not in _ANY_UNIT:
                raise _Refusal(_NO_TARGET)
            function = self._functions.get(pdu[0])
            if function is None:
                raise _Refusal(_ILLEGAL_FUNCTION)
            return function(pdu)
        except DeviceRefused:
            code = _ILLEGAL_ADDRESS
        except struct.error:
            code = _ILLEGAL_VALUE
        except _Refusal as refusal:
            code = refusal.code
        return bytes((pdu[0] | 0x80, code))

    def _read_bits(self, pdu: bytes) -> bytes:
        first, count = _PAIR.unpack(pdu[1:])
        _check(1 <= count <= 2000)
        data = self._view.read_bits("coil" if pdu[0] == 1 else "di", first, count)
        return bytes((pdu[0], len(data))) + data

    def _read_registers(self, pdu: bytes) -> bytes:
        first, count = _PAIR.unpack(pdu[1:])
        _check(1 <= count <= 125)
        data = self._view.read_registers("hr" if pdu[0] == 3 else "ir", first, count)
        return bytes((pdu[0], len(data))) + data

    def _write_coil(self, pdu: bytes) -> bytes:
        first, value = _PAIR.unpack(pdu[1:])
        _check(value in (0x0000, 0xFF00))
        self._view.write_bits(first, 1, value >> 15)
        return pdu

    def _write_register(self, pdu: bytes) -> bytes:
        first, _ = _PAIR.unpack(pdu[1:])
        self._view.write_registers(first, pdu[3:5])
        return pdu

    def _write_coils(self, pdu: bytes) -> bytes:
        first, count, size = struct.unpack_from(">HHB", pdu, 1)
        data = pdu[6:]
        _check(1 <= count <= 1968 and size == len(data) == (count + 7) // 8)
        self._view.write_bits(first, count, int.from_bytes(data, "little"))
        return pdu[:5]

    def _write_registers(self, pdu: bytes) -> bytes:
        first, count, size = struct.unpack_from(">HHB", pdu, 1)
        data = pdu[6:]
        _check(1 <= count <= 123 and size == len(data) == 2 * count)
        self._view.write_registers(first, data)
        return pdu[:5]

    def _mask_register(self, pdu: bytes) -> bytes:
        first, and_mask, or_mask = struct.unpack(">HHH", pdu[1:])
        current = int.from_bytes(self._view.read_registers("hr", first, 1), "big")
        result = current & and_mask | or_mask & ~and_mask
        self._view.write_registers(first, (result & 0xFFFF).to_bytes(2, "big"))
        return pdu

    def _read_write(self, pdu: bytes) -> bytes:
        """Write, then read; nothing is written where the read is refused."""
        read_first, read_count, first, count, size = struct.unpack_from(">HHHHB", pdu, 1)
        data = pdu[10:]
        _check(1 <= read_count <= 125 and 1 <= count <= 121 and size == len(data) == 2 * count)
        self._view.read_registers("hr", read_first, read_count)
        self._view.write_registers(first, data)
        result = self._view.read_registers("hr", read_first, read_count)
        return bytes((pdu[0], len(result))) + result

    def _identify(self, pdu: bytes) -> bytes:
        _, mei, code, first = struct.unpack(">BBBB", pdu)
        if mei != _MEI_IDENTIFICATION:
            raise _Refusal(_ILLEGAL_FUNCTION)
        if code == 4:
            if first not in self._objects:
                raise _Refusal(_ILLEGAL_ADDRESS)
            chosen = [first]
        else:
            _check(code in _FIRST_OBJECTS)
            # The standard starts again at 0 where the object asked for is not there.
            start = first if first in self._objects else 0
            chosen = [n for n in self._objects if n in _FIRST_OBJECTS[code] and n >= start]
        body, sent = b"", 0
        for number in chosen:
            value = self._objects[number]
            if 7 + len(body) + 2 + len(value) > _MAX_PDU:
                break
            body += bytes((number, len(value))) + value
            sent += 1
        more = (0xFF, chosen[sent]) if sent < len(chosen) else (0, 0)
        return bytes((pdu[0], mei, code, _CONFORMITY, *more, sent)) + body


def _check(good: bool) -> None:
    if not good:
        raise _Refusal(_ILLEGAL_VALUE)

"""S7 communication on ISO-on-TCP: the virtual controller's memory as areas I, Q, M and data blocks.

Written here because python-snap7's server answers from a thread per client, so that every scan would have to
hold its locks, listens with SO_REUSEPORT on all interfaces, and writes a bit by overwriting its byte. Served
are reading and writing variables, several in a request too, and the identification lists (SZL) 0x0011 and
0x001C; everything else is refused as "function not available", as on a controller that protects itself.
"""

from __future__ import annotations

import struct

from gateway.controller.mapping import S7AreaName, S7Data
from gateway.errors import DeviceRefused
from gateway.field.serving.tcp import Hangup

MAX_PDU = 480
_MIN_PDU = 240
_MAX_JOBS = 8

_CONNECT, _CONFIRM, _DISCONNECT, _DATA = 0xE0, 0xD0, 0x80, 0xF0  # of COTP
_WHOLE = b"\x02\xf0\x80"  # COTP: data, and the last of it
_JOB, _ACK, _USERDATA = 1, 3, 7
_SETUP, _READ, _WRITE = 0xF0, 0x04, 0x05

_OK, _OUT_OF_RANGE, _BAD_TYPE, _INCONSISTENT, _NO_OBJECT = 0xFF, 0x05, 0x06, 0x07, 0x0A
_ITEM_CODES = {"address out of range": _OUT_OF_RANGE, "object does not exist": _NO_OBJECT}
_NOT_AVAILABLE = (0x81, 0x04)
_BAD_PDU = (0x85, 0x00)

_AREAS: dict[int, S7AreaName] = {0x81: "I", 0x82: "Q", 0x83: "M", 0x84: "DB"}
_BIT = 1
_SIZES = {_BIT: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 4}  # bytes by transport size of a request
_IN_BITS = (3, 4, 5)  # transport sizes of data whose length counts bits


class _Refusal(Exception):
    def __init__(self, error: tuple[int, int]) -> None:
        self.error = error


def component_lists(product: str, program: str, version: str) -> dict[int, bytes]:
    """SZL partial lists by id, each with its head (record length, record count)."""
    numbers = bytes(int(part) if part.isdecimal() else 0 for part in (version.split(".") + ["0"] * 3)[:3])
    article = b"TWINLINE-VC".ljust(20)
    modules = [
        struct.pack(">H20sH", 1, article, 0) + b"\0" * 4,
        struct.pack(">H20sH", 7, article, 0) + b"V" + numbers,
    ]
    names = {
        1: program,
        2: product,
        3: "",
        4: "Twinline",
        5: "",
        7: f"Twinline {product}",
    }
    components = [struct.pack(">H32s", n, text.encode("ascii", "replace")[:24]) for n, text in names.items()]
    components[-1] = struct.pack(">H32s", 7, names[7].encode("ascii"))
    return {0x0011: _szl(modules), 0x001C: _szl(components)}


def _szl(records: list[bytes]) -> bytes:
    return struct.pack(">HH", len(records[0]), len(records)) + b"".join(records)


class S7Session:
    """One connection: first ISO connect, then negotiation of the PDU, then jobs."""

    def __init__(self, view: S7Data, rack: int, slot: int, lists: dict[int, bytes]) -> None:
        self._view, self._place, self._lists = view, rack << 5 | slot, lists
        self._connected = False
        self._pdu = _MIN_PDU

    def frame_size(self, buffer: bytearray) -> int:
        """Bytes of the first frame, 0 while its head is incomplete; Hangup where it is not ISO-on-TCP."""
        if len(buffer) < 4:
            return 0
        version, _, size = struct.unpack_from(">BBH", buffer)
        if version != 3 or not 7 <= size <= 7 + MAX_PDU:
            raise Hangup
        return int(size)

    def answer(self, frame: bytes) -> bytes:
        """The answer to one frame; Hangup where it is out of order."""
        if not self._connected:
            return _frame(self._connect(frame[4:]))
        if frame[4:7] != _WHOLE:
            raise Hangup
        return _frame(_WHOLE + self._serve(frame[7:]))

    def _connect(self, request: bytes) -> bytes:
        """Refuse, as a controller does, a client that asks for another rack and slot."""
        if len(request) < 7 or request[1] != _CONNECT or len(request) != request[0] + 1:
            raise Hangup
        peer, options, at = request[4:6], {}, 7
        while at + 2 <= len(request):
            options[request[at]] = request[at : at + 2 + request[at + 1]]
            at += 2 + request[at + 1]
        called = options.get(0xC2, b"")
        if len(called) != 4 or called[3] != self._place:
            raise Hangup
        self._connected = True
        body = bytes((_CONFIRM,)) + peer + b"\0\1\0" + b"\xc0\x01\x0a" + options.get(0xC1, b"") + called
        return bytes((len(body),)) + body

    def _serve(self, pdu: bytes) -> bytes:
        try:
            protocol, kind, reference, split, rest = struct.unpack_from(">BB2xHHH", pdu)
        except struct.error:
            raise Hangup from None
        if protocol != 0x32 or len(pdu) != 10 + split + rest or len(pdu) > self._pdu:
            raise Hangup
        parameters, data = pdu[10 : 10 + split], pdu[10 + split :]
        if kind == _USERDATA:
            return self._userdata(reference, parameters, data)
        if kind != _JOB:
            raise Hangup
        error, reply, body = (0, 0), b"", b""
        try:
            reply, body = self._job(parameters, data)
            if 12 + len(reply) + len(body) > self._pdu:
                raise _Refusal(_BAD_PDU)
        except _Refusal as refusal:
            error, reply, body = refusal.error, b"", b""
        except (struct.error, IndexError):
            error, reply, body = _BAD_PDU, b"", b""
        return struct.pack(">BB2xHHHBB", 0x32, _ACK, reference, len(reply), len(body), *error) + reply + body

    def _job(self, parameters: bytes, data: bytes) -> tuple[bytes, bytes]:
        function = parameters[0]
        if function == _SETUP:
            _, _, caller, callee, size = struct.unpack(">BBHHH", parameters)
            self._pdu = min(max(size, _MIN_PDU), MAX_PDU)
            jobs = min(max(caller, 1), _MAX_JOBS), min(max(callee, 1), _MAX_JOBS)
            return struct.pack(">BBHHH", _SETUP, 0, *jobs, self._pdu), b""
        if function not in (_READ, _WRITE):
            raise _Refusal(_NOT_AVAILABLE)
        count = parameters[1]
        items = [struct.unpack_from(">BBBBHHI", parameters, 2 + 12 * n) for n in range(count)]
        if function == _READ:
            return parameters[:2], _joined([self._read(*item) for item in items])
        return parameters[:2], bytes(self._write_all(items, data))

    def _read(
        self, kind: int, size: int, syntax: int, width: int, count: int, db: int, address: int
    ) -> bytes:
        area, byte, bit = _AREAS.get(address >> 24), (address & 0xFFFFFF) >> 3, address & 7
        code = _item_error(kind, size, syntax, width, area, bit)
        if code is None and area is not None:
            try:
                if width == _BIT:
                    if count != 1:
                        return _item(_BAD_TYPE)
                    value = self._view.read(area, db, byte, 1)[0] >> bit & 1
                    return struct.pack(">BBHB", _OK, 3, 1, value)
                data = self._view.read(area, db, byte, count * _SIZES[width])
                return struct.pack(">BBH", _OK, 4, len(data) * 8) + data
            except DeviceRefused as refused:
                code = _ITEM_CODES[refused.code]
        return _item(code or _NO_OBJECT)

    def _write_all(self, items: list[tuple[int, ...]], data: bytes) -> list[int]:
        """Parse all before any is written, so that a broken request changes nothing."""
        payloads, at = [], 0
        for _ in items:
            transport, length = struct.unpack_from(">xBH", data, at)
            size = (length + 7) // 8 if transport in _IN_BITS else length
            payload = data[at + 4 : at + 4 + size]
            if len(payload) != size:
                raise _Refusal(_BAD_PDU)
            payloads.append(payload)
            at += 4 + size + (size & 1)
        return [self._write(payload, *item) for payload, item in zip(payloads, items, strict=True)]

    def _write(
        self, data: bytes, kind: int, size: int, syntax: int, width: int, count: int, db: int, address: int
    ) -> int:
        area, byte, bit = _AREAS.get(address >> 24), (address & 0xFFFFFF) >> 3, address & 7
        code = _item_error(kind, size, syntax, width, area, bit)
        if code is not None or area is None:
            return code or _NO_OBJECT
        if len(data) != count * _SIZES[width] or not data:
            return _INCONSISTENT
        try:
            if width == _BIT:
                if count != 1:
                    return _BAD_TYPE
                self._view.write_bit(area, db, byte, bit, bool(data[0] & 1))
            else:
                self._view.write(area, db, byte, data)
        except DeviceRefused as refused:
            return _ITEM_CODES[refused.code]
        return _OK

    def _userdata(self, reference: int, parameters: bytes, data: bytes) -> bytes:
        """Identification lists (group 4, function 1); the rest is refused in the answer's parameters."""
        if len(parameters) < 8:
            raise Hangup
        group, function, sequence = parameters[5] & 0x0F, parameters[6], parameters[7]
        found = None
        if group == 4 and function == 1 and len(data) >= 8:
            wanted, index = struct.unpack_from(">HH", data, 4)
            found = self._lists.get(wanted)
        body = b"\x0a\0\0\0"
        if found is not None:
            found = struct.pack(">HH", wanted, index) + found
            body = struct.pack(">BBH", _OK, 9, len(found)) + found
        if 22 + len(body) > self._pdu:
            found, body = None, b"\x0a\0\0\0"
        error = b"\0\0" if found is not None else bytes(_NOT_AVAILABLE)
        reply = bytes((0, 1, 0x12, 8, 0x12, 0x80 | group, function, sequence, 0, 0)) + error
        return struct.pack(">BB2xHHH", 0x32, _USERDATA, reference, len(reply), len(body)) + reply + body


def _item_error(kind: int, size: int, syntax: int, width: int, area: str | None, bit: int) -> int | None:
    if (kind, size, syntax) != (0x12, 0x0A, 0x10) or width not in _SIZES:
        return _BAD_TYPE
    if area is None:
        return _NO_OBJECT
    return _OUT_OF_RANGE if bit and width != _BIT else None


def _item(code: int) -> bytes:
    return struct.pack(">BBH", code, 0, 0)


def _joined(items: list[bytes]) -> bytes:
    """Every item but the last on an even number of bytes."""
    padded = [item + b"\0" * (len(item) & 1) for item in items[:-1]]
    return b"".join(padded + items[-1:])


def _frame(payload: bytes) -> bytes:
    return struct.pack(">BBH", 3, 0, len(payload) + 4) + payload

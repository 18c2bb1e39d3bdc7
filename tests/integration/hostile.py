"""Devices that misbehave in every way we know, of which each answer can be told from what it truly held.

A ``HostileDevice`` speaks Modbus or S7 and holds one number, another one at each read. It answers properly
until it is told a manner; then it answers the next read so, with WRONG or stale numbers where it lies.
For OPC UA a ``Mangler`` stands between a driver and a proper server and mistreats what comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple, Protocol

WRONG = 0x5BAD
"""What a lie carries; a device never truly holds it."""


class Asked(NamedTuple):
    """A request for the number, with what the answer must repeat of it."""

    number: int
    unit: int = 1


class Wire(Protocol):
    """How a protocol frames requests and answers."""

    url: str
    address: str
    lies: dict[str, Callable[[Asked, int], bytes]]

    async def next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
        """The next read of the number; everything before it is answered."""
        ...

    def good(self, asked: Asked, value: int) -> bytes:
        """The answer that is right."""
        ...

    def refusal(self, asked: Asked, code: int) -> bytes:
        """The device says no."""
        ...


class ModbusWire:
    """Input register 0 of unit 1; the question who it is, is refused."""

    url = "modbus://127.0.0.1:{}/1"
    address = "ir:0"

    def __init__(self) -> None:
        self.lies: dict[str, Callable[[Asked, int], bytes]] = {
            "another transaction": lambda a, v: self.good(Asked(a.number + 1), v),
            "the transaction before": lambda a, v: self.good(Asked(a.number - 1), v),
            "another unit": lambda a, v: self.good(Asked(a.number, 2), v),
            "another function": lambda a, v: _mbap(a, struct.pack(">BBH", 3, 2, v)),
            "too many registers": lambda a, v: _mbap(a, struct.pack(">BBHH", 4, 4, v, v)),
            "no register": lambda a, v: _mbap(a, b"\x04\x00"),
            "a byte count that lies": lambda a, v: _mbap(a, struct.pack(">BBH", 4, 9, v)),
            "a longer frame than it says": lambda a, v: self.good(a, v) + b"\0",
            "an impossible length": lambda a, v: struct.pack(">HHHB", a.number, 0, 60_000, 1) + bytes(40),
            "another protocol": lambda a, v: struct.pack(">HHHBBBH", a.number, 7, 5, 1, 4, 2, v),
            "an empty body": lambda a, v: struct.pack(">HHHB", a.number, 0, 1, 1),
        }

    async def next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
        while True:
            number, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
            pdu = await reader.readexactly(length - 1)
            if pdu[0] == 4:
                return Asked(number, unit)
            writer.write(_mbap(Asked(number, unit), bytes((pdu[0] | 0x80, 1))))

    def good(self, asked: Asked, value: int) -> bytes:
        return _mbap(asked, struct.pack(">BBH", 4, 2, value))

    def refusal(self, asked: Asked, code: int) -> bytes:
        return _mbap(asked, bytes((0x84, code)))


class S7Wire:
    """DB1.DBW0; the CPU says nothing about itself and has no other block."""

    url = "s7://127.0.0.1:{}/0/1"
    address = "DB1.DBW0"

    def __init__(self) -> None:
        self.lies: dict[str, Callable[[Asked, int], bytes]] = {
            "another request": lambda a, v: self.good(Asked(a.number + 1), v),
            "the request before": lambda a, v: self.good(Asked(a.number - 1), v),
            "another function": lambda a, v: _s7(a, b"\x05\x01", b"\xff"),
            "two items": lambda a, v: _s7(a, b"\x04\x02", _item(_two(v))),
            "too many bytes": lambda a, v: _s7(a, b"\x04\x01", _item(v.to_bytes(4, "big"))),
            "too few bytes": lambda a, v: _s7(a, b"\x04\x01", _item(b"\x5b")),
            "a length that lies": lambda a, v: _s7(a, b"\x04\x01", b"\xff\x04\x01\x00" + _two(v)),
            "no data": lambda a, v: _s7(a, b"\x04\x01", b""),
            "a request": lambda a, v: _s7(a, b"\x04\x01", _item(_two(v)), kind=1),
            "no S7": lambda a, v: _tpkt(b"\x02\xf0\x80\x99" + bytes(21)),
            "a fragment": lambda a, v: _tpkt(b"\x02\xf0\x00" + self.good(a, v)[7:]),
            "a longer frame than it says": lambda a, v: self.good(a, v) + b"\0",
            "an impossible length": lambda a, v: b"\x03\x00\xff\xff" + bytes(40),
            "an empty frame": lambda a, v: b"\x03\x00\x00\x04",
        }

    async def next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
        while True:
            head = await reader.readexactly(4)
            frame = await reader.readexactly(int.from_bytes(head[2:], "big") - 4)
            if frame[1] == 0xE0:
                writer.write(_tpkt(bytes.fromhex("06d00001000200")))
                continue
            if frame[1] != 0xF0:
                raise ConnectionError("farewell")
            request = frame[3:]
            asked = Asked(int.from_bytes(request[4:6], "big"))
            if request[1] == 7:
                writer.write(_s7(asked, b"", b"", error=0x8104))
            elif request[10] == 0xF0:
                writer.write(_s7(asked, struct.pack(">BBHHH", 0xF0, 0, 1, 1, 240), b""))
            elif request[18:20] == b"\x00\x01":
                return asked
            else:
                writer.write(_s7(asked, b"\x04\x01", struct.pack(">BBH", 0x0A, 0, 0)))

    def good(self, asked: Asked, value: int) -> bytes:
        return _s7(asked, b"\x04\x01", _item(value.to_bytes(2, "big")))

    def refusal(self, asked: Asked, code: int) -> bytes:
        return _s7(asked, b"\x04\x01", struct.pack(">BBH", code if code != 0xFF else 3, 0, 0))


def _mbap(asked: Asked, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", asked.number & 0xFFFF, 0, len(pdu) + 1, asked.unit) + pdu


def _tpkt(payload: bytes) -> bytes:
    return struct.pack(">BBH", 3, 0, len(payload) + 4) + payload


def _s7(asked: Asked, parameters: bytes, data: bytes, error: int = 0, kind: int = 3) -> bytes:
    number = asked.number & 0xFFFF
    head = struct.pack(">BBHHHHH", 0x32, kind, 0, number, len(parameters), len(data), error)
    return _tpkt(b"\x02\xf0\x80" + head + parameters + data)


def _two(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _item(data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, 4, len(data) * 8) + data


MANNERS = (
    "well", "in pieces", "cut off", "reset", "silent", "half and silent", "twice", "late", "stale first",
    "unasked", "refused", "noise", "lie",
)  # fmt: skip


class HostileDevice:
    """Listens on ``port``. ``held`` is what it truly held at the last read, ``manner`` is for the next."""

    def __init__(self, wire: Wire, chance: random.Random) -> None:
        self.wire, self._chance = wire, chance
        self.manner = "well"
        self.held = 0
        self.port = 0
        self.did = ""  # the last answer in words, for who looks at a failure
        self._stale: list[bytes] = []
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; on the port of the last time, if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while await self._answer(reader, writer, await self.wire.next(reader, writer)):
                await writer.drain()
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Asked) -> bool:
        """Answer one read in the manner that was told; whether the connection goes on."""
        manner, self.manner = self.manner, "well"
        self.held = self.held % 0x5000 + 1
        good, self.did = self.wire.good(asked, self.held), manner
        cut = self._chance.randrange(len(good))
        previous, self._stale = self._stale, [good]
        match manner:
            case "well":
                writer.write(good)
            case "in pieces":
                for byte in good:
                    writer.write(bytes((byte,)))
                    await writer.drain()  # raises where the driver has gone
                    await asyncio.sleep(0)
            case "cut off":
                self.did = f"cut off after {cut} bytes"
                writer.write(good[:cut])
                writer.close()
                return False
            case "reset":
                writer.write(good[:cut])
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return False
            case "silent" | "late" | "half and silent":
                writer.write(good[:cut] if manner == "half and silent" else b"")
                while await reader.read(4096):
                    pass
                if manner == "late" and not writer.is_closing():  # it had the answer all the time
                    writer.write(good)
                return False
            case "twice":
                writer.write(good * 2)
            case "stale first":
                writer.write(b"".join(previous) + good)
            case "unasked":
                writer.write(good)
                await writer.drain()
                await asyncio.sleep(0.001)
                if not writer.is_closing():
                    writer.write(self.wire.good(asked, WRONG))
            case "refused":
                writer.write(self.wire.refusal(asked, self._chance.randrange(1, 255)))
            case "noise":
                noise = self._chance.randbytes(self._chance.randint(1, 80))
                self.did = f"noise: {noise.hex(' ')}"
                writer.write(noise)
            case "lie":
                name = self._chance.choice(sorted(self.wire.lies))
                self.did = f"lie: {name}"
                writer.write(self.wire.lies[name](asked, WRONG))
            case _:
                raise AssertionError(manner)
        return True


MANGLINGS = ("well", "in pieces", "cut off", "silent", "twice", "noise", "header", "swallowed")


class Mangler:
    """Stands before the server at ``target``; ``manner`` is for the next bytes that come back from it."""

    def __init__(self, target: int, chance: random.Random) -> None:
        self._target, self._chance = target, chance
        self.manner = "well"
        self.port = 0
        self.did = ""
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    start, stop = HostileDevice.start, HostileDevice.stop

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        back: asyncio.StreamWriter | None = None
        answering: asyncio.Task[None] | None = None
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            answering = asyncio.create_task(self._answers(there, writer))
            while data := await reader.read(65536):
                back.write(data)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            if answering is not None:
                answering.cancel()
                with contextlib.suppress(asyncio.CancelledError):  # stopped meanwhile
                    await asyncio.gather(answering, return_exceptions=True)
            if back is not None:
                back.transport.abort()
            writer.transport.abort()

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await there.read(65536):
            manner, self.manner = self.manner, "well"
            self.did = manner
            cut = self._chance.randrange(len(data))
            match manner:
                case "well":
                    writer.write(data)
                case "in pieces":
                    for byte in data:
                        writer.write(bytes((byte,)))
                        await writer.drain()
                case "cut off":
                    self.did = f"cut off after {cut} of {len(data)} bytes"
                    writer.write(data[:cut])
                    await writer.drain()
                    break
                case "silent":
                    await asyncio.Event().wait()
                case "twice":
                    writer.write(data * 2)
                case "noise":
                    noise = self._chance.randbytes(self._chance.randint(8, 80))
                    self.did = f"noise: {noise.hex(' ')}"
                    writer.write(noise)
                case "header":  # a bit of kind, size, channel, token, sequence or request: not of a value
                    torn, at = bytearray(data), self._chance.randrange(24)
                    torn[at] ^= 1 << self._chance.randrange(8)
                    self.did = f"header: byte {at}"
                    writer.write(bytes(torn))
                case "swallowed":
                    writer.write(data[:cut] + data[cut + 1 :])
                case _:
                    raise AssertionError(manner)
        writer.transport.abort()

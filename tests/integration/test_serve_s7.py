"""The virtual controller over S7, before python-snap7's client, and native frames where that is too tame."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serve_support import ECHO, STILL, WITHIN_S, serving
from snap7 import Client
from snap7.error import S7ConnectionError, S7Error, S7ProtocolError
from snap7.type import Area, WordLen

from gateway.controller.compile import compile_program
from gateway.controller.mapping import Loopback
from gateway.controller.runtime import VirtualController
from gateway.errors import DeviceRefused
from gateway.field.addresses import S7Address
from gateway.field.types import TYPES, DataType, Value

SCANS_SEEN = 100  # with requests of two clients in between
CONNECT = bytes.fromhex("0300001611e00000000100c0010ac1020100c2020101")
SETUP = bytes.fromhex("0300001902f08032010000000100080000f00000010001" + "00f0")  # PDU 240
ITEM = ">BBBBHHBBH"  # 12 0a 10, width, count, db, area, address high, address low


def connected(port: int, slot: int = 1) -> Client:
    client = Client()
    client.connect("127.0.0.1", 0, slot, port)
    return client


@pytest.fixture(scope="module")
def echo() -> Iterator[tuple[int, dict[str, Any]]]:
    with serving(ECHO, "s7", "/0/1", "--scan", "2 ms") as served:
        yield served


@pytest.fixture(scope="module")
def client(echo: tuple[int, dict[str, Any]]) -> Iterator[Client]:
    client = connected(echo[0])
    yield client
    client.disconnect()


def next_scan(client: Client) -> None:
    start = client.db_read(2, 0, 2)
    while client.db_read(2, 0, 2) == start:
        pass
    start = client.db_read(2, 0, 2)
    while client.db_read(2, 0, 2) == start:
        pass


def test_inputs_reach_the_program_and_outputs_the_client(client: Client) -> None:
    for number in (0, 1, -2, 32767):
        client.db_write(1, 2, bytearray(struct.pack(">4h", *[number] * 4)))
        client.write_area(Area.MK, 0, 20 * 8 + 3, bytearray([number == 1]), WordLen.Bit)
        next_scan(client)
        assert struct.unpack(">h", client.db_read(2, 22, 2)) == (number,)
        assert client.read_area(Area.PA, 0, 24 * 8 + 5, 1, WordLen.Bit) == bytearray([number == 1])


def test_a_bit_is_written_alone(client: Client) -> None:
    client.db_write(1, 100, bytearray(b"\xa5"))
    client.write_area(Area.DB, 1, 100 * 8 + 3, bytearray(b"\1"), WordLen.Bit)
    assert client.db_read(1, 100, 1) == b"\xad"
    client.write_area(Area.DB, 1, 100 * 8 + 0, bytearray(b"\0"), WordLen.Bit)
    assert client.db_read(1, 100, 1) == b"\xac"


def test_writes_to_outputs_and_inputs_come_to_nothing(client: Client) -> None:
    client.db_write(2, 220, bytearray(b"\1\2"))
    client.write_area(Area.PA, 0, 222, bytearray(b"\3"))
    client.write_area(Area.PE, 0, 0, bytearray(b"\4"))
    client.db_write(3, 0, bytearray(b"Else"))
    client.write_area(Area.PA, 0, 224 * 8, bytearray(b"\1"), WordLen.Bit)
    assert client.db_read(2, 220, 8) == bytes(8)
    assert client.read_area(Area.PE, 0, 0, 256) == bytes(256)
    assert client.db_read(3, 0, 4) == b"Echo"


def test_says_who_it_is(client: Client, echo: tuple[int, dict[str, Any]]) -> None:
    who = client.db_read(3, 0, 96)
    assert who[:32].rstrip(b"\0") == b"Echo"
    assert who[32:].decode() == echo[1]["sha256"]
    info = client.get_cpu_info()
    assert info.ASName == b"Echo"
    assert info.ModuleTypeName == b"Twinline virtual controller"
    assert client.get_order_code().OrderCode == b"TWINLINE-VC"


@pytest.mark.parametrize(
    ("db", "first", "count", "says"),
    [(1, 256, 1, "0x05"), (1, 255, 2, "0x05"), (2, 250, 10, "0x05"), (3, 96, 1, "0x05"), (4, 0, 1, "0x0a")],
)
def test_what_is_not_there_is_refused(client: Client, db: int, first: int, count: int, says: str) -> None:
    with pytest.raises(S7ProtocolError, match=says):
        client.db_read(db, first, count)
    with pytest.raises(S7ProtocolError, match=says):
        client.db_write(db, first, bytearray(count))


def test_services_that_are_not_there_are_refused(client: Client) -> None:
    for service in (client.plc_stop, client.plc_cold_start, client.get_protection, client.list_blocks):
        with pytest.raises(S7Error):
            service()
    assert client.db_read(3, 0, 4) == b"Echo"  # and the connection lives


def test_another_slot_is_not_here(echo: tuple[int, dict[str, Any]]) -> None:
    with pytest.raises(S7ConnectionError):
        connected(echo[0], slot=2)


def test_two_clients_never_see_or_make_half_a_scan(echo: tuple[int, dict[str, Any]]) -> None:
    writer, reader = connected(echo[0]), connected(echo[0])

    seen: set[int] = set()

    def write() -> None:
        for number in itertools.cycle(range(1000)):
            writer.db_write(1, 2, bytearray(struct.pack(">4h", *[number] * 4)))
            if len(seen) >= SCANS_SEEN:
                return

    writing = threading.Thread(target=write)
    writing.start()
    try:
        while len(seen) < SCANS_SEEN:
            words = struct.unpack(">101H", reader.db_read(2, 0, 202))
            assert words[0] == words[3] == words[100]
            assert words[10] == 0, "the program saw a torn write"
            seen.add(words[0])
    finally:
        seen.update(range(SCANS_SEEN))  # stop the writer also where a claim failed
        writing.join()
        writer.disconnect()
        reader.disconnect()


# Native frames: several items in a request, and what clients should not send.


class Raw:
    """A socket that is past the handshake."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
        self.stream = self.socket.makefile("rb")
        assert self.ask(CONNECT)[1] == 0xD0
        assert self.ask(SETUP)[-2:] == b"\0\xf0"

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.socket.close()

    def ask(self, frame: bytes) -> bytes:
        """The answer without its TPKT head; empty when the peer hung up."""
        self.socket.sendall(frame)
        try:
            head = self.stream.read(4)
            return self.stream.read(struct.unpack(">H", head[2:])[0] - 4) if head else b""
        except ConnectionResetError:
            return b""

    def job(self, parameters: bytes, data: bytes = b"") -> tuple[bytes, bytes, bytes]:
        """(error class and code, parameters, data) of the answer."""
        pdu = struct.pack(">BB2xHHH", 0x32, 1, 77, len(parameters), len(data)) + parameters + data
        answer = self.ask(struct.pack(">BBH", 3, 0, len(pdu) + 7) + b"\x02\xf0\x80" + pdu)[3:]
        assert answer[:6] == b"\x32\x03\0\0\0\x4d"
        split = struct.unpack(">H", answer[6:8])[0]
        return answer[10:12], answer[12 : 12 + split], answer[12 + split :]


def item(width: int, count: int, db: int, area: int, bits: int) -> bytes:
    return struct.pack(ITEM, 0x12, 10, 0x10, width, count, db, area, bits >> 16, bits & 0xFFFF)


def test_several_items_in_one_request(echo: tuple[int, dict[str, Any]]) -> None:
    with Raw(echo[0]) as raw:
        items = [item(2, 3, 1, 0x84, 150 * 8), item(1, 1, 0, 0x83, 154 * 8 + 2), item(2, 1, 9, 0x84, 0)]
        items.append(item(4, 1, 1, 0x84, 156 * 8))
        payload = b"\0\4\0\x18abc\0" + b"\0\3\0\1\1\0" + b"\0\4\0\x08x\0" + b"\0\4\0\x10yz"
        error, _, data = raw.job(bytes((5, 4)) + b"".join(items), payload)
        assert (error, data) == (b"\0\0", b"\xff\xff\x0a\xff")
        error, _, data = raw.job(bytes((4, 4)) + b"".join(items))
        assert error == b"\0\0"
        read = b"\xff\4\0\x18abc\0" + b"\xff\3\0\1\1\0" + b"\x0a\0\0\0" + b"\xff\4\0\x10yz"
        assert data == read


def test_a_broken_write_changes_nothing(echo: tuple[int, dict[str, Any]]) -> None:
    with Raw(echo[0]) as raw:
        items = item(2, 2, 1, 0x84, 170 * 8) + item(2, 2, 1, 0x84, 172 * 8)
        error, _, _ = raw.job(b"\5\2" + items, b"\0\4\0\x10ab" + b"\0\4\0\x10c")
        assert error == b"\x85\0"
        assert raw.job(b"\4\1" + item(2, 4, 1, 0x84, 170 * 8))[2] == b"\xff\4\0\x20" + bytes(4)


def test_an_answer_that_does_not_fit_the_pdu_is_refused(echo: tuple[int, dict[str, Any]]) -> None:
    with Raw(echo[0]) as raw:
        assert raw.job(b"\4\1" + item(2, 222, 1, 0x84, 0))[0] == b"\0\0"
        assert raw.job(b"\4\1" + item(2, 223, 1, 0x84, 0))[0] == b"\x85\0"


def test_a_request_longer_than_agreed_is_hung_up_on(echo: tuple[int, dict[str, Any]]) -> None:
    with Raw(echo[0]) as raw:
        pdu = struct.pack(">BB2xHHH", 0x32, 1, 1, 2, 229) + bytes(231)
        assert raw.ask(struct.pack(">BBH", 3, 0, len(pdu) + 7) + b"\x02\xf0\x80" + pdu) == b""


@pytest.mark.parametrize(
    "wrong",
    [
        item(2, 1, 1, 0x84, 3),  # a byte that starts at a bit
        item(9, 1, 1, 0x84, 0),  # no such width
        item(1, 2, 1, 0x84, 0),  # two bits
        item(2, 1, 0, 0x1D, 0),  # timers
        item(2, 1, 1, 0x84, 0xFFFFFF),
    ],
)
def test_wrong_items_are_refused_each_by_itself(echo: tuple[int, dict[str, Any]], wrong: bytes) -> None:
    with Raw(echo[0]) as raw:
        error, _, data = raw.job(b"\4\2" + wrong + item(2, 1, 3, 0x84, 0))
        assert error == b"\0\0"
        assert data[0] != 0xFF
        assert data[4:] == b"\xff\4\0\x08E"


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n\r\n", b"\3\0\0\x07\2\xf0\x80", b"\3\0\xff\xff" * 9])
def test_who_does_not_speak_iso_is_hung_up_on(echo: tuple[int, dict[str, Any]], junk: bytes) -> None:
    with socket.create_connection(("127.0.0.1", echo[0]), timeout=WITHIN_S) as peer:
        peer.sendall(junk)
        with contextlib.suppress(ConnectionResetError):  # closed before it had read all that was sent
            assert peer.recv(100) == b""


# The loopback answers as the server does.

AREAS = {"DB": Area.DB, "I": Area.PE, "Q": Area.PA, "M": Area.MK}


@pytest.fixture(scope="module")
def twins() -> Iterator[tuple[Client, Loopback]]:
    controller = VirtualController(compile_program(STILL))
    controller.scan(0)
    with serving(STILL, "s7", "/0/1") as (port, _):
        client = connected(port)
        yield client, Loopback("s7", controller.program, controller.memory)
        client.disconnect()


def values(kind: DataType) -> st.SearchStrategy[Value]:
    if kind.kind == "bool":
        return st.booleans()
    if kind.kind == "real":
        return st.floats(width=32 if kind.bits == 32 else 64, allow_nan=False, allow_infinity=False)
    return st.integers(int(kind.low), int(kind.high))


@st.composite
def accesses(draw: st.DrawFn) -> tuple[S7Address, DataType, Value | None]:
    """An address, a type that fits it, and a value to write or None to read."""
    area, db = draw(
        st.sampled_from([("DB", 1), ("DB", 2), ("DB", 3), ("DB", 4), ("I", 0), ("Q", 0), ("M", 0)])
    )
    kind = draw(st.sampled_from(list(TYPES.values())))
    byte = draw(
        st.sampled_from([0, 1, 2, 3, 4, 31, 32, 95, 96, 248, 252, 254, 255, 256]) | st.integers(0, 8000)
    )
    bit = draw(st.integers(0, 7)) if kind.kind == "bool" else -1
    return S7Address(area, db, byte, bit, min(kind.bits, 32)), kind, draw(st.none() | values(kind))  # type: ignore[arg-type]


def over_the_wire(
    client: Client, address: S7Address, kind: DataType, value: Value | None
) -> Value | str | None:
    """What a client gets: a value, None for a write that was done, or the refusal's name."""
    area = AREAS[address.area]
    try:
        if address.bit >= 0:
            place = (area, address.db, address.byte * 8 + address.bit)
            if value is None:
                return bool(client.read_area(*place, 1, WordLen.Bit)[0])
            client.write_area(*place, bytearray([bool(value)]), WordLen.Bit)
        elif value is None:
            return kind.unpack(bytes(client.read_area(area, address.db, address.byte, kind.bits // 8)))
        else:
            client.write_area(area, address.db, address.byte, bytearray(kind.pack(value)))
    except S7ProtocolError as error:
        return "address out of range" if "(0x05)" in str(error) else "object does not exist"
    return None


@settings(max_examples=150, deadline=None)
@given(st.lists(accesses(), max_size=12))
def test_loopback_and_server_agree(
    twins: tuple[Client, Loopback], sequence: list[tuple[S7Address, DataType, Value | None]]
) -> None:
    client, loopback = twins
    client.db_write(1, 0, bytearray(256))  # the same start for each example
    for byte in range(256):
        loopback.write(S7Address("M", 0, byte, -1, 8), TYPES["BYTE"], 0)
    for address, kind, value in sequence:
        wire = over_the_wire(client, address, kind, value)
        try:
            loop: Value | str | None = loopback.read(address, kind) if value is None else None
            if value is not None:
                loopback.write(address, kind, value)
        except DeviceRefused as refused:
            loop = refused.code
        assert wire == loop or (wire != wire and loop != loop)  # NaN, read where no REAL was written

"""Every decoder of what a device sends: any bytes are a value or an error of ours, and nothing else."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import DeviceRefused, GatewayError, ProtocolViolation
from gateway.field.drivers import modbus, s7
from gateway.field.drivers.base import Identity
from gateway.field.drivers.blocks import Area
from gateway.field.drivers.opcua_connection import Connection
from gateway.field.drivers.opcua_read import Batch
from gateway.field.probe import opcua_session

Answer = Callable[[bytes], bytes]


def finished(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


class _Fed:
    """Instead of a connection: each request is answered by ``answer(request)``."""

    answer: Answer

    async def exchange(self, frame: bytes) -> bytes:
        return self.answer(frame)

    def violated(self, what: str) -> ProtocolViolation:
        return ProtocolViolation(what)


class FedModbus(_Fed, modbus.ModbusDriver):
    pass


class FedS7(_Fed, s7.S7Driver):
    pass


def driver(kind: type[Any], answer: Answer) -> Any:
    made = kind(("127.0.0.1", 1), {}, 1_000_000_000, {})
    made.answer = answer
    return made


def modbus_answer(body: bytes, own: bytes) -> Answer:
    """``body`` as the answer to the request, or ``own`` bytes without regard to it."""
    return lambda request: own if own else request[:4] + struct.pack(">HB", len(body) + 1, request[6]) + body


def s7_answer(body: bytes, own: bytes) -> Answer:
    """The same for S7: ``body`` goes behind the request's own number."""

    def answer(request: bytes) -> bytes:
        payload = own or request[4:7] + b"\x32\x03\0\0" + request[11:13] + body
        return struct.pack(">BBH", 3, 0, len(payload) + 4) + payload

    return answer


# A Stream hands on nothing shorter than its measure allows.
pdus = st.binary(min_size=2, max_size=260)
frames = st.just(b"") | st.binary(min_size=9, max_size=260)


def expect(work: Coroutine[Any, Any, Any], proper: Callable[[Any], bool]) -> None:
    try:
        result = finished(work)
    except (ProtocolViolation, DeviceRefused):
        return
    assert proper(result), result


@given(pdus, frames)
@example(b"\x03\x06\0\1\0\2\0\3", b"")
@example(b"\x83\x02", b"")
@example(b"\x2b\x0e\x01\x83\xff\x00\x01\x00\x02ab", b"")
@example(b"\x2b\x0e\x01", b"")
@settings(max_examples=400)
def test_modbus(body: bytes, own: bytes) -> None:
    made = driver(FedModbus, modbus_answer(body, own))
    expect(made.fetch(Area("hr"), 0, 3), lambda data: len(data) == 6)
    expect(made.fetch(Area("coil"), 5, 17), lambda data: len(data) == 3)
    expect(made.store(Area("hr"), 0, 1, b"\0\1"), lambda done: done is None)
    expect(made.identify(), lambda identity: isinstance(identity, Identity))


@given(st.binary(max_size=40), st.integers(0, 3))
@settings(max_examples=300)
def test_modbus_identification(noise: bytes, more: int) -> None:
    """Any objects, also such as go on for ever."""
    made = driver(
        FedModbus, modbus_answer(b"\x2b\x0e\x03\x83" + bytes((0xFF if more else 0, more)) + noise, b"")
    )
    expect(made.identify(), lambda identity: isinstance(identity, Identity))


rests = st.binary(min_size=0, max_size=120)


def sized(parameters: bytes, data: bytes, error: bytes = b"\0\0") -> bytes:
    return struct.pack(">HH", len(parameters), len(data)) + error + parameters + data


@given(
    rests
    | st.builds(sized, st.binary(max_size=16), st.binary(max_size=60), st.binary(min_size=2, max_size=2))
    | st.builds(lambda data: sized(b"\x04\x01", data), st.binary(max_size=40)),
    st.just(b"") | st.binary(min_size=3, max_size=200),
)
@example(sized(b"\x04\x01", b"\xff\x04\0\x30abcdef"), b"")
@example(sized(b"\x04\x01", b"\x0a\0\0\0"), b"")
@example(sized(b"", b"", b"\x81\x04"), b"")
@settings(max_examples=500)
def test_s7(body: bytes, own: bytes) -> None:
    made = driver(FedS7, s7_answer(body, own))
    expect(made.fetch(Area("DB", 1), 0, 6), lambda data: len(data) == 6)
    expect(made.store(Area("DB", 1), 0, 2, b"\0\1"), lambda done: done is None)
    expect(made.identify(), lambda identity: isinstance(identity, Identity))
    expect(made.shake_hands(), lambda done: done is None)


@given(st.binary(max_size=80))
@settings(max_examples=300)
def test_s7_system_lists(data: bytes) -> None:
    """Userdata answers, of which the parameters are as they should be."""
    parameters = bytes.fromhex("000112081284010000000000")

    def answer(request: bytes) -> bytes:
        body = struct.pack(">HH", len(parameters), len(data)) + parameters + data
        payload = request[4:7] + b"\x32\x07\0\0" + request[11:13] + body
        return struct.pack(">BBH", 3, 0, len(payload) + 4) + payload

    expect(driver(FedS7, answer).identify(), lambda identity: isinstance(identity, Identity))


@pytest.mark.parametrize("measure", [modbus._measure, s7._measure, opcua_session._measure])
@given(data=st.binary(max_size=64))
@example(data=b"ACKF\x1c\0\0\0")
@example(data=b"\x03\0\0\x07")
@example(data=b"\0\1\0\0\0\x03\1")
def test_the_length_of_a_frame_is_known_or_it_is_none(measure: Callable[[bytes], int], data: bytes) -> None:
    try:
        length = measure(data)
    except ValueError:
        return
    assert 0 <= length <= 8192


def opcua_answer(results: bytes) -> bytes:
    """The bytes as the results of a ReadResponse."""
    return b"\x01\x00\x7a\x02" + struct_to_binary(ua.ResponseHeader()) + results


class _Server:
    """In place of the library's connection: answers every request with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    async def send_request(self, request: object) -> Buffer:
        return Buffer(self._answer)


def test_an_opc_ua_array_of_nothing_is_refused_before_it_fills_the_memory() -> None:
    """Six bytes that claim 2^31 elements of no bytes each; coverage-guided fuzzing found it."""
    claims = struct.pack("<iBBi", 1, 1, 0x80, 2**31 - 1) + struct.pack("<i", -1)
    made = Connection("opc.tcp://127.0.0.1:1", 1_000_000_000)
    server: Any = _Server(opcua_answer(claims))

    async def work() -> None:
        with pytest.raises(ProtocolViolation, match="2147483647 times nothing"):
            await made.call(Batch([ua.NodeId("tag", 2)]).read(server))

    asyncio.run(work())


GOOD = struct.pack("<iBBhBBh", 2, 1, 4, 7, 1, 4, 8) + struct.pack("<i", -1)


@given(
    st.binary(max_size=120)
    | st.binary(max_size=80).map(opcua_answer)
    | st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)).map(
        lambda at: opcua_answer(GOOD[: at[0]] + bytes((at[1],)) + GOOD[at[0] + 1 :])
    )
)
@example(opcua_answer(GOOD))
@settings(max_examples=500, deadline=None)
def test_opc_ua(answer: bytes) -> None:
    async def work() -> None:
        made = Connection("opc.tcp://127.0.0.1:1", 1_000_000_000)
        batch = Batch([ua.NodeId(f"tag{n}", 2) for n in range(2)])
        server: Any = _Server(answer)
        for _ in range(2):
            try:
                found = await made.call(batch.read(server))
            except GatewayError:
                return
            assert found.decoded is None or isinstance(found.decoded, list)
            assert found.numbers is None or len(found.numbers) == 2 or found.decoded is not None

    asyncio.run(work())

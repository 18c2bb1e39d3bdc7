"""The virtual controller over Modbus TCP, before clients that we did not write."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusTcpClient, ModbusTcpClient
from serve_support import ECHO, STILL, WITHIN_S, ready, serving, start

from gateway.controller.compile import compile_program
from gateway.controller.mapping import Loopback
from gateway.controller.runtime import VirtualController
from gateway.errors import DeviceRefused
from gateway.field.addresses import ModbusAddress
from gateway.field.types import TYPES, DataType, Value

SCANS_SEEN = 100  # with requests of two clients in between
ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_TARGET = 2, 3, 11


@pytest.fixture(scope="module")
def echo() -> Iterator[tuple[int, dict[str, Any]]]:
    with serving(ECHO, "modbus", "/1", "--scan", "2 ms") as served:
        yield served


@pytest.fixture(scope="module")
def client(echo: tuple[int, dict[str, Any]]) -> Iterator[ModbusTcpClient]:
    with ModbusTcpClient("127.0.0.1", port=echo[0], retries=0, timeout=WITHIN_S) as client:
        yield client


def next_scan(client: ModbusTcpClient, scans: int = 2) -> None:
    """Return after ``scans`` more scans have begun."""
    start = client.read_holding_registers(0, count=1).registers[0]
    while (client.read_holding_registers(0, count=1).registers[0] - start) & 0xFFFF < scans:
        pass


def test_inputs_reach_the_program_and_outputs_the_client(client: ModbusTcpClient) -> None:
    for number in (0, 1, -2, 32767):
        client.write_registers(1025, [number & 0xFFFF] * 4)
        client.write_coil(2048 + 20 * 8 + 3, number == 1)
        next_scan(client)
        assert client.read_holding_registers(11, count=1).registers == [number & 0xFFFF]
        assert client.read_coils(24 * 8 + 5, count=1).bits[0] is (number == 1)


def test_every_function_on_writable_memory(client: ModbusTcpClient) -> None:
    assert client.write_register(1124, 0x1234).registers == [0x1234]
    client.mask_write_register(address=1124, and_mask=0xFF00, or_mask=0x0056)
    assert client.read_holding_registers(1124, count=1).registers == [0x1256]
    answer = client.readwrite_registers(read_address=1124, read_count=2, write_address=1125, values=[7])
    assert answer.registers == [0x1256, 7]
    client.write_coils(2048 + 1000, [True, False, True] * 7)
    assert client.read_coils(2048 + 999, count=23).bits[:23] == [False] + [True, False, True] * 7 + [False]
    assert client.read_discrete_inputs(0, count=16).bits == [False] * 16
    assert client.read_input_registers(0, count=125).registers == [0] * 125


@pytest.mark.parametrize(
    ("table", "first", "count"),
    [("coil", 4090, 7), ("di", 2048, 1), ("hr", 127, 2), ("hr", 1023, 2), ("hr", 1152, 1), ("ir", 128, 1)],
)
def test_what_is_not_served_is_an_illegal_address(
    client: ModbusTcpClient, table: str, first: int, count: int
) -> None:
    read = {
        "coil": client.read_coils,
        "di": client.read_discrete_inputs,
        "hr": client.read_holding_registers,
        "ir": client.read_input_registers,
    }[table]
    answer = read(first, count=count)
    assert answer.isError()
    assert answer.exception_code == ILLEGAL_ADDRESS


def test_outputs_are_read_only(client: ModbusTcpClient) -> None:
    for answer in (
        client.write_register(0, 1),
        client.write_registers(1022, [1, 2, 3]),  # reaches from %Q's side into %M
        client.write_coil(2047, True),
        client.write_coils(2040, [True] * 16),
        client.mask_write_register(address=0, and_mask=0, or_mask=1),
        client.readwrite_registers(read_address=0, read_count=1, write_address=5, values=[1]),
    ):
        assert answer.isError()
        assert answer.exception_code == ILLEGAL_ADDRESS
    assert client.read_coils(2048, count=8).bits == [False] * 8  # nothing of a refused request was done


def test_says_who_it_is(client: ModbusTcpClient, echo: tuple[int, dict[str, Any]]) -> None:
    said = client.read_device_information(read_code=3).information
    assert said[0] == b"Twinline"
    assert said[1] == b"virtual controller"
    assert said[6] == b"Echo"
    assert said[0x80].decode() == echo[1]["sha256"]
    assert client.read_device_information(read_code=4, object_id=6).information == {6: b"Echo"}
    assert client.read_device_information(read_code=1).information.keys() == {0, 1, 2}


def test_another_unit_is_not_here(client: ModbusTcpClient) -> None:
    answer = client.read_holding_registers(0, count=1, device_id=9)
    assert answer.exception_code == NO_TARGET
    assert not client.read_holding_registers(0, count=1, device_id=255).isError()


def test_two_clients_never_see_or_make_half_a_scan(echo: tuple[int, dict[str, Any]]) -> None:
    """One writes four equal registers, the other reads what one scan writes in four places."""

    async def both() -> None:
        seen: set[int] = set()
        writer, reader = (
            AsyncModbusTcpClient("127.0.0.1", port=echo[0], retries=0, timeout=WITHIN_S) for _ in range(2)
        )
        await writer.connect()
        await reader.connect()

        async def write() -> None:
            for number in itertools.cycle(range(1000)):
                await writer.write_registers(1025, [number] * 4)

        writing = asyncio.create_task(write())
        while len(seen) < SCANS_SEEN:
            words = (await reader.read_holding_registers(0, count=101)).registers
            assert words[0] == words[3] == words[100]
            assert words[10] == 0, "the program saw a torn write"
            seen.add(words[0])
        assert not writing.done(), writing.result()
        writing.cancel()
        reader.close()
        writer.close()

    asyncio.run(both())


def test_pipelined_requests_are_answered_in_order(echo: tuple[int, dict[str, Any]]) -> None:
    """More than are worked off in one turn, in pieces that end in the middle of a frame."""
    count = 1000
    requests = b"".join(
        struct.pack(">HHHBBHH", n, 0, 6, 1, 6, 1124, n) + struct.pack(">HHHBBHH", n, 0, 6, 1, 3, 1124, 1)
        for n in range(count)
    )
    with socket.create_connection(("127.0.0.1", echo[0]), timeout=WITHIN_S) as peer:
        for at in range(0, len(requests), 4099):
            peer.sendall(requests[at : at + 4099])
        with peer.makefile("rb") as stream:
            for n in range(count):
                assert stream.read(12) == struct.pack(">HHHBBHH", n, 0, 6, 1, 6, 1124, n)
                assert stream.read(11) == struct.pack(">HHHBBBH", n, 0, 5, 1, 3, 2, n)


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\0\1\0\0\xff\xff\1\3"])
def test_who_does_not_speak_modbus_is_hung_up_on(echo: tuple[int, dict[str, Any]], junk: bytes) -> None:
    with socket.create_connection(("127.0.0.1", echo[0]), timeout=WITHIN_S) as peer:
        peer.sendall(junk)
        with contextlib.suppress(ConnectionResetError):  # closed before it had read all that was sent
            assert peer.recv(100) == b""


def test_connection_slots_are_bounded_and_given_back(echo: tuple[int, dict[str, Any]]) -> None:
    request = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 1)

    def answered(peer: socket.socket) -> bool:
        try:
            peer.sendall(request)
            return len(peer.recv(100)) == 11
        except (ConnectionResetError, BrokenPipeError):
            return False

    peers = [socket.create_connection(("127.0.0.1", echo[0]), timeout=WITHIN_S) for _ in range(40)]
    served = [answered(peer) for peer in peers]
    for peer in peers:
        peer.close()
    assert 20 <= sum(served) <= 32
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:  # the server notices each close in its own time
        with socket.create_connection(("127.0.0.1", echo[0]), timeout=WITHIN_S) as peer:
            if answered(peer):
                return
    pytest.fail("no slot was given back")


LIBMODBUS_CLIENT = r"""
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    uint16_t words[4] = {0};
    uint8_t bits[3] = {1, 0, 1};
    uint16_t values[4] = {5, 5, 5, 5};
    modbus_t *bus = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    modbus_set_slave(bus, 1);
    if (modbus_connect(bus) != 0) return 9;
    printf("%d\n", modbus_write_registers(bus, 1025, 4, values));
    printf("%d", modbus_read_registers(bus, 1025, 4, words));
    printf(" %u\n", words[3]);
    printf("%d\n", modbus_write_bits(bus, 2048 + 800, 3, bits));
    bits[0] = bits[2] = 0;
    printf("%d", modbus_read_bits(bus, 2048 + 800, 3, bits));
    printf(" %u%u%u\n", bits[0], bits[1], bits[2]);
    printf("%d\n", modbus_mask_write_register(bus, 1025, 0xFFF0, 3));
    printf("%d", modbus_write_and_read_registers(bus, 1026, 1, values, 1025, 1, words));
    printf(" %u\n", words[0]);
    printf("%d\n", modbus_read_input_registers(bus, 0, 4, words));
    printf("%d\n", modbus_read_input_bits(bus, 0, 3, bits));
    printf("%d", modbus_write_register(bus, 3, 1));
    printf(" %d\n", errno == EMBXILADD);
    printf("%d", modbus_read_registers(bus, 500, 4, words));
    printf(" %d\n", errno == EMBXILADD);
    modbus_close(bus);
    modbus_free(bus);
    return 0;
}
"""


def test_libmodbus_gets_on_with_it(echo: tuple[int, dict[str, Any]], tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc")
    if not Path("/usr/include/modbus/modbus.h").exists():
        pytest.skip("needs libmodbus-dev")
    source, program = tmp_path / "client.c", tmp_path / "client"
    source.write_text(LIBMODBUS_CLIENT)
    subprocess.run(
        [compiler, "-I/usr/include/modbus", "-o", program, source, "-lmodbus"],
        check=True,
        timeout=WITHIN_S,
    )
    done = subprocess.run(
        [program, str(echo[0])], capture_output=True, text=True, timeout=WITHIN_S, check=True
    )
    assert done.stdout.splitlines() == ["4", "4 5", "3", "3 101", "1", "1 3", "4", "3", "-1 1", "-1 1"]


def test_a_fault_turns_outputs_off_and_is_told_once(tmp_path: Path) -> None:
    text = """PROGRAM p
VAR divisor AT %MW0 : INT := 1; out AT %QW0 : INT; run AT %QX4.0 : BOOL; END_VAR
run := TRUE;
out := 10 / divisor;
END_PROGRAM
"""
    with start(tmp_path, text, "modbus", "/1", "--scan", "1 ms") as process:
        port = int(ready(process)["address"].rpartition("127.0.0.1:")[2].split("/")[0])
        with ModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=WITHIN_S) as client:
            while client.read_holding_registers(0, count=1).registers != [10]:
                pass
            client.write_register(1024, 0)
            while client.read_coils(32, count=1).bits[0]:
                pass
            for _ in range(300):  # many scans' time: it still answers, and stays off
                assert not client.write_register(1024, 1).isError()
                assert client.read_holding_registers(0, count=1).registers == [0]
        _, errors = process.communicate("", timeout=WITHIN_S)
    assert process.returncode == 0
    assert len(errors.splitlines()) == 1
    assert errors.startswith(f"{tmp_path / 'program.st'}:4: ")
    assert errors.endswith("; outputs are off\n")


# The loopback answers as the server does.


@pytest.fixture(scope="module")
def twins() -> Iterator[tuple[ModbusTcpClient, Loopback]]:
    controller = VirtualController(compile_program(STILL))
    controller.scan(0)
    with (
        serving(STILL, "modbus", "/1") as (port, _),
        ModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=WITHIN_S) as client,
    ):
        yield client, Loopback("modbus", controller.program, controller.memory)


EDGES = [
    0,
    1,
    2,
    15,
    16,
    125,
    127,
    128,
    1023,
    1024,
    1030,
    1148,
    1151,
    1152,
    2040,
    2047,
    2048,
    2051,
    4095,
    4096,
]
INDICES = st.one_of(st.sampled_from(EDGES), st.integers(0, 65000))
WIDE = [kind for kind in TYPES.values() if kind.bits >= 16]


def values(kind: DataType) -> st.SearchStrategy[Value]:
    if kind.kind == "bool":
        return st.booleans()
    if kind.kind == "real":
        return st.floats(width=32 if kind.bits == 32 else 64, allow_nan=False, allow_infinity=False)
    return st.integers(int(kind.low), int(kind.high))


@st.composite
def accesses(draw: st.DrawFn) -> tuple[ModbusAddress, DataType, Value | None]:
    """An address, a type that fits it, and a value to write or None to read."""
    table = draw(st.sampled_from(["coil", "di", "hr", "ir"]))
    bit = draw(st.integers(-1, 15)) if table in ("hr", "ir") else -1
    kind = draw(st.sampled_from(WIDE)) if table in ("hr", "ir") and bit < 0 else TYPES["BOOL"]
    value = draw(st.none() | values(kind)) if table in ("coil", "hr") else None
    return ModbusAddress(table, draw(INDICES), bit), kind, value  # type: ignore[arg-type]


def over_the_wire(
    client: ModbusTcpClient, address: ModbusAddress, kind: DataType, value: Value | None
) -> Value | str | None:
    """What a client gets: a value, None for a write that was done, or the refusal's name."""
    index = address.index
    if address.table in ("coil", "di"):
        if value is not None:
            answer = client.write_coil(index, bool(value))
            return "illegal data address" if answer.isError() else None
        read_bits = client.read_coils if address.table == "coil" else client.read_discrete_inputs
        answer = read_bits(index, count=1)
        return "illegal data address" if answer.isError() else answer.bits[0]
    read = client.read_holding_registers if address.table == "hr" else client.read_input_registers
    if value is None or address.bit >= 0:
        answer = read(index, count=max(1, kind.bits // 16))
        if answer.isError():
            assert answer.exception_code == ILLEGAL_ADDRESS
            return "illegal data address"
        words = answer.registers
        if value is None:
            if address.bit >= 0:
                return bool(words[0] >> address.bit & 1)
            return kind.unpack(struct.pack(f">{len(words)}H", *words))
        words = [words[0] & ~(1 << address.bit) | bool(value) << address.bit]
    else:
        data = kind.pack(value)
        words = list(struct.unpack(f">{len(data) // 2}H", data))
    answer = client.write_registers(index, words)
    return "illegal data address" if answer.isError() else None


def looped(
    loopback: Loopback, address: ModbusAddress, kind: DataType, value: Value | None
) -> Value | str | None:
    try:
        if value is None:
            return loopback.read(address, kind)
        loopback.write(address, kind, value)
        return None
    except DeviceRefused as refused:
        return refused.code


@settings(max_examples=150, deadline=None)
@given(st.lists(accesses(), max_size=12))
def test_loopback_and_server_agree(
    twins: tuple[ModbusTcpClient, Loopback], sequence: list[tuple[ModbusAddress, DataType, Value | None]]
) -> None:
    client, loopback = twins
    for first in (1024, 1088):  # the same start for each example
        client.write_registers(first, [0] * 64)
        for index in range(first, first + 64):
            loopback.write(ModbusAddress("hr", index), TYPES["WORD"], 0)
    for address, kind, value in sequence:
        wire = over_the_wire(client, address, kind, value)
        loop = looped(loopback, address, kind, value)
        assert wire == loop or (wire != wire and loop != loop)  # NaN, read where no REAL was written

"""For tests of the drivers: tags of a device, devices that we did not write, and devices that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop

from gateway.field.addresses import Protocol
from gateway.field.drivers.base import Driver
from gateway.field.entries import TagEntry, compile_tags
from gateway.field.tags import Tag
from gateway.field.types import Value

GUARD_S = 60.0  # a test that hangs fails after this
PATIENT_NS = 3_600_000_000_000  # a time-out that no test waits for: what fails under it failed by itself
BRISK_NS = 200_000_000  # the time-out that is waited for, where silence is the point

_Result = TypeVar("_Result")


def run(work: Coroutine[Any, Any, _Result], uv: bool = False) -> _Result:
    """Run ``work`` on a loop of its own (``uv``: the one that a gateway runs on); a hang is a failure."""

    async def guarded() -> _Result:
        async with asyncio.timeout(GUARD_S):
            return await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uv else None) as runner:
        return runner.run(guarded())


def tags_for(
    protocol: Protocol, inputs: Mapping[str, tuple[str, str]], outputs: Mapping[str, tuple[str, str]]
) -> dict[str, Tag]:
    """Checked tags from name: (type, address)."""
    problems: list[str] = []
    entries = [
        TagEntry(direction, kind, address, safe=safe, name=name)  # type: ignore[arg-type]
        for direction, safe, group in (("input", "0", inputs), ("output", None, outputs))
        for name, (kind, address) in group.items()
    ]
    tags = compile_tags(entries, {"plc": protocol}, lambda line, what, hint: problems.append(what))
    assert not problems, problems
    return tags


async def read_until(driver: Driver, image: dict[str, Value], wanted: Mapping[str, Value]) -> None:
    """Read into ``image`` until it is as ``wanted``; the guard of ``run`` bounds it."""
    while any(image.get(name) != value for name, value in wanted.items()):
        image |= await driver.read()


# --- devices that misbehave ----------------------------------------------------------------------------

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(*handlers: Handler) -> AsyncIterator[int]:
    """A TCP server on a free port: connection n is given to handler n, the last one takes the rest."""
    left = list(handlers)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        handler = left.pop(0) if len(left) > 1 else left[0]
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for task in tasks:
            task.cancel()
        server.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes all and says nothing, until the other side goes."""
    while await reader.read(4096):
        pass


async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes at the first byte."""
    await reader.read(1)


async def babbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with what is no protocol at all."""
    await reader.read(4096)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await mute(reader, writer)


# --- devices that we did not write ---------------------------------------------------------------------


@contextlib.contextmanager
def process(*command: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server that prints its port when it is ready and ends with its standard input."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line, f"{command} did not start"
            yield server, int(line)
        finally:
            server.kill()


LIBMODBUS_SERVER = r"""
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <unistd.h>
int main(int argc, char **argv) {
    int registers = argc > 1 ? atoi(argv[1]) : 300;
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(2000, 2000, registers, registers);
    int listener = modbus_tcp_listen(ctx, 4), connection;
    struct sockaddr_in name; socklen_t size = sizeof name;
    if (!ctx || !map || listener < 0) return 1;
    for (int n = 0; n < 2000; n++) map->tab_input_bits[n] = n % 3 == 0;
    for (int n = 0; n < registers; n++) map->tab_input_registers[n] = n * 257;
    getsockname(listener, (struct sockaddr *)&name, &size);
    printf("%d\n", ntohs(name.sin_port)); fflush(stdout);
    for (;;) {
        uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
        if ((connection = modbus_tcp_accept(ctx, &listener)) < 0) return 2;
        for (;;) {
            int length = modbus_receive(ctx, query);
            if (length < 0) break;
            if (length > 0 && modbus_reply(ctx, query, length, map) < 0) break;
        }
        modbus_close(ctx); (void)connection;
    }
}
"""


def libmodbus_server(folder: Path) -> str:
    """The path of a compiled Modbus server over libmodbus (argument: how many registers, 300 when left out).

    It serves one connection at a time. Skips where libmodbus is not installed.
    """
    if shutil.which("gcc") is None or not Path("/usr/include/modbus/modbus.h").exists():
        pytest.skip("needs gcc and libmodbus-dev")
    source, binary = folder / "server.c", folder / "server"
    source.write_text(LIBMODBUS_SERVER)
    subprocess.run(
        ["gcc", "-O1", "-I/usr/include/modbus", str(source), "-o", str(binary), "-lmodbus"], check=True
    )
    return str(binary)


SNAP7_SERVER = """
import logging, sys
from snap7.server import Server
from snap7.type import SrvArea
from rig.ports import free_ports
logging.disable(logging.CRITICAL)
(port,) = free_ports(1)
server = Server(log=False)
data = bytearray(range(200)) + bytearray(100)
server.register_area(SrvArea.DB, 1, data)
server.register_area(SrvArea.MK, 0, bytearray(64))
server.register_area(SrvArea.PA, 0, bytearray(range(64)))
server.start_to("127.0.0.1", port)
print(port, flush=True)
sys.stdin.read()
server.stop()
"""

ASYNCUA_SERVER = """
import asyncio, logging, sys
from asyncua import Server, ua
logging.disable(logging.CRITICAL)
async def main():
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    space = await server.register_namespace("urn:test")
    objects = server.nodes.objects
    for kind in ("Boolean", "Byte", "SByte", "Int16", "UInt16", "Int32", "UInt32", "Float", "Double"):
        value = False if kind == "Boolean" else 0
        node = await objects.add_variable(
            ua.NodeId(kind, space), kind, ua.Variant(value, ua.VariantType[kind]))
        await node.set_writable()
    number = ua.Variant(7, ua.VariantType.Int16)
    await objects.add_variable(ua.NodeId("fixed", space), "fixed", number)
    await objects.add_variable(ua.NodeId("text", space), "text", "words")
    numbers = ua.Variant([1, 2], ua.VariantType.Int16)
    await objects.add_variable(ua.NodeId("array", space), "array", numbers)
    doubt = await objects.add_variable(ua.NodeId("doubt", space), "doubt", number)
    bad = ua.StatusCode(ua.StatusCodes.BadSensorFailure)
    await doubt.write_value(ua.DataValue(number, StatusCode=bad))
    unsure = await objects.add_variable(ua.NodeId("unsure", space), "unsure", number)
    maybe = ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue)
    await unsure.write_value(ua.DataValue(number, StatusCode=maybe))
    words = await objects.add_variable(ua.NodeId("words", space), "words", "old")
    rows = await objects.add_variable(ua.NodeId("rows", space), "rows", numbers)
    for each in (words, rows):
        await each.set_writable()
    for node, number in ((11705, 3), (11707, 2)):  # MaxNodesPerRead, MaxNodesPerWrite
        await server.get_node(ua.NodeId(node)).write_value(ua.Variant(number, ua.VariantType.UInt32))
    await server.start()
    print(server.bserver._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop()
asyncio.run(main())
"""


def snap7_server() -> contextlib.AbstractContextManager[tuple[subprocess.Popen[str], int]]:
    """python-snap7's own server: DB1 of 300 bytes (0, 1, …), M of 64, Q of 64 (0, 1, …)."""
    return process(sys.executable, "-c", SNAP7_SERVER)


def asyncua_server() -> contextlib.AbstractContextManager[tuple[subprocess.Popen[str], int]]:
    """asyncua's own server: a writable variable per type, and some that cannot be used."""
    return process(sys.executable, "-c", ASYNCUA_SERVER)

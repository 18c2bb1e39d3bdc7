"""What serving a controller's memory costs its process, beside the servers of the client libraries.

CPU time, not elapsed time: of the server's process alone, under one client that asks again at each answer.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
REQUESTS = 10_000
IDLE_S = 3.0

# 20 tags, all outputs changing at every scan.
PROGRAM = "\n".join(
    ["PROGRAM Bench", "VAR"]
    + [f"i{n} AT %MW{n} : INT; o{n} AT %QW{n} : INT;" for n in range(10)]
    + ["END_VAR"]
    + [f"o{n} := o{n} + INT#1 + i{n};" for n in range(10)]
    + ["END_PROGRAM"]
)

PYMODBUS_SERVER = """
import asyncio
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
async def main():
    bits = [SimData(0, values=[False] * 2048, datatype=DataType.BITS)]
    words = [SimData(0, values=[0] * 1152, datatype=DataType.REGISTERS)]
    server = ModbusTcpServer(SimDevice(id=1, simdata=(bits, bits, words, words)), address=("127.0.0.1", %d))
    await server.serve_forever(background=True)
    print("{}", flush=True)
    await asyncio.Event().wait()
try:
    import uvloop
    uvloop.run(main())
except ImportError:
    asyncio.run(main())
"""

SNAP7_SERVER = """
import threading
from snap7.server import Server
from snap7.type import SrvArea
server = Server(log=False)
server.host = "127.0.0.1"
server.register_area(SrvArea.DB, 2, bytearray(256))
server.start(%d)
print("{}", flush=True)
threading.Event().wait()
"""

ASYNCUA_START = """
import asyncio, time
from asyncua import Server
async def main():
    begin = time.process_time()
    await Server().init()
    print(time.process_time() - begin)
asyncio.run(main())
"""
OUR_START = """
import asyncio, time
from gateway.controller.compile import compile_program
from gateway.controller.runtime import VirtualController
from gateway.controller.servers.addresses import read_address
from gateway.controller.servers.build import make_server
async def main():
    program = compile_program("PROGRAM p VAR a AT %MW0 : INT; END_VAR a := a; END_PROGRAM")
    controller = VirtualController(program)
    server = make_server(read_address("opc.tcp://127.0.0.1:0"), controller)
    begin = time.process_time()
    await server.start()
    print(time.process_time() - begin)
    await server.stop()
asyncio.run(main())
"""

MODBUS_READ = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 20)
S7_CONNECT = bytes.fromhex("0300001611e00000000100c0010ac1020100c2020101")
S7_SETUP = bytes.fromhex("0300001902f08032010000000100080000f0000001000101e0")
S7_READ = bytes.fromhex("0300001f02f080320100000002000e00000401120a10020064000284000000")


def cpu_s(pid: int) -> float:
    """CPU time that a process's threads have used, to the nanosecond as the scheduler counts it."""
    return (
        sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    )


@contextmanager
def _process(command: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            yield process.pid, json.loads(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def _ours(scheme: str, path: str) -> Iterator[tuple[int, int]]:
    with tempfile.NamedTemporaryFile("w", suffix=".st") as program:
        program.write(PROGRAM)
        program.flush()
        command = [sys.executable, "-m", "gateway.controller.serve", program.name]
        with _process([*command, "--address", f"{scheme}://127.0.0.1:0{path}"]) as (pid, said):
            yield pid, int(said["address"].rpartition("127.0.0.1:")[2].split("/")[0])


@contextmanager
def _theirs(code: str) -> Iterator[tuple[int, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with _process([sys.executable, "-c", code % port]) as (pid, _):
        yield pid, port


def _per_request_us(pid: int, port: int, request: bytes, size: int, hello: tuple[bytes, ...] = ()) -> float:
    """Server CPU of one request, less what the process uses anyway (its scans)."""
    idle_from, begin = cpu_s(pid), time.monotonic()
    time.sleep(IDLE_S)
    idle = (cpu_s(pid) - idle_from) / (time.monotonic() - begin)
    with socket.create_connection(("127.0.0.1", port)) as peer, peer.makefile("rb") as stream:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for each in hello:
            peer.sendall(each)
            head = stream.read(4)
            stream.read(struct.unpack(">H", head[2:])[0] - 4)
        used, begin = cpu_s(pid), time.monotonic()
        for _ in range(REQUESTS):
            peer.sendall(request)
            assert len(stream.read(size)) == size
        return (cpu_s(pid) - used - idle * (time.monotonic() - begin)) / REQUESTS * 1e6


def _scan_us(pid: int) -> float:
    """CPU of one 10 ms scan with nobody connected: waking, scanning and publishing."""
    used, begin = cpu_s(pid), time.monotonic()
    time.sleep(IDLE_S)
    return (cpu_s(pid) - used) / ((time.monotonic() - begin) / 0.01) * 1e6


def _start_s(code: str) -> float:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return float(done.stdout.split()[-1])


def _row(name: str, figure: float, unit: str, peer: str, theirs: float, most: float) -> dict[str, Any]:
    ratio = figure / theirs
    return {
        "name": name,
        "figure": round(figure, 1),
        "unit": unit,
        "peer": f"{peer}: {theirs:.1f}",
        "ratio": round(ratio, 2),
        "gate": f"<= {most}",
        "met": ratio <= most,
    }


def rows() -> list[dict[str, Any]]:
    """The figures, each beside its peer in this run."""
    hello = (S7_CONNECT, S7_SETUP)
    with _ours("modbus", "/1") as (pid, port):
        modbus, modbus_scan = _per_request_us(pid, port, MODBUS_READ, 49), _scan_us(pid)
    with _theirs(PYMODBUS_SERVER) as (pid, port):
        pymodbus = _per_request_us(pid, port, MODBUS_READ, 49)
    with _ours("s7", "/0/1") as (pid, port):
        s7 = _per_request_us(pid, port, S7_READ, 125, hello)
    with _theirs(SNAP7_SERVER) as (pid, port):
        snap7 = _per_request_us(pid, port, S7_READ, 125, hello)
    with _ours("opc.tcp", "") as (pid, _):
        opcua_scan = _scan_us(pid)
    return [
        _row("Modbus: server CPU, read of 20 registers", modbus, "us", "pymodbus server", pymodbus, 0.7),
        _row("S7: server CPU, read of 100 bytes", s7, "us", "python-snap7 server", snap7, 1.0),
        _row(
            "OPC UA: CPU of a scan, 10 of 20 tags changing", opcua_scan, "us", "over Modbus", modbus_scan, 5.0
        ),
        _row(
            "OPC UA: CPU until it accepts", _start_s(OUR_START) * 1e3, "ms",
            "asyncua init alone", _start_s(ASYNCUA_START) * 1e3, 1.0,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    for row in rows():
        print(json.dumps(row))

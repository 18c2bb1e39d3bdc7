"""`twinline probe` against controllers, servers that we did not write, and what is no controller at all."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import re
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers_support import (
    Handler,
    asyncua_server,
    babbling,
    libmodbus_server,
    listening,
    mute,
    process,
    rude,
    run,
    snap7_server,
)
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from serve_support import serving
from typer.testing import CliRunner

from gateway.field.probe.probe import probe
from gateway.field.probe.report import Report
from rig.cli import app

TIMEOUT_NS = 5_000_000_000
BRISK_NS = 100_000_000
SCHEMES = {"modbus": "/1", "s7": "/0/1", "opc.tcp": ""}

CELL = """
PROGRAM Cell
VAR
    lamp AT %QX0.0 : BOOL := TRUE;  speed AT %QW1 : INT := 1275;  level AT %QD1 : REAL := 12.5;
    go AT %MX20.3 : BOOL;  target AT %MW4 : INT;
END_VAR
lamp := lamp; speed := speed; level := level;
END_PROGRAM
"""


@pytest.fixture(scope="module", params=SCHEMES)
def cell(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    with serving(CELL, request.param, SCHEMES[request.param]) as (port, _):
        yield request.param, port


def ask(url: str, *expected: str, timeout_ns: int = TIMEOUT_NS) -> Report:
    return run(probe(url, expected, timeout_ns))


def column(report: Report, section: str, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(record[name] for name in names) for record in report.sections[section]]


# --- virtual controllers ---------------------------------------------------------------------------------


class Proxy:
    """Passes bytes on to ``target``; remembers what was sent there and how many connections there were."""

    def __init__(self, target: int) -> None:
        self.sent = bytearray()
        self.at_once = self.most = self.made = 0
        self._target = target

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.at_once += 1
        self.made += 1
        self.most = max(self.most, self.at_once)
        there, back = await asyncio.open_connection("127.0.0.1", self._target)

        async def answers() -> None:
            while data := await there.read(65536):
                writer.write(data)
            writer.close()

        answering = asyncio.create_task(answers())
        try:
            while data := await reader.read(65536):
                self.sent += data
                back.write(data)
        finally:
            self.at_once -= 1
            back.close()
            answering.cancel()


@contextlib.asynccontextmanager
async def watched(port: int) -> AsyncIterator[tuple[int, Proxy]]:
    proxy = Proxy(port)
    async with listening(proxy) as own:
        yield own, proxy


def test_it_only_reads_on_one_connection_at_a_time_and_frees_it(cell: tuple[str, int]) -> None:
    scheme, port = cell

    async def work() -> None:
        async with watched(port) as (own, proxy):
            report = await probe(f"{scheme}://127.0.0.1:{own}{SCHEMES[scheme]}", (), TIMEOUT_NS)
            assert report.answered, report.reason
            assert report.reason == ""
            while proxy.at_once:  # the other end sees the close a moment later
                await asyncio.sleep(0)
            assert proxy.most == 1
            assert proxy.made == (2 if scheme == "opc.tcp" else 1)  # its hello is a connection of its own
            asked = set(functions(scheme, bytes(proxy.sent)))
            assert READ[scheme] in asked <= READING[scheme]

    run(work())


READ = {"modbus": 3, "s7": 0x04, "opc.tcp": 631}
READING: dict[str, set[int]] = {
    "modbus": {1, 2, 3, 4, 43},
    "s7": {0xF0, 0x04, 0x107},  # set up, read, and questions about itself
    # OpenSecureChannel, CloseSecureChannel, GetEndpoints, CreateSession, ActivateSession, CloseSession,
    # Browse, Read
    "opc.tcp": {446, 452, 428, 461, 467, 473, 527, 631},
}


def functions(scheme: str, sent: bytes) -> Iterator[int]:
    """What was asked of the device, by the protocol's own numbers."""
    at = 0
    while at < len(sent):
        if scheme == "modbus":
            yield sent[at + 7]
            at += 6 + int.from_bytes(sent[at + 4 : at + 6], "big")
        elif scheme == "s7":
            pdu = sent[at + 7 : at + int.from_bytes(sent[at + 2 : at + 4], "big")]
            if sent[at + 5] == 0xF0:
                yield 0x107 if pdu[1] == 7 else pdu[10]
            at += int.from_bytes(sent[at + 2 : at + 4], "big")
        else:
            kind, size = sent[at : at + 3], int.from_bytes(sent[at + 4 : at + 8], "little")
            if kind in (b"MSG", b"CLO"):
                yield int.from_bytes(sent[at + 26 : at + 28], "little")
            at += size


def test_a_modbus_controller() -> None:
    with serving(CELL, "modbus", "/1") as (port, _):
        report = ask(f"modbus://127.0.0.1:{port}/1", "hr:1=127.5", "hr:3:REAL=12.5", "coil:0=true")
        other = ask(f"modbus://127.0.0.1:{port}/7")
    assert report.answered
    assert report.requests < 200
    assert ("vendor", "Twinline") in column(report, "identity", "what", "says")
    assert column(report, "tables", "table", "first", "last", "cells_per_read") == [
        ("hr", 0, 127, "125"), ("hr", 1024, 1151, "125"), ("ir", 0, 127, "125"),
        ("coil", 0, 4095, "2000"), ("di", 0, 2047, "2000"),
    ]  # fmt: skip
    assert column(report, "expected", "address", "type", "order", "factor", "note") == [
        ("hr:1", "INT", "ABCD", 10, ""), ("hr:1", "UINT", "ABCD", 10, ""),
        ("hr:2", "REAL", "ABCD", 1, "one lower than expected"),
        ("coil:0", "BOOL", "-", 1, ""),
    ]  # fmt: skip
    assert column(report, "other units that answer", "unit") == [(255,), (0,)]
    assert not other.answered
    assert other.reason == "unit 7 does not answer (gateway target device failed to respond)"
    assert f"unit 1 answers: write modbus://127.0.0.1:{port}/1" in other.advice


def test_an_s7_controller() -> None:
    with serving(CELL, "s7", "/0/1") as (port, _):
        report = ask(f"s7://127.0.0.1:{port}/0/1", "DB2.DBD4=12.5", "DB2.DBW2=1275", "DB2.DBX0.0=1")
        other = ask(f"s7://127.0.0.1:{port}/0/2")
    assert report.answered
    assert ("pdu", "480") in column(report, "identity", "what", "says")
    assert ("program", "Cell") in column(report, "identity", "what", "says")
    assert column(report, "areas", "area", "bytes") == [
        ("I", 256), ("Q", 256), ("M", 256), ("DB1", 256), ("DB2", 256), ("DB3", 96),
    ]  # fmt: skip
    assert column(report, "expected", "type", "order", "factor") == [
        ("REAL", "ABCD", 1), ("INT", "ABCD", 1), ("UINT", "ABCD", 1), ("BOOL", "-", 1),
    ]  # fmt: skip
    assert not other.answered
    assert "closed the connection; rack and slot may be wrong" in other.reason
    assert other.advice == [f"rack 0, slot 1 answers: write s7://127.0.0.1:{port}/0/1"]


def test_an_opc_ua_controller() -> None:
    with serving(CELL, "opc.tcp") as (port, said):
        report = ask(
            f"opc.tcp://127.0.0.1:{port}", "/Objects/2:Cell/2:level=12.5", "ns=2;s=Cell.lamp=false",
            "ns=2;s=Cell.speed=127.5",
        )  # fmt: skip
    assert report.answered
    assert column(report, "endpoints", "policy", "mode", "users") == [("None", "None", "Anonymous")]
    assert ("state", "Running") in column(report, "server", "what", "says")
    assert ("build", said["sha256"]) in column(report, "server", "what", "says")
    assert ("MaxNodesPerRead", 10000) in column(report, "limits", "what", "value")
    assert ("    level", "ns=2;s=Cell.level", "Float", "12.5") in [
        ("  " + name, *rest) for name, *rest in column(report, "tree", "name", "node", "type", "value")
    ]
    assert column(report, "expected", "expected", "held", "type", "factor") == [
        ("/Objects/2:Cell/2:level=12.5", "Float", "REAL", 1),
        ("ns=2;s=Cell.speed=127.5", "Int16", "INT", 10),
    ]
    assert report.advice == ["ns=2;s=Cell.lamp=false: the variable is Boolean True"]


# --- servers that we did not write -----------------------------------------------------------------------


def test_libmodbus(tmp_path: Path) -> None:
    """It takes half a second to refuse the question who it is, and knows no other unit."""
    with process(libmodbus_server(tmp_path)) as (_, port):
        report = ask(f"modbus://127.0.0.1:{port}/1", "ir:2=514", "di:3=1")
    assert report.answered
    assert column(report, "tables", "table", "first", "last", "cells_per_read") == [
        ("hr", 0, 299, "125"), ("ir", 0, 299, "125"), ("coil", 0, 1999, "2000"), ("di", 0, 1999, "2000"),
    ]  # fmt: skip
    assert ("INT", "ABCD", 1) in column(report, "expected", "type", "order", "factor")
    assert column(report, "identity", "says") == [("not served (function 43/14)",)]


def test_pymodbus_with_a_table_that_it_has_not() -> None:
    async def work() -> Report:
        device = SimDevice(id=1, simdata=[SimData(100, values=[7] * 50, datatype=DataType.REGISTERS)])
        server = ModbusTcpServer(device, address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        try:
            port = server.transport.sockets[0].getsockname()[1]
            return await probe(f"modbus://127.0.0.1:{port}/1", (), TIMEOUT_NS)
        finally:
            await server.shutdown()

    report = run(work())
    assert ("hr", 100, 149, "at least 50") in column(
        report, "tables", "table", "first", "last", "cells_per_read"
    )


def test_snap7() -> None:
    with snap7_server() as (_, port):
        report = ask(f"s7://127.0.0.1:{port}/0/1", "DB1.DBD16:DWORD=269554195")
    assert report.answered
    assert ("DB1", 300) in column(report, "areas", "area", "bytes")
    assert ("M", 64) in column(report, "areas", "area", "bytes")
    assert any(str(says).startswith("6ES7") for (says,) in column(report, "identity", "says"))
    assert ("DWORD", "ABCD", 1) in column(report, "expected", "type", "order", "factor")


def test_asyncua() -> None:
    with asyncua_server() as (_, port):
        report = ask(f"opc.tcp://127.0.0.1:{port}", "ns=2;s=fixed=7", "ns=2;s=gone=1")
    assert report.answered
    assert ("MaxNodesPerRead", 3) in column(report, "limits", "what", "value")
    assert ("ns=2", "urn:test") in column(report, "name spaces", "ns", "uri")
    tree = column(report, "tree", "node", "type", "value")
    assert ("ns=2;s=fixed", "Int16", "7") in tree
    assert ("ns=2;s=doubt", "BadSensorFailure", None) in tree
    assert report.advice == ["ns=2;s=gone=1: BadNodeIdUnknown"]


# --- what refuses, and what is no controller -------------------------------------------------------------


def tpkt(payload: bytes) -> bytes:
    return struct.pack(">BBH", 3, 0, len(payload) + 4) + payload


def refusing_cpu(code: int, error: int) -> Handler:
    """A CPU that connects, and refuses every read with an item's ``code`` or a header's ``error``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def frame() -> bytes:
            head = await reader.readexactly(4)
            return await reader.readexactly(int.from_bytes(head[2:], "big") - 4)

        await frame()
        writer.write(tpkt(bytes.fromhex("06d00001000200")))
        while True:
            request = (await frame())[3:]
            parameters, data, refusal = b"\x04\x01", struct.pack(">BBH", code, 0, 0), error
            if request[1] == 7:
                parameters, data, refusal = b"", b"", 0x8104
            elif request[10] == 0xF0:
                parameters, data, refusal = struct.pack(">BBHHH", 0xF0, 0, 1, 1, 240), b"", 0
            elif refusal:
                parameters = data = b""
            head = struct.pack(">BBHHHHH", 0x32, 3, 0, 0, len(parameters), len(data), refusal)
            pdu = head[:4] + request[4:6] + head[6:] + parameters + data
            writer.write(tpkt(b"\x02\xf0\x80" + pdu))

    return serve


@pytest.mark.parametrize(
    ("code", "error", "slot", "setting"),
    [
        (3, 0, 1, "Permit access with PUT/GET communication"),
        (0xFF, 0x8104, 1, "Permit access with PUT/GET communication"),
        (0x0A, 0, 1, "Optimized block access"),
        (3, 0, 2, "S7-300 and S7-400: set 'Protection'"),
        (0x0A, 0, 2, "S7-300 and S7-400: no data block that was asked for is loaded"),
    ],
)
def test_a_cpu_that_refuses_is_told_by_the_setting_to_change(
    code: int, error: int, slot: int, setting: str
) -> None:
    async def work() -> Report:
        async with listening(refusing_cpu(code, error)) as port:
            return await probe(f"s7://127.0.0.1:{port}/0/{slot}", (), TIMEOUT_NS)

    report = run(work())
    assert report.answered
    assert "areas" not in report.sections
    assert all(("S7-300" in line) is (slot == 2) for line in report.advice), report.advice
    assert any(setting in line for line in report.advice), report.advice


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("manner", "reason", "timeout_ns"),
    [
        (mute, "silent for 100 ms", BRISK_NS),
        (rude, "closed the connection", TIMEOUT_NS),
        (babbling, "something answers, but not .*HTTP", TIMEOUT_NS),
    ],
    ids=["mute", "rude", "babbling"],
)
def test_what_is_no_controller_is_told_apart(
    scheme: str, manner: Handler, reason: str, timeout_ns: int
) -> None:
    async def work() -> Report:
        async with listening(manner) as port:
            return await probe(f"{scheme}://127.0.0.1:{port}{SCHEMES[scheme]}", (), timeout_ns)

    report = run(work())
    assert not report.answered
    assert re.search(reason, report.reason), report.reason
    assert report.requests <= 8


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_web_server_is_no_controller(scheme: str) -> None:
    """Python's own; it waits for the end of a line, so to some of this it says nothing at all."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    serving_it = threading.Thread(target=server.serve_forever)
    serving_it.start()
    try:
        report = ask(f"{scheme}://127.0.0.1:{server.server_port}{SCHEMES[scheme]}", timeout_ns=BRISK_NS)
    finally:
        server.shutdown()
        server.server_close()
        serving_it.join()
    assert not report.answered
    assert "silent" in report.reason or "something answers, but not" in report.reason


def test_a_device_that_is_slow_is_left_when_the_time_is_over() -> None:
    async def work() -> Report:
        async with listening(mute) as port:
            return await probe(f"modbus://127.0.0.1:{port}/1", (), 3_600_000_000_000, within_s=0.05)

    report = run(work())
    assert (report.answered, report.reason) == (False, "stopped after 0.05 s")


# --- the command -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_closed_port_is_exit_status_1_in_plain_words(scheme: str) -> None:
    async def closed() -> int:
        async with listening(mute) as port:
            return port

    done = CliRunner().invoke(app, ["probe", f"{scheme}://127.0.0.1:{run(closed())}"])
    assert done.exit_code == 1
    assert "refuses the connection: nothing listens at that port" in done.output


def test_json_for_programs(cell: tuple[str, int]) -> None:
    scheme, port = cell
    done = CliRunner().invoke(app, ["probe", f"{scheme}://127.0.0.1:{port}{SCHEMES[scheme]}", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert report["answered"] is True
    assert report["protocol"] == ("opcua" if scheme == "opc.tcp" else scheme)
    assert {"limits", "endpoints", "tree"} <= report["sections"].keys() or "identity" in report["sections"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["http://127.0.0.1"], ["modbus://"], ["modbus://127.0.0.1/256"], ["s7://127.0.0.1/9/99"],
        ["modbus://127.0.0.1", "--expect", "hr:0"], ["modbus://127.0.0.1", "--timeout", "0 s"],
        ["opc.tcp://127.0.0.1", "--security", "Basic256"],
        ["modbus://127.0.0.1", "--security", "Basic256Sha256"],
    ],
)  # fmt: skip
def test_bad_input_says_what_would_be_right(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rig.cli import main

    monkeypatch.setattr("sys.argv", ["twinline", "probe", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "; " in capsys.readouterr().err

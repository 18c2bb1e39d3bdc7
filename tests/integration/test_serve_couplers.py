"""Remote I/O wired to a virtual controller over S7 and OPC UA: real servers, our drivers, others' clients."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncua import Client as UaClient
from drivers_support import run
from serve_support import WITHIN_S, ready, start
from snap7.client import Client
from snap7.error import S7ProtocolError
from snap7.type import Area

from gateway.field.addresses import Protocol
from gateway.field.drivers.base import Driver, TagsRefused, open_driver
from gateway.field.entries import TagEntry, compile_tags
from gateway.field.types import Value

TIMEOUT_NS = 5_000_000_000
PROGRAM = """
PROGRAM Cell
VAR
    sensor AT %IX64.3 : BOOL;  level AT %ID17 : REAL;    eye AT %IX80.0 : BOOL;   speed AT %IW41 : INT;
    lamp AT %QX65.0 : BOOL;    wanted AT %QD17 : REAL;   drive AT %QX81.0 : BOOL; turn AT %QW41 : INT;
END_VAR
lamp := sensor; wanted := level * 2.0; drive := NOT eye; turn := speed + INT#1;
END_PROGRAM
"""
ADDRESSES: dict[Protocol, dict[str, str]] = {
    "s7": {"sensor": "DB1.DBX0.3", "level": "DB1.DBD4", "lamp": "DB2.DBX1.0", "wanted": "DB2.DBD4"},
    "opcua": {name: f"ns=2;s=Cell.{name}" for name in ("eye", "speed", "drive", "turn")},
}
TYPES = {"sensor": "BOOL", "level": "REAL", "lamp": "BOOL", "wanted": "REAL",
         "eye": "BOOL", "speed": "INT", "drive": "BOOL", "turn": "INT"}  # fmt: skip
INPUTS = ("sensor", "level", "eye", "speed")


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """The addresses of the controller and of its couplers, by scheme."""
    options = ("--coupler", "s7://127.0.0.1:0/0/2?at=64", "--coupler", "opc.tcp://127.0.0.1:0?at=80",
               "--scan", "5 ms")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        process = start(Path(folder), PROGRAM, "modbus", "/1", *options)
        try:
            said = ready(process)
            yield {url.partition(":")[0]: url for url in (said["address"], *said["couplers"])}
            process.communicate("", timeout=WITHIN_S)
            assert process.returncode == 0
        finally:
            process.kill()
            process.wait()


def driver(protocol: Protocol, url: str) -> Driver:
    entries = [
        TagEntry("input" if name in INPUTS else "output", TYPES[name], address,
                 safe="0" if name in INPUTS else None, name=name)
        for name, address in ADDRESSES[protocol].items()
    ]  # fmt: skip
    problems: list[str] = []
    tags = compile_tags(entries, {"rio": protocol}, lambda _, what, hint: problems.append(f"{what}; {hint}"))
    assert problems == []
    return open_driver(url, tags, TIMEOUT_NS)


async def sees(connected: Driver, wanted: dict[str, Value]) -> None:
    image: dict[str, Value] = {}
    async with asyncio.timeout(WITHIN_S):
        while any(image.get(name) != value for name, value in wanted.items()):
            image.update(await connected.read())
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("protocol", "scheme", "rounds"),
    [
        ("s7", "s7", [({"sensor": True, "level": 1.25}, {"lamp": True, "wanted": 2.5}),
                      ({"sensor": False, "level": -1.0}, {"lamp": False, "wanted": -2.0})]),
        ("opcua", "opc.tcp", [({"eye": True, "speed": 41}, {"drive": False, "turn": 42}),
                              ({"eye": False, "speed": -3}, {"drive": True, "turn": -2})]),
    ],
)  # fmt: skip
def test_the_program_follows_what_is_written_at_the_module(
    urls: dict[str, str],
    protocol: Protocol,
    scheme: str,
    rounds: list[tuple[dict[str, Value], dict[str, Value]]],
) -> None:
    async def work() -> None:
        connected = driver(protocol, urls[scheme])
        identity = await connected.connect()
        assert (identity.vendor, identity.program, identity.program_sha256) == ("Twinline", "", "")
        told = " ".join((identity.product, *identity.details.values()))
        assert "virtual remote I/O" in told
        try:
            for written, wanted in rounds:
                await connected.write(written)
                assert await connected.read_back(list(written)) == written
                await sees(connected, wanted)
        finally:
            await connected.close()

    run(work())


def test_snap7_sees_the_module_and_not_the_controller(urls: dict[str, str]) -> None:
    client = Client()
    client.connect("127.0.0.1", 0, 2, int(urls["s7"].rpartition(":")[2].partition("/")[0]))
    try:
        assert len(client.read_area(Area.DB, 1, 0, 16)) == 16
        client.db_write(2, 0, bytearray(b"\xff\xff"))
        assert client.read_area(Area.DB, 2, 0, 1) == bytearray(1)
        with pytest.raises(S7ProtocolError, match="0x05"):
            client.read_area(Area.DB, 1, 16, 1)
        with pytest.raises(S7ProtocolError, match="0x0a"):
            client.read_area(Area.MK, 0, 0, 1)
    finally:
        client.disconnect()


def test_a_subscription_hears_what_each_scan_puts_out(urls: dict[str, str]) -> None:
    class Heard:
        def __init__(self) -> None:
            self.values: asyncio.Queue[Value] = asyncio.Queue()

        def datachange_notification(self, node: object, value: Value, data: object) -> None:
            self.values.put_nowait(value)

    async def work() -> None:
        heard = Heard()
        async with UaClient(urls["opc.tcp"]) as client, asyncio.timeout(WITHIN_S):
            subscription = await client.create_subscription(10, heard)
            await subscription.subscribe_data_change(client.get_node("ns=2;s=Cell.turn"))
            speed = client.get_node("ns=2;s=Cell.speed")
            for value in (100, 200):
                await speed.write_value(value, (await speed.read_data_type_as_variant_type()))
                while await heard.values.get() != value + 1:
                    pass

    run(work())


def test_outputs_of_the_controller_cannot_be_written_over_opc_ua(urls: dict[str, str]) -> None:
    async def work() -> None:
        problems: list[str] = []
        entry = TagEntry("input", "INT", "ns=2;s=Cell.turn", safe="0", name="turn")
        tags = compile_tags([entry], {"rio": "opcua"}, lambda _, what, hint: problems.append(what))
        connected = open_driver(urls["opc.tcp"], tags, TIMEOUT_NS)
        await connected.connect()
        try:
            with pytest.raises(TagsRefused, match="BadNotWritable"):
                await connected.write({"turn": 5})
        finally:
            await connected.close()

    run(work())

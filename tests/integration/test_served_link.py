"""The gateway as a remote I/O device, polled by foreign masters and by a virtual controller."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from asyncua import Client, ua
from asyncua.ua.uaerrors import UaStatusCodeError
from drivers_support import GUARD_S, PATIENT_NS, run
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from serve_support import ready, start

from gateway.field.addresses import Protocol
from gateway.field.entries import Dialect, TagEntry, compile_tags
from gateway.field.served import ServedLink
from gateway.field.tags import Tag
from gateway.field.types import Value
from rig.ports import free_ports

# Inputs and outputs of the module, by the names and places of this program.
PROGRAM = """
PROGRAM Io
VAR
    sensor AT %IX8.3 : BOOL;  level AT %ID3 : REAL;  lamp AT %QX9.0 : BOOL;  target AT %QD3 : REAL;
    beside AT %IX0.0 : BOOL;  both AT %QX0.0 : BOOL;
END_VAR
lamp := sensor; target := level * 2.0; both := sensor AND beside;
END_PROGRAM
"""
TAGS = {
    "sensor": ("input", "BOOL", "di:3"), "level": ("input", "REAL", "ir:2"),
    "lamp": ("output", "BOOL", "coil:8"), "target": ("output", "REAL", "hr:2"),
}  # fmt: skip
SILENCE_NS = 1_000_000_000  # is waited for; a busy machine does not fall silent for so long
SCHEME = {"modbus": "modbus", "opcua": "opc.tcp"}


def tags(protocol: Protocol, *names: str) -> dict[str, Tag]:
    problems: list[str] = []
    found = compile_tags(
        [
            TagEntry(
                direction,  # type: ignore[arg-type]
                kind,
                address if protocol == "modbus" else f"ns=2;s=Io.{name}",
                safe="0" if direction == "input" else None,
                name=name,
            )
            for name, (direction, kind, address) in TAGS.items()
            if not names or name in names
        ],
        {"io": protocol},
        lambda _, what, hint: problems.append(what),
        {"io": Dialect(served=True)},
    )
    assert problems == []
    return found


async def until(holds: Callable[[], object]) -> None:
    """The guard of ``run`` bounds it."""
    while not holds():
        await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def served(
    protocol: Protocol, port: int, *names: str, timeout_ns: int = PATIENT_NS
) -> AsyncIterator[ServedLink]:
    """A link that is served, at first without a master."""
    link = ServedLink(f"{SCHEME[protocol]}://127.0.0.1:{port}", tags(protocol, *names), timeout_ns)
    assert link.state == "closed"
    life = asyncio.create_task(link.run())
    await until(lambda: "no controller polls" in link.problem)
    assert (link.state, link.ready) == ("connecting", False)
    try:
        yield link
    finally:
        await link.close()
        assert life.done()
        assert link.state == "closed"


class Master(NamedTuple):
    """Polls the module with a library that we did not write."""

    client: AsyncModbusTcpClient | Client

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, protocol: Protocol, port: int) -> AsyncIterator[Master]:
        if protocol == "modbus":
            async with _client(port) as client:
                yield cls(client)
        else:
            async with Client(f"opc.tcp://127.0.0.1:{port}", timeout=GUARD_S) as connected:
                yield cls(connected)

    @property
    def connected(self) -> bool:
        """Whether it is, as far as the library says so."""
        return isinstance(self.client, Client) or self.client.connected

    async def read(self) -> tuple[bool, float]:
        """``sensor`` and ``level``."""
        client = self.client
        if isinstance(client, Client):
            nodes = [client.get_node(f"ns=2;s=Io.{name}") for name in ("sensor", "level")]
            sensor, level = await client.read_values(nodes)
            return sensor, level
        bits = await client.read_discrete_inputs(3, count=1)
        words = await client.read_input_registers(2, count=2)
        assert not bits.isError()
        assert not words.isError()
        found = client.convert_from_registers(words.registers, client.DATATYPE.FLOAT32)
        assert isinstance(found, float)
        return bits.bits[0], found

    async def write(self, lamp: bool, target: float) -> None:
        client = self.client
        if isinstance(client, Client):
            nodes = [client.get_node(f"ns=2;s=Io.{name}") for name in ("lamp", "target")]
            values = [ua.Variant(lamp, ua.VariantType.Boolean), ua.Variant(target, ua.VariantType.Float)]
            await client.write_values(nodes, values)
            return
        assert not (await client.write_coil(8, lamp)).isError()
        registers = client.convert_to_registers(target, client.DATATYPE.FLOAT32)
        assert not (await client.write_registers(2, registers)).isError()

    async def write_input(self) -> bool:
        """Whether the module lets its master write ``sensor``."""
        if isinstance(self.client, Client):
            try:
                await self.client.get_node("ns=2;s=Io.sensor").write_value(True)
            except UaStatusCodeError:
                return False
            return True
        return not (await self.client.write_coil(3, True)).isError()


@pytest.fixture(params=["modbus", "opcua"])
def protocol(request: pytest.FixtureRequest) -> Protocol:
    found: Protocol = request.param
    return found


def test_a_master_polls_the_gateway_until_it_ends_with_safe_values(protocol: Protocol) -> None:
    async def work() -> None:
        port = free_ports(1)[0]
        seen: list[tuple[bool, float]] = []

        async def poll(master: Master) -> None:
            with contextlib.suppress(ModbusException, OSError, UaStatusCodeError, TimeoutError):
                while True:
                    seen.append(await master.read())

        async with served(protocol, port) as link, Master.of(protocol, port) as master:
            assert not link.ready, "a connection is no poll"
            assert await master.read() == (False, 0.0)
            assert (link.state, link.ready, link.problem) == ("ready", True, "")
            assert await link.read() == {"lamp": False, "target": 0.0}
            assert await link.write({"sensor": True, "level": 2.5}) == {}
            assert await master.read() == (True, 2.5)
            await master.write(True, 7.5)
            assert await link.read() == {"lamp": True, "target": 7.5}
            assert await link.read() == {}
            if protocol == "opcua":
                assert not await master.write_input()
            polling = asyncio.create_task(poll(master))
            await until(lambda: seen)
            assert seen[-1] == (True, 2.5)
            await link.close()
            await until(lambda: polling.done() or not master.connected)
            polling.cancel()  # pymodbus waits for its time-out, though the connection has ended
            assert seen[-1] == (False, 0.0), "the last that the master saw was safe"
        assert free_ports(1)[0]
        socket.create_server(("127.0.0.1", port)).close()

    run(work())


def test_a_master_that_falls_silent_finds_safe_values() -> None:
    async def work() -> None:
        port = free_ports(1)[0]
        async with served("modbus", port, timeout_ns=SILENCE_NS) as link, Master.of("modbus", port) as master:
            await master.read()
            await link.write({"sensor": True})
            assert (await master.read())[0] is True
            await until(lambda: "no longer" in link.problem)
            assert link.state == "connecting"
            assert await link.write({"sensor": True}) is None
            assert (await master.read())[0] is False
            assert link.ready

    run(work())


def test_a_master_that_goes_is_noticed_at_once() -> None:
    """The time-out is an hour."""

    async def work() -> None:
        port = free_ports(1)[0]
        async with served("modbus", port) as link:
            async with Master.of("modbus", port) as master:
                await master.read()
                assert link.ready
            await until(lambda: not link.ready)

    run(work())


def test_what_a_master_leaves_out_is_named() -> None:
    async def work() -> None:
        port = free_ports(1)[0]
        async with served("modbus", port, timeout_ns=SILENCE_NS) as link, Master.of("modbus", port) as master:
            while not link.refused:
                await master.read()
            assert link.ready
            does_not = "; check the module's configuration in the controller"
            assert link.refused == {
                "lamp": f"the controller does not write coil:8{does_not}",
                "target": f"the controller does not write hr:2{does_not}",
            }
            await master.write(False, 0.0)
            assert link.refused == {}

    run(work())


def test_a_port_in_use_is_said_and_tried_again(protocol: Protocol) -> None:
    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            url = f"{SCHEME[protocol]}://127.0.0.1:{port}"
            link = ServedLink(url, tags(protocol), PATIENT_NS)
            life = asyncio.create_task(link.run())
            await until(lambda: f"cannot serve at {url}" in link.problem)
        await until(lambda: "no controller polls" in link.problem)
        async with Master.of(protocol, port) as master:
            await master.read()
            assert link.ready
        await link.close()
        assert life.done()

    run(work())


def test_serving_opc_ua_leaves_nothing_that_a_collection_would_walk() -> None:
    """Its half million objects would stop the gateway's loop for longer than a device's time-out."""

    async def work() -> None:
        before = len(gc.get_objects())
        async with served("opcua", free_ports(1)[0]):
            assert len(gc.get_objects()) < before + 50_000
        gc.unfreeze()

    run(work())


def test_an_address_that_cannot_be_served_is_refused() -> None:
    async def work() -> None:
        with pytest.raises(ValueError, match=r"cannot be served; write modbus://host:port/unit or opc.tcp"):
            ServedLink("s7://127.0.0.1:102/0/1", {}, PATIENT_NS)

    run(work())


def test_a_virtual_controller_polls_the_gateway_and_takes_it_for_off_when_it_is_gone(
    protocol: Protocol,
) -> None:
    async def work() -> None:
        port = free_ports(1)[0]
        poll = f"{SCHEME[protocol]}://127.0.0.1:{port}?at=8"
        with tempfile.TemporaryDirectory() as folder:
            options = ("--poll", poll, "--coupler", "modbus://127.0.0.1:0/1?at=0", "--scan", "5 ms")
            process = start(Path(folder), PROGRAM, "modbus", "/1", *options)
            try:
                said = ready(process)
                own, wired = (
                    int(url.rpartition(":")[2].split("/")[0]) for url in (said["address"], *said["couplers"])
                )
                async with served(protocol, port) as link:
                    await _follows(link, own, wired)
                await _is_off(own)
                async with served(protocol, port) as link:
                    await _follows(link, own, wired)
                process.communicate("", timeout=GUARD_S)
                assert process.returncode == 0
            finally:
                process.kill()
                process.wait()

    run(work())


async def _follows(link: ServedLink, own: int, wired: int) -> None:
    """The program's outputs follow the inputs of both its modules."""
    image: dict[str, Value] = {}

    async def seen(**wanted: Value) -> None:
        while any(image.get(name) != value for name, value in wanted.items()):
            image.update(await link.read())
            await asyncio.sleep(0.001)

    await until(lambda: link.ready)
    await link.write({"sensor": True, "level": 1.25})
    await seen(lamp=True, target=2.5)
    await link.write({"level": -1.0})
    await seen(lamp=True, target=-2.0)
    async with _client(wired) as coupler, _client(own) as plc:
        for value in (False, True):
            assert not (await coupler.write_coil(0, value)).isError()
            while (await coupler.read_discrete_inputs(0, count=1)).bits[0] is not value:
                pass
        assert (await plc.read_discrete_inputs(0, count=1)).bits[0] is True
        assert (await plc.read_discrete_inputs(67, count=1)).bits[0] is True
    assert link.refused == {}


async def _is_off(own: int) -> None:
    """The controller's input image of the polled module is off; that of the wired one stays."""
    async with _client(own) as plc:
        while (await plc.read_discrete_inputs(67, count=1)).bits[0]:
            pass
        assert (await plc.read_input_registers(6, count=2)).registers == [0, 0]
        assert (await plc.read_discrete_inputs(0, count=1)).bits[0] is True


@contextlib.asynccontextmanager
async def _client(port: int) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=GUARD_S, reconnect_delay=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()

"""Drivers among hostile devices: no wrong value, no other exception, no hang past a bound, no growth."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from collections.abc import Iterator

import pytest
from drivers_support import run, tags_for
from hostile import MANGLINGS, MANNERS, HostileDevice, Mangler, ModbusWire, S7Wire, Wire
from serve_support import serving
from storm import level, open_files, restarts, storm

from gateway.field.tags import Tag
from gateway.field.types import Value

CYCLES, OPCUA_CYCLES = 950, 100
RESTARTS = 5
GROWTH = 64 * 1024

WIRES: dict[str, type[ModbusWire] | type[S7Wire]] = {"modbus": ModbusWire, "s7": S7Wire}

STEADY = """
PROGRAM Steady
VAR lamp AT %QX0.0 : BOOL := TRUE; speed AT %QW1 : INT := 1275; level AT %QD1 : REAL := 12.5; END_VAR
lamp := lamp; speed := speed; level := level;
END_PROGRAM
"""
TRUTH: dict[str, Value] = {"lamp": True, "speed": 1275, "level": 12.5}


def steady_tags() -> dict[str, Tag]:
    kinds = {"lamp": "BOOL", "speed": "INT", "level": "REAL"}
    return tags_for("opcua", {}, {name: (kind, f"ns=2;s=Steady.{name}") for name, kind in kinds.items()})


@pytest.fixture(scope="module")
def steady() -> Iterator[int]:
    """The port of an OPC UA server whose values do not change."""
    with serving(STEADY, "opc.tcp") as (port, _):
        yield port


@pytest.mark.parametrize("protocol", WIRES)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_storm_of_hostile_answers(protocol: str, seed: int) -> None:
    async def work() -> None:
        wire: Wire = WIRES[protocol]()
        device = HostileDevice(wire, random.Random(seed))
        await device.start()
        tasks = len(asyncio.all_tasks())
        try:
            came = await storm(device, wire.url.format(device.port), level(wire, protocol), CYCLES // 2, seed)
        finally:
            await device.stop()
        assert {result.partition(":")[0] for result in came} == set(MANNERS)
        # What is proper is read, unless the machine stood still; what is hostile is not.
        proper = sum(came[f"{manner}: read"] for manner in ("well", "in pieces", "unasked"))
        stalled = sum(came[f"{manner}: lost"] for manner in ("well", "in pieces"))
        assert proper > 10 * stalled
        assert came["refused: refused"] > 0
        for manner in ("cut off", "reset", "silent", "half and silent", "late", "twice", "lie", "noise"):
            assert came[f"{manner}: read"] == 0, came
        assert len(asyncio.all_tasks()) <= tasks

    run(work(), uv=True)


def test_a_storm_between_an_opc_ua_server_and_its_driver(steady: int) -> None:
    async def work() -> None:
        mangler = Mangler(steady, random.Random(3))
        await mangler.start()
        try:
            url = f"opc.tcp://127.0.0.1:{mangler.port}"
            came = await storm(mangler, url, steady_tags(), OPCUA_CYCLES, 3, TRUTH)
        finally:
            await mangler.stop()
        assert {result.partition(":")[0] for result in came} >= set(MANGLINGS) - {"silent", "swallowed"}
        assert came["well: read"] > 0
        assert came["cut off: read"] == came["noise: read"] == 0

    run(work(), uv=True)


@pytest.mark.parametrize("protocol", WIRES)
def test_restarts(protocol: str) -> None:
    async def work() -> None:
        wire: Wire = WIRES[protocol]()
        device = HostileDevice(wire, random.Random(4))
        await device.start()
        try:
            await restarts(device, wire.url.format(device.port), level(wire, protocol), RESTARTS)
        finally:
            await device.stop()

    run(work(), uv=True)


def test_restarts_of_an_opc_ua_server(steady: int) -> None:
    async def work() -> None:
        mangler = Mangler(steady, random.Random(5))
        await mangler.start()
        try:
            await restarts(mangler, f"opc.tcp://127.0.0.1:{mangler.port}", steady_tags(), RESTARTS)
        finally:
            await mangler.stop()

    run(work(), uv=True)


@pytest.mark.parametrize("protocol", WIRES)
def test_nothing_grows(protocol: str) -> None:
    """The same storm again takes no more memory and leaves no more files open."""

    async def work() -> None:
        wire: Wire = WIRES[protocol]()
        device = HostileDevice(wire, random.Random(6))
        await device.start()
        held: list[tuple[int, int]] = []
        try:
            for _ in range(3):
                await storm(device, wire.url.format(device.port), level(wire, protocol), 100, 6)
                gc.collect()
                held.append((tracemalloc.get_traced_memory()[0], open_files()))
        finally:
            await device.stop()
        assert held[2][0] - held[1][0] < GROWTH, held
        assert held[2][1] <= held[1][1], held

    tracemalloc.start()
    try:
        run(work(), uv=True)
    finally:
        tracemalloc.stop()

"""Storms: a driver among hostile answers, and a link whose device is restarted; each value is checked."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Mapping

from drivers_support import tags_for
from hostile import MANGLINGS, MANNERS, HostileDevice, Mangler, Wire

from gateway.errors import DeviceRefused, GatewayError
from gateway.field.drivers.base import open_driver
from gateway.field.scan import Backoff, DeviceLink, LinkState
from gateway.field.tags import Tag
from gateway.field.types import Value

TIMEOUT_NS = 100_000_000
Hostile = HostileDevice | Mangler
BOUND_S = 60.0
"""No cycle may take longer, however slow the machine; it is some hundred time-outs."""
SILENT = ("silent", "late", "half and silent", "swallowed")  # each costs a time-out: fewer of them
LOUD = 12


async def storm(device: Hostile, url: str, tags: Mapping[str, Tag], cycles: int, seed: int,
                truth: Mapping[str, Value] | None = None) -> Counter[str]:  # fmt: skip
    """``cycles`` reads, most of them answered in a hostile manner; what came of them, by manner.

    A value that is delivered must be what ``device`` held at that read, or ``truth`` where that is constant;
    nothing but GatewayError may be raised.
    """
    chance = random.Random(seed)
    manners = MANNERS if isinstance(device, HostileDevice) else MANGLINGS
    weights = [1 if manner in SILENT else LOUD for manner in manners]
    driver = open_driver(url, tags, TIMEOUT_NS)
    came: Counter[str] = Counter()
    try:
        for cycle in range(cycles):
            async with asyncio.timeout(BOUND_S):
                if driver.lost.is_set() or driver.refused:
                    device.manner = "well"
                    await _connect(driver)
                device.manner = manner = chance.choices(manners, weights)[0]
                try:
                    changes = await driver.read()
                except DeviceRefused as refusal:
                    _check_none(device, getattr(refusal, "values", {}), cycle)
                    came[f"{manner}: refused"] += 1
                except GatewayError:
                    assert driver.lost.is_set(), (cycle, device.did)
                    came[f"{manner}: lost"] += 1
                else:
                    _check(device, changes, truth, cycle)
                    came[f"{manner}: read"] += 1
    finally:
        await driver.close()
    return came


def _check_none(device: Hostile, changes: Mapping[str, Value], cycle: int) -> None:
    assert changes == {}, (cycle, device.did, changes)


def _check(
    device: Hostile, changes: Mapping[str, Value], truth: Mapping[str, Value] | None, cycle: int
) -> None:
    if isinstance(device, HostileDevice):  # which holds another number at each read
        assert changes == {"level": device.held}, (cycle, device.did, changes, device.held)
    else:
        assert truth is not None
        assert changes.items() <= truth.items(), (cycle, device.did, changes)


async def _connect(driver: object) -> None:
    """Until there is a connection: what a hostile answer left behind may cost the first try."""
    while True:
        try:
            await driver.connect()  # type: ignore[attr-defined]
        except GatewayError:
            continue
        return


async def restarts(device: Hostile, url: str, tags: Mapping[str, Tag], times: int) -> None:
    """Stop the device and start it again; each time the link notices, comes back and reads what is there."""
    seen: asyncio.Queue[LinkState] = asyncio.Queue()
    link = DeviceLink(url, tags, 10 * TIMEOUT_NS, Backoff(1_000_000, 20_000_000), seen.put_nowait)
    life = asyncio.create_task(link.run())

    async def until(state: LinkState) -> None:
        while await seen.get() != state:
            pass

    try:
        for turn in range(times):
            async with asyncio.timeout(BOUND_S):
                await until("ready")
                changes = await link.read()
                assert changes.keys() == tags.keys(), (turn, changes)
                if isinstance(device, HostileDevice):
                    assert changes == {"level": device.held}
                await device.stop()
                await until("backing off")
                assert await link.read() == {}
                await device.start()
        assert link.losses >= times
    finally:
        await link.close()
        assert life.done()


def open_files() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))


def level(wire: Wire, protocol: str) -> dict[str, Tag]:
    """The number of a hostile device as a tag."""
    return tags_for(protocol, {}, {"level": ("UINT", wire.address)})  # type: ignore[arg-type]

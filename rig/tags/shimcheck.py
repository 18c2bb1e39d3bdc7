"""Whether a controller still has a shim: asked of the controller itself, and never by writing."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from gateway.errors import GatewayError
from gateway.field.drivers.base import Driver, TagsRefused, open_driver
from gateway.field.security import Access
from gateway.field.types import Value
from gateway.shim import ACTIVE, PULSE, Shim, is_stamp
from gateway.station import Station

ABSENT, PRESENT, UNKNOWN = 0, 1, 3
LISTEN = 2.5  # s: the status of a shim that is called changes once a second
EVERY = 0.05  # s
_NOT_THERE = ("illegal data address", "object does not exist", "address out of range", "BadNodeIdUnknown")


class Answer(NamedTuple):
    """Exit status and what to tell a person."""

    status: int
    text: str


async def ask(station: Station, shim: Shim) -> Answer:
    """Connect to the station's controller, read stamp and status for at most ``LISTEN`` s, and close."""
    device = station.controller
    tags = {name: station.tags[name] for name in (shim.stamp, shim.status)}
    driver = open_driver(device.address, tags, device.timeout, access=_access(station))
    try:
        await driver.connect()
        return await _listen(driver, shim)
    except GatewayError as error:
        return Answer(UNKNOWN, f"cannot say: {error}")
    finally:
        await driver.close()


def _access(station: Station) -> Access | None:
    """As the station file asks for it, with this machine's own certificate."""
    if not station.controller.secured:
        return None
    from gateway.field.probe.opcua_security import default_folder

    return station.accesses(str(default_folder()))[station.controller.name]


async def _listen(driver: Driver, shim: Shim) -> Answer:
    values: dict[str, Value] = {}
    await _read(driver, values)
    if refusal := driver.refused.get(shim.stamp):
        if refusal.code in _NOT_THERE:
            return Answer(ABSENT, f"absent: {refusal}")
        return Answer(UNKNOWN, f"cannot say: {refusal}")
    stamp = values.get(shim.stamp)
    if not isinstance(stamp, int):
        return Answer(UNKNOWN, f"cannot say: the controller has no value for {shim.stamp}")
    if stamp == 0:
        return Answer(ABSENT, f"absent: {shim.stamp} is 0")
    if not is_stamp(stamp):
        return Answer(UNKNOWN, f"cannot say: {shim.stamp} is 16#{stamp:08X}, which no shim writes there")
    current = "made from this station file" if stamp == shim.code else (
        f"made from another station file or version of it (16#{stamp:08X}, here 16#{shim.code:08X})"
    )  # fmt: skip
    return Answer(PRESENT, f"present, {current}; {await _life(driver, shim, values)}")


async def _life(driver: Driver, shim: Shim, values: dict[str, Value]) -> str:
    first, clock = values.get(shim.status), asyncio.get_running_loop().time
    ending = clock() + LISTEN
    while clock() < ending and shim.status not in driver.refused:
        await asyncio.sleep(EVERY)
        await _read(driver, values)
        now = values.get(shim.status)
        if isinstance(first, int) and isinstance(now, int) and (now ^ first) >> PULSE & 1:
            if now >> ACTIVE & 1:
                return "active: the program reads the twin's values"
            return "not active: the program reads its terminals"
    if shim.status in driver.refused:
        return f"whether it is active cannot be said: {driver.refused[shim.status]}"
    return "nothing calls it: it left its stamp in memory, or the program does not run"


async def _read(driver: Driver, values: dict[str, Value]) -> None:
    try:
        values.update(await driver.read())
    except TagsRefused as refusal:
        values.update(refusal.values)

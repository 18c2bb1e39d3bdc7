"""The last writer: where the scan has ended by an error, the safe values are still written."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping

from gateway.cell.gate import Gate
from gateway.field.types import Value
from gateway.wiring import Wiring

log = logging.getLogger("gateway")


async def drive_safe(gate: Gate, devices: Wiring, actuators: Collection[str], period: int) -> None:
    """Write, each ``period`` ns, what the devices that are there lack of their safe values, until they hold
    them; of the tags of ``gate`` these are the plant's ``actuators``.

    The cell is not asked any more: its state is that of a step that was not ended.
    """
    if gate.state == "open":
        gate.make_safe()
    while gate.state == "safing" and gate.undriven(devices.lost):
        now = time.monotonic_ns()
        writes = gate.writes(now, {}, devices.lost)
        taken, refused = await _write(devices, writes, actuators)
        gate.took(taken)
        gate.refuse([tag for tag in refused if tag in writes and tag not in taken], now)
        await asyncio.sleep(period / 1e9)


async def _write(
    devices: Wiring, writes: Mapping[str, Value], actuators: Collection[str]
) -> tuple[dict[str, Value], dict[str, str]]:
    """What came to its device, and what was refused: one that cannot even be tried keeps no other back."""
    try:
        return await devices.write(
            {tag: value for tag, value in writes.items() if tag not in actuators},
            {tag: value for tag, value in writes.items() if tag in actuators},
        )
    except Exception as error:
        if len(writes) == 1:
            log.exception("%s cannot be written", *writes)
            return {}, dict.fromkeys(writes, str(error))
    taken: dict[str, Value] = {}
    refused: dict[str, str] = {}
    for tag, value in writes.items():
        one, but = await _write(devices, {tag: value}, actuators)
        taken, refused = taken | one, refused | but
    return taken, refused

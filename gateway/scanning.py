"""The gateway's scan: devices are read, the cell takes a step, devices are written; again and again.

It keeps to an absolute schedule, and leaves out scans that it missed and those that would find nothing to do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from gateway.broadcast import Broadcast
from gateway.cell.cell import Cell, Inputs, Outputs
from gateway.field.types import Value
from gateway.hearing import Hearing
from gateway.played import rest
from gateway.sending import Sending
from gateway.wiring import Read, Wiring


class Scanning:
    """Of ``cell`` and its ``devices``. What ``hearing`` has goes in; what comes out goes to ``sending`` and
    ``broadcast``, and values that changed to ``changed`` too. ``bell`` rings when a scan may find something
    to do."""

    def __init__(
        self,
        cell: Cell,
        devices: Wiring,
        hearing: Hearing,
        sending: Sending,
        broadcast: Broadcast,
        changed: Callable[[Mapping[str, Value]], None],
        bell: asyncio.Event,
    ) -> None:
        self._cell, self._devices, self._hearing = cell, devices, hearing
        self._sending, self._broadcast, self._changed = sending, broadcast, changed
        self._bell, self._period = bell, cell.station.scan
        self._refused: dict[str, str] = {}  # by tag: what devices said to what was written there

    async def run(self) -> None:
        """Scan until cancelled."""
        cell, devices, period = self._cell, self._devices, self._period
        due, idle = time.monotonic_ns(), 0
        while True:
            now = time.monotonic_ns()
            if now < due:
                await asyncio.sleep((due - now) / 1e9)
                now = time.monotonic_ns()
            late = now - due
            # The safe values wait for no device's answer: they are written first.
            ran_out = cell.lease.expired(now)
            read = Read() if ran_out else await devices.read(cell.read_back.asked)
            now = time.monotonic_ns()
            latest = max(late, devices.late())
            out = cell.step(now, self._seen(read, latest if latest > period else 0, idle))
            self._changed(out.changed)
            self._broadcast.scanned(out, devices.times(read.outputs))
            self._sending.put(out)
            if out.writes or out.actuate:
                await self._write(out)
            await devices.look(cell.read_back.asked, due + period - time.monotonic_ns())
            due += period * (1 + max(late, 0) // period)  # a timer may end a little early: that is this scan
            idle = await self._rest(due)
            due += period * idle

    def end(self) -> None:
        """After ``run`` was cancelled: the cell takes one more step, for what it still has to say."""
        self._sending.put(self._cell.step(time.monotonic_ns(), self._seen(Read(), 0)))

    async def _rest(self, due: int) -> int:
        """Wait until a scan may find something to do; how many from ``due`` on are left out for it."""
        if self._devices.asked or self._hearing.anything:
            return 0
        following = self._cell.due()
        if following is not None and following <= due:
            return 0
        await rest(self._bell, following)
        return max(0, -((due - time.monotonic_ns()) // self._period))

    def _seen(self, read: Read, late: int, idle: int = 0) -> Inputs:
        asked, coupled = self._hearing.take()
        refused = self._refused | self._devices.refused
        lost = self._devices.lost
        return Inputs(
            read.outputs, not lost, late, time.time_ns(), self._sending.persisted, asked, coupled, refused,
            lost, self._devices.uncertain, idle, read.machine, read.held,
        )  # fmt: skip

    async def _write(self, out: Outputs) -> None:
        # What is lost is written anew when it is back.
        taken, refused = await self._devices.write(out.writes, out.actuate)
        for name in taken:
            self._refused.pop(name, None)
        self._refused.update(refused)
        self._cell.took(taken, refused.keys() - taken.keys())

"""A controller as the master: it polls an I/O module every scan, in a task of its own, beside the scan.

What it reads is latched by the next scan, what a scan puts out is written by the next poll. A module that
is not there reads as off, and is tried again without end, at most half a second apart. One that dropped its
outputs by its watchdog, while this process had no time, gets them again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

from gateway.controller.wires import Wires
from gateway.field.scan import Backoff, DeviceLink
from gateway.field.security import Access
from gateway.field.tags import Tag
from gateway.field.types import Value

SILENCE = 500_000_000
REFRESH = 100_000_000  # ns; all outputs are written so often
_BACKOFF = 50_000_000, 500_000_000


class Module(Protocol):
    """What is at the other end: ``tags`` as a driver takes them, an output is read, an input written."""

    tags: dict[str, Tag]

    def take(self, values: Mapping[str, Value]) -> None: ...
    def give(self) -> dict[str, Value]: ...
    def clear(self) -> None: ...


class Master:
    """Polls ``module`` at ``url`` every ``period_ns`` as ``access`` says; ``met`` is set once it was read."""

    def __init__(self, url: str, module: Module, period_ns: int, access: Access | None = None) -> None:
        self.module = module
        self.link = DeviceLink(url, module.tags, SILENCE, Backoff(*_BACKOFF), access=access)
        self.met = asyncio.Event()
        self._period = period_ns
        self._written: dict[str, Value] = {}
        self._refreshed = 0

    async def run(self) -> None:
        """Until cancelled; then the connection is closed."""
        life = asyncio.create_task(self.link.run())
        due = time.monotonic_ns()
        try:
            while True:
                await self._exchange()
                now = time.monotonic_ns()
                due += self._period * (1 + max(0, now - due) // self._period)
                await asyncio.sleep((due - now) / 1e9)
        finally:
            life.cancel()
            await asyncio.wait((life,))

    async def _exchange(self) -> None:
        if self.link.ready:
            self.module.take(await self.link.read())
        if not self.link.ready:
            self.module.clear()
            self._written.clear()
            return
        self.met.set()
        if (now := time.monotonic_ns()) - self._refreshed >= REFRESH:
            self._refreshed = now
            self._written.clear()
        wanted = self.module.give()
        changed = {
            name: value
            for name, value in wanted.items()
            if name not in self._written or self._written[name] != value
        }
        if changed and await self.link.write(changed) is not None:
            self._written.update(changed)


class Wired(Master):
    """The plant at ``url``, at the ends of ``wires``."""

    def __init__(self, url: str, wires: Wires, period_ns: int) -> None:
        super().__init__(url, wires, period_ns)
        self._wires = wires

    async def _exchange(self) -> None:
        self._wires.follow(time.monotonic_ns())
        await super()._exchange()

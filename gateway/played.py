"""A station's controller and devices played in this process: the same program and clock, no sockets."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from gateway.controller.compile import Program
from gateway.controller.devices import VirtualDevices
from gateway.field.drivers.base import Identity
from gateway.field.types import Value
from gateway.station import Station


class PlayedLink(NamedTuple):
    """A device that is always there."""

    identity: Identity
    ready: bool = True
    state: str = "ready"
    problem: str = ""
    losses: int = 0
    slowest_ns: int = 0


class Played:
    """Does for a gateway what ``Devices`` does, with a virtual controller in place of them.

    It scans at the station's period, and rests while no scan can change anything. ``changed`` is called when
    there may be something to read.
    """

    state = "ready"
    problem = ""

    def __init__(self, station: Station, program: Program, changed: Callable[[], None]) -> None:
        self._virtual = VirtualDevices(station, program)
        self._period, self._changed = station.scan, changed
        self._written = asyncio.Event()
        self._late = 0  # ns: by how much a scan was, at most, since that was asked for
        self.lost: dict[str, str] = {}
        self.uncertain: set[str] = set()
        self.links = {
            name: PlayedLink(_identity(device.protocol, program)) for name, device in station.devices.items()
        }

    @property
    def refused(self) -> dict[str, str]:
        """What the devices do not serve at present, by tag."""
        return self._virtual.refused

    def late(self) -> int:
        """By how much a scan was late, at most, since this was last asked for; ns."""
        late, self._late = self._late, 0
        return late

    def times(self, tags: Iterable[str]) -> Mapping[str, int]:
        """None: a controller says no times."""
        return {}

    async def run(self) -> None:
        """Scan until cancelled; on an absolute schedule that skips what it missed and what does nothing."""
        due = time.monotonic_ns()
        while True:
            now = time.monotonic_ns()
            self._late = max(self._late, now - due)
            if self._virtual.scan(now):
                self._changed()
            self._written.clear()
            following = self._virtual.due()
            if following is None or following > now:
                await rest(self._written, following)
            due += self._period * ((time.monotonic_ns() - due) // self._period + 1)
            await asyncio.sleep((due - time.monotonic_ns()) / 1e9)

    async def read(self) -> dict[str, Value]:
        """The outputs that changed."""
        return self._virtual.read()

    async def write(self, values: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, str]]:
        """Write inputs; gives what came to its device, all, and what of that was refused, by tag."""
        self._virtual.write(values)
        self._written.set()
        refused = self._virtual.refused
        return dict(values), {tag: refused[tag] for tag in values if tag in refused}

    async def read_back(self, tags: Iterable[str]) -> dict[str, Value]:
        """What the controller holds at these inputs."""
        return self._virtual.read_back(tags)

    async def close(self) -> None:
        """Nothing is open."""


async def rest(bell: asyncio.Event, until: int | None) -> None:
    """Wait until ``bell`` rings, at most until ``until`` (monotonic ns), and take it as heard."""
    if until is None:
        await bell.wait()
    else:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0, until - time.monotonic_ns()) / 1e9):
                await bell.wait()
    bell.clear()


def _identity(protocol: str, program: Program) -> Identity:
    version = importlib.metadata.version("twinline")
    return Identity(protocol, "Twinline", "virtual controller", version, program.name, program.sha256)

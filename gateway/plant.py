"""A station's plant as a process of its own behind a Modbus remote I/O module: a machine for who has none.

``python -m gateway.plant STATION.yaml --at modbus://host:port/unit`` says in JSON when it is ready; for
people it is ``twinline plant serve``.

It does not know who drives it: whoever wrote last does. When that one falls silent or hangs up, every
actuator drops, as by the watchdog of a remote I/O module. ``gateway.terminals`` says what lies where.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.errors import BadInput, Problem
from gateway.field.serving.modbus import ModbusSession, identification
from gateway.field.serving.tables import Tables
from gateway.field.serving.tcp import TcpServer
from gateway.station import Station, load_station
from gateway.terminals import terminals
from gateway.twin.faults import check_fault
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Workpiece
from gateway.units import duration, quantity

log = logging.getLogger("plant")
PERIOD = 0.002  # s; how late a sensor may show what has happened
MAX_FED = 16  # workpieces that wait before a full inlet
LENGTH = 100.0  # mm, of a workpiece of which nothing else is said
WATCHDOG = "500 ms"  # where nothing else is said
PRODUCT = "plant"
FUNCTION = 7  # where a frame has its function code
WRITING = (5, 6, 15, 16, 22, 23)


class PlantOptions(NamedTuple):
    """``watchdog`` and ``feed`` in ns; ``feed`` 0: workpieces come only when somebody puts them there.

    They are ``length`` mm long.
    """

    host: str
    port: int
    unit: int
    watchdog: int
    feed: int
    length: float = LENGTH

    @classmethod
    def of(cls, address: str, watchdog: int, feed: int, length: float = LENGTH) -> PlantOptions:
        """For ``modbus://host:port/unit``; BadInput."""
        try:
            url = urlsplit(address)
            if url.scheme != "modbus" or not url.hostname or url.port is None:
                raise ValueError
            return cls(url.hostname, url.port, int(url.path.strip("/") or 1), watchdog, feed, length)
        except ValueError:
            problem = Problem(
                "--at", 0, 0, f"{address!r} is no address of a plant", "write modbus://host:port/unit"
            )
            raise BadInput([problem]) from None


class Plant:
    """The twin of ``station`` under the wall clock. ``now`` is ns of a monotonic clock, ``length`` mm that of
    workpieces."""

    def __init__(self, station: Station, watchdog: int, now: int, length: float = LENGTH) -> None:
        self.station = station
        self.tags = terminals(station)
        self.twin = Twin(station.twin, self.tags, now)
        self.tables = Tables(self.tags.values(), lambda: None)
        self.master: Master | None = None  # who drives it
        self.made = 0
        self._watchdog, self._length = watchdog, length
        self._waiting: list[Workpiece] = []
        self._rest = {tag.name: tag.safe for tag in self.tags.values() if tag.direction == "output"}

    def step(self, now: int, connected: Collection[object]) -> None:
        """Let time pass up to ``now`` with what the master put out, and show it the sensors; ``connected``
        are those who are."""
        driving = self.tables.changes()
        master = self.master
        if master is not None and (master not in connected or now - master.heard > self._watchdog):
            self.master = None
            log.warning("the controller is gone: every actuator drops")
            self.tables.drop()
            driving = self.tables.changes() | self._rest
        self.twin.advance(now)
        for tag, value in driving.items():
            self.twin.drive(tag, value)
        self._move()
        self.tables.put(self.twin.sense())
        for happening in self.twin.happenings():
            log.info(
                "%s: %s at %s %s", happening.workpiece, happening.kind, happening.component, happening.detail
            )

    def place(self) -> str:
        """A workpiece for the inlet; why not, or nothing."""
        if self.station.inlet is None:
            return f"{self.station.id} has no inlet"
        if len(self._waiting) >= MAX_FED:
            return f"{MAX_FED} workpieces wait before the inlet already"
        self.made += 1
        self._waiting.append(Workpiece(f"real-{self.made:04d}", length=self._length))
        return ""

    def _move(self) -> None:
        """What waits comes in; what stands at the outlet is taken away."""
        inlet, outlet = self.station.inlet, self.station.outlet
        while self._waiting and inlet is not None and self.twin.carrier(inlet).admits(self._waiting[0]):
            self.twin.admit(inlet, self._waiting.pop(0))
        if outlet is not None and (done := self.twin.carrier(outlet).waiting()) is not None:
            self.twin.remove(outlet, done.id)

    def command(self, line: str) -> str:
        """What a person types: ``place``, ``inject FAULT``, ``clear FAULT``, ``reset``, ``show``."""
        word, _, rest = line.strip().partition(" ")
        match word:
            case "place":
                return self.place() or "a workpiece comes in as soon as there is room"
            case "inject" | "clear":
                return self._fault(rest.strip(), word == "inject")
            case "reset":
                return f"{len(self.twin.reset())} workpieces taken off, all faults cleared"
            case "show":
                return "\n".join(self._shown())
            case _:
                return f"{word!r} is not known; write place, inject FAULT, clear FAULT, reset or show"

    def _fault(self, fault: str, begin: bool) -> str:
        wrong = check_fault(fault, self.station.twin, self.tags)
        if wrong:
            return wrong
        self.twin.inject(fault, begin)
        return f"{fault} {'begins' if begin else 'ends'}"

    def _shown(self) -> Iterator[str]:
        yield f"{self.station.id}: " + ("stands, for nobody drives it" if self.master is None else "driven")
        for tag in self.tags.values():
            if tag.direction == "input":
                yield f"  {tag.text:<9} {tag.name} = {self.twin.sense()[tag.name]}"
        for carrier, workpiece in self.twin.contents():
            yield f"  {workpiece.id} on {carrier}"
        for fault in self.twin.active_faults():
            yield f"  fault: {fault}"


class Master(ModbusSession):
    """A connection to ``plant``."""

    def __init__(self, plant: Plant, unit: int, objects: dict[int, bytes]) -> None:
        super().__init__(plant.tables, unit, objects)
        self.heard = 0  # ns of the monotonic clock
        self._plant = plant

    def answer(self, frame: bytes) -> bytes:
        """As Modbus has it; who writes drives the plant from then on."""
        self.heard = time.monotonic_ns()
        if frame[FUNCTION] in WRITING:
            if self._plant.master is not self:
                log.info("a controller drives the plant")
            self._plant.master = self
        return super().answer(frame)


async def serve(
    station: Station,
    options: PlantOptions,
    say: Callable[[str], None],
    ready: Callable[[int], None] = lambda port: None,
) -> None:
    """Serve until SIGTERM, SIGINT or the end of standard input; ``ready`` is told the port. Raises OSError if
    that is taken."""
    plant = Plant(station, options.watchdog, time.monotonic_ns(), options.length)
    about = identification(PRODUCT, importlib.metadata.version("twinline"))
    session = partial(Master, plant, options.unit, about)
    server = TcpServer(options.host, options.port, session)
    port = await server.start()
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    for tag in plant.tags.values():
        say(f"  {tag.text:<9} {tag.type.name:<5} {tag.name}")
    say(f"plant of {station.id} at modbus://{options.host}:{port}/{options.unit}")
    ready(port)
    reading = loop.create_task(_console(plant, say, ended))
    next_part = time.monotonic_ns() if options.feed else None
    try:
        while not ended.is_set():
            now = time.monotonic_ns()
            if next_part is not None and now >= next_part:
                next_part += options.feed
                plant.place()
            plant.step(now, server.sessions)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), PERIOD)
    finally:
        reading.cancel()
        await server.stop()


async def _console(plant: Plant, say: Callable[[str], None], ended: asyncio.Event) -> None:
    """Commands from standard input, where there is one; its end ends the plant."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    except (OSError, ValueError):
        return  # a plain file or nothing at all
    while line := await reader.readline():
        said = plant.command(line.decode("utf-8", "replace"))
        if said:
            say(said)
    ended.set()


def main() -> int:
    """The command line for programs; exit status 0: ended, 2: bad input, 3: the address is not to be had."""
    parser = argparse.ArgumentParser(prog="python -m gateway.plant", description=__doc__)
    parser.add_argument("station", type=Path)
    parser.add_argument("--at", required=True, metavar="ADDRESS")
    parser.add_argument("--watchdog", default=WATCHDOG)
    parser.add_argument("--feed", default="0 s")
    parser.add_argument("--length", default=f"{LENGTH:g} mm")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")

    def ready(port: int) -> None:
        print(json.dumps({"ready": True, "port": port, "pid": os.getpid()}), flush=True)

    try:
        length = quantity(given.length, "mm")
        options = PlantOptions.of(given.at, duration(given.watchdog), duration(given.feed), length)
        asyncio.run(serve(load_station(given.station), options, log.info, ready))
    except BadInput as bad:
        print(bad, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot serve at {given.at}: {error.strerror or error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())

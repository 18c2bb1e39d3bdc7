"""One station under the wall clock at 1 ms, beside a bare timer; and how the size of a twin tells.

Late scans are reported, not gated: they say as much of the machine as of us. What grows with the number of
components is gated: an event costs no more in a twin of a thousand than in one of ten, within a factor.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from long_line import long_line

from gateway.cell.cell import Asked, Cell, Inputs
from gateway.cell.couplings import Neighbours
from gateway.controller.compile import Program
from gateway.controller.devices import VirtualDevices
from gateway.net.messages import Acquire, Feed, Pause, Renew, Run
from gateway.station import Station
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Workpiece
from rig.procedures.common import in_automatic

PERIOD = 1_000_000  # ns
SCANS, ROUNDS = 1_500, 3
COPIES = (1, 10, 85)  # of a station's twin
STROKES = 400
GROWTH = 5  # what an event may cost in the largest twin, as a multiple of the smallest


class Scanned:
    """A station that works: its controller and its cell, scanned in turn."""

    def __init__(self, station: Station, program: Program) -> None:
        self.cell, self.devices = Cell(station, Neighbours(), epoch="bench"), VirtualDevices(station, program)
        self.station, self.scans, self.ticket = station, 0, 0

    def __call__(self, now: int) -> None:
        asked: tuple[Asked, ...] = ()
        if self.scans == 0:
            asked = (Asked("bench", 1, Acquire(1_000_000_000)),)
        elif self.scans == 5:
            feed = Feed(
                self.station.inlets["main"], tuple(Workpiece(f"w-{n}", "phone", 150) for n in range(20))
            )
            actions = (*in_automatic(self.station, isolated=True), feed, Pause(600_000_000_000))
            asked = (Asked("bench", 2, Run(self.cell.lease.token, actions, ("belt-run",))),)
        elif self.scans % 200 == 0:
            asked = (Asked("bench", 0, Renew(self.cell.lease.token)),)
        self.scans += 1
        self.devices.scan(now)
        seen = Inputs(self.devices.read(), persisted=self.ticket, utc=now, asked=asked)
        out = self.cell.step(now, seen)
        self.ticket = out.ticket
        self.devices.write(out.writes)
        self.cell.took(out.writes)


async def paced(work: Callable[[int], None]) -> list[int]:
    """How late each scan began, ns."""
    late: list[int] = []
    due = time.monotonic_ns()
    for _ in range(SCANS):
        now = time.monotonic_ns()
        if now < due:
            await asyncio.sleep((due - now) / 1e9)
            now = time.monotonic_ns()
        late.append(now - due)
        work(now)
        due += PERIOD * (1 + (now - due) // PERIOD)
    return late


async def rounds(station: Station, program: Program) -> tuple[list[int], list[int]]:
    """The station and a bare timer, in turn."""
    ours, bare = list[int](), list[int]()
    scanned = Scanned(station, program)
    for _ in range(ROUNDS):
        ours += await paced(scanned)
        bare += await paced(lambda now: None)
    if scanned.cell.script is None:
        raise AssertionError("the station did not work")
    return ours, bare


def large(station: Station, copies: int) -> tuple[Twin, list[str], float]:
    """A twin of ``copies`` of the station's components side by side, its cylinders' outputs, and its memory
    in bytes."""
    specs, tags = {}, {}
    for copy in range(copies):
        for spec in station.twin.values():
            name = f"{spec.name}-{copy}"
            specs[name] = msgspec.structs.replace(
                spec,
                name=name,
                links={link: f"{other}-{copy}" for link, other in spec.links.items()},
                ports={port: f"{tag}-{copy}" for port, tag in spec.ports.items()},
            )
        for tag in station.tags.values():
            tags[f"{tag.name}-{copy}"] = msgspec.structs.replace(tag, name=f"{tag.name}-{copy}")
    tracemalloc.start()
    twin = Twin(specs, tags)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    strokes = [spec.ports["extend"] for spec in specs.values() if "extend" in spec.ports]
    return twin, strokes, size


def stroke_cost(twin: Twin, outputs: list[str]) -> float:
    """Processor time of a stroke of one cylinder with its edges, us; the best of several rounds."""
    best, level = float("inf"), False
    for _ in range(ROUNDS):
        level = not level
        began, edges = time.process_time(), 0
        for n in range(STROKES):
            twin.drive(outputs[n % len(outputs)], level != bool(n // len(outputs) % 2))
            twin.advance(twin.now + 300_000_000)
            edges += len(twin.edges())
        best = min(best, (time.process_time() - began) / STROKES * 1e6)
        if edges < STROKES:
            raise AssertionError(f"{edges} edges of {STROKES} strokes")
    return best


def row(name: str, figure: float, unit: str, peer: str, ratio: float | None, gate: str) -> dict[str, Any]:
    return {
        "name": name, "figure": round(figure, 3), "unit": unit, "peer": peer,
        "ratio": None if ratio is None else round(ratio, 2), "gate": gate, "met": True,
    }  # fmt: skip


def rows() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        line, programs = long_line(Path(folder), 2)
    name = list(line.stations)[1]
    station = msgspec.structs.replace(line.stations[name].station, scan=PERIOD)
    ours, bare = (sorted(each) for each in uvloop.run(rounds(station, programs[name])))

    def share(late: list[int]) -> float:
        return 100 * sum(each > PERIOD for each in late) / len(late)

    def p99(late: list[int]) -> float:
        return late[len(late) * 99 // 100] / 1e3

    found = [
        row("a station at 1 ms: scans over 1 ms late", share(ours), "%",
            f"a bare timer: {share(bare):.2f} %", None, "none"),
        row("a station at 1 ms: p99 of how late", p99(ours), "us", f"a bare timer: {p99(bare):.0f} us",
            p99(ours) / p99(bare), "none"),
    ]  # fmt: skip
    first = 0.0
    for copies in COPIES:
        twin, outputs, size = large(station, copies)
        count = len(twin.components)
        cost = stroke_cost(twin, outputs)
        first = first or cost
        found += [
            row(f"twin of {count} components: memory", size / 1024, "KiB",
                f"{size / 1024 / count:.1f} KiB each", None, "none"),
            row(f"twin of {count} components: a stroke", cost, "us", f"the smallest twin: {first:.0f} us",
                cost / first, "none" if cost == first else f"<= {GROWTH}"),
        ]  # fmt: skip
    return found


if __name__ == "__main__":
    for each in rows():
        print(each)

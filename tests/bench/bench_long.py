"""How much faster than real time a whole virtual line runs, and what leaving out idle scans is worth.

Processor time is counted, so a busy machine changes little. The plant alone is driven by what the line's
controllers put out in the same flow.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from long_line import STATIONS, long_line

from gateway.controller.compile import Program
from gateway.net.messages import Action, Feed, Pause
from gateway.twin.chance import seeded
from gateway.twin.twin import Edge, Twin
from gateway.twin.workpiece import Happening
from rig.backend import Script
from rig.line import Line
from rig.procedures.common import in_automatic
from rig.virtual import VirtualBackend

WORKPIECES = 10
SHORT = 6  # stations, where every scan is done
HOUR = 3_600_000_000_000


class Done(NamedTuple):
    """What was done to a twin, and when."""

    time: int
    what: str
    name: str
    value: Any


class Notes:
    """Writes down what is done to ``twin``."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.done: list[Done] = []

    def given(self, what: str, name: str, value: Any) -> None:
        self.done.append(Done(self.twin.now, what, name, value))

    def seen(self, what: Edge | Happening) -> None:
        """Not needed."""


class Flow(NamedTuple):
    """A flow that came to its end: how long on the virtual clock, what it cost, and what drove the twins."""

    seconds: float
    cost: float
    scans: int
    notes: dict[str, Notes]


def flow(line: Line, programs: dict[str, Program], every_scan: bool) -> Flow:
    """All workpieces through the whole line, from an empty one to an empty one."""
    backend = VirtualBackend(line, programs, every_scan)
    notes = {name: Notes(each.cell.twin) for name, each in backend.stations.items()}
    for name, each in backend.stations.items():
        each.cell.twin.witness = notes[name]
        backend.hold(name)
    first = next(iter(line.stations))
    workpieces = tuple(line.workpiece(number) for number in range(WORKPIECES))
    scripts: dict[str, Script] = {}
    for name, lined in line.stations.items():
        actions: list[Action] = [*in_automatic(lined.station, isolated=False), Pause(HOUR)]
        if name == first:
            actions.insert(-1, Feed(lined.station.inlets["main"], workpieces))
        scripts[name] = Script(tuple(actions), watch=("belt-run",))
    began, since = time.process_time(), backend.time
    traces = backend.run(scripts, out=WORKPIECES)
    cost = time.process_time() - began
    finished = sum(each.kind == "finished" for trace in traces.values() for each in trace.happenings)
    if finished != WORKPIECES:
        raise AssertionError(f"{finished} of {WORKPIECES} workpieces came out")
    return Flow((backend.time - since) / 1e9, cost, backend.scans, notes)


def plant(line: Line, ran: Flow) -> float:
    """The cost of the twins alone, which go through the same."""
    twins = {
        name: Twin(each.station.twin, each.station.tags, 0, seeded(0, name))
        for name, each in line.stations.items()
    }
    began = time.process_time()
    for name, twin in twins.items():
        edges = 0
        for at, what, target, value in ran.notes[name].done:
            twin.advance(at)
            match what:
                case "drive":
                    twin.drive(target, value)
                case "admit":
                    twin.admit(target, value)
                case "remove":
                    twin.remove(target, value)
                case "reset":
                    twin.reset()
                case _:
                    edges += len(twin.edges())
        if not edges:
            raise AssertionError(f"nothing happened in {name}")
    return time.process_time() - began


def row(name: str, figure: float, unit: str, peer: str, ratio: float | None, gate: str) -> dict[str, Any]:
    return {
        "name": name, "figure": round(figure, 3), "unit": unit, "peer": peer,
        "ratio": None if ratio is None else round(ratio, 2), "gate": gate, "met": True,
    }  # fmt: skip


def rows() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        line, programs = long_line(Path(folder))
        ran = flow(line, programs, every_scan=False)
        alone = plant(line, ran)
        short, its = long_line(Path(folder), SHORT)
        some, every = (flow(short, its, every_scan) for every_scan in (False, True))
    if (some.seconds, some.scans < every.scans) != (every.seconds, True):
        raise AssertionError("leaving out idle scans changed the flow")
    signals = sum(len(spec.ports) for each in line.stations.values() for spec in each.station.twin.values())
    what = f"{STATIONS} virtual stations, {signals} plant signals"
    return [
        row(f"{what}: plant alone", alone, "s", f"{ran.seconds:.0f} s of real time",
            ran.seconds / alone, ">= 200"),
        row(f"{what}: with controllers at 10 ms", ran.cost, "s", f"{ran.seconds:.0f} s of real time",
            ran.seconds / ran.cost, ">= 10"),
        row(f"{SHORT} virtual stations", some.cost, "s", f"every scan done: {every.cost:.2f} s",
            every.cost / some.cost, ">= 1.5"),
        row(f"{SHORT} virtual stations, controllers' scans", some.scans, "scans", f"of {every.scans}",
            every.scans / some.scans, "none"),
    ]  # fmt: skip


if __name__ == "__main__":
    for each in rows():
        print(each)

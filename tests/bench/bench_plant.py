"""How much faster than real time the plant of a line of 36 machines runs alone, on one core.

A virtual session runs one machine of the line; what was done to its twin is kept, and done again to 36
twins with nothing else running. Only reported: the figure depends on the machine that it is measured on.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from long_line import STATIONS, long_line

from gateway.net.messages import AwaitHappenings, Feed
from gateway.station import Station
from gateway.twin.recording import Given, repeat
from gateway.twin.twin import Edge, Twin
from gateway.twin.workpiece import Happening
from rig.procedures.common import in_automatic
from rig.session import Session
from rig.virtual import VirtualBackend

WORKPIECES, ROUNDS = 20, 3
LONGEST = 600_000_000_000  # ns of the line
WANTED = 200  # times real time


class Kept:
    """What is done to a twin, as it is done."""

    def __init__(self, twin: Twin) -> None:
        self.twin, self.entries = twin, list[Given]()

    def given(self, what: str, name: str, value: Any) -> None:
        self.entries.append(Given(self.twin.now, what, name, value))

    def seen(self, what: Edge | Happening) -> None:
        """What came of it comes again."""


def one_machine() -> tuple[Station, list[Given]]:
    """What a session does to the twin of one machine while workpieces pass it."""
    with tempfile.TemporaryDirectory() as folder:
        line, programs = long_line(Path(folder), 1)
    backend = VirtualBackend(line, programs)
    session = Session(line, backend, programs)
    (name,) = line.stations
    backend.hold(name)
    twin = backend.stations[name].cell.twin
    kept = twin.witness = Kept(twin)
    workpieces = tuple(line.workpiece(n + 1) for n in range(WORKPIECES))
    station = session.stations[name].spec
    feed = Feed(next(iter(station.inlets.values())), workpieces)
    through = AwaitHappenings(("left", "finished"), WORKPIECES, LONGEST)
    session.stations[name].run(*in_automatic(station, isolated=False), feed, through)
    return station, kept.entries


def again(station: Station, entries: list[Given]) -> float:
    """Seconds of this core for the same on as many twins as the line has machines."""
    twins = [Twin(station.twin, station.tags, entries[0].time) for _ in range(STATIONS)]
    began = time.process_time()
    for twin in twins:
        for entry in entries:
            twin.advance(entry.time)
            repeat(entry, twin)
    return time.process_time() - began


def rows() -> list[dict[str, Any]]:
    """One row: see Row in run.py."""
    station, entries = one_machine()
    passed = (entries[-1].time - entries[0].time) / 1e9
    factor = passed / min(again(station, entries) for _ in range(ROUNDS))
    return [
        {
            "name": f"plant of {STATIONS} machines alone",
            "figure": round(factor),
            "unit": "x real time",
            "peer": f"{WANTED} x real time wanted",
            "ratio": round(factor / WANTED, 2),
            "gate": "none",
            "met": True,
        }
    ]


if __name__ == "__main__":
    print(json.dumps(rows(), indent=2))

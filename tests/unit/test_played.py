"""A controller that is played says by how much its scans were late: what it does then is late for no fault of
its program."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from gateway.controller.compile import compile_program
from gateway.played import Played
from gateway.station import load_station

BELT = Path(__file__).parent / "data" / "cell" / "belt.yaml"
COUNTS = "PROGRAM p VAR n : INT; END_VAR n := n + 1; END_PROGRAM"  # it never comes to rest


def test_a_late_scan_is_told_once() -> None:
    async def play() -> tuple[int, int]:
        scanned = asyncio.Event()
        played = Played(load_station(BELT), compile_program(COUNTS, "p.st"), scanned.set)
        playing = asyncio.create_task(played.run())
        await scanned.wait()
        played.late()
        time.sleep(0.08)  # somebody else has the processor
        scanned.clear()
        await scanned.wait()
        late = played.late()
        playing.cancel()
        return late, played.late()

    late, after = asyncio.run(play())
    assert late > 50_000_000
    assert after == 0

"""The drivers' storms for long: 100,000 hostile cycles and 100 restarts of each kind of device.

``python tests/soak/soak_fields.py [CYCLES [RESTARTS]]``; exit status 1 where a value was wrong, something
hung, or memory or open files grew. What each check means is in tests/integration/storm.py.
"""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from hostile import HostileDevice, Mangler, ModbusWire, S7Wire, Wire
from serve_support import serving
from storm import level, open_files, restarts, storm
from test_hostile import STEADY, TRUTH, steady_tags

CYCLES, RESTARTS = 100_000, 100
OPCUA_SHARE = 0.04  # a connection of OPC UA costs ten times another
ROUNDS = 20  # the first of them warms up: what it takes is not growth
GROWTH_MB = 8.0


class Result(NamedTuple):
    """What a device's storm and restarts came to."""

    name: str
    cycles: int
    came: Counter[str]
    restarts: int
    seconds: float
    grew_mb: float
    files: int


def resident_mb() -> float:
    """Memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def soak(
    name: str,
    one_round: Callable[[int, int], Awaitable[Counter[str]]],
    restart: Callable[[], Awaitable[None]],
    cycles: int,
    times: int,
) -> Result:
    """Storm in rounds, each with its own seed, then restart; raises what a storm raises."""
    begun, came = time.monotonic(), Counter[str]()
    before, files = 0.0, 0
    for number in range(ROUNDS):
        came += await one_round(cycles // ROUNDS, number)
        gc.collect()
        if number == 0:
            before, files = resident_mb(), open_files()
    await restart()
    gc.collect()
    grew, more = resident_mb() - before, open_files() - files
    return Result(name, sum(came.values()), came, times, time.monotonic() - begun, grew, more)


async def memory_device(name: str, wire: Wire, cycles: int, times: int) -> Result:
    """Of a device that is addressed memory."""
    device = HostileDevice(wire, random.Random(0))
    await device.start()
    url, tags = wire.url.format(device.port), level(wire, name)
    try:
        return await soak(
            name,
            lambda count, seed: storm(device, url, tags, count, seed),
            lambda: restarts(device, url, tags, times),
            cycles,
            times,
        )
    finally:
        await device.stop()


async def opcua(port: int, cycles: int, times: int) -> Result:
    """Of what stands before an OPC UA server."""
    mangler = Mangler(port, random.Random(0))
    await mangler.start()
    url, tags = f"opc.tcp://127.0.0.1:{mangler.port}", steady_tags()
    try:
        return await soak(
            "opcua",
            lambda count, seed: storm(mangler, url, tags, count, seed, TRUTH),
            lambda: restarts(mangler, url, tags, times),
            cycles,
            times,
        )
    finally:
        await mangler.stop()


def main(cycles: int, times: int) -> int:
    """Run all, say what came of each; the exit status."""
    few = int(cycles * OPCUA_SHARE)
    results: list[Result] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for name, wire in (("modbus", ModbusWire()), ("s7", S7Wire())):
            results.append(runner.run(memory_device(name, wire, (cycles - few) // 2, times)))
            _say(results[-1])
        with serving(STEADY, "opc.tcp") as (port, _):
            results.append(runner.run(opcua(port, few, times)))
            _say(results[-1])
    grown = [each for each in results if each.grew_mb > GROWTH_MB or each.files > 0]
    for each in grown:
        print(f"{each.name} grew: {each.grew_mb:.1f} MB, {each.files} files")
    return 1 if grown else 0


def _say(result: Result) -> None:
    kinds = Counter[str]()
    for what, count in result.came.items():
        kinds[what.rpartition(": ")[2]] += count
    print(
        f"{result.name}: {result.cycles:,} cycles in {result.seconds:.0f} s: {kinds['read']:,} read, "
        f"{kinds['lost']:,} lost, {kinds['refused']:,} refused; {result.restarts} restarts; "
        f"memory {result.grew_mb:+.1f} MB, open files {result.files:+d}; no wrong value",
        flush=True,
    )


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    sys.exit(main(*(given + [CYCLES, RESTARTS][len(given) :])))

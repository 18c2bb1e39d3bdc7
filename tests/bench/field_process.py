"""One gateway's field side as a process: read a device's tags at a period, say what that cost as JSON.

``python field_process.py URL COUNT PERIOD_MS SECONDS [gateway]`` connects, reads every tag, prints when that
was done, then reads for so long and prints its share of a CPU and its resident memory. With ``gateway`` it
has loaded all that a gateway has.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import resource
import sys
import time

import uvloop

from gateway.field.drivers.base import open_driver
from gateway.field.entries import TagEntry, compile_tags

# By scheme: the protocol, an address' beginning, and by how much it grows with each tag.
SCHEMES = {"modbus": ("modbus", "hr:", 1), "opc.tcp": ("opcua", "ns=2;s=tag", 1), "s7": ("s7", "DB1.DBW", 2)}


async def main(url: str, count: int, period: float, seconds: float) -> None:
    protocol, address, step = SCHEMES[url.partition(":")[0]]
    entries = [TagEntry("output", "INT", f"{address}{step * n}", name=f"t{n}") for n in range(count)]
    tags = compile_tags(entries, {"plc": protocol}, lambda *problem: sys.exit(str(problem)))
    driver = open_driver(url, tags, 5_000_000_000)
    await driver.connect()
    image = await driver.read()
    assert len(image) == count, f"{len(image)} of {count}"
    print(json.dumps({"ready_ns": time.monotonic_ns()}), flush=True)
    used, begun, due, worst = time.process_time(), time.monotonic(), time.monotonic(), 0.0
    while time.monotonic() - begun < seconds:
        due += period
        started = time.monotonic()
        await driver.read()
        worst = max(worst, time.monotonic() - started)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    share = (time.process_time() - used) / max(time.monotonic() - begun, 1e-9)
    with open("/proc/self/statm") as statm:
        resident = int(statm.read().split()[1]) * resource.getpagesize()
    await driver.close()
    print(json.dumps({"cpu_share": share, "resident_mb": resident / 1e6, "worst_ms": worst * 1e3}))


if __name__ == "__main__":
    if sys.argv[5:] == ["gateway"]:
        importlib.import_module("gateway.agent")
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1e3, float(sys.argv[4])))

"""A whole chain under load, each node a process of its own over one broker; what it did, as JSON.

``python ledger_fleet.py MEMBERS RATE SECONDS`` offers RATE records a second to all nodes together. A record
is *final* when the last of the nodes has decided its block and has it on disk.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import ledger_process
import msgspec
import psutil
from ledger_floor import Floor, floor
from ledger_process import Load, Noted, Spec

from gateway.net.identity import Identity
from ledger.genesis import Genesis
from ledger.records import Party
from rig.broker import Broker

ROOT = Path(__file__).resolve().parents[2]
WARM_S = 1.0  # of load that is not counted
WAIT_S = 180.0  # for any answer of a node


class Fleet(msgspec.Struct):
    """What a run came to. Times are ms."""

    members: int
    offered: float  # records a second
    reached: float  # final, a second
    submitted: int
    final: int  # at every node
    p50: float
    p99: float
    worst: float
    blocks: int
    rounds: int  # more than the first, of all blocks
    size: float  # transactions a block
    cpu: float  # of one node, in cores
    cpu_block: float  # ms, of one node a block
    broker: float  # in cores
    memory: float  # MB, of the largest node
    dropped: int
    malformed: int
    floor: Floor


class Failed(Exception):
    """A node did not do its part."""


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of the sorted ``values`` do not exceed."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def run(members: int, rate: float, seconds: float) -> Fleet:
    """``members`` nodes under ``rate`` records a second in all; Failed if a node dies or is stuck."""
    names = [f"n{number:02}" for number in range(members)]
    identities = [Identity.create(name) for name in names]
    parties = tuple(Party(each.node, each.public_bytes, f"owner-{each.node}") for each in identities)
    genesis = Genesis(1, "bench", time.time_ns(), parties)
    context = multiprocessing.get_context("fork")
    (ROOT / "build").mkdir(exist_ok=True)
    # Beside the checkout: what is in /tmp may be in memory, where a sync costs nothing.
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "build") as folder,
        Broker(Path(folder), kind="mosquitto") as broker,
    ):
        least = floor(Path(folder), broker.url, members)
        gc.freeze()  # what is loaded here is shared with the nodes: their collectors would copy all of it
        pipes: list[Connection] = []
        processes: list[Any] = []
        for identity in identities:
            ours, theirs = context.Pipe()
            spec = Spec(identity, genesis, broker.url, Path(folder))
            process = context.Process(target=ledger_process.serve, args=(theirs, spec), daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        try:
            noted, used = _play(pipes, broker, rate, seconds)
        finally:
            for process in processes:
                process.join(5)
                if process.is_alive():
                    process.kill()
    return _summed(noted, used, rate, seconds, least)


def _play(pipes: list[Connection], broker: Broker, rate: float, seconds: float) -> tuple[list[Noted], float]:
    """All nodes through the run; what they noted, and the broker's CPU in cores."""
    _all(pipes)  # connected
    _tell(pipes, "start")
    _all(pipes)  # started
    program = _broker_process(broker.port)
    since = time.monotonic_ns() + 200_000_000
    spread = 1e9 / rate if rate else 0.0
    before, began = sum(program.cpu_times()[:2]), time.monotonic()
    for number, pipe in enumerate(pipes):
        pipe.send(Load(rate / len(pipes), seconds, since + int(number * spread)))
    time.sleep(max(0.0, since / 1e9 + seconds - time.monotonic()))
    used = (sum(program.cpu_times()[:2]) - before) / (time.monotonic() - began)
    last = max(_all(pipes))
    _tell(pipes, last)
    noted = _all(pipes)
    _tell(pipes, "stop")
    return noted, used


def _tell(pipes: list[Connection], what: Any) -> None:
    for pipe in pipes:
        pipe.send(what)


def _all(pipes: list[Connection]) -> list[Any]:
    said = []
    for number, pipe in enumerate(pipes):
        try:
            if not pipe.poll(WAIT_S):
                raise Failed(f"node {number} says nothing for {WAIT_S:.0f} s")
            said.append(pipe.recv())
        except EOFError:
            raise Failed(f"node {number} has ended; its own words are above") from None
    return said


def _broker_process(port: int) -> psutil.Process:
    for child in psutil.Process().children(recursive=True):
        if child.name().startswith("mosquitto"):
            return child
    raise Failed(f"no mosquitto serves port {port}")


def _summed(noted: list[Noted], used: float, rate: float, seconds: float, least: Floor) -> Fleet:
    everywhere = {
        height: max(each.decided[height] for each in noted)
        for height in set.intersection(*(set(each.decided) for each in noted))
    }
    since = min((due for each in noted for due in each.due.values()), default=0) + int(WARM_S * 1e9)
    took: list[float] = []
    submitted = 0
    for each in noted:
        for seq, due in each.due.items():
            if due < since:
                continue
            submitted += 1
            at = everywhere.get(each.block_of.get(seq, -1))
            if at is not None:
                took.append((at - due) / 1e6)
    took.sort()
    end = since + int((seconds - WARM_S) * 1e9)
    within = [height for height, at in everywhere.items() if since <= at <= end]
    reached = sum(noted[0].sizes[height] for height in within) / (seconds - WARM_S)
    blocks = max(1, len(within) * seconds / (seconds - WARM_S))
    return Fleet(
        members=len(noted), offered=rate, reached=reached, submitted=submitted, final=len(took),
        p50=percentile(took, 0.5), p99=percentile(took, 0.99), worst=took[-1] if took else float("nan"),
        blocks=len(everywhere), rounds=sum(noted[0].rounds[height] for height in everywhere),
        size=sum(noted[0].sizes[height] for height in within) / max(1, len(within)),
        cpu=sum(each.cpu / each.elapsed for each in noted) / len(noted),
        cpu_block=sum(each.cpu for each in noted) / len(noted) / blocks * 1e3,
        broker=used, memory=max(each.memory for each in noted),
        dropped=sum(each.dropped for each in noted), malformed=sum(each.malformed for each in noted),
        floor=least,
    )  # fmt: skip


def main() -> int:
    """Run once and print the figures."""
    parser = argparse.ArgumentParser(description="A chain of so many nodes under load, once.")
    parser.add_argument("members", type=int)
    parser.add_argument("rate", type=float, help="records a second, of all nodes together")
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    fleet = run(options.members, options.rate, options.seconds)
    print(msgspec.json.format(msgspec.json.encode(fleet)).decode())
    return 0 if fleet.final == fleet.submitted else 1


if __name__ == "__main__":
    sys.exit(main())

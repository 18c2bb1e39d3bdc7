"""What a chain's speed is held to, and the figures of a run as rows for the table of benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 600.0


class Wanted(NamedTuple):
    """So many ``members`` on two cores, under ``rate`` records a second: 99 of 100 are final within ``p99``
    ms at the last node."""

    members: int
    rate: float
    p99: float


# All nodes of a chain share this machine: what each costs counts N times.
REALISTIC = (
    Wanted(4, 1_500, 100), Wanted(7, 800, 150), Wanted(18, 400, 500), Wanted(36, 100, 1_500),
    Wanted(64, 30, 4_000),
)  # fmt: skip
AMBITIOUS = (
    Wanted(4, 5_000, 300), Wanted(7, 2_500, 300), Wanted(18, 1_000, 400), Wanted(36, 400, 1_000),
    Wanted(64, 200, 2_500),
)  # fmt: skip


class Unfinished(Exception):
    """A run did not end as it should."""


def measured(wanted: Wanted, seconds: float) -> dict[str, Any]:
    """A run in a process of its own: the fields of ``ledger_fleet.Fleet``."""
    command = [
        sys.executable,
        str(HERE / "ledger_fleet.py"),
        *map(str, (wanted.members, wanted.rate, seconds)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if not done.stdout:
        raise Unfinished(f"{' '.join(command)}\n{done.stderr}")
    fleet: dict[str, Any] = json.loads(done.stdout)
    return fleet


def rows_of(wanted: Wanted, fleet: dict[str, Any], gated: bool) -> list[dict[str, Any]]:
    """As ``run.Row`` has them: the tail beside what is wanted, the middle beside the run's floor."""
    name = f"ledger, {wanted.members} nodes, {wanted.rate:,.0f} records/s"
    floor, p50, p99 = fleet["floor"], fleet["p50"], fleet["p99"]
    least = f"{floor['total']:.2f} ms: 2 syncs, 3 hops, {floor['checked']} signatures checked"
    share = fleet["final"] / max(1, fleet["submitted"])
    limit, all_of_it = ("<= 1", ">= 1") if gated else ("none", "none")
    size, blocks = f"{fleet['size']:.1f} records a block", f"{fleet['blocks']} blocks"
    return [
        _row(f"{name}: final at all nodes, p50", p50, "ms", least, p50 / floor["total"], "none"),
        _row(
            f"{name}: final at all nodes, p99",
            p99,
            "ms",
            f"{wanted.p99:,.0f} ms wanted",
            p99 / wanted.p99,
            limit,
        ),
        _row(
            f"{name}: final", fleet["final"], "records", f"{fleet['submitted']} submitted", share, all_of_it
        ),
        _row(f"{name}: CPU of a node", fleet["cpu"], "cores", size, None, "none"),
        _row(f"{name}: CPU of a node a block", fleet["cpu_block"], "ms", blocks, None, "none"),
    ]


def _row(name: str, figure: float, unit: str, peer: str, ratio: float | None, gate: str) -> dict[str, Any]:
    sign, _, limit = gate.partition(" ")
    met = gate == "none" or (
        ratio is not None and (ratio <= float(limit) if sign == "<=" else ratio >= float(limit))
    )
    return {
        "name": name, "figure": round(figure, 3), "unit": unit, "peer": peer,
        "ratio": None if ratio is None else round(ratio, 3), "gate": gate, "met": met,
    }  # fmt: skip

"""The whole table of a chain's speed: every size at what is asked and at what is hoped for, and more load.

``python ledger_speed.py [SECONDS]`` writes build/ledger/bench.json and ledger-speed.md beside it; exit status
1 where what is asked is missed. Takes about ten minutes at 20 seconds a run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import run
from ledger_gates import AMBITIOUS, REALISTIC, Wanted, measured, rows_of
from rich.console import Console

OUT = Path(__file__).resolve().parents[2] / "build" / "ledger"
SECONDS = 20.0
# How finality and blocks grow with the load, at the size of a small line.
GROWTH = tuple(Wanted(4, rate, float("inf")) for rate in (50, 200, 500, 1_000, 2_000, 3_000))
HEAD = (
    "| N | offered, 1/s | final, 1/s | p50, ms | p99, ms | wanted p99, ms | floor, ms | p50 / floor"
    " | records a block | blocks | lost rounds | CPU a node, cores | CPU a node and block, ms | broker, cores"
    " | memory, MB |\n|" + "---:|" * 15
)


def line(wanted: Wanted, fleet: dict[str, Any]) -> str:
    """One run as a line of the table."""
    least = fleet["floor"]["total"]
    asked = f"{wanted.p99:,.0f}" if wanted.p99 != float("inf") else "–"
    cells = (
        wanted.members, f"{wanted.rate:,.0f}", f"{fleet['reached']:,.0f}", f"{fleet['p50']:,.0f}",
        f"{fleet['p99']:,.0f}", asked, f"{least:.1f}", f"{fleet['p50'] / least:.0f}", f"{fleet['size']:.1f}",
        fleet["blocks"], fleet["rounds"], f"{fleet['cpu']:.2f}", f"{fleet['cpu_block']:.1f}",
        f"{fleet['broker']:.2f}", f"{fleet['memory']:.0f}",
    )  # fmt: skip
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def rows(seconds: float = SECONDS) -> list[dict[str, Any]]:
    """All runs; the Markdown table is written as they end."""
    OUT.mkdir(parents=True, exist_ok=True)
    table = [HEAD]
    found: list[dict[str, Any]] = []
    for wanted in (*REALISTIC, *AMBITIOUS, *GROWTH):
        fleet = measured(wanted, seconds)
        print(table_line := line(wanted, fleet), file=sys.stderr, flush=True)
        table.append(table_line)
        (OUT / "ledger-speed.md").write_text("\n".join(table) + "\n")
        if wanted not in GROWTH:
            found += rows_of(wanted, fleet, gated=wanted in REALISTIC)
    return found


def main() -> int:
    """Measure once, show and write."""
    parser = argparse.ArgumentParser(description="Measure chains of 4 to 64 nodes on this machine.")
    parser.add_argument("seconds", type=float, nargs="?", default=SECONDS, help="of load, for each run")
    options = parser.parse_args()
    measured_rows = run.msgspec.convert(rows(options.seconds), list[run.Row])
    return run.conclude(measured_rows, 0, OUT, Console(width=150))


if __name__ == "__main__":
    sys.exit(main())

"""Kills while a rig forces, each many times: how long until the controller's memory is safe.

``python tests/soak/soak_kills.py [TIMES [CAUSE ...]]`` writes build/soak/safe-state.{md,json}; exit status 1
where a bound was not met. What is struck, and what each bound is, stands in tests/e2e/safe_causes.py.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from running import starter
from safe_causes import CAUSES, Cause
from site_safe import NotHere

TIMES = 100
INTO = Path(__file__).parents[2] / "build/soak"


def quantile(sorted_times: Sequence[float], share: float) -> float:
    """The time that ``share`` of them do not exceed."""
    return sorted_times[max(0, math.ceil(share * len(sorted_times)) - 1)]


def figures(cause: Cause, took: Sequence[float]) -> dict[str, object]:
    """A line of the table; seconds."""
    ordered = sorted(took)
    return {
        "cause": cause.what,
        "n": len(took),
        "median": round(statistics.median(ordered), 3),
        "p99": round(quantile(ordered, 0.99), 3),
        "max": round(ordered[-1], 3),
        "bound": cause.bound,
        "met": ordered[-1] <= cause.bound,
    }


def table(rows: Sequence[dict[str, object]]) -> str:
    """As Markdown."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([_shown(value) for value in row.values()] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f} s" if isinstance(value, float) else str(value)


def soak(name: str, times: int) -> dict[str, object]:
    """Strike so many times, on a bench of its own."""
    cause, took = CAUSES[name], []
    with tempfile.TemporaryDirectory() as folder, starter() as start:
        bench = cause.bench(Path(folder), start)
        try:
            for _ in range(times):
                struck = cause.strike(bench)
                bench.next_operator(struck.safe)
                took.append((struck.safe - struck.since) / 1e9)
        finally:
            bench.close()
    return figures(cause, took)


def main() -> int:
    """The command line."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    rows, failed = [], 0
    for name in sys.argv[2:] or CAUSES:
        try:
            rows.append(soak(name, times))
        except NotHere as why:
            print(f"{CAUSES[name].what}: not tried: {why}", flush=True)
        except Exception:  # the others are tried all the same
            traceback.print_exc()
            failed = 1
        else:
            print(table(rows).splitlines()[-1], flush=True)
    if rows:
        INTO.mkdir(parents=True, exist_ok=True)
        (INTO / "safe-state.md").write_text(table(rows))
        (INTO / "safe-state.json").write_text(json.dumps({"load": os.getloadavg(), "causes": rows}, indent=2))
    return 1 if failed or not all(row["met"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

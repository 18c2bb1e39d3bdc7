"""Kills while a rig forces, each many times: how long until the controller's memory is safe.

``python tests/soak/soak_kills.py [--jobs N] [TIMES [CAUSE ...]]`` strikes on N benches side by side, and
writes build/soak/safe-state.{md,json}; exit status 1 where a bound was not met. What is struck, and what each
bound is, stands in tests/e2e/safe_causes.py.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import traceback
from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from safe_causes import CAUSES, Cause
from side_by_side import side_by_side
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


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("times", type=int, nargs="?", default=TIMES)
    parser.add_argument("causes", nargs="*", metavar="cause", help=", ".join(CAUSES))
    parser.add_argument("--jobs", type=int, default=1, help="benches side by side (default: 1)")
    given = parser.parse_args()
    if unknown := [name for name in given.causes if name not in CAUSES]:
        parser.error(f"no cause {unknown[0]!r}; there are {', '.join(CAUSES)}")
    rows: dict[str, dict[str, object]] = {}
    failed = 0
    with tempfile.TemporaryDirectory() as folder, side_by_side(Path(folder), given.jobs) as benches:
        coming = {benches.strike(CAUSES[name], given.times): name for name in given.causes or CAUSES}
        for struck in as_completed(coming):
            cause = CAUSES[coming[struck]]
            try:
                took = [(safe - since) / 1e9 for since, safe in struck.result()]
            except NotHere as why:
                print(f"{cause.what}: not tried: {why}", flush=True)
            except Exception:  # the others are tried all the same
                print(f"{cause.what}:", file=sys.stderr)
                traceback.print_exc()
                failed = 1
            else:
                rows[cause.what] = figures(cause, took)
                print(table([rows[cause.what]]).splitlines()[-1], flush=True)
    in_order = [rows[cause.what] for cause in CAUSES.values() if cause.what in rows]
    if in_order:
        INTO.mkdir(parents=True, exist_ok=True)
        (INTO / "safe-state.md").write_text(table(in_order))
        found = {"load": os.getloadavg(), "jobs": given.jobs, "causes": in_order}
        (INTO / "safe-state.json").write_text(json.dumps(found, indent=2))
    return 1 if failed or not all(row["met"] for row in in_order) else 0


if __name__ == "__main__":
    sys.exit(main())

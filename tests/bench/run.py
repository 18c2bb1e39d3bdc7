"""Runs the benchmarks beside it: a table to read, build/bench.json to keep, exit status 1 for a missed gate.

Each bench_*.py has ``rows()``, which measures and returns dicts with the fields of Row. Where a figure has
a peer, that peer was measured in the same run; a gate limits their ratio, so it holds on any machine. A
benchmark that misses a gate is measured again, and said to be: only what misses each time is missed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import operator
import os
import platform
import subprocess
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TRIES = 3
COMPARE = {"<=": operator.le, ">=": operator.ge}


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """One figure, what it is compared with, and the limit on their ratio ("none": only reported)."""

    name: str
    figure: float
    unit: str
    peer: str
    ratio: float | None
    gate: Annotated[str, msgspec.Meta(pattern=r"^(none|(<=|>=) [0-9]+(\.[0-9]+)?)$")]
    met: bool

    def __post_init__(self) -> None:
        if self.gate == "none":
            return
        if self.ratio is None:
            raise ValueError(f"{self.name}: a gate without a ratio")
        sign, limit = self.gate.split()
        # The benchmark knows the ratio before it was rounded; neither may overrule the other's no.
        self.met = self.met and COMPARE[sign](self.ratio, float(limit))


def measure(file: Path) -> list[Row]:
    """Run one benchmark; raises what it raises, and msgspec.ValidationError for rows of another shape."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return msgspec.convert(module.rows(), list[Row])


def measure_in_peace(file: Path, console: Console) -> list[Row]:
    """Measure until no gate is missed, at most TRIES times; the rows of the attempt that missed fewest."""
    best: list[Row] | None = None
    for _ in range(TRIES):
        rows = measure(file)
        if best is None or _missed(rows) < _missed(best):
            best = rows
        for row in rows:
            if not row.met:
                said = f"{file.stem}: {row.name}: {row.ratio} is not {row.gate}"
                console.print(said, markup=False, soft_wrap=True)
        if not _missed(rows):
            break
    assert best is not None
    return best


def _missed(rows: list[Row]) -> int:
    return sum(not row.met for row in rows)


def run(files: Iterable[Path], out: Path, console: Console) -> int:
    """Measure all, show and write; the exit status."""
    rows: list[Row] = []
    broken = 0
    for file in files:
        print(f"{file.stem} ...", file=sys.stderr, flush=True)
        try:
            rows += measure_in_peace(file, console)
        except Exception:
            broken += 1
            traceback.print_exc()
    return conclude(rows, broken, out, console)


def conclude(rows: list[Row], broken: int, out: Path, console: Console) -> int:
    """Write and show ``rows``; the exit status, 1 where a gate is missed or a benchmark is ``broken``."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)) + b"\n")
    (out / "bench-machine.json").write_text(json.dumps(machine(), indent=2) + "\n")
    console.print(table(rows))
    missed = [row for row in rows if not row.met]
    for row in missed:
        console.print(f"missed: {row.name}: {row.ratio} is not {row.gate}", markup=False, soft_wrap=True)
    return 1 if missed or broken or not rows else 0


def table(rows: list[Row]) -> Table:
    """The rows as a person reads them."""
    shown = Table("Figure", "Value", "Beside", "Ratio", "Gate", "")
    for column in (1, 3):
        shown.columns[column].justify = "right"
    for row in rows:
        verdict = ("met" if row.met else "MISSED") if row.gate != "none" else ""
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        shown.add_row(row.name, f"{row.figure:,.6g} {row.unit}", row.peer, ratio, row.gate, verdict)
    return shown


def machine() -> dict[str, str | int | None]:
    """Where the figures were taken."""
    cpu = Path("/proc/cpuinfo")
    model = (
        [line for line in cpu.read_text().splitlines() if line.startswith(("model name", "Model"))]
        if cpu.exists()
        else []
    )
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.platform(),
        "processor": model[0].partition(":")[2].strip() if model else platform.processor(),
        "cores": os.cpu_count(),
        "commit": commit or None,
    }


def main() -> int:
    """Run the named benchmarks, or all."""
    known = {file.stem.removeprefix("bench_"): file for file in sorted(HERE.glob("bench_*.py"))}
    parser = argparse.ArgumentParser(description="Run the benchmarks and hold them to their gates.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(known)}")
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    console = Console() if sys.stdout.isatty() else Console(width=150)
    return run([known[name] for name in names or known], ROOT / "build", console)


if __name__ == "__main__":
    sys.exit(main())

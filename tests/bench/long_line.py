"""A line of 36 composed stations with some 30 plant signals each, in a folder of its own, for benchmarks."""

from __future__ import annotations

import itertools
from pathlib import Path

from gateway.controller.compile import Program
from rig.line import Line, load_line
from rig.open import compile_all

STATIONS = 36

BASE = """twinline: station 1
id: cell
scan: 10 ms
devices: {plc: {address: "modbus://127.0.0.1:15031/1"}}
groups:
  belt:  {use: belt, params: {length: 600 mm, speed: 400 mm/s}}
  air:   {use: air-unit}
  guard: {use: guard-door}
  stop:  {use: stop-gate, params: {at: 300 mm}}
  clamp: {use: clamp, params: {at: 300 mm}}
  lift:  {use: cylinder}
  press: {use: cylinder, params: {travel: 250 ms}}
"""
# Every third has a servo axis, the others more cylinders.
CELLS = {
    "axis": """  axis:  {use: axis-linear}
  mark:  {use: cylinder, params: {travel: 100 ms}}
cycle:
  - [clamp]
  - [axis, lift]
  - [press]
  - [mark]
  - home: [axis, lift, press, mark]
  - home: [clamp]
""",
    "press": """  turn:  {use: cylinder, params: {travel: 200 ms}}
  mark:  {use: cylinder, params: {travel: 100 ms}}
  test:  {use: cylinder, params: {travel: 100 ms}}
  pick:  {use: cylinder, params: {travel: 180 ms}}
cycle:
  - [clamp]
  - [turn, lift]
  - [press]
  - [mark, test, pick]
  - home: [turn, lift, press, mark, test, pick]
  - home: [clamp]
""",
}


def long_line(folder: Path, stations: int = STATIONS) -> tuple[Line, dict[str, Program]]:
    """The line, one station behind the other, and its programs."""
    names = [f"cell-{number:02d}" for number in range(1, stations + 1)]
    lines = ["twinline: line 1", "id: long", "product: {type: phone, length: 150 mm}", "stations:"]
    lines += [
        f"  - {{station: {'press' if n % 3 else 'axis'}.yaml, as: {name}, mode: virtual}}"
        for n, name in enumerate(names)
    ]
    lines += ["couplings:"] if stations > 1 else []
    lines += [f"  - {{from: {one}, to: {other}}}" for one, other in itertools.pairwise(names)]
    for name, rest in CELLS.items():
        (folder / f"{name}.yaml").write_text(BASE + rest)
    (folder / "long.yaml").write_text("\n".join(lines) + "\n")
    line = load_line(folder / "long.yaml")
    programs, problems = compile_all(line)
    if problems:
        raise AssertionError(problems)
    return line, programs

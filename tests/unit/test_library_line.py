"""A line of everything that carries: each group's bench behind the other, workpieces through all of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from library_bench import HERE, group_of

from gateway.library.bench import bench_station
from gateway.library.nodes import build
from gateway.twin.component import Component
from gateway.twin.workpiece import Kind
from gateway.yamlfile import dump
from rig.line import load_line
from rig.open import compile_all
from rig.procedures.flow import test_workpieces as run_workpieces
from rig.session import Session
from rig.step import StepContext
from rig.virtual import VirtualBackend

WAY = (
    "magazine", "belt-two-speed", "roller-zone", "lift", "turn-unit", "flipper-pneumatic",
    "dial-table", "merger", "buffer", "loader", "lowerator",
    "unloader", "shuttle", "diverter", "nest-rollers", "outfeed-belt",
)  # fmt: skip
HEAD = """\
twinline: line 1
id: all-carriers
product: {type: part, length: 150 mm}
flow: {workpieces: 12, source: magazine, sink: outfeed-belt, within: 300 s}
stations:
"""


def test_workpieces_pass_everything_that_carries_and_nothing_is_hit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = HEAD
    for number, name in enumerate(WAY):
        station = bench_station(group_of(name))
        station["id"] = name
        station["devices"] = {"plc": {"address": f"modbus://127.0.0.1:{15100 + number}/1"}}
        (tmp_path / f"{name}.yaml").write_text(dump(build(station, HERE)), "utf-8")
        text += f"  - {{station: {name}.yaml, mode: virtual}}\n"
    text += "couplings:\n"
    text += "".join(f"  - {{from: {a}, to: {b}}}\n" for a, b in itertools.pairwise(WAY))
    (tmp_path / "line.yaml").write_text(text, "utf-8")
    line = load_line(tmp_path / "line.yaml")
    programs, problems = compile_all(line)
    assert not problems, "\n".join(str(problem) for problem in problems)
    backend = VirtualBackend(line, programs)
    session = Session(line, backend, programs)
    for name in line.stations:
        backend.hold(name)
    step = StepContext(session, "flow", "flow", "", "")
    told: list[str] = []
    tell = Component.tell

    def listening(self: Component, kind: Kind, workpiece: str, detail: str = "") -> None:
        told.append(kind)
        tell(self, kind, workpiece, detail)

    monkeypatch.setattr(Component, "tell", listening)
    run_workpieces(session, step)
    step.close()
    assert set(told) <= {"offered", "worked"}, "hit or dropped on its way"
    assert session.flow is not None
    assert (session.flow.finished, session.flow.lost, session.flow.doubled) == (12, 0, 0)

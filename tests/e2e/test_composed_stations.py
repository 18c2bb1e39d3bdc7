"""Stations composed of groups as processes: programs served over each protocol, gateways beside them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import Starter

STATION = """\
twinline: station 1
id: {id}
devices: {{plc: {{address: "{address}"}}}}
groups:
  belt:  {{use: belt}}
  air:   {{use: air-unit}}
  guard: {{use: guard-door}}
  light: {{use: stack-light}}
  stop:  {{use: stop-gate}}
  clamp: {{use: clamp}}
  tool:  {{use: cylinder-double, lock: [guard]}}
cycle:
  - [clamp]
  - [tool]
  - home: [tool]
"""
ADDRESSES = {
    "first": "modbus://127.0.0.1:15041/1",
    "second": "s7://127.0.0.1:15042/0/1",
    "third": "opc.tcp://127.0.0.1:15043",
}
LINE = """\
twinline: line 1
id: composed
product: {type: part, length: 150 mm}
stations:
  - {station: first.yaml, serve: true}
  - {station: second.yaml, serve: true}
  - {station: third.yaml, serve: true}
couplings:
  - {from: first, to: second}
  - {from: second, to: third}
flow: {source: first, sink: third, workpieces: 2, within: 40 s}
"""


def line(folder: Path) -> Path:
    for name, address in ADDRESSES.items():
        (folder / f"{name}.yaml").write_text(STATION.format(id=name, address=address), "utf-8")
    path = folder / "line.yaml"
    path.write_text(LINE, "utf-8")
    return path


@pytest.mark.long
def test_composed_stations_over_each_protocol_pass_and_hand_on(tmp_path: Path, start: Starter) -> None:
    chosen = "connect or cycle or guard or stop-gate-stuck or light-red or tool-extended or workpieces"
    run = start.session(tmp_path, line(tmp_path), "--ports", "auto", "-k", chosen)
    assert run.wait(150) == 0, run.shown
    run.assert_nothing_left()
    steps = {step.id: step for step in run.record("PASS", complete=True).steps}
    for name in ADDRESSES:
        assert steps[f"sequence/sequence[{name}.cycle]"].verdict == "PASS"
        assert steps[f"interlocks/interlock[{name}.guard-door-open]"].verdict == "PASS"
        program = next(
            str(m.value) for m in steps[f"connect/controller[{name}]"].measurements if m.name == "program"
        )
        assert re.match(f"{name.title()}Station [0-9a-f]{{12}}", program)
    assert steps["flow/workpieces"].verdict == "PASS"

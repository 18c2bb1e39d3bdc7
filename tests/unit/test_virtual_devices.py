"""What the virtual controller took and does not hold is told where a tag asks for reading back."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.controller.compile import compile_program
from gateway.field.tags import TagRef
from gateway.net.messages import Force, Pause
from rig.backend import Script
from rig.line import load_line
from rig.virtual import VirtualBackend

PROGRAM = """
PROGRAM Cell
VAR
    Wanted AT %MW1 : INT;  Bits AT %MW2 : WORD;  Ratio AT %MD2 : REAL;  Echo AT %QW4 : INT;
    Beside AT %MX12.0 : BOOL;
END_VAR
Echo := Wanted;
END_PROGRAM
"""
STATION = """
twinline: station 1
id: cell
devices:
  plc: {address: "s7://127.0.0.1:15030/0/1", program: cell.st}
tags:
  kept:    {direction: input, type: INT, address: DB1.DBW2, safe: 0, verify: true, range: 0..50, raw: 0..500}
  bit:     {direction: input, type: BOOL, address: DB1.DBX4.3, safe: false, verify: true}
  ratio:   {direction: input, type: REAL, address: DB1.DBD8, safe: 0, verify: true}
  lost:    {direction: input, type: INT, address: DB2.DBW20, safe: 0, verify: true}
  unasked: {direction: input, type: INT, address: DB2.DBW30, safe: 0}
  echo:    {direction: output, type: INT, address: DB2.DBW8}
  closed:  {direction: input, type: BOOL, address: DB1.DBX12.0, safe: false}
twin: {door: {kind: door, ports: {closed: closed}}}
"""
LINE = """
twinline: line 1
id: cell
product: {type: part, length: 10 mm}
stations: [{station: cell.yaml, mode: virtual}]
"""


@pytest.fixture
def backend(tmp_path: Path) -> VirtualBackend:
    for name, text in (("cell.st", PROGRAM), ("cell.yaml", STATION), ("line.yaml", LINE)):
        (tmp_path / name).write_text(text)
    made = VirtualBackend(load_line(tmp_path / "line.yaml"), {"cell": compile_program(PROGRAM)})
    made.hold("cell")
    return made


def test_a_value_that_is_taken_and_not_held_is_refused_by_its_tag(backend: VirtualBackend) -> None:
    values = {"kept": 7, "bit": True, "ratio": 0.1, "lost": 5, "unasked": 5}
    actions = tuple(Force(TagRef(name), value) for name, value in values.items())
    trace = backend.run({"cell": Script((*actions, Pause(50_000_000)))})["cell"]
    assert trace.refused == {
        "lost": "lost at DB2.DBW20: written was 5, held is 0; find out who overwrites it"
    }

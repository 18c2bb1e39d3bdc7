"""Each mistake of a station or line file is said once, at its own line, and not again where it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.checked import Checked, wrong_of
from gateway.errors import BadInput
from gateway.station import load_station
from rig.line import load_line

STATION = """\
twinline: station 1
id: cell
manual: command.0
acknowledge: command.1
inlet: belt
outlet: belt
devices:
  plc: {address: "s7://127.0.0.1:15030/0/1"}
  rio: {role: coupler, address: "modbus://127.0.0.1:15031/1", at: 64}
tags:
  command: {device: plc, direction: input, type: WORD, address: DB1.DBW2, safe: 0, observer: seen}
  closed:  {device: plc, direction: input, type: BOOL, address: DB1.DBX8.0, safe: false, observer: seen.1}
  speed:   {device: rio, direction: input, type: INT, address: "hr:1", range: 0..500, unit: mm/s, safe: 0}
  run:     {device: plc, direction: output, type: BOOL, address: DB2.DBX0.0, jog: command.4}
  seen:    {device: plc, direction: output, type: WORD, address: DB2.DBW2}
  twice:   {device: plc, direction: output, type: INT, address: DB2.DBW6, range: 0..99, formula: raw + offset}
  offset:  {device: plc, direction: output, type: REAL, address: DB2.DBD8, range: 0..10}
twin:
  belt: {kind: belt-conveyor, params: {length: 600 mm, speed: 500 mm/s}, ports: {run: run, speed: speed}}
  eye:  {kind: photo-eye, params: {at: 290 mm}, links: {on: belt}, ports: {sees: closed}}
sequences:
  runs:
    title: the belt runs
    place: belt
    set: {closed: true}
    steps: [{tag: run, becomes: true, within: 1 s}]
interlocks:
  stops:
    title: it stops
    steps: []
    inject:
      - belt.jam
      - eye.sees.stuck-on
    expect: [{tag: run, becomes: false, within: 1 s}]
"""


def problems(folder: Path, *edits: tuple[str, str]) -> list[str]:
    text = STATION
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "cell.yaml"
    path.write_text(text)
    try:
        load_station(path)
    except BadInput as bad:
        return [str(each).removeprefix(f"{path}:") for each in bad.problems]
    return []


def line_of(start: str) -> int:
    return next(n for n, line in enumerate(STATION.splitlines(), 1) if line.strip().startswith(start))


def test_the_station_is_right(tmp_path: Path) -> None:
    assert problems(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "start", "said"),
    [
        ("type: WORD, address: DB1.DBW2", "type: WROD, address: DB1.DBW2", "command:", "'WROD' is no type"),
        ("address: DB1.DBX8.0", "address: DB1.DBX8.9", "closed:", "'DB1.DBX8.9' is not an S7 address"),
        ('address: "hr:1"', 'address: "hr:x"', "speed:", "'hr:x' is not a Modbus address"),
        ("unit: mm/s, safe: 0", "unit: furlong, safe: 0", "speed:", "unit 'furlong' is not known"),
        ("type: BOOL, address: DB2.DBX0.0", "type: BOOL, address: DB2", "run:", "'DB2' is not an S7 address"),
        ("address: DB2.DBW2}", "adress: DB2.DBW2}", "seen:", "key 'adress' is not known"),
        ("address: DB2.DBD8", "address: DB2", "offset:", "'DB2' is not an S7 address"),
        ("kind: belt-conveyor", "kind: belt-conveyer", "belt:", "kind 'belt-conveyer' is not known"),
        ("length: 600 mm", "length: 600 bar", "belt:", "belt.length"),
        ("at: 290 mm", "at: far", "eye:", "eye.at"),
        ("role: coupler", "role: couple", "rio:", "'couple' is not known"),
    ],
)
def test_a_mistake_is_said_where_it_is_and_nowhere_else(
    tmp_path: Path, old: str, new: str, start: str, said: str
) -> None:
    told = problems(tmp_path, (old, new))
    lines = {each.partition(":")[0] for each in told}
    assert lines == {str(line_of(start))}, told
    assert any(said in each for each in told)


def test_a_name_that_is_nowhere_is_said_at_each_use(tmp_path: Path) -> None:
    told = problems(
        tmp_path, ("steps: [{tag: run,", "steps: [{tag: rum,"), ("observer: seen.1", "observer: sen.1")
    )
    assert [each.partition(":")[0] for each in told] == [
        str(line_of("closed:")), str(line_of("steps: [{tag: run")),
    ]  # fmt: skip


def test_a_fault_that_is_none_is_said_at_its_own_line(tmp_path: Path) -> None:
    told = problems(tmp_path, ("      - eye.sees.stuck-on", "      - eye.sees.stuck-up"))
    assert [each.partition(":")[0] for each in told] == [str(line_of("- eye.sees"))]
    assert "stops: inject 'eye.sees.stuck-up'" in told[0]


def test_a_station_file_that_is_not_there_is_said_at_its_line_of_the_line_file(tmp_path: Path) -> None:
    (tmp_path / "stations").mkdir()
    (tmp_path / "lines").mkdir()
    (tmp_path / "stations/cell.yaml").write_text(STATION)
    line = tmp_path / "lines/line.yaml"
    line.write_text(
        "twinline: line 1\nid: line\nproduct: {type: part, length: 10 mm}\nstations:\n"
        "  - {station: ../stations/cell.yaml, mode: hil}\n  - {station: ../stations/cel.yaml, mode: hil}\n"
    )
    with pytest.raises(BadInput) as raised:
        load_line(line)
    [problem] = raised.value.problems
    assert (problem.file, problem.line) == (str(line), 6)
    assert problem.what == f"station: {tmp_path}/stations/cel.yaml: no such file"
    assert problem.hint == f"did you mean {tmp_path}/stations/cell.yaml?"


def test_what_is_right_knows_of_nothing_wrong() -> None:
    assert wrong_of({"a": 1}) == frozenset()
    assert wrong_of(Checked({"a": 1}, {"b"})) == {"b"}
    assert Checked({"a": 1}, {"b"}) == {"a": 1}

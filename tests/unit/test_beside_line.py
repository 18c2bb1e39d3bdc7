"""`beside: true` in the line file: whom it is for, and what his gateway is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from gateway.agentfile import AgentConfig, check, load_config
from gateway.config import shipped
from gateway.errors import BadInput
from gateway.station import Mode
from rig.line import Line, load_line
from rig.prepare import prepare

LINE = """twinline: line 1
id: trial
product: {{type: phone, length: 150 mm}}
stations:
  - {{station: stations/glue.yaml, mode: {mode}, beside: true{more}}}
"""


def lined(folder: Path, mode: str, more: str = "", program: bool = True) -> Line:
    for name in ("stations", "programs"):
        shutil.copytree(shipped() / name, folder / name)
    if not program:
        (folder / "programs" / "glue.st").unlink()
    (folder / "line.yaml").write_text(LINE.format(mode=mode, more=more), "utf-8")
    return load_line(folder / "line.yaml")


def test_a_gateway_gets_the_stations_own_program(tmp_path: Path) -> None:
    line = lined(tmp_path, "hil")
    assert line.stations["glue"].accompanied
    list(prepare(line, tmp_path / "out", ("mqtt://127.0.0.1:1883",), "desk", chain=False))
    config = load_config(tmp_path / "out" / "glue" / "gateway.json")
    assert Path(config.beside).read_text("utf-8") == (tmp_path / "programs" / "glue.st").read_text("utf-8")
    assert config.program == ""


@pytest.mark.parametrize("mode", ["virtual", "ril"])
def test_a_virtual_controller_has_none_beside_it(mode: str, tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=rf"line\.yaml:5: beside: in mode {mode} the controller of glue is virtual"
    ):
        lined(tmp_path, mode)


def test_a_line_that_is_taken_in_another_mode_leaves_it_out(tmp_path: Path) -> None:
    line = lined(tmp_path, "hil").in_mode("virtual")
    assert not line.stations["glue"].accompanied


def test_a_program_that_is_missing_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"line\.yaml:5: beside: program .*glue\.st is not there"):
        lined(tmp_path, "hil", program=False)


@pytest.mark.parametrize("mode", ["virtual", "ril"])
def test_a_gateway_that_plays_the_controller_runs_nothing_beside(mode: Mode, tmp_path: Path) -> None:
    station = lined(tmp_path, "hil").stations["glue"].station
    config = AgentConfig(
        "trial", "glue.yaml", (), "key", "trust", "state", program="glue.st", beside="glue.st", opcua="opcua"
    )
    check(msgspec.structs.replace(config, mode="shadow", program=""), station)
    with pytest.raises(BadInput, match=f"in mode {mode} there is no real controller to run beside"):
        check(msgspec.structs.replace(config, mode=mode), station)


def test_the_line_says_how_many_scans_later_one_may_be(tmp_path: Path) -> None:
    line = lined(tmp_path, "hil")
    assert line.stations["glue"].within == 3
    file = tmp_path / "line.yaml"
    file.write_text(file.read_text("utf-8").replace("beside: true", "beside: {within: 7}"), "utf-8")
    line = load_line(file)
    assert line.stations["glue"].accompanied
    list(prepare(line, tmp_path / "out", ("mqtt://127.0.0.1:1883",), "desk", chain=False))
    assert load_config(tmp_path / "out" / "glue" / "gateway.json").within == 7


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("{within: 1}", r"line\.yaml:5: beside: within 1 scans; give 2 to 100"),
        ("{within: 101}", r"line\.yaml:5: beside: within 101 scans; give 2 to 100"),
        ("{within: 30 ms}", r"line\.yaml:5:\d+: .*'30 ms' is not a whole number"),
        ("{scans: 3}", r"line\.yaml:5:\d+: .*key 'scans' is not known"),
        ("sometimes", r"line\.yaml:5:\d+: .*'sometimes' is not a truth value"),
    ],
)
def test_a_wrong_tolerance_is_told_where_it_stands(said: str, what: str, tmp_path: Path) -> None:
    lined(tmp_path, "hil")
    file = tmp_path / "line.yaml"
    file.write_text(file.read_text("utf-8").replace("beside: true", f"beside: {said}"), "utf-8")
    with pytest.raises(BadInput, match=what):
        load_line(file)


def test_a_gateway_is_told_no_tolerance_that_cannot_be(tmp_path: Path) -> None:
    station = lined(tmp_path, "hil").stations["glue"].station
    config = AgentConfig("trial", "glue.yaml", (), "key", "trust", "state", beside="glue.st", within=1)
    with pytest.raises(BadInput, match="within 1 scans; give 2 to 100"):
        check(config, station)

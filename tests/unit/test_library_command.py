"""``twinline library`` and ``twinline station expand``: what they print, and their exit status."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from gateway.controller.compile import compile_program
from gateway.errors import BadInput
from gateway.station import load_station
from rig.cli import app

STATION = """\
twinline: station 1
id: weld
devices: {plc: {address: "s7://127.0.0.1:15040/0/1"}}
groups:
  belt:  {use: belt}
  air:   {use: air-unit}
  stop:  {use: stop-gate}
"""


def run(*words: str) -> tuple[int, str]:
    """Exit status and what was printed; bad input is 2, as in the command itself."""
    done = CliRunner().invoke(app, words)
    if isinstance(done.exception, BadInput):
        return 2, str(done.exception)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def names(output: str) -> set[str]:
    return {line.split()[0] for line in output.splitlines()}


def test_list_has_every_group_or_those_of_a_family() -> None:
    status, told = run("library", "list")
    assert status == 0
    assert {"belt", "clamp", "guard-door"} <= names(told)
    assert "tester" not in names(told)  # abstract
    assert {"guard-door", "emergency-stop"} <= names(run("library", "list", "--family", "safety")[1])
    assert "belt" not in names(run("library", "list", "--family", "safety")[1])


def test_match_by_function_freedom_inputs_and_outputs() -> None:
    exact = ("match", "--function", "clamp", "--freedom", "z", "--inputs", "2", "--outputs", "1")
    status, told = run("library", *exact)
    assert status == 0
    assert "clamp" in names(told)
    assert "side-clamp" not in names(told)  # it moves along y
    assert "clamp" in names(run("library", "match", "--function", "clamp", "--inputs", "1..3")[1])
    assert "clamp" not in names(run("library", "match", "--function", "clamp", "--inputs", "3..")[1])
    both = run("library", "match", "--function", "clamp", "--function", "position")[1]
    assert "side-clamp" in names(both)
    assert "clamp" not in names(both)


def test_match_of_nothing_is_1_and_of_nonsense_2() -> None:
    status, said = run("library", "match", "--function", "clamp", "--outputs", "999")
    assert status == 1
    assert said.strip() == "no group of the library fits; twinline library list shows all of them"
    assert run("library", "match", "--inputs", "some") == (
        2,
        "--inputs: 'some' is no count; write 2, 2..4 or 2..",
    )


def test_show_has_the_five_dimensions() -> None:
    status, told = run("library", "show", "clamp")
    assert status == 0
    for said in (
        "geometry   60 mm x 60 mm x 250 mm; moves z 0..100 mm",
        "pneumatic  valve 5/2 spring",
        "param      travel: 120 ms",
        "link       air: air-supply",
        "part       rod: cylinder",
        "output     close: BOOL (rod.extend)",
        "input      closed: BOOL (rod.extended)",
        "pattern    Clamp:",
        "monitor    rod.stuck while work",
    ):
        assert said in told, said


def test_show_of_what_is_not_there() -> None:
    said = "clmp: is no group of the library; did you mean 'clamp'?"
    assert run("library", "show", "clmp") == (2, said)


def test_expand_prints_a_station_file_that_is_the_same_station(tmp_path: Path) -> None:
    (tmp_path / "weld.yaml").write_text(STATION)
    status, told = run("station", "expand", str(tmp_path / "weld.yaml"))
    assert status == 0
    assert list(yaml.safe_load(told))[:4] == ["twinline", "id", "title", "devices"]
    (tmp_path / "whole.yaml").write_text(told)
    short, whole = load_station(tmp_path / "weld.yaml"), load_station(tmp_path / "whole.yaml")
    assert whole.groups == {}
    plain = [{n: (t.text, t.type, t.range, t.safe) for n, t in each.tags.items()} for each in (short, whole)]
    assert plain[0] == plain[1]
    assert short.twin == whole.twin
    assert short.interlocks.keys() == whole.interlocks.keys()
    assert short.inlets == whole.inlets


def test_expand_prints_the_program(tmp_path: Path) -> None:
    (tmp_path / "weld.yaml").write_text(STATION)
    status, told = run("station", "expand", "--program", str(tmp_path / "weld.yaml"))
    assert status == 0
    assert compile_program(told).name == "WeldStation"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STATION.partition("groups:")[0], "weld.yaml:1: has no groups; there is nothing to expand"),
        (STATION.replace("use: belt}", "use: belts}"), "weld.yaml:5: belt: 'belts' is no group"),
        (STATION.replace("devices:", "device:"), "devices"),
        ("a: [", "is not YAML"),
    ],
)
def test_expand_of_what_is_no_composed_station(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "weld.yaml").write_text(text)
    status, told = run("station", "expand", str(tmp_path / "weld.yaml"))
    assert status == 2
    assert said in told

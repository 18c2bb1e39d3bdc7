"""A person's mistake: file, line, what is wrong and what would be right; status 2, and nothing starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from running import PYTEST, TWINLINE, Run, Starter, belt

from gateway.errors import BadInput
from rig.open import Options, prepare

STATION, PROGRAM, LINE = "stations/belt.yaml", "programs/belt.st", "lines/one.yaml"


class Wrong(NamedTuple):
    """In ``file``, ``old`` becomes ``new``; of its line is said ``what``, and ``hint`` would be right."""

    name: str
    file: str
    old: str
    new: str
    what: str
    hint: str


WRONG = (
    Wrong(
        "unknown key",
        STATION,
        "scan: 10 ms",
        "scann: 10 ms",
        "key 'scann' is not known",
        "did you mean 'scan'?",
    ),
    Wrong(
        "bad address",
        STATION,
        '"coil:2065"',
        '"coil:-1"',
        "'coil:-1' is not a Modbus address",
        "write coil:12",
    ),
    Wrong(
        "address of another protocol",
        STATION,
        '"coil:2065"',
        "DB1.DBX0.0",
        "'DB1.DBX0.0' is not a Modbus address",
        "write coil:12",
    ),
    Wrong(
        "two tags on one bit",
        STATION,
        '"coil:2065"',
        '"coil:2064"',
        "part-leaves at coil:2064 overlaps part-enters",
        "give each its own address",
    ),
    Wrong(
        "range that does not fit",
        STATION,
        'type: WORD, address: "hr:1"',
        'type: INT, range: 0..500, raw: 0..70000, address: "hr:1"',
        "raw 0..70000 does not fit INT",
        "-32768..32767",
    ),
    Wrong(
        "missing program", STATION, "belt.st", "bellt.st", "programs/bellt.st is not there", "give the path"
    ),
    Wrong("unknown component", STATION, "kind: belt-conveyor", "kind: belt", "kind 'belt' is not known", ""),
    Wrong(
        "no device address", STATION, "modbus://", "mobdus://", "is not a device's address", "write modbus://"
    ),
    Wrong("missing station", LINE, "belt.yaml", "bellt.yaml", "no such file", "did you mean"),
    Wrong("no YAML", LINE, "id: one", "id: [one", "is not YAML", ""),
    Wrong(
        "no broker",
        LINE,
        "product:",
        "broker: here\nproduct:",
        "'here' is no broker",
        "write mqtts://host:8883",
    ),
    Wrong(
        "flow to nowhere", LINE, "sink: belt", "sink: screw", "'screw' is no station of this line", "use belt"
    ),
    Wrong(
        "syntax error",
        PROGRAM,
        "Fault := FALSE;",
        "Fault = FALSE;",
        "expected after `Fault`",
        "assign with `:=`",
    ),
    Wrong("wrong type", PROGRAM, "Fault := TRUE;", "Fault := 5;", "5 is no BOOL", "write TRUE or FALSE"),
    Wrong("unknown variable", PROGRAM, "Moving := TRUE;", "Movin := TRUE;", "Movin", ""),
)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name.replace(" ", "-"))
def test_one_problem(wrong: Wrong, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = belt(tmp_path).change(wrong.file, (wrong.old, wrong.new))
    with pytest.raises(BadInput) as caught:
        prepare(Options(Path("line/lines/one.yaml")))
    about = [problem for problem in caught.value.problems if wrong.what in problem.what]
    assert len(about) == 1, str(caught.value)
    assert wrong.hint in about[0].hint
    if wrong.name == "no YAML":  # where the bracket should have closed
        assert (about[0].file, about[0].line) == (f"line/{wrong.file}", line + 1)
    else:
        assert (about[0].file, about[0].line) == (f"line/{wrong.file}", line)


def test_all_problems_of_a_file_at_once(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    lines = [
        made.change(STATION, change)
        for change in (
            ("scan: 10 ms", "scan: 10 parsecs"),
            ('"coil:2065"', '"coil:2064"'),
            ("jog: command.5", "jog: comand.5"),
            ("kind: belt-conveyor", "kind: conveyor-belt"),
            ("title: a tripped", "titel: a tripped"),
        )
    ]
    run = start.session(tmp_path, made.line)
    assert run.wait() == 2, run.shown
    shown = [int(found) for found in re.findall(r"stations/belt\.yaml:(\d+):", run.shown)]
    assert set(lines) <= set(shown), run.shown
    assert shown == sorted(shown)
    refused(run, tmp_path)


def test_two_stations_served_at_one_address(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    again = "  - {station: ../stations/belt.yaml, as: again, mode: hil, serve: true}"
    mine = made.change(LINE, ("mode: hil, serve: true}", f"mode: hil, serve: true}}\n{again}"))
    run = start.session(tmp_path, made.line)
    assert run.wait() == 2, run.shown
    address = f"modbus://127.0.0.1:{made.port}/1"
    said = f"{LINE}:{mine + 1}: again's controller is to be served at {address}, where belt's controller is; "
    assert said in run.said
    assert "choose --ports auto" in run.said
    refused(run, tmp_path)
    prepare(Options(made.line, ports="auto"))


def refused(run: Run, folder: Path) -> None:
    """Nothing was started, and nothing but the message is left."""
    run.assert_nothing_left()
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--mode", "none"), "--mode: 'none' is not known; use virtual or hil or ril or shadow"),
        (("--program", "belt"), "--program: 'belt' is no pair; write STATION=FILE"),
        (("--program", "glue=x.st"), "--program: 'glue' is no station of line/lines/one.yaml; use belt"),
        (("--operator", "Anna B."), "--operator: 'Anna B.' is not an id; use a small letter"),
        (("--operator", "belt"), "--operator: 'belt' is a station of this line; choose another id"),
        (
            ("--keys", "none"),
            "--keys: none is no folder; make it: "
            "twinline gateway prepare LINE --broker mqtts://host:8883 --into DIR",
        ),
        (("-k", "nothing"), "-k nothing: no step's name matches"),
        (("-k", "passing and ("), "passing and ("),
        (("--runs", "file"), "-one: the evidence cannot be written: Not a directory; name another folder"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_an_option(options: tuple[str, ...], message: str, tmp_path: Path, start: Starter) -> None:
    belt(tmp_path)
    (tmp_path / "file").touch()
    run = start.session(tmp_path, Path("line/lines/one.yaml"), *options)
    assert run.wait() == 2, run.shown
    assert message in run.said
    refused(run, tmp_path)


def test_several_options_at_once(tmp_path: Path, start: Starter) -> None:
    run = start.session(tmp_path, belt(tmp_path).line, "--ports", "some", "--mode", "none", "--broker", "any")
    assert run.wait() == 2, run.shown
    assert [line.split(":")[0] for line in run.shown.splitlines()] == ["--broker", "--mode", "--ports"]
    refused(run, tmp_path)


@pytest.mark.parametrize(
    "command", [TWINLINE + ("session", "run"), PYTEST + ("--line",)], ids=["twinline", "pytest"]
)
def test_files_that_are_not_there(command: tuple[str, ...], tmp_path: Path, start: Starter) -> None:
    run = start(tmp_path, *command, "nowhere.yaml")
    assert run.wait() == 2, run.shown
    assert "nowhere.yaml" in run.said
    refused(run, tmp_path)


def test_a_broker_that_is_not_installed(tmp_path: Path, start: Starter) -> None:
    run = start(
        tmp_path, *TWINLINE, "session", "run", str(belt(tmp_path).line), "-k", "connect",
        env={"TWINLINE_BROKER": "rabbit"},
    )  # fmt: skip
    assert run.wait() == 2, run.shown
    assert "TWINLINE_BROKER: 'rabbit' is no broker; allowed are mosquitto, embedded" in run.said
    refused(run, tmp_path)


def test_a_run_that_is_not_there(tmp_path: Path, start: Starter) -> None:
    report = start(tmp_path, *TWINLINE, "session", "report", "runs/none")
    assert report.wait() == 2, report.shown
    assert "runs/none/begin.json: there is no such file" in report.said
    verify = start(tmp_path, *TWINLINE, "session", "verify", "runs/none")
    assert verify.wait() == 2, verify.shown
    assert "runs/none: there is no such folder" in verify.said
    for run in (report, verify):
        run.assert_nothing_left()

"""A session that passes leaves whole evidence and nothing else, with every broker and in virtual mode."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import BROKERS, ROOT, TWINLINE, Starter, belt, is_free, procedures

from rig.acl import NO_ACL
from rig.report.bundle import REPORT

STEPS = [
    "connect/gateway[belt]",
    "connect/controller[belt]",
    "connect/lease[belt]",
    "checkout/output[belt.belt-run]",
    "checkout/output[belt.lamp-fault]",
    "checkout/input[belt.command]",
    "checkout/input[belt.part-enters]",
    "checkout/input[belt.part-leaves]",
    "checkout/input[belt.drive-ok]",
    "sequence/sequence[belt.passing]",
    "interlocks/interlock[belt.drive-tripped]",
    "flow/workpieces",
]


MEASURES = 'def test_{}(step):\n    """One."""\n    step.measure("one", 1)\n'


@pytest.mark.parametrize("broker", BROKERS)
def test_with_real_sockets(broker: str, tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    run = start.session(tmp_path, made.line, "--broker", broker)
    assert run.wait() == 0, run.shown
    run.assert_nothing_left()
    assert is_free(made.port)
    record = run.record("PASS", complete=True)
    assert [step.id for step in record.steps] == STEPS
    assert {step.verdict for step in record.steps} == {"PASS"}
    assert record.coverage[0].uncovered == ()
    assert record.broker == broker
    assert run.run is not None
    for told in (run.said, (run.run / REPORT).read_text()):
        assert (NO_ACL in told) == (broker == "embedded")
    assert "Exit 0: all passed" in run.said
    verified = start(tmp_path, *TWINLINE, "session", "verify", str(run.run))
    assert verified.wait() == 0, verified.shown


def test_in_virtual_mode(tmp_path: Path, start: Starter) -> None:
    run = start.session(tmp_path, belt(tmp_path).line, "--mode", "virtual")
    assert run.wait() == 0, run.shown
    run.assert_nothing_left()
    record = run.record("PASS", complete=True)
    assert [step.id for step in record.steps] == STEPS
    skipped = [step.id for step in record.steps if step.verdict == "SKIPPED"]
    assert skipped == STEPS[:2]


@pytest.mark.parametrize("mode", ["hil", "virtual"])
def test_a_selection_is_connected_first(mode: str, tmp_path: Path, start: Starter) -> None:
    run = start.session(tmp_path, belt(tmp_path).line, "--mode", mode, "-k", "passing")
    assert run.wait() == 0, run.shown
    record = run.record("PASS", complete=True)
    assert [step.id for step in record.steps] == [*STEPS[:3], "sequence/sequence[belt.passing]"]


def test_a_word_without_commands_is_checked_as_a_whole(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    made.change(
        "stations/belt.yaml",
        (
            "  # Outputs",
            '  status: {direction: input, type: WORD, address: "hr:1026", safe: 0, observer: seen-status}\n'
            "  # Outputs",
        ),
        ("\ntwin:", '  seen-status: {direction: output, type: WORD, address: "hr:3"}\n\ntwin:'),
    )
    made.change(
        "programs/belt.st",
        ("PartEnters   AT", "Status AT %MW2 : WORD;\n    SeenStatus AT %QW3 : WORD;\n    PartEnters   AT"),
        ("SeenCommand := Command;", "SeenCommand := Command;\nSeenStatus := Status;"),
    )
    run = start.session(tmp_path, made.line, "--mode", "virtual", "-k", "status")
    assert run.wait() == 0, run.shown
    record = run.record("PASS", complete=True)
    (step,) = [each for each in record.steps if each.phase == "checkout"]
    assert [each.name for each in step.measurements] == [
        "status 65535 to seen-status",
        "status 0 to seen-status",
    ]


def test_stations_take_turns_in_scenarios(tmp_path: Path, start: Starter) -> None:
    run = start.session(tmp_path, ROOT / "config/lines/starter.yaml", "--mode", "virtual")
    assert run.wait() == 0, run.shown
    record = run.record("PASS", complete=True)
    turns = [step.station for step in record.steps if step.phase == "interlocks"]
    assert turns[:6] == ["infeed", "glue", "screw"] * 2
    assert sorted(turns[:24]) == sorted(["infeed", "glue", "screw"] * 8)
    first, second, third, fourth = [step for step in record.steps if step.phase == "interlocks"][:4]
    over = first.started + first.duration
    assert second.started < over  # while the first was waited for
    assert third.started < over
    assert over <= fourth.started < second.started + second.duration


def test_evidence_that_was_changed_is_told(tmp_path: Path, start: Starter) -> None:
    run = start.session(tmp_path, belt(tmp_path).line, "--mode", "virtual")
    assert run.wait() == 0, run.shown
    assert run.run is not None
    report = run.run / "report.html"
    report.write_text(report.read_text().replace("PASS", "FAIL", 1))
    verified = start(tmp_path, *TWINLINE, "session", "verify", str(run.run))
    assert verified.wait() == 1
    assert "report.html: content differs" in verified.said


@pytest.mark.long
def test_two_sessions_of_two_lines_leave_each_other_alone(tmp_path: Path, start: Starter) -> None:
    runs = []
    for name in ("anna", "berta"):
        folder = tmp_path / name
        folder.mkdir()
        options = ("--ports", "auto", "--operator", name, "-k", "passing or tripped")
        runs.append(start.session(folder, belt(folder).line, *options))
    for run, name in zip(runs, ("anna", "berta"), strict=True):
        assert run.wait() == 0, run.shown
        run.assert_nothing_left()
        assert run.record("PASS", complete=True).operator == name


def test_procedures_are_found_beside_the_line_and_here(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    procedures(made.folder / "lines", beside=MEASURES.format("beside"))
    procedures(tmp_path, here=MEASURES.format("here"), _shared="nonsense ( not read")
    run = start.session(tmp_path, made.line, "--mode", "virtual", "-k", "procedures")
    assert run.wait() == 0, run.shown
    steps = [step.id for step in run.record("PASS", complete=True).steps if step.phase == "procedures"]
    assert steps == ["procedures/beside/beside", "procedures/here/here"]

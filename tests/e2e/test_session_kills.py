"""Killing any one process in the middle of a session ends in a clear verdict and leaves nothing."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from running import (
    BROKER,
    BROKERS,
    CONTROLLER,
    GATEWAY,
    HOLD,
    ROOT,
    TWINLINE,
    Memory,
    Starter,
    belt,
    by_id,
    evidence,
    is_free,
    memory,
    procedures,
    until,
)

GONE = {
    CONTROLLER: (1, "FAIL", "belt: the controller closed the connection or fell silent"),
    GATEWAY: (3, "ERROR", "gateway belt: went offline"),
    BROKER: (3, "ERROR", "the broker is gone: mqtts://127.0.0.1:"),
    "mosquitto -c": (3, "ERROR", "the broker is gone: mqtts://127.0.0.1:"),
}


def _long(broker: object) -> list[pytest.MarkDecorator]:
    """Each process is killed beside one broker in make test."""
    return [] if broker == "mosquitto" else [pytest.mark.long]


CASES = [
    pytest.param(
        part,
        *broker.values,
        marks=[*broker.marks, *_long(broker.values[0])],
        id=f"{part.split()[0]}-{broker.values[0]}",
    )
    for part in GONE
    for broker in (pytest.param(each) if isinstance(each, str) else each for each in BROKERS)
    if broker.values[0] == "mosquitto" or "mosquitto" not in part
]


@pytest.mark.parametrize(("part", "broker"), CASES)
def test_one_process_of_the_line(part: str, broker: str, tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    procedures(tmp_path, hold=HOLD)
    run = start.session(tmp_path, made.line, "--broker", broker, "-k", "hold")
    with memory(made.port) as watched:
        watched.wait(Memory.HELD)
    run.kill(part)
    status, verdict, message = GONE[part]
    assert run.wait() == status, run.shown
    assert message in run.said
    run.assert_nothing_left()
    assert is_free(made.port)
    record = run.record(verdict, complete=part in (CONTROLLER, GATEWAY))
    steps = by_id(record)
    assert steps["procedures/hold/hold[belt]"].verdict == verdict
    assert message in steps["procedures/hold/hold[belt]"].message
    then = steps["procedures/hold/then[belt]"]
    assert then.verdict == "SKIPPED"
    assert message in then.message


def test_the_rig_itself(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path, serve=False)
    procedures(tmp_path, hold=HOLD)
    start.controller(tmp_path, made)
    run = start.session(tmp_path, made.line, "-k", "hold")
    with memory(made.port) as watched:
        watched.wait(Memory.HELD)
        run.signal(signal.SIGKILL)
        watched.wait(Memory.SAFE)
    assert run.wait() == -signal.SIGKILL
    until("no child left", lambda: not run.processes())
    run.assert_no_traceback()

    assert run.run is not None
    rebuilt = start(tmp_path, *TWINLINE, "session", "report", str(run.run))
    assert rebuilt.wait() == 0, rebuilt.shown
    assert "Traceback" not in rebuilt.shown
    record = evidence(run.run, "ERROR", complete=False)
    assert [step.phase for step in record.steps] == ["connect"] * 3
    assert "Cut short" in record.note

    (left,) = run.scratch.iterdir()  # its keys
    assert list(left.glob("*.pem"))
    shutil.rmtree(tmp_path / "runs")
    temporary = {"TMPDIR": str(run.scratch)}
    again = start(
        tmp_path, *TWINLINE, "session", "run", str(made.line), "-k", "connect and lease", env=temporary
    )
    assert again.wait() == 0, again.shown
    assert list(run.scratch.iterdir()) == []


def test_a_rig_that_hangs_loses_the_lease(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path, serve=False)
    procedures(tmp_path, hold=HOLD)
    start.controller(tmp_path, made)
    run = start.session(tmp_path, made.line, "-k", "hold")
    with memory(made.port) as watched:
        watched.wait(Memory.HELD)
        run.signal(signal.SIGSTOP)
        watched.wait(Memory.SAFE)
        run.signal(signal.SIGCONT)
        assert run.wait() == 3, run.shown
        assert watched.read() == Memory.SAFE
    run.assert_nothing_left()
    steps = by_id(run.record("ERROR", complete=True))
    assert "belt: the lease is lost" in steps["procedures/hold/hold[belt]"].message
    assert steps["procedures/hold/then[belt]"].verdict == "SKIPPED"


@pytest.mark.long
def test_the_other_stations_of_the_line_go_on(tmp_path: Path, start: Starter) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    run = start.session(
        tmp_path, tmp_path / "config/lines/starter.yaml", "--ports", "auto", "-k", "output and not glue"
    )
    run.wait_step("checkout/output[infeed.belt-run]")
    run.kill(f"{CONTROLLER} {tmp_path / 'config/programs/infeed.st'}")
    assert run.wait() == 1, run.shown
    run.assert_nothing_left()
    record = run.record("FAIL", complete=True)
    failed = [step for step in record.steps if step.verdict == "FAIL"]
    assert [step.station for step in failed] == ["infeed"]
    assert "infeed: the controller" in failed[0].message
    later = record.steps[record.steps.index(failed[0]) + 1 :]
    assert {step.verdict for step in later if step.station == "infeed"} <= {"SKIPPED"}
    assert {step.verdict for step in later if step.station == "screw"} == {"PASS"}

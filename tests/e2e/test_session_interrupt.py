"""Ctrl-C and its like end a session in order: safe state, partial evidence, status 130, nothing left."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from running import GATEWAY, HOLD, TWINLINE, Memory, Run, Starter, belt, memory, procedures, until

HELD = "procedures/hold/hold[belt]"
WHILE_HELD = f"Interrupted by the operator during {HELD}."
BY = {
    signal.SIGINT: "Ctrl-C",
    signal.SIGTERM: "SIGTERM",
    signal.SIGHUP: "the end of its terminal (SIGHUP)",
}
SWALLOWS = '''
from pathlib import Path

from gateway.net.messages import Pause


def test_swallows(station):
    """Takes the interrupt for its own."""
    Path("here").touch()
    try:
        station.run(Pause(120_000_000_000))
    except BaseException:
        pass


def test_then(station):
    """Never comes to this."""
    Path("there").touch()
'''


def holding(folder: Path, start: Starter) -> tuple[Run, int]:
    """A session that forces inputs of a controller which outlives it; the controller's port."""
    made = belt(folder, serve=False)
    procedures(folder, hold=HOLD)
    start.controller(folder, made)
    run = start.session(folder, made.line, "-k", "hold")
    with memory(made.port) as watched:
        watched.wait(Memory.HELD)
    return run, made.port


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
@pytest.mark.parametrize("times", [1, 3])
def test_in_the_middle_of_a_step(number: signal.Signals, times: int, tmp_path: Path, start: Starter) -> None:
    run, port = holding(tmp_path, start)
    for _ in range(times):
        run.signal(number)
    assert run.wait() == 130, run.shown
    run.assert_nothing_left()
    with memory(port) as watched:
        assert watched.read() == Memory.SAFE
    record = run.record("ERROR", complete=False)
    by = BY[number]
    assert record.note == (WHILE_HELD if by == "Ctrl-C" else f"Ended by {by} during {HELD}.")
    assert [step.verdict for step in record.steps] == ["PASS"] * 3
    assert f"Exit 130: stopped by {by}" in run.said


def test_again_while_it_ends(tmp_path: Path, start: Starter) -> None:
    run, port = holding(tmp_path, start)
    run.signal(signal.SIGINT)
    while run.process.poll() is None:  # as fast as a person cannot
        run.signal(signal.SIGINT)
        run.signal(signal.SIGTERM)
        if run.run is not None and (run.run / "manifest.json").exists():
            break
    assert run.wait() == 130, run.shown
    run.assert_nothing_left()
    with memory(port) as watched:
        assert watched.read() == Memory.SAFE
    assert run.record("ERROR", complete=False).note == WHILE_HELD


def test_the_terminal_is_closed(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path, serve=False)
    procedures(tmp_path, hold=HOLD)
    start.controller(tmp_path, made)
    terminal = (sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])")
    run = start(tmp_path, *terminal, *TWINLINE, "session", "run", str(made.line), "-k", "hold")
    with memory(made.port) as watched:
        watched.wait(Memory.HELD)
        run.signal(signal.SIGKILL)  # nobody is at the other end of the terminal any more
        run.assert_nothing_left()
        assert watched.read() == Memory.SAFE
    assert run.record("ERROR", complete=False).note == f"Ended by {BY[signal.SIGHUP]} during {HELD}."


def test_while_the_line_starts(tmp_path: Path, start: Starter) -> None:
    run = start.session(tmp_path, belt(tmp_path).line)
    until("a gateway that starts", lambda: run.processes(GATEWAY))
    run.signal(signal.SIGINT)
    assert run.wait() == 130, run.shown
    run.assert_nothing_left()
    record = run.record("ERROR", complete=False)
    assert record.note.startswith("Interrupted by the operator")


def test_a_procedure_that_swallows_it(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    procedures(tmp_path, swallow=SWALLOWS)
    run = start.session(tmp_path, made.line, "-k", "swallow")
    until("the procedure", (tmp_path / "here").exists)
    run.signal(signal.SIGINT)
    assert run.wait() == 130, run.shown
    run.assert_nothing_left()
    assert not (tmp_path / "there").exists()
    assert run.record("ERROR", complete=False).note.startswith("Interrupted by the operator")

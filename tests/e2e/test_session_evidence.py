"""A disk that does not take the evidence ends the session with one clear message, and status 3."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import PYTEST, TWINLINE, Starter, belt, procedures

# The disk is full from here on, as far as the log of steps is concerned.
FULL = '''
import os


def test_fills_the_disk():
    """The next step does not fit."""
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}").endswith("steps.jsonl"):
                full = os.open("/dev/full", os.O_WRONLY)
                os.dup2(full, int(number))
                os.close(full)
        except FileNotFoundError:
            pass


def test_later():
    """Never comes to this."""
    open("later", "w").close()
'''
REMOVED = '''
import shutil
from pathlib import Path


def test_removes_the_folder():
    """Somebody tidies up."""
    for run in Path("runs").iterdir():
        shutil.rmtree(run)
'''
COMMANDS = [(*TWINLINE, "session", "run"), (*PYTEST, "--line")]


@pytest.mark.parametrize("command", COMMANDS, ids=["twinline", "pytest"])
def test_a_full_disk(command: tuple[str, ...], tmp_path: Path, start: Starter) -> None:
    procedures(tmp_path, full=FULL)
    run = start(tmp_path, *command, str(belt(tmp_path).line), "-k", "full")
    assert run.wait() == 3, run.shown
    assert "the evidence cannot be written: No space left on device" in run.said
    run.assert_nothing_left()
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize("command", COMMANDS, ids=["twinline", "pytest"])
def test_a_folder_that_goes_away(command: tuple[str, ...], tmp_path: Path, start: Starter) -> None:
    procedures(tmp_path, removed=REMOVED)
    run = start(tmp_path, *command, str(belt(tmp_path).line), "--mode", "virtual", "-k", "removed")
    assert run.wait() == 3, run.shown
    assert "the evidence cannot be written: No such file or directory" in run.said
    run.assert_nothing_left()

"""What a killed rig leaves in the temporary directory goes at the next start, and nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rig import scratch
from rig.scratch import Scratch

HOLDER = """
import subprocess, sys
from rig.scratch import Scratch
made = Scratch()
(made.path / "key.pem").write_text("secret")
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=0, pass_fds=made.inherited)
print(made.path, child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_gone_when_it_is_removed(temporary: Path) -> None:
    made = Scratch()
    assert made.path.stat().st_mode & 0o077 == 0
    (made.path / "key.pem").write_text("secret")
    made.remove()
    made.remove()
    assert list(temporary.iterdir()) == []


def test_one_in_use_stays(temporary: Path) -> None:
    first = Scratch()
    second = Scratch()
    assert sorted(temporary.iterdir()) == sorted((first.path, second.path))
    first.remove()
    second.remove()


def test_what_a_killed_rig_leaves_goes_when_its_children_are_gone_too(temporary: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    rig = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert rig.stdout is not None
    assert rig.stdin is not None
    path, child = rig.stdout.readline().split()
    rig.kill()
    rig.wait()
    scratch.sweep()
    assert (Path(path) / "key.pem").exists()  # a gateway of it still lives
    os.kill(int(child), signal.SIGKILL)
    rig.stdin.close()
    assert rig.stdout.read() == ""  # ends when the child, which has it too, has ended
    rig.stdout.close()
    scratch.sweep()
    assert not Path(path).exists()


def test_what_is_not_a_dead_rigs_is_left_alone(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (temporary / "twinline-notes").mkdir()  # no lock: another program's
    (temporary / "twinline-file").write_text("")
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").write_text("")
    (temporary / "twinline-link").symlink_to(elsewhere)
    others = temporary / "twinline-others"
    others.mkdir()
    (others / "lock").write_text("")
    owner = scratch._owner
    monkeypatch.setattr(scratch, "_owner", lambda folder: owner(folder) + (folder == others))
    scratch.sweep()
    assert len(list(temporary.iterdir())) == 5
    assert (elsewhere / "lock").exists()
    assert (others / "lock").exists()

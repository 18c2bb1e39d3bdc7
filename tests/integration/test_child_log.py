"""A child's log has what it said, and can be closed while the child runs, which nothing then holds up."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from shell_support import until

from rig.backend import RigFault
from rig.child import Child

# Says what it reads, as a gateway logs, until its input ends.
TALKER = """
import json, logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s")
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    word, times = line.split()
    for _ in range(int(times)):
        logging.info(word)
logging.info("bye")
"""


@pytest.fixture
def talker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Child:
    (tmp_path / "talker.py").write_text(TALKER)
    monkeypatch.chdir(tmp_path)
    child = Child("talker", ["talker"], tmp_path / "talker.log")
    child.wait_ready(time.monotonic() + 60)
    return child


def say(child: Child, word: str, times: int) -> None:
    assert child.process.stdin is not None
    child.process.stdin.write(f"{word} {times}\n".encode())
    child.process.stdin.flush()


def end(child: Child) -> None:
    child.ask_to_end()
    child.wait_end(time.monotonic() + 60)


def test_its_last_words_are_in_the_log(talker: Child) -> None:
    say(talker, "hello", 3)
    end(talker)
    assert talker.process.returncode == 0
    assert talker.log.read_text() == "hello\nhello\nhello\nbye\n"


def test_a_sealed_log_stays_as_it_is(talker: Child) -> None:
    say(talker, "before", 1)
    until("it is in the log", lambda: "before" in talker.log.read_text())
    talker.seal()
    say(talker, "after", 100_000)  # far more than fits into a pipe: it is read all the same
    end(talker)
    assert talker.process.returncode == 0
    assert talker.log.read_text() == "before\n"


def test_a_rig_that_hangs_holds_nobody_up(talker: Child) -> None:
    with talker._log._lock:  # nobody reads what it says
        say(talker, "much", 20_000)  # more than fits into a pipe
        talker.ask_to_end()
        talker.process.wait(60)
    end(talker)
    assert "much" in talker.log.read_text()


def test_one_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_text("raise SystemExit('no disk')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RigFault, match="broken did not start: no disk"):
        Child("broken", ["broken"], tmp_path / "log").wait_ready(time.monotonic() + 60)

"""What the journal acknowledged is there, all of a call or nothing of it, through SIGKILL too."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import BadInput
from gateway.store.journal import Delete, Journal, JournalFailed, Put

# Counts up two records in one call, and says each number once the call has returned.
WRITER = """
import sys
from pathlib import Path
from gateway.store.journal import Delete, Journal, Put
journal = Journal(Path(sys.argv[1]))
number = int(journal.get("count", "left") or b"0")
while True:
    number += 1
    value = str(number).encode()
    journal.apply([Put("count", "left", value), Put("filler", str(number), bytes(2000)),
                   Delete("filler", str(number - 5)), Put("count", "right", value)])
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_records_are_kept_by_table_and_key(path: Path) -> None:
    with Journal(path) as journal:
        journal.put("force", "b", b"2")
        journal.put("force", "a", b"1")
        journal.put("workpiece", "a", bytes(range(256)))
        journal.put("force", "a", b"new")
        journal.delete("force", "none")
    with Journal(path) as journal:
        assert journal.items("force") == [("a", b"new"), ("b", b"2")]
        assert journal.get("workpiece", "a") == bytes(range(256))
        assert journal.get("workpiece", "b") is None
        journal.delete("force", "a")
        assert journal.items("force") == [("b", b"2")]
        assert journal.items("none") == []


def test_changes_are_made_in_order(path: Path) -> None:
    with Journal(path) as journal:
        journal.apply([Put("t", "a", b"1"), Delete("t", "a"), Put("t", "b", b"1"), Put("t", "b", b"2")])
        assert journal.items("t") == [("b", b"2")]


def test_a_call_that_fails_changes_nothing(path: Path) -> None:
    with Journal(path) as journal:
        journal.put("t", "a", b"old")
        with pytest.raises(JournalFailed):
            journal.apply([Put("t", "a", b"new"), Put("t", None, b"no key")])  # type: ignore[arg-type]

        def changes() -> Iterator[Put]:
            yield Put("t", "a", b"new")
            raise KeyError("the caller's own")

        with pytest.raises(KeyError):
            journal.apply(changes())
        assert journal.items("t") == [("a", b"old")]
        journal.put("t", "b", b"goes on")
        assert journal.get("t", "b") == b"goes on"


def test_a_full_disk_is_told_and_nothing_is_acknowledged(path: Path) -> None:
    with Journal(path) as journal:
        journal.put("t", "a", b"old")
        journal._db.execute("PRAGMA max_page_count=10")  # SQLite's own way to be full
        with pytest.raises(JournalFailed, match="full"):
            journal.apply([Put("t", "a", b"new"), Put("t", "b", bytes(1_000_000))])
        assert journal.items("t") == [("a", b"old")]


@pytest.mark.parametrize("seed", range(5))
def test_what_was_acknowledged_survives_sigkill(path: Path, seed: int) -> None:
    choose = random.Random(seed)
    acknowledged = 0
    for _ in range(3):  # each time on top of what the last kill left
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        with writer:
            assert writer.stdout is not None
            last = acknowledged + choose.randint(1, 60)
            while acknowledged < last:
                line = writer.stdout.readline()
                assert line, "the writer ended by itself"
                acknowledged = int(line)
            writer.send_signal(signal.SIGKILL)
            # What it still said before it died was acknowledged as well.
            acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
        with Journal(path) as journal:
            left, right = journal.get("count", "left"), journal.get("count", "right")
            assert left is not None
            assert left == right
            number = int(left)
            assert number in (acknowledged, acknowledged + 1)
            filler = {int(key) for key, value in journal.items("filler") if len(value) == 2000}
            assert filler == set(range(max(1, number - 4), number + 1))
            acknowledged = number


def test_writes_reach_the_disk_before_they_return(path: Path) -> None:
    with Journal(path) as journal:
        assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_two_cannot_have_it(path: Path) -> None:
    with Journal(path), pytest.raises(BadInput, match="in use"):
        Journal(path)
    Journal(path).close()


def test_a_damaged_file_is_told_and_left_as_it_is(path: Path) -> None:
    with Journal(path) as journal:
        for number in range(200):
            journal.put("t", str(number), bytes(500))
    data = bytearray(path.read_bytes())
    data[4096 : 4096 * 6] = random.Random(1).randbytes(4096 * 5)
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"damaged.*move it aside"):
        Journal(path)
    assert path.read_bytes() == data
    path.write_bytes(b"no database at all, but long enough to have had a header" * 20)
    with pytest.raises(BadInput, match="damaged"):
        Journal(path)


def test_another_programs_database_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(BadInput, match="another program"):
        Journal(path)


def test_a_newer_version_is_refused(path: Path) -> None:
    with Journal(path) as journal:
        journal._db.execute("PRAGMA user_version=2")
    with pytest.raises(BadInput, match="version 2"):
        Journal(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be opened"):
        Journal(tmp_path / "none" / "journal.db")

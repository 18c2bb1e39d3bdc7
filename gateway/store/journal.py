"""What must survive kill -9 and a power cut: keyed records in SQLite, on disk before a call returns."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import msgspec

from gateway.errors import BadInput, Problem

_APPLICATION = 0x54574C4E  # "TWLN": this file is ours
_VERSION = 1
_BUSY_S = 1.0


class JournalFailed(Exception):
    """The disk did not take a record: nothing of the call was written, and nothing may be acknowledged."""


class Put(msgspec.Struct, frozen=True):
    """Set the record ``key`` of ``table``."""

    table: str
    key: str
    value: bytes


class Delete(msgspec.Struct, frozen=True):
    """Remove the record ``key`` of ``table``, if it is there."""

    table: str
    key: str


Change = Put | Delete


class Journal:
    """The journal in the file ``path``, which one process at a time may open.

    A call blocks for the disk (some ms). Calls from several threads take turns. Raises BadInput if the file
    cannot be opened, is damaged, is not ours, or is of a newer version; nothing is ever thrown away.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._bad(f"cannot be opened: {error}", "the folder must exist and be writable") from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            raise self._unusable(error) from None
        except BadInput:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("BEGIN EXCLUSIVE")
        found = [
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        ]
        if found == [0, 0] and not self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            self._db.execute(
                "CREATE TABLE record (name TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,"
                " PRIMARY KEY (name, key)) WITHOUT ROWID"
            )
            self._db.execute(f"PRAGMA application_id={_APPLICATION}")
            self._db.execute(f"PRAGMA user_version={_VERSION}")
        elif found[0] != _APPLICATION:
            raise self._bad("is another program's database", "give the journal a path of its own")
        elif found[1] > _VERSION:
            raise self._bad(
                f"is of version {found[1]}, this program knows {_VERSION}",
                "run the newer program, or update this one",
            )
        self._db.execute("COMMIT")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        check = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if check != "ok":
            raise sqlite3.DatabaseError(" ".join(check.split()))

    def put(self, table: str, key: str, value: bytes) -> None:
        """Set one record; on disk when it returns. Raises JournalFailed."""
        self.apply([Put(table, key, value)])

    def delete(self, table: str, key: str) -> None:
        """Remove one record, if it is there; on disk when it returns. Raises JournalFailed."""
        self.apply([Delete(table, key)])

    def apply(self, changes: Iterable[Change]) -> None:
        """All ``changes`` in order, or none of them; on disk when it returns. Raises JournalFailed."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                for change in changes:
                    match change:
                        case Put(table, key, value):
                            self._db.execute("REPLACE INTO record VALUES (?, ?, ?)", (table, key, value))
                        case Delete(table, key):
                            self._db.execute("DELETE FROM record WHERE name = ? AND key = ?", (table, key))
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise JournalFailed(f"{self.path}: {error}") from error
                raise

    def get(self, table: str, key: str) -> bytes | None:
        """The record, None if there is none."""
        found = self._read("SELECT value FROM record WHERE name = ? AND key = ?", table, key)
        return found[0][0] if found else None

    def items(self, table: str) -> list[tuple[str, bytes]]:
        """All records of ``table``, by key."""
        found = self._read("SELECT key, value FROM record WHERE name = ? ORDER BY key", table)
        return [(key, value) for key, value in found]

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise JournalFailed(f"{self.path}: {error}") from error

    def close(self) -> None:
        """Close the file; the journal cannot be used any more."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unusable(self, error: sqlite3.Error) -> BadInput:
        if isinstance(error, sqlite3.OperationalError):
            if "locked" in str(error):
                return self._bad("is in use", "another gateway runs here with this journal; stop it first")
            return self._bad(f"cannot be opened: {error}", "the file and its folder must be writable")
        return self._bad(
            f"is damaged: {error}",
            "move it aside together with its -wal file and keep both; without it the gateway does not know"
            " what was forced or which workpieces it holds, so check the station before it starts again",
        )

    def _bad(self, what: str, hint: str) -> BadInput:
        return BadInput([Problem(str(self.path), 0, 0, what, hint)])

"""A node's disk: decided blocks, what it signed, its own transactions; synced before a call returns."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar

from ledger.codec import Malformed, decode, encode
from ledger.genesis import Genesis
from ledger.ports import Decided, Keep, Kept
from ledger.types import Block, Commit, Tx

APPLICATION = 0x54574C47  # "TWLG": this file is ours
FORMAT = 1
BUSY_S = 1.0
MAX_BYTES = 16 * 1024 * 1024  # of one row
T = TypeVar("T")
Change: TypeAlias = Keep | Decided | Tx  # a transaction of ours


class StoreFailed(Exception):
    """The disk did not take it, or holds what it should not; nothing may be said that relied on it."""


class Store:
    """The file ``path`` of one node of the chain that ``genesis`` begins. Calls from several threads take
    turns. Raises StoreFailed if it cannot be opened, is damaged, or is another chain's."""

    def __init__(self, path: Path, genesis: Genesis) -> None:
        self.path = path
        self.fresh = False  # nothing was there: it is new, or what was there is lost
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreFailed(f"{path}: {error}") from error
        try:
            self._prepare(encode(genesis))
        except sqlite3.Error as error:
            self._db.close()
            raise StoreFailed(f"{path}: {error}") from error
        except StoreFailed:
            self._db.close()
            raise

    def _prepare(self, genesis: bytes) -> None:
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("BEGIN EXCLUSIVE")
        ours = self._db.execute("PRAGMA application_id").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if (ours, tables) == (0, 0):
            self.fresh = True
            for table in (
                "genesis (data BLOB NOT NULL)",
                "decided (height INTEGER PRIMARY KEY, data BLOB NOT NULL)",
                "kept (only INTEGER PRIMARY KEY CHECK (only = 0), data BLOB NOT NULL)",
                "block (id BLOB PRIMARY KEY, data BLOB NOT NULL)",
                "own (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)",
            ):
                self._db.execute(f"CREATE TABLE {table}")
            self._db.execute("INSERT INTO genesis VALUES (?)", (genesis,))
            self._db.execute(f"PRAGMA application_id={APPLICATION}")
            self._db.execute(f"PRAGMA user_version={FORMAT}")
        elif ours != APPLICATION:
            raise StoreFailed(f"{self.path} is another program's database; give the chain a path of its own")
        elif self._db.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            raise StoreFailed(f"{self.path} is of another version; run the program that wrote it")
        elif self._db.execute("SELECT data FROM genesis").fetchone()[0] != genesis:
            raise StoreFailed(f"{self.path} is of another chain; give each chain a path of its own")
        self._db.execute("COMMIT")

    def write(self, changes: Sequence[Change]) -> None:
        """All of ``changes`` in their order, with one sync, or none of them.

        Many at once cost as much as one. Of several Keeps the last alone counts, of the blocks that they
        name those that came after the last decision: what was kept for a decided height is not needed.
        """
        latest = {type(change): at for at, change in enumerate(changes)}
        with self._lock, self._all_or_nothing():
            for at, change in enumerate(changes):
                match change:
                    case Keep(kept, block):
                        if at == latest[Keep]:
                            self._db.execute("REPLACE INTO kept VALUES (0, ?)", (encode(kept),))
                        if block is not None and at > latest.get(Decided, -1):
                            self._db.execute(
                                "INSERT OR IGNORE INTO block VALUES (?, ?)", (block.id, encode(block))
                            )
                    case Decided(commit):
                        self._db.execute(
                            "REPLACE INTO decided VALUES (?, ?)", (commit.qc.height, encode(commit))
                        )
                        if at == latest[Decided]:
                            self._db.execute("DELETE FROM block")
                    case Tx():
                        self._db.execute("REPLACE INTO own VALUES (?, ?)", (change.seq, encode(change)))

    def decided(self, height: int) -> Commit | None:
        """The block decided at ``height``."""
        found = self._read("SELECT data FROM decided WHERE height = ?", height)
        return self._decoded(found[0], Commit) if found else None

    def kept(self) -> tuple[Kept | None, tuple[Block, ...]]:
        """What the consensus kept last, and the blocks it names."""
        found = self._read("SELECT data FROM kept")
        blocks = tuple(self._decoded(data, Block) for data in self._read("SELECT data FROM block"))
        return (self._decoded(found[0], Kept) if found else None), blocks

    def waiting(self, taken: int, limit: int) -> list[Tx]:
        """Our transactions after number ``taken``, in order; at most ``limit``."""
        return [
            self._decoded(data, Tx)
            for data in self._read("SELECT data FROM own WHERE seq > ? ORDER BY seq LIMIT ?", taken, limit)
        ]

    def last_own(self) -> int:
        """The number of our latest transaction."""
        return int(self._read("SELECT coalesce(max(seq), 0) FROM own")[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _all_or_nothing(self) -> _Transaction:
        return _Transaction(self._db, self.path)

    def _read(self, query: str, *values: int) -> list[Any]:
        with self._lock:
            try:
                return [row[0] for row in self._db.execute(query, values)]
            except sqlite3.Error as error:
                raise StoreFailed(f"{self.path}: {error}") from error

    def _decoded(self, data: bytes, shape: type[T]) -> T:
        value = decode(data, shape, MAX_BYTES)
        if isinstance(value, Malformed):
            raise StoreFailed(f"{self.path} is damaged: {value.reason}")
        return value


class _Transaction:
    """All of it on disk, or none; StoreFailed if the disk does not take it."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db, self._path = db, path

    def __enter__(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise StoreFailed(f"{self._path}: {error}") from error

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self._db.execute("COMMIT")
            elif self._db.in_transaction:  # of what is worst, a full disk say, SQLite goes back by itself
                self._db.execute("ROLLBACK")
        except sqlite3.Error as failed:
            raise StoreFailed(f"{self._path}: {failed}") from failed
        if isinstance(error, sqlite3.Error):
            raise StoreFailed(f"{self._path}: {error}") from error

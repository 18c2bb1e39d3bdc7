"""What an authority remembers: tokens (their hashes), and what was issued to whom, in SQLite.

Several processes may use it at once: the authority that serves, and a person's commands beside it. A change
is one transaction, on the disk before anybody hears of it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from gateway.errors import BadInput, Problem
from gateway.net.roles import Role
from gateway.pki.enrolment import Kind
from gateway.pki.requests import Answer
from ledger import codec
from ledger.codec import Malformed

FILE = "registry.sqlite"
ROOT = "root.pem"  # beside it, once there is an authority
_Shape = TypeVar("_Shape", bound=msgspec.Struct)
PATIENCE = 10.0  # s, for another process to end its transaction
VERSION = 1
SUPERSEDED = "superseded: it has new keys"  # why the certificates before a renewal are good no more
_SCHEMA = """
CREATE TABLE token (hash BLOB PRIMARY KEY, place BLOB NOT NULL, until INTEGER NOT NULL, used BLOB);
CREATE TABLE issued (
    number INTEGER PRIMARY KEY, node TEXT NOT NULL, digest BLOB NOT NULL UNIQUE, place BLOB NOT NULL,
    answer BLOB NOT NULL, revoked INTEGER, why TEXT);
CREATE INDEX issued_node ON issued (node);
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = 1;
"""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """What a node is let in as."""

    node: str
    kind: Kind
    owner: str
    roles: tuple[Role, ...] = ()
    hosts: tuple[str, ...] = ()


class Invitation(NamedTuple):
    """A token that was made: for which place, until when (UTC ns), and which request used it."""

    place: Place
    until: int
    used: bytes | None


class Issued(NamedTuple):
    """What a request got; ``digest`` is of its keys, ``revoked`` since when (UTC ns) and ``why``."""

    number: int
    digest: bytes
    place: Place
    answer: Answer
    revoked: int | None
    why: str

    @property
    def public(self) -> bytes:
        """The node's Ed25519 key (32 bytes)."""
        return self.answer.enrolment.enrolment.public

    @property
    def burnt(self) -> bool:
        """Whether the node's own key is revoked with it, and not only its certificates."""
        return self.revoked is not None and self.why != SUPERSEDED


class Registry:
    """The one in ``folder``, made where there is no authority yet. BadInput where its file is not to be used,
    or is gone: a new one would know of nobody that he was revoked."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        needed = (folder / ROOT).exists()
        if needed and not self.path.exists():
            raise BadInput([self._gone()])
        try:
            self._db = sqlite3.connect(self.path, PATIENCE, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error as error:
            raise BadInput([self._problem(str(error), "restore the file from a backup")]) from None
        with self.changing():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0 and needed:
                raise BadInput([self._gone()])
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
        if version not in (0, VERSION):
            what = f"is of version {version}, this Twinline reads {VERSION}"
            raise BadInput([self._problem(what, "use the Twinline that wrote it")])
        self.path.chmod(0o600)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """One transaction: all of it is on the disk afterwards, or nothing. BadInput where it cannot be."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            hint = "see to the disk, or to who else uses the file; nothing was changed: try again"
            raise BadInput([self._problem(str(error), hint)]) from None
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def invite(self, hash: bytes, place: Place, until: int) -> None:
        """Remember a token; those that ended and were never used are forgotten."""
        self._db.execute("DELETE FROM token WHERE used IS NULL AND until < ?", (until - _KEPT,))
        self._db.execute("INSERT INTO token VALUES (?, ?, ?, NULL)", (hash, codec.encode(place), until))

    def invitation(self, hash: bytes) -> Invitation | None:
        """The token with this hash."""
        row = self._db.execute("SELECT place, until, used FROM token WHERE hash = ?", (hash,)).fetchone()
        return None if row is None else Invitation(_read(row[0], Place), row[1], row[2])

    def open_invitations(self, now: int) -> list[tuple[Place, int]]:
        """Those that can be used at ``now``: for which place, until when (UTC ns)."""
        query = "SELECT place, until FROM token WHERE used IS NULL AND until >= ? ORDER BY until"
        return [(_read(place, Place), until) for place, until in self._db.execute(query, (now,))]

    def withdraw(self, node: str) -> int:
        """Forget the tokens of ``node`` that were not used: how many."""
        rows = self._db.execute("SELECT hash, place FROM token WHERE used IS NULL").fetchall()
        gone = [(hash,) for hash, place in rows if _read(place, Place).node == node]
        self._db.executemany("DELETE FROM token WHERE hash = ?", gone)
        return len(gone)

    def use(self, hash: bytes, digest: bytes) -> None:
        """The token is used by the request with this digest."""
        self._db.execute("UPDATE token SET used = ? WHERE hash = ?", (digest, hash))

    def add(self, digest: bytes, place: Place, answer: Answer) -> None:
        """Remember what was issued."""
        row = (place.node, digest, codec.encode(place), codec.encode(answer))
        self._db.execute("INSERT INTO issued (node, digest, place, answer) VALUES (?, ?, ?, ?)", row)

    def revoke(self, number: int, since: int, why: str) -> None:
        """Take back what was issued as this number."""
        self._db.execute("UPDATE issued SET revoked = ?, why = ? WHERE number = ?", (since, why, number))

    def issued(self, node: str = "") -> list[Issued]:
        """All that was issued (to ``node``), in its order."""
        query = "SELECT number, digest, place, answer, revoked, why FROM issued"
        rows = self._db.execute(
            f"{query} WHERE node = ? ORDER BY number" if node else f"{query} ORDER BY number",
            (node,) if node else (),
        )
        return [
            Issued(number, digest, _read(place, Place), _read(answer, Answer), revoked, why or "")
            for number, digest, place, answer, revoked, why in rows
        ]

    def setting(self, name: str) -> str:
        """What was set; empty where nothing was."""
        row = self._db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def set(self, name: str, value: str) -> None:
        """Remember it."""
        self._db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def _gone(self) -> Problem:
        hint = "restore it from a backup: without it nobody knows who was let in, and who was revoked"
        return self._problem("is missing or empty beside an authority", hint)

    def _problem(self, what: str, hint: str) -> Problem:
        return Problem(str(self.path), 0, 0, what, hint)


_KEPT = 30 * 86_400 * 10**9  # ns: until then an old token is told as one that ended


def _read(data: bytes, shape: type[_Shape]) -> _Shape:
    found = codec.decode(data, shape)
    assert not isinstance(found, Malformed), "what is there was written by us"
    return found

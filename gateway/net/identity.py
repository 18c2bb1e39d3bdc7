"""Who a node is: its id with an Ed25519 key, the nodes it knows and what they may, and its boot id."""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway import yamlfile
from gateway.errors import BadInput, Problem
from gateway.net.envelope import BOOT_BYTES
from gateway.net.roles import ROLES, Role, holds, role
from gateway.private import exposed
from gateway.store.atomic import write_atomically
from ledger import codec

# The node's id stands above the key, where PEM (RFC 7468) leaves room for explanation.
_NODE = re.compile(r"^Node: (\S+)$", re.MULTILINE)


class Identity:
    """A node's id (``[a-z][a-z0-9-]{0,31}``) and private key."""

    def __init__(self, node: str, key: Ed25519PrivateKey) -> None:
        """Raises ValueError if ``node`` is not an id."""
        self.node = yamlfile.identifier(node)
        self._key = key
        self.public_bytes = key.public_key().public_bytes_raw()

    @classmethod
    def create(cls, node: str) -> Identity:
        """A new key for ``node``."""
        return cls(node, Ed25519PrivateKey.generate())

    def sign(self, context: str, data: bytes) -> bytes:
        """64 bytes over ``data``, which verify for the same ``context`` only."""
        return codec.sign(self._key, context, data)

    def save(self, path: Path) -> None:
        """Write the key to ``path`` as PKCS 8 PEM that only its owner can read; OSError if it cannot."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_atomically(path, f"Node: {self.node}\n".encode() + pem, 0o600)

    @classmethod
    def load(cls, path: Path) -> Identity:
        """The identity that ``save`` wrote; BadInput says what is wrong with the file."""
        text = yamlfile.read_text(path)
        problems = exposed(path)
        named = _NODE.search(text)
        if named is None:
            problems.append(
                _problem(path, "does not say whose key it is", "the first line is Node: and its id")
            )
        try:
            key = load_pem_private_key(text.encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            problems.append(
                _problem(path, "holds no readable private key", "an unencrypted PKCS 8 PEM is wanted")
            )
        else:
            if isinstance(key, Ed25519PrivateKey) and named and not problems:
                try:
                    return cls(named[1], key)
                except ValueError as error:
                    problems.append(_problem(path, *str(error).split("; ", 1)))
            if not isinstance(key, Ed25519PrivateKey):
                problems.append(_problem(path, "is not an Ed25519 key", "make a new identity for this node"))
        raise BadInput(problems)


def _public_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != codec.PUBLIC_BYTES:
        raise ValueError(f"{text!r} is no public key; write its {2 * codec.PUBLIC_BYTES} hexadecimal digits")
    return key


class _Node(msgspec.Struct):
    """A node that has roles or an owner."""

    key: Annotated[bytes, _public_key]
    roles: tuple[Annotated[str, role], ...] = ()
    owner: str = ""


class _File(msgspec.Struct):
    nodes: dict[yamlfile.Id, Annotated[bytes, _public_key] | _Node]
    revoked: tuple[Annotated[bytes, _public_key], ...] = ()


class _Place(msgspec.Struct):
    key: str
    roles: tuple[str, ...] = ()
    owner: str = ""
    line: int = 0


class _Places(msgspec.Struct):
    """A file of which each node's line is wanted."""

    nodes: dict[str, yamlfile.Text | _Place]
    revoked: tuple[str, ...] = ()


class _Known(NamedTuple):
    key: bytes
    roles: frozenset[str] = frozenset()
    owner: str = ""


class Trust:
    """The nodes known here, each with its public key (32 bytes), the roles it has, and whose it is.

    It may be asked on any thread; whoever watches it is called on the one that changes it.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._revoked: frozenset[bytes] = frozenset()
        self._watching: list[Callable[[str], None]] = []

    def add(self, node: str, public: bytes, roles: Collection[str] = (), owner: str = "") -> None:
        """Know ``node`` with just these ``roles``; ValueError if it is no id, ``public`` is no key or a
        revoked one, a role is none, or it is known by another key."""
        yamlfile.identifier(node)
        _public_key(public.hex())
        new = _Known(public, frozenset(map(role, roles)), owner)
        old = self._known.get(node)
        if old is not None and old.key != public:
            raise ValueError(f"{node} is known by another key; take that one out of the trust file first")
        if public in self._revoked:
            raise ValueError(f"the key of {node} is revoked; make a new one for it")
        if old != new:
            self._known[node] = new
            self._tell(node)

    def revoke(self, node: str) -> None:
        """Know ``node`` no more, and never take its key again, whoever's it is said to be."""
        known = self._known.pop(node, None)
        if known is not None:
            self._revoked |= {known.key}
            self._tell(node)

    def forget(self, node: str) -> None:
        """Know ``node`` no more; it may be added anew, by this key or another."""
        if self._known.pop(node, None) is not None:
            self._tell(node)

    def become(self, other: Trust) -> tuple[str, ...]:
        """Know whom ``other`` knows, as it does, and nobody else; whom that changed, sorted."""
        before, self._known = self._known, dict(other._known)
        self._revoked = other._revoked
        nodes = sorted(before.keys() | self._known.keys())
        changed = tuple(node for node in nodes if before.get(node) != self._known.get(node))
        for node in changed:
            self._tell(node)
        return changed

    def watch(self, callback: Callable[[str], None]) -> None:
        """``callback`` is told each node that is known, known no more, or known with other roles."""
        self._watching.append(callback)

    def public_bytes(self, node: str) -> bytes | None:
        """The key of ``node`` (32 bytes), None if it is not known."""
        known = self._known.get(node)
        return None if known is None else known.key

    def roles(self, node: str) -> frozenset[str]:
        """The roles that ``node`` was given; none where it is not known."""
        known = self._known.get(node)
        return frozenset() if known is None else known.roles

    def may(self, node: str, wanted: Role) -> bool:
        """Whether ``node`` has the role ``wanted``, or one that holds it."""
        return holds(self.roles(node), wanted)

    def owner(self, node: str) -> str:
        """Whose ``node`` is; empty where nobody said."""
        known = self._known.get(node)
        return "" if known is None else known.owner

    @property
    def nodes(self) -> tuple[str, ...]:
        """The known nodes, sorted."""
        return tuple(sorted(self._known))

    def verify(self, node: str, context: str, data: bytes, signature: bytes) -> bool:
        """Whether ``node`` is known and signed ``data`` for this ``context``."""
        known = self._known.get(node)
        return known is not None and codec.verify(known.key, context, data, signature)

    def save(self, path: Path) -> None:
        """Write ``nodes:`` with each id and its key in hexadecimal, and what it may; OSError if it cannot."""
        lines = [f"  {node}: {_written(self._known[node])}" for node in self.nodes]
        lines.insert(0, "nodes:" if lines else "nodes: {}")
        if self._revoked:
            lines += ["revoked:", *(f"  - {key.hex()}" for key in sorted(self._revoked))]
        write_atomically(path, ("\n".join(lines) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> Trust:
        """What ``save`` or a person wrote; BadInput with every problem in it."""
        trust, text, problems = cls(), yamlfile.read_text(path), list[Problem]()
        file = yamlfile.parse(text, str(path), _File, problems)
        if problems or file is None:
            raise BadInput(problems)
        places = yamlfile.parse(text, str(path), _Places, [])
        assert places is not None, "it was read already"
        trust._revoked = frozenset(file.revoked)
        for node, given in file.nodes.items():
            known = _Node(given) if isinstance(given, bytes) else given
            try:
                trust.add(node, known.key, known.roles, known.owner)
            except ValueError as error:
                problems.append(Problem(str(path), places.nodes[node].line, 0, *str(error).split("; ", 1)))
        if problems:
            raise BadInput(problems)
        return trust

    def _tell(self, node: str) -> None:
        for callback in self._watching:
            callback(node)


def _written(known: _Known) -> str:
    """A node as it stands in the file."""
    if not known.roles and not known.owner:
        return known.key.hex()
    roles = ", ".join(each for each in ROLES if each in known.roles)
    owner = f", owner: {json.dumps(known.owner)}" if known.owner else ""
    return f"{{key: {known.key.hex()}, roles: [{roles}]{owner}}}"


def boot_id() -> bytes:
    """8 random bytes, the same for the life of this process."""
    return _boot_id(os.getpid())


@lru_cache(maxsize=1)
def _boot_id(_process: int) -> bytes:  # by process, so that a forked child gets its own
    return secrets.token_bytes(BOOT_BYTES)


_sequence = itertools.count(1)


def next_sequence() -> int:
    """The next number of this process: with the boot id it names a message, whichever bus sends it."""
    return next(_sequence)


def _problem(path: Path, what: str, hint: str = "") -> Problem:
    return Problem(str(path), 0, 0, what, hint)

"""Who a node is: its id with an Ed25519 key, the keys of the nodes it knows, and its boot id."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import stat
from functools import lru_cache
from pathlib import Path
from typing import Annotated

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
        problems: list[Problem] = []
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            problems.append(_problem(path, "others can read this private key", f"run chmod 600 {path}"))
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


class _File(msgspec.Struct):
    nodes: dict[yamlfile.Id, Annotated[bytes, _public_key]]


class Trust:
    """The nodes known here, each with its public key (32 bytes)."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}

    def add(self, node: str, public: bytes) -> None:
        """Know ``node``; ValueError if it is no id, ``public`` is no key, or it is known by another key."""
        yamlfile.identifier(node)
        _public_key(public.hex())
        if self._keys.get(node, public) != public:
            raise ValueError(f"{node} is known by another key; take that one out of the trust file first")
        self._keys[node] = public

    def public_bytes(self, node: str) -> bytes | None:
        """The key of ``node`` (32 bytes), None if it is not known."""
        return self._keys.get(node)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The known nodes, sorted."""
        return tuple(sorted(self._keys))

    def verify(self, node: str, context: str, data: bytes, signature: bytes) -> bool:
        """Whether ``node`` is known and signed ``data`` for this ``context``."""
        public = self._keys.get(node)
        return public is not None and codec.verify(public, context, data, signature)

    def save(self, path: Path) -> None:
        """Write ``nodes:`` with each id and its key in hexadecimal; OSError if it cannot."""
        lines = [f"  {node}: {self._keys[node].hex()}" for node in self.nodes]
        write_atomically(path, ("\n".join(["nodes:" if lines else "nodes: {}", *lines]) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> Trust:
        """What ``save`` or a person wrote; BadInput with every problem in it."""
        trust = cls()
        trust._keys = yamlfile.load(path, _File)[0].nodes
        return trust


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

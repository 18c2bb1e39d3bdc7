"""Canonical bytes, hashes and signatures: one value has one encoding, and what decodes re-encodes to it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, TypeVar, overload

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.shapes import unpacked

T = TypeVar("T")
MAX_BYTES = 4 * 1024 * 1024
HASH_BYTES = 32
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
_DOMAIN = "twinline"
_encoder = msgspec.msgpack.Encoder(order="deterministic")


class Malformed(msgspec.Struct, frozen=True):
    """A peer's bytes that are not what they should be: a value, never an exception."""

    reason: str


def encode(value: Any) -> bytes:
    """The canonical MessagePack bytes of ``value`` (structs should be ``array_like`` and frozen)."""
    return _encoder.encode(value)


@overload
def decode(data: bytes, shape: type[T], limit: int = MAX_BYTES) -> T | Malformed: ...
@overload
def decode(data: bytes, shape: Any, limit: int = MAX_BYTES) -> Any: ...  # a union, say
def decode(data: bytes, shape: Any, limit: int = MAX_BYTES) -> Any:
    """``data`` as a ``shape``; Malformed if longer than ``limit`` bytes, no ``shape``, or not canonical.

    Canonical means that encoding the value again gives the same bytes, so that two nodes can never
    hold one value under two hashes.
    """
    if len(data) > limit:
        return Malformed(f"{len(data)} bytes, at most {limit} are allowed")
    try:
        value = unpacked(data, shape)
        again = _encoder.encode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(str(error))
    if again != data:
        return Malformed("the encoding is not canonical")
    return value


def digest(*parts: bytes) -> bytes:
    """SHA-256 (32 bytes) over the concatenated ``parts``."""
    return hashlib.sha256(b"".join(parts)).digest()


def sign(key: Ed25519PrivateKey, context: str, data: bytes) -> bytes:
    """64 bytes of Ed25519 over ``data``, good for this ``context`` (what kind of thing it is) only."""
    return key.sign(_signed(context, data))


def verify(public: bytes, context: str, data: bytes, signature: bytes) -> bool:
    """Whether the holder of ``public`` (32 bytes) signed ``data`` for ``context`` with these 64 bytes.

    Every signature is checked here and nowhere else: libraries differ on odd signatures, and nodes that
    differ on one would part ways.
    """
    key = _public_key(public)
    if key is None:
        return False
    try:
        key.verify(signature, _signed(context, data))
    except InvalidSignature:
        return False
    return True


def _signed(context: str, data: bytes) -> bytes:
    return _encoder.encode((_DOMAIN, context, data))


@lru_cache(maxsize=1024)
def _public_key(public: bytes) -> Ed25519PublicKey | None:
    try:
        return Ed25519PublicKey.from_public_bytes(public)
    except ValueError:
        return None

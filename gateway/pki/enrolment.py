"""What binds a node's keys together: its place in the line and all three keys under one signature; pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.x509 import Certificate
from msgspec import Meta

from gateway.net.roles import Role
from ledger import codec
from ledger.codec import Malformed
from ledger.shapes import from_json
from ledger.types import Hash, Id, Natural

Kind = Literal["gateway", "witness", "operator", "party", "broker", "controller"]
KINDS: tuple[str, ...] = get_args(Kind)
SERVERS = ("broker", "controller")  # who are reached by their hosts, and say nothing of their own on the line
SERIAL_BYTES = 16
MAX_BYTES = 64 * 1024
FORMAT = "enrolment 1"
_CONTEXT = "enrolment"
_SALT = 32  # bytes, as long as the hash

Public = Annotated[bytes, Meta(min_length=codec.PUBLIC_BYTES, max_length=codec.PUBLIC_BYTES)]


class Enrolment(msgspec.Struct, frozen=True, array_like=True):
    """``node`` belongs to ``line`` as ``kind``, with ``roles``, from ``after`` to ``before`` (UTC ns).

    ``public`` is its Ed25519 key; ``tls`` and ``opcua`` are the SHA-256 of its certificates (None: it has
    none); ``serial`` is the enrolment's own.
    """

    v: Literal[1]
    line: Id
    node: Id
    kind: Kind
    owner: Annotated[str, Meta(min_length=1, max_length=64)]
    roles: tuple[Role, ...]
    public: Public
    tls: Hash
    opcua: Hash | None
    serial: Annotated[bytes, Meta(min_length=SERIAL_BYTES, max_length=SERIAL_BYTES)]
    after: Natural
    before: Natural


class Signed(msgspec.Struct, frozen=True, array_like=True):
    """An enrolment, and the issuing authority's RSA-PSS signature over its canonical bytes."""

    enrolment: Enrolment
    signature: Annotated[bytes, Meta(max_length=1024)]


def sign(key: RSAPrivateKey, enrolment: Enrolment) -> Signed:
    """``enrolment``, signed by the issuing authority."""
    return Signed(enrolment, key.sign(_signed(enrolment), _pss(), hashes.SHA256()))


def check(signed: Signed, issuing: Certificate, root: Certificate) -> str:
    """Why the enrolment is not the word of ``issuing``, which ``root`` vouches for; empty where it is.

    Says nothing about time: see ``late``.
    """
    try:
        issuing.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return "the issuing authority is another root's"
    key = issuing.public_key()
    if not isinstance(key, RSAPublicKey):
        return "the issuing authority's key is no RSA key"
    try:
        key.verify(signed.signature, _signed(signed.enrolment), _pss(), hashes.SHA256())
    except InvalidSignature:
        return "the enrolment is not signed by the issuing authority, or was changed"
    return ""


def late(enrolment: Enrolment, now: int) -> bool | None:
    """Whether it has ended ``now`` (UTC ns); None before it begins."""
    return None if now < enrolment.after else now > enrolment.before


def enrolment_bytes(signed: Signed) -> bytes:
    """``enrolment.json``: every field by its name, bytes in hexadecimal, and the signature."""
    named: dict[str, Any] = {"format": FORMAT}
    for field in msgspec.structs.fields(Enrolment):
        value = getattr(signed.enrolment, field.name)
        named[field.name] = value.hex() if isinstance(value, bytes) else value
    named["signature"] = signed.signature.hex()
    return msgspec.json.format(msgspec.json.encode(named), indent=2) + b"\n"


def read_enrolment(data: bytes) -> Signed:
    """What ``enrolment_bytes`` wrote. Raises ValueError with what is wrong in it."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes, at most {MAX_BYTES} are read")
    named = from_json(data, dict[str, Any])
    if named.get("format") != FORMAT:
        raise ValueError(f"format {named.get('format')!r} is not known; this version reads {FORMAT!r}")
    fields = [field.name for field in msgspec.structs.fields(Enrolment)]
    if missing := [name for name in (*fields, "signature") if name not in named]:
        raise ValueError(f"an enrolment without {missing[0]!r}")
    held = {name: _bytes(named[name]) if name in _BINARY else named[name] for name in (*fields, "signature")}
    try:
        whole = codec.encode([[held[name] for name in fields], held["signature"]])
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None
    found = codec.decode(whole, Signed)
    if isinstance(found, Malformed):
        raise ValueError(found.reason)
    return found


_BINARY = frozenset({"public", "tls", "opcua", "serial", "signature"})


def _bytes(value: object) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text of hexadecimal digits")
    return bytes.fromhex(value)


def _signed(enrolment: Enrolment) -> bytes:
    return codec.encode(("twinline", _CONTEXT, codec.encode(enrolment)))


def _pss() -> padding.PSS:
    return padding.PSS(padding.MGF1(hashes.SHA256()), _SALT)

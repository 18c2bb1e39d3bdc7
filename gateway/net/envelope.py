"""What wraps every message on the bus: who sent it, which one it is, when, and the signature over it all."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from ledger import codec
from ledger.codec import Malformed

MAX_BYTES = 8 * 1024 * 1024  # the trace of a long script is the largest
BOOT_BYTES = 8
NO_SEQUENCE = 0  # of a last will: the broker sends it, at a time the sender cannot count
_CONTEXT = "envelope"

Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Signer(Protocol):
    """Whoever can sign for a node."""

    def sign(self, context: str, data: bytes) -> bytes: ...


class Verifier(Protocol):
    """Whoever knows the nodes' keys: a list of known ones, or a certificate authority."""

    def verify(self, node: str, context: str, data: bytes, signature: bytes) -> bool: ...


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """One message. ``sender``, ``boot`` and ``seq`` name it; ``utc_ns`` and ``mono_ns`` are the sender's."""

    v: Literal[1]
    sender: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]
    boot: Annotated[bytes, Meta(min_length=BOOT_BYTES, max_length=BOOT_BYTES)]
    seq: Natural
    utc_ns: Natural
    mono_ns: Natural
    kind: Annotated[str, Meta(min_length=1, max_length=32)]
    body: bytes
    sig: Annotated[bytes, Meta(max_length=codec.SIGNATURE_BYTES)] = b""


def seal(topic: str, envelope: Envelope, signer: Signer | None = None) -> bytes:
    """The bytes to publish on ``topic``; with a ``signer`` they are signed, for that topic only.

    Raises ValueError if they are more than ``MAX_BYTES``.
    """
    if signer is not None:
        envelope = msgspec.structs.replace(envelope, sig=signer.sign(_CONTEXT, _signed(topic, envelope)))
    data = codec.encode(envelope)
    if len(data) > MAX_BYTES:
        raise ValueError(f"a message of {len(data)} bytes; at most {MAX_BYTES} are allowed")
    return data


def open_envelope(data: bytes) -> Envelope | Malformed:
    """The envelope in a received payload; its signature is not yet looked at."""
    envelope = codec.decode(data, Envelope, MAX_BYTES)
    if isinstance(envelope, Envelope) and len(envelope.sig) not in (0, codec.SIGNATURE_BYTES):
        return Malformed(f"a signature of {len(envelope.sig)} bytes")
    return envelope


def verified(topic: str, envelope: Envelope, verifier: Verifier | None) -> bool | None:
    """None if it is not signed; else whether a known key of its sender signed it, for this topic."""
    if not envelope.sig:
        return None
    if verifier is None:
        return False
    return verifier.verify(envelope.sender, _CONTEXT, _signed(topic, envelope), envelope.sig)


def _signed(topic: str, envelope: Envelope) -> bytes:
    return codec.encode((topic, msgspec.structs.replace(envelope, sig=b"")))

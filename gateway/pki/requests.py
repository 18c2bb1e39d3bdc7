"""What a node asks its authority, and what it gets: signed with all its keys, and bound to one answer; pure.

The bytes are the same whether they travel over HTTPS or in a file that somebody carries.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.pki.enrolment import SERIAL_BYTES, Public, Signed
from ledger import codec
from ledger.codec import Malformed
from ledger.types import Id

MAX_BYTES = 32 * 1024
MAX_CARRIED = MAX_BYTES + 256 * 1024  # with lists of the revoked
CONTEXT = "enrolment request"
SECRET_BYTES = 10

Der = Annotated[bytes, Meta(min_length=1, max_length=8192)]


class Request(msgspec.Struct, frozen=True, array_like=True):
    """``node`` asks for certificates for the keys of ``tls`` and ``opcua``, signing requests each.

    ``secret`` is the token's (None: carried by hand, or a renewal), ``renews`` the serial of the enrolment
    that this one follows. ``v`` is of this format.
    """

    v: Literal[1]
    node: Id
    public: Public
    tls: Der
    opcua: Der | None
    secret: Annotated[bytes, Meta(min_length=SECRET_BYTES, max_length=SECRET_BYTES)] | None = None
    renews: Annotated[bytes, Meta(min_length=SERIAL_BYTES, max_length=SERIAL_BYTES)] | None = None


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """A request's bytes, signed with the node's Ed25519 key; and, for a renewal, with the TLS key of the
    certificate that it has."""

    request: bytes
    signature: Annotated[bytes, Meta(max_length=codec.SIGNATURE_BYTES)]
    held: Annotated[bytes, Meta(max_length=512)] = b""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What the authority gives: the enrolment, the certificates (DER), and those above them."""

    enrolment: Signed
    tls: Der
    opcua: Der | None
    issuing: Der
    root: Der


class Carried(msgspec.Struct, frozen=True, array_like=True):
    """An answer as somebody carries it back, and the lists of the revoked (DER) as they were that day."""

    answer: Answer
    lists: tuple[bytes, ...] = ()


def read_request(data: bytes) -> tuple[Asked, Request] | Malformed:
    """What was asked, signed with the key that it names; else why not."""
    asked = codec.decode(data, Asked, MAX_BYTES)
    if isinstance(asked, Malformed):
        return asked
    request = codec.decode(asked.request, Request, MAX_BYTES)
    if isinstance(request, Malformed):
        return request
    if not codec.verify(request.public, CONTEXT, asked.request, asked.signature):
        return Malformed("the request is not signed with the node's key")
    return asked, request


def read_answer(data: bytes) -> Answer | Malformed:
    """The answer in ``data``; its signatures are checked where it is put in place."""
    return codec.decode(data, Answer, MAX_BYTES)


def read_carried(data: bytes) -> Carried | Malformed:
    """What was carried back; an answer alone has no lists with it."""
    carried = codec.decode(data, Carried, MAX_CARRIED)
    if not isinstance(carried, Malformed):
        return carried
    answer = read_answer(data)
    return answer if isinstance(answer, Malformed) else Carried(answer)


def held_bytes(request: bytes) -> bytes:
    """What the TLS key in use signs of a renewal."""
    return codec.encode(("twinline", CONTEXT + ", held", request))

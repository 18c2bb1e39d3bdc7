"""The token by which a node is let in once: whose it is, which root it may trust, and a secret; pure.

It is typed or pasted at the gateway: ``infeed.`` and nine groups of five letters and digits. The last bytes
are a sum over the rest, so that a slip of the finger is told as such and not as a refusal.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from typing import NamedTuple

from gateway.pki.requests import SECRET_BYTES
from ledger import codec

ROOT_BYTES = 16  # of the SHA-256: nobody makes another root that begins alike
_SUM_BYTES = 2
_GROUP = 5
_LETTERS = (ROOT_BYTES + SECRET_BYTES + _SUM_BYTES) * 8 // 5 + 1
_ALIKE = str.maketrans("018", "OIB")  # digits that base32 has not, since they look like these


class Token(NamedTuple):
    """``root`` begins the SHA-256 of the root's certificate."""

    node: str
    root: bytes
    secret: bytes

    def __str__(self) -> str:
        data = self.root + self.secret
        text = b32encode(data + _sum(self.node, data)).decode().rstrip("=")
        return f"{self.node}." + "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))

    @property
    def hash(self) -> bytes:
        """What the authority keeps of it."""
        return secret_hash(self.secret)


def secret_hash(secret: bytes) -> bytes:
    """What the authority keeps of a token's ``secret``: 80 random bits need no slow hash."""
    return codec.digest(b"twinline token", secret)


def read_token(text: str) -> Token:
    """The token in ``text``, in small or capital letters, with or without hyphens; ValueError."""
    node, dot, rest = text.strip().partition(".")
    letters = "".join(rest.upper().replace("-", "").split()).translate(_ALIKE)
    try:
        data = b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        data = b""
    if not dot or len(letters) != _LETTERS or not data:
        raise ValueError(
            "this is no token; copy all of it, from the node's id to the last of the nine groups"
        )
    body, said = data[:-_SUM_BYTES], data[-_SUM_BYTES:]
    if said != _sum(node, body):
        raise ValueError("there is a slip in the token; compare it letter by letter")
    return Token(node, body[:ROOT_BYTES], body[ROOT_BYTES:])


def _sum(node: str, data: bytes) -> bytes:
    return codec.digest(node.encode(), data)[:_SUM_BYTES]

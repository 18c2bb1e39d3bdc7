"""Keys as the ledger uses them: our own, and whom we know; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ledger import codec


class Signer(Protocol):
    """Whoever holds our private key."""

    def sign(self, context: str, data: bytes) -> bytes: ...


class Keyring:
    """Signs as ``signer`` (None: an onlooker, or somebody who verifies a proof) and verifies by ``publics``,
    which may grow, or be given later."""

    def __init__(self, publics: Mapping[str, bytes], signer: Signer | None = None) -> None:
        self.publics, self._signer = publics, signer

    def sign(self, context: str, data: bytes) -> bytes:
        """64 bytes of Ed25519."""
        assert self._signer is not None, "an onlooker signs nothing"
        return self._signer.sign(context, data)

    def verify(self, node: str, context: str, data: bytes, signature: bytes) -> bool:
        """Whether ``node`` is known and signed it."""
        public = self.publics.get(node)
        return public is not None and codec.verify(public, context, data, signature)

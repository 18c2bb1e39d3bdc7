"""Who signed what: a member's statements and certificates of a quorum, checked once each; pure."""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

from ledger.codec import encode
from ledger.types import UNSIGNED, Ballot, Qc, Status, Tx, Vote, VoteType
from ledger.votes import quorum

Signed = TypeVar("Signed", Vote, Ballot, Status, Tx)
REMEMBERED = 4_096  # statements that were verified
Said = Vote | Ballot | Status | Tx


class Keys(Protocol):
    """Our key, and the public ones of the others."""

    def sign(self, context: str, data: bytes) -> bytes:
        """64 bytes."""

    def verify(self, node: str, context: str, data: bytes, signature: bytes) -> bool:
        """Whether ``node`` signed it."""


def sign(keys: Keys, said: Signed) -> Signed:
    """``said`` with our signature, which covers its chain, its kind and all its fields."""
    return msgspec.structs.replace(said, sig=keys.sign(_context(said), _covered(said)))


def verifies(keys: Keys, who: str, said: Said) -> bool:
    """Whether ``who`` signed ``said``."""
    return keys.verify(who, _context(said), _covered(said), said.sig)


def _context(said: Said) -> str:
    return f"ledger {said.__struct_config__.tag}"


def _covered(said: Said) -> bytes:
    return encode(msgspec.structs.replace(said, sig=UNSIGNED))


class Roll:
    """The members of one height; remembers what it has verified, so that a certificate of votes that came
    one by one costs nothing."""

    def __init__(self, chain: str, height: int, members: tuple[str, ...], keys: Keys) -> None:
        self.chain, self.height, self.members = chain, height, members
        self._keys = keys
        self._known: set[bytes] = set()

    def signed(self, said: Vote | Ballot) -> bool:
        """Whether a member of this chain signed it."""
        if said.who not in self.members or said.chain != self.chain:
            return False
        data = encode(said)
        if data in self._known:
            return True
        if not verifies(self._keys, said.who, said):
            return False
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known.add(data)
        return True

    def certified(self, qc: Qc, type: VoteType) -> bool:
        """Whether a quorum of different members signed this certificate of this height."""
        who = {seal.who for seal in qc.seals}
        return (
            (qc.chain, qc.height, qc.type) == (self.chain, self.height, type)
            and len(who) == len(qc.seals) >= quorum(len(self.members))
            and len(qc.bid) in (0, 32)
            and all(self.signed(vote) for vote in qc.votes())
        )

"""Counting to two thirds: the votes of one height, certificates made of them, and who voted twice; pure.

Signatures are checked before a vote comes here. The first vote of a member counts; a second, different one
of the same round and type is evidence against it and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.types import NIL, PRECOMMIT, PREVOTE, BlockId, Evidence, Qc, Seal, Vote, VoteType


def faults(members: int) -> int:
    """f: how many of ``members`` may be Byzantine."""
    return (members - 1) // 3


def quorum(members: int) -> int:
    """q = floor(2N/3) + 1: two quorums share an honest member."""
    return 2 * members // 3 + 1


class Votes:
    """All votes of one height. ``members`` are in order of name."""

    def __init__(self, chain: str, height: int, members: Sequence[str]) -> None:
        self.chain, self.height, self.members = chain, height, tuple(members)
        self.quorum = quorum(len(self.members))
        self._cast: dict[tuple[int, VoteType], dict[str, Vote]] = {}
        self._count: dict[tuple[int, VoteType, BlockId], int] = {}
        self._certificates: dict[tuple[int, VoteType], Qc] = {}

    def cast(self, vote: Vote) -> Evidence | None:
        """Count a member's ``vote``; evidence if it cast another one before."""
        cast = self._cast.setdefault((vote.round, vote.type), {})
        before = cast.get(vote.who)
        if before is not None:
            return None if before.bid == vote.bid else Evidence(before, vote)
        cast[vote.who] = vote
        key = (vote.round, vote.type, vote.bid)
        count = self._count[key] = self._count.get(key, 0) + 1
        if count >= self.quorum and (vote.round, vote.type) not in self._certificates:
            seals = tuple(Seal(v.who, v.sig) for v in cast.values() if v.bid == vote.bid)
            self._certificates[vote.round, vote.type] = Qc(self.chain, self.height, *key, seals)
        return None

    def accept(self, qc: Qc) -> None:
        """A whole certificate whose signatures hold: it is one even if we hold other votes of its members."""
        self._certificates.setdefault((qc.round, qc.type), qc)

    def has(self, round: int, type: VoteType, who: str) -> bool:
        """Whether ``who``'s vote is here."""
        return who in self._cast.get((round, type), {})

    def any_quorum(self, round: int, type: VoteType) -> bool:
        """Whether a quorum has voted, for whatever."""
        return len(self._cast.get((round, type), {})) >= self.quorum or self.qc(round, type) is not None

    def qc(self, round: int, type: VoteType) -> Qc | None:
        """The certificate of that round and type; there is at most one while at most f members lie."""
        return self._certificates.get((round, type))

    def certified(self) -> set[BlockId]:
        """What there is any certificate for."""
        return {qc.bid for qc in self._certificates.values()}

    def for_block(self, round: int, type: VoteType) -> Qc | None:
        """The certificate, if it is for a block."""
        qc = self.qc(round, type)
        return qc if qc is not None and qc.bid != NIL else None

    def decided(self) -> Qc | None:
        """A certificate of precommits for a block, of whatever round."""
        return next(
            (qc for (_, type), qc in self._certificates.items() if type == PRECOMMIT and qc.bid != NIL), None
        )

    def voters(self, round: int) -> set[str]:
        """Who is known to have come as far as ``round``."""
        return {who for (at, _), cast in self._cast.items() if at == round for who in cast}

    def of(self, round: int, type: VoteType) -> list[Vote]:
        """The votes of that round and type."""
        return list(self._cast.get((round, type), {}).values())

    def bitmap(self, round: int, type: VoteType) -> bytes:
        """A bit per member whose vote is here, the first member in the lowest bit of the first byte."""
        cast = self._cast.get((round, type), {})
        bits = sum(1 << number for number, who in enumerate(self.members) if who in cast)
        return bits.to_bytes((len(self.members) + 7) // 8, "little")

    def missing(self, round: int, type: VoteType, bitmap: bytes) -> list[Vote]:
        """The votes that a node with ``bitmap`` lacks."""
        bits = int.from_bytes(bitmap, "little")
        return [
            vote
            for number, who in enumerate(self.members)
            if not bits >> number & 1 and (vote := self._cast.get((round, type), {}).get(who)) is not None
        ]

    def forget(self, before: int, but: set[int]) -> None:
        """Drop what was voted in rounds before ``before``, except in ``but``, and but for certificates of
        precommits: those decide in whatever round."""
        gone = {key for key in self._cast if key[0] < before and key[0] not in but}
        for key in gone:
            for bid in {vote.bid for vote in self._cast.pop(key).values()}:
                self._count.pop((*key, bid), None)
            if key[1] == PREVOTE:
                self._certificates.pop(key, None)

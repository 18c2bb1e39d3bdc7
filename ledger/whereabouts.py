"""Where a node stands when it starts, and whether its disk is all that it ever signed; pure.

A disk may have been lost, or put back to an earlier copy of itself; that looks like any other disk. So
nothing is signed before a quorum, the node itself counted, has told that it is no further than the node has
come by then: without one nothing could be decided anyway. Where the others show that the node signed what it
does not know of, it stays silent for two heights more.
"""

from __future__ import annotations

from collections.abc import Container

from ledger.types import MAX_ROUND, PRECOMMIT, PREVOTE, Commit, Status
from ledger.votes import faults, quorum

SILENT = 2  # heights: what was signed and is not known lies before


class Whereabouts:
    """Of a node whose disk stands at (``height``, ``round``); ``lost``: it is known to be lost."""

    def __init__(self, height: int, round: int, lost: bool = False) -> None:
        self._since = height, round
        self.behind = lost
        """Whether the disk lacks something that was signed, as far as is known."""
        self._told: dict[str, Status] = {}

    def hear(self, status: Status) -> None:
        """Another member tells where it is, and what it has of ours."""
        self._told[status.who] = status

    def see(self, me: str, commit: Commit, signed: Container[tuple[int, int]]) -> None:
        """A block was decided that we had not; ``signed`` is what we know that we signed at its height."""
        qc, header = commit.qc, commit.block.header
        ours = any(seal.who == me for seal in qc.seals) and (qc.round, PRECOMMIT) not in signed
        made = header.proposer == me and qc.height > self._since[0]
        self.behind |= (qc.height, qc.round) >= self._since and (ours or made)

    def settled(
        self, me: str, members: tuple[str, ...], height: int, round: int, signed: Container[tuple[int, int]]
    ) -> bool:
        """Whether enough have told, now that the node is at (``height``, ``round``), where it knows to have
        ``signed`` by round, and vote type or 0 for a proposal. Then ``behind`` is final."""
        near = self._up_to(me, members, height, round)
        if len(near) < self._enough(members):
            return False
        for told in near:
            if (told.height, told.round) == (height, round):
                self.behind |= any(key not in signed for key in self._ours(me, members, told))
        return True

    def parted(self, me: str, members: tuple[str, ...], height: int, round: int) -> bool:
        """Whether enough have told of ``height`` and before, but some of them of a later round: they may wait
        there for the node, as it does for them. They may lie as well, so it is to follow by a round only."""
        enough = self._enough(members)
        here = self._up_to(me, members, height, MAX_ROUND)
        return len(here) >= enough > len(self._up_to(me, members, height, round))

    def _enough(self, members: tuple[str, ...]) -> int:
        enough = 2 * faults(len(members)) + 1 if self.behind else quorum(len(members)) - 1
        return min(enough, len(members) - 1)

    def _up_to(self, me: str, members: tuple[str, ...], height: int, round: int) -> list[Status]:
        """Of the others, who told that they are no further."""
        others = [self._told[who] for who in members if who in self._told and who != me]
        return [told for told in others if (told.height, told.round) <= (height, round)]

    @staticmethod
    def _ours(me: str, members: tuple[str, ...], told: Status) -> list[tuple[int, int]]:
        """What of ours the sender has of its round."""
        bit = 1 << members.index(me) if me in members else 0
        kinds = (PREVOTE, told.prevotes), (PRECOMMIT, told.precommits)
        return [(told.round, type) for type, has in kinds if int.from_bytes(has, "little") & bit]

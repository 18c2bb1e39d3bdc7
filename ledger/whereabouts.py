"""Where a node stands when it starts, and whether its disk is all that it ever signed; pure.

A disk may have been lost, or put back to an earlier copy of itself; that looks like any other disk. So
nothing is signed before a quorum, the node itself counted, has told that it is no further than the node has
come by then: without one nothing could be decided anyway. Who tells of a vote or a proposal of the node's
that it does not know of is to show it: an honest member does so by gossip, and one that does not, for long
enough, counts for nothing. A node that was shown what it had signed and lost stays silent for two heights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable

from ledger.types import MAX_ROUND, PRECOMMIT, Commit, Status
from ledger.votes import faults, quorum

SILENT = 2  # heights: what was signed and is not known lies before
TIMES = 2  # statuses of one before it counts: the first may be from before we signed last
PATIENCE = 4  # statuses for each of the others: so long is what one says that it has waited for, or the last
CLAIMS = 256  # votes of ours that one says that it has at a height: more are not looked at

Signed = Container[tuple[int, int]]
"""What a node knows that it signed since, at its height: by round, and vote type or 0 for a proposal."""


class _Claim:
    """What one member says that it has of ours at ``height``, by round and type; ``since`` which status."""

    def __init__(self, height: int, since: int) -> None:
        self.height, self.since = height, since
        self.said: set[tuple[int, int]] = set()

    def is_open(self, height: int, signed: Signed) -> bool:
        """Whether it was not all shown to the node, which is at ``height`` now."""
        return self.height == height and any(each not in signed for each in self.said)


class Whereabouts:
    """Of a node whose disk stands at (``height``, ``round``), ``since`` which it knows all that it signed, if
    it is the latest; ``lost``: it is known to be lost."""

    def __init__(self, height: int, round: int, lost: bool = False) -> None:
        self.since = height, round
        self.behind = lost
        """Whether the disk lacks something that was signed, as far as is known."""
        self._told: dict[str, Status] = {}
        self._times: Counter[str] = Counter()
        self._heard = 0  # statuses in all,
        self._followed = 0  # and how many when a round was followed
        self._claims: dict[str, _Claim] = {}

    def hear(self, status: Status, height: int, ours: Iterable[tuple[int, int]], signed: Signed) -> None:
        """Another member tells where it is, and that it has ``ours``, by round and type. Who is at a later
        height than the node, at ``height``, is to tell again there: what it has of ours is not known yet."""
        self._told[status.who] = status
        self._times[status.who] = self._times[status.who] + 1 if status.height <= height else 0
        self._heard += 1
        claim = self._claims.get(status.who)
        if claim is None or claim.height != status.height or not claim.is_open(status.height, signed):
            claim = self._claims[status.who] = _Claim(status.height, self._heard)
        if (status.height, status.round) >= self.since and len(claim.said) < CLAIMS:
            claim.said.update(ours)

    def see(self, me: str, commit: Commit, signed: Signed) -> None:
        """A block was decided that we had not; ``signed`` is of its height."""
        qc, header = commit.qc, commit.block.header
        ours = any(seal.who == me for seal in qc.seals) and (qc.round, PRECOMMIT) not in signed
        made = header.proposer == me and qc.height > self.since[0]
        self.behind |= (qc.height, qc.round) >= self.since and (ours or made)

    def settled(self, me: str, members: tuple[str, ...], height: int, round: int, signed: Signed) -> bool:
        """Whether enough have told, now that the node is at (``height``, ``round``), and shown what they
        told of. Then ``behind`` is final."""
        claiming = self._claiming(members, height, signed)
        if claiming is None:
            return False
        return len(self._up_to(me, members, height, round, claiming)) >= self._enough(members)

    def parted(self, me: str, members: tuple[str, ...], height: int, round: int, signed: Signed) -> bool:
        """Whether enough have told of ``height`` and before, but some of them of a later round: they may wait
        there for the node, as it does for them. They may lie as well: it is to follow by a round only, and
        when all have told, or had time to. True once, then not before they had that time again."""
        claiming = self._claiming(members, height, signed)
        if claiming is None:
            return False
        enough, others = self._enough(members), set(members) - {me}
        here = self._up_to(me, members, height, MAX_ROUND, claiming)
        near = self._up_to(me, members, height, round, claiming)
        if not len(here) >= enough > len(near):
            return False
        if any(self._times[who] < TIMES for who in others) and not self._waited(self._followed, members):
            return False
        self._followed = self._heard
        return True

    def _claiming(self, members: tuple[str, ...], height: int, signed: Signed) -> set[str] | None:
        """Who tells of what nobody showed though there was time to; None: there still is."""
        claims = {who: claim for who, claim in self._claims.items() if claim.is_open(height, signed)}
        return set(claims) if all(self._waited(each.since, members) for each in claims.values()) else None

    def _waited(self, since: int, members: tuple[str, ...]) -> bool:
        return self._heard - since >= PATIENCE * (len(members) - 1)

    def _enough(self, members: tuple[str, ...]) -> int:
        enough = 2 * faults(len(members)) + 1 if self.behind else quorum(len(members)) - 1
        return min(enough, len(members) - 1)

    def _up_to(
        self, me: str, members: tuple[str, ...], height: int, round: int, without: set[str]
    ) -> list[Status]:
        """Of the others, who told that they are no further."""
        told = [self._told[who] for who in members if self._times[who] >= TIMES and who not in {me, *without}]
        return [each for each in told if (each.height, each.round) <= (height, round)]

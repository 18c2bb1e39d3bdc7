"""Votes and transactions by way of the proposer, where all to all would be too many messages; pure.

In a large chain a vote for a block goes to the round's proposer alone, and the certificate that it makes of a
quorum of them goes to all. This is a way that messages take, no rule: the consensus bears the loss of any, so
who proposes and then keeps its certificates costs time and nothing else. A vote whose certificate does not
come in time is said to all after all. Votes for none go to all at once: the proposer is missing, or wrong.
New transactions go to it too, and from it to all: N messages in place of N squared.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.consensus import Consensus
from ledger.ports import MILLISECOND, Decided, Output, Send, Start, Timer
from ledger.types import NIL, PREVOTE, Qc, Vote

DIRECT = 12  # members; in a chain of no more, everybody hears every vote
LATE, LATE_EACH = 200 * MILLISECOND, 20 * MILLISECOND  # a certificate is, with so much more for each member


class Relay:
    """Leads what ``consensus`` says; every list of its outputs goes through ``lead``, in order."""

    def __init__(self, consensus: Consensus, direct: int = DIRECT) -> None:
        self._consensus, self._direct = consensus, direct
        self._height = 0
        self._collectors: dict[int, str] = {}  # of the height, by round
        self._told: set[int] = set()  # rounds of the height whose prevotes we have certified to all

    def lead(self, outputs: Iterable[Output]) -> list[Output]:
        """``outputs`` with each vote to whom it is for, and certificates where we collect."""
        node = self._consensus
        found: list[Output] = []
        after = 0  # our own prevote: it is on disk before a certificate of it is told
        for output in outputs:
            match output:
                case Send(Vote() as vote, None) if vote.bid != NIL and self._collector(vote):
                    collector = self._collectors[vote.round]
                    if collector != node.me:
                        found.append(Send(vote, collector))
                    elif vote.type == PREVOTE:
                        after = len(found)
                    late = LATE + LATE_EACH * len(node.members)
                    found.append(Start(Timer("relay", vote.height, vote.round), late))
                case Decided(commit):
                    decided = commit.qc
                    if decided.height == self._height and self._collectors.get(decided.round) == node.me:
                        found.append(Send(decided))
                    found.append(output)
                case _:
                    found.append(output)
        qc = self._new_certificate()
        return found if qc is None else [*found[:after], Send(qc), *found[after:]]

    @property
    def spreader(self) -> str | None:
        """Who tells all of new transactions, so that one message has those of many; None: each its own."""
        node = self._consensus
        return None if len(node.members) <= self._direct else node.chain.proposer(0).node

    def timeout(self, timer: Timer) -> list[Output]:
        """A certificate is late: what we voted goes to all."""
        node = self._consensus
        if (timer.height, timer.round) != (node.height, node.round):
            return []
        return [
            Send(vote)
            for vote in node.signed.values()
            if isinstance(vote, Vote)
            and vote.round == node.round
            and node.heard.votes.qc(vote.round, vote.type) is None
        ]

    def _collector(self, vote: Vote) -> bool:
        """Whether somebody collects ``vote``; not if its height is over and we did not look before."""
        node = self._consensus
        if vote.height != self._height:
            if vote.height != node.height:
                return False
            self._height = vote.height
            self._collectors.clear()
            self._told.clear()
        if vote.round not in self._collectors:
            if vote.height != node.height or len(node.members) <= self._direct:
                return False
            self._collectors[vote.round] = node.chain.proposer(vote.round).node
        return True

    def _new_certificate(self) -> Qc | None:
        """Of a quorum of prevotes that has come to us."""
        node = self._consensus
        if (
            node.height != self._height
            or self._collectors.get(node.round) != node.me
            or node.round in self._told
        ):
            return None
        qc = node.heard.votes.for_block(node.round, PREVOTE)
        if qc is not None:
            self._told.add(node.round)
        return qc

"""Repair of what was lost on the way: a node says what it has, and a few others send what it lacks; pure.

Messages may be dropped anywhere; nothing is acknowledged. Each node tells its ``Status`` now and then, and
four members drawn from the status itself answer it: were it all, a large chain would drown in answers.
Whoever is enrolled is answered, voting or not, so that an onlooker keeps up; nobody else costs more than a
look at a name.
"""

from __future__ import annotations

from ledger.codec import digest, encode
from ledger.consensus import Consensus
from ledger.ports import Send
from ledger.signing import sign, verifies
from ledger.types import (
    NIL,
    PRECOMMIT,
    PREVOTE,
    UNSIGNED,
    Commit,
    Message,
    Proposal,
    Status,
)

ANSWERS = 4
LARGE = 16 * 1024  # bytes; a message that is larger comes from the first of those who answer alone
BLOCKS = 16  # decided blocks in one answer, and
BYTES = 4 * 1024 * 1024  # about how many
EACH = 2  # statuses of one sender that are looked at between two of ours,
ONLOOKERS = 16  # and of all who do not vote


class Gossip:
    """Tells a node's status and answers those of the others."""

    def __init__(self, consensus: Consensus, count: int = 0) -> None:
        """``count`` numbers statuses; one that is not ahead of the last of its sender is not answered."""
        self.consensus = consensus
        self.count = count
        self._heard: dict[str, int] = {}
        self._since: dict[str, int] = {}  # answered since our last status, by sender

    def status(self) -> Send:
        """What we have, for all."""
        node = self.consensus
        self.count += 1
        self._since.clear()
        proposal = node.proposals.get(node.round)
        said = Status(
            node.chain.id, node.me, self.count, node.height, node.round,
            proposal.block.id if proposal is not None else NIL,
            node.votes.bitmap(node.round, PREVOTE), node.votes.bitmap(node.round, PRECOMMIT),
            node.votes.qc(node.round, PREVOTE) is not None,
            node.votes.qc(node.round, PRECOMMIT) is not None,
            UNSIGNED,
        )  # fmt: skip
        return Send(sign(node.keys, said))

    def answer(self, status: Status) -> list[Send]:
        """What its sender lacks, if it is for us to answer."""
        node = self.consensus
        if status.who == node.me or not self._is_due(status) or not verifies(node.keys, status.who, status):
            return []
        self._heard[status.who] = status.count
        self._since[status.who] = self._since.get(status.who, 0) + 1
        if status.who in node.members:
            node.locate(status)
        rank = self._rank(status)
        if rank >= ANSWERS:
            return []
        if status.height < node.height:
            found: list[Message] = [*self._decided(status.height)]
        elif status.height == node.height:
            found = self._lacking(status)
        else:
            found = []
        return [Send(message, status.who) for message in found if rank == 0 or len(encode(message)) <= LARGE]

    def _is_due(self, status: Status) -> bool:
        """Whether it is new, of this chain and of somebody enrolled, who has not told enough already."""
        node, who = self.consensus, status.who
        if status.chain != node.chain.id or not node.chain.knows(who):
            return False
        if status.count <= self._heard.get(who, -1) or self._since.get(who, 0) >= EACH:
            return False
        return who in node.members or sum(other not in node.members for other in self._since) < ONLOOKERS

    def _rank(self, status: Status) -> int:
        """The how manieth we are of those who answer it; at least ANSWERS if we are none."""
        me, members = self.consensus.me, self.consensus.members
        if me not in members:
            return ANSWERS
        draw = encode((status.who, status.count, status.height))
        rank = sorted((digest(draw, who.encode()), who) for who in members if who != status.who)
        return next((place for place, (_, who) in enumerate(rank) if who == me), ANSWERS)

    def _decided(self, height: int) -> list[Commit]:
        """Decided blocks from ``height`` on."""
        chain, found, size = self.consensus.chain, list[Commit](), 0
        while len(found) < BLOCKS and size < BYTES:
            commit = chain.decided(height)
            if commit is None:
                break
            found.append(commit)
            size += len(encode(commit))
            height += 1
        return found

    def _lacking(self, status: Status) -> list[Message]:
        """Of this height: certificates before the proposal before votes, of their round and of ours."""
        node, votes = self.consensus, self.consensus.votes
        found: list[Message] = []
        for type, has in ((PREVOTE, status.prevoted), (PRECOMMIT, status.precommitted)):
            qc = votes.qc(status.round, type)
            if qc is not None and not has:
                found.append(qc)
        decided = votes.decided()
        if decided is not None:
            found.append(decided)
        proposal = node.proposals.get(status.round)
        if proposal is not None and status.proposed != proposal.block.id:
            found.append(proposal)
        if not status.prevoted:
            found += votes.missing(status.round, PREVOTE, status.prevotes)
        if not status.precommitted:
            found += votes.missing(status.round, PRECOMMIT, status.precommits)
        if node.round > status.round:
            found += self._of_round(node.round)
        return found

    def _of_round(self, round: int) -> list[Message]:
        node = self.consensus
        held: list[Message | Proposal | None] = [
            node.votes.qc(round, PREVOTE), node.votes.qc(round, PRECOMMIT), node.proposals.get(round),
            *node.votes.of(round, PREVOTE), *node.votes.of(round, PRECOMMIT),
        ]  # fmt: skip
        return [each for each in held if each is not None]

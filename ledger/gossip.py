"""Repair of what was lost on the way: a node says what it has, and a few others send what it lacks; pure.

Messages may be dropped anywhere; nothing is acknowledged. Each node tells its ``Status`` now and then, and
four members drawn from the status itself answer it: were it all, a large chain would drown in answers.
Whoever is enrolled is answered, voting or not, so that an onlooker keeps up; nobody else costs more than a
look at a name. Who lacks more blocks than one answer has asks on as soon as it is in (``ledger.catchup``).
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.catchup import BLOCKS, BYTES, CatchUp, place
from ledger.codec import encode
from ledger.consensus import Consensus
from ledger.ports import Decided, Output, Send
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
EACH = 2  # statuses of one sender that are looked at between two of ours,
ONLOOKERS = 16  # and of all who do not vote
ASKED_ON = 64  # statuses of one who asks on, likewise, while what it is sent is not BYTES more


class _Answered(NamedTuple):
    """What one sender was answered since our last status; ``following`` is the height after its blocks."""

    statuses: int = 0
    size: int = 0
    following: int = 0


class Gossip:
    """Tells a node's status and answers those of the others."""

    def __init__(self, consensus: Consensus, count: int = 0) -> None:
        """``count`` numbers statuses; one that is not ahead of the last of its sender is not answered."""
        self.consensus = consensus
        self.count = count
        self._heard: dict[str, int] = {}
        self._since: dict[str, _Answered] = {}  # our last status, by sender
        self._catchup = CatchUp()

    def status(self) -> Send:
        """What we have, for all."""
        self._since.clear()
        self._catchup.turn()
        return self._tell(self.count + 1, None)

    def receive(self, message: Message, now: int) -> list[Output]:
        """What comes of a message: a status is answered, anything else is for the consensus."""
        if isinstance(message, Status):
            before = self._heard.get(message.who)
            answers: list[Output] = [*self.answer(message)]
            looked_at = self._heard.get(message.who) != before
            return [*answers, *self.consensus.resume(now)] if looked_at else answers
        outputs = self.consensus.receive(message, now)
        if isinstance(message, Commit) and any(isinstance(output, Decided) for output in outputs):
            return [*outputs, *self._ask_on(message)]
        return outputs

    def _ask_on(self, commit: Commit) -> list[Send]:
        """``commit`` was new to us; if with it a whole answer is in, there may be more: ask one for it."""
        node = self.consensus
        found = self._catchup.took(commit, node.me, node.members, node.height, self.count)
        return [self._tell(*found)] if found is not None else []

    def _tell(self, count: int, to: str | None) -> Send:
        node = self.consensus
        self.count = count
        votes, proposal = node.heard.votes, node.heard.proposals.get(node.round)
        sure = node.unsure is None  # else certificates are shown again: there may be votes of ours in them
        said = Status(
            node.chain.id, node.me, self.count, node.height, node.round,
            proposal.block.id if proposal is not None else NIL,
            votes.bitmap(node.round, PREVOTE), votes.bitmap(node.round, PRECOMMIT),
            sure and votes.qc(node.round, PREVOTE) is not None,
            sure and votes.qc(node.round, PRECOMMIT) is not None,
            UNSIGNED,
        )  # fmt: skip
        return Send(sign(node.keys, said), to)

    def answer(self, status: Status) -> list[Send]:
        """What its sender lacks, if it is for us to answer."""
        node = self.consensus
        if status.who == node.me or not self._is_due(status) or not verifies(node.keys, status.who, status):
            return []
        self._heard[status.who] = status.count
        since = self._since.get(status.who, _Answered())
        self._since[status.who] = since._replace(statuses=since.statuses + 1)
        if status.who in node.members:
            node.locate(status)
            self._catchup.told(status)
        rank = self._rank(status)
        if rank >= ANSWERS:
            return []
        if status.height < node.height:
            found: list[Message] = [*self._decided(status)]
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
        if status.count <= self._heard.get(who, -1) or self._has_enough(status):
            return False
        return who in node.members or sum(other not in node.members for other in self._since) < ONLOOKERS

    def _has_enough(self, status: Status) -> bool:
        """Whether its sender was answered enough for now; not if it has taken all that it was sent."""
        since = self._since.get(status.who, _Answered())
        asks_on = 0 < since.following <= status.height < self.consensus.height and since.size < BYTES
        return since.statuses >= (ASKED_ON if asks_on else EACH)

    def _rank(self, status: Status) -> int:
        """The how manieth we are of those who answer it; at least ANSWERS if we are none."""
        me, members = self.consensus.me, self.consensus.members
        if me not in members:
            return ANSWERS
        return place(me, status.who, status.count, status.height, members, ANSWERS)

    def _decided(self, status: Status) -> list[Commit]:
        """Decided blocks from the height of ``status`` on."""
        chain, found, size, height = self.consensus.chain, list[Commit](), 0, status.height
        while len(found) < BLOCKS and size < BYTES:
            commit = chain.decided(height)
            if commit is None:
                break
            found.append(commit)
            size += len(encode(commit))
            height += 1
        since = self._since[status.who]
        self._since[status.who] = since._replace(size=since.size + size, following=height)
        return found

    def _lacking(self, status: Status) -> list[Message]:
        """Of this height: certificates before the proposal before votes, of their round and of ours."""
        node, votes = self.consensus, self.consensus.heard.votes
        found: list[Message] = []
        for type, has in ((PREVOTE, status.prevoted), (PRECOMMIT, status.precommitted)):
            qc = votes.qc(status.round, type)
            if qc is not None and not has:
                found.append(qc)
        decided = votes.decided()
        if decided is not None:
            found.append(decided)
        proposal = node.heard.proposals.get(status.round)
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
        heard = self.consensus.heard
        votes = heard.votes
        held: list[Message | Proposal | None] = [
            votes.qc(round, PREVOTE), votes.qc(round, PRECOMMIT), heard.proposals.get(round),
            *votes.of(round, PREVOTE), *votes.of(round, PRECOMMIT),
        ]  # fmt: skip
        return [each for each in held if each is not None]

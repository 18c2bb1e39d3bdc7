"""What the members have said of one height: each thing checked once, and held while it may matter; pure.

Nothing here votes or decides: that is for ``ledger.consensus``, which says what round it is in.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.early import fits, is_whole
from ledger.ports import Chain
from ledger.signing import Keys, Roll
from ledger.types import (
    PRECOMMIT,
    PREVOTE,
    Ballot,
    Block,
    BlockId,
    Commit,
    Evidence,
    Message,
    Proposal,
    Qc,
    Vote,
    ballot,
)
from ledger.votes import Votes, faults

WINDOW = 64  # rounds before and after ours of which votes are held
NEAR = 8  # rounds before and after ours of which proposals are held; more where there are more members


class Heard:
    """Of the height that ``chain`` is to decide next, as ``me`` hears it.

    ``ours`` is told of each statement of our own that others show us, with its block where that was proposed;
    ``accuse`` gets the evidence against a member, once.
    """

    def __init__(
        self,
        me: str,
        chain: Chain,
        keys: Keys,
        ours: Callable[[Vote | Ballot, Block | None], None],
        accuse: Callable[[Evidence], None],
    ) -> None:
        self.height, self.members = chain.height, chain.members
        self.roll = Roll(chain.id, self.height, self.members, keys)
        self.votes = Votes(chain.id, self.height, self.members)
        self.proposals: dict[int, Proposal] = {}
        self.blocks: dict[BlockId, Block] = {}
        self._me, self._chain, self._ours, self._accuse = me, chain, ours, accuse
        self._ahead: dict[str, int] = {}  # member -> the latest round it is known to be in
        self._accused: set[str] = set()

    def take(self, message: Message, round: int, now: int, again: bool) -> bool:
        """Take up ``message`` of this height, now that we are in ``round``; whether anything changed. What is
        not signed, or not new, changes nothing. ``again``: certificates are looked through that we have."""
        match message:
            case Commit():
                return self._take_commit(message)
            case Qc(height=self.height):
                return self._take_certificate(message, again)
            case Vote(height=self.height):
                return self._take_vote(message, round)
            case Proposal(height=self.height):
                return self._take_proposal(message, round, now)
        return False

    @property
    def latest(self) -> int:
        """The latest round that f + 1 members have reached, hence one that does not lie; -1: none."""
        rounds = sorted(self._ahead.values(), reverse=True)
        needed = faults(len(self.members))
        return rounds[needed] if len(rounds) > needed else -1

    def forget(self, round: int, rounds: set[int], blocks: set[BlockId]) -> None:
        """We are in ``round`` now: let go of what is long past, but for the votes of ``rounds``; and of the
        blocks that are neither among ``blocks``, nor certified, nor proposed of late."""
        self.votes.forget(round - WINDOW, rounds)
        self.proposals = {at: each for at, each in self.proposals.items() if at >= round - self._near}
        needed = blocks | self.votes.certified()
        needed |= {proposal.block.id for proposal in self.proposals.values()}
        self.blocks = {bid: block for bid, block in self.blocks.items() if bid in needed}

    def _take_commit(self, commit: Commit) -> bool:
        qc, block = commit.qc, commit.block
        if qc.bid != block.id or not self.roll.certified(qc, PRECOMMIT):
            return False
        if qc.bid not in self.blocks and not self._chain.refuses(block, None):
            self.blocks[qc.bid] = block  # not if it is the right header over another body
        self.votes.accept(qc)
        return True

    def _take_certificate(self, qc: Qc, again: bool) -> bool:
        held = self.votes.qc(qc.round, qc.type) is not None
        if (held and not again) or not self.roll.certified(qc, qc.type):
            return False
        for vote in qc.votes():
            self._notice(vote, None)
        self.votes.accept(qc)
        return not held

    def _take_vote(self, vote: Vote, round: int) -> bool:
        held = self.votes.has(vote.round, vote.type, vote.who)
        far = abs(vote.round - round) > WINDOW
        if (far and vote.round <= self._ahead.get(vote.who, -1)) or (held and self._is_accused(vote.who)):
            return False  # it tells nothing: not worth a look at its signature
        qc = self.votes.qc(vote.round, vote.type)
        if qc is not None and qc.bid == vote.bid and vote.round == round and vote.who != self._me:
            return False  # a quorum has said so already: one more is not worth a look at its signature
        if len(vote.bid) not in (0, 32) or not self.roll.signed(vote):
            return False
        self._is_in(vote.who, vote.round)
        self._notice(vote, None)
        if far:
            return True
        evidence = self.votes.cast(vote)
        if evidence is not None:
            self._show(evidence)
        return True

    def _take_proposal(self, proposal: Proposal, round: int, now: int) -> bool:
        said, pol = ballot(proposal), proposal.pol
        held = self.proposals.get(proposal.round)
        if abs(proposal.round - round) > self._near or not fits(proposal.block):
            return False
        if held is not None and (ballot(held).bid == said.bid or self._is_accused(proposal.who)):
            return False
        if self._chain.proposer(proposal.round).node != proposal.who or not self.roll.signed(said):
            return False
        if held is not None:
            self._show(Evidence(ballot(held), said))
            return False
        if pol is None and proposal.block.header.proposer != proposal.who:
            return False
        if pol is not None:
            if pol.round >= proposal.round or pol.bid != said.bid or not self.roll.certified(pol, PREVOTE):
                return False
            self.votes.accept(pol)
        refused = self._chain.refuses(proposal.block, now if pol is None else None)
        if refused and not is_whole(proposal.block):
            return False  # not its proposer's fault: what it signed is the header
        self._is_in(proposal.who, proposal.round)
        self.proposals[proposal.round] = proposal
        self._notice(said, proposal.block)
        if not refused:
            self.blocks[said.bid] = proposal.block
        return True

    @property
    def _near(self) -> int:
        return max(NEAR, len(self.members))

    def _is_in(self, who: str, round: int) -> None:
        self._ahead[who] = max(round, self._ahead.get(who, 0))

    def _notice(self, said: Vote | Ballot, block: Block | None) -> None:
        if said.who == self._me:
            self._ours(said, block)

    def _is_accused(self, who: str) -> bool:
        return who in self._accused or self._chain.accuses(who)

    def _show(self, evidence: Evidence) -> None:
        if not self._is_accused(evidence.first.who):
            self._accused.add(evidence.first.who)
            self._accuse(evidence)

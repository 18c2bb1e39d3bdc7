"""The consensus of one chain: what a node does with each message and time-out; pure.

Tendermint's two steps of voting with locks (Buchman, Kwon, Milosevic 2018), with proof of manufacturing as
the order of proposers. The rules are marked R1 to R8 and T here and stated in docs/consensus.md. While at
most f of the members lie there is no fork, whoever proposes and however late messages are, and blocks come
as long as a quorum can talk.

Nothing here has a clock, a disk or a socket. Inputs are method calls with the time (UTC ns), outputs a list
in order; what comes after a ``Keep`` may be done only once that is on disk.
"""

from __future__ import annotations

from typing import Literal

from ledger.early import Early
from ledger.heard import WINDOW, Heard
from ledger.ports import (
    TIMING,
    Accuse,
    Chain,
    Decided,
    Keep,
    Kept,
    Output,
    Send,
    Start,
    Timer,
    Timing,
)
from ledger.signing import Keys, sign, verifies
from ledger.types import (
    NIL,
    PRECOMMIT,
    PREVOTE,
    Ballot,
    Block,
    BlockId,
    Commit,
    Message,
    Proposal,
    Status,
    Vote,
    VoteType,
)
from ledger.whereabouts import SILENT, Whereabouts

PROPOSE, PREVOTING, PRECOMMITTING = 0, 1, 2  # steps of a round
SAID = 8  # rounds before ours of which our own are kept on disk: others may wait for them when we start again
LATEST = 10_000_000_000  # ns; no time-out is longer


class Consensus:
    """A member of ``chain`` named ``me``, or an onlooker, who is no member and signs nothing.

    ``kept`` and ``blocks`` are what was on disk, if anything was. ``unsure``: that may not be all that we
    signed; nothing more is signed before enough others have told.
    """

    def __init__(
        self,
        me: str,
        chain: Chain,
        keys: Keys,
        timing: Timing = TIMING,
        kept: Kept | None = None,
        blocks: tuple[Block, ...] = (),
        unsure: Whereabouts | None = None,
    ) -> None:
        self.me, self.chain, self.keys, self.timing = me, chain, keys, timing
        self.unsure = unsure
        self.silent_until = 0
        self._out: list[Output] = []
        self.early = Early()
        self.height, self.members = chain.height, chain.members
        self.round, self.step = 0, PROPOSE
        self.resting = False  # nobody proposes, and no time-out runs, before there is work
        self.locked: tuple[int, BlockId] | None = None
        self.valid: tuple[int, BlockId] | None = None
        self.heard = self._listen()
        self.signed: dict[tuple[int, int], Vote | Ballot] = {}  # by round, and vote type or 0: a proposal
        self._once: set[tuple[str, int]] = set()
        self._known = self._is_known()
        if kept is not None and kept.height == self.height:
            self._recall(kept, blocks)

    def _enter(self) -> None:
        """Take up the chain's next height."""
        before, self.members = self.members, self.chain.members
        self.height = self.chain.height
        self._known = self._known if self.members == before else self._is_known()
        self.round, self.step = 0, PROPOSE
        self.locked = self.valid = None
        self.heard = self._listen()
        self.signed.clear()
        self._once.clear()

    def _listen(self) -> Heard:
        """To what is said of the chain's next height."""
        return Heard(
            self.me, self.chain, self.keys, self._recover, lambda evidence: self._out.append(Accuse(evidence))
        )

    def _recall(self, kept: Kept, blocks: tuple[Block, ...]) -> None:
        """Be where we were: what was signed stays signed."""
        self.round, self.locked, self.valid = kept.round, kept.locked, kept.valid
        self.heard.blocks.update({block.id: block for block in blocks})
        for said in kept.signed:
            self.signed[said.round, said.type if isinstance(said, Vote) else 0] = said
            if isinstance(said, Vote):
                self.heard.votes.cast(said)
        if kept.pol is not None:
            self.heard.votes.accept(kept.pol)

    # --- inputs -----------------------------------------------------------------------------------------

    def begin(self, now: int) -> list[Output]:
        """The node starts, or starts again, in the round that it was in."""
        self._start(self.round, now)
        self._rules(now)
        return [*self._flush(), *self.resume(now)]

    def receive(self, message: Message, now: int) -> list[Output]:
        """A message came; what is not for us, not signed or not new changes nothing."""
        if self._take(message, now):
            self._rules(now)
        return self._flush()

    def work(self, now: int) -> list[Output]:
        """A transaction waits: whose turn it is proposes, and the others expect that."""
        early = self.step == PROPOSE and (self.round == 0 or self.resting)
        if early and self.chain.has_work() and self._first("work"):
            self.resting = False
            self._timer("propose")
            self._propose(now)
            self._rules(now)
        return self._flush()

    def timeout(self, timer: Timer, now: int) -> list[Output]:
        """A timer went off; one of a round that is over means nothing."""
        if (timer.height, timer.round) == (self.height, self.round):
            if timer.kind == "idle" and self.step == PROPOSE:
                self._propose(now)
            elif timer.kind == "propose" and self.step == PROPOSE:
                self.step = PREVOTING  # T
                self._vote(PREVOTE, NIL)
            elif timer.kind == "prevote" and self.step == PREVOTING:
                self.step = PRECOMMITTING  # T
                self._vote(PRECOMMIT, NIL)
            elif timer.kind == "precommit":
                self._start(self.round + 1, now)  # T
            self._rules(now)
        return self._flush()

    def locate(self, status: Status) -> None:
        """A member told where it is and what it has: see ``resume``."""
        if self.unsure is not None and status.who != self.me:
            self.unsure.hear(status, self.height, self._ours(status), self.signed)

    def _ours(self, status: Status) -> list[tuple[int, int]]:
        """What its sender has of what we signed in its round, at our height: at another others may vote."""
        if status.height != self.height:
            return []
        bit = 1 << self.members.index(self.me) if self.me in self.members else 0
        said: list[tuple[int, bool]] = [
            (PREVOTE, bool(int.from_bytes(status.prevotes, "little") & bit)),
            (PRECOMMIT, bool(int.from_bytes(status.precommits, "little") & bit)),
            (0, bool(status.proposed) and self.chain.proposer(status.round).node == self.me),
        ]
        return [(status.round, type) for type, has in said if has]

    def resume(self, now: int) -> list[Output]:
        """Sign from now on, once others have told enough: this round begins anew, or we wait for a later
        height."""
        unsure = self.unsure
        if unsure is None:
            return []
        at = self.height, self.round
        if not unsure.settled(self.me, self.members, *at, self.signed):
            if unsure.parted(self.me, self.members, *at, self.signed):
                self._start(self.round + 1, now)
            return self._flush()
        self.unsure = None
        if unsure.behind:
            self.silent_until = self.height + SILENT
        self._once = {key for key in self._once if key[1] != self.round}
        self._make_up(unsure.since[1] if unsure.since[0] == self.height else 0)
        self._start(self.round, now)
        self._rules(now)
        return self._flush()

    def _make_up(self, first: int) -> None:
        """Vote for none in the rounds since ``first`` that we followed others through: some may wait there,
        and whom we followed may lie. To vote for none never binds anybody."""
        for round in range(max(first, self.round - WINDOW), self.round):
            for type in (PREVOTE, PRECOMMIT):
                self._vote(type, NIL, round)

    # --- what comes in ------------------------------------------------------------------------------------

    def _take(self, message: Message, now: int) -> bool:
        """Take up ``message``; whether anything changed."""
        if isinstance(message, Vote | Proposal) and message.height == self.height + 1:
            self.early.add(message, self.heard.roll)
            return False
        taken = self.heard.take(message, self.round, now, again=self.unsure is not None)
        if taken and isinstance(message, Commit) and self.unsure is not None:
            self.unsure.see(self.me, message, self.signed)
        return taken

    def _recover(self, said: Vote | Ballot, block: Block | None) -> None:
        """Take up what we signed before our disk was lost, or set back; of a proposal with its ``block``."""
        since = (self.height, self.round) if self.unsure is None else self.unsure.since
        key = said.round, said.type if isinstance(said, Vote) else 0
        if (said.height, said.round) < since or key in self.signed:
            return
        self.signed[key] = said
        if block is not None:
            self.heard.blocks[said.bid] = block
        if self.unsure is not None:
            self.unsure.behind = True
        self._keep(block)

    # --- the rules ------------------------------------------------------------------------------------------

    def _rules(self, now: int) -> None:
        """Apply the rules until none applies."""
        while self._decide(now) or self._skip(now) or self._step(now):
            pass

    def _decide(self, now: int) -> bool:
        qc = self.heard.votes.decided()
        block = self.heard.blocks.get(qc.bid) if qc is not None else None
        if qc is None or block is None or self.chain.refuses(block, None):
            return False
        commit = Commit(qc, block)  # R7
        self.chain.commit(commit)
        self._out.append(Decided(commit))
        self._enter()
        self._start(0, now)
        for message in self.early.take():
            self._take(message, now)
        return True

    def _skip(self, now: int) -> bool:
        """f + 1 members are in a later round."""
        latest = self.heard.latest
        if latest <= self.round:
            return False
        self._start(latest, now)  # R8
        return True

    def _step(self, now: int) -> bool:
        proposal = self.heard.proposals.get(self.round)
        if self.step == PROPOSE and proposal is not None:
            self.step = PREVOTING  # R1, R2
            self._vote(PREVOTE, self._judge(proposal))
            return True
        prevoted = self.heard.votes.qc(self.round, PREVOTE)
        if self.step >= PREVOTING and prevoted is not None and prevoted.bid in self.heard.blocks:
            if self._first("R4"):
                self.valid = self.round, prevoted.bid  # R4
                if self.step == PREVOTING:
                    self.locked, self.step = self.valid, PRECOMMITTING
                    self._vote(PRECOMMIT, prevoted.bid)
                else:
                    self._keep(self.heard.blocks[prevoted.bid])
                return True
        elif self.step == PREVOTING and prevoted is not None and prevoted.bid == NIL:
            self.step = PRECOMMITTING  # R5
            self._vote(PRECOMMIT, NIL)
            return True
        if self.step == PREVOTING and self.heard.votes.any_quorum(self.round, PREVOTE) and self._first("R3"):
            self._timer("prevote")  # R3
        precommitted = self.heard.votes.qc(self.round, PRECOMMIT)
        if precommitted is not None and precommitted.bid == NIL:
            self._start(self.round + 1, now)  # R6
            return True
        if self.heard.votes.any_quorum(self.round, PRECOMMIT) and self._first("R6"):
            self._timer("precommit")  # R6
        return False

    def _judge(self, proposal: Proposal) -> BlockId:
        """What to prevote for: the proposed block, or none."""
        bid = proposal.block.id
        if bid not in self.heard.blocks:
            return NIL
        if self.locked is None or self.locked[1] == bid:
            return bid
        # A quorum prevoted for it after we locked; what is proposed anew (R1) has no such quorum.
        return bid if proposal.pol is not None and self.locked[0] <= proposal.pol.round else NIL

    def _first(self, rule: str) -> bool:
        """Whether ``rule`` applies for the first time in this round."""
        key = rule, self.round
        first = key not in self._once
        self._once.add(key)
        return first

    def _start(self, round: int, now: int) -> None:
        self.round, self.step = round, PROPOSE
        if self.unsure is None:  # the others may still wait for what we said in a round that is over
            self.signed = {key: said for key, said in self.signed.items() if key[0] >= round - SAID}
        self._once = {key for key in self._once if key[1] >= round}
        bound = [each for each in (self.locked, self.valid) if each is not None]
        said = {said.bid for key, said in self.signed.items() if key[0] >= round}
        self.heard.forget(round, {at for at, _ in bound}, {bid for _, bid in bound} | said)
        self.resting = self.chain.rests()
        if self.resting:
            return
        if round > 0 or self.valid is not None or self.chain.has_work():
            self._timer("propose")
            self._propose(now)
            return
        # Without work nobody hurries; ``work`` sets the usual time-out.
        idle = self.timing.shown if self.chain.has_worked() else self.timing.idle
        if self.chain.proposer(0).node == self.me:
            self._out.append(Start(Timer("idle", self.height, 0), idle))
        else:
            self._out.append(Start(Timer("propose", self.height, 0), idle + self.timing.propose))

    def _timer(self, kind: Literal["propose", "prevote", "precommit"]) -> None:
        timing = self.timing
        first, more = (
            (timing.propose, timing.propose_more) if kind == "propose" else (timing.vote, timing.vote_more)
        )
        delay = min(first + more * self.round, LATEST)
        self._out.append(Start(Timer(kind, self.height, self.round), delay))

    # --- what we say --------------------------------------------------------------------------------

    @property
    def silent(self) -> bool:
        """Whether we sign nothing."""
        return not self._known or self.unsure is not None or self.height < self.silent_until

    def _is_known(self) -> bool:
        """Whether we are a member, by the key that we have."""
        said = Vote(self.chain.id, 0, 0, PREVOTE, NIL, self.me)  # of no height: good for nothing
        return self.me in self.members and verifies(self.keys, self.me, sign(self.keys, said))

    def _propose(self, now: int) -> None:
        place = self.chain.proposer(self.round)
        if place.node != self.me:
            return
        pol = self.heard.votes.qc(self.valid[0], PREVOTE) if self.valid is not None else None
        said = self.signed.get((self.round, 0))
        if isinstance(said, Ballot):
            block = self.heard.blocks[said.bid]
            pol = pol if pol is not None and pol.bid == said.bid else None
        elif self.silent:
            return
        else:
            block = self.chain.propose(place, now) if pol is None else self.heard.blocks[pol.bid]
            said = sign(self.keys, Ballot(self.chain.id, self.height, self.round, block.id, self.me))
            self.signed[self.round, 0] = said
            self.heard.blocks[block.id] = block
            self._keep(block)
        proposal = Proposal(self.chain.id, self.height, self.round, pol, self.me, block, said.sig)
        self.heard.proposals[self.round] = proposal
        self._out.append(Send(proposal))

    def _vote(self, type: VoteType, bid: BlockId, round: int | None = None) -> None:
        """Vote once per ``round`` (else ours) and type; what was signed before is said again, whatever we
        think now."""
        round = self.round if round is None else round
        before = self.signed.get((round, type))
        if isinstance(before, Vote):
            self._out.append(Send(before))
        elif not self.silent:
            vote = sign(self.keys, Vote(self.chain.id, self.height, round, type, bid, self.me))
            self.signed[round, type] = vote
            self._keep(self.heard.blocks.get(bid))
            self.heard.votes.cast(vote)
            self._out.append(Send(vote))

    def _keep(self, block: Block | None) -> None:
        signed = tuple(self.signed.values())
        pol = self.heard.votes.qc(self.valid[0], PREVOTE) if self.valid is not None else None
        kept = Kept(self.height, self.round, self.locked, self.valid, pol, signed)
        self._out.append(Keep(kept, block))

    def _flush(self) -> list[Output]:
        out, self._out = self._out, []
        return out

"""What goes into the consensus and what comes out of it: time-outs, what to keep, say and wait for; pure."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, TypeAlias

from ledger.pom import Place
from ledger.types import Ballot, Block, BlockId, Commit, Evidence, Message, Qc, Struct, Vote

MILLISECOND = 1_000_000
TimerKind = Literal["propose", "prevote", "precommit", "idle", "relay"]


class Timing(Struct, frozen=True):
    """Time-outs, ns: in round 0, and how much more in each round after it."""

    propose: int = 500 * MILLISECOND
    propose_more: int = 250 * MILLISECOND
    vote: int = 200 * MILLISECOND
    vote_more: int = 100 * MILLISECOND
    idle: int = 10_000 * MILLISECOND  # a block without transactions comes this late,
    shown: int = 1_000 * MILLISECOND  # and after one with some so late: it shows what those came to


TIMING = Timing()
PROMPT = 12  # members that all answer within the usual time-outs


def timing_of(members: int) -> Timing:
    """The usual time-outs, longer in proportion where more members all have to be heard."""
    more = max(members, PROMPT)
    first, vote = (TIMING.propose, TIMING.propose_more), (TIMING.vote, TIMING.vote_more)
    return Timing(*(usual * more // PROMPT for usual in (*first, *vote)))


class Kept(Struct, frozen=True):
    """What must survive: where we are in ``height``, our lock, and all that we signed in it. ``pol`` is the
    certificate that made ``valid`` so."""

    height: int
    round: int
    locked: tuple[int, BlockId] | None
    valid: tuple[int, BlockId] | None
    pol: Qc | None
    signed: tuple[Vote | Ballot, ...]


class Timer(NamedTuple):
    kind: TimerKind
    height: int
    round: int


class Keep(NamedTuple):
    """To disk, and synced, before what follows; ``block`` is one that ``kept`` names, or None."""

    kept: Kept
    block: Block | None


class Send(NamedTuple):
    """To all members, or to one."""

    message: Message
    to: str | None = None


class Start(NamedTuple):
    """``timer`` goes off after ``delay`` ns."""

    timer: Timer
    delay: int


class Decided(NamedTuple):
    """A block is final; the chain has taken it."""

    commit: Commit


class Accuse(NamedTuple):
    """A member broke the rules: for the chain."""

    evidence: Evidence


Output: TypeAlias = Keep | Send | Start | Decided | Accuse


class Chain(Protocol):
    """The decided blocks, and what may come next."""

    @property
    def id(self) -> str: ...

    @property
    def height(self) -> int:
        """The height to be decided next."""

    @property
    def members(self) -> tuple[str, ...]:
        """Who votes at that height, in order of name."""

    def knows(self, node: str) -> bool:
        """Whether ``node`` is enrolled, voting or not: it is told what it lacks."""

    def accuses(self, node: str) -> bool:
        """Whether it is known there that ``node`` broke the rules."""

    def proposer(self, round: int) -> Place:
        """Who proposes in ``round``, by which nonce."""

    def has_work(self) -> bool:
        """Whether a transaction waits."""

    def has_worked(self) -> bool:
        """Whether the block before had transactions."""

    def rests(self) -> bool:
        """Whether no block may come before something that waits lets the chain go on."""

    def propose(self, place: Place, now: int) -> Block:
        """A new block."""

    def refuses(self, block: Block, now: int | None) -> str:
        """Why ``block`` cannot be next, or nothing; with ``now`` its time is compared with the clock."""

    def commit(self, commit: Commit) -> None:
        """Take a decided block."""

    def decided(self, height: int) -> Commit | None:
        """The block decided at ``height``."""

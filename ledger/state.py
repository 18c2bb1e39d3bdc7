"""What the decided blocks add up to: who belongs to the chain, what each did, who proposes next; pure.

Every node computes the same from the same blocks, and says so in each header (``state_root``, ``pom_root``).
A record that means nothing (an operation planned twice, say) stays on the chain and has no effect: ``void``
has why.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ledger import pom
from ledger.codec import Malformed, digest, encode
from ledger.contracts.parties import Parties
from ledger.contracts.pools import Pools, Run
from ledger.contracts.sessions import Sessions
from ledger.contracts.workload import Workload
from ledger.genesis import Genesis
from ledger.pom import Place
from ledger.records import (
    Accused,
    Anchored,
    Completion,
    Enrolled,
    Forced,
    Inspection,
    LeaseEnded,
    LeaseGranted,
    Party,
    PoolClosed,
    PoolOpened,
    PoolPaused,
    PoolResumed,
    Record,
    Requirement,
    Revoked,
    SessionClosed,
    SessionOpened,
    SignedOff,
    Written,
    kind_of,
    read,
)
from ledger.signing import Keys
from ledger.types import Block, Members, Tx
from ledger.votes import faults

DEMOTED = 32  # blocks for which a member that was passed over comes last
OfPools = PoolOpened | PoolResumed | PoolPaused | PoolClosed | Anchored
AHEAD = 2  # heights from a change of members to its taking effect
MAX_VOID = 1_000


class State:
    """The state after the block at ``height`` (0: the genesis)."""

    def __init__(self, genesis: Genesis, keys: Keys | None = None) -> None:
        """``keys`` verify what other chains are shown to have; None: by the keys of those enrolled here."""
        self.genesis = genesis
        self.chain = genesis.chain
        self.height = 0
        self.head = genesis.id
        self.seed = genesis.id
        self.time = genesis.time
        self.admission = Parties(genesis, keys)
        self.parties = self.admission.enrolled
        self.publics = self.admission.publics
        self.seqs: dict[str, int] = {}  # the last one taken of each node
        self.workload = Workload(genesis.time)
        self.sessions = Sessions()
        self.root = genesis.id
        self.last_void: tuple[tuple[int, str, int, str], ...] = ()  # height, node, seq, why of the last block
        self.void: deque[tuple[int, str, int, str]] = deque(maxlen=MAX_VOID)  # and of those before it
        self.worked = False  # whether the last block had transactions
        self.pools = Pools(genesis)
        self.run = Run(genesis)
        self._voting = deque([self.admission.members] * AHEAD, maxlen=AHEAD)
        self._recent: deque[tuple[str, tuple[str, ...]]] = deque(maxlen=DEMOTED)  # proposer, passed over
        self.workload.turn(self.time, self.members)

    @property
    def members(self) -> tuple[str, ...]:
        """Who votes at the next height, in order of name."""
        return tuple(member.node for member in self.voting)

    @property
    def voting(self) -> Members:
        """Who votes at the next height, with keys."""
        return self._voting[0]

    @property
    def next_voting(self) -> Members:
        """Who votes at the height after it."""
        return self._voting[1]

    @property
    def workloads(self) -> dict[str, int]:
        """M of each member, ns."""
        return {node: self.workload.current.get(node, 0) for node in self.members}

    @property
    def limits(self) -> dict[str, int]:
        """f(Pom) of each member: the right side of formula (3)."""
        return pom.thresholds(self.workloads)

    @property
    def pom_root(self) -> bytes:
        """Hashes workloads and limits."""
        return digest(encode((self.workloads, [limit.to_bytes(33) for limit in self.limits.values()])))

    def order(self) -> Iterator[Place]:
        """In what order the members may propose the next block."""
        return pom.order(self.seed, self.limits, self.late)

    @property
    def late(self) -> set[str]:
        """Who comes last: the proposers of the last f blocks, who was passed over lately, and who is
        accused."""
        recent = list(self._recent)
        proposers = {proposer for proposer, _ in recent[len(recent) - faults(len(self.members)) :]}
        return proposers | {node for _, passed in recent for node in passed} | self.admission.accused

    def apply(self, block: Block) -> None:
        """Take the decided ``block``, which was found valid."""
        header = block.header
        passed: list[str] = []
        for place in self.order():
            if place.node == header.proposer:
                break
            passed.append(place.node)
        self._recent.append((header.proposer, tuple(passed)))
        self.height, self.head, self.seed, self.time = header.height, block.id, block.seed, header.time
        void = []
        for tx in block.body:
            self.seqs[tx.node] = tx.seq
            why = self._effect(tx)
            if why:
                void.append((self.height, tx.node, tx.seq, why))
        self.worked = bool(block.body)
        self.last_void = tuple(void)
        self.void += void
        self._voting.append(self._voters())
        if self.height % self.genesis.epoch == 0:
            self.workload.turn(self.time, self.members)
        self.root = digest(self.root, self.head, encode((self.voting, self.next_voting, void)))

    def _effect(self, tx: Tx) -> str:
        record = read(tx)
        if isinstance(record, Malformed):
            return record.reason
        by = self.parties.get(tx.node)
        if by is None:
            return f"{tx.node} is revoked"
        if isinstance(record, OfPools):
            return self._pooled(record, by, tx)
        return self._means(record, by)

    def _pooled(self, record: OfPools, by: Party, tx: Tx) -> str:
        """The main chain reserves nodes and takes anchors; a pool's own is paused, resumed and closed."""
        match record:
            case PoolPaused() | PoolClosed() | PoolResumed() if self.genesis.origin:
                return self.run.take(record, by, self.height)
            case PoolOpened() if not self.genesis.origin:
                return self.pools.open(record, by, self.parties, self.time, digest(encode(tx)))
            case PoolResumed() if not self.genesis.origin:
                return self.pools.resume(record, by, self.parties, self.time)
            case Anchored() if not self.genesis.origin:
                return self.pools.anchor(record, by, self.parties, self.admission.keys)
        return f"{kind_of(record)} means nothing on {self.chain}"

    def _means(self, record: Record, by: Party) -> str:
        """Let ``record`` have its effect; why it has none, or nothing."""
        match record:
            case Requirement():
                return self.workload.plan(record, by, self.parties, self.time)
            case Completion():
                return self.workload.complete(record, by)
            case Inspection():
                return self.workload.inspect(record, by, self.parties, self.time)
            case Enrolled(party):
                voting = {member.node for members in self._voting for member in members}
                return self.admission.enrol(party, by, self.height, voting)
            case Revoked(node):
                why = self.admission.revoke(record, by, self.height)
                if not why:
                    self.sessions.release(node)
                return why
            case Accused(evidence):
                return self.admission.accuse(evidence)
            case SessionOpened():
                return self.sessions.open(record, by)
            case SessionClosed():
                return self.sessions.close(record, by)
            case SignedOff():
                return self.sessions.sign(record, by)
            case Forced():
                return self.sessions.force(record, by)
            case Written(station) if station != by.node:
                return f"{by.node} is not {station}"
            case LeaseGranted() | LeaseEnded():
                return self.sessions.lease(record, by)
        return ""

    def _voters(self) -> Members:
        """Who votes two heights on: who is enrolled, but for what is more than f changes at once (one where
        f is 0). Those revoked go first, unless nobody else votes."""
        voters, wanted = set(self._voting[-1]), set(self.admission.members)
        revoked_first = len(voters) > 1
        changes = sorted(voters ^ wanted, key=lambda each: ((each in wanted) == revoked_first, each.node))
        voters ^= set(changes[: max(1, faults(len(voters)))])
        return tuple(sorted(voters, key=lambda member: member.node))

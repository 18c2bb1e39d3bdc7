"""A chain as its consensus sees it: what is decided, what waits, and whether a block may be next; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger import merkle, pom
from ledger.codec import Malformed, digest, encode
from ledger.genesis import Genesis
from ledger.mempool import Mempool
from ledger.pom import Place
from ledger.ports import MILLISECOND
from ledger.records import read
from ledger.signing import Keys, verifies
from ledger.state import State
from ledger.types import MAX_BODY, Block, Commit, Header, Tx, members_hash

SKEW = (500 + 2_000) * MILLISECOND  # between our clock and a new block's time
REMEMBERED = 100_000  # transactions whose signature was checked


class DecidedChain:
    """``history`` gives the commit decided at a height, from wherever it is kept, or None."""

    def __init__(self, genesis: Genesis, keys: Keys, history: Callable[[int], Commit | None]) -> None:
        self.id = genesis.chain
        self.state = State(genesis, keys)
        self.waiting = Mempool()
        self._keys, self._history = keys, history
        self._places: list[Place] = []
        self._fit: Block | None = None  # found to be what may come next: it is asked more than once
        self._order = self.state.order()
        self._sound: set[bytes] = set()  # hashes of transactions whose signature holds, until they are taken

    # --- what the consensus asks --------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """The height to be decided next."""
        return self.state.height + 1

    @property
    def members(self) -> tuple[str, ...]:
        """Who votes at that height, in order of name."""
        return self.state.members

    def proposer(self, round: int) -> Place:
        """ORDER[round mod N]."""
        wanted = round % len(self.members)
        while len(self._places) <= wanted:
            self._places.append(next(self._order))
        return self._places[wanted]

    def knows(self, node: str) -> bool:
        """Whether ``node`` is enrolled, or still votes: it is told what it lacks."""
        return node in self.state.parties or node in self.members

    def accuses(self, node: str) -> bool:
        """Whether it is on the chain that ``node`` broke the rules."""
        return node in self.state.admission.accused

    def has_work(self) -> bool:
        """Whether a transaction waits that could be taken."""
        return self.waiting.has_ready(self.state.seqs) and (self._goes_on() or bool(self._body()))

    def has_worked(self) -> bool:
        """Whether the block before had transactions: the next shows what they came to."""
        return self.state.worked

    def rests(self) -> bool:
        """Whether no block may come before something that waits lets the chain go on."""
        return not self._goes_on() and not self.has_work()

    def _goes_on(self) -> bool:
        return self.state.run.state == "on"

    def _body(self) -> tuple[Tx, ...]:
        """What the next block may have: all that waits, or if the chain is paused what resumes it."""
        if self._goes_on():
            return self.waiting.ready(self.state.seqs)
        for node, party in sorted(self.state.parties.items()):
            body = self.waiting.ready(self.state.seqs, node) if party.dispatcher else ()
            if not self.state.run.holds_back(body, self.state.parties):
                return body
        return ()

    def propose(self, place: Place, now: int) -> Block:
        """A new block with what waits; its time is later than that of the block before."""
        body = self._body()
        return Block(self._header(place, max(now, self.state.time + 1), body), body)

    def _header(self, place: Place, time: int, body: Sequence[Tx]) -> Header:
        state = self.state
        return Header(
            1, self.id, self.height, state.head, time, merkle.root(leaves(body)), state.root, state.pom_root,
            members_hash(state.voting), members_hash(state.next_voting), place.node, place.nonce,
        )  # fmt: skip

    def refuses(self, block: Block, now: int | None) -> str:
        """Why ``block`` cannot be next, or nothing; with ``now`` its time is compared with our clock."""
        if block is not self._fit:
            why = self._misfit(block)
            if why:
                return why
            self._fit = block
        off = block.header.time - now if now is not None else 0
        return f"its time is {off / 1e9:+.1f} s from ours" if abs(off) > SKEW else ""

    def _misfit(self, block: Block) -> str:
        header = block.header
        place = Place(header.proposer, header.nonce)
        if header != self._header(place, header.time, block.body):
            return "the header is not what follows from the chain and the body"
        if header.time <= self.state.time:
            return "it is not later than the block before"
        if not pom.meets(self.state.seed, place, self.state.limits):
            return f"{header.proposer} does not meet formula (3) by nonce {header.nonce}"
        if sum(len(encode(tx)) for tx in block.body) > MAX_BODY:
            return "the body is too large"
        held_back = self.state.run.holds_back(block.body, self.state.parties)
        if held_back:
            return held_back
        following: dict[str, int] = {}
        for tx in block.body:
            seq = following.get(tx.node, self.state.seqs.get(tx.node, 0)) + 1
            if tx.seq != seq:
                return f"transaction {tx.seq} of {tx.node} comes where {seq} should"
            following[tx.node] = seq
            why = self.unsound(tx)
            if why:
                return why
        return ""

    def commit(self, commit: Commit) -> None:
        """Take a decided block."""
        changes = self.state.admission.changes
        self.state.apply(commit.block)
        if self.state.admission.changes != changes:
            self._sound.clear()  # somebody may have another key
        self.waiting.forget(self.state.seqs, self.state.parties)
        self._sound.difference_update(digest(encode(tx)) for tx in commit.block.body)
        self._order, self._places = self.state.order(), []
        self._fit = None

    def decided(self, height: int) -> Commit | None:
        """The block decided at ``height``."""
        return self._history(height) if 0 < height < self.height else None

    # --- transactions -------------------------------------------------------------------------------------

    def submit(self, tx: Tx) -> str:
        """Let ``tx`` wait for a block; why not, or nothing."""
        taken = self.state.seqs.get(tx.node, 0)
        why = self.unsound(tx) if self.waiting.wants(tx, taken) else ""
        if not why and not self.waiting.add(tx, taken):
            return f"transaction {tx.seq} of {tx.node} is here or taken already, or there is no room"
        return why

    def vouch(self, tx: Tx) -> str:
        """We have signed ``tx`` ourselves; why no block will have it all the same, or nothing.

        Who is not enrolled, as far as our copy goes, may be so already, or become so: but never by a key that
        was revoked.
        """
        enrolled = tx.node in self.state.parties
        if not enrolled and verifies(self._keys, tx.node, tx):
            return f"{tx.node} is not enrolled any more"
        return self._unreadable(tx, digest(encode(tx)) if enrolled else None)

    def unsound(self, tx: Tx) -> str:
        """Why ``tx`` can be in no block, whatever it records; or nothing."""
        if tx.chain != self.id:
            return f"transaction {tx.seq} of {tx.node} is of chain {tx.chain}"
        if tx.node not in self.state.parties:
            return f"{tx.node} is not enrolled"
        data = digest(encode(tx))
        if data in self._sound:
            return ""
        if not verifies(self._keys, tx.node, tx):
            return f"transaction {tx.seq} of {tx.node} is not signed by it"
        return self._unreadable(tx, data)

    def _unreadable(self, tx: Tx, data: bytes | None) -> str:
        """Why what it records cannot be read, or nothing; its hash ``data``, if given, is kept as sound."""
        record = read(tx)
        if isinstance(record, Malformed):
            return f"transaction {tx.seq} of {tx.node}: {record.reason}"
        if data is not None:
            if len(self._sound) >= REMEMBERED:
                self._sound.clear()
            self._sound.add(data)
        return ""


def leaves(body: Sequence[Tx]) -> list[bytes]:
    """What the Merkle tree of a block stands on."""
    return [encode(tx) for tx in body]

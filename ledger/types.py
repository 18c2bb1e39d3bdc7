"""What a chain is made of, and what its nodes say to each other: frozen structs with one encoding; pure.

Every struct that a node signs names its chain and its own kind (the tag), so that a signature is good for
that and nothing else. Heights count from 1; rounds from 0; times are UTC ns.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from ledger import codec

VERSION = 1
MAX_MEMBERS = 256
MAX_ROUND = 2**31 - 1
MAX_TXS = 2_000  # in one block
MAX_BODY = 1024 * 1024  # bytes of one block's transactions
MAX_RECORD = 64 * 1024  # bytes of one record

Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]
ChainName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,14}\Z")]  # an id has 17 characters more
Hash = Annotated[bytes, Meta(min_length=codec.HASH_BYTES, max_length=codec.HASH_BYTES)]
Sig = Annotated[bytes, Meta(min_length=codec.SIGNATURE_BYTES, max_length=codec.SIGNATURE_BYTES)]
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Round = Annotated[int, Meta(ge=0, le=MAX_ROUND)]
BlockId: TypeAlias = bytes  # of a block; NIL votes for none
NIL: BlockId = b""
UNSIGNED = bytes(codec.SIGNATURE_BYTES)

PREVOTE: Literal[1] = 1
PRECOMMIT: Literal[2] = 2
VoteType: TypeAlias = Literal[1, 2]
VotedId = Annotated[bytes, Meta(max_length=codec.HASH_BYTES)]


class Struct(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag_field="of"):
    """Base of all: immutable, and encoded as an array."""


class Tx(Struct, frozen=True, tag="tx"):
    """One transaction of ``node``: ``seq`` counts its own on this chain without a gap from 1, so that none
    is taken twice and none is lost on the way; ``body`` is a record as ``kind`` has it."""

    v: Literal[1]
    chain: Id
    node: Id
    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    kind: Annotated[str, Meta(min_length=1, max_length=32)]
    body: Annotated[bytes, Meta(max_length=MAX_RECORD)]
    sig: Sig = UNSIGNED


class Header(Struct, frozen=True, tag="header"):
    """Commits to all of a block and to what follows from it.

    ``prev`` is the id of the block before; ``body_root`` the Merkle root of the transactions; ``state_root``
    and ``pom_root`` hash the chain's state and the members' workloads and shares after the block before;
    ``members`` and ``next_members`` hash who votes at this height and at the next. ``nonce`` is that under
    which ``proposer`` meets formula (3).
    """

    v: Literal[1]
    chain: Id
    height: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    prev: Hash
    time: Natural
    body_root: Hash
    state_root: Hash
    pom_root: Hash
    members: Hash
    next_members: Hash
    proposer: Id
    nonce: Annotated[int, Meta(ge=0, lt=2**16)]

    @property
    def id(self) -> BlockId:
        """The block's id, 32 bytes."""
        return codec.digest(codec.encode(self))


class Member(Struct, frozen=True):
    """Who votes, and the key that its votes are signed with."""

    node: Id
    public: Annotated[bytes, Meta(min_length=codec.PUBLIC_BYTES, max_length=codec.PUBLIC_BYTES)]


Members: TypeAlias = tuple[Member, ...]  # in order of name


def members_hash(members: Members) -> bytes:
    """Who votes, as a header has it."""
    return codec.digest(codec.encode(members))


class Block(Struct, frozen=True, tag="block"):
    """A header with its transactions."""

    header: Header
    body: Annotated[tuple[Tx, ...], Meta(max_length=MAX_TXS)]

    @property
    def id(self) -> BlockId:
        """The header's."""
        return self.header.id

    @property
    def seed(self) -> bytes:
        """SHA-256 of header and body (Liu 2023, formula (3): what the next proposers are drawn with)."""
        return codec.digest(codec.encode(self.header), codec.encode(self.body))


class Vote(Struct, frozen=True, tag="vote"):
    """``who`` votes in (``height``, ``round``) for the block ``bid``, or for none (NIL)."""

    chain: Id
    height: Natural
    round: Round
    type: VoteType
    bid: VotedId
    who: Id
    sig: Sig = UNSIGNED


class Seal(Struct, frozen=True, tag="seal"):
    """One member's part of a quorum certificate."""

    who: Id
    sig: Sig


class Qc(Struct, frozen=True, tag="qc"):
    """A quorum certificate: more than two thirds of the members cast this vote."""

    chain: Id
    height: Natural
    round: Round
    type: VoteType
    bid: VotedId
    seals: Annotated[tuple[Seal, ...], Meta(max_length=MAX_MEMBERS)]

    def votes(self) -> list[Vote]:
        """The votes that it is made of."""
        return [
            Vote(self.chain, self.height, self.round, self.type, self.bid, seal.who, seal.sig)
            for seal in self.seals
        ]


class Proposal(Struct, frozen=True, tag="proposal"):
    """``who`` proposes ``block`` in (``height``, ``round``); ``pol`` shows that it had a quorum of prevotes
    in an earlier round. The signature covers the block by its id."""

    chain: Id
    height: Natural
    round: Round
    pol: Qc | None
    who: Id
    block: Block
    sig: Sig = UNSIGNED


class Commit(Struct, frozen=True, tag="commit"):
    """A decided block with the certificate of its precommits."""

    qc: Qc
    block: Block


class Status(Struct, frozen=True, tag="status"):
    """What ``who`` has at (``height``, ``round``), so that others send what it lacks: the proposed block, a
    bit per member whose prevote or precommit it has (in order of name), certificates of either type."""

    chain: Id
    who: Id
    count: Natural
    height: Natural
    round: Round
    proposed: VotedId
    prevotes: Annotated[bytes, Meta(max_length=MAX_MEMBERS // 8)]
    precommits: Annotated[bytes, Meta(max_length=MAX_MEMBERS // 8)]
    prevoted: bool
    precommitted: bool
    sig: Sig = UNSIGNED


class Batch(Struct, frozen=True, tag="batch"):
    """Transactions on their way to those who propose; who gets them to ``spread`` tells all of them."""

    txs: Annotated[tuple[Tx, ...], Meta(max_length=MAX_TXS)]
    spread: bool = False


class Ballot(Struct, frozen=True, tag="ballot"):
    """What a proposer signs of its proposal: all but the block, which it names by its id."""

    chain: Id
    height: Natural
    round: Round
    bid: Hash
    who: Id
    sig: Sig = UNSIGNED


class Evidence(Struct, frozen=True, tag="evidence"):
    """Two votes, or two ballots, of one member that exclude each other: it broke the rules, provably."""

    first: Vote | Ballot
    second: Vote | Ballot


Message: TypeAlias = Proposal | Vote | Qc | Commit | Status


def ballot(proposal: Proposal) -> Ballot:
    """What the proposer signed."""
    return Ballot(
        proposal.chain, proposal.height, proposal.round, proposal.block.id, proposal.who, proposal.sig
    )

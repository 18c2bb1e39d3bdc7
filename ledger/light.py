"""Following a chain by headers alone: whom to believe at a height, given whom one believes already; pure.

A header is final if a quorum of its members signed it, and it is this chain's if more than a third of those
believed so far signed it too: then one of them does not lie. So heights may be skipped. At most f members
change in a block, so that the next height can always be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta

from ledger import merkle
from ledger.codec import Malformed, encode
from ledger.signing import Keys, Roll
from ledger.types import PRECOMMIT, Hash, Header, Id, Members, Natural, Qc, Struct, Tx, members_hash

MAX_STEPS = 10_000
KeysOf: TypeAlias = Callable[[Members], Keys | None]  # to verify by; None: one of them is not to be believed


class Step(Struct, frozen=True):
    """A decided header; ``members`` are those who vote at its height, where they are not those of the step
    before."""

    header: Header
    qc: Qc
    members: Members | None


class Proof(Struct, frozen=True, tag="proof"):
    """That ``tx`` is number ``index`` of ``count`` in the block of the last step."""

    v: Literal[1]
    chain: Id
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=MAX_STEPS)]
    tx: Tx
    index: Natural
    count: Natural
    path: Annotated[tuple[Hash, ...], Meta(max_length=merkle.MAX_DEPTH)]


class Trust(NamedTuple):
    """Of ``chain``: that ``members`` vote, or voted, at ``height`` (0: as the genesis has it)."""

    chain: str
    height: int
    members: Members


def overlaps(believed: Members, members: Members, qc: Qc) -> bool:
    """Whether more than a third of ``believed`` are among ``members`` and signed ``qc``."""
    signed, same = {seal.who for seal in qc.seals}, set(members)
    return 3 * sum(each in same and each.node in signed for each in believed) > len(believed)


def advance(trust: Trust, step: Step, keys_of: KeysOf) -> Trust | Malformed:
    """Whom to believe after ``step``; Malformed says why it is not to be believed."""
    header, members = step.header, trust.members if step.members is None else step.members
    height = header.height
    if header.chain != trust.chain or height <= trust.height:
        return Malformed(f"height {height} of {header.chain} follows {trust.height} of {trust.chain}")
    if header.members != members_hash(members) or step.members == trust.members:
        return Malformed(f"height {height} has other members than are named")
    keys = keys_of(members)
    if keys is None:
        return Malformed(f"height {height} has members who are not known by these keys")
    roll = Roll(trust.chain, height, tuple(member.node for member in members), keys)
    if step.qc.bid != header.id or not roll.certified(step.qc, PRECOMMIT):
        return Malformed(f"height {height} has no certificate of its members")
    if not overlaps(trust.members, members, step.qc):
        return Malformed(f"a third of the members at {trust.height} or fewer signed height {height}")
    return Trust(trust.chain, height, members)


def follow(trust: Trust, proof: Proof, keys_of: KeysOf) -> Trust | Malformed:
    """Whom to believe after all of ``proof``, if it proves its transaction."""
    if proof.chain != trust.chain:
        return Malformed(f"the proof is of chain {proof.chain}, and not of {trust.chain}")
    for step in proof.steps:
        following = advance(trust, step, keys_of)
        if isinstance(following, Malformed):
            return following
        trust = following
    root = proof.steps[-1].header.body_root
    if not merkle.proves(encode(proof.tx), proof.index, proof.count, proof.path, root):
        return Malformed(f"the transaction is not in the block at height {trust.height}")
    return trust

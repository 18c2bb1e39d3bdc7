"""That a record is final, shown to somebody who trusts the genesis alone and has no node; pure.

A header with its certificate proves the block if its members are known. They are those of the genesis, or
those that a header before it, proven in the same way, has named: so only heights at which members change are
needed on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from msgspec import Meta

from ledger import merkle
from ledger.chain import leaves
from ledger.codec import Malformed, encode
from ledger.keys import Keyring
from ledger.records import Record, read
from ledger.signing import Roll
from ledger.state import Genesis, State
from ledger.types import (
    PRECOMMIT,
    Block,
    Commit,
    Hash,
    Header,
    Id,
    Members,
    Natural,
    Qc,
    Struct,
    Tx,
    members_hash,
)

MAX_STEPS = 10_000


class Step(Struct, frozen=True):
    """A decided header; ``members`` are those from the next height on, where they change."""

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


class Proven(Struct, frozen=True):
    """What a proof shows: the record, who signed it, and the block's height and time (UTC ns)."""

    record: Record
    node: str
    height: int
    time: int


def prove(genesis: Genesis, history: Callable[[int], Commit | None], height: int, index: int) -> Proof:
    """The proof of transaction ``index`` of the block at ``height``. Raises IndexError if there is none."""
    steps: list[Step] = []
    last: Block | None = None
    for commit, state in _decided(genesis, history, height):
        header = commit.block.header
        changes = header.next_members != header.members
        if changes or header.height == height:
            steps.append(Step(header, commit.qc, state.voting if changes else None))
        last = commit.block
    if last is None or last.header.height != height:
        raise IndexError(f"height {height} is not decided here")
    body = leaves(last.body)
    path = merkle.proof(body, index)
    return Proof(1, genesis.chain, tuple(steps), last.body[index], index, len(body), path)


def _decided(
    genesis: Genesis, history: Callable[[int], Commit | None], height: int
) -> Iterator[tuple[Commit, State]]:
    """Every commit up to ``height`` with the state after it."""
    state = State(genesis)
    for each in range(1, height + 1):
        commit = history(each)
        if commit is None:
            return
        state.apply(commit.block)
        yield commit, state


def verify(proof: Proof, genesis: Genesis) -> Proven | Malformed:
    """What ``proof`` shows to somebody who trusts ``genesis``; Malformed says at which point it breaks."""
    if proof.chain != genesis.chain:
        return Malformed(f"the proof is of chain {proof.chain}, the genesis of {genesis.chain}")
    members = State(genesis).voting
    publics = {party.node: party.public for party in genesis.parties}
    height = 0
    for step in proof.steps:
        header = step.header
        if header.height <= height or header.chain != genesis.chain:
            return Malformed(f"height {header.height} follows {height}")
        height = header.height
        if header.members != members_hash(members):
            return Malformed(f"height {height} has other members than the steps before it name")
        roll = Roll(genesis.chain, height, tuple(member.node for member in members), Keyring(publics))
        if step.qc.bid != header.id or not roll.certified(step.qc, PRECOMMIT):
            return Malformed(f"height {height} has no certificate of its members")
        if header.next_members != header.members:
            if step.members is None or members_hash(step.members) != header.next_members:
                return Malformed(f"height {height} does not name the next members")
            members = step.members
            publics |= {member.node: member.public for member in members}
    if not merkle.proves(encode(proof.tx), proof.index, proof.count, proof.path, header.body_root):
        return Malformed(f"the transaction is not in the block at height {height}")
    record = read(proof.tx)
    if isinstance(record, Malformed):
        return record
    return Proven(record, proof.tx.node, height, header.time)

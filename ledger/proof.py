"""That a record is final, shown to somebody who trusts the genesis alone and has no node; pure."""

from __future__ import annotations

from collections.abc import Callable

from ledger import merkle
from ledger.chain import leaves
from ledger.codec import Malformed
from ledger.genesis import Genesis
from ledger.keys import Keyring
from ledger.light import Proof, Step, Trust, follow, overlaps
from ledger.records import Record, read
from ledger.state import State
from ledger.types import Block, Commit, Members, Struct


class Proven(Struct, frozen=True):
    """What a proof shows: the record, who signed it, and the block's height and time (UTC ns)."""

    record: Record
    node: str
    height: int
    time: int


def prove(genesis: Genesis, history: Callable[[int], Commit | None], height: int, index: int) -> Proof:
    """The proof of transaction ``index`` of the block at ``height``. Raises IndexError if there is none."""
    state = State(genesis)
    believed = before = state.voting
    changed: list[tuple[Step, Members]] = []  # at the heights at which others vote than at the one before
    last: Block | None = None
    for each in range(1, height + 1):
        commit = history(each)
        if commit is None:
            raise IndexError(f"height {each} is not decided here")
        last = commit.block
        if state.voting != before or each == height:
            changed.append((Step(last.header, commit.qc, None), state.voting))
        before = state.voting
        state.apply(last)
    if last is None:
        raise IndexError(f"there is no height {height}")
    steps: list[Step] = []
    while changed:
        reached = max(at for at, (step, to) in enumerate(changed) if overlaps(believed, to, step.qc))
        step, to = changed[reached]
        steps.append(Step(step.header, step.qc, None if to == believed else to))
        believed, changed = to, changed[reached + 1 :]
    body = leaves(last.body)
    path = merkle.proof(body, index)
    return Proof(1, genesis.chain, tuple(steps), last.body[index], index, len(body), path)


def verify(proof: Proof, genesis: Genesis) -> Proven | Malformed:
    """What ``proof`` shows to somebody who trusts ``genesis``; Malformed says at which point it breaks."""
    trust = follow(Trust(genesis.chain, 0, State(genesis).voting), proof, keys_of)
    if isinstance(trust, Malformed):
        return trust
    record = read(proof.tx)
    if isinstance(record, Malformed):
        return record
    return Proven(record, proof.tx.node, trust.height, proof.steps[-1].header.time)


def keys_of(members: Members) -> Keyring:
    """To verify what ``members`` signed."""
    return Keyring({member.node: member.public for member in members})

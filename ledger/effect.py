"""That a record had an effect, shown to somebody who trusts the genesis alone and has no node; pure.

A record that means nothing stays on the chain, so a proof that it is final does not show that it counts. But
the next header hashes why records of this block mean nothing: with that list, and who votes next, anybody
recomputes the hash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta

from ledger.codec import Malformed, digest, encode
from ledger.genesis import Genesis
from ledger.light import Proof, Step, Trust, advance, follow
from ledger.proof import Proven, keys_of, prove
from ledger.records import read
from ledger.state import State
from ledger.types import MAX_TXS, Commit, Id, Members, Natural, Struct, members_hash

Void = tuple[Natural, Id, Natural, str]  # height, node, seq, why


class Effect(Struct, frozen=True, tag="effect"):
    """``proof`` of a record, the header after its block, who votes at ``next`` and the height after that, and
    what of the block is ``void``."""

    v: Literal[1]
    proof: Proof
    next: Step
    voting: tuple[Members, Members]
    void: Annotated[tuple[Void, ...], Meta(max_length=MAX_TXS)]


def prove_effect(
    genesis: Genesis, history: Callable[[int], Commit | None], height: int, index: int
) -> Effect:
    """Of transaction ``index`` of the block at ``height``. Raises IndexError before the next is decided, and
    where there is none; ValueError where it means nothing."""
    proof, following = prove(genesis, history, height, index), history(height + 1)
    if following is None:
        raise IndexError(f"height {height + 1} is not decided here")
    state = State(genesis)
    members = state.voting
    for each in range(1, height + 1):
        commit = history(each)
        assert commit is not None, "it was there a moment ago"
        members = state.voting
        state.apply(commit.block)
    void = state.last_void
    if why := _void(void, proof):
        raise ValueError(why)
    step = Step(following.block.header, following.qc, None if state.voting == members else state.voting)
    return Effect(1, proof, step, (state.voting, state.next_voting), void)


def verify_effect(effect: Effect, genesis: Genesis) -> Proven | Malformed:
    """What had an effect, for somebody who trusts ``genesis``; Malformed says where it breaks."""
    proof = effect.proof
    trust = follow(Trust(genesis.chain, 0, State(genesis).voting), proof, keys_of)
    if isinstance(trust, Malformed):
        return trust
    last, height = proof.steps[-1].header, trust.height
    after = advance(trust, effect.next, keys_of)
    if isinstance(after, Malformed):
        return after
    header = effect.next.header
    if header.height != height + 1 or header.prev != last.id:
        return Malformed(f"height {header.height} does not follow {height}")
    voting, following = effect.voting
    if (header.members, header.next_members) != (members_hash(voting), members_hash(following)):
        return Malformed(f"height {height + 1} has other members than are named")
    if header.state_root != digest(last.state_root, last.id, encode((voting, following, effect.void))):
        return Malformed(f"height {height} came to something else")
    if why := _void(effect.void, proof):
        return Malformed(f"it means nothing: {why}")
    record = read(proof.tx)
    return record if isinstance(record, Malformed) else Proven(record, proof.tx.node, height, last.time)


def _void(void: tuple[Void, ...], proof: Proof) -> str:
    return next((why for _, node, seq, why in void if (node, seq) == (proof.tx.node, proof.tx.seq)), "")

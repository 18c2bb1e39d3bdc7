"""That a record counts and whose it is, shown to somebody who trusts the genesis alone and has no node; pure.

A quorum vouches for a block by its members' keys. Whoever holds those could make a block with a record that
its party never signed; so that signature is looked at as well, by the party's key in the genesis, or in an
enrolment since, which is shown in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from ledger.codec import Malformed
from ledger.effect import Effect, prove_effect, verify_effect
from ledger.genesis import Genesis
from ledger.keys import Keyring
from ledger.proof import Proven
from ledger.records import Enrolled, Party, read
from ledger.signing import verifies
from ledger.state import State
from ledger.types import Commit, Struct, Tx

MAX_ENROLMENTS = 64  # one for each who was enrolled by one who was enrolled


class Attested(Struct, frozen=True, tag="attested"):
    """``effect`` of a record, and of the enrolments, each before those that need it, by which the key of who
    signed it is known; none where that is in the genesis."""

    v: Literal[1]
    effect: Effect
    enrolled: Annotated[tuple[Effect, ...], Meta(max_length=MAX_ENROLMENTS)]


class _Enrolment(NamedTuple):
    """Of ``party``, by transaction number ``at`` of the block at ``height``."""

    height: int
    at: int
    tx: Tx
    party: Party


def attest(genesis: Genesis, history: Callable[[int], Commit | None], height: int, index: int) -> Attested:
    """Of transaction ``index`` of the block at ``height``. Raises IndexError before the next is decided, and
    where there is none; ValueError where it means nothing, or nobody is known to have signed it."""
    effect = prove_effect(genesis, history, height, index)
    enrolments = _enrolments(genesis, history, height)
    needed = dict.fromkeys(_needed(genesis, enrolments, effect.proof.tx, height))
    shown = tuple(prove_effect(genesis, history, each.height, each.at) for each in needed)
    return Attested(1, effect, shown)


def verify_attested(attested: Attested, genesis: Genesis) -> Proven | Malformed:
    """What counts and whose it is, for somebody who trusts ``genesis``; Malformed says where it breaks."""
    keys = _genesis_keys(genesis)
    for each in attested.enrolled:
        shown = _verify(each, genesis, keys)
        if isinstance(shown, Malformed):
            return shown
        if not isinstance(shown.record, Enrolled):
            return Malformed(f"height {shown.height} enrols nobody")
        keys[shown.record.party.node] = shown.record.party.public
    return _verify(attested.effect, genesis, keys)


def _verify(effect: Effect, genesis: Genesis, keys: dict[str, bytes]) -> Proven | Malformed:
    shown = verify_effect(effect, genesis)
    if isinstance(shown, Malformed):
        return shown
    if shown.node not in keys:
        return Malformed(
            f"{shown.node}, whose it is, has no key in the genesis or an enrolment that is shown"
        )
    if not verifies(Keyring(keys), shown.node, effect.proof.tx):
        return Malformed(f"{shown.node}, whose it is, has not signed it")
    return shown


def _enrolments(genesis: Genesis, history: Callable[[int], Commit | None], before: int) -> list[_Enrolment]:
    """Those that count, in order."""
    state, found = State(genesis), list[_Enrolment]()
    for height in range(1, before):
        commit = history(height)
        assert commit is not None, "it was there a moment ago"
        state.apply(commit.block)
        void = {(node, seq) for _, node, seq, _ in state.last_void}
        for index, tx in enumerate(commit.block.body):
            record = read(tx)
            if isinstance(record, Enrolled) and (tx.node, tx.seq) not in void:
                found.append(_Enrolment(height, index, tx, record.party))
    return found


def _needed(genesis: Genesis, enrolments: list[_Enrolment], tx: Tx, before: int) -> list[_Enrolment]:
    """By which it is known who signed ``tx``, each before those that need it. Raises ValueError."""
    if verifies(Keyring(_genesis_keys(genesis)), tx.node, tx):
        return []
    for each in reversed(enrolments):
        known = Keyring({each.party.node: each.party.public})
        if each.height < before and verifies(known, tx.node, tx):
            return [*_needed(genesis, enrolments, each.tx, each.height), each]
    raise ValueError(f"no key by which {tx.node} signed it is known")


def _genesis_keys(genesis: Genesis) -> dict[str, bytes]:
    return {party.node: party.public for party in genesis.parties}

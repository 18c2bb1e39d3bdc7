"""Who belongs to a line, as its chain has decided it: whom a gateway trusts, and whether it is one itself.

Where there is a chain its parties are the truth, with key, roles and owner; whom it never had, a virtual
station say, is known by the trust file alone. What was learnt is journalled: after a restart it holds before
anything is heard, however long the chain takes to be read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from gateway.cell.cell import Cell
from gateway.net.identity import Identity, Trust
from gateway.net.roles import ROLES
from ledger.records import Party
from ledger.shapes import unpacked
from ledger.state import State
from ledger.types import Id, Natural

log = logging.getLogger(__name__)

UNHEARD = "nobody hears it"  # of who is barred, in what its gateway says of itself
BELONGING = ("meta", "belonging")  # what was learnt, in the journal


class Belonging(msgspec.Struct, frozen=True):
    """The parties of ``chain`` after the block at ``height``; ``gone`` were such, with their last keys."""

    chain: str
    height: Natural
    parties: tuple[Party, ...]
    gone: dict[Id, bytes]

    @classmethod
    def of(cls, state: State) -> Belonging:
        """As ``state`` has it."""
        gone = {node: key for node, key in state.publics.items() if node not in state.parties}
        return cls(state.chain, state.height, tuple(state.parties.values()), gone)

    def dismisses(self, node: str, key: bytes) -> str:
        """Why ``node`` with its own ``key`` is not heard any more; empty if it is, or never was."""
        if self.gone.get(node) == key:
            return f"{node} is revoked: {UNHEARD}, and it writes nothing"
        if any(party.node == node and party.public != key for party in self.parties):
            return f"{node} has another key than the one that is enrolled: {UNHEARD}"
        return ""


def follow(trust: Trust, now: Belonging) -> None:
    """Let ``trust`` know the parties as they are ``now``, and forget who is gone."""
    for node, key in now.gone.items():
        if trust.public_bytes(node) == key:
            trust.revoke(node)
        trust.forget(node)  # by another key it may come back, once that is enrolled
    for party in now.parties:
        if trust.public_bytes(party.node) not in (None, party.public):
            trust.forget(party.node)
        try:
            trust.add(party.node, party.public, [role for role in party.roles if role in ROLES], party.owner)
        except ValueError as error:
            log.warning("%s is enrolled in %s, and is not heard: %s", party.node, now.chain, error)


class Admission:
    """Of the gateway with ``identity`` and ``cell``: ``trust`` follows the chain ``chain``; where that has
    revoked this gateway itself, it writes no more. ``kept`` is what an earlier life had journalled; what is
    learnt is with the next scan, which ``ring`` wakes: no disk is waited for here."""

    def __init__(
        self,
        chain: str,
        identity: Identity,
        trust: Trust,
        kept: bytes | None,
        cell: Cell,
        ring: Callable[[], None],
    ) -> None:
        self._identity, self._trust = identity, trust
        self._cell, self._ring = cell, ring
        self.problem = ""
        self._now = Belonging(chain, 0, (), {})
        if kept is not None:
            before = unpacked(kept, Belonging)
            if before.chain == chain:
                self._follow(before)

    def learn(self, now: Belonging) -> None:
        """The chain has decided so. What is older than is known means nothing: the node's copy of the chain
        may have been lost, and be on its way again."""
        if now.height < self._now.height:
            return
        self._follow(now)
        self._cell.keep(*BELONGING, msgspec.msgpack.encode(now))
        self._ring()

    def above(self, trust: Trust) -> None:
        """Let ``trust``, read from the file anew, know what the chain has decided."""
        follow(trust, self._now)

    def _follow(self, now: Belonging) -> None:
        self._now = now
        follow(self._trust, now)
        before, self.problem = self.problem, now.dismisses(self._identity.node, self._identity.public_bytes)
        if self.problem:
            self._cell.shut(self.problem)
        elif before:  # a new copy of the chain comes past the key that this gateway had before
            self._cell.reopen(before)

"""Who belongs to a chain and what it may: enrolled, changed, revoked and accused; pure.

A party with the role *commissioner* says who belongs; to plan work is another right, and gives none of this.
A key that was revoked is never taken again, whoever's it is said to be: who stole one cannot come back by it,
and a node that is repaired comes back by a new one, once nobody of its name votes any more. The last
that votes, the last commissioner and the last dispatcher stay: the chain would stand still, or its sessions.
"""

from __future__ import annotations

from collections.abc import Collection

from ledger.genesis import MAX_PARTIES, Genesis
from ledger.keys import Keyring
from ledger.records import Party, Revoked
from ledger.signing import Keys, verifies
from ledger.types import MAX_MEMBERS, Evidence, Member, Members, Vote
from ledger.votes import faults

COMMISSIONER = "commissioner"
STILL_HEARD = "is still heard by the key that was revoked"


class Parties:
    """Of the chain that ``genesis`` begins. ``keys`` verify what they signed; None: by those enrolled."""

    def __init__(self, genesis: Genesis, keys: Keys | None = None) -> None:
        self.enrolled = {party.node: party for party in genesis.parties}
        self.publics = {party.node: party.public for party in genesis.parties}
        """The key of everybody there ever was: of who was revoked, its last."""
        self.accused: set[str] = set()  # who broke the rules, until it is revoked
        self.changes = 0  # so many times was anybody enrolled, changed or revoked
        self.keys = keys if keys is not None else Keyring(self.publics)
        self._chain = genesis.chain
        self._since: dict[str, int] = {}  # the height at which it was enrolled, of those enrolled later
        self._until: dict[str, int] = {}  # the height at which it was revoked, of those who ever were
        self._burnt: set[bytes] = set()  # keys that were revoked

    @property
    def members(self) -> Members:
        """Who is enrolled to vote, in order of name."""
        return tuple(Member(node, each.public) for node, each in sorted(self.enrolled.items()) if each.member)

    def enrol(self, party: Party, by: Party, height: int, voting: Collection[str]) -> str:
        """Let ``party`` join by the block at ``height``, or have other roles; why not, or nothing. ``voting``
        are the names of those who may vote at the next heights."""
        known = self.enrolled.get(party.node)
        if COMMISSIONER not in by.roles:
            return f"{by.node} may enrol nobody"
        if known is not None:
            return self._change(known, party)
        if party.public in self._burnt:
            return f"{party.node} has a key that was revoked"
        if party.public in {each.public for each in self.enrolled.values()}:
            return f"{party.node} has the key of another"
        if party.node in voting or self._until.get(party.node) == height:
            return f"{party.node} {STILL_HEARD}"
        if len(self.enrolled) >= MAX_PARTIES or len(self.members) + party.member > MAX_MEMBERS:
            return f"there is no room for {party.node}"
        self.changes += 1
        self.publics[party.node] = party.public
        self.enrolled[party.node] = party
        self._since[party.node] = height
        return ""

    def _change(self, known: Party, party: Party) -> str:
        """Other roles or another owner, of who is enrolled by this key."""
        if party == known:
            return f"{party.node} is enrolled already"
        if party.public != known.public:
            return f"{party.node} is enrolled by another key"
        if party.member != known.member:
            return f"{party.node} is enrolled {'with' if known.member else 'without'} a vote"
        if COMMISSIONER not in party.roles and self._commissioners() == [party.node]:
            return f"{party.node} is the last commissioner"
        if not party.dispatcher and self._dispatchers() == [party.node]:
            return f"{party.node} is the last dispatcher"
        self.enrolled[party.node] = party
        self.changes += 1
        return ""

    def revoke(self, record: Revoked, by: Party, height: int) -> str:
        """Let it be heard no more from the block at ``height`` on; why not, or nothing."""
        node, members = record.node, [member.node for member in self.members]
        if COMMISSIONER not in by.roles:
            return f"{by.node} may revoke nobody"
        if node not in self.enrolled:
            return f"{node} is not enrolled"
        if members == [node]:
            return f"{node} is the last that votes"
        if self._commissioners() == [node]:
            return f"{node} is the last commissioner"
        if self._dispatchers() == [node]:
            return f"{node} is the last dispatcher"
        if not record.weakens and self.weakened_by(node):
            bears = f"{faults(len(members) - 1)} in place of {faults(len(members))}"
            return f"without {node} the chain bears {bears} that lie, which is not said"
        self._burnt.add(self.enrolled.pop(node).public)
        self._until[node] = height
        self.changes += 1
        self.accused.discard(node)
        return ""

    def weakened_by(self, node: str) -> bool:
        """Whether the chain bears fewer that lie or are away once ``node`` is revoked."""
        party, count = self.enrolled.get(node), len(self.members)
        return party is not None and party.member and faults(count - 1) < faults(count)

    def accuse(self, evidence: Evidence) -> str:
        """Let whom ``evidence`` shows come last; why not, or nothing."""
        who = evidence.first.who
        if not self.proves(evidence):
            return f"{who} is accused without proof"
        if who not in self.enrolled or evidence.first.height <= self._since.get(who, 0):
            return f"{who} was not enrolled then"
        if who in self.accused:
            return f"{who} is accused already"
        self.accused.add(who)
        return ""

    def proves(self, evidence: Evidence) -> bool:
        """Whether it shows that its member signed two things that exclude each other, by its last key."""
        first, second = evidence.first, evidence.second
        if type(first) is not type(second) or first.bid == second.bid:
            return False
        if isinstance(first, Vote) and isinstance(second, Vote) and first.type != second.type:
            return False
        if (first.chain, first.height, first.round, first.who) != (
            second.chain, second.height, second.round, second.who
        ):  # fmt: skip
            return False
        return first.chain == self._chain and all(
            verifies(self.keys, said.who, said) for said in (first, second)
        )

    def _commissioners(self) -> list[str]:
        return [each.node for each in self.enrolled.values() if COMMISSIONER in each.roles]

    def _dispatchers(self) -> list[str]:
        return [each.node for each in self.enrolled.values() if each.dispatcher]

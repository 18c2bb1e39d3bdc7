"""Twins: liars as two honest nodes with one key, and a partition for every phase of every round.

After Bano et al., "Twins: BFT systems made robust" (2021). A scenario says, for each round, who leads and who
hears whose proposals, prevotes and precommits. What is not heard in its phase is lost until the
end, when everybody hears everybody. The nodes are the real ones.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sim_ledger import SECOND, TIMING, UTC, SimKeys

from ledger import codec, pom
from ledger.chain import DecidedChain
from ledger.consensus import Consensus
from ledger.genesis import Genesis
from ledger.gossip import Gossip
from ledger.pom import Place
from ledger.ports import Accuse, Decided, Output, Send, Start, Timer
from ledger.records import Party
from ledger.signing import Keys
from ledger.types import PRECOMMIT, PREVOTE, Commit, Message, Proposal, Vote

Cells = tuple[frozenset[str], ...]  # of instances that hear each other
Hearing = Cells | Mapping[str, str]  # or: whom each instance hears, "n1 n2"; those not named hear nobody


class Phase(NamedTuple):
    """One round: who leads, and who hears whom of each kind of message."""

    leader: str
    proposals: Hearing
    prevotes: Hearing
    precommits: Hearing


class Scenario(NamedTuple):
    """``members`` nodes, those in ``twins`` twice (``n0`` and ``n0'``)."""

    members: int
    twins: tuple[str, ...]
    rounds: tuple[Phase, ...]

    @property
    def instances(self) -> list[str]:
        """Every node, and every twin."""
        return [f"n{number}" for number in range(self.members)] + [f"{name}'" for name in self.twins]


class LedChain(DecidedChain):
    """A chain whose proposers are the scenario's at height 1, each by the nonce that formula (3) gives it."""

    def __init__(self, genesis: Genesis, keys: Keys, leaders: Sequence[str]) -> None:
        self.commits: dict[int, Commit] = {}
        super().__init__(genesis, keys, self.commits.get)
        self._leaders = leaders
        self._nonces = {place.node: place.nonce for place in pom.order(self.state.seed, self.state.limits)}

    def proposer(self, round: int) -> Place:
        if self.height == 1 and round < len(self._leaders):
            leader = self._leaders[round]
            return Place(leader, self._nonces[leader])
        return super().proposer(round)

    def has_work(self) -> bool:
        return True

    def commit(self, commit: Commit) -> None:
        self.commits[commit.qc.height] = commit
        super().commit(commit)


class Twins:
    """Plays one scenario."""

    def __init__(self, scenario: Scenario, mutant: type[Consensus] = Consensus) -> None:
        self.scenario = scenario
        names = [f"n{number}" for number in range(scenario.members)]
        genesis = Genesis(
            1, "main", UTC, tuple(Party(name, codec.digest(name.encode()), name) for name in names)
        )
        leaders = [phase.leader for phase in scenario.rounds]
        self.now = UTC + SECOND
        self.nodes: dict[str, Consensus] = {}
        self.gossip: dict[str, Gossip] = {}
        self.posted: list[tuple[str, Message]] = []
        self.timers: dict[str, list[Timer]] = {each: [] for each in scenario.instances}
        self.decided: dict[int, dict[bytes, str]] = {}
        self.accused: set[str] = set()
        for number, instance in enumerate(scenario.instances):
            name = instance.rstrip("'")
            keys = SimKeys(name)
            self.nodes[instance] = mutant(name, LedChain(genesis, keys, leaders), keys, TIMING)
            self.gossip[instance] = Gossip(self.nodes[instance])
            self._do(instance, self.nodes[instance].begin(self.now + number))

    @property
    def honest(self) -> list[str]:
        """Who is there once."""
        return [each for each in self.nodes if each.rstrip("'") not in self.scenario.twins]

    def play(self) -> None:
        """The scenario's rounds, then all hear each other until each honest node has decided twice."""
        for number, phase in enumerate(self.scenario.rounds):
            self._hear(number, Proposal, None, phase.proposals)
            self._fire("propose", number)
            self._hear(number, Vote, PREVOTE, phase.prevotes)
            self._fire("prevote", number)
            self._hear(number, Vote, PRECOMMIT, phase.precommits)
            self._fire("precommit", number)
        self.posted.clear()
        for _ in range(40):
            if all(self.nodes[each].chain.height > 2 for each in self.honest):
                return
            self._heal()
        raise AssertionError("no progress after everybody hears everybody")

    def _heal(self) -> None:
        """Everybody hears everybody, and repairs what was lost; then time-outs go off."""
        for instance, gossip in self.gossip.items():
            said = gossip.status().message
            for other in self.nodes:
                if other != instance:
                    for answer in self.gossip[other].answer(said):  # type: ignore[arg-type]
                        self._do(instance, self.nodes[instance].receive(answer.message, self.now))
        for _ in range(8):
            posted, self.posted = self.posted, []
            if not posted:
                break
            for sender, message in posted:
                for other in self.nodes:
                    if other != sender:
                        self._do(other, self.nodes[other].receive(message, self.now))
        for instance in self.nodes:
            due, self.timers[instance] = self.timers[instance], []
            for timer in due:
                self._do(instance, self.nodes[instance].timeout(timer, self.now))

    def _hear(self, round: int, kind: type, type: int | None, hearing: Hearing) -> None:
        """Deliver what was posted of that kind in that round to those who hear it, until nothing comes."""
        while True:
            now = [each for each in self.posted if _is(each[1], round, kind, type)]
            self.posted = [each for each in self.posted if not _is(each[1], round, kind, type)]
            if not now:
                return
            for sender, message in now:
                for other in self.nodes:
                    if other != sender and _hears(hearing, other, sender):
                        self._do(other, self.nodes[other].receive(message, self.now))

    def _fire(self, kind: str, round: int) -> None:
        for instance, node in self.nodes.items():
            due = [t for t in self.timers[instance] if (t.kind, t.height, t.round) == (kind, 1, round)]
            for timer in due:
                self.timers[instance].remove(timer)
                self._do(instance, node.timeout(timer, self.now))

    def _do(self, instance: str, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(message, None):
                    self.posted.append((instance, message))
                case Start(timer, _):
                    self.timers[instance].append(timer)
                case Decided(commit) if instance in self.honest:
                    at = self.decided.setdefault(commit.qc.height, {})
                    at.setdefault(commit.block.id, instance)
                    assert len(at) == 1, f"fork at {commit.qc.height}: {', '.join(at.values())} decided apart"
                case Accuse(evidence) if instance in self.honest:
                    who = evidence.first.who
                    assert who in self.scenario.twins, f"{instance} accuses {who}, who is honest"
                    self.accused.add(who)
                case _:
                    pass


def _is(message: Message, round: int, kind: type, type: int | None) -> bool:
    if not isinstance(message, kind) or message.height != 1 or message.round != round:
        return False
    return type is None or (isinstance(message, Vote) and message.type == type)


def _hears(hearing: Hearing, who: str, sender: str) -> bool:
    if isinstance(hearing, Mapping):
        return sender in hearing.get(who, "").split()
    return any(who in cell and sender in cell for cell in hearing)


def drawn(seed: int) -> Scenario:
    """A scenario drawn from ``seed``."""
    draw = random.Random(f"twins {seed}")
    members = draw.choice([4, 4, 6, 7])
    names = [f"n{number}" for number in range(members)]
    twins = tuple(sorted(draw.sample(names, (members - 1) // 3)))
    instances = names + [f"{name}'" for name in twins]
    phases: list[Phase] = []
    for _ in range(draw.randint(2, 5)):
        leader = draw.choice(twins) if draw.random() < 0.5 else draw.choice(names)
        cells = [_cells(draw, instances) for _ in range(3)]
        if draw.random() < 0.4:
            cells[1] = cells[0]
        phases.append(Phase(leader, *cells))
    return Scenario(members, twins, tuple(phases))


def _cells(draw: random.Random, instances: Sequence[str]) -> Cells:
    mixed = draw.sample(instances, len(instances))
    if draw.random() < 0.2:
        return (frozenset(mixed),)
    cut = draw.randint(1, len(mixed) - 1)
    cells = [mixed[:cut], mixed[cut:]]
    if len(mixed) > 5 and draw.random() < 0.3:
        cells = [mixed[:2], mixed[2 : 2 + cut // 2], mixed[2 + cut // 2 :]]
    return tuple(frozenset(cell) for cell in cells if cell)


def cells(*groups: str) -> Cells:
    """``cells("n0 n1", "n2 n3")``."""
    return tuple(frozenset(group.split()) for group in groups)

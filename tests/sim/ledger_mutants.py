"""The ledger with one protection switched off, and for each the schedule that shows what it was for.

Random seeds alone would miss some of them for a long time: a schedule here fails at once. It passes with the
protection on, which the tests see too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger_checks import SignsOnce, watch_all
from sim_ledger import SECOND, Disk, SimKeys, World
from sim_twins import Phase, Scenario, Twins, cells

from ledger.chain import DecidedChain
from ledger.consensus import Consensus
from ledger.ports import Keep, Output, Send
from ledger.types import NIL, PRECOMMIT, PREVOTE, BlockId, Proposal, Qc, Vote

Schedule = Callable[[bool], None]  # plays it, with the protection switched off or on; AssertionError: killed


# --- switched off ---------------------------------------------------------------------------------------


class SingleVote(Consensus):
    """Liu 2023's rule as it stands: one vote of more than two thirds decides."""

    def _decide(self, now: int) -> bool:
        for round in range(self.round + 1):
            qc = self.heard.votes.for_block(round, PREVOTE)
            if qc is not None:
                self.heard.votes.accept(Qc(qc.chain, qc.height, round, PRECOMMIT, qc.bid, qc.seals))
        return super()._decide(now)


class NoLock(Consensus):
    """Prevotes for what is proposed, whatever it is locked on."""

    def _judge(self, proposal: Proposal) -> BlockId:
        bid = proposal.block.id
        return bid if bid in self.heard.blocks else NIL


class HalfQuorum(Consensus):
    """Takes more than half of the members for a quorum."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.heard.votes.quorum = len(self.members) // 2 + 1


class SpeaksFirst(World):
    """Says what it signed before it is on disk."""

    def consensus_of(self, *args: Any) -> Consensus:
        made = super().consensus_of(*args)
        made.unsure = None  # the others would tell it, here where all is heard again before it votes
        return made

    def do(self, name: str, outputs: list[Output]) -> None:
        super().do(name, sorted(outputs, key=lambda output: isinstance(output, Keep)))


class ForgetsWhoProposed(World):
    """Does not rebuild at a restart who proposed lately and who was passed over."""

    def chain_of(self, name: str, keys: SimKeys, disk: Disk) -> DecidedChain:
        chain = super().chain_of(name, keys, disk)
        last, apply = max(disk.commits, default=0), chain.state.apply

        def forgetful(block: Any) -> None:
            apply(block)
            if chain.state.height == last:
                chain.state._recent.clear()

        chain.state.apply = forgetful  # type: ignore[method-assign]
        return chain


# --- schedules ------------------------------------------------------------------------------------------

ALL = cells("n0 n1 n2 n3 n3'")
FIRST_THREE = cells("n0 n1 n3")
HEARD_BY_THREE = {"n0": "n1 n3", "n1": "n0 n3", "n3": "n0 n1", "n2": "n1 n3'", "n3'": "n1 n2"}
HEARD_BY_ONE = {"n0": "n1 n3", "n1": "n2 n3'", "n2": "n1 n3'", "n3'": "n1 n2"}


def one_sees_the_prevotes(off: bool) -> None:
    """n0 alone sees a quorum of prevotes; the others go on without and take another block."""
    first = Phase("n0", FIRST_THREE, HEARD_BY_ONE, {"n1": "n2 n3'", "n2": "n1 n3'", "n3'": "n1 n2"})
    scenario = Scenario(4, ("n3",), (first, Phase("n2", ALL, ALL, ALL)))
    Twins(scenario, SingleVote if off else Consensus).play()


def one_sees_the_precommits(off: bool) -> None:
    """n0 alone decides; n1, which is locked, meets a leader that has heard of nothing."""
    first = Phase("n0", FIRST_THREE, HEARD_BY_THREE, HEARD_BY_ONE)
    scenario = Scenario(4, ("n3",), (first, Phase("n2", ALL, ALL, ALL)))
    Twins(scenario, NoLock if off else Consensus).play()


def two_halves_of_seven(off: bool) -> None:
    """Two liars talk to three honest nodes on one side and to two on the other."""
    sides = cells("n0 n1 n2 n5 n6", "n3 n4 n5' n6'")
    scenario = Scenario(7, ("n5", "n6"), (Phase("n5", sides, sides, sides),))
    Twins(scenario, HalfQuorum if off else Consensus).play()


def one_liar_too_many(off: bool) -> None:
    """Two of four lie, where one may: nothing helps, and the bound is tight."""
    sides = cells("n0 n2 n3", "n1 n2' n3'")
    twins = ("n2", "n3") if off else ("n3",)
    both = sides if off else cells("n0 n2 n3", "n1 n3'")
    leader = "n2" if off else "n3"
    Twins(Scenario(4, twins, (Phase(leader, both, both, both),))).play()


def dies_before_the_disk(off: bool) -> None:
    """A node says its prevote and dies; started again it hears of no proposal in time and votes for none."""

    class Dies(SpeaksFirst if off else World):  # type: ignore[misc]
        def dies_after(self, name: str, output: Output) -> bool:
            vote = output.message if isinstance(output, Send) else None
            if self.dead or not (isinstance(vote, Vote) and vote.type == PREVOTE and vote.bid):
                return False
            self.dead.append(name)
            self.cut = {(other, name) for other in self.names}
            self.at(5 * SECOND, "join", set(self.cut))
            return True

    world = Dies(1)
    world.dead = []
    SignsOnce(world)
    for name in world.names:
        world.start(name)
    world.at(0, "submit", "n0")
    world.run(20 * SECOND)
    assert world.dead, "nobody voted"


def restarts_among_proposers(off: bool) -> None:
    """A node that is started again draws the same proposers as the others."""
    world = (ForgetsWhoProposed if off else World)(2, 7)
    watch_all(world)
    for name in world.names:
        world.start(name)
    for step in range(12):
        world.at(step * SECOND, "submit", world.names[step % 7])
    for step in range(6):
        world.at(step * 2 * SECOND + SECOND, "kill", world.names[step])
    world.run(30 * SECOND)


MUTANTS: dict[str, Schedule] = {
    "single vote": one_sees_the_prevotes,
    "lock not looked at": one_sees_the_precommits,
    "quorum of a half": two_halves_of_seven,
    "f + 1 liars": one_liar_too_many,
    "said before it is on disk": dies_before_the_disk,
    "state not rebuilt": restarts_among_proposers,
}

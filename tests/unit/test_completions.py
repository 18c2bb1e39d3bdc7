"""A station's completions: of what was planned for it, whether the plan or the workpiece comes first."""

from __future__ import annotations

from gateway.completions import REMEMBERED, Completions
from ledger.codec import digest
from ledger.genesis import Genesis
from ledger.records import Completion, Party, Requirement, transaction
from ledger.state import State
from ledger.types import PRECOMMIT, Block, Commit, Header, Qc, Tx

PARTIES = (
    Party("mill", digest(b"mill"), "vendor"),
    Party("cloud", digest(b"cloud"), "integrator", member=False, dispatcher=True),
)
GENESIS = Genesis(1, "main", 0, PARTIES)
CHAIN = GENESIS.chain


def plan(task: str, operation: int = 1, node: str = "mill") -> Requirement:
    return Requirement(task, operation, "box", node, 30, 0, 0)


class Running:
    """A chain's state, and the blocks that bring it on."""

    def __init__(self) -> None:
        self.state, self.completions = State(GENESIS), Completions("mill")

    def decide(self, *txs: Tx) -> list[Completion]:
        state, zero = self.state, bytes(32)
        header = Header(1, CHAIN, state.height + 1, state.head, 1, zero, zero, zero, zero, zero, "mill", 0)
        block = Block(header, txs)
        state.apply(block)
        commit = Commit(Qc(CHAIN, header.height, 0, PRECOMMIT, block.id, ()), block)
        return self.completions.decided(commit, state)


def test_what_was_planned_for_a_workpiece_is_complete_when_it_leaves() -> None:
    chain = Running()
    assert chain.decide(*(transaction(CHAIN, "cloud", n, plan("w-1", n)) for n in (1, 2))) == []
    assert chain.completions.left("w-1", 77, chain.state) == [
        Completion("w-1", 1, 77),
        Completion("w-1", 2, 77),
    ]
    done = transaction(CHAIN, "mill", 1, Completion("w-1", 1, 77))
    chain.decide(done)
    assert chain.completions.left("w-1", 78, chain.state) == [Completion("w-1", 2, 78)]


def test_a_plan_that_comes_after_the_workpiece_left_is_completed_then() -> None:
    chain = Running()
    assert chain.completions.left("w-1", 77, None) == []
    assert chain.completions.left("w-2", 78, chain.state) == []
    txs = (transaction(CHAIN, "cloud", 1, plan("w-1")), transaction(CHAIN, "cloud", 2, plan("w-3", 1)))
    assert chain.decide(*txs) == [Completion("w-1", 1, 77)]


def test_what_left_while_the_node_was_not_up_is_complete_when_it_is() -> None:
    """Planned before, in blocks that no later one repeats; said once, though the node begins again."""
    chain = Running()
    chain.decide(*(transaction(CHAIN, "cloud", n, plan(f"w-{n}")) for n in (1, 2, 3)))
    assert chain.completions.left("w-1", 77, None) == []
    assert chain.completions.left("w-0", 78, None) == []
    assert chain.completions.begun(chain.state) == [Completion("w-1", 1, 77)]
    assert chain.completions.left("w-2", 79, chain.state) == [Completion("w-2", 1, 79)]
    assert chain.completions.begun(chain.state) == []  # they wait for the disk, or are counted as lost
    assert chain.completions.left("w-3", 80, None) == []
    assert chain.completions.begun(chain.state) == [Completion("w-3", 1, 80)]


def test_what_is_planned_for_others_or_by_no_dispatcher_is_not_ours() -> None:
    chain = Running()
    chain.completions.left("w-1", 77, chain.state)
    assert chain.decide(transaction(CHAIN, "cloud", 1, plan("w-1", 1, "cloud"))) == []
    assert chain.decide(transaction(CHAIN, "mill", 1, plan("w-1", 2))) == []


def test_what_left_is_remembered_within_a_bound() -> None:
    chain = Running()
    for number in range(REMEMBERED + 1):
        chain.completions.left(f"w-{number}", number, None)
    first = transaction(CHAIN, "cloud", 1, plan("w-0"))
    last = transaction(CHAIN, "cloud", 2, plan(f"w-{REMEMBERED}"))
    assert chain.decide(first, last) == [Completion(f"w-{REMEMBERED}", 1, REMEMBERED)]

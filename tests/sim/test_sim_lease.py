"""Two operators at one station in bad weather: one at a time writes, and the safe state comes in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from sim_lease import LeaseWorld, Violation

from gateway.cell.cell import Cell
from gateway.cell.commands import Commands
from gateway.cell.gate import Gate
from gateway.cell.lease import Lease
from gateway.field.types import Value

SEEDS = 150


def test_one_writes_and_the_safe_state_comes_in_time(seed: int) -> None:
    world = LeaseWorld(seed)
    world.run()
    assert world.granted


def never_expires(patch: pytest.MonkeyPatch) -> None:
    """A lease does not run out."""
    patch.setattr(Lease, "expired", lambda self, now: False)


def any_token_will_do(patch: pytest.MonkeyPatch) -> None:
    """A stale token is as good as the last."""
    refuses = Lease.refuses
    patch.setattr(Lease, "refuses", lambda self, operator, token: refuses(self, operator, self.token))


def grant_before_the_disk(patch: pytest.MonkeyPatch) -> None:
    """A command goes on before what it needs is journalled."""
    admit = Commands.admit
    patch.setattr(Commands, "admit", lambda self, persisted, utc: admit(self, 2**62, utc))


def close_on_any_values(patch: pytest.MonkeyPatch) -> None:
    """The gate closes as soon as it is asked to drive the safe state."""
    took = Gate.took

    def changed(self: Gate, values: Mapping[str, Value]) -> None:
        took(self, values)
        self.state = "closed" if self.state == "safing" else self.state

    patch.setattr(Gate, "took", changed)


def forget_that_it_was_open(patch: pytest.MonkeyPatch) -> None:
    """The entry of an open gate goes with the safe state, though a new lease waits for it."""
    took = Cell.took

    def changed(self: Cell, writes: Mapping[str, Value]) -> None:
        before = self.gate.state
        took(self, writes)
        if before == "safing" and self.gate.state == "closed":
            self._telling.journal("gate", "open", None)

    patch.setattr(Cell, "took", changed)


def start_with_a_clean_slate(patch: pytest.MonkeyPatch) -> None:
    """After a restart the safe state is not driven."""
    patch.setattr(Gate, "make_safe", lambda self: None)


MUTANTS = (
    never_expires,
    any_token_will_do,
    grant_before_the_disk,
    close_on_any_values,
    forget_that_it_was_open,
    start_with_a_clean_slate,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_wrong_cell_is_caught(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    caught = None
    for seed in range(SEEDS):
        try:
            LeaseWorld(seed).run()
        except Violation as violation:
            caught = (seed, str(violation))
            break
    assert caught is not None, f"none of {SEEDS} seeds noticed: {mutant.__doc__}"

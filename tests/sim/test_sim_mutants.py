"""The simulation finds what it is there for: each of these wrong programs is caught by some seed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sim_line import Gateway, Violation, World

from gateway.cell.couplings import Couplings
from gateway.cell.handover import Receiver, Sender, Transfer
from gateway.net.messages import Accept, Coupling, Offer

SEEDS = 100


def send_before_journal(patch: pytest.MonkeyPatch) -> None:
    """An acceptance is sent before it is journalled."""
    start = World.__init__

    def changed(self: World, seed: int, stations: int) -> None:
        start(self, seed, stations)
        self.order = (Gateway.send, Gateway.persist)

    patch.setattr(World, "__init__", changed)


def take_what_was_taken(patch: pytest.MonkeyPatch) -> None:
    """An offer that comes a second time is taken a second time."""

    def offered(self: Receiver, now: int, offer: Offer) -> Accept | None:
        self.waiting, self._heard = offer, now
        return None

    patch.setattr(Receiver, "offered", offered)


def forget_what_was_offered(patch: pytest.MonkeyPatch) -> None:
    """The sender takes the offer for the acceptance."""
    tell = Couplings.tell

    def changed(self: Couplings, now: int, values: object) -> list[tuple[str, Coupling]]:
        messages = tell(self, now, values)  # type: ignore[arg-type]
        for neighbour, message in messages:
            if isinstance(message, Offer):
                self.hear(now, neighbour, Accept(message.epoch, message.number))
        return messages

    patch.setattr(Couplings, "tell", changed)


def count_anew_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    """The number of the last transfer is not kept once that is accepted."""
    start = Sender.__init__

    def changed(self: Sender, epoch: str, transfer: Transfer) -> None:
        start(self, epoch, transfer if transfer.workpiece is not None else Transfer(0, None))

    patch.setattr(Sender, "__init__", changed)


def keep_what_is_on_offer_on_its_carrier(patch: pytest.MonkeyPatch) -> None:
    """After a restart a workpiece on offer also travels to the outlet again, and stays there."""
    recover, leave = Couplings.recover, Couplings._leave

    def recovered(self: Couplings, stored: object) -> list[str]:
        told = recover(self, stored)  # type: ignore[arg-type]
        if self._sender.pending is not None:
            self.returning.append(self._sender.pending)
        return told

    def left(self: Couplings, workpiece: object, kind: object, detail: str) -> None:
        outlet = self.twin.carrier("belt").waiting()
        if outlet is not None and outlet == workpiece:
            leave(self, outlet, kind, detail)  # type: ignore[arg-type]

    patch.setattr(Couplings, "recover", recovered)
    patch.setattr(Couplings, "_leave", left)


def drop_what_reappears_with_the_lease(patch: pytest.MonkeyPatch) -> None:
    """What waits for room at the re-entry point is taken for what a script wanted fed."""
    recover = Couplings.recover

    def recovered(self: Couplings, stored: object) -> list[str]:
        told = recover(self, stored)  # type: ignore[arg-type]
        self.feeding += [("belt", workpiece) for workpiece in self.returning]
        self.returning.clear()
        return told

    patch.setattr(Couplings, "recover", recovered)


MUTANTS = (
    send_before_journal,
    take_what_was_taken,
    forget_what_was_offered,
    count_anew_after_a_restart,
    keep_what_is_on_offer_on_its_carrier,
    drop_what_reappears_with_the_lease,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_wrong_program_is_caught(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    caught = None
    for seed in range(SEEDS):
        try:
            World(seed, 3).run()
        except Violation as violation:
            caught = (seed, str(violation))
            break
    assert caught is not None, f"none of {SEEDS} seeds noticed: {mutant.__doc__}"

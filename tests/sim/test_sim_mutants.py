"""The simulation finds what it is there for: each of these wrong programs is caught by some seed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sim_line import Gateway, Violation, World
from sim_topology import Topology

from gateway.cell.couplings import Couplings
from gateway.cell.handover import Receiver, Sender, Transfer
from gateway.net.messages import MAIN, Accept, Coupling, Offer

SEEDS = 300


def send_before_journal(patch: pytest.MonkeyPatch) -> None:
    """An acceptance is sent before it is journalled."""
    start = World.__init__

    def changed(self: World, seed: int, topology: Topology | None = None) -> None:
        start(self, seed, topology)
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
                self.hear(now, neighbour, Accept(message.epoch, message.number, message.outlet))
        return messages

    patch.setattr(Couplings, "tell", changed)


def count_anew_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    """The number of the last transfer is not kept once that is accepted."""
    start = Sender.__init__

    def changed(self: Sender, epoch: str, transfer: Transfer, outlet: str = MAIN) -> None:
        start(self, epoch, transfer if transfer.workpiece is not None else Transfer(0, None), outlet)

    patch.setattr(Sender, "__init__", changed)


def keep_what_is_on_offer_on_its_carrier(patch: pytest.MonkeyPatch) -> None:
    """After a restart a workpiece on offer also travels to the outlet again, and stays there."""
    recover, leave = Couplings.recover, Couplings._leave

    def recovered(self: Couplings, stored: object) -> list[str]:
        told = recover(self, stored)  # type: ignore[arg-type]
        self.returning += [sender.pending for sender in self._senders.values() if sender.pending is not None]
        return told

    def left(self: Couplings, workpiece: object, kind: object, outlet: str, detail: str) -> None:
        waiting = self.twin.carrier(self.station.outlets[outlet]).waiting()
        if waiting is not None and waiting == workpiece:
            leave(self, waiting, kind, outlet, detail)  # type: ignore[arg-type]

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


def answer_for_any_outlet(patch: pytest.MonkeyPatch) -> None:
    """An acceptance is taken for one of what the first outlet to that neighbour offers."""
    hear = Couplings.hear

    def heard(self: Couplings, now: int, sender: str, message: Coupling) -> tuple[str, int] | None:
        if isinstance(message, Accept):
            ways = [outlet for outlet, to in self.neighbours.downstream.items() if to == sender]
            message = Accept(message.epoch, message.number, ways[0]) if ways else message
        return hear(self, now, sender, message)

    patch.setattr(Couplings, "hear", heard)


def offer_to_any_journal(patch: pytest.MonkeyPatch) -> None:
    """What the journal that was thrown away was offered, the next one may take."""
    begin = Sender.begin
    patch.setattr(Sender, "begin", lambda self, now, workpiece, taker="": begin(self, now, workpiece, ""))


MUTANTS = (
    send_before_journal,
    take_what_was_taken,
    forget_what_was_offered,
    count_anew_after_a_restart,
    keep_what_is_on_offer_on_its_carrier,
    drop_what_reappears_with_the_lease,
    answer_for_any_outlet,
    offer_to_any_journal,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_wrong_program_is_caught(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    caught = None
    for seed in range(SEEDS):
        try:
            World(seed).run()
        except Violation as violation:
            caught = (seed, str(violation))
            break
    assert caught is not None, f"none of {SEEDS} seeds noticed: {mutant.__doc__}"

"""A node's own transactions: offered in order and within bounds, and none lost where a number is taken."""

from __future__ import annotations

import pytest
from ledgers import HASH

from ledger.mempool import WAITING
from ledger.numbers import Numbers
from ledger.records import Loaded, transaction
from ledger.types import Tx


def tx(seq: int, station: str = "a") -> Tx:
    return transaction("main", "a", seq, Loaded(station, HASH, HASH))


def test_what_is_accepted_is_offered_in_order_and_no_more_than_others_keep() -> None:
    own = Numbers(0, 0)
    offered = 0
    for seq in range(1, WAITING + 11):
        own.made = seq
        due, late = own.accept(tx(seq), taken=0)
        assert not late
        if due:
            assert own.offer(tx(seq)) == (True, False)
            offered += 1
    assert offered == len(own.open) == WAITING
    assert own.room(taken=0) == 0
    for seq in range(1, 4):
        assert own.decide(tx(seq)) is None
    assert own.room(taken=3) == 3
    assert own.told == 3


def test_where_another_took_its_number_what_was_offered_gets_a_new_one() -> None:
    own = Numbers(0, 0)
    own.made = 1
    own.accept(tx(1), 0)
    own.offer(tx(1))
    assert own.decide(tx(1, "other")) == tx(1)
    own.move(1, 2)
    own.move(2, 5)
    assert (own.now(1), own.now(3)) == (5, 3)


def test_numbers_go_on_after_what_was_decided_and_is_not_known_here() -> None:
    own = Numbers(2, 2)  # the disk is an old copy: the chain has seen more of us
    for seq in (3, 4):
        assert own.decide(tx(seq)) is None
    assert (own.made, own.offered, own.on_disk) == (4, 4, 4)
    assert own.accept(tx(4, "other"), 4) == (False, True)


@pytest.mark.parametrize(("found", "needs_another"), [(tx(2), False), (tx(2, "other"), True)])
def test_what_waits_on_disk_is_looked_at_when_its_turn_comes(found: Tx, needs_another: bool) -> None:
    own = Numbers(2, 0)  # both are on disk, neither is offered
    own.decide(tx(1))
    own.decide(found)
    assert own.offer(tx(2)) == (False, needs_another)
    assert not own.open

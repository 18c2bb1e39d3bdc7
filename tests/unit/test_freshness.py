"""A neighbour is heard that speaks now: what a broker kept, and brings later, is not."""

from __future__ import annotations

from gateway.cell.freshness import FRESH, Freshness
from gateway.net.messages import Accept, Coupled, Coupling, Moment, Offer, Signals
from gateway.twin.workpiece import Workpiece

MS = 1_000_000
HELLO, OFFER = Signals({}), Offer("e", 1, Workpiece("w-1"))


class Gateway:
    """One of two, which it was begun as at ``began`` of a time that both have; their clocks differ."""

    def __init__(self, name: str, boot: str, began: int) -> None:
        self.name, self.boot, self.began = name, boot, began
        self.freshness = Freshness(boot)

    def says(self, now: int, to: Gateway, message: Coupling = HELLO) -> tuple[str, Moment, Coupled]:
        said = Moment(self.boot, now - self.began)
        return self.name, said, self.freshness.couple(to.name, message)

    def hears(self, now: int, message: tuple[str, Moment, Coupled]) -> bool:
        return self.freshness.takes(now - self.began, *message)


def pair() -> tuple[Gateway, Gateway]:
    """They have heard of each other at 300 ms."""
    one, other = Gateway("one", "aa", -5_000 * MS), Gateway("other", "bb", 0)
    assert not other.hears(100 * MS, one.says(100 * MS, other))
    assert one.hears(200 * MS, other.says(200 * MS, one))
    assert other.hears(300 * MS, one.says(300 * MS, other))
    return one, other


def test_two_that_start_hear_each_other_after_one_round_trip() -> None:
    one, other = pair()
    for n in range(4, 100):
        assert one.hears(n * 100 * MS + 80 * MS, other.says(n * 100 * MS, one, OFFER))
        assert other.hears(n * 100 * MS + 80 * MS, one.says(n * 100 * MS, other))


def test_what_was_kept_is_not_heard_later() -> None:
    one, other = pair()
    kept = [other.says(n * MS, one, each) for n in range(400, 1_000, 100) for each in (HELLO, OFFER)]
    assert one.hears(1_000 * MS, kept[0])
    assert not any(one.hears(100 * MS + FRESH + 400 * MS, each) for each in kept)


def test_what_was_kept_is_not_heard_by_the_next_life() -> None:
    """Though its clock may say what that of the one before did."""
    one, other = pair()
    kept = [other.says(400 * MS, one, each) for each in (HELLO, OFFER)]
    again = Gateway("one", "cc", one.began)
    assert not any(again.hears(500 * MS, each) for each in kept)
    # What it heard so keeps it from nothing.
    assert other.hears(600 * MS, again.says(600 * MS, other))
    assert again.hears(700 * MS, other.says(700 * MS, again))
    assert other.hears(800 * MS, again.says(800 * MS, other))


def test_a_broker_that_brings_old_ones_keeps_nobody_who_is_heard_from_being_heard() -> None:
    one, other = pair()
    old = ("other", Moment("99", 7), Coupled(HELLO, (Moment("98", 1),)))
    for n in range(4, 50):
        assert not one.hears(n * 100 * MS, old)
        assert one.hears(n * 100 * MS + 10 * MS, other.says(n * 100 * MS, one))
        assert other.hears(n * 100 * MS + 90 * MS, one.says(n * 100 * MS + 50 * MS, other))


def test_that_a_workpiece_was_taken_holds_whenever_it_was_said() -> None:
    one, other = pair()
    assert one.hears(100 * FRESH, other.says(400 * MS, one, Accept("e", 1)))

"""Where a node stands when it starts: whom it waits for, whom it believes, and when it follows one ahead."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ledger.types import PREVOTE, Status
from ledger.whereabouts import PATIENCE, TIMES, Whereabouts

MEMBERS = ("a", "b", "c", "d")  # f = 1: two others have to tell
ENOUGH = PATIENCE * 3
SIGNED = {(0, PREVOTE): None}


class Told(NamedTuple):
    """``ours``: it has a prevote of a in its round."""

    who: str
    height: int
    round: int
    ours: bool = False


def hear(made: Whereabouts, told: Told) -> None:
    status = Status("line", told.who, 1, told.height, told.round, b"", b"", b"", False, False)
    made.hear(status, 7, [(told.round, PREVOTE)] if told.ours else [], {})


def found(*heard: Told) -> Whereabouts:
    made = Whereabouts(7, 0)
    for each in heard * TIMES:
        hear(made, each)
    return made


def test_what_may_have_been_on_its_way_since_before_the_start_does_not_count() -> None:
    made = Whereabouts(7, 0)
    for who in "bc":
        hear(made, Told(who, 7, 0))
    assert not settled(made)
    for who in "bc":
        hear(made, Told(who, 7, 0))
    assert settled(made)


def settled(made: Whereabouts, round: int = 0, signed: dict[tuple[int, int], None] | None = None) -> bool:
    return made.settled("a", MEMBERS, 7, round, signed or {})


def parted(made: Whereabouts, round: int = 0) -> bool:
    return made.parted("a", MEMBERS, 7, round, {})


@pytest.mark.parametrize(
    ("heard", "is_settled", "is_parted"),
    [
        ({}, False, False),
        ({"b": (7, 0)}, False, False),
        ({"b": (7, 0), "c": (7, 0)}, True, False),
        ({"b": (7, 0), "c": (6, 3)}, True, False),
        ({"b": (7, 0), "c": (7, 1)}, False, False),  # the last may be here
        ({"b": (7, 0), "c": (7, 1), "d": (7, 1)}, False, True),
        ({"b": (7, 0), "c": (7, 0), "d": (7, 9)}, True, False),  # nobody is followed who is not needed
        ({"b": (7, 0), "c": (8, 0)}, False, False),  # its block comes first
    ],
)
def test_whom_it_waits_for(heard: dict[str, tuple[int, int]], is_settled: bool, is_parted: bool) -> None:
    made = found(*(Told(who, *at) for who, at in heard.items()))
    assert settled(made) is is_settled
    assert parted(made) is is_parted


def test_one_that_is_silent_is_not_waited_for_for_ever() -> None:
    made = found(Told("b", 7, 0), Told("c", 7, 1))
    assert not parted(made)
    for _ in range(ENOUGH):
        hear(made, Told("b", 7, 0))
    assert parted(made)
    assert not parted(made)  # by one round
    assert settled(made, round=1)


def test_no_more_than_a_round_is_followed_until_all_could_tell_again() -> None:
    made = found(Told("b", 7, 0), Told("d", 7, 5))
    rounds = 0
    for _ in range(2 * ENOUGH):
        hear(made, Told("d", 7, 5))
        rounds += parted(made, rounds)
    assert rounds <= 2


def test_a_vote_that_it_does_not_know_of_is_to_be_shown() -> None:
    made = found(Told("b", 7, 0, ours=True), Told("c", 7, 0), Told("d", 7, 0))
    assert not settled(made)
    assert settled(made, signed=SIGNED)
    assert not made.behind  # it is who shows the vote that says so


def test_it_is_so_in_whatever_round_its_teller_is_meanwhile() -> None:
    """And a node that follows another by a round forgets nothing of the round before."""
    made = found(Told("b", 7, 0, ours=True), Told("b", 7, 1), Told("d", 7, 1), Told("c", 7, 1))
    assert not settled(made)
    assert not parted(made)
    assert not settled(made, round=1)
    assert settled(made, round=1, signed=SIGNED)


def test_who_never_shows_what_it_tells_of_counts_for_nothing() -> None:
    made = found(Told("d", 7, 0, ours=True), Told("b", 7, 0))
    for _ in range(ENOUGH):
        hear(made, Told("b", 7, 0))
    assert not settled(made)
    for _ in range(TIMES):
        hear(made, Told("c", 7, 0))
    assert settled(made)
    assert not made.behind


def test_a_new_claim_does_not_begin_the_wait_anew() -> None:
    made = found(Told("b", 7, 0), Told("c", 7, 0))
    for round in range(ENOUGH + 1):
        hear(made, Told("d", 7, round, ours=True))
    assert settled(made)


def test_who_was_ahead_tells_again_once_the_node_is_there() -> None:
    """At the earlier height nobody can say what is whose in its bitmap."""
    made = found(Told("b", 8, 0), Told("c", 8, 0), Told("d", 8, 0))
    assert not made.settled("a", MEMBERS, 8, 0, {})
    for who in "bc" * TIMES:
        hear(made, Told(who, 7, 0))
    assert made.settled("a", MEMBERS, 8, 0, {})


def test_what_it_told_of_at_another_height_is_over() -> None:
    made = found(Told("b", 6, 0, ours=True), Told("c", 7, 0))
    assert settled(made)

"""Where a node stands when it starts: whom it waits for, whom it believes, and when it follows one ahead."""

from __future__ import annotations

import pytest

from ledger.types import PREVOTE, Status
from ledger.whereabouts import PATIENCE, Whereabouts

MEMBERS = ("a", "b", "c", "d")  # f = 1: two others have to tell
ENOUGH = PATIENCE * 3
OURS = b"\1"  # a bitmap with a's vote
SIGNED = {(0, PREVOTE): None}


def told(who: str, height: int, round: int, prevotes: bytes = b"\0") -> Status:
    return Status("line", who, 1, height, round, b"", prevotes, b"\0", False, False)


def found(*heard: Status, signed: dict[tuple[int, int], None] | None = None) -> Whereabouts:
    made = Whereabouts(7, 0)
    for each in heard:
        made.hear(each, "a", MEMBERS, signed or {})
    return made


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
    made = found(*(told(who, *at) for who, at in heard.items()))
    assert settled(made) is is_settled
    assert parted(made) is is_parted


def test_one_that_is_silent_is_not_waited_for_for_ever() -> None:
    made = found(told("b", 7, 0), told("c", 7, 1))
    assert not parted(made)
    for _ in range(ENOUGH):
        made.hear(told("b", 7, 0), "a", MEMBERS, {})
    assert parted(made)
    assert not parted(made)  # by one round
    assert settled(made, round=1)


def test_no_more_than_a_round_is_followed_until_all_could_tell_again() -> None:
    made = found(told("b", 7, 0), told("d", 7, 5))
    rounds = 0
    for _ in range(2 * ENOUGH):
        made.hear(told("d", 7, 5), "a", MEMBERS, {})
        rounds += parted(made, rounds)
    assert rounds <= 2


def test_a_vote_that_it_does_not_know_of_is_to_be_shown() -> None:
    made = found(told("b", 7, 0, OURS), told("c", 7, 0), told("d", 7, 0))
    assert not settled(made)
    assert settled(made, signed=SIGNED)
    assert not made.behind  # it is who shows the vote that says so


def test_it_is_so_in_whatever_round_its_teller_is_meanwhile() -> None:
    """And a node that follows another by a round forgets nothing of the round before."""
    made = found(told("b", 7, 0, OURS), told("b", 7, 1), told("d", 7, 1), told("c", 7, 1))
    assert not settled(made)
    assert not parted(made)
    assert not settled(made, round=1)
    assert settled(made, round=1, signed=SIGNED)


def test_who_never_shows_what_it_tells_of_counts_for_nothing() -> None:
    made = found(told("d", 7, 0, OURS), told("b", 7, 0))
    for _ in range(ENOUGH):
        made.hear(told("b", 7, 0), "a", MEMBERS, {})
    assert not settled(made)
    made.hear(told("c", 7, 0), "a", MEMBERS, {})
    assert settled(made)
    assert not made.behind


def test_a_new_claim_does_not_begin_the_wait_anew() -> None:
    made = found(told("b", 7, 0), told("c", 7, 0))
    for round in range(ENOUGH + 1):
        made.hear(told("d", 7, round, OURS), "a", MEMBERS, {})
    assert settled(made)


def test_what_it_told_of_at_another_height_is_over() -> None:
    made = found(told("b", 6, 0, OURS), told("c", 7, 0))
    assert settled(made)

"""Where a node stands when it starts: whom it waits for, and when it follows one that is ahead."""

from __future__ import annotations

import pytest

from ledger.types import Status
from ledger.whereabouts import Whereabouts

MEMBERS = ("a", "b", "c", "d")  # f = 1: two others have to tell


def told(who: str, height: int, round: int) -> Status:
    return Status("line", who, 1, height, round, b"", b"\0", b"\0", False, False)


@pytest.mark.parametrize(
    ("heard", "settled", "parted"),
    [
        ({}, False, False),
        ({"b": (7, 0)}, False, False),
        ({"b": (7, 0), "c": (7, 0)}, True, False),
        ({"b": (7, 0), "c": (6, 3)}, True, False),
        ({"b": (7, 0), "c": (7, 1)}, False, True),
        ({"b": (7, 0), "c": (7, 0), "d": (7, 9)}, True, False),  # nobody is followed who is not needed
        ({"b": (7, 0), "c": (8, 0)}, False, False),  # its block comes first
    ],
)
def test_whom_it_waits_for(heard: dict[str, tuple[int, int]], settled: bool, parted: bool) -> None:
    found = Whereabouts(7, 0)
    for who, at in heard.items():
        found.hear(told(who, *at))
    assert found.settled("a", MEMBERS, 7, 0, {}) is settled
    assert found.parted("a", MEMBERS, 7, 0) is parted


def test_in_the_later_round_it_is_settled() -> None:
    found = Whereabouts(7, 0)
    found.hear(told("b", 7, 0))
    found.hear(told("c", 7, 1))
    assert found.settled("a", MEMBERS, 7, 1, {})

"""Formulas (2) and (3): shares, limits, and the order of proposers."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ledger import pom
from ledger.codec import digest
from ledger.pom import SPACE, Place

WORK = st.dictionaries(
    st.sampled_from([f"n{number}" for number in range(12)]), st.integers(0, 10_000), min_size=1, max_size=12
)
SEEDS = st.integers(0, 2**32).map(lambda number: digest(number.to_bytes(8)))


@given(WORK)
def test_shares_add_up_to_one(work: dict[str, int]) -> None:
    shares = [pom.share(node, work) for node in work]
    assert sum(part for part, _ in shares) == shares[0][1]


@given(WORK)
def test_limits_rise_with_work_above_a_floor_and_add_up(work: dict[str, int]) -> None:
    limits = pom.thresholds(work)
    for one, other in itertools.combinations(work, 2):
        assert (work[one] < work[other]) <= (limits[one] < limits[other])
    assert all(limit >= SPACE // (4 * len(work)) for limit in limits.values())
    assert SPACE - len(work) <= sum(limits.values()) <= SPACE


def test_limits_are_linear_in_the_share() -> None:
    limits = pom.thresholds({"a": 0, "b": 10, "c": 20, "d": 70})
    shares = {node: limit / SPACE for node, limit in limits.items()}
    assert {node: round(share, 6) for node, share in shares.items()} == {
        "a": 0.0625, "b": 0.1375, "c": 0.2125, "d": 0.5875,
    }  # fmt: skip


@given(WORK, SEEDS, st.data())
def test_the_order_names_everybody_once_by_the_first_nonce_that_is_good(
    work: dict[str, int], seed: bytes, data: st.DataObject
) -> None:
    late = data.draw(st.sets(st.sampled_from(sorted(work))))
    limits = pom.thresholds(work)
    order = list(pom.order(seed, limits, late))
    assert sorted(place.node for place in order) == sorted(work)
    assert all(pom.meets(seed, place, limits) for place in order)
    assert not any(pom.meets(seed, Place(p.node, p.nonce + 1), limits) for p in order)
    last = [place for place in order if place.node in late]
    assert order[len(order) - len(last) :] == last
    for group in (last, order[: len(order) - len(last)]):
        assert [place.nonce for place in group] == sorted(place.nonce for place in group)


def test_who_is_not_a_member_meets_nothing() -> None:
    assert not pom.meets(bytes(32), Place("x", 0), {"a": SPACE})


def test_first_places_follow_the_limits() -> None:
    """Chi squared over 4,000 draws, against the chance of each to have the lowest ticket for its limit."""
    work = {"a": 0, "b": 10, "c": 20, "d": 70}
    limits = pom.thresholds(work)
    count = dict.fromkeys(work, 0)
    for number in range(4_000):
        count[next(pom.order(digest(number.to_bytes(8)), limits)).node] += 1
    # Nonce by nonce each wins by itself with chance p; of several the first is even among them.
    chance = {node: limit / SPACE for node, limit in limits.items()}
    expected = dict.fromkeys(work, 0.0)
    nobody = 1.0
    for each in chance.values():
        nobody *= 1 - each
    for winners in itertools.product((0, 1), repeat=len(work)):
        likely = 1.0
        for won, node in zip(winners, work, strict=True):
            likely *= chance[node] if won else 1 - chance[node]
        for won, node in zip(winners, work, strict=True):
            if won:
                expected[node] += likely / sum(winners) / (1 - nobody)
    chi = sum((count[node] - 4_000 * expected[node]) ** 2 / (4_000 * expected[node]) for node in work)
    assert chi < 16.27, (count, expected)  # 3 degrees of freedom, 0.1 %

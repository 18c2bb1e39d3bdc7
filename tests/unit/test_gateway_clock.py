"""What is known of a gateway's clock is never ahead of it, and soon within a message's way of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rig.clocks import GatewayClock

MS, SECOND = 1_000_000, 1_000_000_000
WAYS = st.integers(0, 3 * SECOND)
AHEAD = st.integers(-(10**15), 10**15)


@given(AHEAD, st.lists(st.tuples(st.integers(0, 10 * SECOND), WAYS, WAYS, st.booleans()), min_size=1))
def test_it_is_never_ahead_and_behind_by_one_way_at_most(
    ahead: int, messages: list[tuple[int, int, int, bool]]
) -> None:
    here, clock, drifted = 10**16, None, 0
    shortest = None
    for pause, there, back, answer in messages:
        here += pause
        asked, sent, came = here, here + there, here + there + back
        if clock is None or answer:
            if clock is None:
                clock = GatewayClock("boot", sent + ahead, asked, came)
            clock.answered(sent + ahead, asked, came)
        else:
            clock.heard(sent + ahead, came)
        here = came
        shortest = back if shortest is None else min(shortest, back)
        drifted += (pause + there + back) // 1_000 + 1
        assert clock.now(here) <= here + ahead
        assert clock.now(here) >= here + ahead - shortest - drifted


def test_what_was_kept_for_long_changes_nothing() -> None:
    clock = GatewayClock("boot", 500 * SECOND, 99 * SECOND, 100 * SECOND)
    clock.heard(3 * SECOND, 100 * SECOND)
    assert clock.now(100 * SECOND) == 500 * SECOND


def test_a_gateway_that_slept_is_found_out_by_its_next_answer() -> None:
    clock = GatewayClock("boot", 500 * SECOND, 99 * SECOND, 100 * SECOND)
    clock.heard(510 * SECOND, 170 * SECOND)  # a minute later by the clock here, ten seconds by its own
    assert clock.now(170 * SECOND) > 560 * SECOND
    clock.answered(511 * SECOND, 171 * SECOND, 171 * SECOND + 40 * MS)
    assert 510 * SECOND < clock.now(171 * SECOND) <= 511 * SECOND


def test_clocks_that_go_apart_are_followed() -> None:
    clock, slower = GatewayClock("boot", 0, 0, 0), 200  # ppm by which the gateway's goes slower than this one
    for second in range(1, 3600):
        here = second * SECOND
        shown = here - here * slower // 1_000_000
        clock.heard(shown - 20 * MS, here)
        assert shown - 25 * MS <= clock.now(here) <= shown

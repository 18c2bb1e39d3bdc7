"""Commands a second: never more than allowed, never less than promised, whatever others do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.cell.rates import MAX_SENDERS, SECOND, Rates

SENDERS = st.sampled_from(("anna", "bert", "carl"))
GAPS = st.integers(0, SECOND // 4)


def test_what_may_come_at_once_and_what_comes_after_it() -> None:
    rates = Rates(each=10, whole=100, burst=2 * SECOND)
    assert sum(rates.take(0, "anna") for _ in range(50)) == 20
    assert not rates.take(SECOND // 10 - 1, "anna")
    assert [rates.take(SECOND // 10, "anna") for _ in range(2)] == [True, False]
    assert sum(rates.take(60 * SECOND, "anna") for _ in range(50)) == 20  # no more for having waited


def test_one_does_not_take_what_is_anothers() -> None:
    rates = Rates(each=10, whole=100, burst=2 * SECOND)
    assert sum(rates.take(0, "anna") for _ in range(10_000)) == 20
    assert sum(rates.take(0, "bert") for _ in range(20)) == 20


def test_who_is_judged_alone_is_heard_though_others_have_used_up_all() -> None:
    rates = Rates(each=10, whole=10, burst=2 * SECOND)
    assert sum(rates.take(0, "anna") for _ in range(50)) == 20
    assert not rates.take(0, "bert")
    assert sum(rates.take(0, "bert", alone=True) for _ in range(50)) == 20


def test_what_costs_more_counts_for_more() -> None:
    rates = Rates(each=10, whole=100, burst=2 * SECOND)
    assert [rates.take(0, "anna", cost=8) for _ in range(3)] == [True, True, False]
    assert [rates.take(0, "anna", cost=4) for _ in range(2)] == [True, False]
    assert not rates.take(3600 * SECOND, "anna", cost=21)  # never


def test_the_table_is_bounded_and_idle_ones_make_room() -> None:
    rates = Rates(each=10, whole=10_000)
    taken = [rates.take(0, f"s-{n}") for n in range(2 * MAX_SENDERS)]
    assert taken == [True] * MAX_SENDERS + [False] * MAX_SENDERS
    assert all(rates.take(SECOND, f"t-{n}") for n in range(MAX_SENDERS))


@given(st.lists(st.tuples(GAPS, SENDERS, st.booleans())))
def test_in_any_time_no_more_than_allowed(asked: list[tuple[int, str, bool]]) -> None:
    rates, now = Rates(each=4, whole=6, burst=SECOND), 0
    taken: list[tuple[int, str, bool]] = []
    for gap, sender, alone in asked:
        now += gap
        if rates.take(now, sender, alone):
            taken.append((now, sender, alone))
    for index, (begin, _, _) in enumerate(taken):
        for last in range(index, len(taken)):
            span = taken[index : last + 1]
            seconds = 1 + (span[-1][0] - begin) / SECOND
            for sender in ("anna", "bert", "carl"):
                assert sum(each == sender for _, each, _ in span) <= 4 * seconds
            assert sum(not alone for _, _, alone in span) <= 6 * seconds


@given(st.lists(st.tuples(GAPS, st.sampled_from(("bert", "carl")))), st.integers(1, 40))
def test_whoever_keeps_to_the_rate_is_heard(asked: list[tuple[int, str]], count: int) -> None:
    """Among any others, judged alone."""
    rates, now = Rates(each=4, whole=6, burst=SECOND), 0
    due = [n * SECOND // 4 for n in range(count)]
    for gap, sender in asked:
        now += gap
        while due and due[0] <= now:
            assert rates.take(due.pop(0), "anna", alone=True)
        rates.take(now, sender)

"""The lease: one holder, an end in time, and tokens that only grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cell.lease import TTL_HIGH, TTL_LOW, Lease

SECOND = 1_000_000_000


def test_one_operator_at_a_time() -> None:
    lease = Lease()
    assert lease.acquire(0, "anna", SECOND) == 1
    why = lease.acquire(400_000_000, "bert", SECOND)
    assert why == "anna holds the lease, since 00:00:00 UTC, 0 s ago, for 0.6 s more unless renewed"
    assert lease.refuses("bert", 1) == "anna holds the lease"
    assert lease.refuses("anna", 1) == ""


def test_who_is_refused_hears_since_when_also_after_the_wall_clock_was_set() -> None:
    lease = Lease()
    lease.acquire(5 * SECOND, "anna", SECOND, utc=(86_400 * 20_000 + 33_247) * SECOND)
    for second in range(6, 18):
        assert lease.renew(second * SECOND - 1, "anna", 1) == ""
    why = lease.acquire(17 * SECOND + SECOND // 2, "bert", SECOND, utc=0)
    assert why == "anna holds the lease, since 09:14:07 UTC, 12 s ago, for 0.5 s more unless renewed"


def test_a_broken_lease_is_its_holders_no_more_and_they_hear_by_whom() -> None:
    lease = Lease()
    lease.acquire(0, "anna", SECOND)
    assert lease.acquire(1, "bert", SECOND, breaks=True) == 2
    assert lease.refuses("anna", 1) == "bert broke this lease"
    assert lease.refuses("bert", 2) == ""
    lease.release()
    assert lease.refuses("anna", 1) == "bert broke this lease"
    assert lease.acquire(2, "anna", SECOND) == 3
    assert lease.refuses("anna", 3) == ""


def test_a_lease_that_cannot_be_granted_breaks_none() -> None:
    lease = Lease()
    lease.acquire(0, "anna", SECOND)
    assert "a lease lives" in str(lease.acquire(1, "bert", TTL_HIGH + 1, breaks=True))
    assert lease.refuses("anna", 1) == ""


def test_it_ends_exactly_at_its_time_and_renewing_moves_that() -> None:
    lease = Lease()
    lease.acquire(0, "anna", SECOND)
    assert not lease.expired(SECOND - 1)
    assert lease.expired(SECOND)
    assert lease.renew(SECOND - 1, "anna", 1) == ""
    assert not lease.expired(2 * SECOND - 2)
    assert lease.expired(2 * SECOND - 1)


def test_a_refused_renewal_prolongs_nothing() -> None:
    lease = Lease()
    lease.acquire(0, "anna", SECOND)
    for operator, token in (("bert", 1), ("anna", 0), ("anna", 2)):
        assert lease.renew(SECOND - 1, operator, token)
    assert lease.expired(SECOND)


def test_the_same_operator_again_gets_a_new_token_and_the_old_one_is_stale() -> None:
    lease = Lease()
    assert [lease.acquire(0, "anna", SECOND) for _ in range(2)] == [1, 2]
    assert lease.refuses("anna", 1) == "token 1 is stale, the lease has 2"


def test_tokens_grow_over_a_restart() -> None:
    lease = Lease(41)
    assert lease.refuses("anna", 41) == "nobody holds the lease; acquire it first"
    assert lease.acquire(0, "anna", SECOND) == 42


@pytest.mark.parametrize("ttl", [TTL_LOW - 1, TTL_HIGH + 1, 0, -1])
def test_times_to_live_have_bounds(ttl: int) -> None:
    lease = Lease()
    assert "a lease lives 0.2 to 5 s" in str(lease.acquire(0, "anna", ttl))
    assert lease.holder is None


Action = tuple[str, str, int, int]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["acquire", "renew", "release"]),
            st.sampled_from(["anna", "bert"]),
            st.integers(0, 3),
            st.integers(0, SECOND),
        ),
        max_size=40,
    )
)
def test_whatever_is_asked_one_token_is_good_and_only_until_its_time(actions: list[Action]) -> None:
    lease, now, last, until = Lease(), 0, 0, 0
    for what, operator, token, step in actions:
        now += step
        if lease.expired(now):
            lease.release()
        if what == "acquire":
            granted = lease.acquire(now, operator, SECOND)
            if not isinstance(granted, str):
                assert granted > last
                last, until = granted, now + SECOND
        elif what == "renew" and not lease.renew(now, operator, last - token):
            assert token == 0
            until = now + SECOND
        elif what == "release" and not lease.refuses(operator, last - token):
            lease.release()
        assert (lease.holder is None) or now < until
        good = [who for who in ("anna", "bert") if not lease.refuses(who, last)]
        assert good == ([lease.holder] if lease.holder else [])

"""How often somebody may guess tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rig.pki.guesses import Guesses

S = 10**9


def test_who_guesses_too_often_waits_and_others_do_not() -> None:
    guesses = Guesses(each=3, total=10, window=60 * S)
    for second in range(3):
        assert guesses.wait("a", second * S) == 0
        guesses.add("a", second * S)
    assert guesses.wait("a", 10 * S) == 50 * S
    assert guesses.wait("b", 10 * S) == 0
    assert guesses.wait("a", 60 * S) == 0  # the first is forgotten
    guesses.add("a", 60 * S)
    assert guesses.wait("a", 60 * S) == 1 * S


def test_where_very_many_guess_nobody_is_heard_for_a_while() -> None:
    guesses = Guesses(each=3, total=5, window=60 * S)
    for each in range(5):
        guesses.add(f"address-{each}", each * S)
    assert guesses.wait("another", 10 * S) == 50 * S
    assert guesses.wait("another", 60 * S) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20))))
def test_never_more_than_the_limits_in_any_window(tries: list[tuple[str, int]]) -> None:
    """Whoever asks whenever: of the guesses that were heard, no window holds more than it may."""
    guesses, heard, now = Guesses(each=3, total=5, window=60 * S), list[tuple[str, int]](), 0
    for address, pause in tries:
        now += pause * S
        if guesses.wait(address, now) == 0:
            guesses.add(address, now)
            heard.append((address, now))
    for _, start in heard:
        inside = [address for address, time in heard if start <= time < start + 60 * S]
        assert len(inside) <= 5
        assert all(inside.count(each) <= 3 for each in "abc")

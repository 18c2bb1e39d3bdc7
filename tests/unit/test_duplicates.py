"""Each number is new once, within the window, in bounded memory: checked against a set that keeps all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.net.duplicates import Arrival, Duplicates
from gateway.net.envelope import NO_SEQUENCE

BOOT = b"bootboot"


@given(st.lists(st.integers(1, 40), max_size=120), st.integers(1, 16))
def test_it_agrees_with_a_set(numbers: list[int], window: int) -> None:
    duplicates, seen, highest = Duplicates(window), set[int](), 0
    for number in numbers:
        if highest - number >= window and highest:
            expected = Arrival.STALE
        else:
            expected = Arrival.SEEN if number in seen else Arrival.NEW
        assert duplicates.look("a", BOOT, number) is expected
        assert duplicates.admit("a", BOOT, number) is expected
        if expected is Arrival.NEW:
            seen.add(number)
            highest = max(highest, number)


def test_senders_and_boots_are_apart() -> None:
    duplicates = Duplicates()
    for sender, boot in (("a", BOOT), ("b", BOOT), ("a", b"reboot!!")):
        assert duplicates.admit(sender, boot, 5) is Arrival.NEW
        assert duplicates.admit(sender, boot, 5) is Arrival.SEEN


def test_without_a_number_it_is_always_new() -> None:
    duplicates = Duplicates()
    assert duplicates.admit("a", BOOT, 5) is Arrival.NEW
    assert {duplicates.admit("a", BOOT, NO_SEQUENCE) for _ in range(3)} == {Arrival.NEW}
    assert duplicates.admit("a", BOOT, 5) is Arrival.SEEN


def test_memory_is_bounded_and_the_longest_silent_is_forgotten() -> None:
    duplicates = Duplicates(senders=3)
    for sender in "abc":
        duplicates.admit(sender, BOOT, 1)
    duplicates.admit("a", BOOT, 2)
    duplicates.admit("d", BOOT, 1)
    assert len(duplicates) == 3
    assert duplicates.look("a", BOOT, 1) is Arrival.SEEN
    assert duplicates.look("b", BOOT, 1) is Arrival.NEW


def test_a_far_jump_costs_no_memory() -> None:
    duplicates = Duplicates()
    duplicates.admit("a", BOOT, 1)
    assert duplicates.admit("a", BOOT, 2**62) is Arrival.NEW
    assert duplicates.look("a", BOOT, 2**62 - 1) is Arrival.NEW
    assert duplicates.look("a", BOOT, 1) is Arrival.STALE

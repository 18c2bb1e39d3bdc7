"""Questions to a trace: when what became what, what was so before, what else moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import Sample, Trace
from gateway.scenario import Expect
from gateway.twin.workpiece import Happening
from rig.trace import Reading

RUN, WORD = TagRef("run"), TagRef("word")


def reading(initial: dict[str, Value], *samples: tuple[int, str, Value], **more: object) -> Reading:
    trace = Trace(
        0,
        0,
        1_000,
        100,
        "done",
        initial,
        tuple(Sample(*each) for each in samples),
        **more,  # type: ignore[arg-type]
    )
    return Reading(trace)


def wanted(ref: TagRef, value: Value, tolerance: float = 0.0) -> Expect:
    return Expect(ref, value, tolerance, 0, 0)


def test_values_over_time() -> None:
    seen = reading({"run": False}, (10, "run", True), (30, "run", False), (20, "word", 6))
    assert [seen.value(RUN, t) for t in (0, 9, 10, 29, 30)] == [False, False, True, True, False]
    assert seen.value(RUN) is False
    assert seen.value(TagRef("word", 1)) is True
    assert seen.value(WORD, 19) is None
    assert seen.value(TagRef("nothing")) is None


def test_what_ceases_to_be_so() -> None:
    seen = reading({"run": True}, (10, "run", False), (30, "run", True), (30, "word", 6), (50, "run", False))
    assert seen.ceased(wanted(RUN, True), 0) == 10
    assert seen.ceased(wanted(RUN, True), 30) == 50
    assert seen.ceased(wanted(RUN, False), 50) is None
    assert seen.ceased(wanted(WORD, 6), 30) is None


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (0, None, (10, False)),
        (5, None, (10, False)),
        (10, None, (10, False)),  # at the very instant is not before
        (11, None, (50, False)),  # it ceased, and became so again
        (11, 29, (11, True)),
        (29, 49, (None, False)),
        (30, None, (50, False)),
        (31, None, (50, False)),
        (31, 49, (None, False)),
        (31, 50, (50, False)),
        (51, None, (51, True)),
    ],
)
def test_when_it_became_so_and_whether_it_was_so_before(
    start: int, end: int | None, found: tuple[int | None, bool]
) -> None:
    seen = reading({"run": False}, (10, "run", True), (30, "run", False), (50, "run", True))
    assert seen.became(wanted(RUN, True), start, end) == found


def test_what_was_so_when_the_trace_began_was_so_before_a_stimulus_at_its_first_instant() -> None:
    assert reading({"run": True}).became(wanted(RUN, True), 0) == (0, True)
    assert reading({"run": False}, (0, "run", True)).became(wanted(RUN, True), 0) == (0, False)


def test_never_seen_never_became() -> None:
    assert reading({}).became(wanted(RUN, True), 0) == (None, False)


def test_numbers_become_so_within_their_tolerance() -> None:
    seen = reading({"word": 0}, (10, "word", 4), (20, "word", 5))
    assert seen.became(wanted(WORD, 5, 0.5), 0) == (20, False)
    assert seen.became(wanted(WORD, 5, 1.0), 0) == (10, False)
    assert seen.became(wanted(TagRef("word", 0), True), 0) == (20, False)


def test_what_moved_after_and_up_to() -> None:
    seen = reading({}, (10, "a", 1), (20, "b", 1), (30, "c", 1))
    assert seen.moved(10) == {"b", "c"}
    assert seen.moved(9, 20) == {"a", "b"}
    assert seen.moved(30) == set()


def test_which_bits_moved() -> None:
    seen = reading({"word": 0b0101}, (10, "word", 0b0111), (20, "word", 0b0101), (30, "word", 0b1101))
    assert seen.moved_bits("word", 0) == {1, 3}
    assert seen.moved_bits("word", 10) == {1, 3}
    assert seen.moved_bits("word", 20) == {3}
    assert seen.moved_bits("word", 30) == set()
    assert seen.moved_bits("nothing", 0) == set()


def test_how_late_scans_were_between_two_instants() -> None:
    seen = reading({}, overruns=((100, 30), (200, 5), (500, 40)))
    assert seen.lateness(100, 200) == 35
    assert seen.lateness(101, 199) == 5  # the scan that came late at 200 was due within
    assert seen.lateness(300, 400) == 0
    assert seen.lateness(300, 465) == 40
    assert seen.lateness(0, 1_000) == 75


def test_counts_by_workpiece() -> None:
    happenings = (Happening(1, "entered", "belt", "w-1"), Happening(2, "worked", "belt", "w-1")) * 2
    seen = reading({}, happenings=(*happenings, Happening(3, "entered", "belt", "w-2")))
    assert seen.count(("entered",)) == {"w-1": 2, "w-2": 1}
    assert seen.count(("entered", "worked")) == {"w-1": 4, "w-2": 1}
    assert seen.count(()) == {}


@given(st.booleans(), st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=12), st.integers(0, 60))
def test_what_ceased_may_become_so_again(initial: bool, changes: list[tuple[int, bool]], start: int) -> None:
    ordered = sorted(changes, key=lambda each: each[0])
    seen = reading({"run": initial}, *((t, "run", value) for t, value in ordered))
    before = [initial, *(value for t, value in ordered if t < start)][-1]
    after = [(t, value) for t, value in ordered if t >= start]
    if before and (not after or after[0][1]):
        expected: tuple[int | None, bool] = (start, True)
    else:
        expected = (next((t for t, value in after if value), None), False)
    assert seen.became(wanted(RUN, True), start) == expected

"""The event core: order, cancelling, storing and restoring."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.twin.kernel import SLACK, Event, Kernel


def recording(kernel: Kernel, *names: str) -> list[tuple[int, str, str, Any]]:
    """Every event that happens to ``names``, as (time, component, kind, argument)."""
    seen: list[tuple[int, str, str, Any]] = []

    def handler(name: str) -> None:
        kernel.handlers[name] = lambda kind, argument: seen.append((kernel.now, name, kind, argument))

    for name in names:
        handler(name)
    return seen


def test_time_then_priority_then_sequence_is_the_order() -> None:
    kernel = Kernel(100)
    seen = recording(kernel, "a", "b")
    kernel.schedule(300, "a", "late")
    kernel.schedule(200, "a", "second", priority=1)
    kernel.schedule(200, "b", "third", {"x": 1}, priority=1)
    kernel.schedule(200, "b", "first", priority=-1)
    assert kernel.advance(299) == 3
    assert seen == [(200, "b", "first", None), (200, "a", "second", None), (200, "b", "third", {"x": 1})]
    assert kernel.now == 299
    assert kernel.advance(300) == 1  # the end is included


def test_what_a_handler_schedules_for_now_happens_now_and_after_what_was_there() -> None:
    kernel = Kernel()
    seen: list[str] = []

    def on(kind: str, argument: Any) -> None:
        seen.append(kind)
        if kind == "first":
            kernel.schedule(kernel.now, "a", "added")

    kernel.handlers["a"] = on
    kernel.schedule(5, "a", "first")
    kernel.schedule(5, "a", "second")
    assert kernel.advance(5) == 3
    assert seen == ["first", "second", "added"]


def test_nothing_is_scheduled_before_now() -> None:
    with pytest.raises(AssertionError, match="before now"):
        Kernel(10).schedule(9, "a", "x")


def test_cancelled_events_do_not_happen_and_leave_nothing_behind() -> None:
    kernel = Kernel()
    seen = recording(kernel, "a")
    handles = [kernel.schedule(1000 + i, "a", str(i)) for i in range(1000)]
    for handle in handles[1:]:
        kernel.cancel(handle)
        kernel.cancel(handle)
    assert len(kernel._heap) <= 2 + SLACK
    assert len(kernel._cancelled) <= 2 + SLACK
    assert kernel.next_time() == 1000
    assert kernel.advance(5000) == 1
    assert [each[2] for each in seen] == ["0"]
    for _ in range(1000):
        kernel.cancel(kernel.schedule(kernel.now, "a", "now"))
        kernel.cancel(handles[0])  # has happened: nothing to cancel, and nothing piles up
    assert len(kernel._cancelled) <= 2 + SLACK
    assert kernel.next_time() is None
    assert kernel.advance(6000) == 0


def test_an_event_may_cancel_another_of_the_same_instant() -> None:
    kernel = Kernel()
    seen: list[str] = []
    handles: list[int] = []

    def on(kind: str, argument: Any) -> None:
        seen.append(kind)
        for handle in handles:
            kernel.cancel(handle)

    kernel.handlers["a"] = on
    kernel.schedule(5, "a", "first")
    handles += [kernel.schedule(5, "a", f"dropped {i}") for i in range(3 * SLACK)]
    assert kernel.advance(5) == 1
    assert seen == ["first"]


def test_time_does_not_go_back() -> None:
    kernel = Kernel(100)
    kernel.advance(50)
    assert kernel.now == 100


Operation = tuple[str, int, int]
operations = st.lists(
    st.tuples(st.sampled_from(["schedule", "cancel", "advance"]), st.integers(0, 40), st.integers(-1, 1)),
    max_size=60,
)


@given(operations, st.integers(0, 60))
def test_it_does_what_a_sorted_list_does_and_a_restored_one_goes_on_the_same(
    script: list[Operation], stored_after: int
) -> None:
    kernel, model = Kernel(), list[Event]()
    seen = recording(kernel, "a")
    expected: list[tuple[int, str, str, Any]] = []
    handles: list[int] = []
    now = 0
    taken: tuple[int, int, list[Event]] | None = None
    rest: list[Operation] = []
    for index, (what, number, priority) in enumerate(script):
        if index == stored_after:
            taken = kernel.snapshot()
            seen_then = len(seen)
        if what == "schedule":
            handle = kernel.schedule(now + number, "a", f"k{index}", number, priority)
            handles.append(handle)
            model.append(Event(now + number, priority, handle, "a", f"k{index}", number))
        elif what == "cancel" and handles:
            handle = handles[number % len(handles)]
            kernel.cancel(handle)
            model = [event for event in model if event.sequence != handle]
        elif what == "advance":
            now += number
            due = sorted(event for event in model if event.time <= now)
            model = [event for event in model if event.time > now]
            expected += [(e.time, e.component, e.kind, e.argument) for e in due]
            assert kernel.advance(now) == len(due)
        if index >= stored_after:
            rest.append((what, number, priority))
        assert kernel.next_time() == (min(model).time if model else None)
    assert seen == expected
    if taken is None:
        return
    other = Kernel()
    again = recording(other, "a")
    other.restore(taken)
    known = [event.sequence for event in taken[2]]
    for index, (what, number, priority) in enumerate(rest, stored_after):
        if what == "schedule":
            known.append(other.schedule(other.now + number, "a", f"k{index}", number, priority))
        elif what == "cancel":
            earlier = [h for h in handles if h <= other.snapshot()[1]]
            if earlier:
                other.cancel(earlier[number % len(earlier)])
        else:
            other.advance(other.now + number)
    assert again == seen[seen_then:]

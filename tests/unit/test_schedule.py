"""The schedule does what is due, in one order, whatever is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rig.schedule import Job, Schedule

A, B, C = ("a", "scan"), ("b", "scan"), ("c", "scan")
GRIDS = {A: (0, 10), B: (5, 10), C: (0, 4)}


def made() -> Schedule:
    schedule = Schedule()
    for job, (phase, period) in GRIDS.items():
        schedule.add(job, phase, period)
    return schedule


def test_without_leaving_anything_out_each_job_is_done_at_each_of_its_instants() -> None:
    schedule = made()
    done: list[tuple[int, Job]] = []
    for _ in range(12):
        job = schedule.next()
        done.append((schedule.now, job))
        schedule.again(job, 0)
    assert done == [
        (0, A), (0, C), (4, C), (5, B), (8, C), (10, A), (12, C), (15, B), (16, C), (20, A), (20, C), (24, C)
    ]  # fmt: skip


def test_a_job_that_is_due_between_its_instants_is_done_at_the_next_one() -> None:
    schedule = made()
    for due in (23, None, None):
        schedule.again(schedule.next(), due)
    assert (schedule.next(), schedule.now) == (A, 30)


def test_what_is_woken_at_an_instant_is_done_then_only_if_its_turn_is_to_come() -> None:
    schedule = made()
    schedule.again(schedule.next(), 100)  # A, at 0
    schedule.wake(A)
    schedule.wake(C)
    assert [(schedule.next(), schedule.now) for _ in range(3)] == [(C, 0), (B, 5), (A, 10)]


def test_a_later_due_time_does_not_undo_that_a_job_was_woken() -> None:
    schedule = made()
    schedule.next()
    schedule.wake(A)
    schedule.again(A, 1_000)
    schedule.again(A, None)
    assert [schedule.next() for _ in range(3)] == [C, B, A]
    assert schedule.now == 10


@given(st.lists(st.integers(0, 60), min_size=40, max_size=40))
def test_jobs_are_done_on_their_grids_and_in_one_order(dues: list[int]) -> None:
    schedule, ranks = made(), list(GRIDS)
    before = (-1, -1)
    for due in dues:
        job = schedule.next()
        phase, period = GRIDS[job]
        assert (schedule.now - phase) % period == 0
        assert before < (schedule.now, ranks.index(job))
        before = (schedule.now, ranks.index(job))
        schedule.again(job, schedule.now + due)
        assert before[0] <= schedule.now

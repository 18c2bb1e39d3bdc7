"""Scripts: actions in order on one clock, limits, undoing, ending early, and a trace that hides nothing."""

from __future__ import annotations

import pytest
from cell_support import COMMAND, MS, NEXT, SECOND, W1, W2, Bench
from hypothesis import given
from hypothesis import strategies as st

from gateway.cell import script as script_module
from gateway.cell.script import Script, holds
from gateway.field.tags import TagRef
from gateway.net.messages import (
    MAX_ACTIONS,
    Abort,
    Acquire,
    Action,
    Await,
    AwaitAll,
    AwaitHappenings,
    Clear,
    Done,
    Feed,
    Force,
    Free,
    Inject,
    Isolate,
    Pause,
    Refused,
    Release,
    Reply,
    Reset,
    Run,
    Sample,
    Target,
    Trace,
    encode,
)

RUN, SEEN, RATE = TagRef("run"), TagRef("seen"), TagRef("rate")


def begun(bench: Bench, *actions: Action, **more: object) -> int:
    """Ask for a script and scan until it runs; the request's number."""
    token = bench.lease(ttl=5 * SECOND)
    request = bench.ask(Run(token, actions, **more))  # type: ignore[arg-type]
    while bench.cell.script is None and request not in bench.replies:
        bench.step()
    return request


def trace_of(bench: Bench, request: int) -> Trace:
    answer = bench.replies[request]
    assert isinstance(answer, Trace), answer
    return answer


# --- order and time ------------------------------------------------------------------------------------


def test_no_actions_are_done_at_once_or_after_the_tail() -> None:
    bench = Bench()
    token = bench.lease()
    assert (bench.run(token).ended, bench.run(token).duration) == ("done", 0)
    assert bench.run(token, tail=95 * MS).duration == 100 * MS


def test_actions_are_done_in_order_each_marked_when_it_is_done() -> None:
    bench = Bench()
    request = begun(bench, Force(NEXT, True), Pause(25 * MS), Force(COMMAND, 3), Await(RUN, True, 0, SECOND))
    bench.steps(10)
    bench.step({"run": True})
    trace = trace_of(bench, request)
    assert trace.marks == (0, 30 * MS, 30 * MS, 110 * MS)
    assert trace.scans == 12
    assert trace.samples == (
        Sample(0, "next", True),
        Sample(30 * MS, "command", 3),
        Sample(110 * MS, "run", True),
    )


def test_a_stimulus_and_its_answer_are_on_one_clock() -> None:
    bench = Bench()
    request = begun(bench, Force(NEXT, True), Await(TagRef("seen", 3), True, 0, SECOND), tail=20 * MS)
    bench.steps(4)
    bench.step({"seen": 8}, after=13 * MS)
    bench.steps(3)
    trace = trace_of(bench, request)
    assert trace.marks[1] - trace.marks[0] == 53 * MS
    assert trace.ended == "done"


def test_what_holds_already_is_not_waited_for() -> None:
    bench = Bench()
    bench.step({"run": True})
    trace = bench.run(bench.lease(), Await(RUN, True, 0, 0))
    assert (trace.ended, trace.marks) == ("done", (0,))


def test_a_limit_ends_the_script_at_its_action() -> None:
    bench = Bench()
    trace = bench.run(bench.lease(), Force(NEXT, True), Await(RUN, True, 0, 50 * MS), Force(COMMAND, 1))
    assert (trace.ended, trace.marks, trace.duration) == ("limit", (0,), 50 * MS)
    assert all(sample.tag != "command" for sample in trace.samples)


def test_a_limit_counts_from_when_its_action_began() -> None:
    bench = Bench()
    trace = bench.run(bench.lease(), Pause(200 * MS), Await(RUN, True, 0, 50 * MS))
    assert (trace.ended, trace.duration) == ("limit", 250 * MS)


def test_what_happens_to_workpieces_is_waited_for_and_told() -> None:
    bench = Bench()
    bench.step({"run": True})
    done = AwaitHappenings(("finished", "rejected"), 2, 2 * SECOND)
    trace = bench.run(bench.lease(ttl=5 * SECOND), Feed("belt", (W1, W2)), done)
    assert trace.ended == "done"
    kinds = [(each.kind, each.workpiece) for each in trace.happenings]
    assert kinds.count(("entered", "w-1")) == kinds.count(("finished", "w-1")) == 1
    assert kinds.index(("finished", "w-1")) < kinds.index(("finished", "w-2"))
    times = [each.time for each in trace.happenings]
    assert times == sorted(times)
    first = next(each for each in trace.happenings if (each.kind, each.workpiece) == ("offered", "w-1"))
    assert first.time == 400 * MS  # 200 mm at 500 mm/s, exact though it lies between two scans or not
    assert trace.contents == ()


def test_only_what_is_watched_is_in_the_trace() -> None:
    bench = Bench()
    request = begun(bench, Force(NEXT, True), Force(COMMAND, 3), Pause(20 * MS), watch=("command", "run"))
    bench.step({"run": True, "ready": True})
    bench.steps(3)
    trace = trace_of(bench, request)
    assert set(trace.initial) <= {"command", "run"}
    assert {sample.tag for sample in trace.samples} == {"command", "run"}


@given(st.integers(0, 65535), st.integers(0, 15), st.booleans())
def test_a_bit_holds_or_not(word: int, bit: int, wanted: bool) -> None:
    values = {"seen": word}
    assert holds(TagRef("seen", bit), wanted, 0.0, values) == ((word >> bit & 1 == 1) == wanted)
    assert holds(TagRef("seen", bit), int(wanted), 0.0, values) == ((word >> bit & 1 == 1) == wanted)


def test_a_number_holds_within_its_tolerance() -> None:
    values = {"rate": 2.5}
    assert holds(RATE, 2.4, 0.11, values)
    assert not holds(RATE, 2.4, 0.09, values)
    assert not holds(RATE, 2.4, float("nan"), values)
    assert not holds(SEEN, 0, 1e9, values)  # never seen


# --- what a script leaves behind -----------------------------------------------------------------------


def test_what_it_did_is_undone_at_its_end() -> None:
    bench = Bench()
    trace = bench.run(bench.lease(), Force(NEXT, True), Inject("belt.trip"), Inject("eye.sees.stuck-on"))
    assert trace.ended == "done"
    bench.steps(3)  # what a fault showed is held for two scans, as any level is
    assert (bench.device["next"], bench.device["ok"], bench.device["eye"]) == (False, True, False)
    assert bench.cell.twin.active_faults() == []


def test_unless_it_is_kept() -> None:
    bench = Bench()
    bench.run(bench.lease(), Force(NEXT, True), Inject("belt.trip"), keep=True)
    bench.step()
    assert (bench.device["next"], bench.device["ok"]) == (True, False)


def test_a_fault_that_was_there_before_stays() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Inject("belt.trip"), keep=True)
    bench.run(token, Inject("belt.trip"), Inject("belt.jam"))
    assert bench.cell.twin.active_faults() == ["belt.trip"]
    bench.run(token, Clear("belt.trip"))
    assert bench.cell.twin.active_faults() == []


def test_a_reset_within_is_not_undone() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(COMMAND, 5), Inject("belt.trip"), keep=True)
    bench.run(token, Force(COMMAND, 6), Reset(), Force(NEXT, True))
    bench.step()
    assert (bench.device["command"], bench.device["next"]) == (0, False)
    assert bench.cell.twin.active_faults() == []


def test_freed_within_it_stays_free_and_isolated_it_stays_isolated() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(NEXT, True), Free(NEXT), Isolate(True))
    bench.step()
    assert bench.device["next"] is False
    assert bench.cell.couplings.isolated


# --- ended early ---------------------------------------------------------------------------------------


def test_aborted_it_is_undone_and_answers_with_what_it_saw() -> None:
    bench = Bench()
    request = begun(bench, Force(NEXT, True), Pause(SECOND))
    bench.steps(5)
    assert bench.answer(Abort(1)) == Done()
    trace = trace_of(bench, request)
    assert (trace.ended, trace.marks) == ("aborted", (0,))
    bench.step()
    assert bench.device["next"] is False


def test_aborted_before_it_began_it_never_begins() -> None:
    bench = Bench()
    token = bench.lease()
    bench.disk_works = False
    request = bench.ask(Run(token, (Force(NEXT, True),), keep=True))
    bench.step()
    abort = bench.ask(Abort(token))
    bench.step()
    bench.disk_works = True
    bench.steps(5)
    assert bench.replies[abort] == Done()
    assert (trace_of(bench, request).ended, trace_of(bench, request).marks) == ("aborted", ())
    assert bench.device["next"] is False
    assert bench.journalled("force") == set()


def test_one_at_a_time() -> None:
    bench = Bench()
    begun(bench, Pause(SECOND))
    assert bench.refusal(Run(1, ())) == "a script is running; abort it first"
    bench.answer(Abort(1))
    bench.disk_works = False
    bench.ask(Run(1, (Force(NEXT, True),)))
    second = bench.ask(Run(1, ()))
    bench.steps(2)
    bench.disk_works = True
    bench.steps(2)
    assert bench.replies[second] == Refused("a command is being journalled; wait for its answer first")


@pytest.mark.parametrize("command", [Release(1), Acquire(SECOND)])
def test_it_ends_with_its_lease(command: Release | Acquire) -> None:
    bench = Bench()
    request = begun(bench, Pause(SECOND))
    bench.answer(command)
    assert trace_of(bench, request).ended == "lease"


def test_it_ends_when_the_lease_runs_out() -> None:
    bench = Bench()
    token = bench.lease(ttl=200 * MS)
    request = bench.ask(Run(token, (Force(NEXT, True), Pause(SECOND))))
    bench.steps(30)
    assert trace_of(bench, request).ended == "lease"


def test_how_much_can_be_asked() -> None:
    bench = Bench()
    token = bench.lease()
    assert bench.run(token, *[Pause(0)] * MAX_ACTIONS).ended == "done"
    assert (
        bench.refusal(Run(token, (Pause(0),) * (MAX_ACTIONS + 1))) == "257 actions are too many; 256 at most"
    )
    for wrong in (Run(token, (Pause(-1),)), Run(token, (), tail=-1), Run(token, (Pause(2**63),))):
        assert bench.refusal(wrong).startswith("a script waits 0 to 168 h at a time, not ")
    assert bench.refusal(Run(token, (), ("runn",))) == "runn is no tag of belt"


# --- awaiting several at once --------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_all_are_awaited_in_whatever_order_they_come(order: tuple[int, int]) -> None:
    targets = (Target(RUN, True), Target(RATE, 4.0, 0.5))
    bench = Bench()
    bench.step({"run": False, "rate": 0.0})
    request = begun(bench, AwaitAll((targets[order[0]], targets[order[1]]), SECOND))
    bench.step({"run": True})
    bench.step({"run": False})  # it came: that it went is not the script's to judge
    assert request not in bench.replies
    bench.step({"rate": 4.3})
    trace = trace_of(bench, request)
    assert (trace.ended, len(trace.marks)) == ("done", 1)
    assert trace.marks[0] == trace.duration


def test_what_was_so_already_is_awaited_anew() -> None:
    bench = Bench()
    bench.step({"run": True})
    request = begun(bench, AwaitAll((Target(RUN, True), Target(RUN, False)), SECOND))
    bench.steps(3)
    bench.step({"run": False})
    assert request not in bench.replies
    bench.step({"run": True})
    assert trace_of(bench, request).ended == "done"


def test_what_came_with_the_step_before_counts() -> None:
    bench = Bench()
    bench.step({"run": False, "rate": 0.0})
    request = begun(bench, AwaitAll((Target(RUN, True),), SECOND), AwaitAll((Target(RATE, 4.0),), SECOND))
    bench.step({"run": True, "rate": 4.0})
    first, second = trace_of(bench, request).marks
    assert first == second


def test_what_does_not_come_ends_the_script_at_the_limit() -> None:
    bench = Bench()
    bench.step({"run": False})
    request = begun(bench, AwaitAll((Target(RUN, True), Target(SEEN, 5)), 100 * MS), Force(NEXT, True))
    bench.step({"run": True})
    bench.steps(20)
    trace = trace_of(bench, request)
    assert (trace.ended, trace.marks, trace.duration) == ("limit", (), 100 * MS)


def test_what_cannot_be_awaited_is_refused() -> None:
    bench = Bench()
    token = bench.lease()
    wrong = AwaitAll((Target(RUN, True), Target(TagRef("runn"), True)), SECOND)
    assert "runn" in bench.refusal(Run(token, (wrong,)))
    many = AwaitAll((Target(RUN, True),) * (MAX_ACTIONS + 1), SECOND)
    assert bench.refusal(Run(token, (many,))) == "257 targets are too many; 256 at most"


def test_a_trace_that_would_not_fit_into_a_message_is_full_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its bytes most are in its samples: text, rows, numbers."""
    most = 2_000
    monkeypatch.setattr(script_module, "MAX_TRACE", most)
    samples = [("a" * 24, 1.5), ("b" * 40, True), ("c", "é" * 300), ("d", tuple(n + 0.5 for n in range(20)))]
    for tag, value in samples:
        script = Script("anna", 1, Run(1, (Pause(SECOND),)), 0, 0, {"first": 7})
        for n in range(200):
            script.sampled(5_000_000_000 + n, tag, value)
        assert script.ended == "full"
        assert script.samples
        size = len(encode(Reply(1, script.trace(SECOND, (), {}), 0, 0)))
        assert most / 2 < size < most + 100


def test_a_full_trace_ends_the_script_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_module, "MAX_SAMPLES", 5)
    bench = Bench()
    request = begun(bench, Force(NEXT, True), Pause(SECOND))
    for n in range(20):
        bench.step({"rate": float(n)}, late=20 * MS if n % 2 else 0)
    trace = trace_of(bench, request)
    assert trace.ended == "full"
    assert len(trace.samples) + len(trace.overruns) == 5
    assert trace.duration <= 100 * MS

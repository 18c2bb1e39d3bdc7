"""The cell: without a lease nothing is written; losing it, the link or the process ends in safe values."""

from __future__ import annotations

import math

from cell_support import COMMAND, MS, NEXT, SAFE, SECOND, UNSAFE_OK, Bench, driving, stored

from gateway.cell.standing import standing
from gateway.net.messages import Acquire, Done, Force, Leased, Pause, Refused, Release, Renew, Run, Trace
from gateway.station import LONGEST
from rig.backend import LEASE_TTL


def test_at_the_longest_scan_a_lease_holds_while_one_renewal_in_three_comes_and_its_loss_is_seen() -> None:
    bench = Bench()
    token = bench.lease()
    for scan in range(1, 200):
        if scan % 7 == 0:  # the other two of each 750 ms are lost
            bench.ask(Renew(token))
        bench.step(after=LONGEST)
        assert bench.cell.lease.holder == "anna", scan
    renewed = bench.now - 199 % 7 * LONGEST
    while bench.cell.lease.holder is not None:
        bench.step(after=LONGEST)
    assert bench.device == SAFE
    assert bench.now <= renewed + LEASE_TTL + 100 * MS


# --- reading only --------------------------------------------------------------------------------------


def test_without_a_lease_nothing_is_ever_written() -> None:
    bench = Bench()
    for _ in range(50):
        assert bench.step({"run": True}).writes == {}
    assert bench.cell.values["run"] is True
    assert bench.device == {}


def test_a_lease_opens_the_gate_only_once_it_is_on_the_disk() -> None:
    bench = Bench()
    bench.disk_works = False
    request = bench.ask(Acquire(SECOND))
    bench.steps(5)
    assert bench.device == {}
    assert request not in bench.replies
    bench.disk_works = True
    bench.steps(2)
    assert bench.replies[request] == Leased(1, SECOND)
    assert bench.device == UNSAFE_OK
    assert bench.journalled("gate") == {"open"}


def test_a_lease_that_ran_out_before_the_disk_had_it_is_not_granted() -> None:
    bench = Bench()
    bench.disk_works = False
    request = bench.ask(Acquire(200 * MS))
    bench.steps(30)
    bench.disk_works = True
    bench.steps(3)
    assert bench.replies[request] == Refused("lease of anna ran out")
    assert bench.device == {}
    assert bench.journalled("gate") == set()


# --- losing the lease ----------------------------------------------------------------------------------


def test_a_lease_that_is_not_renewed_ends_in_safe_values_within_a_scan() -> None:
    bench = Bench()
    driving(bench)
    bench.until(bench.cell.lease.expires)
    assert bench.device == {**UNSAFE_OK, "next": True}
    bench.step()
    assert bench.device == SAFE
    bench.steps(3)
    assert bench.cell.gate.state == "closed"
    assert bench.journalled("gate") == bench.journalled("force") == set()
    assert bench.events[-3:] == [
        "lease: lease of anna ran out",
        "force: next freed",
        "safe: the safe state is driven",
    ]


def test_renewed_in_time_it_goes_on() -> None:
    bench = Bench()
    token = driving(bench)
    for _ in range(10):
        assert bench.answer(Renew(token)) == Done()
        bench.steps(50)
    assert bench.device == {**UNSAFE_OK, "next": True}


def test_given_back_the_station_is_safe_at_once() -> None:
    bench = Bench()
    token = driving(bench)
    assert bench.answer(Release(token)) == Done()
    assert bench.device == SAFE
    assert bench.refusal(Renew(token)) == "nobody holds the lease; acquire it first"


def test_safe_values_are_repeated_until_the_controller_has_taken_them() -> None:
    bench = Bench()
    token = driving(bench)
    bench.link = False
    bench.answer(Release(token))
    bench.steps(20)
    assert bench.device == {**UNSAFE_OK, "next": True}
    assert bench.journalled("gate") == {"open"}
    bench.link = True
    bench.steps(2)
    assert bench.device == SAFE
    assert bench.journalled("gate") == set()


def test_a_refused_safe_value_is_told_and_driven_in_the_end() -> None:
    bench = Bench()
    token = driving(bench)
    bench.refused = {"next": "BadNotWritable", "seen": "BadNodeIdUnknown"}
    bench.answer(Release(token))
    tried = [bench.now for _ in range(300) if "next" in bench.step().writes]
    assert bench.device == {**SAFE, "next": True}
    assert [event for event in bench.events if event.startswith("safe")] == [
        "safe: not driven yet, and tried again: next is refused: BadNotWritable"
    ]
    assert bench.journalled("gate") == {"open"}
    assert 3 <= len(tried) <= 6  # of 300 scans, 3 s
    bench.restart()
    bench.steps(20)
    assert bench.journalled("gate") == {"open"}
    bench.refused = {}
    bench.steps(100)
    assert bench.device == SAFE
    assert bench.events[-1] == "safe: the safe state is driven"
    assert bench.journalled("gate") == set()


def test_a_value_that_was_refused_for_a_while_is_written_though_it_does_not_change() -> None:
    bench = Bench()
    token = bench.lease(ttl=3 * SECOND)
    bench.refused = {"command": "server too busy"}
    bench.run(token, Force(COMMAND, 5), keep=True)
    bench.steps(30)
    assert bench.device["command"] == 0
    bench.refused = {}
    bench.steps(50)
    assert bench.device["command"] == 5


def test_values_under_way_when_the_gateway_ends_do_not_pass_for_safe_ones() -> None:
    bench = Bench()
    token = bench.lease()
    bench.ask(Run(token, (Force(NEXT, True),), keep=True))
    bench.now += 10 * MS
    bench.step()
    out = bench.step()
    bench.cell.shut()
    bench.cell.took(out.writes)  # the write of the last scan returns after the end was called
    bench.steps(2)
    assert bench.device == SAFE
    assert bench.cell.gate.state == "closed"


def test_a_gateway_that_ends_grants_nothing_more() -> None:
    bench = Bench()
    driving(bench)
    bench.cell.shut()
    assert bench.refusal(Acquire(SECOND)) == "the gateway ends"
    bench.steps(2)
    assert bench.device == SAFE


# --- what would crash or lie ---------------------------------------------------------------------------


def test_nan_from_a_controller_is_shown_once_and_moves_nothing() -> None:
    bench = Bench()
    token = bench.lease()
    request = bench.ask(Run(token, (Pause(50 * MS),)))
    for _ in range(8):
        bench.step({"rate": math.nan, "run": math.nan})
    trace = bench.replies[request]
    assert isinstance(trace, Trace)
    assert [sample.tag for sample in trace.samples].count("rate") <= 1
    assert bench.cell.twin.components["belt"].snapshot()["driven"] is False


# --- the link ------------------------------------------------------------------------------------------


def test_a_lost_link_ends_the_script_and_everything_is_written_anew_when_it_is_back() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(COMMAND, 5), keep=True)
    bench.step()
    request = bench.ask(Run(token, (Pause(SECOND),)))
    bench.steps(3)
    bench.link = False
    out = bench.step()
    assert out.writes == {}
    trace = bench.replies[request]
    assert isinstance(trace, Trace)
    assert trace.ended == "link"
    bench.device.clear()  # the controller was switched off and on
    bench.answer(Renew(token))
    bench.link = True
    assert bench.step().writes == {**UNSAFE_OK, "command": 5}
    assert bench.step().writes == {}
    assert "link: the controller is not connected" in bench.events


def test_a_script_without_a_link_ends_at_once() -> None:
    bench = Bench()
    token = bench.lease()
    bench.link = False
    trace = bench.run(token, Pause(SECOND))
    assert (trace.ended, trace.marks) == ("link", ())


def test_what_the_controller_refuses_is_in_the_trace() -> None:
    bench = Bench()
    token = bench.lease()
    bench.refused = {"next": "BadNotWritable"}
    trace = bench.run(token, Force(NEXT, True), Pause(20 * MS))
    assert trace.refused == {"next": "BadNotWritable"}
    assert bench.device["next"] is False


def test_scans_that_came_late_are_counted_and_are_in_the_trace() -> None:
    bench = Bench()
    token = bench.lease()
    request = bench.ask(Run(token, (Pause(100 * MS),)))
    bench.steps(2)
    began = bench.cell.script.started if bench.cell.script else 0
    bench.step(late=35 * MS, after=45 * MS)
    at = bench.now
    bench.steps(10)
    trace = bench.replies[request]
    assert isinstance(trace, Trace)
    assert trace.overruns == ((at - began, 35 * MS),)
    assert standing(bench.cell, "boot", "ready").overruns == 1


# --- kill and restart ----------------------------------------------------------------------------------


def test_restarted_while_driving_the_safe_state_is_driven_and_forces_are_named() -> None:
    bench = Bench()
    driving(bench)
    bench.restart()
    assert bench.step().writes == SAFE
    bench.steps(2)
    assert bench.device == SAFE
    assert [event for event in bench.events if event.startswith("safe")] == [
        "safe: restarted while driving: safe state; forces ended: next",
        "safe: the safe state is driven",
    ]
    assert bench.journalled("gate") == bench.journalled("force") == set()


def test_a_second_kill_before_the_safe_state_was_driven_changes_nothing() -> None:
    bench = Bench()
    driving(bench)
    bench.restart()
    bench.link = False
    bench.steps(3)
    assert bench.journalled("gate") == {"open"}
    bench.restart()
    bench.link = True
    bench.steps(2)
    assert bench.device == SAFE


def test_restarted_at_rest_nothing_is_written() -> None:
    bench = Bench()
    token = driving(bench)
    bench.answer(Release(token))
    bench.steps(2)
    bench.restart()
    for _ in range(10):
        assert bench.step().writes == {}


def test_the_clock_may_start_at_nought_or_anywhere() -> None:
    for now in (0, 10**18):
        bench = Bench(now=now - 10 * MS, stored=stored("lease", "token", 7))
        assert bench.lease() == 8

"""Who holds a station's lease: one at a time, by a token; broken by a commissioner, ended by a dismissal."""

from __future__ import annotations

from cell_support import NEXT, SAFE, SECOND, UNSAFE_OK, Bench, driving

from gateway.net.messages import Abort, Acquire, Force, Leased, Refused, Release, Renew, Run


def test_a_stale_token_is_refused_also_after_a_restart() -> None:
    bench = Bench()
    old = bench.lease()
    bench.answer(Release(old))
    bench.lease("bert")
    for command in (Run(old, ()), Renew(old), Release(old), Abort(old)):
        assert bench.refusal(command) == "bert holds the lease"
    bench.restart()
    assert bench.lease() == 3
    assert bench.refusal(Run(old, ())) == "token 1 is stale, the lease has 3"
    assert bench.refusal(Renew(2)) == "token 2 is stale, the lease has 3"


def test_two_who_ask_in_one_scan() -> None:
    bench = Bench()
    first, second = bench.ask(Acquire(SECOND), "anna"), bench.ask(Acquire(SECOND), "bert")
    bench.steps(2)
    assert isinstance(bench.replies[first], Leased)
    assert bench.replies[second] == Refused(
        "anna holds the lease, since 00:00:00 UTC, 0 s ago, for 1.0 s more unless renewed"
    )


def test_the_same_operator_twice_in_one_scan_gets_two_answers_and_one_lease() -> None:
    bench = Bench()
    first, second = bench.ask(Acquire(SECOND)), bench.ask(Acquire(SECOND))
    bench.steps(3)
    assert bench.replies[first] == Refused("a new lease was granted")
    assert bench.replies[second] == Leased(2, SECOND)


def test_a_new_lease_of_the_same_operator_starts_clean() -> None:
    bench = Bench()
    driving(bench)
    bench.cell.twin.inject("belt.trip")
    assert bench.lease() == 2
    bench.steps(2)
    assert bench.device == UNSAFE_OK
    assert bench.cell.twin.active_faults() == []
    assert bench.journalled("gate") == {"open"}
    assert bench.journalled("force") == set()


def test_a_lease_while_the_safe_state_is_driven_keeps_the_gate_journalled_as_open() -> None:
    bench = Bench()
    token = driving(bench)
    bench.ask(Release(token))
    bench.ask(Acquire(SECOND))
    bench.steps(3)
    assert bench.cell.gate.state == "open"
    assert bench.journalled("gate") == {"open"}


def test_a_run_while_the_safe_state_is_driven_is_refused() -> None:
    bench = Bench()
    token = driving(bench)
    bench.link = False
    bench.answer(Release(token))
    assert bench.cell.gate.state == "safing"
    assert bench.refusal(Run(token, (Force(NEXT, True),))) == "nobody holds the lease; acquire it first"


def test_a_commissioner_alone_breaks_a_lease_and_the_safe_state_comes_between() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(NEXT, True), keep=True)
    why = bench.refusal(Acquire(SECOND, breaks=True), "bert")
    assert why.startswith("only a commissioner breaks a lease; anna holds the lease, since ")
    assert bench.device["next"] is True
    bench.disk_works = False
    request = bench.ask(Acquire(SECOND, breaks=True), "bert", roles=("commissioner",))
    bench.steps(2)
    assert bench.device == SAFE
    assert request not in bench.replies
    bench.disk_works = True
    bench.steps(2)
    assert bench.replies[request] == Leased(token + 1, SECOND)
    assert "lease: bert broke the lease of anna" in bench.events
    assert bench.refusal(Renew(token)) == "bert broke this lease"
    assert bench.refusal(Run(token, (Force(NEXT, True),))) == "bert broke this lease"


def test_to_break_where_nobody_holds_it_is_to_take_it() -> None:
    bench = Bench()
    assert bench.answer(Acquire(SECOND, breaks=True)) == Leased(1, SECOND)
    assert bench.answer(Acquire(SECOND, breaks=True)) == Leased(2, SECOND)  # one's own


def test_a_gateway_that_ends_drives_the_safe_state_at_once_also_while_nothing_but_numbers_moves() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(NEXT, True), keep=True)
    bench.steps(10)
    bench.cell.shut()
    bench.step()
    assert bench.device == SAFE
    assert bench.refusal(Acquire(SECOND)) == "the gateway ends"


def test_who_is_dismissed_holds_nothing_and_others_go_on() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(NEXT, True), keep=True)
    bench.cell.dismiss("bert", "bert is revoked")
    bench.step()
    assert bench.device["next"] is True
    bench.cell.dismiss("anna", "anna is revoked")
    bench.steps(2)
    assert bench.device == SAFE
    assert "lease: anna is revoked" in bench.events
    assert bench.lease("bert") == token + 1

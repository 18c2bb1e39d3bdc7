"""What a cell tells to be recorded: who took and gave the lease, what was held at what, what was made."""

from __future__ import annotations

from cell_support import COMMAND, MS, NEXT, SAFE, SECOND, W1, Bench

from gateway.cell.couplings import Neighbours
from gateway.cell.facts import Fact, Given, Held, Made, Taken, Wrote
from gateway.cell.scan import Inputs, Outputs
from gateway.field.tags import TagRef
from gateway.net.messages import MAIN, Acquire, Force, Free, Offer, Pause, Release, Run


class Noting(Bench):
    """A bench that keeps the facts, in their order; ``wrote`` apart from the others."""

    def __init__(self, **given: object) -> None:
        self.facts: list[Fact] = []
        self.wrote: list[Wrote] = []
        super().__init__(**given)  # type: ignore[arg-type]

    def step(self, *args: object, **given: object) -> Outputs:
        out = super().step(*args, **given)  # type: ignore[arg-type]
        self.facts += [fact for fact in out.facts if not isinstance(fact, Wrote)]
        self.wrote += [fact for fact in out.facts if isinstance(fact, Wrote)]
        return out


def test_who_holds_the_lease_from_when_and_why_no_more() -> None:
    bench = Noting()
    token = bench.lease()
    bench.answer(Release(token))
    again = bench.lease("bert")
    for _ in range(150):
        bench.step()
    assert bench.facts == [
        Taken("anna", token),
        Given("anna", token, "anna gave the lease back"),
        Taken("bert", again),
        Given("bert", again, "lease of bert ran out"),
    ]


def test_a_lease_that_never_reached_the_disk_is_no_fact() -> None:
    bench = Noting()
    bench.disk_works = False
    bench.ask(Acquire(SECOND))
    bench.steps(150)
    assert bench.facts == []


def test_a_force_is_told_with_the_values_before_and_after_it() -> None:
    bench = Noting()
    token = bench.lease()
    bench.facts.clear()
    bench.run(token, Force(COMMAND, 5), keep=True)
    bench.run(
        token, Force(TagRef("command", 1), True), Force(COMMAND, 6), Pause(20 * MS), Free(COMMAND), keep=True
    )
    bench.steps(2)
    assert bench.facts == [
        Held("anna", "command", False, 0, 5),
        Held("anna", "command.1", False, False, True),
        Held("anna", "command", False, 5, 6),
        Held("anna", "command", True, 6, bench.cell.values["command"]),
    ]


def test_what_the_end_of_a_lease_releases_is_told_with_its_holder() -> None:
    bench = Noting()
    token = bench.lease()
    bench.run(token, Force(NEXT, True), keep=True)
    bench.facts.clear()
    bench.answer(Release(token))
    assert bench.facts == [
        Given("anna", token, "anna gave the lease back"),
        Held("anna", "next", True, True, False),
    ]


def test_the_holder_before_a_kill_is_known_after_it() -> None:
    bench = Noting()
    token = bench.lease()
    bench.run(token, Force(NEXT, True), keep=True)
    bench.facts.clear()
    bench.restart()
    bench.steps(3)
    assert bench.facts == [
        Given("anna", token, "restarted while driving: safe state; forces ended: next"),
        Held("anna", "next", True, True, False),
    ]


def test_a_script_and_the_rest_of_a_lease_each_tell_what_was_written() -> None:
    bench = Noting()
    token = bench.lease()
    assert bench.wrote == []
    bench.run(token, Force(COMMAND, 5), Pause(50 * MS), Force(COMMAND, 6), keep=True)
    bench.step()  # by now it is known what the controller has taken
    [first] = bench.wrote
    assert (first.operator, first.token) == ("anna", token)
    assert first.old == SAFE
    assert first.new == {**SAFE, "ok": True, "command": 6}
    assert first.writes == len(SAFE) + 2  # all when the gate opened, and the command twice
    bench.run(token, Pause(50 * MS))
    assert len(bench.wrote) == 1  # nothing was written
    bench.step({"run": True})
    bench.steps(3)
    shown = bench.device["speed"]
    bench.answer(Release(token))
    second = bench.wrote[1]
    assert second.old.keys() == second.new.keys() == {"speed"}
    assert second.old["speed"] == 0
    assert second.new["speed"] == shown != 0
    again = bench.lease("bert")
    bench.answer(Release(again), "bert")
    assert bench.wrote[2].old == SAFE  # whatever the one before wrote
    assert bench.wrote[2].operator == "bert"


def test_what_the_controller_refuses_or_lost_was_not_written() -> None:
    bench = Noting()
    token = bench.lease()
    bench.refused = {"command": "BadNotWritable"}
    bench.run(token, Force(COMMAND, 5), Force(NEXT, True), Pause(50 * MS), keep=True)
    bench.step()
    [told] = bench.wrote
    assert told.new == {**SAFE, "ok": True, "next": True}
    assert told.writes == len(SAFE) + 1


def test_what_was_under_way_when_the_lease_ended_is_told_too() -> None:
    bench = Noting()
    token = bench.lease()
    bench.run(token, keep=True)
    bench.step()
    bench.facts.clear()
    bench.wrote.clear()
    bench.ask(Run(token, (Force(COMMAND, 7),), keep=True))
    bench.now += 10 * MS
    bench.step()
    bench.now += 10 * MS
    out = bench.cell.step(bench.now, Inputs(persisted=10**9))
    assert out.writes == {"command": 7}
    bench.cell.shut()
    bench.cell.took(out.writes)
    bench.step()
    [told] = bench.wrote
    assert (told.operator, told.new, told.writes) == ("anna", {"command": 7}, 1)


def test_the_end_of_a_lease_is_told_once_however_often_the_gateway_restarts() -> None:
    bench = Noting()
    token = bench.lease()
    bench.run(token, Force(NEXT, True), keep=True)
    bench.link = False
    bench.answer(Release(token))
    assert "holder" not in bench.journalled("lease")
    bench.facts.clear()
    for _ in range(3):
        bench.restart()
        bench.steps(2)
    assert bench.facts == []
    assert bench.journalled("gate") == {"open"}
    bench.link = True
    bench.steps(2)
    again = bench.lease()
    bench.steps(2)
    bench.link = False
    bench.facts.clear()
    for _ in range(3):
        bench.restart()
        bench.steps(2)
    assert bench.facts == [Given("anna", again, "restarted while driving: safe state; forces ended: none")]


def test_what_left_good_was_made_here() -> None:
    bench = Noting(neighbours=Neighbours({"up": {MAIN: MAIN}}, {}, {}, {"up": ()}))
    bench.step({"run": True}, coupled=[("up", Offer("u", 1, W1))])
    bench.steps(60)
    assert bench.facts == [Made("w-1")]

"""M counts planned, completed and inspected work alone, once, and no more time than has gone by."""

from __future__ import annotations

import msgspec
import pytest

from ledger.contracts import workload
from ledger.contracts.workload import AHEAD, WINDOW, Workload
from ledger.records import Completion, Inspection, Party, Requirement

HASH = bytes(32)
SECOND = 1_000_000_000
CLOUD = Party("cloud", HASH, "integrator", member=False, dispatcher=True)
MILL = Party("mill", HASH, "vendor")
GAUGE = Party("gauge", HASH, "customer")
SISTER = Party("sister", HASH, "vendor")
PARTIES = {party.node: party for party in (CLOUD, MILL, GAUGE, SISTER)}


def planned(
    task: str = "t1", operation: int = 10, node: str = "mill", takes: int = 30 * SECOND
) -> Requirement:
    return Requirement(task, operation, "PTVA10212", node, takes, 0, 0)


def inspected(task: str = "t1", operation: int = 10, passed: bool = True) -> Inspection:
    return Inspection(task, operation, "feature-3", HASH, passed, "hole")


def done(work: Workload, task: str, now: int, takes: int = 30 * SECOND, passed: bool = True) -> None:
    assert work.plan(planned(task, takes=takes), CLOUD, PARTIES, now) == ""
    assert work.complete(Completion(task, 10, now), MILL) == ""
    assert work.inspect(inspected(task, passed=passed), GAUGE, PARTIES, now) == ""


def test_an_operation_counts_once_all_three_have_spoken() -> None:
    work = Workload(0)
    done(work, "t1", 100 * SECOND)
    assert work.current == {}
    work.turn(200 * SECOND, ["mill", "gauge"])
    assert work.current == {"mill": 30 * SECOND, "gauge": 0}
    assert work.plan(planned(), CLOUD, PARTIES, 200 * SECOND) == "operation 10 of t1 is planned already"
    assert work.complete(Completion("t1", 10, 0), MILL) == "operation 10 of t1 is not open for mill"
    assert work.inspect(inspected(), GAUGE, PARTIES, 0) == "operation 10 of t1 is not completed"


@pytest.mark.parametrize(
    ("by", "why"),
    [
        (SISTER, "sister belongs to vendor, as mill does"),
        (MILL, "mill belongs to vendor, as mill does"),
        (GAUGE, ""),
    ],
)
def test_nobody_of_the_same_owner_inspects(by: Party, why: str) -> None:
    work = Workload(0)
    work.plan(planned(), CLOUD, PARTIES, 0)
    work.complete(Completion("t1", 10, 0), MILL)
    assert work.inspect(inspected(), by, PARTIES, 0) == why


def test_who_is_no_dispatcher_plans_nothing_and_nobody_completes_for_another() -> None:
    work = Workload(0)
    assert work.plan(planned(), MILL, PARTIES, 0) == "mill is no dispatcher"
    assert work.plan(planned(node="ghost"), CLOUD, PARTIES, 0) == "ghost is not enrolled"
    work.plan(planned(), CLOUD, PARTIES, 0)
    assert work.complete(Completion("t1", 10, 0), SISTER) == "operation 10 of t1 is not open for sister"
    assert work.inspect(inspected(), GAUGE, PARTIES, 0) == "operation 10 of t1 is not completed"


def test_what_failed_inspection_counts_nothing_and_is_over() -> None:
    work = Workload(0)
    done(work, "t1", 100 * SECOND, passed=False)
    work.turn(200 * SECOND, ["mill"])
    assert work.current == {"mill": 0}


def test_no_more_time_than_has_gone_by_and_none_older_than_a_day() -> None:
    work = Workload(1_000)
    for number in range(4):
        done(work, f"t{number}", 10 * SECOND, takes=50_000 * SECOND)
    work.turn(1_000 + 60 * SECOND, ["mill"])
    assert work.current == {"mill": 60 * SECOND}
    work.turn(1_000 + WINDOW, ["mill"])
    assert work.current == {"mill": WINDOW}
    work.turn(10 * SECOND + WINDOW, ["mill"])
    assert work.current == {"mill": 0}


def test_a_day_after_it_was_due_an_operation_is_forgotten_done_or_not() -> None:
    work = Workload(0)
    done(work, "t1", 0)
    assert work.plan(planned("t2"), CLOUD, PARTIES, 0) == ""
    for task in ("t1", "t2"):
        assert "is planned already" in work.plan(planned(task), CLOUD, PARTIES, WINDOW - 1)
    assert work.to_do("mill", "t2") == [10]
    assert work.plan(planned("t3"), CLOUD, PARTIES, WINDOW) == ""
    assert work.to_do("mill", "t2") == []
    assert work.complete(Completion("t2", 10, 0), MILL) == "operation 10 of t2 is not open for mill"
    assert work.plan(planned("t1"), CLOUD, PARTIES, WINDOW) == ""


def test_nothing_is_planned_for_longer_than_a_week_and_no_more_than_can_be_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = Workload(0)
    late = msgspec.structs.replace(planned("late"), due=AHEAD + 1)
    assert work.plan(late, CLOUD, PARTIES, 0) == "operation 10 of late is due in more than a week"
    assert work.plan(late, CLOUD, PARTIES, 1) == ""
    monkeypatch.setattr(workload, "MAX_OPERATIONS", 2)
    assert work.plan(planned("t1"), CLOUD, PARTIES, 0) == ""
    assert work.plan(planned("t2"), CLOUD, PARTIES, 0) == "2 operations are planned already"

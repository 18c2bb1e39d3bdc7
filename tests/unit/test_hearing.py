"""What is heard waits for the scan, a bounded part of it from each operator; the log is bounded, too."""

from __future__ import annotations

import logging

import pytest

from gateway.cell.scan import Asked
from gateway.hearing import MAX_ASKED, MAX_OWN, Hearing
from gateway.net.bus import Bus
from gateway.net.identity import Identity, Trust
from gateway.net.messages import Acquire, Identified, Renew
from gateway.refusals import MAX_TOLD, Refusals


def unasked() -> Identified:
    raise AssertionError("nobody asks who this is")


@pytest.fixture
def hearing() -> Hearing:
    bus = Bus("belt", ["mqtt://127.0.0.1:1"], identity=Identity.create("belt"))
    return Hearing("one", "belt", "00" * 8, bus, Trust(), unasked, str, lambda: None)


def test_what_waits_of_one_leaves_room_for_others(hearing: Hearing) -> None:
    taken = [hearing.ask(Asked("anna", 0, Renew(n))) for n in range(2 * MAX_OWN)]
    assert taken == [True] * MAX_OWN + [False] * MAX_OWN
    assert hearing.ask(Asked("bert", 0, Acquire(1)))
    assert hearing.anything
    asked, coupled = hearing.take()
    assert [each.operator for each in asked] == ["anna"] * MAX_OWN + ["bert"]
    assert coupled == ()
    assert not hearing.anything
    assert hearing.ask(Asked("anna", 0, Renew(1)))


def test_what_waits_of_all_is_bounded(hearing: Hearing) -> None:
    taken = [hearing.ask(Asked(f"o-{n}", 0, Renew(1))) for n in range(2 * MAX_ASKED)]
    assert taken == [True] * MAX_ASKED + [False] * MAX_ASKED


def test_what_a_dismissed_one_asked_is_not_done(hearing: Hearing) -> None:
    for operator in ("anna", "bert", "anna"):
        hearing.ask(Asked(operator, 0, Renew(1)))
    hearing.dismiss("anna")
    assert [each.operator for each in hearing.take()[0]] == ["bert"]


def test_what_is_refused_is_counted_and_told_within_bounds(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals()
    with caplog.at_level(logging.WARNING):
        for n in range(10 * MAX_TOLD):
            for _ in range(2):
                refusals.note(f"s-{n}", "unknown", "no key")
        refusals.note("anna", "late", "too late")
    assert refusals.counts() == {"unknown": 20 * MAX_TOLD, "late": 1}
    assert len(caplog.records) == MAX_TOLD + 1
    assert caplog.messages[-1] == "anna is refused (late): too late; from now on only counted"

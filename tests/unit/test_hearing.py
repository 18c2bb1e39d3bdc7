"""What is heard waits for the scan, a bounded part of it from each operator; the log is bounded, too."""

from __future__ import annotations

import logging

import pytest

from gateway import hearing as hearing_module
from gateway.cell.scan import Asked
from gateway.hearing import COUPLED, MAX_ASKED, MAX_OWN, SMALL, Hearing
from gateway.net.bus import Bus
from gateway.net.duplicates import Arrival
from gateway.net.envelope import MAX_BYTES, Envelope, open_envelope
from gateway.net.identity import Identity, Trust
from gateway.net.link import Link
from gateway.net.messages import Acquire, Identified, Refused, Renew, Reply, Sample, Trace, decode
from gateway.refusals import MAX_KINDS, MAX_TOLD, Refusals


def unasked() -> Identified:
    raise AssertionError("nobody asks who this is")


@pytest.fixture
def hearing() -> Hearing:
    trust = Trust()
    trust.add("anna", Identity.create("anna").public_bytes, ("operator",))
    bus = Bus("belt", ["mqtt://127.0.0.1:1"], identity=Identity.create("belt"))
    return Hearing("one", "belt", "00" * 8, bus, trust, unasked, str, lambda: None, ())


@pytest.fixture
def sent(hearing: Hearing, monkeypatch: pytest.MonkeyPatch) -> list[Reply]:
    """What goes out: sealed as ever, and taken off on the way to the brokers."""
    found: list[Reply] = []

    def publish(_: Link, topic: str, payload: bytes, qos: int, retain: bool) -> bool:
        envelope = open_envelope(payload)
        assert isinstance(envelope, Envelope)
        found.append(decode(envelope.body, Reply))
        return True

    monkeypatch.setattr(Link, "publish", publish)
    return found


def test_an_answer_that_is_too_large_is_said_to_be(hearing: Hearing, sent: list[Reply]) -> None:
    """A trace that is larger than a message may be ends no gateway."""
    samples = (Sample(0, "words", "x" * MAX_BYTES),)
    hearing.reply("anna", 7, Trace(0, 0, 0, 1, "done", {}, samples))
    (reply,) = sent
    assert reply.request == 7
    assert isinstance(reply.body, Refused)
    assert "at most 8388608 are allowed" in reply.body.why


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


def test_the_first_of_each_kind_is_told_and_a_flood_of_kinds_is_bounded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusals = Refusals()
    with caplog.at_level(logging.WARNING):
        for left in range(1_000):
            refusals.note("bert", "by the cell", f"anna holds the lease, for 0.{left} s more")
            refusals.note("bert", "by the cell", "eye is a safety tag, which is never written")
        assert [each.partition("; ")[0] for each in caplog.messages] == [
            "bert is refused (by the cell): anna holds the lease, for 0.0 s more",
            "bert is refused (by the cell): eye is a safety tag, which is never written",
        ]
        for n in range(100):
            refusals.note("bert", "by the cell", f"{chr(ord('a') + n)} is no tag")
        refusals.note("carl", "by the cell", f"a\nb{'x' * 10_000} is no tag")
    assert len(caplog.messages) == MAX_KINDS + 1
    assert caplog.messages[-1].startswith("carl is refused (by the cell): a?bxx")
    assert len(caplog.messages[-1]) < 400
    assert refusals.counts() == {"by the cell": 2_101}


def test_a_neighbour_that_floods_keeps_no_other_from_being_heard(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what comes at one instant, so much of each is looked at."""
    monkeypatch.setattr(hearing_module.time, "monotonic_ns", lambda: 0)
    hearing._trust.add("bert", Identity.create("bert").public_bytes)

    def looked_at(sender: str, sig: bytes = bytes(64), body: bytes = b"") -> int:
        said = (Envelope(1, sender, bytes(8), n, 0, 0, "couple", body, sig) for n in range(2 * COUPLED))
        return sum(hearing._screen_coupling("", each, Arrival.NEW) for each in said)

    assert looked_at("carl") == 0  # no key of his is known
    assert looked_at("anna", sig=b"") == 0
    assert looked_at("anna") == COUPLED // 2
    assert looked_at("bert", body=bytes(SMALL)) == COUPLED // 4
    assert hearing.refused == {"too many": 2 * 2 * COUPLED - COUPLED // 2 - COUPLED // 4}

"""Signals between neighbours: what is heard holds for a second, and one is told on change and in time."""

from __future__ import annotations

from cell_support import BELT, MS, SECOND

from gateway.cell.signalling import HEARTBEAT, SILENCE, Signalling
from gateway.net.messages import MAIN, Offer, Signals
from gateway.twin.workpiece import Workpiece


def signalling() -> Signalling:
    """Our input ``next`` is the neighbour's ``free``; it listens to our ``run``."""
    return Signalling(BELT.tags, "ours", {"up"}, {"up": {"next": "free"}}, {"up": ("run",)})


def test_what_a_neighbour_says_holds_for_a_second() -> None:
    beside = signalling()
    beside.hear(0, "up", Signals({"free": True}, "theirs"))
    assert beside.values(SILENCE - 1) == {"next": True}
    assert beside.due(0) == SILENCE
    assert beside.values(SILENCE) == {}
    assert not beside.hears("up", SILENCE)
    assert beside.due(SILENCE) is None
    assert beside.epochs == {"up": "theirs"}


def test_what_an_input_cannot_be_is_safe_counted_and_said_until_it_can() -> None:
    beside = signalling()
    beside.hear(0, "up", Signals({"free": True}))
    beside.hear(1, "up", Signals({"free": 7}))
    assert beside.values(1) == {}
    assert beside.problems == ("up says 7 for free, which next (BOOL) cannot be: it is safe",)
    beside.hear(2, "up", Signals({"free": True}))
    assert (beside.values(2), beside.problems, beside.unfit) == ({"next": True}, (), {"next": 1})


def test_a_stranger_is_not_listened_to() -> None:
    beside = signalling()
    beside.hear(0, "stranger", Signals({"free": True}))
    assert not beside.hears("stranger", 0)
    assert beside.epochs == {}


def test_it_tells_on_change_and_as_a_heartbeat_and_nothing_of_what_nobody_knows() -> None:
    beside = signalling()
    assert beside.tell(0, {"run": True, "ok": True}) == [("up", Signals({"run": True}, "ours"))]
    assert beside.beats == HEARTBEAT
    assert beside.tell(MS, {"run": True}) == []
    assert beside.tell(2 * MS, {"run": False}) == [("up", Signals({"run": False}, "ours"))]
    assert beside.tell(3 * MS, None) == [("up", Signals({}, "ours"))]
    assert beside.tell(3 * MS + HEARTBEAT, None) == [("up", Signals({}, "ours"))]


def test_who_says_the_same_again_is_still_there() -> None:
    beside, said = signalling(), Signals({"free": True}, "theirs")
    assert not beside.still_there(0, "up", said), "it is heard for the first time"
    beside.hear(0, "up", said)
    assert beside.still_there(MS, "up", said)
    assert not beside.still_there(MS, "up", Signals({"free": False}, "theirs"))
    assert not beside.still_there(MS, "up", Signals({"free": True}, "another"))
    assert not beside.still_there(MS, "up", Offer("theirs", 1, Workpiece("w-1"), MAIN, "ours"))
    assert not beside.still_there(2 * SECOND, "up", said)

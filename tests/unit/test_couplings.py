"""A station beside its neighbours: silence is a closed door, and a workpiece has one owner."""

from __future__ import annotations

import math

import msgspec
import pytest
from cell_support import SECOND, W1, W2, Bench, hello
from couplings_bench import MIDDLE, OURS, arrived, middle, onwards

from gateway.cell.couplings import Neighbours
from gateway.cell.handover import Received
from gateway.cell.standing import standing
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import MAIN, Accept, Force, Offer, Signals
from gateway.twin.workpiece import Workpiece

# --- signals -------------------------------------------------------------------------------------------


def test_a_neighbours_signal_is_our_input_until_it_falls_silent() -> None:
    bench = Bench(MIDDLE)
    token = bench.lease(ttl=5 * SECOND)
    assert token == 1
    bench.step(coupled=[("down", hello(take=True))])
    assert bench.device["next"] is True
    bench.until(bench.now + SECOND)
    assert bench.device["next"] is True
    bench.step()
    assert bench.device["next"] is False


WRONG = ("boom", 7, math.nan, (True,))


@pytest.mark.parametrize("wrong", WRONG)
def test_a_signal_that_our_input_cannot_be_is_safe_counted_and_said(wrong: Value) -> None:
    bench = Bench(MIDDLE)
    token = bench.lease(ttl=5 * SECOND)
    bench.step(coupled=[("down", hello(take=True))])
    bench.run(token, Force(TagRef("command", 0), True))
    for _ in range(2):
        bench.step(coupled=[("down", hello(take=wrong))])
        assert bench.device["next"] is False
    state = standing(bench.cell, "", "ready")
    assert state.beyond == {"next": 2}
    assert "down says" in state.problem
    assert "next (BOOL) cannot be" in state.problem
    bench.step(coupled=[("down", hello(take=True))])
    assert bench.device["next"] is True
    assert not standing(bench.cell, "", "ready").problem


def test_a_text_for_a_word_of_which_a_bit_is_forced() -> None:
    bench = Bench(msgspec.structs.replace(MIDDLE, listen={"down": {"command": "word", "speed": "word"}}))
    bench.run(bench.lease(ttl=5 * SECOND), Force(TagRef("command", 0), True), keep=True)
    for wrong in ("boom", math.inf):
        bench.step(coupled=[("down", hello(word=wrong))])
        assert (bench.device["command"], bench.device["speed"]) == (1, 0)


def test_a_signal_that_a_neighbour_cannot_tell_is_safe() -> None:
    bench = Bench(MIDDLE)
    bench.lease(ttl=5 * SECOND)
    bench.step(coupled=[("down", hello(take=True))])
    bench.step(coupled=[("down", hello())])
    assert bench.device["next"] is False


def test_what_is_told_on_change_and_as_a_heartbeat() -> None:
    bench = Bench(MIDDLE)
    told: list[tuple[int, Signals]] = []
    for n in range(60):
        bench.step({"ready": n >= 30})
        told += [(n, m) for to, m in bench.sent if to == "up" and isinstance(m, Signals)]
        bench.sent.clear()
    assert told == [(0, hello(OURS, ready=False)), (20, hello(OURS, ready=False))] + [
        (n, hello(OURS, ready=True)) for n in (30, 50)
    ]


def test_without_its_controller_a_station_says_that_it_is_there_and_nothing_else() -> None:
    bench = Bench(MIDDLE)
    bench.step({"ready": True})
    bench.link = False
    bench.sent.clear()
    bench.step()
    assert ("up", Signals({}, OURS)) in bench.sent


def test_strangers_are_not_heard() -> None:
    bench = Bench(MIDDLE)
    bench.step(coupled=[("stranger", hello(take=True)), ("stranger", Offer("s", 1, W1))])
    bench.step(coupled=[("up", Accept("epoch", 1)), ("stranger", Accept("epoch", 1))])
    assert not bench.cell.couplings.signalling.hears("stranger", bench.now)
    assert bench.standing() == []


# --- passing on ----------------------------------------------------------------------------------------


def test_a_workpiece_is_on_the_disk_before_it_is_accepted() -> None:
    bench = middle()
    bench.disk_works = False
    onwards(bench, 5, ("up", Offer("u", 1, W1)))
    assert bench.accepts() == []
    bench.disk_works = True
    onwards(bench, 1)
    assert bench.accepts() == [Accept("u", 1)]
    assert bench.journalled("workpiece") == {"w-1"}
    assert msgspec.msgpack.decode(bench.disk["received", "up.main"], type=Received) == Received("u", 1)


def test_no_room_no_acceptance() -> None:
    bench = middle()
    bench.step({"run": False}, coupled=[("up", Offer("u", 1, W1))])
    assert bench.accepts() == [Accept("u", 1)]
    onwards(bench, 20, ("up", Offer("u", 2, W2)))
    assert bench.accepts() == []
    bench.step({"run": True})
    onwards(bench, 20)
    assert bench.accepts() == [Accept("u", 2)]


def test_offered_downstream_until_it_is_accepted() -> None:
    bench = arrived(middle(), W1)
    assert bench.journalled("workpiece") == {"w-1"}
    onwards(bench, 80)
    offers = bench.offers()
    assert len(offers) >= 3
    assert all(each == Offer("epoch", 1, W1) for each in offers)
    onwards(bench, 1, ("down", Accept("epoch", 1)))
    onwards(bench, 50)
    assert bench.journalled("workpiece") == set()
    assert bench.standing() == []
    assert bench.offers() == []


def test_a_silent_neighbour_is_offered_nothing() -> None:
    bench = middle()
    bench.step(coupled=[("up", Offer("u", 1, W1))])
    bench.steps(200)
    assert bench.offers() == []
    onwards(bench, 2)
    assert bench.offers() == [Offer("epoch", 1, W1)]


def test_the_end_of_the_line() -> None:
    bench = Bench(Neighbours({"up": {MAIN: MAIN}}, {}, {}, {"up": ()}))
    bench.step({"run": True}, coupled=[("up", Offer("u", 1, W1))])
    bench.steps(60)
    assert bench.journalled("workpiece") == set()
    assert "workpiece: w-1 finished" in bench.events


def test_a_workpiece_that_is_held_when_it_is_accepted_is_not_left_behind() -> None:
    bench = arrived(middle(), W1)
    belt = bench.cell.twin.components["belt"]
    belt.grip("clamp", 200.0, 50.0)  # type: ignore[attr-defined]
    assert bench.cell.twin.carrier("belt").waiting() is None
    onwards(bench, 1, ("down", Accept("epoch", 1)))
    assert bench.standing() == []


def test_an_id_that_is_here_already_is_not_taken_and_told() -> None:
    bench = middle()
    bench.step(coupled=[("up", Offer("u", 1, W1))])
    onwards(bench, 30, ("up", Offer("u", 2, W1)))
    assert bench.standing() == ["w-1"]
    state = standing(bench.cell, "boot", "ready")
    assert state.problem == "up offers what cannot be taken: w-1 is here already; an id is unique in the line"


@pytest.mark.parametrize("length", [0.0, -5.0, math.nan, math.inf])
def test_a_workpiece_of_no_possible_length_is_not_taken(length: float) -> None:
    bench = middle()
    bench.step(coupled=[("up", Offer("u", 1, Workpiece("w-1", length=length)))])
    assert bench.standing() == []
    assert "mm long" in standing(bench.cell, "boot", "ready").problem

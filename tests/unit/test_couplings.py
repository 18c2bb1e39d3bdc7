"""A station beside its neighbours: silence is a closed door, and a workpiece has one owner."""

from __future__ import annotations

import math

import msgspec
import pytest
from cell_support import BELT, MS, SECOND, W1, W2, W3, Bench, hello, stored

from gateway.cell.couplings import Neighbours
from gateway.cell.handover import Received, Transfer
from gateway.net.messages import (
    MAIN,
    Accept,
    Coupling,
    Feed,
    Isolate,
    Offer,
    Pause,
    Place,
    Release,
    Reset,
    Run,
    Signals,
    Trace,
)
from gateway.twin.workpiece import Happening, Workpiece

MIDDLE = Neighbours(
    {"up": {MAIN: MAIN}}, {MAIN: "down"}, {"down": {"next": "take"}}, {"up": ("ready",), "down": ()}
)
OURS = "epoch"  # of the bench's journal


def middle(entries: dict[tuple[str, str], bytes] | None = None) -> Bench:
    """A belt that runs, between two neighbours."""
    bench = Bench(MIDDLE, entries)
    bench.step({"run": True, "ready": False})
    bench.step()
    return bench


def onwards(bench: Bench, count: int, *messages: tuple[str, Coupling]) -> None:
    """Scan on, while downstream says that it is there; ``messages`` come at the first scan."""
    for n in range(count):
        bench.step(coupled=[("down", hello()), *(messages if n == 0 else ())])


def arrived(bench: Bench, *workpieces: Workpiece) -> Bench:
    """Upstream hands ``workpieces`` over, and each comes to the outlet."""
    for number, workpiece in enumerate(workpieces, 1):
        onwards(bench, 60, ("up", Offer("u", number, workpiece)))
        assert Accept("u", number) in bench.accepts()
    return bench


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
    assert not bench.cell.couplings.hears("stranger", bench.now)
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
    state = bench.cell.state("boot", "ready")
    assert state.problem == "up offers what cannot be taken: w-1 is here already; an id is unique in the line"


@pytest.mark.parametrize("length", [0.0, -5.0, math.nan, math.inf])
def test_a_workpiece_of_no_possible_length_is_not_taken(length: float) -> None:
    bench = middle()
    bench.step(coupled=[("up", Offer("u", 1, Workpiece("w-1", length=length)))])
    assert bench.standing() == []
    assert "mm long" in bench.cell.state("boot", "ready").problem


# --- kill and restart ----------------------------------------------------------------------------------


def test_after_a_kill_workpieces_reappear_at_the_re_entry_point() -> None:
    bench = middle()
    bench.step(coupled=[("up", Offer("u", 1, W1))])
    bench.restart()
    assert bench.standing() == []
    bench.step({"run": True})
    assert bench.standing() == ["w-1"]
    assert "workpiece: w-1 reappears at belt" in bench.events
    bench.step(coupled=[("up", Offer("u", 1, W1))])  # its acceptance was lost
    bench.step()
    assert bench.accepts()[-1] == Accept("u", 1)
    assert bench.standing() == ["w-1"]


def test_they_wait_for_room_there_and_no_lease_takes_them_away() -> None:
    entries = {("workpiece", each.id): msgspec.msgpack.encode(each) for each in (W1, W2, W3)}
    bench = Bench(MIDDLE, entries)
    bench.step({"run": False})
    bench.answer(Release(bench.lease()))
    assert bench.standing() == ["w-1"]
    bench.step({"run": True})
    bench.steps(100)
    assert sorted(bench.standing()) == ["w-1", "w-2", "w-3"]
    assert bench.journalled("workpiece") == {"w-1", "w-2", "w-3"}


def test_one_that_is_on_offer_stands_on_no_carrier_until_the_answer() -> None:
    bench = arrived(middle(), W1)
    onwards(bench, 10)
    bench.restart()
    bench.sent.clear()
    bench.step({"run": True})
    onwards(bench, 30)
    assert bench.standing() == []
    assert [each.id for each in bench.cell.couplings.contents()] == ["w-1"]
    offers = bench.offers()
    assert offers
    assert all(each == Offer("epoch", 1, W1) for each in offers)
    onwards(bench, 1, ("down", Accept("epoch", 1)))
    onwards(bench, 80)
    assert bench.journalled("workpiece") == set()
    assert bench.offers() == []
    assert bench.cell.couplings.contents() == ()


def test_without_a_re_entry_point_they_are_taken_off_and_that_is_told() -> None:
    station = msgspec.structs.replace(BELT, inlets={}, reentry=None)
    bench = Bench(Neighbours(), stored("workpiece", "w-1", W1), station=station)
    bench.step()
    assert bench.journalled("workpiece") == set()
    assert "workpiece: w-1 is taken off: the station has no re-entry point" in bench.events


# --- by hand: feed, reset, isolate ---------------------------------------------------------------------


def test_feeding_needs_a_carrier_not_an_inlet() -> None:
    bench = Bench(station=msgspec.structs.replace(BELT, inlets={}, reentry=None))
    token = bench.lease()
    bench.run(token, Feed("belt", (W1,)))
    assert bench.standing() == ["w-1"]
    assert bench.refusal(Run(token, (Feed("eye", (W2,)),))) == "eye is no carrier of belt"
    bench.step(coupled=[("up", Offer("u", 1, W2))])
    assert bench.standing() == ["w-1"]


def test_place_is_done_when_all_are_on_and_feed_at_once() -> None:
    bench = Bench()
    bench.step({"run": True})
    token = bench.lease(ttl=5 * SECOND)
    placed = bench.run(token, Reset(), Place("belt", (W1, W2), SECOND))
    assert placed.marks[1] >= 160 * MS  # w-2 waits until w-1 has left room: 60 + 20 mm at 500 mm/s
    fed = bench.run(token, Reset(), Feed("belt", (W1, W2)))
    assert fed.marks == (0, 0)
    stopped = bench.run(token, Reset(), Place("belt", (W1, W2), 50 * MS))
    assert stopped.ended == "limit"


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        ((Feed("belt", (W1, W1)),), "w-1 is here already"),
        ((Feed("belt", (W1,)), Place("belt", (W1,), 0)), "w-1 is here already"),
        ((Feed("belt", (W3,)),), "w-3 is here already"),
        ((Feed("belt", (Workpiece(""),)),), "'' is no workpiece's id"),
        ((Feed("belt", (Workpiece("a\nb"),)),), "is no workpiece's id"),
        ((Feed("belt", (Workpiece("w-9", length=math.nan),)),), "w-9 is nan mm long"),
        ((Feed("belt", tuple(Workpiece(f"x-{n}") for n in range(1001))),), "more than 1000 workpieces"),
        ((Feed("belts", (W1,)),), "belts is no carrier of belt"),
    ],
)
def test_ids_that_repeat_and_workpieces_that_cannot_be(actions: tuple[Feed | Place, ...], why: str) -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Feed("belt", (W3,)))
    assert why in bench.refusal(Run(token, actions))
    assert bench.standing() == ["w-3"]


def test_the_same_id_may_come_again_after_a_reset() -> None:
    bench = Bench()
    token = bench.lease()
    for _ in range(3):
        bench.run(token, Reset(), Place("belt", (W1,), SECOND))
    assert bench.standing() == ["w-1"]


def test_reset_takes_off_all_that_is_ours_and_the_disk_knows() -> None:
    entries = {("workpiece", each.id): msgspec.msgpack.encode(each) for each in (W1, W2, W3)}
    entries |= stored("send", "transfer", Transfer(4, W3))
    bench = Bench(MIDDLE, entries)
    token = bench.lease()  # w-1 stands, w-2 waits for room, w-3 is on offer
    assert [each.id for each in bench.cell.couplings.contents()] == ["w-1", "w-2", "w-3"]
    trace = bench.run(token, Reset())
    assert trace.contents == ()
    assert bench.journalled("workpiece") == set()
    assert msgspec.msgpack.decode(bench.disk["send", "main.down"], type=Transfer) == Transfer(4, None)
    bench.restart()
    bench.steps(5)
    assert bench.cell.couplings.contents() == ()


def test_a_reset_while_a_workpiece_passes_on_leaves_it_to_who_accepted_it() -> None:
    bench = arrived(middle(), W1)
    onwards(bench, 5)
    token = bench.lease()
    bench.run(token, Reset())
    bench.offers()
    onwards(bench, 30, ("down", Accept("epoch", 1)))  # it was under way when we let go
    assert bench.offers() == []
    assert "workpiece: w-1 left down" not in bench.events
    arrived_again = Offer("u", 2, W2)
    onwards(bench, 60, ("up", arrived_again))
    offers = bench.offers()
    assert offers
    assert all(each == Offer("epoch", 2, W2) for each in offers)


def test_isolated_an_offer_is_neither_taken_nor_kept_for_later() -> None:
    bench = middle()
    token = bench.lease(ttl=5 * SECOND)
    bench.run(token, Isolate(True), Reset())
    onwards(bench, 5, ("up", Offer("u", 1, W1)))
    bench.run(token, Isolate(False))
    onwards(bench, 30)
    assert bench.standing() == []
    onwards(bench, 1, ("up", Offer("u", 1, W1)))
    assert bench.standing() == ["w-1"]


def test_isolated_the_outlet_leads_out_and_signals_are_safe() -> None:
    bench = Bench(MIDDLE)
    bench.step({"run": True})
    token = bench.lease(ttl=5 * SECOND)
    request = bench.ask(Run(token, (Isolate(True), Feed("belt", (W1,)), Pause(800 * MS))))
    for _ in range(90):
        bench.step(coupled=[("down", hello(take=True))])
    trace = bench.replies[request]
    assert isinstance(trace, Trace)
    assert ("left", "w-1") in [(each.kind, each.workpiece) for each in trace.happenings]
    assert bench.offers() == []
    assert bench.device["next"] is False


def test_what_a_script_wanted_fed_ends_with_the_lease() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Feed("belt", (W1, W2)))
    assert bench.standing() == ["w-1"]
    bench.answer(Release(token))
    bench.step({"run": True})
    bench.steps(100)
    assert bench.standing() == []
    assert bench.journalled("workpiece") == set()


def test_what_falls_off_while_it_is_on_offer_is_handed_to_nobody() -> None:
    bench = arrived(middle(), W1)
    onwards(bench, 10)
    assert bench.offers()
    bench.cell.twin.carrier("belt").remove("w-1")
    bench.cell.twin.surroundings.happenings.append(Happening(bench.now, "dropped", "belt", "w-1"))
    onwards(bench, 2)
    bench.offers()
    onwards(bench, 80, ("down", Accept("epoch", 1)))
    assert bench.offers() == []
    assert bench.cell.couplings.contents() == ()
    assert bench.journalled("workpiece") == set()
    assert "workpiece: w-1 left down" not in bench.events


# --- several inlets and outlets ------------------------------------------------------------------------

TWO_BELTS = msgspec.structs.replace(
    BELT,
    twin={
        **BELT.twin,
        "back": msgspec.structs.replace(BELT.twin["belt"], name="back", ports={"run": "run"}),
    },
    inlets={MAIN: "belt", "back": "back"},
    outlets={MAIN: "belt", "back": "back"},
)
BOTH = Neighbours({"next": {MAIN: MAIN, "back": "back"}}, {MAIN: "next", "back": "next"}, {}, {"next": ()})


def both(entries: dict[tuple[str, str], bytes] | None = None) -> Bench:
    """Two belts that run, both to and from one neighbour."""
    bench = Bench(BOTH, entries, station=TWO_BELTS)
    bench.step({"run": True})
    return bench


def hearing(bench: Bench, count: int, *messages: Coupling) -> None:
    """Scan on, while the neighbour says that it is there; ``messages`` come at the first scan."""
    for n in range(count):
        bench.step(coupled=[("next", hello("n")), *(("next", each) for each in messages if n == 0)])


def test_each_way_has_its_own_numbers_and_journal() -> None:
    bench = both()
    hearing(bench, 60, Offer("n", 7, W1, MAIN, OURS), Offer("n", 3, W2, "back", OURS))
    assert set(bench.accepts()) == {Accept("n", 7, MAIN), Accept("n", 3, "back")}
    assert bench.journalled("received") == {"next.main", "next.back"}
    places = {workpiece.id: carrier for carrier, workpiece in bench.cell.twin.contents()}
    assert places == {"w-1": "belt", "w-2": "back"}
    hearing(bench, 30)
    assert {(each.outlet, each.workpiece.id, each.taker) for each in bench.offers()} == {
        (MAIN, "w-1", "n"),
        ("back", "w-2", "n"),
    }
    hearing(bench, 1, Accept("epoch", 1, "back"))
    assert bench.standing() == ["w-1"]
    assert bench.journalled("workpiece") == {"w-1"}
    bench.restart()
    hearing(bench, 30)
    assert {(each.outlet, each.workpiece.id) for each in bench.offers()} == {(MAIN, "w-1")}


def test_an_outlet_that_leads_nowhere_is_named_in_what_happened() -> None:
    bench = Bench(Neighbours({}, {MAIN: "next"}, {}, {"next": ()}), station=TWO_BELTS)
    bench.step({"run": True})
    token = bench.lease(ttl=5 * SECOND)
    bench.run(token, Feed("back", (W1,)), Pause(SECOND))
    assert "workpiece: w-1 finished by back" in bench.events


def test_a_full_belt_keeps_nobody_from_the_other() -> None:
    bench = Bench(station=TWO_BELTS)
    token = bench.lease(ttl=5 * SECOND)
    bench.run(token, Feed("belt", (W1, W2)), Feed("back", (W3,)))
    bench.step()
    assert sorted(bench.standing()) == ["w-1", "w-3"]


def test_the_journal_of_a_gateway_that_knew_one_outlet_is_read() -> None:
    entries = stored("workpiece", "w-1", W1) | stored("send", "transfer", [4, W1])
    entries |= stored("received", "up", ["u", 9])
    bench = middle(entries)
    assert bench.journalled("send") == {"main.down"}
    assert bench.journalled("received") == {"up.main"}
    onwards(bench, 2, ("up", Offer("u", 9, W2)))
    assert bench.accepts() == [Accept("u", 9)]
    onwards(bench, 40)
    assert bench.offers()[0] == Offer("epoch", 4, W1)
    onwards(bench, 1, ("down", Accept("epoch", 4)))
    assert bench.cell.couplings.contents() == ()


# --- a journal that was thrown away --------------------------------------------------------------------


def offered_to(epoch: str) -> Bench:
    """w-1 is on offer to the neighbour's journal ``epoch``."""
    bench = middle()
    for n in range(80):
        offer = [("up", Offer("u", 1, W1))] if n == 0 else []
        bench.step(coupled=[("down", hello(epoch)), *offer])
    assert bench.offers()[-1] == Offer("epoch", 1, W1, MAIN, epoch)
    return bench


def test_what_was_on_offer_to_a_journal_thrown_away_is_in_doubt() -> None:
    bench = offered_to("old")
    for _ in range(80):
        bench.step(coupled=[("down", hello("new"))])
    assert bench.offers() == []
    assert bench.standing() == ["w-1"]
    problem = "w-1 may have passed to down, which no longer knows: reset the station"
    assert bench.cell.state("boot", "ready").problem == problem
    bench.restart()
    for _ in range(80):
        bench.step({"run": True}, coupled=[("down", hello("new"))])
    assert bench.offers() == []
    assert bench.cell.state("boot", "ready").problem == problem
    token = bench.lease()
    bench.run(token, Reset())
    assert bench.journalled("workpiece") == set()
    assert bench.cell.state("boot", "ready").problem == ""


def test_what_an_older_journal_of_the_neighbour_offered_is_not_taken() -> None:
    bench = middle()
    bench.step(coupled=[("up", hello("new"))])
    onwards(bench, 2, ("up", Offer("old", 1, W1)))
    assert bench.standing() == []
    onwards(bench, 2, ("up", Offer("new", 1, W2)))
    assert bench.standing() == ["w-2"]


def test_a_late_answer_ends_the_doubt() -> None:
    bench = offered_to("old")
    bench.step(coupled=[("down", hello("new"))])
    bench.step(coupled=[("down", Accept("epoch", 1))])
    assert bench.standing() == []
    assert bench.cell.state("boot", "ready").problem == ""


def test_what_was_on_offer_where_the_outlet_leads_no_more_is_in_doubt() -> None:
    bench = offered_to("n")
    bench.neighbours = Neighbours({}, {MAIN: "other"}, {}, {"other": ()})
    bench.restart()
    for _ in range(80):
        bench.step({"run": True}, coupled=[("other", hello("o"))])
    assert bench.offers() == []
    assert "w-1 may have passed to down" in bench.cell.state("boot", "ready").problem

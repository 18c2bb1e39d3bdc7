"""After a kill a workpiece has one owner, also where a neighbour's journal was thrown away."""

from __future__ import annotations

import msgspec
from cell_support import BELT, W1, W2, W3, Bench, hello, stored
from couplings_bench import MIDDLE, arrived, middle, onwards

from gateway.cell.couplings import Neighbours
from gateway.cell.standing import standing
from gateway.net.messages import MAIN, Accept, Offer, Release, Reset

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
    assert standing(bench.cell, "boot", "ready").problem == problem
    bench.restart()
    for _ in range(80):
        bench.step({"run": True}, coupled=[("down", hello("new"))])
    assert bench.offers() == []
    assert standing(bench.cell, "boot", "ready").problem == problem
    token = bench.lease()
    bench.run(token, Reset())
    assert bench.journalled("workpiece") == set()
    assert standing(bench.cell, "boot", "ready").problem == ""


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
    assert standing(bench.cell, "boot", "ready").problem == ""


def test_what_was_on_offer_where_the_outlet_leads_no_more_is_in_doubt() -> None:
    bench = offered_to("n")
    bench.neighbours = Neighbours({}, {MAIN: "other"}, {}, {"other": ()})
    bench.restart()
    for _ in range(80):
        bench.step({"run": True}, coupled=[("other", hello("o"))])
    assert bench.offers() == []
    assert "w-1 may have passed to down" in standing(bench.cell, "boot", "ready").problem

"""Workpieces by hand: fed, placed and reset, and a station cut from its neighbours."""

from __future__ import annotations

import math

import msgspec
import pytest
from cell_support import BELT, MS, SECOND, W1, W2, W3, Bench, hello, stored
from couplings_bench import MIDDLE, arrived, middle, onwards

from gateway.cell.handover import Transfer
from gateway.net.messages import Accept, Feed, Isolate, Offer, Pause, Place, Release, Reset, Run, Trace
from gateway.twin.workpiece import Happening, Workpiece


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

"""Belts that pass on, zones, mergers and diverters: what goes where, each at its instant."""

from __future__ import annotations

import pytest
from carrier_bench import belt, ids
from twin_bench import Bench, part

from gateway.twin.components.lanes import Diverter, Merger, RollerZone
from gateway.twin.components.transport import PhotoEye


def test_a_belt_passes_on_to_the_next_as_soon_as_there_is_room() -> None:
    bench = Bench()
    second = belt(bench)
    first = belt(bench, second)
    first.admit(part("a", 150))
    bench.to(400)
    first.admit(part("b", 150))
    second.drive("run", False)
    bench.to(2000)
    assert (ids(first), ids(second)) == (["b"], ["a"])
    bench.to(2400)
    assert ids(first) == ["b"], "a stands in the way"
    second.drive("run", True)
    bench.to(2400 + 339)
    assert ids(first) == ["b"]
    bench.to(2400 + 341)  # 150 mm and the gap of 20 mm at 500 mm/s
    assert (ids(first), ids(second)) == ([], ["a", "b"])
    assert [kind for _, kind, _, _ in bench.told()] == [], "nothing was offered to a neighbour"


def test_a_side_lane_comes_in_where_there_is_a_gap() -> None:
    bench = Bench()
    main = belt(bench)
    side = belt(bench, main, **{"to-at": 500, "length": 100})
    for ms, name in ((0, "a"), (300, "b")):
        bench.to(ms)
        main.admit(part(name, 100))
    bench.to(900)  # a at 450, b at 300
    side.admit(part("c", 60))
    bench.to(1100)
    assert ids(side) == ["c"], "a is just passing"
    bench.to(1239)
    assert ids(side) == ["c"]  # a's trailing edge is at 519.5 mm: no gap yet
    bench.to(1241)
    assert ids(side) == ["c"], "between a and b there are 50 mm: too little"
    bench.to(1541)  # b has passed by its gap
    assert (ids(main), ids(side)) == (["a", "b", "c"], [])


def test_two_speeds_a_setpoint_and_reverse() -> None:
    bench = Bench()
    conveyor = belt(bench, creep=100)
    conveyor.admit(part("a"))
    steps = [
        (200, "fast", False, 100),
        (700, "fast", True, 150),
        (800, "setpoint", 250.0, 200),
        (1200, "reverse", True, 300),
        (1600, "setpoint", 1e6, 200),
        (1700, "run", False, 150),
        (1800, "run", True, 150),
        (2500, "reverse", False, 0),
        (2600, "run", False, 50),
    ]
    for ms, port, value, place in steps:
        bench.to(ms)
        assert conveyor.positions() == [pytest.approx(place)], (ms, port)
        conveyor.drive(port, value)


def test_backwards_workpieces_keep_their_gap_and_an_eye_sees_them_come_back() -> None:
    bench = Bench()
    conveyor = belt(bench)
    eye = bench.add(PhotoEye, {"at": 300}, on=conveyor)
    for ms, name in ((0, "a"), (600, "b")):
        bench.to(ms)
        conveyor.admit(part(name, 100))
    bench.to(1500)  # a at 750, b at 450: its trailing edge at 350
    assert eye.sense("sees") is False
    conveyor.drive("reverse", True)
    for ms, sees in ((1599, False), (1601, True), (1799, True), (1801, False)):
        bench.to(ms)
        assert eye.sense("sees") is sees, ms
    bench.to(5000)
    assert conveyor.positions() == [pytest.approx(120), pytest.approx(0, abs=1e-5)]


def test_zones_accumulate_without_pressure() -> None:
    bench = Bench()
    last = bench.add(RollerZone, {"length": 400, "speed": 400})
    first = bench.add(RollerZone, {"length": 400, "speed": 400}, to=last)
    assert not first.admits(part("a")), "it does not turn"
    first.drive("run", True)
    last.drive("run", True)
    first.admit(part("a", 200))
    assert not first.admits(part("b"))
    bench.to(949)
    assert first.sense("sees") is False
    bench.to(951)
    assert first.sense("sees") is True
    bench.to(1001)
    assert (ids(first), ids(last), first.sense("sees")) == ([], ["a"], False)
    first.admit(part("b", 200))
    last.drive("run", False)
    bench.to(2500)
    assert (ids(first), ids(last)) == (["b"], ["a"])
    last.drive("run", True)
    bench.to(3500)
    assert last.waiting() == part("a", 200)
    last.release("a")
    assert ids(last) == ["b"]


def test_a_merger_lets_in_from_the_lane_its_points_are_at() -> None:
    bench = Bench()
    merger = bench.add(Merger, {"length": 1000, "speed": 500, "switch": 200})
    merger.drive("run", True)
    main = belt(bench, merger, length=100)
    side = belt(bench, merger, **{"length": 100, "to-at": 400})
    main.admit(part("m", 50))
    side.admit(part("s", 50))
    bench.to(300)
    assert (ids(merger), ids(side)) == (["m"], ["s"])
    merger.drive("side", True)
    bench.to(499)
    assert (merger.sense("at-main"), merger.sense("at-side")) == (False, False)
    assert not merger.admits(part("x"))
    bench.to(501)
    assert merger.sense("at-side") is True
    assert ids(merger) == ["s", "m"]
    bench.fault(merger, "points-stuck")
    merger.drive("side", False)
    bench.to(1500)
    assert (merger.sense("at-main"), merger.sense("at-side")) == (False, True)


def test_a_diverter_passes_on_to_its_lane_and_waits_for_room_there() -> None:
    bench = Bench()
    main, lane = belt(bench), belt(bench, length=200)
    diverter = bench.add(Diverter, {"at": 500, "travel": 100}, on=main, to=lane)
    diverter.drive("divert", True)
    bench.to(100)
    assert (diverter.sense("diverted"), diverter.sense("straight")) == (True, False)
    main.admit(part("a", 100))
    lane.drive("run", False)
    bench.to(500)
    main.admit(part("b", 100))
    bench.to(1100)
    assert (ids(main), ids(lane)) == (["b"], ["a"])
    bench.to(3000)
    assert main.positions() == [500], "a stands at the inlet of its lane"
    lane.drive("run", True)
    bench.to(3241)
    assert (ids(main), ids(lane)) == ([], ["a", "b"])
    diverter.drive("divert", False)
    main.admit(part("c", 100))
    bench.to(5300)
    assert main.waiting() == part("c", 100)
    assert [each[1:] for each in bench.told()] == [
        ("offered", "a", ""),
        ("offered", "c", ""),
    ]


def test_a_diverter_that_moves_under_a_workpiece_hits_it() -> None:
    bench = Bench()
    main, lane = belt(bench), belt(bench)
    diverter = bench.add(Diverter, {"at": 500, "travel": 100}, on=main, to=lane)
    main.admit(part("a", 100))
    bench.to(1100)
    diverter.drive("divert", True)
    bench.to(3000)
    assert bench.told() == [(1100, "collided", "a", ""), (2000, "offered", "a", "")]

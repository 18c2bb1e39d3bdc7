"""Counting the flow: back-flow is no doubling, what vanishes is lost, what joins another is not."""

from __future__ import annotations

from gateway.net.messages import Trace
from gateway.twin.workpiece import Happening, Kind, Workpiece
from rig.coupling import WayEnd
from rig.flow import FlowLine
from rig.procedures.flow import count
from rig.trace import Reading

FLOW = FlowLine(WayEnd("feed", "main"), 10**10, sinks=[WayEnd("pack", "main"), WayEnd("test", "good")])
Told = tuple[int, Kind, str] | tuple[int, Kind, str, str]


def reading(*told: Told, holds: tuple[str, ...] = ()) -> Reading:
    """What a station's trace told: (time, kind, workpiece, detail)."""
    happenings = tuple(Happening(each[0], each[1], "belt", each[2], *each[3:]) for each in told)
    contents = tuple(Workpiece(name) for name in holds)
    return Reading(Trace(0, 0, 100, 10, "aborted", {}, happenings=happenings, contents=contents))


def test_a_workpiece_may_come_back_to_a_station() -> None:
    counted = count(
        FLOW,
        {
            "feed": reading((0, "entered", "w-1"), (5, "left", "w-1", "test")),
            "test": reading(
                (6, "entered", "w-1", "feed"),
                (8, "left", "w-1", "mend"),
                (20, "entered", "w-1", "mend"),
                (30, "finished", "w-1", "by good"),
            ),
            "mend": reading((9, "entered", "w-1", "test"), (19, "left", "w-1", "test")),
            "pack": reading(),
        },
    )
    assert (counted.workpieces, counted.finished, counted.lost, counted.doubled) == (1, 1, 0, 0)
    assert counted.reworked == 1


def test_one_that_enters_where_it_is_exists_twice() -> None:
    feed = reading((0, "entered", "w-1"), (5, "entered", "w-1", "mend"), holds=("w-1",))
    assert count(FLOW, {"feed": feed}).doubled == 1


def test_one_in_two_places_at_the_end_exists_twice() -> None:
    counted = count(
        FLOW,
        {"feed": reading((0, "entered", "w-1"), holds=("w-1",)), "pack": reading((9, "finished", "w-1"))},
    )
    assert (counted.doubled, counted.lost) == (1, 0)


def test_one_that_is_nowhere_is_lost() -> None:
    counted = count(
        FLOW, {"feed": reading((0, "entered", "w-1"), (5, "left", "w-1", "pack")), "pack": reading()}
    )
    assert (counted.workpieces, counted.lost) == (1, 1)


def test_one_that_comes_out_where_no_sink_is_is_rejected() -> None:
    told = {
        "feed": reading(
            (0, "entered", "w-1"), (0, "entered", "w-2"), (0, "entered", "w-3"), (1, "dropped", "w-3")
        ),
        "test": reading((7, "finished", "w-1", "by reject"), (9, "finished", "w-2", "by good")),
    }
    counted = count(FLOW, told)
    assert (counted.finished, counted.rejected, counted.lost) == (1, 2, 0)


def test_one_that_becomes_part_of_another_is_not_lost() -> None:
    told = {
        "feed": reading((0, "entered", "w-1"), (0, "entered", "w-2"), (5, "joined", "w-2", "w-1")),
        "pack": reading((9, "finished", "w-1")),
    }
    counted = count(FLOW, told)
    assert (counted.workpieces, counted.finished, counted.lost, counted.doubled) == (2, 1, 0, 0)
    assert counted.reworked == 0


def test_takt_is_over_all_sinks() -> None:
    told = {
        "feed": reading(*((0, "entered", f"w-{n}") for n in range(3))),
        "pack": reading((10, "finished", "w-0"), (40, "finished", "w-2")),
        "test": reading((25, "finished", "w-1", "by good")),
    }
    assert count(FLOW, told).takt == (15, 15)


MIXED = {
    "feed": reading((0, "entered", "w-1"), (0, "entered", "w-2"), (5, "left", "w-1", "pack")),
    "pack": reading(
        (1, "entered", "pack-real-0001"),
        (6, "entered", "w-1", "feed"),
        (10, "finished", "pack-real-0001"),
        (14, "finished", "pack-real-0000"),
        (30, "finished", "w-1"),
        (31, "dropped", "pack-real-0002"),
        (70, "finished", "w-2"),
    ),
}


def test_what_a_machine_in_shadow_had_from_elsewhere_is_counted_apart() -> None:
    counted = count(FLOW, MIXED)
    assert (counted.workpieces, counted.finished, counted.rejected, counted.lost) == (2, 2, 0, 0)
    assert counted.besides == 3
    assert counted.takt == (40,)


def test_where_the_machine_brings_them_all_are_what_was_to_come() -> None:
    counted = count(FLOW, MIXED, fed=False)
    assert (counted.finished, counted.rejected, counted.besides) == (4, 1, 0)
    assert counted.takt == (4, 16, 40)

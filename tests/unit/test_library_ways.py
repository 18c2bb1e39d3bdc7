"""Where workpieces go by their programs that do not go straight on: outlets, side lanes, bins, buffers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from library_bench import group_of, open_session, write_station

from gateway.field.tags import TagRef
from gateway.library.bench import bench_station
from gateway.net.messages import Await, AwaitHappenings, Feed, Force, Pause, Trace
from gateway.station import Station, load_station
from gateway.twin.workpiece import Kind
from rig.procedures.common import in_automatic

SECOND = 1_000_000_000
LONG = 30 * SECOND


class Trial:
    """The bench of a group, or a station that is given, in automatic and cut from any neighbour."""

    def __init__(self, folder: Path, name: str, **keys: Any) -> None:
        station = {**bench_station(group_of(name)), **keys}
        self.station: Station = load_station(write_station(folder, station))
        self.session = open_session(folder)
        self.actions: list[Any] = list(in_automatic(self.station, isolated=True))
        self.fed = 0

    def feed(self, carrier: str, count: int = 1) -> None:
        """Put workpieces in; they are w<n> of the line in the order in which this is called."""
        made = tuple(self.session.line.workpiece(self.fed + n + 1) for n in range(count))
        self.fed += count
        self.actions.append(Feed(carrier, made))

    def ready(self, tag: str, level: bool) -> None:
        """What the neighbour at an outlet says, until it says otherwise."""
        self.actions.append(Force(TagRef(tag), level))

    def until(self, tag: str, level: bool) -> None:
        self.actions.append(Await(TagRef(tag), level, 0.0, LONG))

    def happens(self, kind: Kind, count: int) -> None:
        self.actions.append(AwaitHappenings((kind,), count, LONG))

    def pause(self, seconds: float) -> None:
        self.actions.append(Pause(round(seconds * SECOND)))

    def run(self) -> Trace:
        """What happened; it is an error if something did not that was waited for."""
        return self.session.stations[self.station.id].run(*self.actions).trace


def left(trace: Trace) -> list[tuple[str, str]]:
    """Which workpieces went, and from which carrier."""
    return [
        (each.workpiece, each.component) for each in trace.happenings if each.kind in ("left", "rejected")
    ]


@pytest.mark.parametrize(("open_", "carrier"), [("main", "belt"), ("side", "unit-lane")])
def test_a_diverter_leads_to_the_outlet_that_is_ready(open_: str, carrier: str, tmp_path: Path) -> None:
    trial = Trial(tmp_path, "diverter")
    trial.ready("next-ready", open_ == "main")
    trial.ready("ready-side", open_ == "side")
    trial.feed("belt")
    trial.happens("left", 1)
    trace = trial.run()
    assert [each for _, each in left(trace)] == [carrier]
    assert not [each for each in trace.happenings if each.kind == "collided"]


@pytest.mark.parametrize(("open_", "carrier"), [("first", "unit-first"), ("second", "unit-second")])
def test_a_sorting_shuttle_goes_to_the_lane_that_is_ready(open_: str, carrier: str, tmp_path: Path) -> None:
    trial = Trial(tmp_path, "shuttle-sorter")
    trial.ready("ready-first", open_ == "first")
    trial.ready("ready-second", open_ == "second")
    trial.feed("unit-car")
    trial.happens("left", 1)
    trace = trial.run()
    assert [each for _, each in left(trace)] == [carrier]
    assert not [each for each in trace.happenings if each.kind == "collided"]


def test_a_merger_lets_the_side_lane_go_first_and_none_collide(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "merger")
    trial.ready("next-ready", False)
    trial.feed("unit-main")
    trial.until("stop-present", True)
    trial.feed("unit-main")
    trial.feed("unit-side")
    trial.until("unit-main-present", True)
    trial.until("unit-side-present", True)
    trial.pause(1)
    for count in (1, 2, 3):
        trial.ready("next-ready", True)
        trial.happens("left", count)
        trial.ready("next-ready", False)
        trial.pause(1)
    trace = trial.run()
    fed = [trial.session.line.workpiece(n).id for n in (1, 3, 2)]
    assert [workpiece for workpiece, _ in left(trace)] == fed
    assert not [each for each in trace.happenings if each.kind == "collided"]


def test_a_buffer_fills_while_the_next_takes_none_and_gives_one_at_a_time(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "buffer")
    trial.ready("next-ready", False)
    trial.feed("unit", 10)
    trial.until("unit-full", True)
    trial.until("take", False)
    trial.pause(5)
    for count in (1, 2):
        trial.ready("next-ready", True)
        trial.happens("left", count)
        trial.ready("next-ready", False)
        trial.pause(2)
    trace = trial.run()
    assert [workpiece for workpiece, _ in left(trace)] == [trial.session.line.workpiece(n).id for n in (1, 2)]
    inside = [each.id for each in trace.contents]
    assert inside == [trial.session.line.workpiece(n).id for n in range(3, 11)], "as many as it holds"


@pytest.mark.parametrize(("quality", "kind"), [("clamp.closed", "left"), ("clamp.opened", "rejected")])
def test_what_is_not_good_goes_into_the_bin(quality: str, kind: Kind, tmp_path: Path) -> None:
    """Whether a closed clamp counts as good stands in for an inspection."""
    groups = bench_station(group_of("reject-chute"))["groups"]
    assert isinstance(groups, dict)
    clamp = {"use": "clamp", "links": {"on": "belt"}}
    trial = Trial(
        tmp_path, "reject-chute", groups={**groups, "clamp": clamp}, cycle=[["clamp"]], quality=quality
    )
    trial.ready("next-ready", True)
    trial.feed("belt")
    trial.happens(kind, 1)
    assert [each for each, _ in left(trial.run())] == [trial.session.line.workpiece(1).id]

"""Who has come to a line: the station wanted, another version, a stranger that could join, one that left."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.announce import about
from gateway.belonging import Belonging
from gateway.net import topics
from gateway.net.reports import State
from gateway.station import load_station
from rig.line import Line, load_line
from rig.presence import Seen, presences

BELT = Path(__file__).parent / "data" / "cell" / "belt.yaml"
UP, DOWN = State(True, "b", "ready"), State(False, "b")
ABOUT = about(load_station(BELT), "b", "1.0")


@pytest.fixture
def line(tmp_path: Path) -> Line:
    (tmp_path / "line.yaml").write_text(
        "twinline: line 1\nid: one\nproduct: {type: box}\nstations:\n"
        f"  - {{station: {BELT}, as: first}}\n  - {{station: {BELT}, as: second}}\n"
    )
    return load_line(tmp_path / "line.yaml")


def said(line: Line, **seen: Seen) -> dict[str, tuple[str, str]]:
    return {each.station: (each.standing, each.text) for each in presences(line, seen)}


def test_what_a_station_announces() -> None:
    station = load_station(BELT)
    assert ABOUT.station_sha256 == station.sha256
    assert (ABOUT.inlets, ABOUT.outlets) == ({"main": "any"}, {"main": "any"})
    assert (ABOUT.outputs, ABOUT.inputs) == (len(station.outputs), len(station.inputs))


def test_there_absent_and_gone(line: Line) -> None:
    assert said(line, first=Seen(ABOUT, UP)) == {
        "first": ("there", "A belt with an eye: 4 outputs, 5 inputs, controller ready"),
        "second": ("absent", "no gateway was heard of"),
    }
    assert said(line, first=Seen(ABOUT, DOWN))["first"][0] == "gone"


def test_a_problem_is_told(line: Line) -> None:
    state = msgspec.structs.replace(UP, problem="w-1 may have passed to second")
    assert said(line, first=Seen(ABOUT, state))["first"][1].endswith("; w-1 may have passed to second")


def test_who_is_revoked_is_not_there(line: Line) -> None:
    why = Belonging("c", 1, (), {"first": b"key"}).dismisses("first", b"key")
    assert said(line, first=Seen(ABOUT, msgspec.structs.replace(UP, problem=why)))["first"] == ("barred", why)


def test_another_version_of_the_file(line: Line) -> None:
    other = msgspec.structs.replace(ABOUT, station_sha256="0", groups={"belt": "belt-600", "air": "air-unit"})
    standing, text = said(line, first=Seen(other, UP))["first"]
    assert standing == "other"
    assert text.endswith("A belt with an eye: 4 outputs, 5 inputs, groups air-unit, belt-600")
    assert said(line, first=Seen(None, UP))["first"][0] == "other"


def test_a_stranger_is_matched_to_the_line(line: Line) -> None:
    standing, text = said(line, third=Seen(ABOUT, UP))["third"]
    assert standing == "stranger"
    assert "it has the file of first, second: to join, add it to the line by as:" in text
    other = msgspec.structs.replace(ABOUT, station_sha256="0")
    assert "no station of the line has that file" in said(line, third=Seen(other, UP))["third"][1]
    assert "third" not in said(line, third=Seen(ABOUT, DOWN))
    composed = {"third": Seen(msgspec.structs.replace(other, groups={"a": "air-unit", "b": "belt-600"}), UP)}
    *_, found = presences(line, composed, ("air-unit",))
    assert found.text.endswith("to join, first add to the library here: belt-600")


def test_only_the_station_says_what_it_is_and_the_broker_keeps_it() -> None:
    topic = topics.about("one", "first")
    assert topics.topic_sender(topic) == "first"
    assert topics.retainable(topic)

"""The tolerance of a tag in its station file: what it amounts to, and what is wrong with it, at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cell.agreement import SETTLING, Agreement
from gateway.errors import BadInput
from gateway.field.tolerance import TIME, Tolerance
from gateway.station import Station, load_station
from rig.differences import tolerated

MS = 1_000_000
STATIONS = Path(__file__).resolve().parents[2] / "config" / "stations"
INFEED = (STATIONS / "infeed.yaml").read_text("utf-8")


def written(folder: Path, **tolerances: str) -> Path:
    """The starter's first station, whose tags have these tolerances."""
    text = INFEED
    for name, said in tolerances.items():
        (line,) = [each for each in text.splitlines() if each.startswith(f"  {name.replace('_', '-')}: ")]
        text = text.replace(line, line.removesuffix("}") + f", tolerance: {said}}}")
    file = folder / "infeed.yaml"
    file.write_text(text, "utf-8")
    return file


def line_of(name: str) -> int:
    return next(n for n, each in enumerate(INFEED.splitlines(), 1) if each.startswith(f"  {name}: "))


def loaded(folder: Path, **tolerances: str) -> Station:
    return load_station(written(folder, **tolerances))


def test_what_is_usual_where_nothing_is_said(tmp_path: Path) -> None:
    tags = loaded(tmp_path).tags
    assert tags["air-ok"].tolerance == Tolerance(0.0, TIME)
    assert tags["belt-speed"].tolerance == Tolerance(25.0, TIME)
    assert tags["seen-speed"].tolerance.value == 5.0
    assert tags["seen"].tolerance.value == 0.0
    assert tags["belt-run"].tolerance.value == 0.0


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("{value: 2}", Tolerance(2.0, TIME)),
        ("{value: 0.2 m/s}", Tolerance(200.0, TIME)),
        ("{time: 50 ms}", Tolerance(25.0, 50 * MS)),
        ("{value: 0, time: 1 s}", Tolerance(0.0, 1000 * MS)),
    ],
)
def test_what_the_file_says_stands_in_for_it(said: str, found: Tolerance, tmp_path: Path) -> None:
    assert loaded(tmp_path, belt_speed=said).tags["belt-speed"].tolerance == found


@pytest.mark.parametrize(
    ("tag", "said", "what", "hint"),
    [
        ("belt-speed", "{}", "tolerance says nothing", "value, time or both"),
        ("belt-speed", "{value: 3 bar}", "'3 bar' is a pressure", "10 mm/s"),
        ("belt-speed", "{value: -1}", "value -1", "give 0 to 500 mm/s"),
        ("belt-speed", "{value: 501}", "value 501", "give 0 to 500 mm/s"),
        ("belt-speed", "{time: 0 s}", "time 0 ms", "at most 5 s"),
        ("belt-speed", "{time: 6 s}", "time 6 s", "at most 5 s"),
        ("air-ok", "{value: 1}", "a BOOL has none in value", "leave value out"),
        ("seen", "{value: 1}", "bits of an output", "leave value out"),
        ("seen-speed", "{time: 50 ms}", "counted in scans", "beside: {within: 5}"),
        ("next-ready", "{time: 50 ms}", "the twin does not show it", "leave tolerance out"),
        ("command", "{value: 1}", "the twin does not show it", "leave tolerance out"),
    ],
)
def test_what_is_wrong_is_said_at_its_line(tag: str, said: str, what: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as bad:
        loaded(tmp_path, **{tag.replace("-", "_"): said})
    (problem,) = bad.value.problems
    assert problem.line == line_of(tag)
    assert problem.what.startswith(f"{tag}: ")
    assert what in problem.what
    assert hint in problem.hint


@pytest.mark.parametrize(("said", "what"), [("0.5", "belt-speed.tolerance"), ("{time: 50}", "has no unit")])
def test_what_cannot_even_be_read_has_its_column_too(said: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as bad:
        loaded(tmp_path, belt_speed=said)
    assert [(each.line, what in each.what, each.column > 0) for each in bad.value.problems] == [
        (line_of("belt-speed"), True, True)
    ]


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as bad:
        loaded(tmp_path, belt_speed="{value: -1, time: 9 s}", air_ok="{value: 1}")
    assert [each.line for each in bad.value.problems] == [line_of("air-ok"), *[line_of("belt-speed")] * 2]


def test_a_composed_station_has_it_over_what_follows_from_its_groups(tmp_path: Path) -> None:
    text = (STATIONS / "smartphone" / "press.yaml").read_text("utf-8")
    tags = load_station(STATIONS / "smartphone" / "press.yaml").tags
    name = next(each.name for each in tags.values() if each.direction == "input" and each.tolerance.value)
    file = tmp_path / "press.yaml"
    file.write_text(f"{text}\ntags:\n  {name}:\n    tolerance: {{time: 30 ms}}\n", "utf-8")
    station = load_station(file)
    assert station.tags[name].tolerance == tags[name].tolerance._replace(time=30 * MS)
    assert station.composed == load_station(STATIONS / "smartphone" / "press.yaml").composed
    file.write_text(f"{text}\ntags:\n  {name}:\n    tolerance:\n      time: 30 s\n", "utf-8")
    with pytest.raises(BadInput) as bad:
        load_station(file)
    assert [each.line for each in bad.value.problems] == [len(text.splitlines()) + 5]


@pytest.mark.parametrize(
    ("said", "begins"),
    [
        ("", []),
        ("{value: 5}", [500 * MS]),
        ("{value: 5, time: 50 ms}", [350 * MS]),
        ("{value: 5, time: 1 s}", []),
    ],
)
def test_a_gateway_compares_by_it(said: str, begins: list[int], tmp_path: Path) -> None:
    agreement = Agreement(loaded(tmp_path, **({"belt_speed": said} if said else {})))
    seen = [(0, 100.0), *((SETTLING + at * MS, 100.0 if at < 300 else 110.0) for at in range(0, 900, 10))]
    found = []
    for now, speed in seen:
        agreement.look(now, True, {"belt-speed": speed}, {"belt-speed": 100.0})
        found += [each.begin - SETTLING for each in agreement.told]
    assert found == begins


def test_it_is_said_in_words(tmp_path: Path) -> None:
    tags = loaded(tmp_path, belt_speed="{value: 2, time: 50 ms}").tags
    said = {
        name: tolerated(tags[name], 4) for name in ("belt-speed", "air-ok", "belt-run", "seen-speed", "seen")
    }
    assert said == {
        "belt-speed": "±2 mm/s, 50 ms",
        "air-ok": "200 ms",
        "belt-run": "4 scans",
        "seen-speed": "±5 mm/s, 4 scans",
        "seen": "4 scans",
    }

"""Stations composed of groups: what follows from them, what runs, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from library_bench import open_session
from starter_harness import hold, scenarios

from gateway.controller.compile import compile_program
from gateway.errors import BadInput
from gateway.field.tags import TagRef
from gateway.net.messages import AwaitHappenings, Feed, Force, Inject, Pause
from gateway.station import Station, load_station
from rig.line import load_line
from rig.open import Options, prepare
from rig.procedures.common import in_automatic

HEAD = """\
twinline: station 1
id: test
devices: {plc: {address: "modbus://127.0.0.1:15040/1"}}
"""
GROUPS = """\
groups:
  belt:  {use: belt}
  air:   {use: air-unit}
  guard: {use: guard-door}
  stop:  {use: stop-gate}
  clamp: {use: clamp}
  press: {use: cylinder, lock: [guard]}
"""
CYCLE = """\
cycle:
  - [clamp]
  - [press]
  - home: [press]
"""
SORTING = """\
groups:
  belt:   {use: belt}
  air:    {use: air-unit}
  stop:   {use: stop-gate, params: {at: 260 mm}, links: {on: belt}}
  camera: {use: camera, params: {at: 220 mm}, links: {on: belt}}
  points: {use: diverter, params: {at: 550 mm}, links: {on: belt}}
cycle:
  - [camera]
quality: camera.passed
inlets: {main: belt}
outlets: {main: belt, back: points-lane}
"""
LINE = """\
twinline: line 1
id: trial
product: {type: part, length: 150 mm}
stations:
  - {station: station.yaml, mode: virtual}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "station.yaml"
    path.write_text(text, "utf-8")
    (folder / "line.yaml").write_text(LINE, "utf-8")
    return path


def load(folder: Path, text: str) -> Station:
    return load_station(write(folder, text))


def wrong(folder: Path, text: str) -> str:
    with pytest.raises(BadInput) as caught:
        load(folder, text)
    return str(caught.value)


def test_tags_twin_program_and_scenarios_follow_from_the_groups(tmp_path: Path) -> None:
    station = load(tmp_path, HEAD + GROUPS + CYCLE)
    assert station.groups == {
        "belt": "belt", "air": "air-unit", "guard": "guard-door", "stop": "stop-gate", "clamp": "clamp",
        "press": "cylinder",
    }  # fmt: skip
    assert station.twin["stop-gate"].links == {"on": "belt", "air": "air"}
    assert station.twin["clamp"].links == {"air": "air", "holds": "belt"}
    assert station.twin["stop-eye"].params["at"] == 280
    assert station.inlets == station.outlets == {"main": "belt"}
    assert station.reentry == "belt"
    assert station.handshake.takes == {"main": "take"}
    assert station.handshake.readies == {"main": "next-ready"}
    assert [each.name for each in station.outputs if each.name not in station.echoes] == [
        "belt-run", "stop-open", "clamp-close", "press-extend", "take", "lamp-fault",
    ]  # fmt: skip
    assert all(tag.observer is not None for tag in station.inputs)
    assert all(tag.jog is not None for tag in station.outputs if tag.name not in station.echoes)
    assert set(station.sequences) == {"cycle", "waits-for-next"}
    assert "guard-door-open" in station.interlocks
    program = compile_program(station.composed)
    assert program.name == "TestStation"
    assert not program.warnings


def test_the_lines_of_problems_are_those_of_the_group_that_they_follow_from(tmp_path: Path) -> None:
    text = HEAD + GROUPS.replace("{use: belt}", "{use: belt, params: {length: 200 m}}")
    assert "station.yaml:5: belt.length: 200 m" in wrong(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("use: clamp}", "use: clmp}", "9: clamp: 'clmp' is no group of the library; did you mean 'clamp'?"),
        ("use: clamp}", "use: clamp, params: {att: 3}}", "9: clamp: a clamp has no parameter 'att'"),
        ("use: clamp}", "use: clamp, params: {at: 3 s}}", "9: clamp.at: '3 s' is a time"),
        ("use: clamp}", "use: clamp, links: {on: air}}", "9: clamp: link on names 'air', a air-supply"),
        ("use: clamp}", "use: clamp, links: {on: blt}}", "9: clamp: link on names 'blt', which is no group"),
        ("use: clamp}", "use: clamp, links: {on: belt.x}}", "9: clamp: link on names 'belt.x'; belt has no"),
        ("use: clamp}", "use: clamp, links: {off: belt}}", "9: clamp: a clamp has no link 'off'"),
        ("use: clamp}", "use: clamp, lock: [gard]}", "9: clamp: lock names 'gard', which is no group"),
        ("use: belt}", "use: belt, lock: [guard]}", "5: belt: the pattern Belt has no Lock"),
        ("use: clamp}", "use: clamp, duty: {rest: 3 s}}", "9: clamp: there is no duty 'rest'"),
        ("use: clamp}", "use: clamp, duty: {work: 3}}", "9: clamp: duty: work: '3' has no unit"),
        ("use: clamp}", "use: clamp, program: {Time: 3 s}}", "9: clamp: a clamp is not given 'Time'"),
        ("  air:   {use: air-unit}\n", "", "8: clamp: link air is missing; add a group with a air-supply"),
        ("clamp: {use: clamp}", "other: {use: air-unit}", "link air is missing; name one of air, other"),
        ("  - [press]", "  - [pres]", "step 2: pres is no group of the station; did you mean 'press'?"),
        ("  - [press]", "  - [guard]", "step 2: guard has no Work, Done and Home"),
        ("  - [press]", "  - [clamp]", "step 2: clamp is at work already; let it go home before"),
        ("home: [press]", "home: [clamp, press, press-2]", "step 3: press-2 is no group of the station"),
        ("  - [press]\n", "", "step 2: press is not at work"),
        ("clamp: {use: clamp}", "clamp: {use: stop-gate}", "stop, clamp all tell of a workpiece in place"),
        ("cycle:", "quality: press.good\ncycle:", "quality: press has no 'good'"),
        ("cycle:", "quality: pres.done\ncycle:", "quality: 'pres' is no group"),
        ("cycle:", "present: clamp\ncycle:", "present: 'clamp' tells of no workpiece; there are stop"),
        ("use: belt}", "use: belt, links: {to: stop}}", "5: belt: link to names 'stop', a stopper"),
        ("  press:", "  a-name-that-is-far-too-long:", "10: a-name-that-is-far-too-long: the tag"),
        (
            "id: test\n",
            "id: test\ntags: {stop-open: {adress: x}}\n",
            "3:20: stop-open: key 'adress'",
        ),
        ("id: test\n", "id: test\ntwin: {clamp: {kind: clmp}}\n", "3: clamp: kind 'clmp' is not known"),
    ],
)
def test_what_is_said_of_a_wrong_station(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = HEAD + GROUPS + CYCLE
    assert old in text
    assert said in wrong(tmp_path, text.replace(old, new, 1))


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = (HEAD + GROUPS + CYCLE).replace("use: clamp}", "use: clamp, params: {at: 3 s, x: 1}}")
    said = wrong(tmp_path, text.replace("use: belt}", "use: belt, params: {length: 1 V}}"))
    assert len(said.splitlines()) == 3


def test_what_the_file_says_itself_goes_over_what_follows(tmp_path: Path) -> None:
    own = """\
tags:
  stop-open: {address: "coil:77", title: stopper of the first lane}
twin:
  stop-gate: {params: {travel: 120 ms}}
interlocks:
  guard-door-open: null
"""
    station = load(tmp_path, HEAD + own + GROUPS + CYCLE)
    assert station.tags["stop-open"].text == "coil:77"
    assert station.tags["stop-open"].title == "stopper of the first lane"
    assert "StopOpen AT %QX9.5 : BOOL;" in station.composed
    assert station.twin["stop-gate"].params["travel"] == 120
    assert "guard-door-open" not in station.interlocks


def test_a_place_that_the_program_cannot_have_leaves_none_to_run(tmp_path: Path) -> None:
    own = 'tags: {belt-speed: {address: "hr:7", type: INT, raw: 0..27648}}\n'
    station = load(tmp_path, HEAD + own + GROUPS)
    assert station.composed == ""
    with pytest.raises(BadInput, match="belt-speed as tags: has it has no place in the program"):
        prepare(Options(tmp_path / "line.yaml"))


def test_a_program_that_is_named_goes_before_the_composed_one(tmp_path: Path) -> None:
    station = load(tmp_path, HEAD + GROUPS)
    (tmp_path / "own.st").write_text(station.composed.replace("TestStation", "Own"), "utf-8")
    text = HEAD.replace('/1"}', '/1", program: own.st}') + GROUPS
    write(tmp_path, text)
    assert load_line(tmp_path / "line.yaml").stations["test"].program == tmp_path / "own.st"


def test_the_hash_is_of_what_is_used_of_the_library_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(tmp_path, HEAD + GROUPS)
    library = tmp_path / "config" / "library"
    library.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    own = "twinline: library 1\ngroups:\n  {}: {{extends: {}, params: {{travel: {{default: 99}}}}}}\n"
    (library / "own.yaml").write_text(own.format("other", "clamp"), "utf-8")
    assert load(tmp_path, HEAD + GROUPS).sha256 == before.sha256
    shadow = "twinline: library 1\ngroups:\n  guard-door:\n    title: Gate\n    family: safety\n"
    shadow += "    function: [guard]\n    parts: {door: {kind: door}}\n    pattern: Guard\n"
    (library / "own.yaml").write_text(shadow, "utf-8")
    after = load(tmp_path, HEAD + GROUPS)
    assert after.sha256 != before.sha256
    assert after.groups == before.groups


def test_a_parameter_may_be_drawn_from_a_distribution(tmp_path: Path) -> None:
    """The twin draws; what is calculated of it, such as times of the program, takes the mean."""
    text = HEAD + SORTING.replace("{at: 220 mm}", "{at: 220 mm, time: uniform 100 ms 300 ms}")
    station = load(tmp_path, text)
    assert station.twin["camera"].params["time"] == 200
    assert station.twin["camera"].drawn["time"].numbers == (100, 300)
    assert "MaxTime := T#700ms" in station.composed
    said = wrong(tmp_path, text.replace("100 ms 300 ms", "200 ms"))
    assert said.startswith(f"{tmp_path}/station.yaml:8: camera.time: 'uniform 200 ms' is no distribution")


def test_a_calculation_without_a_result_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "config" / "library"
    library.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    (library / "own.yaml").write_text(
        "twinline: library 1\ngroups:\n  share:\n    extends: clamp\n"
        "    params: {parts: {default: 2}}\n    parts: {rod: {params: {at: $at / $parts}}}\n",
        "utf-8",
    )
    assert (
        load(tmp_path, HEAD + GROUPS.replace("use: clamp}", "use: share}")).twin["clamp"].params["at"] == 150
    )
    said = wrong(tmp_path, HEAD + GROUPS.replace("use: clamp}", "use: share, params: {parts: 0}}"))
    assert said.endswith("station.yaml:4: groups: '$at / $parts' divides by 0; choose another divisor")


def test_more_signals_than_one_controller_serves(tmp_path: Path) -> None:
    many = "".join(f"  s{n}: {{use: power-supply-measured}}\n" for n in range(70))
    assert "a controller serves 256; divide the station" in wrong(tmp_path, HEAD + "groups:\n" + many)


@pytest.mark.parametrize("good", [True, False])
def test_quality_decides_by_which_outlet_a_workpiece_leaves(good: bool, tmp_path: Path) -> None:
    station = load(tmp_path, HEAD + SORTING)
    assert station.handshake.readies == {"main": "next-ready", "back": "ready-back"}
    session = open_session(tmp_path)
    handle = session.stations["test"]
    actions = in_automatic(station, isolated=False)
    if not good:
        actions.append(Inject("camera.misjudges"))
    actions += [
        Feed("belt", (session.line.workpiece(1), session.line.workpiece(2))),
        AwaitHappenings(("finished",), 2, 30_000_000_000),
    ]
    reading = handle.run(*actions)
    ends = {each.component for each in reading.trace.happenings if each.kind == "finished"}
    assert ends == {"belt" if good else "points-lane"}
    assert reading.value(TagRef("lamp-fault")) is False


def test_a_workpiece_is_brought_only_while_the_station_takes_one(tmp_path: Path) -> None:
    station = load(tmp_path, HEAD + GROUPS + CYCLE)
    session = open_session(tmp_path)
    handle = session.stations["test"]
    pieces = tuple(session.line.workpiece(n) for n in range(1, 4))
    reading = handle.run(
        *in_automatic(station, isolated=True),
        Force(TagRef("next-ready"), False),
        Feed("belt", pieces),
        Pause(8_000_000_000),
    )
    entered = [each.time for each in reading.trace.happenings if each.kind == "entered"]
    assert len(entered) == 1  # the first one waits done, for no next station takes it
    assert reading.value(TagRef("take")) is False


def test_without_groups_nothing_is_composed(tmp_path: Path) -> None:
    station = load(tmp_path, HEAD + "tags: {}\ntwin: {}\n")
    assert (station.groups, station.composed, station.handshake.takes) == ({}, "", {})
    write(tmp_path, HEAD + "tags: {}\ntwin: {}\n")
    with pytest.raises(BadInput, match="the controller names no program"):
        prepare(Options(tmp_path / "line.yaml"))


RETURNING = """\
groups:
  belt:  {use: belt}
  air:   {use: air-unit}
  stop:  {use: stop-gate}
  clamp: {use: clamp}
  unit:  {use: GROUP}
  press: {use: cylinder}
cycle:
  - [clamp]
  - [unit]
  - [press]
  - home: [unit, press]
"""


@pytest.mark.parametrize("group", ["press-servo", "screwdriver", "laminator", "soldering-iron", "camera"])
def test_what_comes_back_by_itself_is_awaited_where_it_does(group: str, tmp_path: Path) -> None:
    write(tmp_path, HEAD + RETURNING.replace("GROUP", group))
    session = open_session(tmp_path)
    station = session.stations["test"]
    for scenario in scenarios(station):
        assert hold(station, scenario).problems == "", scenario.title


def test_only_what_done_asks_for_comes_back_by_itself(tmp_path: Path) -> None:
    def order(group: str) -> list[str]:
        station = load(tmp_path, HEAD + RETURNING.replace("GROUP", group))
        steps = station.sequences["cycle"].steps
        return [f"{step.ref} {step.value}" for step in steps if str(step.ref).startswith(("unit", "press"))]

    ram = ["unit-press True", "unit-by-force True", "unit-press False", "unit-at-top True"]
    assert order("press-servo") == [*ram, "press-extend True", "press-extended True", "press-extend False"]
    assert order("camera")[-2:] == ["unit-trigger False", "press-extend False"]


JOINED = """\
groups:
  first:  {use: zone-a, links: {to: second}}
  second: {use: zone-b}
  stop:   {use: stop-gate, links: {on: second}}
inlets: {main: first-zone}
"""


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("dock-150, handshake: ready-take", "dock-150, handshake: none",
         "handshake ready-take does not fit handshake none"),
        ("dock-150, handshake: none", "dock-150, handshake: ready-take",
         "handshake none does not fit handshake ready-take"),
        ("dock-150, handshake: ready-take", "pallet-400, handshake: ready-take",
         "dock-150 does not fit pallet-400"),
        ("dock-150, handshake: ready-take", "any, handshake: any", ""),
    ],
)  # fmt: skip
def test_groups_join_where_mechanics_and_handshake_are_the_same(
    first: str, second: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "config" / "library"
    library.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    own = "twinline: library 1\ngroups:\n"
    for name, interface in (("zone-a", first), ("zone-b", second)):
        own += f"  {name}: {{extends: roller-zone, interface: {{mechanical: {interface}}}}}\n"
    (library / "own.yaml").write_text(own, "utf-8")
    write(tmp_path, HEAD + JOINED)
    said = ""
    try:
        load_station(tmp_path / "station.yaml")
    except BadInput as bad:
        said = "\n".join(str(each) for each in bad.problems if "cannot lead" in each.what)
    expected = f"station.yaml:5: first (zone-a) cannot lead to second (zone-b): {why}, by its link to; "
    assert expected in said if why else said == ""

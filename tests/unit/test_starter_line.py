"""The starter line: its programs do what its station files say, with margin, and wrong programs are found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from _pytest.mark import ParameterSet
from starter_harness import checkout, compiled, hold, line, open_session, procedure, run, scenarios, source

from gateway.field.tags import TagRef
from gateway.net.messages import Action, Await, Force, Free, Inject, Pause, Place, Reset
from gateway.scenario import Scenario
from rig.procedures.common import awaiting, in_automatic
from rig.procedures.flow import test_workpieces as check_flow
from rig.procedures.sequence import scenario_actions
from rig.session import StationHandle

STATIONS = tuple(line().stations)


def named(*modes: str) -> list[ParameterSet]:
    """Every scenario that is done in one of ``modes``, as (station, name)."""
    return [
        pytest.param(name, scenario.name, id=f"{name}-{scenario.name}")
        for name, lined in line().stations.items()
        for scenario in (*lined.station.sequences.values(), *lined.station.interlocks.values())
        if scenario.mode in modes
    ]


MARGIN = 60  # ms; what scans of controller and gateway on a busy machine may add or take
MS = 1_000_000


def scenario(station: StationHandle, name: str) -> Scenario:
    return next(each for each in scenarios(station) if each.name == name)


def plant_outputs(station: StationHandle) -> list[str]:
    """The BOOL outputs of a station."""
    return [tag.name for tag in station.spec.outputs if tag.type.kind == "bool"]


def acknowledge(station: StationHandle) -> list[Action]:
    ref = station.spec.acknowledge
    assert ref is not None
    return [Force(ref, True), Pause(50 * MS), Free(ref), Pause(50 * MS)]


# --- what the files promise ------------------------------------------------------------------------


@pytest.mark.parametrize("name", STATIONS)
def test_the_programs_compile_without_a_warning(name: str) -> None:
    assert compiled(source(name)).warnings == ()


@pytest.mark.parametrize("name", STATIONS)
def test_every_tag_can_be_checked_out(name: str) -> None:
    spec = line().stations[name].station
    assert 12 <= len(spec.tags) <= 20
    assert len(spec.interlocks) >= 2
    assert len(spec.sequences) >= 1
    assert all(tag.observer is not None for tag in spec.inputs)
    assert all(tag.jog is not None for tag in spec.outputs if tag.name not in spec.echoes)


@pytest.mark.parametrize(("station", "name"), named("automatic", "manual"))
def test_a_scenario_is_met_with_margin(station: str, name: str) -> None:
    handle = open_session().stations[station]
    result = hold(handle, scenario(handle, name))
    assert result.problems == ""
    for measured in result.step.measurements:
        if isinstance(measured.value, str):
            continue
        assert measured.high is not None
        print(f"{measured.name}: {measured.low} .. {measured.value:.0f} .. {measured.high} ms")
        assert measured.high - measured.value >= MARGIN, measured.name
        assert not measured.low or measured.value - measured.low >= MARGIN, measured.name


@pytest.mark.parametrize("name", STATIONS)
def test_each_jog_moves_its_output_alone_and_each_observer_follows_its_input(name: str) -> None:
    found = {tag: result.problems for tag, result in checkout(open_session().stations[name])}
    assert found == dict.fromkeys(found, "")
    assert len(found) == len(line().stations[name].station.tags) - len(line().stations[name].station.echoes)


def test_ten_workpieces_flow_through_in_takt() -> None:
    session = open_session()
    result = procedure(session, lambda step: check_flow(session, step))
    assert result.problems == ""
    assert session.flow is not None
    assert (session.flow.finished, session.flow.lost, session.flow.doubled) == (10, 0, 0)
    assert max(session.flow.takt) < 3_000 * MS


# --- manual, acknowledge, recovery ---------------------------------------------------------------------


@pytest.mark.parametrize(("station", "name"), named("automatic"))
def test_after_a_fault_an_acknowledge_brings_the_station_back(station: str, name: str) -> None:
    handle = open_session().stations[station]
    faulty = scenario(handle, name)
    actions = scenario_actions(handle, faulty) + [awaiting(each) for each in faulty.steps]
    actions += [Inject(fault) for fault in faulty.inject] + [awaiting(each) for each in faulty.expect]
    lamp = TagRef("lamp-fault")
    faults = [each for each in faulty.expect if each.ref == lamp]
    cycle = next(iter(handle.spec.sequences.values()))
    again = line().workpiece(2, "again")
    before = len(actions)
    actions += [Reset(), Pause(600 * MS)]
    if faults:
        actions += acknowledge(handle)
    else:  # a part was rejected or finished: the station goes on by itself
        actions += [Pause(3_000 * MS)]
    actions += [Await(lamp, False, 0.0, 100 * MS), Pause(1_000 * MS)]
    actions += [Force(ref, value) for ref, value in cycle.set]
    actions += [Place("belt", (again,), 1_000 * MS), *(awaiting(each) for each in cycle.steps)]
    reading = run(handle, *actions)
    if faults:
        settled = reading.trace.marks[before + 1]
        assert reading.value(lamp, settled) is True, "the fault must stay until it is acknowledged"
    assert reading.value(lamp) is False


@pytest.mark.parametrize(
    ("station", "fault", "off"),
    [("infeed", "belt.trip", "belt-run"), ("glue", "door.open", "take"), ("screw", "air.lost", "take")],
)
def test_a_fault_whose_cause_remains_cannot_be_acknowledged(station: str, fault: str, off: str) -> None:
    handle = open_session().stations[station]
    lamp = TagRef("lamp-fault")
    actions = [
        *in_automatic(handle.spec, isolated=True),
        Pause(1_000 * MS),
        Inject(fault),
        Await(lamp, True, 0.0, 500 * MS),
    ]
    reading = run(handle, *actions, *acknowledge(handle), Pause(200 * MS))
    assert reading.value(lamp) is True
    assert reading.value(TagRef(off)) is False


@pytest.mark.parametrize(
    ("station", "busy"), [("infeed", "stopper-open"), ("glue", "axis-target"), ("screw", "driver-run")]
)
def test_manual_stops_everything_and_automatic_starts_clean(station: str, busy: str) -> None:
    handle = open_session().stations[station]
    manual = handle.spec.manual
    assert manual is not None
    cycle = next(iter(handle.spec.sequences.values()))
    started = scenario_actions(handle, cycle)
    steps = handle.spec.tags
    ready = Await(TagRef(busy), 120.0 if busy == "axis-target" else True, 0.5, 3_000 * MS)
    to_manual = [Force(manual, True), Pause(200 * MS), Reset(), Free(manual), Pause(1_500 * MS)]
    reading = run(handle, *started, ready, *to_manual)
    stopped = reading.trace.marks[len(started) + 2]
    for output in plant_outputs(handle):
        assert reading.value(TagRef(output), stopped) is False, output
    if "axis-target" in steps:
        assert reading.value(TagRef("axis-target"), stopped) == 0
    assert reading.value(TagRef("lamp-fault")) is False
    assert reading.value(TagRef("belt-run")) is True
    if "take" in steps:
        assert reading.value(TagRef("take")) is True


# --- wrong programs ------------------------------------------------------------------------------------

# No scenario reaches these: the bound of the step timer, and the time for homing, which is over before a
# scenario can inject anything.
UNREACHED = {"infeed": {"T#60s"}, "glue": {"T#60s", "T#3s"}, "screw": {"T#60s", "T#2s"}}

OUTPUT = re.compile(r"^( *)(\w+) := ((?:State|Command|\().*);$", re.MULTILINE)
ECHO = re.compile(r"^Seen\.(\d) := (\w+);$", re.MULTILINE)
TIME = re.compile(r"T#(\d+)(ms|s)")


class Change(NamedTuple):
    """A piece of a program's text, and what a wrong program has there."""

    start: int
    end: int
    new: str
    what: str


def changes(name: str, text: str) -> Iterator[Change]:
    """One thing wrong: a doubled time, an inverted output or jog, an inverted or misplaced echo."""
    for m in TIME.finditer(text):
        if m[0] not in UNREACHED[name]:
            yield Change(*m.span(), f"T#{2 * int(m[1])}{m[2]}", f"{m[0]}-doubled")
    for m in OUTPUT.finditer(text):
        if m[2] not in ("LastState", "SeenCommand"):
            mode = "manual" if m[3].startswith("Command") else "automatic"
            yield Change(*m.span(), f"{m[1]}{m[2]} := NOT ({m[3]});", f"{mode}-{m[2]}-inverted")
    for m in ECHO.finditer(text):
        yield Change(*m.span(), f"Seen.{m[1]} := NOT {m[2]};", f"{m[2]}-inverted")
        yield Change(*m.span(), f"Seen.{int(m[1]) + 8} := {m[2]};", f"{m[2]}-misplaced")


def mutants() -> list[ParameterSet]:
    """Every change of every program, as (station, text)."""
    found = []
    for name in STATIONS:
        text = source(name)
        for change in changes(name, text):
            line_number = text.count("\n", 0, change.start) + 1
            wrong = text[: change.start] + change.new + text[change.end :]
            found.append(pytest.param(name, wrong, id=f"{name}:{line_number}-{change.what}"))
    return found


def test_the_mutants_are_as_many_as_one_would_count() -> None:
    ids = [str(each.id) for each in mutants()]
    assert sum("doubled" in each for each in ids) >= 18
    for spec in (lined.station for lined in line().stations.values()):
        jogs = sum(f"{spec.id}:" in each and "manual-" in each for each in ids)
        outputs = sum(f"{spec.id}:" in each and "automatic-" in each for each in ids)
        echoes = sum(f"{spec.id}:" in each and "misplaced" in each for each in ids)
        assert jogs == outputs == len([t for t in spec.outputs if t.jog and t.type.kind == "bool"]), spec.id
        assert echoes == len([t for t in spec.inputs if t.type.kind == "bool"]), spec.id


@pytest.mark.parametrize(("name", "mutant"), mutants())
def test_a_wrong_program_is_found(name: str, mutant: str) -> None:
    handle = open_session(**{name: mutant}).stations[name]
    if any(hold(handle, each).problems for each in scenarios(handle)):
        return
    handle = open_session(**{name: mutant}).stations[name]  # what scenarios left behind is not to count
    assert any(result.problems for _, result in checkout(handle))

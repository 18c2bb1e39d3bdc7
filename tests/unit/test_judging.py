"""How expectations are held against a trace: their order in the file is nothing, and what came stays."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starter_harness import checkout, hold, open_session, scenarios, source

from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import Sample, Trace
from gateway.scenario import Expect, Never
from rig.procedures.common import judge_never, judge_steps, nothing_else_moves
from rig.session import StationHandle
from rig.step import StepContext
from rig.trace import Reading
from rig.verdicts import Disturbed, Failed

MS = 1_000_000
BELT, LAMP, VALVE = (TagRef(name) for name in ("belt", "lamp", "valve"))
START: dict[str, Value] = {"belt": True, "lamp": False, "valve": False}


def step() -> StepContext:
    return StepContext(open_session(), "step", "test", "step", "")


def trace(duration: int, *samples: tuple[int, str, Value]) -> Reading:
    """A trace from ``START``; times in ms."""
    taken = tuple(Sample(at * MS, tag, value) for at, tag, value in samples)
    return Reading(Trace(0, 0, duration * MS, 100, "done", START, taken))


def wanted(ref: TagRef, value: Value, within: int, hold: int | None = None) -> Expect:
    return Expect(ref, value, 0.0, 0, within * MS, None if hold is None else hold * MS)


def problems(reading: Reading, expects: Iterable[Expect], start: int = 100) -> list[str]:
    found = step()
    judge_steps(found, reading, tuple(expects), start * MS, each_from_start=True)
    return found.problems


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_expectations_is_nothing(order: tuple[int, ...]) -> None:
    reading = trace(1_000, (150, "valve", True), (300, "lamp", True), (320, "belt", False))
    expects = (wanted(VALVE, True, 100), wanted(LAMP, True, 250), wanted(BELT, False, 250))
    assert problems(reading, (expects[n] for n in order)) == []


def test_all_that_is_wrong_is_said() -> None:
    reading = trace(1_000, (400, "lamp", True))
    said = problems(reading, (wanted(VALVE, True, 100), wanted(LAMP, True, 250), wanted(BELT, True, 250)))
    assert said == [
        "valve becomes true: did not happen within 0.90 s (limit 0.1 s)",
        "lamp becomes true: 300 ms, limit 0..250 ms",
        "belt becomes true: was so already before its turn",
    ]


def test_what_came_about_stays() -> None:
    reading = trace(1_000, (150, "lamp", True), (550, "lamp", False))
    (said,) = problems(reading, [wanted(LAMP, True, 250)])
    assert said == "lamp becomes true: did not stay so, it was false 400 ms later"


@pytest.mark.parametrize(("hold", "passes"), [(0, True), (400, True), (401, False)])
def test_an_expectation_may_have_its_own_hold(hold: int, passes: bool) -> None:
    reading = trace(1_000, (150, "lamp", True), (550, "lamp", False))
    assert (problems(reading, [wanted(LAMP, True, 250, hold)]) == []) is passes


def test_another_value_may_be_expected_later() -> None:
    expects = (wanted(VALVE, True, 100), wanted(VALVE, False, 500))
    assert problems(trace(1_000, (150, "valve", True), (550, "valve", False)), expects) == []
    again = trace(1_000, (150, "valve", True), (550, "valve", False), (700, "valve", True))
    assert problems(again, expects) == ["valve becomes false: did not stay so, it was true 150 ms later"]


def test_of_a_sequence_the_last_step_stays() -> None:
    found = step()
    expects = (wanted(VALVE, True, 100), wanted(LAMP, True, 100))
    reading = trace(
        600, (150, "valve", True), (200, "lamp", True), (220, "valve", False), (300, "lamp", False)
    )
    judge_steps(found, reading, expects, 100 * MS, each_from_start=False)
    assert found.problems == ["lamp becomes true: did not stay so, it was false 100 ms later"]


def test_never_counts_to_the_end_of_the_hold() -> None:
    found = step()
    judge_never(found, trace(1_000, (990, "lamp", True)), [Never(LAMP, True)], 100 * MS, "fault")
    assert found.problems == ["lamp became true 890 ms after the fault"]


@pytest.mark.parametrize(
    ("ceases", "said"), [((), ["belt was true at the fault, and stayed so"]), (((130, "belt", False),), [])]
)
def test_never_means_that_it_is_not_so_either(
    ceases: tuple[tuple[int, str, Value], ...], said: list[str]
) -> None:
    found = step()
    judge_never(found, trace(1_000, *ceases), [Never(BELT, True)], 100 * MS, "fault")
    assert found.problems == said


@given(st.permutations(range(4)), st.lists(st.integers(101, 900), min_size=4, max_size=4))
def test_any_order_comes_to_the_same(order: list[int], times: list[int]) -> None:
    reading = trace(1_000, *sorted((at, f"t{n}", True) for n, at in enumerate(times)))
    expects = [wanted(TagRef(f"t{n}"), True, 400) for n in range(4)]
    assert sorted(problems(reading, [expects[n] for n in order])) == sorted(problems(reading, expects))


# --- on the starter line ---------------------------------------------------------------------------------


def interlock(station: StationHandle, name: str) -> str:
    return hold(station, next(each for each in scenarios(station) if each.name == name)).problems


@pytest.mark.parametrize("name", ["infeed", "glue", "screw"])
def test_interlocks_hold_with_their_expectations_turned_round(name: str) -> None:
    station = open_session().stations[name]
    for scenario in station.spec.interlocks.values():
        turned = msgspec.structs.replace(scenario, expect=scenario.expect[::-1])
        assert hold(station, turned).problems == "", scenario.name


def test_a_fault_that_goes_away_by_itself_is_found() -> None:
    """Within the 100 ms that were once watched it is right."""
    text = source("infeed").replace(
        "    FAULT:\n        IF Acknowledge.Q THEN",
        "    FAULT:\n        IF Acknowledge.Q OR StepTime.ET >= T#150ms THEN",
    )
    station = open_session(infeed=text).stations["infeed"]
    said = interlock(station, "stopper-stuck")
    assert "belt-run becomes false: did not stay so" in said
    assert "lamp-fault becomes true: did not stay so" in said


# --- how a station recovers ------------------------------------------------------------------------------


def test_a_station_recovers_when_it_is_acknowledged() -> None:
    station = open_session().stations["infeed"]
    scenario = station.spec.interlocks["drive-tripped"]
    assert scenario.recover
    result = hold(station, scenario)
    assert result.problems == ""
    names = [each.name for each in result.step.measurements]
    assert names[-3:] == ["acknowledged", "lamp-fault becomes false", "belt-run becomes true"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (  # it goes on by itself once the cause is gone
            "        IF Acknowledge.Q THEN\n            State := PURGE;",
            "        IF Acknowledge.Q OR DriveOk THEN\n            State := PURGE;",
            "lamp-fault becomes true: did not stay so",
        ),
        (  # it never goes on
            "        IF Acknowledge.Q THEN\n            State := PURGE;",
            "        IF FALSE THEN\n            State := PURGE;",
            "lamp-fault becomes false: did not happen",
        ),
    ],
)
def test_a_station_that_does_not_recover_is_found(old: str, new: str, said: str) -> None:
    text = source("infeed")
    assert old in text
    station = open_session(infeed=text.replace(old, new)).stations["infeed"]
    assert said in interlock(station, "drive-tripped")


def test_an_interlock_of_manual_mode() -> None:
    text = source("glue").replace("ValveOpen := Command.6 AND DoorClosed;", "ValveOpen := Command.6;")
    station = open_session(glue=text).stations["glue"]
    assert "valve-open becomes false: did not happen" in interlock(station, "door-opened-in-manual")


@pytest.mark.parametrize(
    ("name", "old", "new", "tag"),
    [
        (
            "infeed",
            "StopperOpen := State = RELEASE;",
            "StopperOpen := State = RELEASE OR Command.5;",
            "stopper-open",
        ),
        ("glue", "LampFault := State = FAULT;", "LampFault := State = FAULT OR Command.8;", "lamp-fault"),
        (
            "screw",
            "DriverRun := State = DRIVING;",
            "DriverRun := State = DRIVING OR Command.7;",
            "driver-run",
        ),
    ],
)
def test_a_jog_that_does_something_in_automatic_is_found(name: str, old: str, new: str, tag: str) -> None:
    text = source(name)
    assert old in text
    station = open_session(**{name: text.replace(old, new)}).stations[name]
    assert f"{tag} became true" in interlock(station, "jogs-in-automatic")


# --- what a checkout says ----------------------------------------------------------------------------------


def checked(name: str, **programs: str) -> StepContext:
    """The checkout of one tag of infeed."""
    found = dict(checkout(open_session(**programs).stations["infeed"]))
    return found[name].step


def test_only_a_change_has_a_time() -> None:
    step = checked("belt-run")
    names = [each.name for each in step.measurements]
    assert names == ["command.4 true to belt-run", "command.4 false to belt-run"]
    assert all(isinstance(each.value, float) and each.value > 0 for each in step.measurements)


def test_what_the_plant_did_is_not_blamed() -> None:
    text = source("infeed").replace("BeltRun := Command.4;", "BeltRun := NOT Command.4;")
    step = checked("belt-run", infeed=text)
    assert "moved instead" not in step.problems[0]
    assert step.tags == ["belt-run"]


def test_an_input_that_is_seen_in_the_place_of_another_is_named() -> None:
    text = source("infeed").replace("Seen.1 := PartLeaving;", "Seen.0 := Seen.0 OR PartLeaving;")
    step = checked("part-leaving", infeed=text)
    assert "seen.1 is false" in step.problems[0]
    assert "seen.0, which shows part-at-stop, moved instead" in step.problems[0]
    assert "part-at-stop" in step.tags


@pytest.mark.parametrize(("overruns", "raised"), [((), Failed), (((120 * MS, 30 * MS),), Disturbed)])
@pytest.mark.parametrize("what", ["held", "never", "else"])
def test_what_went_wrong_while_scans_were_late_is_no_verdict(
    what: str, overruns: tuple[tuple[int, int], ...], raised: type[Exception]
) -> None:
    """The rig may be what was late: such a step is tried again, and ERROR at last."""
    found, start = step(), 100 * MS
    station = open_session().stations["infeed"]
    moved = station.spec.outputs[0].name
    samples = ((110, "lamp", True), (150, "lamp", False), (150, moved, True))
    seen = Reading(
        msgspec.structs.replace(
            trace(1_000, *samples).trace, initial=START | {moved: False}, overruns=overruns
        )
    )
    if what == "held":
        judge_steps(found, seen, [wanted(LAMP, True, 250)], start, each_from_start=True)
    elif what == "never":
        judge_never(found, seen, [Never(LAMP, True)], start, "start")
    else:
        nothing_else_moves(found, station, seen, start, set())
    with pytest.raises(raised):
        found.close()

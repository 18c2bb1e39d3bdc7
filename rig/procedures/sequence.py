"""Sequence: each station's cycle in the right order, each step within its time."""

from __future__ import annotations

import pytest

from gateway.net.messages import Action, Force, Place
from gateway.scenario import Scenario
from rig.backend import Script
from rig.procedures.common import becoming, in_automatic, in_manual, judge_never, judge_steps
from rig.session import StationHandle
from rig.step import StepContext

pytestmark = pytest.mark.phase("sequence")


def scenario_actions(station: StationHandle, scenario: Scenario) -> list[Action]:
    """What brings the station to where the scenario's first step begins."""
    manual = scenario.mode == "manual"
    actions = in_manual(station.spec) if manual else in_automatic(station.spec, isolated=True)
    actions += [Force(ref, value) for ref, value in scenario.set]
    if scenario.place is not None:
        workpiece = station.session.line.workpiece(1, f"{station.id}-{scenario.name}")
        actions.append(Place(scenario.place, (workpiece,), 5_000_000_000))
    return actions


def sequence_script(station: StationHandle, scenario: Scenario) -> Script:
    """The whole sequence: what comes before it, and its steps, an action each."""
    steps = (becoming(expect) for expect in scenario.steps)
    return Script((*scenario_actions(station, scenario), *steps), tail=scenario.tail)


@pytest.mark.ahead.with_args(sequence_script)
def test_sequence(sequence: tuple[StationHandle, Scenario], step: StepContext) -> None:
    """The station does its cycle in order and in time."""
    station, scenario = sequence
    script = sequence_script(station, scenario)
    before = len(script.actions) - len(scenario.steps)
    reading = station.perform(script, partial=True)
    assert len(reading.trace.marks) >= before, "the station took no workpiece at its inlet"
    start = reading.trace.marks[before - 1]
    judge_steps(step, reading, scenario.steps, start, each_from_start=False)
    judge_never(step, reading, scenario.never, start, "start")

"""Sequence: each station's cycle in the right order, each step within its time."""

from __future__ import annotations

import pytest

from gateway.net.messages import Action, Force, Place
from gateway.scenario import Scenario
from rig.procedures.common import awaiting, in_automatic, judge_never, judge_steps
from rig.session import StationHandle, StepContext

pytestmark = pytest.mark.phase("sequence")


def scenario_actions(station: StationHandle, scenario: Scenario) -> tuple[list[Action], int]:
    """What brings the station through the scenario's steps, and how many actions come before the first."""
    actions = in_automatic(station.spec, isolated=True)
    actions += [Force(ref, value) for ref, value in scenario.set]
    if scenario.place is not None:
        workpiece = station.session.line.workpiece(1, f"{station.id}-{scenario.name}")
        actions.append(Place(scenario.place, (workpiece,), 5_000_000_000))
    before = len(actions)
    return actions + [awaiting(expect) for expect in scenario.steps], before


def test_sequence(sequence: tuple[StationHandle, Scenario], step: StepContext) -> None:
    """The station does its cycle in order and in time."""
    station, scenario = sequence
    actions, before = scenario_actions(station, scenario)
    reading = station.run(*actions, tail=50_000_000, partial=True)
    assert len(reading.trace.marks) >= before, "the station took no workpiece at its inlet"
    start = reading.trace.marks[before - 1]
    judge_steps(step, reading, scenario.steps, start, each_from_start=False)
    judge_never(step, reading, scenario.never, start, "start")

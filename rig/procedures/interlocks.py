"""Interlocks and faults: a fault is injected in the twin; the station reacts, in time."""

from __future__ import annotations

import pytest

from gateway.net.messages import Inject
from gateway.scenario import Scenario
from rig.procedures.common import awaiting, becoming, judge_never, judge_steps
from rig.procedures.sequence import scenario_actions
from rig.session import Failed, StationHandle, StepContext

pytestmark = pytest.mark.phase("interlocks")


def test_interlock(interlock: tuple[StationHandle, Scenario], step: StepContext) -> None:
    """The fault has its declared reaction within its time."""
    station, scenario = interlock
    actions = scenario_actions(station, scenario)
    before = len(actions)
    actions += [awaiting(expect) for expect in scenario.steps]
    injected = len(actions)
    actions += [Inject(fault) for fault in scenario.inject]
    actions.append(becoming(*scenario.expect))
    reading = station.run(*actions, tail=scenario.tail, partial=True)
    marks = reading.trace.marks
    assert len(marks) >= before, "the station took no workpiece at its inlet"
    if len(marks) <= injected:
        judge_steps(step, reading, scenario.steps, marks[before - 1], each_from_start=False)
        raise Failed("the fault could not be injected: " + "; ".join(step.problems), *step.tags)
    start = marks[injected]
    step.measure("fault", ", ".join(scenario.inject))
    judge_steps(step, reading, scenario.expect, start, each_from_start=True)
    judge_never(step, reading, scenario.never, start, "fault")

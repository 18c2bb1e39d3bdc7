"""Interlocks and faults: a fault is injected in the twin; the station reacts, in time."""

from __future__ import annotations

import pytest

from gateway.net.messages import Inject
from gateway.scenario import Scenario
from rig.backend import Script
from rig.procedures.common import awaiting, becoming, judge_never, judge_steps
from rig.procedures.sequence import scenario_actions
from rig.session import StationHandle, StepContext

pytestmark = pytest.mark.phase("interlocks")


def interlock_script(station: StationHandle, scenario: Scenario) -> Script:
    """The whole interlock: what comes before it, its steps, its faults, an action each; then its reaction."""
    steps = (awaiting(expect) for expect in scenario.steps)
    faults = (Inject(fault) for fault in scenario.inject)
    actions = (*scenario_actions(station, scenario), *steps, *faults, becoming(*scenario.expect))
    return Script(actions, tail=scenario.tail)


@pytest.mark.ahead.with_args(interlock_script)
def test_interlock(interlock: tuple[StationHandle, Scenario], step: StepContext) -> None:
    """The fault has its declared reaction within its time."""
    station, scenario = interlock
    script = interlock_script(station, scenario)
    injected = len(script.actions) - 1 - len(scenario.inject)
    before = injected - len(scenario.steps)
    reading = station.perform(script, partial=True)
    marks = reading.trace.marks
    assert len(marks) >= before, "the station took no workpiece at its inlet"
    if len(marks) <= injected:
        judge_steps(step, reading, scenario.steps, marks[before - 1], each_from_start=False)
        step.fail("so the fault could not be injected")
        return
    start = marks[injected]
    step.measure("fault", ", ".join(scenario.inject))
    judge_steps(step, reading, scenario.expect, start, each_from_start=True)
    judge_never(step, reading, scenario.never, start, "fault")

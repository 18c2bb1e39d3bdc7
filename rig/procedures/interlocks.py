"""Interlocks and faults: a fault is injected in the twin; the station reacts, in time."""

from __future__ import annotations

import pytest

from gateway.net.messages import Action, Clear, Force, Free, Inject, Pause
from gateway.scenario import Scenario
from rig.backend import Script
from rig.procedures.common import awaiting, becoming, judge_never, judge_steps
from rig.procedures.sequence import scenario_actions
from rig.session import StationHandle
from rig.step import StepContext

pytestmark = pytest.mark.phase("interlocks")
WHOLE = 400_000_000  # for the plant to be as before, once its faults are gone, ns


def interlock_script(station: StationHandle, scenario: Scenario) -> Script:
    """The whole interlock: what comes before it, its steps, its faults, an action each; then its reaction,
    and how the station recovers."""
    steps = (awaiting(expect) for expect in scenario.steps)
    faults = (Inject(fault) for fault in scenario.inject)
    actions = (*scenario_actions(station, scenario), *steps, *faults, becoming(*scenario.expect))
    return Script((*actions, *_recovery(station, scenario)), tail=scenario.tail)


def _recovery(station: StationHandle, scenario: Scenario) -> list[Action]:
    """The faults go away, then they are acknowledged, last but two; then what is to follow."""
    acknowledge = station.spec.acknowledge
    if not scenario.recover or acknowledge is None:
        return []
    cleared = [Clear(fault) for fault in scenario.inject]
    followed = becoming(*scenario.recover)
    return [
        Pause(scenario.hold),
        *cleared,
        Pause(WHOLE),
        Force(acknowledge, True),
        followed,
        Free(acknowledge),
    ]


@pytest.mark.ahead.with_args(interlock_script)
def test_interlock(interlock: tuple[StationHandle, Scenario], step: StepContext) -> None:
    """The fault has its declared reaction within its time."""
    station, scenario = interlock
    if station.lined.mode == "ril":
        pytest.skip("the plant is real: no fault is injected into it")
    script = interlock_script(station, scenario)
    before = len(scenario_actions(station, scenario))
    injected = before + len(scenario.steps)
    acknowledged = len(script.actions) - 3
    reading = station.perform(script, partial=True)
    marks = reading.trace.marks
    assert len(marks) >= before, "the station took no workpiece at its inlet"
    if len(marks) <= injected:
        judge_steps(step, reading, scenario.steps, marks[before - 1], each_from_start=False)
        step.fail("so the fault could not be injected")
        return
    start = marks[injected]
    step.measure("fault", ", ".join(scenario.inject))
    recovers = bool(scenario.recover) and len(marks) > acknowledged
    end = marks[acknowledged] if recovers else reading.trace.duration
    judge_steps(step, reading, scenario.expect, start, each_from_start=True, end=end)
    judge_never(step, reading, scenario.never, start, "fault", end)
    if recovers:
        step.measure("acknowledged", "with the fault gone")
        judge_steps(step, reading, scenario.recover, end, each_from_start=True)

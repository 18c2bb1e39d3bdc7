"""Scripts begun ahead: beside others they come to the same as alone, and a step gets its own or none."""

from __future__ import annotations

import pytest
from starter_harness import open_session, scenarios

from gateway.field.tags import TagRef
from gateway.net.messages import Force, Pause
from gateway.scenario import Scenario
from rig.backend import Begun, RigFault, Script
from rig.procedures.interlocks import interlock_script
from rig.procedures.sequence import sequence_script
from rig.session import Session, StationHandle, StepContext
from rig.virtual import VirtualBackend

MS = 1_000_000
NAMES = ("infeed", "glue", "screw")


def script_of(station: StationHandle, scenario: Scenario) -> Script:
    return (interlock_script if scenario.inject else sequence_script)(station, scenario)


def took(session: Session, name: str, scenario: Scenario) -> tuple[str, list[int]]:
    """How the scenario ended on that station, and when each action was done."""
    handle = session.stations[name]
    trace = handle.perform(script_of(handle, scenario), partial=True).trace
    return trace.ended, [mark // MS for mark in trace.marks]


@pytest.mark.parametrize("turn", range(3))
def test_beside_others_it_comes_to_the_same_as_alone(turn: int) -> None:
    name, others = NAMES[turn], [each for each in NAMES if each != NAMES[turn]]
    for scenario in scenarios(open_session().stations[name])[:4]:
        alone = took(open_session(), name, scenario)
        session = open_session()
        for other in others:
            handle = session.stations[other]
            session.ahead.begin(other, script_of(handle, scenarios(handle)[turn]))
        assert took(session, name, scenario) == alone
        assert alone[0] == "done"


def test_a_step_gets_what_was_begun_for_it_without_waiting_again() -> None:
    session = open_session()
    backend = session.backend
    assert isinstance(backend, VirtualBackend)
    scripts = {name: Script((Pause(500 * MS),)) for name in ("infeed", "glue")}
    session.ahead.begin("glue", scripts["glue"])
    session.stations["infeed"].perform(scripts["infeed"])
    assert session.early is None
    before = backend.time
    session.stations["glue"].perform(scripts["glue"])
    assert backend.time - before <= 20 * MS
    assert session.early is not None
    step = StepContext(session, "step", "test", "step", "glue")
    assert session.early is None  # a step that begins has no script yet
    session.stations["glue"].perform(scripts["glue"])  # again: anew
    assert session.early is None
    assert backend.time - before > 500 * MS
    assert step.ended("PASS").started == step.started


def test_a_step_began_when_its_script_did() -> None:
    session = open_session()
    script = Script((Pause(10 * MS),))
    session.ahead.begin("glue", script)
    step = StepContext(session, "step", "test", "step", "glue")
    session.stations["glue"].perform(script)
    ended = step.ended("PASS")
    assert ended.started < step.started
    assert ended.started + ended.duration >= step.started


def test_what_was_begun_for_nobody_is_waited_for_and_thrown_away() -> None:
    session = open_session()
    session.ahead.begin("glue", Script((Pause(300 * MS),)))
    force = Script((Force(TagRef("command"), 16), Pause(50 * MS)))
    trace = session.stations["glue"].perform(force).trace
    assert (trace.ended, len(trace.marks)) == ("done", 2)
    session.ahead.begin("screw", Script((Pause(300 * MS),)))
    assert set(session.run({name: Script((Pause(MS),)) for name in NAMES})) == set(NAMES)


def test_only_one_is_begun_and_what_cannot_be_is_left_to_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_session()
    first, second = Script((Pause(10 * MS),)), Script((Pause(20 * MS),))
    session.ahead.begin("glue", first)
    session.ahead.begin("glue", second)
    assert session.ahead.take("glue", first) is not None

    def refuse(scripts: object) -> Begun:
        raise RigFault("no broker takes messages")

    monkeypatch.setattr(session.backend, "begin", refuse)
    session.ahead.begin("glue", first)
    assert session.ahead.take("glue", first) is None

"""A virtual controller beside the real one: no parting in whole sessions, each change found."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from beside_bench import BesideLine, line_number
from starter_harness import CONFIG, checkout, hold, line, procedure, scenarios, source

from rig.line import Line, load_line
from rig.procedures.flow import test_workpieces as check_flow


def lined(name: str) -> Line:
    return load_line(CONFIG / "lines" / f"{name}.yaml")


def whole_session(backend: BesideLine) -> None:
    session = backend.session
    for handle in session.stations.values():
        dict(checkout(handle))
        for scenario in scenarios(handle):
            hold(handle, scenario)
    if session.line.flow is not None:
        procedure(session, lambda step: check_flow(session, step))


@pytest.mark.parametrize(
    ("name", "seed", "slow", "scans"),
    [
        ("starter", 1, 1, 3),
        ("starter", 2, 0, 3),
        ("starter", 3, 2, 8),
        ("mixed", 4, 1, 3),
        ("mixed", 5, 2, 8),
    ],
)
def test_the_unchanged_program_never_parts(name: str, seed: int, slow: int, scans: int) -> None:
    backend = BesideLine(lined(name), seed=seed, slow=slow, scans=scans)
    whole_session(backend)
    assert all(seen.beside.in_step for seen in backend.seen.values())
    assert backend.partings == []


class Fault(NamedTuple):
    """``old`` became ``new`` in the real one; ``tag`` parts first, and the statement is the unchanged one."""

    station: str
    old: str
    new: str
    tag: str
    statement: str


FAULTS = {
    "a timer doubled": Fault(
        "screw", "PT := T#100ms", "PT := T#200ms", "driver-run", "DriverRun := State = "
    ),
    "a step made longer": Fault(
        "infeed", "ET >= T#800ms AND", "ET >= T#1600ms AND", "stopper-open", "StopperOpen := State = "
    ),
    "an output inverted": Fault(
        "glue", "LampFault := State = ", "LampFault := State <> ", "lamp-fault", "LampFault := State = "
    ),
    "an interlock dropped": Fault(
        "glue", "NOT DoorClosed OR NOT AirOk", "NOT AirOk", "lamp-fault", "LampFault := State = "
    ),
    "an interlock of a jog dropped": Fault(
        "glue", "Command.6 AND DoorClosed", "Command.6", "valve-open", "ValveOpen := Command.6"
    ),
    "a wrong echo": Fault(
        "glue", "Seen.3 := DoorClosed", "Seen.3 := AirOk", "seen.3", "Seen.3 := DoorClosed"
    ),
}


LONG = ("a wrong echo", "an interlock of a jog dropped", "an interlock dropped", "a step made longer")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=name, marks=[pytest.mark.long] if name in LONG else [])
        for name, fault in FAULTS.items()
    ],
)
def test_a_changed_statement_is_found(fault: Fault) -> None:
    text = source(fault.station)
    assert text.count(fault.old) == 1
    backend = BesideLine(line(), {fault.station: text.replace(fault.old, fault.new)}, seed=1)
    whole_session(backend)
    assert {name for name, _ in backend.partings} == {fault.station}
    begun = [each for _, each in backend.partings if each.begin == backend.partings[0][1].begin]
    first = next(each for each in begun if each.tag == fault.tag)
    assert first.virtual != first.real
    assert (first.file, first.line) == (f"{fault.station}.st", line_number(fault.station, fault.statement))
    assert first.scan > 0
    assert first.statement == f"{first.file}:{first.line} in scan {first.scan}"
    assert begun[0].after == ""
    assert {each.after for each in begun} <= {"", begun[0].tag}

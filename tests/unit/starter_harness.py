"""The starter line under the virtual clock, and its built-in procedures called one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gateway.controller.compile import compile_program
from gateway.net.messages import Action
from rig.line import load_line
from rig.session import Failed, Session, StationHandle, StepContext
from rig.trace import Reading
from rig.virtual import VirtualBackend

CONFIG = Path(__file__).resolve().parents[2] / "config"
LINE = CONFIG / "lines" / "starter.yaml"
STATIONS = ("infeed", "glue", "screw")


class Result(NamedTuple):
    """What a procedure came to: its problems (none: passed) and its measurements."""

    problems: str
    step: StepContext


def source(station: str) -> str:
    """The text of a station's program."""
    return (CONFIG / "programs" / f"{station}.st").read_text()


def open_session(**changed: str) -> Session:
    """A session over the starter line; ``changed`` are programs to run in place of its own."""
    line = load_line(LINE)
    programs = {
        name: compile_program(changed.get(name, source(name)), f"{name}.st") for name in line.stations
    }
    backend = VirtualBackend(line, programs)
    for name in line.stations:
        backend.hold(name)
    return Session(line, backend, programs)


def procedure(session: Session, call: Callable[[StepContext], None], name: str = "step") -> Result:
    """Run one built-in procedure as a step of ``session``."""
    step = StepContext(session, name, "test", name, "")
    try:
        call(step)
        step.close()
    except Failed as failed:
        return Result(str(failed), step)
    return Result("", step)


def run(station: StationHandle, *actions: Action, tail: int = 0) -> Reading:
    """Run ``actions``, each of which must come about."""
    reading = station.run(*actions, tail=tail)
    assert len(reading.trace.marks) == len(actions), f"stopped at {actions[len(reading.trace.marks)]}"
    return reading

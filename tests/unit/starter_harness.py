"""The starter line under the virtual clock, and its built-in procedures called one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gateway.controller.compile import Program, compile_program
from gateway.net.messages import Action, Trace
from gateway.scenario import Scenario
from rig.backend import Begun
from rig.line import Line, load_line
from rig.procedures.checkout import test_input as check_input
from rig.procedures.checkout import test_output as check_output
from rig.procedures.interlocks import test_interlock as check_interlock
from rig.procedures.sequence import test_sequence as check_sequence
from rig.session import Session, StationHandle
from rig.step import StepContext
from rig.trace import Reading
from rig.verdicts import Failed
from rig.virtual import VirtualBackend

CONFIG = Path(__file__).resolve().parents[2] / "config"


class Result(NamedTuple):
    """What a procedure came to: its problems (empty: passed) and what it measured."""

    problems: str
    step: StepContext


class Traced(VirtualBackend):
    """Holds every lease, and keeps every trace."""

    def __init__(self, line: Line, programs: Mapping[str, Program], every_scan: bool) -> None:
        super().__init__(line, programs, every_scan)
        self.line = line
        self.traces: list[tuple[str, Trace]] = []
        self.prepare()
        for name in line.stations:
            self.hold(name)

    def prepare(self) -> None:
        """Before the leases are held."""

    def finish(self, begun: Begun, out: int = 0) -> dict[str, Trace]:
        traces = super().finish(begun, out)
        self.traces += traces.items()
        return traces


def source(station: str) -> str:
    """The text of a station's program."""
    return (CONFIG / "programs" / f"{station}.st").read_text()


@cache
def line() -> Line:
    """The starter line."""
    return load_line(CONFIG / "lines" / "starter.yaml")


@cache
def compiled(text: str) -> Program:
    """``text`` compiled."""
    return compile_program(text)


def open_session(**changed: str) -> Session:
    """A session over the starter line; ``changed`` are program texts to run in place of its own."""
    programs = {name: compiled(changed.get(name, source(name))) for name in line().stations}
    backend = VirtualBackend(line(), programs)
    for name in programs:
        backend.hold(name)
    return Session(line(), backend, programs)


def procedure(session: Session, call: Callable[[StepContext], None]) -> Result:
    """Run one procedure as a step of ``session``."""
    step = StepContext(session, "step", "test", "step", "")
    try:
        call(step)
        step.close()
    except Failed as failed:
        return Result(str(failed), step)
    return Result("", step)


def scenarios(station: StationHandle) -> list[Scenario]:
    """A station's sequences and interlocks."""
    return [*station.spec.sequences.values(), *station.spec.interlocks.values()]


def hold(station: StationHandle, scenario: Scenario) -> Result:
    """Hold the station against one of its scenarios."""
    check = check_interlock if scenario.inject else check_sequence
    return procedure(station.session, lambda step: check((station, scenario), step))


def checkout(station: StationHandle) -> Iterator[tuple[str, Result]]:
    """Every input with an observer and every output with a jog, by name."""
    for tag in station.spec.inputs:
        yield tag.name, procedure(station.session, lambda step, tag=tag: check_input((station, tag), step))  # type: ignore[misc]
    for tag in station.spec.outputs:
        if tag.jog is not None:
            yield tag.name, procedure(
                station.session, lambda step, tag=tag: check_output((station, tag), step)  # type: ignore[misc]
            )  # fmt: skip


def run(station: StationHandle, *actions: Action, tail: int = 0) -> Reading:
    """Run ``actions``, each of which must come about."""
    reading = station.run(*actions, tail=tail)
    done = len(reading.trace.marks)
    assert done == len(actions), f"{station.id} stopped at {actions[done]}"
    return reading

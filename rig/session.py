"""A commissioning session: what procedures see of the line, and what is known to be gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from gateway.controller.compile import Program
from gateway.field.types import Value
from gateway.net.messages import Action, Await, AwaitAll, Force, Identified, Inject, Waiting
from gateway.scenario import show
from gateway.station import Mode, Station
from gateway.twin.discrepancy import Discrepancy as Differs
from rig.ahead import Ahead, Early
from rig.backend import Backend, BrokerGone, GatewayGone, LeaseLost, RigFault, Script
from rig.differences import checked, tag_of, tolerated
from rig.line import Line, LineStation
from rig.record import Coverage, Discrepancy, Flow, StationIdentity, Step, Verdict, overall
from rig.trace import Reading
from rig.verdicts import ControllerGone, Disturbed, Failed, NotHere

if TYPE_CHECKING:
    from rig.coordinator import Coordinator

RETURN = 10.0  # s, for a controller that was lost to come back
AGAIN = 0.1  # s, between two questions whether it is there


class StationHandle:
    """One station as procedures see it."""

    def __init__(self, session: Session, lined: LineStation) -> None:
        self.session = session
        self.lined = lined
        self.spec: Station = lined.station
        self.id = self.spec.id

    def run(
        self,
        *actions: Action,
        watch: Iterable[str] = (),
        tail: int = 0,
        keep: bool = False,
        partial: bool = False,
    ) -> Reading:
        """Do ``actions`` on the station in one command and read the trace; ControllerGone, RigFault.

        What is awaited and does not come within its limit is Failed, naming it; with ``partial`` the trace
        is given as far as it went, and ``marks`` has one entry for each action that was done.
        """
        return self.perform(Script(actions, tuple(watch), tail, keep), partial)

    def perform(self, script: Script, partial: bool = False) -> Reading:
        """As ``run``, of a script that is there."""
        reading = self.session.run({self.id: script})[self.id]
        if reading.trace.ended == "limit" and not partial:
            done = len(reading.trace.marks)
            late = reading.lateness(reading.trace.marks[-1] if done else 0, reading.trace.duration)
            if late:
                raise Disturbed("a scan overrun while something was awaited")
            raise _not_come(script.actions[done])
        return reading


class Session:
    """The run as it goes: stations, steps so far, what is known to be gone."""

    def __init__(self, line: Line, backend: Backend, programs: Mapping[str, Program]) -> None:
        self.line, self.backend, self.programs = line, backend, programs
        self.stations = {name: StationHandle(self, lined) for name, lined in line.stations.items()}
        self.steps: list[Step] = []
        self.identities: dict[str, StationIdentity] = {}
        self.flow: Flow | None = None
        self.planned = 0  # steps
        self.coordinator: Coordinator | None = None  # who plans, where the line has a chain
        self.ahead = Ahead(backend)
        self.early: Early | None = None  # what the step that runs began as
        self.missed: dict[str, int] = {}  # pulses too close together for an input, in the step that runs
        self.overwritten: dict[tuple[str, str], Value] = {}  # forces by station, in the step that runs
        self.away: dict[str, str] = {}  # stations whose controller was lost in a step, and why
        self.gone: dict[str, str] = {}  # stations that cannot be tested any more, and why
        self.stopped = ""  # why nothing can be tested any more

    @property
    def mode(self) -> str:
        """That of its stations, or ``mixed``; ``virtual`` where all are in this process."""
        return "virtual" if self.backend.mode == "virtual" else self.line.mode

    def run(self, scripts: Mapping[str, Script], out: int = 0) -> dict[str, Reading]:
        """Run scripts on several stations at once; see ``Backend.run``. NotHere, where one of them does what
        is not done in its station's mode."""
        for name, script in scripts.items():
            handle = self.stations[name]
            if why := unfit(handle.lined.mode, script) or unwritable(handle.spec, script):
                raise NotHere(f"{name}: {why}" if len(scripts) > 1 else why)
        taken = [self.ahead.take(name, script) for name, script in scripts.items()]
        self.early = taken[0] if len(taken) == 1 else None
        if self.early is not None and self.early.traces is not None:
            traces = self.early.traces
        else:
            begun = self.early.begun if self.early is not None else self.backend.begin(scripts)
            traces = self.backend.finish(begun, out)
        for name, trace in traces.items():
            if trace.ended == "link":
                raise ControllerGone(self.stations[name].spec, trace.lost)
            if trace.ended == "lease":
                raise LeaseLost(name, "it was lost while a script ran")
            if trace.ended == "full":
                raise RigFault(f"{name}: more changed than a trace holds; watch fewer tags")
            for tag, count in trace.missed.items():
                self.missed[f"{name} {tag}"] = self.missed.get(f"{name} {tag}", 0) + count
            self.overwritten.update(((name, ref), found) for ref, found in trace.overwritten.items())
        return {name: Reading(trace) for name, trace in traces.items()}

    def lost(self, raised: BaseException | None) -> None:
        """What ``raised`` tells of parts that are gone: nothing more is tried with them. A controller may
        return, see ``await_return``."""
        match raised:
            case BrokerGone():
                self.stopped = self.stopped or str(raised)
            case GatewayGone() | LeaseLost():
                self.gone.setdefault(raised.station, str(raised))
            case ControllerGone():
                self.away.setdefault(raised.station, str(raised))

    def await_return(self, station: str) -> list[str]:
        """Wait for the controller of ``station`` (empty: of any) where it was lost; what came of that, in
        words. One that stays away is given up."""
        said = []
        for name in [name for name in self.away if station in ("", name)]:
            why = self.away.pop(name)
            try:
                found = self.patiently(name, lambda found: found.ready, RETURN)
            except RigFault as fault:
                self.lost(fault)
                self.gone.setdefault(name, str(fault))
            else:
                if found.ready:
                    said.append(f"{name}: the controller is back")
                    continue
                self.gone[name] = f"{why}; it did not come back within {RETURN:g} s"
            said.append(f"{name} is given up: {self.gone[name]}")
        return said

    def patiently(self, station: str, ready: Callable[[Identified], bool], patience: float) -> Identified:
        """Who is there, once that is ``ready``, or when ``patience`` (s) is over; RigFault."""
        deadline = time.monotonic() + patience
        found, _ = self.backend.identify(station)
        while not ready(found) and time.monotonic() < deadline:
            time.sleep(AGAIN)  # the gateway goes on trying; nothing tells when it will succeed
            found, _ = self.backend.identify(station)
        return found

    def verdict(self, interrupted: bool = False) -> Verdict:
        """What the steps so far amount to; with a force on, the line is not what they saw."""
        broken = interrupted or bool(self.stopped or self.forces())
        return overall((step.verdict for step in self.steps), broken)

    def forces(self) -> list[str]:
        """What was still forced when the leases had been given back, in words."""
        left = ((name, self.backend.left(name)) for name in self.stations)
        return [f"{name}: {', '.join(forces)}" for name, forces in left if forces]

    def differences(self, station: str) -> list[Differs]:
        """Where what is real there did not do as its model, as the gateway has told; in doubt where it is at
        a tag that we do not know."""
        tags = self.stations[station].spec.tags
        return [checked(each, tags) for each in self.backend.differences(station)]

    def discrepancies(self) -> Iterator[Discrepancy]:
        """Where what is real did not do as its model, of all stations in the line's order."""
        for name, handle in self.stations.items():
            for each in self.differences(name):
                lasted = None if each.end is None else each.end - each.begin
                tag = tag_of(each, handle.spec.tags)
                allowed = "" if tag is None else tolerated(tag, handle.lined.within)
                yield Discrepancy(
                    name, each.tag, each.begin, lasted, show(each.twin), show(each.machine),
                    "; ".join(filter(None, (each.suspect, each.doubt))), allowed,
                )  # fmt: skip

    def coverage(self) -> list[Coverage]:
        """Per station, what the checkout passed of its plant I/O."""
        passed = {
            (step.station, step.tags[0])
            for step in self.steps
            if step.phase == "checkout" and step.verdict == "PASS" and step.tags
        }
        found = []
        for name, handle in self.stations.items():
            spec = handle.spec
            outputs = [tag.name for tag in spec.outputs if tag.name not in spec.echoes]
            inputs = [tag.name for tag in spec.plant_inputs]
            done = [tag for tag in (*inputs, *outputs) if (name, tag) in passed]
            found.append(
                Coverage(
                    station=name,
                    inputs=len(inputs),
                    inputs_passed=sum(tag in done for tag in inputs),
                    outputs=len(outputs),
                    outputs_passed=sum(tag in done for tag in outputs),
                    uncovered=tuple(tag for tag in (*inputs, *outputs) if tag not in done),
                )
            )
        return found


def unfit(mode: Mode, script: Script) -> str:
    """Why ``script`` is not done on a station in ``mode``; empty if it is."""
    if mode == "shadow" and not all(isinstance(action, Waiting) for action in script.actions):
        return "both are real: nothing is written"
    if mode == "ril" and any(isinstance(action, Inject) for action in script.actions):
        return "the plant is real: no fault is injected into it"
    return ""


def unwritable(station: Station, script: Script) -> str:
    """Why ``script`` is not done on ``station``: it forces what may not be written there; empty if not."""
    forced = (action.ref.tag for action in script.actions if isinstance(action, Force))
    return next(filter(None, map(station.writes.refuses, forced)), "")


def _not_come(action: Action) -> Failed:
    """``action`` reached its limit."""
    within = f"within {getattr(action, 'limit', 0) / 1e9:g} s"
    if isinstance(action, Await):
        return Failed(f"{action.ref} did not become {show(action.value)} {within}", action.ref.tag)
    if isinstance(action, AwaitAll):
        wanted = ", ".join(f"{each.ref} {show(each.value)}" for each in action.targets)
        return Failed(f"not all came about {within}: {wanted}", *(each.ref.tag for each in action.targets))
    return Failed(f"{type(action).__name__} was not done {within}")

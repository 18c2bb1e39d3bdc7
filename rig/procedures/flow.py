"""Flow: workpieces through the whole line, none lost and none twice; takt, utilisation, coupling."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from gateway.cell.couplings import outlet_of
from gateway.net.messages import Action, AwaitHappenings, Clear, Feed, Inject, Pause
from gateway.twin.workpiece import GONE, OUT, Happening, Kind
from rig.backend import Script
from rig.coupling import WayEnd
from rig.flow import FlowLine
from rig.procedures.common import in_automatic
from rig.record import Flow, StationFlow
from rig.session import Session
from rig.step import StepContext
from rig.trace import Reading

pytestmark = pytest.mark.phase("flow")


def test_workpieces(session: Session, step: StepContext) -> None:
    """Workpieces pass the whole line, none lost, none twice, in takt."""
    flow = session.line.flow
    if flow is None:
        pytest.skip("the line file declares no flow")
    if session.gone:
        pytest.skip("; ".join(f"{name}: {why}" for name, why in session.gone.items()))
    fed = flow.source.station not in session.line.in_shadow
    readings = _run(session, flow, fed)
    counted = count(flow, readings, fed)
    session.flow = counted
    # A machine in shadow at the source feeds itself: all that comes is what was to come.
    step.measure("fed", counted.workpieces, low=flow.workpieces if fed else 0)
    most = flow.workpieces if fed else None
    step.measure("finished", counted.finished, low=flow.workpieces - flow.rejects, high=most)
    if counted.besides or (fed and session.line.in_shadow):
        own = "the machines in shadow had them from elsewhere" if session.line.in_shadow else ""
        step.measure("came out besides", counted.besides, high=None if own else 0, note=own)
    step.measure("rejected", counted.rejected, high=flow.rejects)
    step.measure("lost", counted.lost, high=0)
    step.measure("twice", counted.doubled, high=0)
    if flow.rework is not None:
        step.measure("sent back and come again", counted.reworked, low=1)
    if counted.finished + counted.rejected < flow.workpieces:
        _explain(session, step, readings)
    if counted.takt and flow.takt is not None:
        ordered = sorted(counted.takt)
        late = max(_lateness(readings[end.station]) for end in flow.sinks)
        step.measure_time("takt, median", ordered[len(ordered) // 2], flow.takt.after, flow.takt.within, late)
    if counted.coupling:
        ordered = sorted(counted.coupling)
        high = flow.coupling.within if flow.coupling is not None else None
        step.measure_time("coupling p50", ordered[len(ordered) // 2])
        p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
        step.measure_time("coupling p99", p99, high=high)
    for each in counted.stations:
        step.measure(f"utilisation of {each.station}", round(100 * each.utilisation, 1), "%")


def _run(session: Session, flow: FlowLine, fed: bool) -> dict[str, Reading]:
    """Everything empty and coupled first, then the workpieces, until the last one is out.

    ``fed`` by the rig; else a machine brings them, which are counted whatever they are called.
    """
    empty = {
        name: Script(tuple(in_automatic(handle.spec, isolated=False)))
        for name, handle in session.stations.items()
        if name not in session.line.in_shadow
    }
    if empty:
        session.run(empty)
    coordinator = session.coordinator
    run = (coordinator.run,) if coordinator is not None else ()
    workpieces = tuple(session.line.workpiece(n + 1, *run) for n in range(flow.workpieces))
    if coordinator is not None:
        coordinator.plan(workpieces, flow.source.station, flow.within)
    ours = tuple(each.id for each in workpieces) if fed else ()
    scripts: dict[str, Script] = {}
    for name, handle in session.stations.items():
        actions: list[Action] = [Pause(flow.within)]
        if name == flow.source.station and fed:
            actions.insert(0, Feed(handle.spec.inlets[flow.source.place], workpieces))
        if flow.sent_back is not None and name == flow.sent_back[0]:
            fault = flow.sent_back[1]
            gone = AwaitHappenings(("left",), 1, flow.within)
            actions = [*actions[:-1], Inject(fault), gone, Clear(fault), actions[-1]]
        booleans = tuple(tag.name for tag in handle.spec.tags.values() if tag.type.kind == "bool")
        scripts[name] = Script(tuple(actions), watch=booleans, counted=ours)
    readings = session.run(scripts, out=flow.workpieces)
    if coordinator is not None:
        coordinator.measured(readings)
    return readings


def count(flow: FlowLine, readings: dict[str, Reading], fed: bool = True) -> Flow:
    """What became of each workpiece: one place at the end, and never in a station twice at once.

    One that came out of the line elsewhere than at a sink is rejected. Those of several sinks are timed on
    each one's clock, from the moment that the scripts were sent. Of a line that the rig has ``fed``, those
    that it did not feed came out besides; else all that came out are what was to come.
    """
    come = {each.workpiece for each in _of(readings[flow.source.station], "entered") if not each.detail}
    finished: list[str] = []
    rejected: list[str] = []
    besides: list[str] = []
    joined: list[str] = []
    ends: list[int] = []
    doubled: set[str] = set()
    again: set[str] = set()
    for name, reading in readings.items():
        inside: set[str] = set()
        been: set[str] = set()
        for each in sorted(reading.trace.happenings, key=lambda each: each.time):
            if each.kind == "entered":
                doubled |= {each.workpiece} & inside
                inside.add(each.workpiece)
                again |= {each.workpiece} & been
                been.add(each.workpiece)
            elif each.kind in ("left", "finished", *GONE):
                inside.discard(each.workpiece)
            if each.kind in OUT and fed and each.workpiece not in come:
                besides.append(each.workpiece)
            elif each.kind == "finished" and WayEnd(name, outlet_of(each)) in flow.sinks:
                finished.append(each.workpiece)
                ends.append(each.time)
            elif each.kind in OUT:
                rejected.append(each.workpiece)
            elif each.kind == "joined":
                joined.append(each.workpiece)
    standing = [w.id for reading in readings.values() for w in reading.trace.contents]
    places = Counter([*finished, *rejected, *besides, *joined, *standing])
    ends.sort()
    return Flow(
        workpieces=len(come),
        finished=len(finished),
        rejected=len(rejected),
        lost=len(come - places.keys()),
        doubled=len(doubled | {workpiece for workpiece, times in places.items() if times > 1}),
        takt=tuple(b - a for a, b in itertools.pairwise(ends)),
        coupling=tuple(took for r in readings.values() for _, _, took in r.trace.couplings),
        stations=tuple(
            StationFlow(name, len(reading.count(("entered",))), _utilisation(reading))
            for name, reading in readings.items()
        ),
        reworked=len(again),
        besides=len(besides),
    )


def _of(reading: Reading, kind: Kind) -> list[Happening]:
    return [each for each in reading.trace.happenings if each.kind == kind]


def _lateness(sink: Reading) -> int:
    ends = sorted(each.time for each in _of(sink, "finished"))
    return max((sink.lateness(a, b) for a, b in itertools.pairwise(ends)), default=0)


def _utilisation(reading: Reading) -> float:
    """The share of the time from its first workpiece on in which the station held one."""
    inside, since, busy, first = 0, 0, 0, None
    for each in sorted(reading.trace.happenings, key=lambda each: each.time):
        if each.kind == "entered":
            first = each.time if first is None else first
            since = each.time if inside == 0 else since
            inside += 1
        elif each.kind in ("left", "finished", *GONE):
            inside -= 1
            busy += each.time - since if inside == 0 else 0
    if first is None:
        return 0.0
    busy += reading.trace.duration - since if inside > 0 else 0
    return busy / max(1, reading.trace.duration - first)


def _explain(session: Session, step: StepContext, readings: dict[str, Reading]) -> None:
    """Where workpieces stand that did not come out."""
    for name, reading in readings.items():
        standing = [workpiece.id for workpiece in reading.trace.contents]
        if standing:
            step.fail(f"{name} still holds {', '.join(standing)}")
        for tag in session.stations[name].spec.tags:
            if tag in reading.trace.refused:
                step.fail(f"{name}.{tag}: {reading.trace.refused[tag]}", tag)

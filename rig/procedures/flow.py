"""Flow: workpieces through the whole line, none lost and none twice; takt, utilisation, coupling."""

from __future__ import annotations

import itertools

import pytest

from gateway.net.messages import Action, AwaitHappenings, Feed, Pause
from gateway.twin.workpiece import GONE, Kind
from rig.backend import Script
from rig.line import FlowLine
from rig.procedures.common import in_automatic
from rig.record import Flow, StationFlow
from rig.session import Session, StepContext
from rig.trace import Reading

pytestmark = pytest.mark.phase("flow")
ENDS: tuple[Kind, ...] = ("finished", "rejected")


def test_workpieces(session: Session, step: StepContext) -> None:
    """Workpieces pass the whole line, none lost, none twice, in takt."""
    flow = session.line.flow
    if flow is None:
        pytest.skip("the line file declares no flow")
    if session.gone:
        pytest.skip("; ".join(f"{name}: {why}" for name, why in session.gone.items()))
    readings = _run(session, flow)
    counted = _count(session, flow, readings)
    session.flow = counted
    step.measure("fed", counted.workpieces, low=flow.workpieces)
    step.measure("finished", counted.finished, low=flow.workpieces, high=flow.workpieces)
    step.measure("rejected", counted.rejected, high=0)
    step.measure("lost", counted.lost, high=0)
    step.measure("twice", counted.doubled, high=0)
    sink = readings[flow.sink]
    ends = sorted(each.time for each in sink.trace.happenings if each.kind in ENDS)
    if counted.finished < flow.workpieces:
        _explain(session, step, readings)
    if counted.takt and flow.takt is not None:
        ordered = sorted(counted.takt)
        late = max(sink.lateness(a, b) for a, b in itertools.pairwise(ends))
        step.measure_time("takt, median", ordered[len(ordered) // 2], flow.takt.after, flow.takt.within, late)
    if counted.coupling:
        ordered = sorted(counted.coupling)
        high = flow.coupling.within if flow.coupling is not None else None
        step.measure_time("coupling p50", ordered[len(ordered) // 2])
        p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
        step.measure_time("coupling p99", p99, high=high)
    for each in counted.stations:
        step.measure(f"utilisation of {each.station}", round(100 * each.utilisation, 1), "%")


def _run(session: Session, flow: FlowLine) -> dict[str, Reading]:
    """Everything empty and coupled first, then the workpieces, until the last one is out."""
    empty = {
        name: Script(tuple(in_automatic(handle.spec, isolated=False)))
        for name, handle in session.stations.items()
    }
    session.run(empty)
    workpieces = tuple(session.line.workpiece(n + 1) for n in range(flow.workpieces))
    scripts: dict[str, Script] = {}
    for name, handle in session.stations.items():
        actions: list[Action] = []
        if name == flow.source:
            actions.append(Feed(str(handle.spec.inlet), workpieces))
        if name == flow.sink:
            actions.append(AwaitHappenings(ENDS, flow.workpieces, flow.within))
        else:
            actions.append(Pause(flow.within))
        booleans = tuple(tag.name for tag in handle.spec.tags.values() if tag.type.kind == "bool")
        scripts[name] = Script(tuple(actions), watch=booleans)
    return session.run(scripts, until=flow.sink)


def _count(session: Session, flow: FlowLine, readings: dict[str, Reading]) -> Flow:
    sink = readings[flow.sink]
    fed = readings[flow.source].count(("entered",))
    finished, rejected = sink.count(("finished",)), sink.count(("rejected",))
    for name, reading in readings.items():
        if name != flow.sink:
            rejected |= reading.count(("rejected",))
    inside = [w.id for reading in readings.values() for w in reading.trace.contents]
    places = list(finished) + list(rejected) + inside
    entered_twice = {
        workpiece for r in readings.values() for workpiece, n in r.count(("entered",)).items() if n > 1
    }
    doubled = {workpiece for workpiece in places if places.count(workpiece) > 1} | entered_twice
    ends = sorted(each.time for each in sink.trace.happenings if each.kind == "finished")
    return Flow(
        workpieces=len(fed),
        finished=sum(finished.values()),
        rejected=sum(rejected.values()),
        lost=len(set(fed) - set(places)),
        doubled=len(doubled),
        takt=tuple(b - a for a, b in itertools.pairwise(ends)),
        coupling=tuple(took for r in readings.values() for _, _, took in r.trace.couplings),
        stations=tuple(
            StationFlow(name, len(reading.count(("entered",))), _utilisation(reading))
            for name, reading in readings.items()
        ),
    )


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

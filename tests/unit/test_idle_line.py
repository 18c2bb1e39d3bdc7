"""A virtual line without its idle scans goes through the very same traces as one that does every scan."""

from __future__ import annotations

import random
from functools import cache

import pytest
from starter_harness import CONFIG, Traced, checkout, hold, procedure, scenarios

from gateway.controller.compile import Program
from gateway.field.tags import TagRef
from gateway.net.messages import Action, Await, Clear, Feed, Force, Free, Inject, Isolate, Pause
from gateway.station import Station
from gateway.twin.faults import check_fault
from gateway.twin.wires import SENSOR_FAULTS
from rig.backend import Script
from rig.line import Line, load_line
from rig.open import compile_all
from rig.procedures.common import in_automatic
from rig.procedures.flow import test_workpieces as check_flow
from rig.session import Session

MS = 1_000_000
SECOND = 1_000 * MS
LINES = ("starter", "mixed")
SEEDS = range(12)


class Recorder(Traced):
    """With the programs of ``line``."""

    def __init__(self, line: Line, every_scan: bool) -> None:
        super().__init__(line, programs(line.id), every_scan)


@cache
def line(name: str) -> Line:
    return load_line(CONFIG / "lines" / f"{name}.yaml")


@cache
def programs(name: str) -> dict[str, Program]:
    found, problems = compile_all(line(name))
    assert not problems
    return found


def same(one: Recorder, other: Recorder) -> None:
    """Both saw the same, and the second did fewer scans for it."""
    assert len(one.traces) == len(other.traces) > 0
    for (station, expected), (_, found) in zip(one.traces, other.traces, strict=True):
        assert found == expected, station
    assert one.time == other.time
    assert other.scans < one.scans


@pytest.mark.parametrize("name", LINES)
def test_every_procedure(name: str) -> None:
    recorders = [Recorder(line(name), every_scan) for every_scan in (True, False)]
    for recorder in recorders:
        session = Session(line(name), recorder, {})
        for handle in session.stations.values():
            dict(checkout(handle))
            for scenario in scenarios(handle):
                hold(handle, scenario)
        if line(name).flow is not None:
            procedure(session, lambda step, session=session: check_flow(session, step))  # type: ignore[misc]
    same(*recorders)


def faults(station: Station) -> list[str]:
    """Everything that can go wrong in a station's twin, also at times and now and then."""
    plain = [f"{spec.name}.{fault.name}" for spec in station.twin.values() for fault in spec.family.FAULTS]
    plain += [
        f"{spec.name}.{port}.{f}"
        for spec in station.twin.values()
        for port in spec.ports
        for f in SENSOR_FAULTS
    ]
    turns = ("", " at 700 ms", " for 300 ms", " every exponential 2 s for triangular 50 ms 100 ms 900 ms")
    written = [fault + turn for fault in plain for turn in turns]
    return [fault for fault in written if not check_fault(fault, station.twin, station.tags)]


def strikes(chance: random.Random, lined: Line, name: str, source: bool) -> Script:
    """A random script for one station of ``lined``."""
    station = lined.stations[name].station
    possible, injected = faults(station), list[str]()
    actions: list[Action] = in_automatic(station, isolated=False) if chance.random() < 0.5 else []
    if source:
        workpieces = tuple(lined.workpiece(n, f"s{chance.randrange(10**6)}") for n in range(6))
        actions.append(Feed(next(iter(station.inlets.values())), workpieces))
    for _ in range(chance.randint(4, 14)):
        tag = chance.choice([tag for tag in station.inputs if station.shim is None])
        pick = chance.randrange(7)
        if pick < 2:
            fault = chance.choice(possible)
            if fault not in injected:
                injected.append(fault)
                actions.append(Inject(fault))
        elif pick < 3 and injected:
            actions.append(Clear(injected.pop()))
        elif pick < 4:
            value = chance.random() < 0.5 if tag.type.kind == "bool" else tag.safe
            actions += [
                Force(TagRef(tag.name), value),
                Pause(chance.randrange(200) * MS),
                Free(TagRef(tag.name)),
            ]
        elif pick < 5 and tag.type.kind == "bool":
            actions.append(
                Await(TagRef(tag.name), chance.random() < 0.5, 0.0, chance.randrange(3) * SECOND + 5)
            )
        elif pick < 6:
            actions.append(Isolate(chance.random() < 0.3))
        actions.append(Pause(chance.randrange(1, 2_000 * MS)))
    return Script(tuple(actions), tail=chance.choice([0, 35 * MS]))


@pytest.mark.parametrize(
    ("name", "seed"),
    [*(("starter", seed) for seed in SEEDS), pytest.param("glass", 11, marks=pytest.mark.long)],
)
def test_anything_that_may_happen(name: str, seed: int) -> None:
    lined = line(name)
    recorders = [Recorder(lined, every_scan) for every_scan in (True, False)]
    for recorder in recorders:
        chance = random.Random(seed)
        for _ in range(3 if name == "starter" else 1):
            first = next(iter(lined.stations))
            recorder.run({name: strikes(chance, lined, name, name == first) for name in lined.stations})
    assert sum(len(trace.samples) for _, trace in recorders[0].traces) > 50  # else this proves nothing
    same(*recorders)

"""A virtual workpiece on a machine that does just what its twin does: the traces of an all-virtual line.

That is what ``sees`` promises of every component: no sensor without it shows what a workpiece does. Presses
and robots move otherwise with one, and their motions are the machine's: their stations are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import msgspec
import pytest
from starter_harness import CONFIG, Traced, checkout, hold, procedure

from gateway.cell.cell import Cell, Inputs, Outputs
from gateway.controller.compile import Program
from gateway.field.types import Value
from gateway.net.messages import Trace
from gateway.station import Device
from gateway.twin.chance import seeded
from gateway.twin.twin import Twin
from rig.line import Line, LineStation, load_line
from rig.open import compile_all
from rig.procedures.flow import test_workpieces as check_flow
from rig.session import Session
from rig.virtual import VirtualStation

PLANT = Device("modbus://127.0.0.1:1502/1", "plant", name="plant")
MOVED_BY_WORKPIECES = {"press", "robot"}


class OnMachine(VirtualStation):
    """What was ``made``, with its cell in RIL; the machine is what the twin is, but for workpieces."""

    def __init__(self, made: VirtualStation, lined: LineStation) -> None:
        self.__dict__.update(vars(made))
        self.cell = Cell(lined.station, lined.neighbours, 0, epoch=lined.station.id, mode="ril")
        assert self.cell.machine is not None
        self.plant = Twin(lined.station.twin, lined.station.tags, 0, seeded(0, lined.station.id))
        self.rest: dict[str, Value] = {name: tag.safe for name, tag in self.cell.machine.actuators.items()}
        self.told: dict[str, Value] = dict(self.rest)  # what came by the gate
        self.outputs: dict[str, Value] = {}
        self.shown: dict[str, Value] = {}

    def step(self, now: int) -> Outputs:
        asked, self.asked = tuple(self.asked), []
        coupled, self.coupled = tuple(self.coupled), []
        image = self.devices.read()
        self.outputs |= image
        opened = self.cell.gate.state == "open"
        driven = {name: self.outputs.get(name, rest) if opened else rest for name, rest in self.rest.items()}
        self.plant.advance(now)
        for name, value in driven.items():
            self.plant.drive(name, value)
        sensed = self.plant.sense()
        changed = {name: value for name, value in sensed.items() if self.shown.get(name) != value}
        self.shown |= changed
        seen = Inputs(
            image, True, 0, now, self._ticket, asked, coupled, self.devices.refused, machine=changed
        )
        out = self.cell.step(now, seen)
        self._ticket = out.ticket
        self.told |= out.actuate
        if opened and self.cell.gate.state == "open":
            assert self.told == driven
            model = self.cell.machine.model(self.cell.twin) if self.cell.machine is not None else {}
            assert model == pytest.approx(sensed, rel=1e-9)
        self.devices.write(out.writes)
        self.cell.took({**out.writes, **out.actuate})
        return out


class Recorder(Traced):
    """``real``: all machines are real."""

    def __init__(self, line: Line, programs: Mapping[str, Program], real: bool) -> None:
        self._real = real
        super().__init__(line, programs, every_scan=True)

    def prepare(self) -> None:
        """A plant that is real stands until the gate opens, and a twin alone does not."""
        for name, made in self.stations.items():
            if self._real:
                self.stations[name] = OnMachine(made, self.line.stations[name])
            self.stations[name].cell.gate.open()


@cache
def line(name: str) -> Line:
    """With a plant at each station."""
    loaded = load_line(CONFIG / "lines" / f"{name}.yaml")
    stations = {
        id: msgspec.structs.replace(each, station=msgspec.structs.replace(each.station, plant=PLANT))
        for id, each in loaded.stations.items()
    }
    return msgspec.structs.replace(loaded, stations=stations)


def recorders(lined: Line) -> list[Recorder]:
    programs, problems = compile_all(lined)
    assert not problems
    return [Recorder(lined, programs, real) for real in (False, True)]


def same(one: Recorder, other: Recorder) -> None:
    """But for the last digits of numbers: the machine's events and its twin's divide time otherwise."""
    assert len(one.traces) == len(other.traces) > 0
    for (station, expected), (_, found) in zip(one.traces, other.traces, strict=True):
        for field in expected.__struct_fields__:
            if field not in ("samples", "initial"):
                assert getattr(found, field) == getattr(expected, field), (station, field)
        assert found.initial == pytest.approx(expected.initial, rel=1e-9), station
        assert [each[:2] for each in seen(found)] == [each[:2] for each in seen(expected)], station
        values = [[each[2] for each in seen(trace)] for trace in (found, expected)]
        assert values[0] == pytest.approx(values[1], rel=1e-9), station


def seen(trace: Trace) -> list[tuple[int, str, Value]]:
    return [(each.t, each.tag, each.value) for each in trace.samples]


def test_every_sequence_of_the_starter_line_and_its_flow() -> None:
    lined = line("starter")
    both = recorders(lined)
    for recorder in both:
        session = Session(lined, recorder, {})
        for handle in session.stations.values():
            dict(checkout(handle))
            for scenario in handle.spec.sequences.values():
                assert not hold(handle, scenario).problems
        assert not procedure(session, lambda step, session=session: check_flow(session, step)).problems  # type: ignore[misc]
    same(*both)
    passed = [each.kind for _, trace in both[1].traces for each in trace.happenings]
    assert passed.count("finished") == 10


def composed(moved_by_workpieces: bool) -> Iterator[Line]:
    """Lines of one station that together have every kind of component of the four composed lines, of the
    stations of the one sort or the other."""
    known: set[str] = set()
    for name in ("mainboard", "smartphone", "chip", "glass"):
        lined = line(name)
        for id, each in lined.stations.items():
            kinds = {spec.kind for spec in each.station.twin.values()}
            if kinds - known and moved_by_workpieces == bool(kinds & MOVED_BY_WORKPIECES):
                known |= kinds
                yield msgspec.structs.replace(lined, stations={id: each})


def named(lined: Line) -> str:
    return f"{lined.id}-{next(iter(lined.stations))}"


@pytest.mark.parametrize("lined", list(composed(True)), ids=named)
def test_a_machine_that_moves_otherwise_without_workpieces_still_does_what_its_twin_does(lined: Line) -> None:
    _, real = recorders(lined)
    session = Session(lined, real, {})
    for handle in session.stations.values():
        for scenario in handle.spec.sequences.values():
            assert not hold(handle, scenario).problems, scenario.title
    assert real.traces
    assert [each for _, trace in real.traces for each in trace.differs] == []


@pytest.mark.parametrize("lined", list(composed(False)), ids=named)
def test_the_cycle_of_composed_stations(lined: Line) -> None:
    both = recorders(lined)
    for recorder in both:
        session = Session(lined, recorder, {})
        for handle in session.stations.values():
            for scenario in handle.spec.sequences.values():
                assert not hold(handle, scenario).problems, scenario.title
    same(*both)

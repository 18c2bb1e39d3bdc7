"""The line file: stations by path, how they are coupled, and how the line is expected to flow."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec

from gateway.cell.check import MAX_FEEDING, MAX_LENGTH
from gateway.cell.couplings import Neighbours
from gateway.errors import BadInput, Problem
from gateway.field.tags import Complain
from gateway.net.link import broker_address
from gateway.scenario import Duration
from gateway.station import Station, load_station
from gateway.twin.workpiece import Workpiece
from gateway.units import quantity
from gateway.yamlfile import Id, parse, read_text

FORMAT = "line 1"
Mode = Literal["virtual", "hil"]


class SignalEnd(NamedTuple):
    """A station's tag: ``glue.take``."""

    station: str
    tag: str

    def __str__(self) -> str:
        return f"{self.station}.{self.tag}"


def read_end(text: str) -> SignalEnd:
    """Read ``station.tag``."""
    station, dot, tag = text.partition(".")
    if not dot or not station or not tag:
        raise ValueError(f"{text!r} does not name a station's tag; write for example glue.take")
    return SignalEnd(station, tag)


End = Annotated[SignalEnd, read_end]


def _millimetres(text: str) -> float:
    length = quantity(text, "mm")
    if not 0 < length <= MAX_LENGTH:
        raise ValueError(f"{text!r} is no length of a workpiece; write more than 0 to {MAX_LENGTH:g} mm")
    return length


def _broker(text: str) -> str:
    broker_address(text)
    return text


class Product(msgspec.Struct, frozen=True, rename="kebab"):
    """What the line makes."""

    type: Id
    length: Annotated[float, _millimetres] = 100.0


class StationLine(msgspec.Struct, frozen=True, rename="kebab"):
    """A station of the line. ``serve``: start a virtual controller for it on this machine, which serves
    the station's program at the controller's address; without it a controller is expected there."""

    station: str
    mode: Mode = "hil"
    serve: bool = False
    line: int = 0


class CouplingLine(msgspec.Struct, frozen=True, rename="kebab"):
    """Workpieces pass from one station's outlet to the other's inlet; signals go either way."""

    from_: str = msgspec.field(name="from")
    to: str = ""
    signals: dict[End, End] = {}
    line: int = 0


class Window(msgspec.Struct, frozen=True, rename="kebab"):
    """Not before ``after``, not after ``within``; ns."""

    within: Duration
    after: Duration = 0


class FlowLine(msgspec.Struct, frozen=True, rename="kebab"):
    """What is expected of the flow of workpieces through the whole line."""

    source: str
    sink: str
    within: Duration
    workpieces: int = 10
    takt: Window | None = None
    coupling: Window | None = None
    line: int = 0


class LineFile(msgspec.Struct, frozen=True, rename="kebab"):
    """The line file as written."""

    twinline: str
    id: Id
    stations: list[StationLine]
    product: Product
    title: str = ""
    broker: Annotated[str, _broker] | None = None
    couplings: list[CouplingLine] = []
    flow: FlowLine | None = None


class LineStation(msgspec.Struct, frozen=True):
    """A checked station with its place in the line. ``program`` is what a virtual controller runs here."""

    station: Station
    mode: Mode
    serve: bool
    neighbours: Neighbours
    program: Path | None


class Line(msgspec.Struct, frozen=True):
    """A checked line. ``sha256`` is of the file's bytes."""

    id: str
    title: str
    file: str
    sha256: str
    broker: str | None
    product: Product
    stations: dict[str, LineStation]
    flow: FlowLine | None

    def workpiece(self, number: int, run: str = "w") -> Workpiece:
        """The ``number``-th workpiece of a run."""
        return Workpiece(f"{run}-{number:04d}", self.product.type, self.product.length)


def load_line(path: Path, programs: Mapping[str, Path] | None = None) -> Line:
    """Read the line file and all its stations; BadInput with every problem in any of them.

    ``programs`` replaces the program of a station, by its id.
    """
    text = read_text(path)
    problems: list[Problem] = []
    entry = parse(text, str(path), LineFile, problems)
    if entry is None:
        raise BadInput(problems)

    def complain(line: int, what: str, hint: str = "") -> None:
        problems.append(Problem(str(path), line, 0, what, hint))

    if entry.twinline != FORMAT:
        complain(1, f"twinline: {entry.twinline!r} is no line format", f"write twinline: {FORMAT}")
    stations: dict[str, tuple[StationLine, Station]] = {}
    for each in entry.stations:
        try:
            station = load_station(Path(os.path.normpath(path.parent / each.station)))
        except BadInput as bad:
            problems += bad.problems
            continue
        if station.id in stations:
            complain(each.line, f"station {station.id} stands twice in the line", "give it once")
        stations[station.id] = (each, station)
    if not entry.stations:
        complain(1, "stations: a line has at least one", "add - {station: path.yaml}")
    replaced = programs or {}
    for name in replaced:
        if name not in stations and not problems:
            problems.append(
                Problem("--program", 0, 0, f"{name!r} is no station of {path}", "use " + ", ".join(stations))
            )
    neighbours = _neighbours(entry, {name: s for name, (_, s) in stations.items()}, complain, bool(problems))
    lined: dict[str, LineStation] = {}
    for name, (each, station) in stations.items():
        program = replaced[name].resolve() if name in replaced else station.program_path()
        _check_program(program, each, station, str(path), problems, name in replaced)
        lined[name] = LineStation(station, each.mode, each.serve, neighbours[name], program)
    _check_flow(entry, lined, complain, bool(problems))
    if problems:
        raise BadInput(problems)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Line(
        entry.id, entry.title or entry.id, str(path), sha256, entry.broker, entry.product, lined, entry.flow
    )


def _neighbours(
    entry: LineFile, stations: dict[str, Station], complain: Complain, partial: bool
) -> dict[str, Neighbours]:
    upstream: dict[str, list[str]] = {name: [] for name in stations}
    downstream: dict[str, str] = {}
    listen: dict[str, dict[str, dict[str, str]]] = {name: {} for name in stations}
    tell: dict[str, dict[str, list[str]]] = {name: {} for name in stations}
    driven: dict[SignalEnd, SignalEnd] = {}
    for coupling in entry.couplings:
        ends = (coupling.from_, coupling.to)
        unknown = [end for end in ends if end not in stations]
        if unknown:
            if not partial:
                complain(
                    coupling.line,
                    f"coupling: {unknown[0]!r} is no station of this line",
                    "use " + ", ".join(stations),
                )
            continue
        if coupling.from_ in downstream:
            complain(
                coupling.line,
                f"coupling: {coupling.from_} already leads to {downstream[coupling.from_]}",
                "an outlet leads to one inlet",
            )
        downstream[coupling.from_] = coupling.to
        upstream[coupling.to].append(coupling.from_)
        for name, side, wanted in (
            (coupling.from_, "outlet", stations[coupling.from_].outlet),
            (coupling.to, "inlet", stations[coupling.to].inlet),
        ):
            if wanted is None:
                complain(
                    coupling.line, f"coupling: {name} has no {side}", f"name it in {stations[name].file}"
                )
        if coupling.from_ == coupling.to:
            complain(coupling.line, f"coupling: {coupling.from_} leads to itself", "name its neighbour")
            continue
        for source, target in coupling.signals.items():
            if {source.station, target.station} != set(ends):
                complain(
                    coupling.line,
                    f"coupling: {source} to {target} is not between {ends[0]} and {ends[1]}",
                    "put it under its own coupling",
                )
                continue
            wrong = _wrong_signal(source, target, stations)
            if not wrong and target in driven:
                wrong = [f"{target} is driven by {driven[target]} already"]
            driven[target] = source
            for what in wrong:
                hint = "a signal leads from one output to one free input of its kind"
                complain(coupling.line, f"coupling: {what}", hint)
            if not wrong:
                listen[target.station].setdefault(source.station, {})[source.tag] = target.tag
                tell[source.station].setdefault(target.station, []).append(source.tag)
        # A neighbour that is told no signal still hears that we are there.
        tell[coupling.from_].setdefault(coupling.to, [])
        tell[coupling.to].setdefault(coupling.from_, [])
    return {
        name: Neighbours(
            tuple(upstream[name]),
            downstream.get(name),
            listen[name],
            {to: tuple(tags) for to, tags in tell[name].items()},
        )
        for name in stations
    }


def _wrong_signal(source: SignalEnd, target: SignalEnd, stations: Mapping[str, Station]) -> list[str]:
    """Why ``source`` cannot drive ``target``; empty if it can."""
    one, other = (stations[end.station].tags.get(end.tag) for end in (source, target))
    if one is None or one.direction != "output" or other is None or other.direction != "input":
        return [
            f"{end} is no {direction} of {end.station}"
            for end, tag, direction in ((source, one, "output"), (target, other, "input"))
            if tag is None or tag.direction != direction
        ]
    if (one.type.kind == "bool") != (other.type.kind == "bool") or one.unit != other.unit:
        return [f"{source} is {one.type.name} in {one.unit}, {target} is {other.type.name} in {other.unit}"]
    return [
        f"{target} is driven by {spec.name} of its own twin"
        for spec in stations[target.station].twin.values()
        for port in spec.family.PORTS
        if port.direction == "sensor" and spec.ports.get(port.name) == target.tag
    ]


def _check_program(
    program: Path | None, each: StationLine, station: Station, file: str, problems: list[Problem], given: bool
) -> None:
    needed = each.serve or each.mode == "virtual"
    if program is None:
        if needed:
            line = station.controller.line
            problems.append(
                Problem(
                    station.file,
                    line,
                    0,
                    f"{station.id}: the controller names no program, and {file} serves it",
                    "add program: path.st",
                )
            )
    elif not program.is_file() and (needed or given):
        written = station.controller.program
        where = ("--program", 0) if given or written is None else (station.file, written.line)
        problems.append(
            Problem(
                *where,
                0,
                f"{station.id}: program {program} is not there",
                "give the path of a Structured Text file",
            )
        )


def _check_flow(entry: LineFile, stations: dict[str, LineStation], complain: Complain, partial: bool) -> None:
    if entry.flow is None or partial:
        return
    for key, name in (("source", entry.flow.source), ("sink", entry.flow.sink)):
        if name not in stations:
            complain(
                entry.flow.line,
                f"flow: {key} {name!r} is no station of this line",
                "use " + ", ".join(stations),
            )
    if not 1 <= entry.flow.workpieces <= MAX_FEEDING:
        complain(entry.flow.line, f"flow: {entry.flow.workpieces} workpieces", f"give 1 to {MAX_FEEDING}")
    for key, window in (("takt", entry.flow.takt), ("coupling", entry.flow.coupling)):
        if window is not None and window.after > window.within:
            complain(entry.flow.line, f"flow: {key}: after is later than within", "swap them")
    if entry.flow.source in stations and entry.flow.sink in stations:
        passed = [entry.flow.source]
        while (follower := stations[passed[-1]].neighbours.downstream) not in (None, *passed):
            passed.append(str(follower))
        if entry.flow.sink not in passed:
            complain(
                entry.flow.line,
                f"flow: no workpiece comes from {entry.flow.source} to {entry.flow.sink}",
                f"the couplings lead {' -> '.join(passed)}",
            )
    if entry.flow.source in stations and stations[entry.flow.source].station.inlet is None:
        complain(entry.flow.line, f"flow: {entry.flow.source} has no inlet", "name a station with an inlet")

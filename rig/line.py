"""The line file: stations by path, how they are coupled, and how the line is expected to flow."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from gateway.agentfile import no_plant
from gateway.cell.couplings import Neighbours
from gateway.checked import Checked, unsaid, wrong_of
from gateway.controller.beside import LEAST, MOST, WITHIN
from gateway.device import SCHEMES, Device, address
from gateway.errors import BadInput, Problem
from gateway.field.tags import Complain
from gateway.library.nodes import child
from gateway.net.link import broker_address
from gateway.scalar import Text
from gateway.scenario import Duration
from gateway.station import Mode, Station, load_station
from gateway.twin.workpiece import Workpiece
from gateway.yamlfile import Id, Node, ScalarNode, SequenceNode, compose, convert, nearest_file, read_text
from rig.bills import Bills, ItemLine, OperationLine, Product, check_bills
from rig.coupling import CouplingLine, WayEnd, check_order, couple, follow, use
from rig.flow import FlowLine, check_flow

FORMAT = "line 1"
BILLS = ("bom", "bop", "bor")
MOST_DIGITS = 18  # of a seed
WATCH = 10_000_000_000  # ns
_ID_LINE = re.compile(r"^id: *([a-z][a-z0-9-]*)", re.MULTILINE)


def _broker(text: str) -> str:
    broker_address(text)
    return text


def read_seed(text: str) -> int:
    """A seed as people write it; ValueError("what was wrong; what would be right")."""
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise ValueError(f"{text!r} is no seed; write a whole number of at most {MOST_DIGITS} digits")
    return int(text)


class BesideLine(msgspec.Struct, frozen=True, rename="kebab"):
    """A virtual controller beside the real one; by ``within`` scans one may be later than the other."""

    within: int = WITHIN
    line: int = 0


class StationLine(msgspec.Struct, frozen=True, rename="kebab"):
    """A station of the line; ``as``: under another id than its file's, to use the file more than once.

    ``addresses`` replace those of its devices. ``mode``: which of controller and plant is real
    (docs/modes.md). ``serve``: what is real in that mode is started on this machine, as a process at its
    address: a virtual controller, the plant; without it they are expected there. ``feed``: a workpiece comes
    to a plant that is served this often, ns (0: never). ``watch``: how long a station in shadow is watched at
    least, ns. ``beside``: its gateway runs the station's program beside the real controller, and tells where
    the two part (docs/beside.md); ``{within: 5}`` says how many scans later one of them may be.
    """

    station: str
    as_: Id | None = msgspec.field(name="as", default=None)
    addresses: dict[str, Text] = {}
    mode: Mode = "hil"
    serve: bool = False
    feed: Duration = 0
    watch: Duration = WATCH
    beside: bool | BesideLine = False
    line: int = 0

    @property
    def within(self) -> int:
        """The tolerance of ``beside``, scans."""
        return self.beside.within if isinstance(self.beside, BesideLine) else WITHIN


class LineFile(msgspec.Struct, frozen=True, rename="kebab"):
    """The line file as written."""

    twinline: str
    id: Id
    stations: list[StationLine] = []
    product: Product | None = None
    title: str = ""
    seed: Annotated[int, read_seed] = 0
    broker: Annotated[str, _broker] | None = None
    plain: bool = False
    couplings: list[CouplingLine] = []
    bom: dict[Id, ItemLine] = {}
    bop: dict[Id, OperationLine] = {}
    bor: dict[Id, list[Text]] = {}
    flow: FlowLine | None = None


class LineStation(msgspec.Struct, frozen=True):
    """A checked station with its place in the line. ``program`` is what a virtual controller runs here;
    without it the one composed of the station's groups, if there is one. ``within``: by so many scans a
    controller that runs ``beside`` it may be later. ``line`` is that of the line file where it stands."""

    station: Station
    mode: Mode
    serve: bool
    neighbours: Neighbours
    program: Path | None
    feed: int = 0
    watch: int = WATCH
    beside: bool = False
    within: int = WITHIN
    line: int = 0

    @property
    def has_program(self) -> bool:
        """Whether there is something for a virtual controller to run."""
        return self.program is not None or bool(self.station.composed)

    @property
    def accompanied(self) -> bool:
        """Whether its own program runs beside the real controller, whatever that runs."""
        return self.beside and not self.played

    @property
    def devices(self) -> dict[str, Device]:
        """What its gateway connects to in its mode, but for a controller that is played."""
        return self.station.reached if self.mode == "ril" else self.station.devices

    @property
    def played(self) -> bool:
        """Whether its gateway plays its controller."""
        return self.mode in ("virtual", "ril")


class Line(msgspec.Struct, frozen=True):
    """A checked line. ``sha256`` is of the file's bytes; ``ways`` are its couplings, outlet to inlet;
    ``seed`` is that of what chance decides in its twins; ``plain`` allows brokers on other machines without
    TLS."""

    id: str
    title: str
    file: str
    sha256: str
    broker: str | None
    product: Product
    stations: dict[str, LineStation]
    flow: FlowLine | None
    ways: tuple[tuple[WayEnd, WayEnd], ...] = ()
    bills: Bills = Bills()
    seed: int = 0
    plain: bool = False

    @property
    def mode(self) -> Mode | Literal["mixed"]:
        """That of all stations, where they have one."""
        modes = {each.mode for each in self.stations.values()}
        return modes.pop() if len(modes) == 1 else "mixed"

    @property
    def in_shadow(self) -> list[str]:
        """The stations that are only watched."""
        return [name for name, each in self.stations.items() if each.mode == "shadow"]

    def in_mode(self, mode: Mode) -> Line:
        """The same line with all of its stations in ``mode``."""
        stations = {name: msgspec.structs.replace(each, mode=mode) for name, each in self.stations.items()}
        return msgspec.structs.replace(self, stations=stations)

    def workpiece(self, number: int, run: str = "w") -> Workpiece:
        """The ``number``-th workpiece of a run."""
        return Workpiece(f"{run}-{number:04d}", self.product.type, self.product.length)


def load_line(path: Path, programs: Mapping[str, Path] | None = None) -> Line:
    """Read the line file and all its stations; BadInput with every problem in any of them, as far as it can
    be known beside the others.

    ``programs`` replaces the program of a station, by its id.
    """
    text = read_text(path)
    problems: list[Problem] = []
    node = compose(text, str(path), problems)
    entry = None if node is None else convert(node, str(path), LineFile, problems)
    if node is None or entry is None:
        raise BadInput(problems)

    def complain(line: int, what: str, hint: str = "") -> None:
        problems.append(Problem(str(path), line, 0, what, hint))

    if entry.twinline not in ("", FORMAT):  # left out, that is said
        complain(1, f"twinline: {entry.twinline!r} is no line format", f"write twinline: {FORMAT}")
    listed = entry.stations or _listed(node)
    stations = _load_stations(listed, path, problems, complain)
    if not listed:
        complain(1, "stations: a line has at least one", "add - {station: path.yaml}")
    replaced = programs or {}
    known = Checked({name: station for name, (_, station) in stations.items()}, wrong_of(stations))
    for name in replaced:
        if unsaid(name, known):
            what = f"{name!r} is no station of {path}"
            problems.append(Problem("--program", 0, 0, what, use(known)))
    lost = {key for key in (*BILLS, "couplings") if problems and child(node, key) and not getattr(entry, key)}
    told, bills = len(problems), Bills()
    if lost.isdisjoint(BILLS):
        able = Checked({name: station.operations for name, station in known.items()}, wrong_of(known))
        bills = check_bills(entry.bom, entry.bop, entry.bor, able, complain)
    couplings = couple(entry.couplings or follow(bills), known, complain)
    judged = (known, entry.bom, entry.bop, entry.bor)
    whole = len(problems) == told and not lost and not any(wrong_of(each) for each in judged)
    neighbours = couplings.neighbours(known)
    lined: dict[str, LineStation] = {}
    for name, (each, station) in stations.items():
        program = replaced[name].resolve() if name in replaced else station.program_path()
        _check_program(program, each, station, str(path), problems, name in replaced)
        if each.mode == "ril" and station.plant is None:
            problems.append(no_plant(station, str(path), each.line))
        if each.mode == "shadow" and each.serve and station.plant is None:
            problems.append(_unserved(station, str(path), each.line))
        if each.beside:
            _check_beside(each, station, complain)
        lined[name] = LineStation(
            station, each.mode, each.serve, neighbours[name], program, each.feed, each.watch,
            bool(each.beside), each.within, each.line,
        )  # fmt: skip
    flow = entry.flow
    if flow is not None:
        flow = check_flow(flow, known, couplings.ways if whole else None, complain)
    if whole:
        check_order(bills, couplings.ways, complain)
    product = entry.product
    given = [key for key in ("product", *BILLS) if child(node, key)]
    if product is not None or not problems or not given:  # else it may follow from what is wrong
        source = flow.source.station if flow is not None else ""
        product = _product(entry, bills, source, complain)
    if problems or product is None:
        raise BadInput(problems)
    coming = (product.type, product.length)
    for name, beside in neighbours.items():
        beside = msgspec.structs.replace(beside, product=coming)
        lined[name] = msgspec.structs.replace(lined[name], neighbours=beside)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Line(
        entry.id, entry.title or entry.id, str(path), sha256, entry.broker, product, lined, flow,
        tuple(couplings.ways), bills, entry.seed, entry.plain,
    )  # fmt: skip


def _unserved(station: Station, file: str, line: int) -> Problem:
    what = f"{station.id}: serve starts the real plant too, and {station.file} declares none"
    hint = "add plant: {address: modbus://host:port/unit, role: plant} to its devices, or leave serve out"
    return Problem(file, line, 0, what, hint)


def _product(entry: LineFile, bills: Bills, source: str, complain: Complain) -> Product | None:
    """What comes in at the line's beginning: as the file says, else what the first operation there is on."""
    if entry.product is None:
        found = bills.entering(source)
        if found is None:
            hint = "write product: {type: phone, length: 150 mm}, or a bom, bop and bor"
            complain(1, "product: it follows from nothing", hint)
        return found
    if bills.items and entry.product.type not in bills.items:
        complain(1, f"product: {entry.product.type!r} is no item of the bom", "use " + ", ".join(bills.items))
    return entry.product


def _listed(node: Node) -> list[StationLine]:
    """The stations where one of them is wrong: of each its file ("": not known) and its id, if given."""
    stations = child(node, "stations")
    if not isinstance(stations, SequenceNode):
        return [] if stations is None else [StationLine("")]
    found = []
    for each in stations.value:
        file, id = (
            part.value if isinstance(part, ScalarNode) else ""
            for part in (child(each, "station"), child(each, "as"))
        )
        found.append(StationLine(file, id or None, line=each.start_mark.line + 1))
    return found


def _load_stations(
    listed: list[StationLine], path: Path, problems: list[Problem], complain: Complain
) -> Checked[tuple[StationLine, Station]]:
    """The stations under their ids in the line; a file that several use is read, and complained of, once."""
    read: dict[Path, Station | None] = {}
    stations: dict[str, tuple[StationLine, Station]] = {}
    wrong = set() if listed else {""}
    for each in listed:
        if not each.station:
            wrong.add("")
            continue
        file = Path(os.path.normpath(path.parent / each.station))
        if file not in read:
            read[file] = None
            try:
                if file.is_file():
                    read[file] = load_station(file)
                else:
                    complain(each.line, f"station: {file}: no such file", nearest_file(file))
            except BadInput as bad:
                problems += bad.problems
        found = read[file]
        if found is None:
            wrong.add(each.as_ or _id_of(file))
            continue
        station = found.placed(each.as_ or found.id, _addresses(each, found, complain))
        if station.id in stations:
            hint = "give it once" if each.as_ else "give it once, or another id by as: id"
            complain(each.line, f"station {station.id} stands twice in the line", hint)
        stations[station.id] = (each, station)
    return Checked(stations, wrong)


def _id_of(file: Path) -> str:
    """The id in a station file that is wrong; empty where it cannot be known."""
    try:
        found = _ID_LINE.search(read_text(file))
    except BadInput:
        return ""
    return found[1] if found else ""


def _addresses(each: StationLine, station: Station, complain: Complain) -> dict[str, str]:
    given: dict[str, str] = {}
    for device, text in each.addresses.items():
        if device not in station.reached:
            hint = "use " + ", ".join(station.reached)
            complain(text.line, f"addresses: {device!r} is no device of {station.id}", hint)
            continue
        try:
            address(text.text)
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            complain(text.line, f"addresses: {device}: {what}", hint)
            continue
        protocol = station.reached[device].protocol
        if SCHEMES[text.text.partition(":")[0]] != protocol:
            what = f"addresses: {device} speaks {protocol}, and {text.text} another protocol"
            complain(text.line, what, "its tags have addresses of that protocol")
            continue
        given[device] = text.text
    return given


def _check_beside(each: StationLine, station: Station, complain: Complain) -> None:
    own = station.program_path()
    if isinstance(each.beside, BesideLine) and not LEAST <= each.within <= MOST:
        complain(each.beside.line, f"beside: within {each.within} scans", f"give {LEAST} to {MOST}")
    if each.mode in ("virtual", "ril"):
        what = f"beside: in mode {each.mode} the controller of {station.id} is virtual itself"
        complain(each.line, what, "leave it out, or choose hil or shadow")
    if own is None and not station.composed:
        complain(each.line, f"beside: {station.id}: {station.uncomposed}", "add program: path.st there")
    elif own is not None and not own.is_file():
        complain(each.line, f"beside: program {own} is not there", "give the path of a Structured Text file")


def _check_program(
    program: Path | None, each: StationLine, station: Station, file: str, problems: list[Problem], given: bool
) -> None:
    needed = each.serve or each.mode in ("virtual", "ril")
    if program is None:
        if needed and not station.composed:
            line = station.controller.line
            problems.append(
                Problem(
                    station.file,
                    line,
                    0,
                    f"{station.id}: {station.uncomposed}, and {file} serves it",
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

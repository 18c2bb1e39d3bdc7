"""The station file, read into structs: devices, tags, twin, and what the station is expected to do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from gateway.checked import Checked, wrong_of
from gateway.controller.compile import Part
from gateway.device import Device as Device  # the station file's, for all who read it
from gateway.device import check_devices
from gateway.errors import BadInput, Problem
from gateway.field.entries import Dialect, TagEntry, compile_tags
from gateway.field.observed import observed
from gateway.field.placement import check_written_apart
from gateway.field.referring import check_ref
from gateway.field.security import Access, variable
from gateway.field.tags import Complain, Ref, Tag, TagRef
from gateway.library.expand import Controller, Expanded, Handshake, expand
from gateway.library.files import load_library
from gateway.library.nodes import child, only
from gateway.net.messages import MAIN
from gateway.scalar import Text
from gateway.scenario import Checker, Duration, Scenario, ScenarioEntry, carries
from gateway.shim import Shim, ShimEntry, compile_shim, stamped
from gateway.twin.library import ComponentEntry, ComponentSpec, compile_components
from gateway.units import format_duration
from gateway.writes import Writes, WritesEntry, compile_writes
from gateway.yamlfile import Id, MappingNode, compose, convert, read_text

FORMAT = "station 1"
# Of a scan, ns. A lease of 1 s is renewed four times in that, and its loss is seen at a scan, 100 ms later
# at most: so a lease that is renewed holds even where two renewals are lost.
SHORTEST, LONGEST = 1_000_000, 100_000_000
UNCOMPOSED = "the controller names no program"
Mode = Literal["virtual", "hil", "ril", "shadow"]  # which of controller and plant is real: docs/modes.md


class StationEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """The station file as written."""

    twinline: str
    id: Id
    devices: dict[Id, Device]
    tags: dict[Id, TagEntry]
    twin: dict[Id, ComponentEntry]
    title: str = ""
    scan: Duration = 10_000_000
    hold: Duration | None = None
    manual: Ref | None = None
    acknowledge: Ref | None = None
    inlet: str | None = None
    outlet: str | None = None
    inlets: dict[Id, Text] = {}
    outlets: dict[Id, Text] = {}
    reentry: str | None = None
    operations: list[Id] = []
    sequences: dict[Id, ScenarioEntry] = {}
    interlocks: dict[Id, ScenarioEntry] = {}
    shim: ShimEntry | None = None
    writes: WritesEntry | None = None


class Station(msgspec.Struct, frozen=True):
    """One production cell, checked. ``sha256`` is of the file's bytes and of what it uses of the library;
    times are ns.

    ``hold`` is how long an input keeps a level at least, where its tag does not say: a scan of the gateway
    and one of the controller. ``inlets`` and ``outlets`` are carriers by name, ``reentry`` the carrier where
    workpieces reappear after a kill; ``operations`` is what the station can do with one.

    Of a station composed of groups, ``groups`` says what of the library each is, ``handshake`` how it agrees
    with its neighbours, and ``composed`` is its program in Structured Text, and ``parts`` says
    which lines of it are those of patterns. Where there is none, ``uncomposed`` says why.

    ``plant`` is where the real plant can be reached, if it can; ``devices`` are all others. ``writes`` is
    what the gateway may write.
    """

    id: str
    title: str
    file: str
    sha256: str
    scan: int
    devices: dict[str, Device]
    tags: dict[str, Tag]
    twin: dict[str, ComponentSpec]
    manual: TagRef | None
    acknowledge: TagRef | None
    inlets: dict[str, str]
    outlets: dict[str, str]
    reentry: str | None
    sequences: dict[str, Scenario]
    interlocks: dict[str, Scenario]
    shim: Shim | None = None
    hold: int = 0
    operations: tuple[str, ...] = ()
    groups: dict[str, str] = {}
    handshake: Handshake = Handshake()
    composed: str = ""
    uncomposed: str = UNCOMPOSED
    plant: Device | None = None
    parts: tuple[Part, ...] = ()
    writes: Writes = Writes()

    @property
    def controller(self) -> Device:
        """The station's controller."""
        return next(device for device in self.devices.values() if device.role == "controller")

    def having(self, role: str) -> list[Device]:
        """The devices in that role, in the file's order."""
        return [device for device in self.devices.values() if device.role == role]

    @property
    def reached(self) -> dict[str, Device]:
        """All devices, the plant's too."""
        return self.devices if self.plant is None else {**self.devices, self.plant.name: self.plant}

    @property
    def inlet(self) -> str | None:
        """The carrier at the inlet that is called main."""
        return self.inlets.get(MAIN)

    @property
    def outlet(self) -> str | None:
        """The carrier at the outlet that is called main."""
        return self.outlets.get(MAIN)

    @property
    def inputs(self) -> list[Tag]:
        """Tags that the controller reads, in the file's order."""
        return [tag for tag in self.tags.values() if tag.direction == "input"]

    @property
    def outputs(self) -> list[Tag]:
        """Tags that the controller writes, in the file's order."""
        return [tag for tag in self.tags.values() if tag.direction == "output"]

    @property
    def commands(self) -> set[str]:
        """Inputs that a person gives, not the plant: manual, acknowledge and the jogs."""
        refs = [self.manual, self.acknowledge, *(tag.jog for tag in self.outputs)]
        return {ref.tag for ref in refs if ref is not None}

    @property
    def echoes(self) -> set[str]:
        """Outputs that only show what was written: an observer with no jog of its own, and the shim's."""
        observers = {tag.observer.tag for tag in self.inputs if tag.observer is not None}
        shown = {tag.name for tag in self.outputs if tag.name in observers and tag.jog is None}
        return shown | (self.shim.outputs if self.shim is not None else set())

    @property
    def plant_inputs(self) -> list[Tag]:
        """Inputs but for those that only tell a shim that the gateway is alive."""
        own = self.shim.inputs if self.shim is not None else frozenset[str]()
        return [tag for tag in self.inputs if tag.name not in own]

    @property
    def observed(self) -> dict[str, Tag]:
        """All tags as they are read in shadow mode."""
        return observed(self.tags, [device.name for device in self.having("served")])

    @property
    def driven(self) -> dict[str, Tag]:
        """All tags as the gateway has them that drives the station: an input that it may not write, it
        reads."""
        return {**self.observed, **{tag.name: tag for tag in self.writable}}

    @property
    def writable(self) -> list[Tag]:
        """The inputs that the gateway may write, in the file's order."""
        return [tag for tag in self.inputs if not self.writes.refuses(tag.name)]

    def placed(self, id: str, addresses: Mapping[str, str]) -> Station:
        """The same station under the id that it has in its line, some devices at other ``addresses``."""
        devices = {
            name: msgspec.structs.replace(device, address=addresses.get(name, device.address))
            for name, device in self.reached.items()
        }
        return msgspec.structs.replace(self, id=id, devices=devices, plant=_take_plant(devices))

    def accesses(self, folder: str) -> dict[str, Access]:
        """How the devices with security are reached, by name, with the certificates in ``folder``."""
        return {name: self._access(each, folder) for name, each in self.devices.items() if each.secured}

    def _access(self, device: Device, folder: str) -> Access:
        assert device.security is not None, "it has one"
        file = device.password_file
        password = "" if file is None else str((Path(self.file).parent / file.text).resolve())
        return Access(device.security, folder, device.user, password, variable(self.id, device.name))

    def moved(self, ports: Mapping[str, int]) -> Station:
        """The same station with its devices at other ports, by device name."""
        devices = {
            name: device.at_port(ports[name]) if name in ports else device
            for name, device in self.reached.items()
        }
        return msgspec.structs.replace(self, devices=devices, plant=_take_plant(devices))

    def program_path(self) -> Path | None:
        """The controller's program, found beside the station file; None where it names none."""
        program = self.controller.program
        return None if program is None else (Path(self.file).parent / program.text).resolve()


def load_station(path: Path) -> Station:
    """Read and check the station file; BadInput with every problem in it."""
    text = read_text(path)
    problems: list[Problem] = []
    node = compose(text, str(path), problems)
    expanded = None
    if isinstance(node, MappingNode) and child(node, "groups") is not None:
        expanded = expand_station(node, str(path), problems)
        node = expanded.node if expanded is not None else None
    entry = None if node is None else convert(node, str(path), StationEntry, problems)
    if entry is None or (problems and not entry.devices and not wrong_of(entry.devices)):
        raise BadInput(problems)  # without a device, every tag would be said to name none

    def complain(line: int, what: str, hint: str = "", column: int = 0) -> None:
        problems.append(Problem(str(path), line, column, what, hint))

    if entry.twinline not in ("", FORMAT):  # left out, that is said
        complain(
            _line_of(text, "twinline"),
            f"twinline: {entry.twinline!r} is no station format",
            f"write twinline: {FORMAT}",
        )
    controllers = [name for name, device in entry.devices.items() if device.role == "controller"]
    check_devices(entry.devices, controllers, _line_of(text, "devices"), complain)
    devices = dict(entry.devices)
    plant = _take_plant(devices)
    if not SHORTEST <= entry.scan <= LONGEST:
        complain(
            _line_of(text, "scan"),
            f"scan: {format_duration(entry.scan)}",
            "give 1 ms to 100 ms, or a lost lease is seen too late",
        )
    protocols = Checked({n: device.protocol for n, device in devices.items()}, wrong_of(entry.devices))
    dialects = {
        name: Dialect(device.base, device.order or "ABCD", device.role == "served")
        for name, device in devices.items()
    }
    maybe = controllers or sorted(wrong_of(entry.devices))
    named = maybe[0] if len(maybe) == 1 else ""
    tags = compile_tags(entry.tags.values(), protocols, complain, dialects, wrong_of(entry.tags), named)
    twin = compile_components(entry.twin, tags, complain)
    for key, ref in (("manual", entry.manual), ("acknowledge", entry.acknowledge)):
        if ref is not None:
            tag = check_ref(ref, tags, _line_of(text, key), f"{key}:", complain, boolean=True)
            if tag is not None and tag.direction != "input":
                complain(_line_of(text, key), f"{key}: {ref} is an output", "name an input")
    inlets = _places("inlet", entry.inlet, entry.inlets, twin, _line_of(text, "inlet"), complain)
    outlets = _places("outlet", entry.outlet, entry.outlets, twin, _line_of(text, "outlet"), complain)
    if entry.reentry is not None and not carries(entry.reentry, twin):
        what = f"reentry: {entry.reentry!r} is no carrier"
        complain(_line_of(text, "reentry"), what, "name one, such as a belt")
    checker = Checker(tags, twin, complain, entry.manual, entry.acknowledge)
    sequences = {name: checker.check(each, False) for name, each in entry.sequences.items()}
    interlocks = {name: checker.check(each, True) for name, each in entry.interlocks.items()}
    shim = None
    if entry.shim is not None and len(controllers) == 1:
        shim = compile_shim(entry.shim, tags, controllers[0], entry.scan, complain)
    commands = {"manual": entry.manual, "acknowledge": entry.acknowledge}
    commands |= {f"the jog of {tag.name}": tag.jog for tag in tags.values()}
    given = {name: ref for name, ref in commands.items() if ref is not None and ref.tag in tags}
    scenarios = (*sequences.values(), *interlocks.values())
    writes = compile_writes(entry.writes, tags, twin, shim, given, scenarios, complain)
    inputs = {tag.name: tag for tag in tags.values() if tag.direction == "input"}
    written = writes.kept(inputs)
    _check_cells(inputs, written, devices, complain)
    if shim is not None:
        shim = stamped(shim, tags, written.values(), controllers[0])
    _check_tolerances(entry.tags, entry.twin, complain)
    if problems:
        raise BadInput(problems)
    used = expanded.digest if expanded is not None else ""
    return Station(
        entry.id, entry.title or entry.id, str(path),
        hashlib.sha256(path.read_bytes() + used.encode()).hexdigest(),
        entry.scan, devices, tags, twin, entry.manual, entry.acknowledge, inlets, outlets,
        entry.reentry or next(iter(inlets.values()), None), sequences, interlocks, shim,
        2 * entry.scan if entry.hold is None else entry.hold, tuple(entry.operations),
        expanded.groups if expanded is not None else {},
        expanded.handshake if expanded is not None else Handshake(),
        expanded.program if expanded is not None else "",
        expanded.uncomposed if expanded is not None else UNCOMPOSED,
        plant,
        expanded.parts if expanded is not None else (),
        writes,
    )  # fmt: skip


def _check_cells(
    inputs: Mapping[str, Tag], written: Mapping[str, Tag], devices: Mapping[str, Device], complain: Complain
) -> None:
    """An input that is read since it may not be written lies apart from those that are written."""
    left = {name: tag for name, tag in inputs.items() if name not in written}
    read = observed(left, [name for name, device in devices.items() if device.role == "served"])
    asked = [tag for tag in read.values() if tag.direction == "output"]
    check_written_apart([*written.values(), *asked], written, complain)


def _check_tolerances(
    entries: Mapping[str, TagEntry], twin: Mapping[str, ComponentEntry], complain: Complain
) -> None:
    """An input with a tolerance is one that the twin shows too; a port with the input's name at it is a
    sensor's, or that was said."""
    if wrong_of(twin):
        return
    shown = {tag.text for component in twin.values() for tag in component.ports.values()}
    for entry in entries.values():
        if entry.tolerance is not None and entry.direction == "input" and entry.name not in shown:
            what = f"{entry.name}: tolerance: the twin does not show it, so it is compared with nothing"
            complain(entry.tolerance.line, what, "leave tolerance out")


_ANY = Device("modbus://controller")


class _Frame(msgspec.Struct, frozen=True, rename="kebab"):
    """What the expansion of groups has to know of the rest of the file."""

    devices: dict[Id, Device]
    scan: Duration = 10_000_000


def expand_station(node: MappingNode, file: str, problems: list[Problem]) -> Expanded | None:
    """The station file ``node`` with what follows from its groups; None, with problems added, else."""
    frame = convert(only(node, ("devices", "scan")), file, _Frame, problems)
    device = next((d for d in frame.devices.values() if d.role == "controller"), None) if frame else None
    if frame is not None and device is None and wrong_of(frame.devices):
        device = _ANY  # what was wrong with it is said, and the groups are looked at all the same
    if frame is None or device is None:
        problems.append(Problem(file, 1, 0, "devices: a composed station has a controller", "add it"))
        return None
    try:
        library = load_library()
    except BadInput as bad:
        problems += bad.problems
        return None
    beside = [each for each in frame.devices.values() if each is not device and each.role != "plant"]
    name = device.name if beside else ""
    controller = Controller(device.protocol, device.base, name)
    return expand(node, library, controller, frame.scan, file, problems)


def _take_plant(devices: dict[str, Device]) -> Device | None:
    """The one that is the plant's, out of ``devices``: no tag lies on it."""
    found = next((name for name, device in devices.items() if device.role == "plant"), None)
    return None if found is None else devices.pop(found)


def _places(
    key: str,
    one: str | None,
    named: Mapping[str, Text],
    twin: Mapping[str, ComponentSpec],
    line: int,
    complain: Complain,
) -> dict[str, str]:
    """The carriers by the name of the inlet or outlet; the one that has none is called main."""
    places = {name: text.text for name, text in named.items()}
    lines = {name: text.line for name, text in named.items()}
    if one is not None:
        if MAIN in places:
            complain(lines[MAIN], f"{key}s: {MAIN} stands here and under {key}", "give it once")
        places = {MAIN: one, **places}
        lines[MAIN] = line
    for name, carrier in places.items():
        where = key if one is not None and name == MAIN else f"{key}s: {name}"
        if not carries(carrier, twin):
            complain(lines[name], f"{where}: {carrier!r} is no carrier", "name one, such as a belt")
        elif key == "outlet" and carrier in twin and (onward := twin[carrier].links.get("to")):
            complain(lines[name], f"{where}: {carrier} passes on to {onward}", "name the last carrier")
        same = [other for other, each in places.items() if each == carrier and other != name]
        if key == "outlet" and same and name == max((name, *same), key=lines.__getitem__):
            what = f"{where}: {carrier} is the outlet {same[0]} already"
            complain(lines[name], what, "what waits at a carrier's end has one way to go")
    return places


def _line_of(text: str, key: str) -> int:
    """The line of a top-level key."""
    lines = text.splitlines()
    return next((n for n, line in enumerate(lines, 1) if line.startswith(f"{key}:")), 1)

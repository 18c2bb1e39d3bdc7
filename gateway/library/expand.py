"""A station file with groups becomes one with tags, twin, sequences, interlocks and a program; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from gateway.controller.compile import Part
from gateway.errors import Problem
from gateway.field.addresses import Protocol
from gateway.library.composition import Composition, CompositionEntry, Unit
from gateway.library.entries import Interface
from gateway.library.library import Group, Library
from gateway.library.nodes import Plain, at, build, child, merge, only
from gateway.library.pattern import camel
from gateway.library.program import MOST_STEPS, Written, write_program
from gateway.library.resolve import resolve
from gateway.library.scenarios import Scenarios
from gateway.library.signals import Full, Signal, place
from gateway.library.wiring import signals_of
from gateway.yamlfile import MappingNode, Mark, Node, ScalarNode, convert

KEYS = frozenset(field.encode_name for field in msgspec.structs.fields(CompositionEntry))
OWN = frozenset({"groups", "cycle", "quality", "present"})
"""The keys that are about groups alone, and gone after the expansion."""
ELSEWHERE = frozenset(
    {"address", "type", "direction", "device", "raw", "scale", "offset", "table", "formula", "order"}
)
"""What of a tag says where and how it lies in the controller."""


class Controller(msgspec.Struct, frozen=True):
    """Whose addresses the tags get; ``name`` is empty where the station has no other device."""

    protocol: Protocol
    base: int
    name: str


class Handshake(msgspec.Struct, frozen=True):
    """How neighbours agree: the output that says a workpiece may come by inlet, the input that says the
    next station takes one by outlet, and the interface of the group at each end."""

    takes: dict[str, str] = {}
    readies: dict[str, str] = {}
    inlets: dict[str, Interface] = {}
    outlets: dict[str, Interface] = {}


class Expanded(msgspec.Struct, frozen=True):
    """``program`` is Structured Text, empty where ``uncomposed`` says why there is none, and ``parts`` says
    which lines of it are patterns'; ``digest`` is of the groups and patterns used."""

    node: MappingNode
    program: str
    parts: tuple[Part, ...]
    uncomposed: str
    digest: str
    composition: Composition
    handshake: Handshake

    @property
    def groups(self) -> dict[str, str]:
        """What of the library each group of the station is."""
        return {unit.name: unit.group.name for unit in self.composition.units.values()}


def expand(
    root: MappingNode,
    library: Library,
    device: Controller,
    scan: int,
    file: str,
    problems: list[Problem],
) -> Expanded | None:
    """``root`` with what follows from its ``groups``, under what it says itself; None where that is not
    clear. ``scan`` is in ns."""

    def complain(line: int, what: str, hint: str = "") -> None:
        problems.append(Problem(file, line, 0, what, hint))

    already = len(problems)
    entry = convert(only(root, KEYS), file, CompositionEntry, problems)
    if entry is None:
        return None
    groups: dict[str, Group] = {}
    for name, use in entry.groups.items():
        hint = library.known(use.use.text)
        if hint:
            complain(use.use.line, f"{name}: {use.use.text!r} is no group of the library", hint)
            continue
        if use.use.text not in groups and (group := library.group(use.use.text, problems)) is not None:
            groups[use.use.text] = group
    if len(problems) > already:
        return None
    top = _groups_at(root)
    composition = resolve(entry, groups, top.line + 1, complain)
    if len(composition.steps) > MOST_STEPS:
        complain(top.line + 1, f"cycle: {len(composition.steps)} steps", f"give at most {MOST_STEPS}")
    if len(problems) > already:
        return None
    try:
        return _made(root, composition, groups, device, scan)
    except Full as full:
        complain(top.line + 1, f"groups: {full}", "divide the station")
    except ValueError as error:  # a calculation that these parameters have no result for
        what, _, hint = str(error).partition("; ")
        complain(top.line + 1, f"groups: {what}", hint)
    return None


def _made(
    root: MappingNode,
    composition: Composition,
    groups: Mapping[str, Group],
    device: Controller,
    scan: int,
) -> Expanded:
    """What follows from ``composition``; Full, or ValueError of a calculation."""
    marks = {key.value: key.start_mark for key, _ in _items(child(root, "groups"))}
    top = _groups_at(root)
    identity, title = _text(root, "id"), _text(root, "title")
    name = f"{camel(identity)}Station"
    signals, wiring = signals_of(composition)
    placed = {each.name: each for each in place(signals)}
    own, strange = _own_places(root, placed, device, name)
    jogs = {tag: str(jog) for tag, jog in wiring.jogs.items()}
    scenarios = Scenarios(composition, jogs, scan)
    made: dict[str, Node] = {
        "title": build(title or identity, top),
        "manual": build(str(wiring.manual), top),
        "acknowledge": build(str(wiring.acknowledge), top),
        "inlets": build(composition.inlets, top, 1),
        "outlets": build(composition.outlets, top, 1),
        "tags": _at_units(
            {each.name: _tag(each, device, name) for each in placed.values()}, composition, marks, top
        ),
        "twin": _at_units(_twin(composition), composition, marks, top),
        "sequences": build(scenarios.sequences(), top),
        "interlocks": _at_units(scenarios.interlocks(), composition, marks, top),
    }
    if composition.inlets:
        made["reentry"] = build(next(iter(composition.inlets.values())), top)
    ends = {"inlet", "inlets", "outlet", "outlets"}
    node = merge(at(root.start_mark, made), only(root, OWN | ends, wanted=False))
    assert isinstance(node, MappingNode)
    written = Written("", ())
    if not strange:
        written = write_program(name, title or identity, composition, own, wiring)
    return Expanded(
        node,
        written.text,
        written.parts,
        f"{strange} has no place in the program that is composed" if strange else "",
        _digest(groups),
        composition,
        _handshake(composition),
    )


def _groups_at(root: MappingNode) -> Mark:
    """Where the groups stand."""
    found: Mark = next(key.start_mark for key, _ in root.value if key.value == "groups")
    return found


def _own_places(
    root: MappingNode, placed: Mapping[str, Signal], device: Controller, program: str
) -> tuple[dict[str, Signal], str]:
    """``placed`` where the file itself says that they lie, and what of it the program cannot follow."""
    found = dict(placed)
    for key, entry in _items(child(root, "tags")):
        signal = placed.get(key.value)
        said = {name.value: value for name, value in _items(entry)}
        if signal is None or not said.keys() & ELSEWHERE:
            continue
        address = said.get("address")
        moved = None
        if said.keys() & ELSEWHERE == {"address"} and isinstance(address, ScalarNode):
            moved = signal.moved(address.value, device.protocol, program, device.base)
        if moved is None:
            return found, f"{key.value} as tags: has it"
        found[key.value] = moved
    return found, ""


def _items(node: Node | None) -> list[tuple[Node, Node]]:
    return list(node.value) if isinstance(node, MappingNode) else []


def _text(root: Node, key: str) -> str:
    node = child(root, key)
    return str(node.value) if isinstance(node, ScalarNode) else ""


def _tag(signal: Signal, device: Controller, program: str) -> dict[str, Plain]:
    address = signal.address(device.protocol, program, device.base)
    tag: dict[str, Plain] = {"direction": signal.direction, "type": signal.type, "address": address}
    return tag | ({"device": device.name} if device.name else {}) | signal.about


# --- twin ---------------------------------------------------------------------------------------------------


def _twin(composition: Composition) -> dict[str, Plain]:
    found: dict[str, Plain] = {}
    for unit in composition.units.values():
        for name, part in unit.group.entry.parts.items():
            entry: dict[str, Plain] = {"kind": part.kind}
            params = {key: unit.given(text.text) for key, text in part.params.items()}
            links = {key: _link(unit, text.text) for key, text in part.links.items()}
            ports = {p.port.name: unit.tag(p.name) for p in unit.group.ports.values() if p.part == name}
            for key, values in (("params", params), ("links", links), ("ports", ports)):
                kept = {each: value for each, value in values.items() if value}
                if kept:
                    entry[key] = kept
            title = unit.entry.title or part.title
            if title:
                entry["title"] = title
            found[unit.group.component(unit.name, name)] = entry
    return found


def _link(unit: Unit, text: str) -> str:
    """The component that a part's link leads to; empty where it was left out."""
    return unit.links.get(text[1:], "") if text.startswith("$") else unit.group.component(unit.name, text)


def _at_units(
    entries: Mapping[str, Plain], composition: Composition, marks: Mapping[str, Mark], top: Mark
) -> MappingNode:
    """``entries`` as nodes, each at the line of the group that its name begins with."""
    pairs = []
    for name, entry in entries.items():
        owners = [unit for unit in composition.units if name == unit or name.startswith(f"{unit}-")]
        mark = marks[max(owners, key=len)] if owners else top
        pairs.append((build(name, mark), build(entry, mark, 2)))
    return MappingNode("tag:yaml.org,2002:map", pairs, top, top, False)


# --- what else is known of it -------------------------------------------------------------------------------


def _handshake(composition: Composition) -> Handshake:
    carriers = {unit.carrier: unit.group.entry.interface for unit in composition.units.values()}
    return Handshake(
        composition.takes(),
        composition.readies(),
        {name: carriers.get(carrier, Interface()) for name, carrier in composition.inlets.items()},
        {name: carriers.get(carrier, Interface()) for name, carrier in composition.outlets.items()},
    )


def _digest(groups: Mapping[str, Group]) -> str:
    """Of everything in the library that the station depends on."""
    digest = hashlib.sha256()
    for name in sorted(groups):
        group = groups[name]
        for part in (name, group.text, group.pattern.text if group.pattern is not None else ""):
            data = part.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()

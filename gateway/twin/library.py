"""A station's components, checked against the kinds there are; pure."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterable, Mapping

import msgspec

from gateway.checked import Checked, wrong_of
from gateway.field.tags import Complain, Tag
from gateway.scalar import Text
from gateway.twin.chance import Distribution, is_distribution, read_distribution
from gateway.twin.component import Component, Param, Port
from gateway.twin.kinds import KINDS
from gateway.twin.signal import chain_params
from gateway.units import quantity
from gateway.yamlfile import Id

_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}")


# Which kinds of tag a port of each kind binds to, and how to say so.
FITTING: dict[str, tuple[str, ...]] = {
    "bool": ("bool",),
    "int": ("int", "bits"),
    "real": ("int", "bits", "real", "time"),
}
BIND = {"bool": "a BOOL", "int": "an integer (INT, UINT, WORD ...)", "real": "a number"}


class ComponentEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """A component as the station file has it."""

    kind: str
    params: dict[str, Text] = {}
    links: dict[str, Text] = {}
    ports: dict[str, Text] = {}
    title: str = ""
    line: int = 0
    name: str = ""


class ComponentSpec(msgspec.Struct, frozen=True):
    """A checked component: parameters in their declared units, links by name, ports by tag."""

    name: str
    kind: str
    params: dict[str, float]
    links: dict[str, str]
    ports: dict[str, str]
    title: str
    words: dict[str, str] = {}
    drawn: dict[str, Distribution] = {}

    @property
    def family(self) -> type[Component]:
        """The class that models it."""
        return KINDS[self.kind]


def compile_components(
    entries: Mapping[str, ComponentEntry], tags: Mapping[str, Tag], complain: Complain
) -> dict[str, ComponentSpec]:
    """Check ``entries`` against their kinds and the station's ``tags``; links come before what uses them.

    Of a component that is none, or is wired to a wrong tag, nothing more is said where it is used.
    """
    specs: dict[str, ComponentSpec] = {}
    wrong = set(wrong_of(entries))
    for entry in entries.values():
        family = KINDS.get(entry.kind)
        if family is None:
            wrong.add(entry.name)
            complain(entry.line, f"{entry.name}: kind {entry.kind!r} is not known", _known(entry.kind, KINDS))
            continue
        specs[entry.name] = ComponentSpec(
            entry.name,
            entry.kind,
            _params(entry, family, complain),
            _links(entry, family, entries, complain),
            _ports(entry, family, tags, complain),
            entry.title or family.ABOUT,
            _words(entry, family, complain),
            _drawn(entry, family),
        )
        if any(tag.text in wrong_of(tags) for tag in entry.ports.values()):
            wrong.add(entry.name)
    _check_bound_once(entries.values(), specs, complain)
    ordered = _in_order(specs, entries, complain)
    return Checked(ordered, wrong) if wrong else ordered


def _params(entry: ComponentEntry, family: type[Component], complain: Complain) -> dict[str, float]:
    declared = {param.name: param for param in family.PARAMS}
    named = {word.name: word for word in family.WORDS}
    signals = chain_params(family.PORTS)
    _unknown(entry, "parameter", entry.params, {**declared, **named, **signals}, complain)
    declared |= {name: param for name, param in signals.items() if name in entry.params}
    values: dict[str, float] = {}
    for param in declared.values():
        written = entry.params.get(param.name)
        if written is None:
            if param.default is None:
                complain(
                    entry.line,
                    f"{entry.name}: parameter {param.name} is missing",
                    f"give it in {param.unit}, {param.low:g} to {param.high:g}",
                )
            values[param.name] = param.low if param.default is None else param.default
            continue
        try:
            value = _typical(written.text, param)
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            complain(written.line, f"{entry.name}.{param.name}: {what}", hint)
            continue
        if not param.low <= value <= param.high:
            complain(
                written.line,
                f"{entry.name}.{param.name}: {written.text} is outside its limits",
                f"give {param.low:g} to {param.high:g} {param.unit}",
            )
        values[param.name] = value
    return values


def _typical(text: str, param: Param) -> float:
    """The parameter, on average where it is drawn; ValueError("what was wrong; what would be right")."""
    if not is_distribution(text):
        return quantity(text, param.unit)
    if not param.drawn:
        raise ValueError(f"{text!r} would be drawn, and {param.name} is not; give one number")
    return read_distribution(text, param.unit).mean


def _drawn(entry: ComponentEntry, family: type[Component]) -> dict[str, Distribution]:
    """The parameters that are drawn; what is wrong with them has been said."""
    drawn: dict[str, Distribution] = {}
    for param in family.PARAMS:
        written = entry.params.get(param.name)
        if param.drawn and written is not None and is_distribution(written.text):
            with contextlib.suppress(ValueError):
                drawn[param.name] = read_distribution(written.text, param.unit)
    return drawn


def _words(entry: ComponentEntry, family: type[Component], complain: Complain) -> dict[str, str]:
    words: dict[str, str] = {}
    for word in family.WORDS:
        written = entry.params.get(word.name)
        if written is None:
            words[word.name] = word.default
        elif _WORD.fullmatch(written.text):
            words[word.name] = written.text
        else:
            complain(
                written.line,
                f"{entry.name}.{word.name}: {written.text!r} is no name",
                "write a small letter, then small letters, digits and underscores",
            )
    return words


def _links(
    entry: ComponentEntry, family: type[Component], entries: Mapping[str, ComponentEntry], complain: Complain
) -> dict[str, str]:
    declared = {link.name: link for link in family.LINKS}
    _unknown(entry, "link", entry.links, declared, complain)
    links: dict[str, str] = {}
    for link in declared.values():
        written = entry.links.get(link.name)
        kinds = [kind for kind, each in KINDS.items() if issubclass(each, link.family)]
        if written is None:
            if not link.optional:
                complain(
                    entry.line,
                    f"{entry.name}: link {link.name} is missing",
                    f"name a component of kind {' or '.join(kinds)}",
                )
            continue
        other = entries.get(written.text)
        if written.text in wrong_of(entries) or (other is not None and other.kind not in KINDS):
            continue
        if other is None:
            complain(
                written.line,
                f"{entry.name}: link {link.name} names {written.text!r}, which is no component",
                _known(written.text, entries),
            )
        elif other.kind not in kinds:
            complain(
                written.line,
                f"{entry.name}: link {link.name} names {written.text!r}, a {other.kind}",
                f"name a component of kind {' or '.join(kinds)}",
            )
        else:
            links[link.name] = written.text
    return links


def _ports(
    entry: ComponentEntry, family: type[Component], tags: Mapping[str, Tag], complain: Complain
) -> dict[str, str]:
    declared = {port.name: port for port in family.PORTS}
    _unknown(entry, "port", entry.ports, declared, complain)
    ports: dict[str, str] = {}
    for port in declared.values():
        written = entry.ports.get(port.name)
        if written is None:
            if not port.optional:
                complain(
                    entry.line, f"{entry.name}: port {port.name} is not bound", "name the tag it is wired to"
                )
            continue
        tag = tags.get(written.text)
        where = f"{entry.name}: port {port.name}"
        if written.text in wrong_of(tags):
            continue
        if tag is None:
            complain(
                written.line, f"{where} names {written.text!r}, which is no tag", _known(written.text, tags)
            )
            continue
        wanted = "output" if port.direction == "actuator" else "input"
        if tag.direction != wanted:
            complain(
                written.line,
                f"{where} is a{'n' if port.direction == 'actuator' else ''} {port.direction}, "
                f"{tag.name} an {tag.direction}",
                f"an {port.direction} is a controller's {wanted}",
            )
        elif tag.type.kind not in FITTING[port.kind]:
            complain(
                written.line,
                f"{where} is {port.kind}, {tag.name} a {tag.type.name}",
                f"bind {BIND[port.kind]}",
            )
        elif port.kind != "bool" and tag.unit != port.unit:
            complain(
                written.line, f"{where} is in {port.unit}, {tag.name} in {tag.unit}", "use the same unit"
            )
        else:
            ports[port.name] = tag.name
            _check_range(where, port, tag, written.line, complain)
    return ports


def _check_range(where: str, port: Port, tag: Tag, line: int, complain: Complain) -> None:
    """A whole number must arrive as it is; of a measured value a tag may see a part."""
    if port.kind == "bool" or port.low is None or port.high is None:
        return
    (low, high), span = tag.range, f"{port.low:g}..{port.high:g}"
    if port.kind == "int" and port.direction == "sensor" and not (low <= port.low and port.high <= high):
        complain(
            line, f"{where} shows {span}, {tag.name} holds {low:g}..{high:g}", "let the range hold it all"
        )
    elif high < port.low or low > port.high:
        complain(line, f"{where} has {span}, {tag.name} {low:g}..{high:g}", "let the ranges overlap")


def _check_bound_once(
    entries: Iterable[ComponentEntry], specs: Mapping[str, ComponentSpec], complain: Complain
) -> None:
    """A sensor's tag has one source."""
    source: dict[str, str] = {}
    for entry in entries:
        spec = specs.get(entry.name)
        for port in spec.family.PORTS if spec else ():
            tag = spec.ports.get(port.name) if spec and port.direction == "sensor" else None
            if tag is None:
                continue
            if tag in source:
                complain(
                    entry.ports[port.name].line,
                    f"{entry.name}: tag {tag} is driven by {source[tag]} already",
                    "bind one sensor to a tag",
                )
            source[tag] = entry.name


def _in_order(
    specs: dict[str, ComponentSpec], entries: Mapping[str, ComponentEntry], complain: Complain
) -> dict[str, ComponentSpec]:
    ordered: dict[str, ComponentSpec] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in ordered or name not in specs:
            return
        if name in path:
            complain(entries[name].line, f"links go in a circle: {' -> '.join((*path, name))}", "break it")
            return
        for other in specs[name].links.values():
            visit(other, (*path, name))
        ordered.setdefault(name, specs[name])

    for name in specs:
        visit(name, ())
    return ordered


def _unknown(
    entry: ComponentEntry,
    what: str,
    written: Mapping[str, Text],
    declared: Mapping[str, object],
    complain: Complain,
) -> None:
    for key, text in written.items():
        if key not in declared:
            complain(text.line, f"{entry.name}: a {entry.kind} has no {what} {key!r}", _known(key, declared))


def _known(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else "there are " + (", ".join(names) or "none")


__all__ = ["ComponentEntry", "ComponentSpec", "Id", "compile_components"]

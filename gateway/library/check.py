"""A group held against the components and the pattern that it names; pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway.field.conversion import read_range
from gateway.field.tags import Complain
from gateway.library.entries import Duty, Edge, GroupEntry, PartEntry, PortEntry, Shows
from gateway.library.pattern import RELEASES, STATES, Pattern, camel, is_word, literal
from gateway.library.quantities import evaluate
from gateway.scalar import Text
from gateway.twin.carrier import Carrier
from gateway.twin.chance import is_distribution, read_distribution
from gateway.twin.component import Component, Port
from gateway.twin.components.electrics import Machine, Power
from gateway.twin.components.safety import Guard
from gateway.twin.kinds import KINDS
from gateway.twin.signal import chain_params
from gateway.units import UNITS, duration, quantity

TYPES = {"bool": "BOOL", "real": "REAL", "int": "INT"}
"""The type of a port's variable in the pattern and the program."""


class Checked(NamedTuple):
    """A port of a group: its name in the group, part, port, and what is said about it."""

    name: str
    part: str
    port: Port
    range: str = ""
    safe: str = ""
    title: str = ""


WORDS: dict[str, type[Component]] = {"carrier": Carrier, "guard": Guard, "power": Power, "machine": Machine}
"""What a link may ask for besides a kind: whatever carries, is watched by a safety relay, feeds or turns."""


def fitting(word: str) -> tuple[type[Component], ...]:
    """The components that a link's word means; none where it is not known."""
    kind = WORDS.get(word) or KINDS.get(word)
    return () if kind is None else (kind,)


def examples(entry: GroupEntry) -> dict[str, str]:
    """Each parameter's default, of a distribution the mean; what has none is 1 of its unit."""
    found: dict[str, str] = {}
    for name, param in entry.params.items():
        text = param.default.text if param.default is not None else "1"
        if is_distribution(text):
            with contextlib.suppress(ValueError):  # which is told where it stands
                text = f"{read_distribution(text, param.unit).mean:.12g}"
        found[name] = with_unit(text, param.unit)
    return found


def with_unit(text: str, unit: str) -> str:
    """A bare number with the parameter's unit behind it."""
    try:
        float(text)
    except ValueError:
        return text
    return text if unit in ("1", "word") else f"{text} {unit}"


def check_group(entry: GroupEntry, pattern: Pattern | None, complain: Complain) -> list[Checked]:
    """The ports of the group; what is wrong in it is complained of."""
    check = _Check(entry, complain)
    check.params()
    check.parts()
    ports = list(check.ports())
    names = {port.name: port for port in ports}
    check.shows(names)
    check.duty()
    check.monitors(names)
    if pattern is not None:
        check.pattern(pattern, ports)
    elif entry.pattern is None and any(port.port.direction == "actuator" for port in ports):
        complain(entry.line, "has actuators and no pattern", "name the FUNCTION_BLOCK that runs it")
    return ports


class _Check:
    def __init__(self, entry: GroupEntry, complain: Complain) -> None:
        self.entry, self.complain = entry, complain
        self.known = examples(entry)

    def bad(self, line: int, where: str, error: ValueError) -> None:
        what, _, hint = str(error).partition("; ")
        self.complain(line, f"{where}: {what}", hint)

    def params(self) -> None:
        if not self.entry.parts:
            self.complain(self.entry.line, "has no parts", "name one component at least")
        for param in self.entry.params.values():
            if param.unit not in UNITS and param.unit != "word":
                self.complain(param.line, f"param {param.name}: unit {param.unit!r} is not known", "use UCUM")
            elif param.default is not None and param.unit != "word":
                drawn = is_distribution(param.default.text)
                try:
                    if drawn:
                        read_distribution(param.default.text, param.unit)
                    else:
                        quantity(param.default.text, param.unit)
                except ValueError as error:
                    self.bad(param.line, f"param {param.name}", error)
        for name, (word, _) in self.entry.links.items():
            if not fitting(word):
                self.complain(
                    self.entry.line,
                    f"link {name}: {word!r} is no kind of component",
                    "write carrier or a kind such as air-supply",
                )

    def parts(self) -> None:
        for part in self.entry.parts.values():
            family = KINDS.get(part.kind)
            where = f"part {part.name}"
            if family is None:
                self.complain(part.line, f"{where}: kind {part.kind!r} is not known", "see docs/library.md")
                continue
            params = [param.name for param in family.PARAMS] + [word.name for word in family.WORDS]
            params += chain_params(family.PORTS)
            for name, text in part.params.items():
                if name not in params:
                    there = ", ".join(params) or "none"
                    self.complain(
                        text.line, f"{where}: a {part.kind} has no parameter {name!r}", f"there are {there}"
                    )
                self.value(text, f"{where}: {name}")
            self.links(part, family)

    def links(self, part: PartEntry, family: type[Component]) -> None:
        for name, text in part.links.items():
            where = f"part {part.name}: link {name}"
            if name not in {link.name for link in family.LINKS}:
                there = ", ".join(link.name for link in family.LINKS) or "none"
                self.complain(text.line, f"{where}: a {part.kind} has no such link", f"there are {there}")
            target = text.text
            if target.startswith("$"):
                if target[1:] not in self.entry.links:
                    self.complain(text.line, f"{where}: {target} is no link of the group", "declare it")
            elif target not in self.entry.parts:
                self.complain(
                    text.line, f"{where}: {target!r} is no part of the group", "name a part, or write $link"
                )

    def value(self, text: Text, where: str) -> str:
        try:
            return evaluate(text.text, self.known)
        except ValueError as error:
            self.bad(text.line, where, error)
            return ""

    def ports(self) -> Iterator[Checked]:
        named: dict[tuple[str, str], str] = {}
        for name, written in self.entry.ports.items():
            of = written.of if isinstance(written, PortEntry) else written
            part, _, port = of.text.partition(".")
            found = self._port(part, port)
            if found is None:
                self.complain(
                    of.line, f"port {name}: {of.text!r} is no port of a part", f"there are {self._there()}"
                )
                continue
            if (part, port) in named:
                self.complain(
                    of.line, f"port {name}: {of.text} is called {named[part, port]} already", "name it once"
                )
            named[part, port] = name
            yield self._named(name, part, found, written)
        for part, each in self.entry.parts.items():
            for needed in KINDS[each.kind].PORTS if each.kind in KINDS else ():
                if not needed.optional and (part, needed.name) not in named:
                    name = needed.name if len(self.entry.parts) == 1 else f"{part}-{needed.name}"
                    yield self._named(name, part, needed, None)

    def _port(self, part: str, port: str) -> Port | None:
        family = KINDS.get(self.entry.parts[part].kind) if part in self.entry.parts else None
        return next((each for each in family.PORTS if each.name == port), None) if family else None

    def _there(self) -> str:
        kinds = [(name, KINDS[part.kind]) for name, part in self.entry.parts.items() if part.kind in KINDS]
        return ", ".join(f"{name}.{port.name}" for name, kind in kinds for port in kind.PORTS) or "none"

    def _named(self, name: str, part: str, port: Port, written: Text | PortEntry | None) -> Checked:
        entry = written if isinstance(written, PortEntry) else None
        line = entry.line if entry is not None else self.entry.line
        taken = (*RELEASES, "Outlet") if port.direction == "sensor" else STATES
        if not is_word(camel(name)) or camel(name) in taken:
            self.complain(
                line, f"port {name}: {camel(name)} means something else in a pattern", "call it otherwise"
            )
        span = safe = ""
        if entry is not None and entry.range is not None:
            span = entry.range.text
            low, dots, high = span.partition("..")
            if not dots:
                self.complain(line, f"port {name}: {span!r} is no range", "write for example 0..$travel")
            else:
                for end in (low, high):
                    self.value(Text(end.strip(), line), f"port {name}: range")
        if entry is not None and entry.safe is not None:
            safe = entry.safe.text
        if port.kind != "bool" and not span and (port.low is None or port.high is None):
            self.complain(
                line, f"port {name}: the range of {part}.{port.name} is not known",
                f"write {name}: {{of: {part}.{port.name}, range: 0..100}}",
            )  # fmt: skip
        elif port.kind != "bool" and span and "$" not in span:
            try:
                read_range(span)
            except ValueError as error:
                self.bad(line, f"port {name}", error)
        title = (entry.title if entry is not None else "") or port.about
        return Checked(name, part, port, span, safe, title)

    def shows(self, ports: Mapping[str, Checked]) -> None:
        shows = self.entry.shows
        for phase in Shows.__struct_fields__:
            edges: dict[str, Text | Edge] = getattr(shows, phase)
            for index, (name, edge) in enumerate(edges.items()):
                text = edge.to if isinstance(edge, Edge) else edge
                where = f"shows: {phase}: {name}"
                port = ports.get(name)
                if port is None:
                    there = ", ".join(ports) or "none"
                    self.complain(text.line, f"{where} is no port of the group", f"there are {there}")
                    continue
                value = self.value(text, where)
                if port.port.kind == "bool" and value.lower() not in ("true", "false"):
                    self.complain(text.line, f"{where} is a BOOL, {value!r} is none", "write true or false")
                if phase in ("work", "home") and index == 0 and port.port.direction != "actuator":
                    self.complain(text.line, f"{where} comes first and is a sensor", "begin with an actuator")

    def duty(self) -> None:
        for phase in Duty.__struct_fields__:
            text = getattr(self.entry.duty, phase)
            self.time(self.entry.line, text, f"duty: {phase}")

    def time(self, line: int, text: str, where: str) -> None:
        try:
            duration(evaluate(text, self.known))
        except ValueError as error:
            self.bad(line, where, error)

    def monitors(self, ports: Mapping[str, Checked]) -> None:
        for monitor in self.entry.monitors:
            where = f"monitor {monitor.fault}"
            self.time(monitor.line, monitor.within, f"{where}: within")
            self.time(monitor.line, monitor.after, f"{where}: after")
            part, _, rest = monitor.fault.partition(".")
            entry = self.entry.parts.get(part)
            family = KINDS.get(entry.kind) if entry is not None else None
            if family is None:
                self.complain(monitor.line, f"{where}: {part!r} is no part of the group", "write part.fault")
                continue
            target = rest.split(" ")[0]
            port, dot, fault = target.rpartition(".")
            known = [each.name for each in family.FAULTS]
            if not dot and fault not in known:
                there = ", ".join(known) or "none"
                self.complain(monitor.line, f"{where}: {part} has no fault {fault!r}", f"there are {there}")
            elif dot and (part, port) not in {(each.part, each.port.name) for each in ports.values()}:
                self.complain(monitor.line, f"{where}: {part}.{port} is no port of the group", "list it")

    def pattern(self, pattern: Pattern, ports: list[Checked]) -> None:
        entry = self.entry
        inputs = {camel(p.name): p for p in ports if p.port.direction == "sensor"}
        outputs = {camel(p.name): p for p in ports if p.port.direction == "actuator"}
        jogs = {f"Jog{name}": port for name, port in outputs.items()}
        for wanted, declared, kind in (
            (inputs | jogs, pattern.inputs, "VAR_INPUT"),
            (outputs, pattern.outputs, "VAR_OUTPUT"),
        ):
            for name, port in wanted.items():
                type_ = TYPES[port.port.kind]
                if declared.get(name) != type_:
                    has = f"is a {declared[name]}" if name in declared else "is not there"
                    self.complain(
                        entry.line, f"pattern {pattern.name}: {name} (port {port.name}) {has}",
                        f"declare {name} : {type_} in {kind} of {pattern.file}",
                    )  # fmt: skip
        for name, text in entry.program.items():
            if name not in pattern.inputs or name in inputs or name in jogs or name in RELEASES:
                self.complain(
                    text.line, f"program: {name} is no input of {pattern.name} to be given", "leave it out"
                )
                continue
            value = self.value(text, f"program: {name}")
            try:
                if value:
                    literal(pattern.inputs[name], value)
            except ValueError as error:
                self.bad(text.line, f"program: {name}", error)
        for name in pattern.outputs:
            if name in jogs or (name in inputs):
                self.complain(entry.line, f"pattern {pattern.name}: {name} is an output", "make it an input")
        if outputs and "Manual" not in pattern.inputs:
            self.complain(entry.line, f"pattern {pattern.name} has no Manual", "declare it in VAR_INPUT")

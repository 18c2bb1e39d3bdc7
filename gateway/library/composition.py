"""A station's groups, resolved: parameters calculated, links to components, the cycle; pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from gateway.field.tags import Complain
from gateway.library.check import fitting, with_unit
from gateway.library.entries import HomeStep, UseEntry
from gateway.library.library import Group, GroupPort
from gateway.library.quantities import evaluate
from gateway.twin.carrier import Carrier
from gateway.twin.component import Component
from gateway.twin.library import KINDS
from gateway.units import duration, quantity
from gateway.yamlfile import Id, Text

MAIN = "main"
MOST_ID = 32


class CompositionEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """The part of a station file that is about groups."""

    groups: dict[Id, UseEntry]
    cycle: list[list[Id] | HomeStep] = []
    quality: Text | None = None
    present: Text | None = None
    inlet: Text | None = None
    outlet: Text | None = None
    inlets: dict[Id, Text] = {}
    outlets: dict[Id, Text] = {}


class Unit(msgspec.Struct, frozen=True):
    """A group in a station. ``params`` are with units, ``links`` by name of a component."""

    name: str
    group: Group
    entry: UseEntry
    params: dict[str, str]
    links: dict[str, str]

    def tag(self, port: str) -> str:
        """What the port is called in the station."""
        return f"{self.name}-{port}"

    def value(self, text: str) -> str:
        """``text`` of the group with this one's parameters; the group was checked."""
        return evaluate(text, self.params)

    def duty(self, phase: str) -> int:
        """The longest time of ``phase``, ns."""
        own = self.entry.duty.get(phase)
        return duration(own.text if own is not None else self.value(getattr(self.group.entry.duty, phase)))

    def hears(self, name: str) -> bool:
        """Whether the pattern has the input ``name``."""
        return self.group.pattern is not None and name in self.group.pattern.inputs

    def tells(self, name: str) -> bool:
        """Whether the pattern has the output ``name``."""
        return self.group.pattern is not None and name in self.group.pattern.outputs

    @property
    def carrier(self) -> str:
        """Its main part, if workpieces stand on it; else empty."""
        part = self.group.main
        kind = KINDS[self.group.entry.parts[part].kind]
        return self.group.component(self.name, part) if issubclass(kind, Carrier) else ""

    @property
    def rests(self) -> bool:
        """Whether it goes home before a workpiece leaves; what hands it out does so afterwards."""
        return not self.hears("Give")


class Step(NamedTuple):
    """One step of the cycle: these go to work, those go home."""

    work: tuple[str, ...]
    home: tuple[str, ...]


class Composition(msgspec.Struct, frozen=True):
    """A resolved station. ``inlets`` and ``outlets`` are carriers by name, ``quality`` a unit and what of it
    says good; ``placed`` are the units that tell of a workpiece in place."""

    units: dict[str, Unit]
    steps: tuple[Step, ...]
    quality: tuple[str, str] | None
    placed: tuple[str, ...]
    inlets: dict[str, str]
    outlets: dict[str, str]

    def takes(self) -> dict[str, str]:
        """The output that says a workpiece may come, by inlet."""
        return {name: "take" if name == MAIN else f"take-{name}" for name in self.inlets}

    def readies(self) -> dict[str, str]:
        """The input that says the next station takes one, by outlet."""
        return {name: "next-ready" if name == MAIN else f"ready-{name}" for name in self.outlets}


def known(name: str, names: Iterable[str]) -> str:
    """A hint at what ``name`` may have been meant to be."""
    there = list(names)
    near = difflib.get_close_matches(name, there, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else "there are " + (", ".join(there) or "none")


def resolve(
    entry: CompositionEntry, groups: Mapping[str, Group], line: int, complain: Complain
) -> Composition:
    """``entry`` with its ``groups`` (by the name that ``use`` gives); complains of what is wrong."""
    uses = {name: use for name, use in entry.groups.items() if use.use.text in groups}
    resolving = _Resolving(uses, groups, complain)
    units = {name: resolving.unit(name) for name in uses}
    partial = len(uses) < len(entry.groups)
    steps = _steps(entry, units, complain, partial)
    placed = _placed(entry, units, line, complain)
    carriers = [unit.carrier for unit in units.values() if unit.carrier]
    inlets = _ends(entry.inlet, entry.inlets, carriers[:1])
    outlets = _ends(entry.outlet, entry.outlets, carriers[-1:])
    return Composition(units, steps, _quality(entry, units, complain), placed, inlets, outlets)


def _ends(single: Text | None, several: Mapping[str, Text], default: list[str]) -> dict[str, str]:
    found = {name: text.text for name, text in several.items()}
    if single is not None:
        found[MAIN] = single.text
    return found or dict(zip([MAIN], default, strict=False))


class _Resolving:
    def __init__(self, uses: Mapping[str, UseEntry], groups: Mapping[str, Group], complain: Complain) -> None:
        self.uses, self.complain = uses, complain
        self.groups = {name: groups[use.use.text] for name, use in uses.items()}

    def unit(self, name: str) -> Unit:
        use, group = self.uses[name], self.groups[name]
        params = self._params(use, group)
        for key, text in use.duty.items():
            if key not in ("work", "home", "take", "give"):
                self.complain(
                    text.line, f"{name}: there is no duty {key!r}", "there are work, home, take, give"
                )
            try:
                duration(text.text)
            except ValueError as error:
                self._bad(text.line, f"{name}: duty: {key}", error)
        for key, text in use.program.items():
            if key not in group.entry.program:
                hint = known(key, group.entry.program)
                self.complain(text.line, f"{name}: a {group.name} is not given {key!r}", hint)
        for lock in use.lock:
            if lock not in self.uses:
                self.complain(
                    use.line, f"{name}: lock names {lock!r}, which is no group", known(lock, self.uses)
                )
            elif group.pattern is not None and "Lock" not in group.pattern.inputs:
                self.complain(
                    use.line, f"{name}: the pattern {group.pattern.name} has no Lock", "leave lock out"
                )
        for port in group.ports:
            if len(f"{name}-{port}") > MOST_ID - (5 if group.ports[port].port.kind != "bool" else 0):
                self.complain(use.line, f"{name}: the tag {name}-{port} has too long a name", "shorten it")
        return Unit(name, group, use, params, self._links(use, group))

    def _bad(self, line: int, where: str, error: ValueError) -> None:
        what, _, hint = str(error).partition("; ")
        self.complain(line, f"{where}: {what}", hint)

    def _params(self, use: UseEntry, group: Group) -> dict[str, str]:
        declared = group.entry.params
        for name, text in use.params.items():
            if name not in declared:
                self.complain(
                    text.line, f"{use.name}: a {group.name} has no parameter {name!r}", known(name, declared)
                )
        values: dict[str, str] = {}
        for name, param in declared.items():
            written = use.params.get(name)
            if written is None and param.default is None:
                self.complain(
                    use.line, f"{use.name}: parameter {name} is missing", f"give it in {param.unit}"
                )
            text = written or param.default or Text("1", use.line)
            if written is not None and param.unit != "word":
                try:
                    quantity(written.text, param.unit)
                except ValueError as error:
                    self._bad(written.line, f"{use.name}.{name}", error)
                    text = param.default or Text("1", use.line)
            values[name] = with_unit(text.text, param.unit)
        return values

    def _links(self, use: UseEntry, group: Group) -> dict[str, str]:
        declared = group.entry.links
        for name, text in use.links.items():
            if name not in declared:
                self.complain(
                    text.line, f"{use.name}: a {group.name} has no link {name!r}", known(name, declared)
                )
        links: dict[str, str] = {}
        for name, (word, optional) in declared.items():
            written = use.links.get(name)
            if written is not None:
                found = self._named(use, name, word, written)
            elif optional and word == "carrier":
                continue
            else:
                found = self._only(use, name, word, optional)
            if found:
                links[name] = found
            if found and written is not None and name == "to":
                self._check_joint(use, group, name, written)
        return links

    def _named(self, use: UseEntry, link: str, word: str, written: Text) -> str:
        name, dot, part = written.text.partition(".")
        group = self.groups.get(name)
        where = f"{use.name}: link {link}"
        if group is None:
            hint = known(name, (each for each in self.uses if each != use.name))
            self.complain(written.line, f"{where} names {name!r}, which is no group", hint)
            return ""
        part = part if dot else self._fitting_part(group, word)
        if part not in group.entry.parts:
            hint = "there are " + ", ".join(group.entry.parts)
            self.complain(written.line, f"{where} names {written.text!r}; {name} has no such part", hint)
            return ""
        if not self._fits(group, part, word):
            kind = group.entry.parts[part].kind
            self.complain(written.line, f"{where} names {written.text!r}, a {kind}", f"name a {word}")
            return ""
        return group.component(name, part)

    def _check_joint(self, use: UseEntry, group: Group, link: str, written: Text) -> None:
        """Workpieces pass from one carrier to another only where the two fit."""
        other = self.groups[written.text.partition(".")[0]]
        if not (self._fits(group, group.main, "carrier") and self._fits(other, other.main, "carrier")):
            return
        why = group.entry.interface.misfit(other.entry.interface)
        if why:
            what = f"{use.name} ({group.name}) cannot lead to {written.text} ({other.name}): {why}"
            self.complain(
                written.line, f"{what}, by its link {link}", "join groups of one mechanical interface"
            )

    def _only(self, use: UseEntry, link: str, word: str, optional: bool) -> str:
        fit = [
            name
            for name, group in self.groups.items()
            if name != use.name and self._fits(group, self._fitting_part(group, word), word)
        ]
        if len(fit) == 1:
            return self.groups[fit[0]].component(fit[0], self._fitting_part(self.groups[fit[0]], word))
        if not optional:
            hint = f"name one of {', '.join(fit)}" if fit else f"add a group with a {word}"
            self.complain(use.line, f"{use.name}: link {link} is missing", hint)
        return ""

    def _fitting_part(self, group: Group, word: str) -> str:
        """The main part if it fits, else the first one that does."""
        fit = (part for part in group.entry.parts if self._fits(group, part, word))
        return next(fit, group.main)

    @staticmethod
    def _fits(group: Group, part: str, word: str) -> bool:
        kind: type[Component] | None = KINDS.get(group.entry.parts[part].kind)
        return kind is not None and issubclass(kind, fitting(word))


def _steps(
    entry: CompositionEntry, units: Mapping[str, Unit], complain: Complain, partial: bool
) -> tuple[Step, ...]:
    """The cycle, with what is at work at its end going home."""
    steps: list[Step] = []
    working: list[str] = []
    line = next((step.line for step in entry.cycle if isinstance(step, HomeStep)), 1)
    for index, step in enumerate(entry.cycle, 1):
        names = step.home if isinstance(step, HomeStep) else step
        for name in names:
            where = f"cycle, step {index}: {name}"
            if name not in units:
                if name not in entry.groups and not partial:
                    complain(line, f"{where} is no group of the station", known(name, units))
                continue
            if not (units[name].hears("Work") and units[name].tells("Done") and units[name].tells("Home")):
                use = units[name].entry
                complain(
                    use.line, f"{where} has no Work, Done and Home", "choose a group that does something"
                )
        there = tuple(name for name in names if name in units)
        if isinstance(step, HomeStep):
            for name in there:
                if name not in working:
                    complain(step.line, f"cycle, step {index}: {name} is not at work", "leave it out")
            steps.append(Step((), there))
            working = [name for name in working if name not in there]
        else:
            for name in there:
                if name in working:
                    complain(
                        units[name].entry.line, f"cycle, step {index}: {name} is at work already",
                        f"let it go home before: - home: [{name}]",
                    )  # fmt: skip
            steps.append(Step(there, ()))
            working += [name for name in there if name not in working]
    last = tuple(name for name in working if units[name].rests)
    return (*steps, Step((), last)) if last else tuple(steps)


def _placed(
    entry: CompositionEntry, units: Mapping[str, Unit], line: int, complain: Complain
) -> tuple[str, ...]:
    found = tuple(name for name, unit in units.items() if unit.tells("Placed"))
    if entry.present is not None:
        if entry.present.text not in found:
            complain(
                entry.present.line, f"present: {entry.present.text!r} tells of no workpiece",
                known(entry.present.text, found),
            )  # fmt: skip
        return (entry.present.text,)
    if len(found) > 1:
        complain(
            line, f"groups: {', '.join(found)} all tell of a workpiece in place", f"write present: {found[0]}"
        )
    if entry.cycle and not found and len(units) == len(entry.groups):
        complain(line, "groups: none tells of a workpiece in place", "add one with Placed, such as a stopper")
    return found


def _quality(
    entry: CompositionEntry, units: Mapping[str, Unit], complain: Complain
) -> tuple[str, str] | None:
    if entry.quality is None:
        return None
    name, _, what = entry.quality.text.partition(".")
    unit = units.get(name)
    if unit is None:
        complain(entry.quality.line, f"quality: {name!r} is no group", known(entry.quality.text, units))
        return None
    sensors = [port.name for port in unit.group.sensors if port.port.kind == "bool"]
    pattern = unit.group.pattern
    results = [n for n, kind in pattern.outputs.items() if kind == "BOOL"] if pattern is not None else []
    spelled = {each.lower(): each for each in results}
    if what not in sensors and what.replace("-", "") not in spelled:
        complain(entry.quality.line, f"quality: {name} has no {what!r}", known(what, [*sensors, *spelled]))
        return None
    return name, what


def ports_of(unit: Unit) -> list[GroupPort]:
    """The unit's ports, sensors and actuators in the order of the group."""
    return list(unit.group.ports.values())

"""A station's groups resolved against the library: parameters with units, links to components; pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.field.tags import Complain
from gateway.library.check import fitting, with_unit
from gateway.library.composition import MAIN, MOST_ID, Composition, CompositionEntry, Unit, known
from gateway.library.cycle import placed_by, quality_of, steps_of
from gateway.library.entries import UseEntry
from gateway.library.library import Group
from gateway.scalar import Text
from gateway.twin.chance import is_distribution, read_distribution
from gateway.twin.component import Component
from gateway.twin.kinds import KINDS
from gateway.units import duration, quantity


def resolve(
    entry: CompositionEntry, groups: Mapping[str, Group], line: int, complain: Complain
) -> Composition:
    """``entry`` with its ``groups`` (by the name that ``use`` gives); complains of what is wrong."""
    uses = {name: use for name, use in entry.groups.items() if use.use.text in groups}
    resolving = _Resolving(uses, groups, complain)
    units = {name: resolving.unit(name) for name in uses}
    partial = len(uses) < len(entry.groups)
    steps = steps_of(entry, units, complain, partial)
    placed = placed_by(entry, units, line, complain)
    carriers = [unit.carrier for unit in units.values() if unit.carrier]
    inlets = _ends(entry.inlet, entry.inlets, carriers[:1])
    outlets = _ends(entry.outlet, entry.outlets, carriers[-1:])
    return Composition(units, steps, quality_of(entry, units, complain), placed, inlets, outlets)


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
        drawn = {key: text for key, text in params.items() if is_distribution(text)}
        means = {key: self._mean(use, group, key, text) for key, text in drawn.items()}
        return Unit(name, group, use, params | means, self._links(use, group), drawn)

    def _mean(self, use: UseEntry, group: Group, name: str, text: str) -> str:
        unit = group.entry.params[name].unit
        try:
            return with_unit(f"{read_distribution(text, unit).mean:.12g}", unit)
        except ValueError as error:
            self._bad(use.params[name].line if name in use.params else use.line, f"{use.name}.{name}", error)
            return with_unit("1", unit)

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
            if written is not None and param.unit != "word" and not is_distribution(written.text):
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
            self.complain(written.line, f"{what}, by its link {link}", "join groups of one interface")

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

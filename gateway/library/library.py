"""The library: groups by name, what they extend merged in, each checked when it is first asked for; pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

import msgspec

from gateway.errors import Problem
from gateway.library.check import Checked, check_group
from gateway.library.entries import FORMAT, GroupEntry
from gateway.library.nodes import canonical, child, is_null, merge, only
from gateway.library.pattern import Pattern, read_pattern
from gateway.twin.component import Port
from gateway.yamlfile import MappingNode, Node, convert, identifier

Patterns = Callable[[str], tuple[str, str] | None]
"""The text and the file of the pattern of that name; None where there is none."""


class GroupPort(msgspec.Struct, frozen=True):
    """A signal of a group: ``name`` in the group, ``part`` and ``port`` in its twin."""

    name: str
    part: str
    port: Port
    range: str = ""
    safe: str = ""
    title: str = ""


class Group(msgspec.Struct, frozen=True):
    """A checked group. ``text`` is its definition, the same for the same content."""

    name: str
    file: str
    entry: GroupEntry
    ports: dict[str, GroupPort]
    pattern: Pattern | None
    text: str

    @property
    def main(self) -> str:
        """The part that others mean when they link to the group."""
        return next(iter(self.entry.parts))

    @property
    def actuators(self) -> list[GroupPort]:
        """The ports that the controller drives."""
        return [port for port in self.ports.values() if port.port.direction == "actuator"]

    @property
    def sensors(self) -> list[GroupPort]:
        """The ports that the controller reads."""
        return [port for port in self.ports.values() if port.port.direction == "sensor"]

    def component(self, unit: str, part: str) -> str:
        """What ``part`` of the group is called in the twin of a station where the group is ``unit``."""
        return unit if len(self.entry.parts) == 1 else f"{unit}-{part}"


class Library:
    """Groups from files; ``patterns`` finds the control code."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._nodes: dict[str, tuple[Node, Node, str]] = {}  # name, definition, file
        self._groups: dict[str, tuple[Group | None, list[Problem]]] = {}
        self._blocks: dict[str, tuple[Pattern | None, list[Problem]]] = {}

    def add(self, root: Node, file: str, problems: list[Problem]) -> None:
        """Take the groups of one file; they go over those of the same name that came before."""

        def complain(node: Node, what: str, hint: str) -> None:
            problems.append(Problem(file, node.start_mark.line + 1, node.start_mark.column + 1, what, hint))

        form, groups = child(root, "twinline"), child(root, "groups")
        if form is None or form.value != FORMAT:
            complain(form or root, "this is no library", f"write twinline: {FORMAT}")
        if not isinstance(groups, MappingNode):
            complain(groups or root, "there are no groups", "write groups: and one or more of them")
            return
        own: dict[str, Node] = {}
        for key, value in only(root, ("twinline", "groups"), wanted=False).value:
            complain(key, f"key {key.value!r} is not known (value {value.value!r})", "write groups")
        for name, node in groups.value:
            try:
                identifier(str(name.value))
            except ValueError as error:
                what, _, hint = str(error).partition("; ")
                complain(name, what, hint)
            if name.value in own:
                first = own[name.value].start_mark.line + 1
                complain(name, f"{name.value!r} stands twice here", f"the first is in line {first}")
            own[name.value] = name
            self._nodes[name.value] = (name, node, file)

    @property
    def names(self) -> list[str]:
        """Every group that can be used, in order of name."""
        return sorted(name for name, (_, node, _) in self._nodes.items() if not _is_abstract(node))

    def group(self, name: str, problems: list[Problem]) -> Group | None:
        """The group ``name``; None, with problems added, where there is none or it is wrong."""
        if name not in self._groups:
            found: list[Problem] = []
            group = self._read(name, found) if name in self._nodes else None
            self._groups[name] = (None if found else group, found)
        group, found = self._groups[name]
        problems += found
        return group

    def known(self, name: str) -> str:
        """A hint at what ``name`` may have been meant to be; empty if it is a group."""
        names = self.names
        if name in names:
            return ""
        near = difflib.get_close_matches(name, names, 1, 0.5)
        return f"did you mean {near[0]!r}?" if near else "see `twinline library list`"

    def _read(self, name: str, problems: list[Problem]) -> Group | None:
        key, _, file = self._nodes[name]
        node = self._merged(name, (), problems)
        if node is None:
            return None
        entry = convert(node, file, GroupEntry, problems, key)
        if entry is None:
            return None
        own = entry.line

        def complain(line: int, what: str, hint: str = "") -> None:
            # What was inherited stands in another place: then the group's own line is told.
            where = own if entry.extends is not None else line
            problems.append(Problem(file, where, 0, f"{name}: {what}", hint))

        pattern = None
        if entry.pattern is not None:
            pattern, wrong = self._block(entry.pattern)
            problems += wrong
            if pattern is None and not wrong:
                hint = f"write config/programs/patterns/{entry.pattern}.st"
                complain(own, f"pattern {entry.pattern} is not there", hint)
        checked = check_group(entry, pattern, complain)
        ports = {port.name: _port(port) for port in checked}
        return Group(name, file, entry, ports, pattern, canonical(node))

    def _block(self, name: str) -> tuple[Pattern | None, list[Problem]]:
        if name not in self._blocks:
            problems: list[Problem] = []
            found = self._patterns(name)
            pattern = None if found is None else read_pattern(*found, name, problems)
            self._blocks[name] = (pattern, problems)
        return self._blocks[name]

    def _merged(self, name: str, path: tuple[str, ...], problems: list[Problem]) -> Node | None:
        """The definition of ``name`` over what it extends."""
        key, node, file = self._nodes[name]
        base = child(node, "extends") if isinstance(node, MappingNode) else None
        if base is None:
            return node
        mark, what, hint = base.start_mark, "", ""
        if base.value in (*path, name):
            what = f"extends goes in a circle: {' -> '.join((*path, name, base.value))}"
            hint = "break it"
        elif base.value not in self._nodes:
            near = difflib.get_close_matches(str(base.value), list(self._nodes), 1, 0.5)
            what = f"extends {base.value!r}, which is no group"
            hint = f"did you mean {near[0]!r}?" if near else "see `twinline library list`"
        if what:
            problems.append(Problem(file, mark.line + 1, mark.column + 1, f"{key.value}: {what}", hint))
            return None
        under = self._merged(str(base.value), (*path, name), problems)
        if under is None or not isinstance(under, MappingNode):
            return None
        return merge(only(under, ("abstract", "extends"), wanted=False), node)


def _is_abstract(node: Node) -> bool:
    mark = child(node, "abstract")
    return mark is not None and not is_null(mark) and mark.value.lower() == "true"


def _port(checked: Checked) -> GroupPort:
    return GroupPort(*checked)


def groups_of(names: Iterable[str], library: Library, problems: list[Problem]) -> dict[str, Group]:
    """The groups ``names``, as far as they are right."""
    found = {name: library.group(name, problems) for name in names}
    return {name: group for name, group in found.items() if group is not None}

"""The 3B model of a line: bills of material, process and resource as one directed graph, checked; pure.

G = (BM, BP, BR, E) as in Leng et al. 2021, section 4.1: BM are items, BP operations, BR the line's stations.
E has four kinds of relations: a station is matched to the operations it does, an operation is a member of the
item it makes or works on, operations follow each other, and items are assembled into items.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec

from gateway.cell.check import MAX_LENGTH
from gateway.checked import unsaid, wrong_of
from gateway.field.tags import Complain
from gateway.scalar import Text
from gateway.scenario import Duration
from gateway.units import quantity
from gateway.yamlfile import Id

Kind = Literal["matching", "membership", "sequence", "assembly"]


def read_length(text: str) -> float:
    """A workpiece's length, mm."""
    length = quantity(text, "mm")
    if not 0 < length <= MAX_LENGTH:
        raise ValueError(f"{text!r} is no length of a workpiece; write more than 0 to {MAX_LENGTH:g} mm")
    return length


Length = Annotated[float, read_length]


class Product(msgspec.Struct, frozen=True, rename="kebab"):
    """What comes in where the line begins."""

    type: Id
    length: Length = 100.0


class ItemLine(msgspec.Struct, frozen=True, rename="kebab"):
    """An item of the BoM, and how many of which others are assembled into one."""

    parts: dict[Id, int] = {}
    length: Length = 100.0
    title: str = ""
    line: int = 0
    name: str = ""


class OperationLine(msgspec.Struct, frozen=True, rename="kebab"):
    """An operation of the BoP: on which item, after which others, and how long it is planned to take."""

    of: Id
    after: list[Id] = []
    takes: Duration = 0
    title: str = ""
    line: int = 0
    name: str = ""


class Relation(NamedTuple):
    """An edge of the graph; ``number`` is how many, of an assembly."""

    kind: Kind
    source: str
    target: str
    number: int = 1


class Bills(msgspec.Struct, frozen=True):
    """The checked model. ``does`` maps each station to its operations."""

    items: dict[str, ItemLine] = {}
    operations: dict[str, OperationLine] = {}
    does: dict[str, tuple[str, ...]] = {}

    def relations(self) -> list[Relation]:
        """All edges, kind by kind, each in the file's order."""
        return [
            *(Relation("matching", station, op) for station, ops in self.does.items() for op in ops),
            *(Relation("membership", name, each.of) for name, each in self.operations.items()),
            *(Relation("sequence", b, a) for a, each in self.operations.items() for b in each.after),
            *(
                Relation("assembly", part, name, count)
                for name, each in self.items.items()
                for part, count in each.parts.items()
            ),
        ]

    def stations_for(self, operation: str) -> list[str]:
        """The stations that do ``operation``."""
        return [station for station, ops in self.does.items() if operation in ops]

    def roots(self) -> list[str]:
        """The items that are assembled into no other: what the line makes."""
        parts = {part for each in self.items.values() for part in each.parts}
        return [name for name in self.items if name not in parts]

    def steps(self) -> Iterator[tuple[str, str]]:
        """Which operation follows which at once: an order that follows from others is left out."""
        for name, each in self.operations.items():
            for before in each.after:
                others = [other for other in each.after if other != before]
                if not any(before in self._before(other) for other in others):
                    yield before, name

    def _before(self, operation: str) -> set[str]:
        found: list[str] = [operation]
        for name in found:
            found += [each for each in self.operations[name].after if each not in found]
        return set(found)

    def ways(self) -> Iterator[tuple[str, str, int]]:
        """From which station to which workpieces pass, and the line in the file that says so."""
        told: set[tuple[str, str]] = set()
        for before, after in self.steps():
            for one in self.stations_for(before):
                for other in self.stations_for(after):
                    if one != other and (one, other) not in told:
                        told.add((one, other))
                        yield one, other, self.operations[after].line

    def entering(self, station: str) -> Product | None:
        """What comes in at ``station``: the item of the first operation there; None where it does none."""
        does = self.does.get(station, ())
        first = next((op for op in does if not self._before(op) - {op} & set(does)), None)
        if first is None:
            return None
        item = self.items[self.operations[first].of]
        return Product(item.name, item.length)


def check_bills(
    items: Mapping[str, ItemLine],
    operations: Mapping[str, OperationLine],
    resources: Mapping[str, Sequence[Text]],
    able: Mapping[str, Collection[str]],
    complain: Complain,
) -> Bills:
    """Check what the line file says against each other and against what the stations say that they can do.

    A station that ``resources`` does not name does what it is ``able`` to. Where something is wrong, also
    with what they are of (``gateway.checked``), what comes back is empty: nothing should be made of it.
    """
    unread = any(wrong_of(each) for each in (items, operations, resources, able))
    wrong = 0

    def bad(line: int, what: str, hint: str) -> None:
        nonlocal wrong
        wrong += 1
        complain(line, what, hint)

    for item in items.values():
        for part, count in item.parts.items():
            if unsaid(part, items):
                bad(item.line, f"bom: {item.name}: {part!r} is no item", _known(items))
            if count < 1:
                bad(item.line, f"bom: {item.name}: {count} of {part}", "give 1 or more")
    for operation in operations.values():
        if unsaid(operation.of, items):
            bad(
                operation.line,
                f"bop: {operation.name}: {operation.of!r} is no item of the bom",
                _known(items),
            )
        for before in operation.after:
            if unsaid(before, operations):
                bad(
                    operation.line,
                    f"bop: {operation.name}: after {before!r}, no operation",
                    _known(operations),
                )
    for station, named in resources.items():
        line = named[0].line if named else 1
        if unsaid(station, able):
            bad(line, f"bor: {station!r} is no station of this line", _known(able))
        if not named:
            bad(line, f"bor: {station} does nothing", "name an operation, or leave it out")
        for text in named:
            if unsaid(text.text, operations):
                bad(
                    text.line, f"bor: {station}: {text.text!r} is no operation of the bop", _known(operations)
                )
            elif able.get(station) and text.text not in able[station]:
                can = ", ".join(able[station])
                bad(text.line, f"bor: {station} cannot do {text.text}", f"its file says {can}")
    if not wrong and not unread:
        _check_circles("bom", {name: tuple(each.parts) for name, each in items.items()}, items, bad)
        after = {name: tuple(each.after) for name, each in operations.items()}
        _check_circles("bop", after, operations, bad)
    does = {
        station: tuple(text.text for text in resources[station]) if station in resources else tuple(can)
        for station, can in able.items()
    }
    does = {station: tuple(op for op in ops if op in operations) for station, ops in does.items()}
    for name, operation in operations.items():
        if not unread and not any(name in ops for ops in does.values()):
            bad(
                operation.line, f"bop: no station does {name}", "name it in bor, or in a station's operations"
            )
    return (
        Bills()
        if wrong or unread
        else Bills(dict(items), dict(operations), {k: v for k, v in does.items() if v})
    )


def _check_circles(
    bill: str,
    edges: Mapping[str, tuple[str, ...]],
    lines: Mapping[str, ItemLine] | Mapping[str, OperationLine],
    bad: Callable[[int, str, str], None],
) -> None:
    """Say each circle once, at the first of its members in the file."""
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            bad(lines[name].line, f"{bill}: {circle} is a circle", "leave one of them out")
        elif name not in done:
            for other in edges[name]:
                visit(other, (*path, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def _known(names: Collection[str]) -> str:
    return "use " + ", ".join(names) if names else "there is none yet"

"""The syntax tree of a file to one module of the intermediate form: what every name and type means."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.controller import functions, ir, tree, walk
from gateway.controller.bodies import BodyLowering
from gateway.controller.checks import warnings_of
from gateway.controller.datatypes import INT, TYPES, DataType, enumeration
from gateway.controller.declarations import DeclarationLowering
from gateway.controller.lexer import Source
from gateway.controller.lowering import Unsound
from gateway.controller.scope import Names, Scope, nearest
from gateway.errors import Problem

_KINDS: dict[str, ir.Kind] = {"PROGRAM": "program", "FUNCTION_BLOCK": "block", "FUNCTION": "function"}


class Analysis:
    """The units of one file, lowered; problems are appended where they are found.

    `known` are the units it can use without declaring them. `trusted` code may read the clock.
    """

    def __init__(
        self,
        file: tree.File,
        source: Source,
        problems: list[Problem],
        known: dict[str, ir.Unit],
        *,
        trusted: bool,
    ) -> None:
        self.source, self.problems, self.trusted = source, problems, trusted
        self.names = Names(dict(known), lost=set(file.lost), incomplete=file.incomplete)
        self.scopes = dict[str, Scope]()
        self.at = dict[str, int]()
        for enum in file.enumerations:
            self.enumeration(enum)
        own = [(node, unit) for node in file.units if (unit := self.announce(node)) is not None]
        # Interfaces before bodies: a body may use any unit of the file, whatever their order.
        for node, unit in own:
            self.interface(node, unit)
        for node, unit in own:
            scope = self.scopes[unit.key]
            unit.body = BodyLowering(scope, source, problems, trusted=trusted).body(node.body)

    @property
    def units(self) -> dict[str, ir.Unit]:
        """This file's own units."""
        return {key: scope.unit for key, scope in self.scopes.items()}

    def report(self, at: int, what: str, hint: str = "") -> None:
        self.problems.append(self.source.problem(at, what, hint))

    # --- names

    def taken(self, name: str) -> str:
        """What already has the name, or nothing."""
        key = name.upper()
        if key in TYPES:
            return "an elementary type"
        if key in self.at:
            return f"declared in line {self.source.line(self.at[key])}"
        if key in self.names.units:
            return "a standard function block"
        return "a standard function" if functions.lookup(key) else ""

    def enumeration(self, node: tree.Enumeration) -> None:
        if taken := self.taken(node.name):
            self.report(node.at, f"the name {node.name} is {taken}", "choose another")
            return
        key, kind = node.name.upper(), enumeration(node.name)
        self.at[key] = node.at
        values = dict[str, int]()
        lowering = BodyLowering(
            Scope(ir.Unit("", "program", ()), self.names), self.source, self.problems, trusted=self.trusted
        )
        following = 0
        for at, name, value in node.values:
            if name.upper() in values:
                self.report(at, f"{node.name} has {name} twice")
                continue
            if value is not None:
                try:
                    following = int(lowering.fixed(value, INT).value)
                except Unsound:
                    continue
            values[name.upper()] = following
            self.names.spelled.append(name)
            following += 1
        self.names.enums[key], self.names.values[key] = kind, values or {"": 0}

    def announce(self, node: tree.Unit) -> ir.Unit | None:
        if taken := self.taken(node.name):
            self.report(node.at, f"the name {node.name} is {taken}", "choose another")
            self.names.incomplete = True
            return None
        unit = ir.Unit(node.name, _KINDS[node.kind], (), line=self.source.line(node.at))
        self.at[unit.key] = node.at
        self.names.units[unit.key] = unit
        self.scopes[unit.key] = Scope(unit, self.names)
        return unit

    def interface(self, node: tree.Unit, unit: ir.Unit) -> None:
        scope = self.scopes[unit.key]
        if node.result is not None:
            unit.result = self.result(node)
            scope.at[unit.key] = node.at
            scope.slots[unit.key] = ir.Slot(
                unit.name, "result", unit.result, None, unit.result.zero, self.source.line(node.at)
            )
        DeclarationLowering(scope, self.source, self.problems, trusted=self.trusted).declare(
            node.declarations
        )

    def result(self, node: tree.Unit) -> DataType:
        assert node.result is not None
        key = node.result.upper()
        kind = TYPES.get(key) or self.names.enums.get(key)
        if kind is None:
            hint = nearest(key, [*TYPES, *self.names.enums]) or "use an elementary type"
            self.report(node.at, f"a FUNCTION cannot have the result type {node.result}", hint)
            self.names.incomplete = True
        return kind or INT

    # --- the module

    def module(self) -> ir.Module | None:
        """The program with all it uses, callees first; None (and a problem) if there is no such order."""
        programs = [unit for unit in self.units.values() if unit.kind == "program"]
        if len(programs) != 1:
            self.count(programs)
            return None
        for unit in self.units.values():
            if self.recursive(unit):
                return None
        found = dict[str, ir.Unit]()
        self.place(programs[0], found)
        return ir.Module(found)

    def count(self, programs: list[ir.Unit]) -> None:
        if programs:
            first = programs[0]
            for extra in programs[1:]:
                what = f"{extra.name} is a second PROGRAM, {first.name} of line {first.line} the first"
                self.report(self.at[extra.key], what, "a controller runs one; make it a FUNCTION_BLOCK")
        elif not self.names.incomplete:
            self.report(0, "there is no PROGRAM", "a file holds one PROGRAM ... END_PROGRAM")

    def place(self, unit: ir.Unit, found: dict[str, ir.Unit]) -> None:
        for key in uses(unit):
            if key not in found:
                self.place(self.names.units[key], found)
        found[unit.key] = unit

    def recursive(self, unit: ir.Unit) -> bool:
        seen, pending = set[str](), list(uses(unit))
        while pending:
            key = pending.pop()
            if key == unit.key:
                self.report(self.at[unit.key], f"{unit.name} uses itself", "the standard has no recursion")
                return True
            if key not in seen:
                seen.add(key)
                pending += uses(self.names.units[key])
        return False

    def warnings(self) -> list[Problem]:
        found = list[Problem]()
        for scope in self.scopes.values():
            found += scope.warnings
            found += warnings_of(scope, self.source)
        return found


def uses(unit: ir.Unit) -> list[str]:
    """The units that a unit's instances and calls need, in order of appearance."""
    return list(dict.fromkeys(_uses(unit)))


def _uses(unit: ir.Unit) -> Iterator[str]:
    yield from (slot.block for slot in unit.slots if slot.block)
    for statement in walk.statements(unit.body):
        if isinstance(statement, ir.CallOut):
            yield statement.function
        for expr in walk.expressions(statement):
            yield from (one.function for one in walk.within(expr) if isinstance(one, ir.Call))

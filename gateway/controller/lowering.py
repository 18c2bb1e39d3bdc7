"""Expressions of the syntax tree to the typed intermediate form.

Every problem is reported where it stands; the exception Unsound then only says that the expression has no
meaning, so that the other operands and statements are still looked at.
"""

from __future__ import annotations

from contextlib import suppress

from gateway.controller import functions, ir, tree
from gateway.controller.datatypes import ANY_INT, ANY_REAL, BOOL, TIME, TYPES, DataType
from gateway.controller.ir import Binary, Call, Const, Expr, Load, Now
from gateway.controller.lexer import Source
from gateway.controller.scope import Scope, nearest
from gateway.controller.typed import WORDS, Mistyped, binary, coerce, constant, inverse, negative
from gateway.errors import Problem

Path = tuple[str, ...]
_COMPARISONS = {"=", "<>", "<", "<=", ">", ">="}
_SECTIONS = {"local": "VAR", "temp": "VAR_TEMP", "constant": "CONSTANT"}


class Unsound(Exception):
    """A problem was reported; this part has no meaning."""


class Lowering:
    """`trusted` code (the standard function blocks) may read the clock."""

    def __init__(self, scope: Scope, source: Source, problems: list[Problem], *, trusted: bool) -> None:
        self.scope, self.names = scope, scope.names
        self.source, self.problems, self.trusted = source, problems, trusted

    def fail(self, at: int, what: str, hint: str = "") -> Unsound:
        """Report, for `raise self.fail(...)`."""
        self.problems.append(self.source.problem(at, what, hint))
        return Unsound()

    def unknown(self, at: int, what: str, name: str, hint: str = "") -> Unsound:
        lost = self.names.incomplete or name.upper() in self.names.lost
        return Unsound() if lost else self.fail(at, f"unknown {what} {name}", hint)

    # --- values

    def value(self, node: tree.Expr, target: DataType) -> Expr:
        """The expression as a value of the type it is assigned to."""
        expr = self.expr(node, target)
        try:
            return coerce(expr, target)
        except Mistyped as wrong:
            raise self.fail(node.at, wrong.what, wrong.hint) from None

    def fixed(self, node: tree.Expr, target: DataType | None = None) -> Const:
        """A constant expression's value."""
        expr = self.value(node, target) if target else self.expr(node)
        try:
            found = constant(expr)
        except Mistyped as wrong:
            raise self.fail(node.at, wrong.what, wrong.hint) from None
        if found is None:
            raise self.fail(node.at, "this must be a constant", "use literals and VAR CONSTANT names")
        return found

    def condition(self, node: tree.Expr, what: str) -> Expr:
        expr = self.expr(node, BOOL)
        if expr.type != BOOL:
            raise self.fail(node.at, f"{what} needs a BOOL, this is {expr.type}", "compare it with a value")
        return expr

    def expr(self, node: tree.Expr, want: DataType | None = None) -> Expr:
        """The typed expression; `want` is the type that would suit, for what can choose."""
        try:
            match node:
                case tree.Number():
                    return self.number(node)
                case tree.Duration():
                    return Const(TIME, node.nanoseconds)
                case tree.EnumValue():
                    return self.enum_value(node.at, node.type, node.value)
                case tree.Name():
                    return self.name(node)
                case tree.Bit():
                    word, mask = self.word(node)
                    return Binary(BOOL, "ne", Binary(word.type, "and", word, mask), Const(word.type, 0))
                case tree.Prefix(op="NOT"):
                    return inverse(self.expr(node.operand, want), want)
                case tree.Prefix():
                    return negative(self.expr(node.operand, want))
                case tree.Infix():
                    return self.infix(node, want)
                case tree.Invocation():
                    return self.call(node, want)
        except Mistyped as wrong:
            raise self.fail(node.at, wrong.what, wrong.hint) from None

    def number(self, node: tree.Number) -> Const:
        kind = (
            BOOL if isinstance(node.value, bool) else ANY_REAL if isinstance(node.value, float) else ANY_INT
        )
        literal = Const(kind, node.value)
        if node.type is None or node.type == kind.name:
            return literal
        typed = coerce(literal, TYPES[node.type])
        assert isinstance(typed, Const)
        return typed

    def infix(self, node: tree.Infix, want: DataType | None) -> Expr:
        """A chain of operators down its left sides, in a loop because it may be long."""
        chain = list[tuple[tree.Infix, DataType | None, DataType | None]]()
        first: tree.Expr = node
        while isinstance(first, tree.Infix):
            inner = None if first.op in _COMPARISONS else want
            chain.append((first, want, inner))
            first, want = first.left, inner
        value = self.or_none(first, want)
        for one, outer, inner in reversed(chain):
            right = self.or_none(one.right, inner)
            try:
                value = binary(WORDS[one.op], value, right, outer) if value and right else None
            except Mistyped as wrong:
                self.fail(one.at, wrong.what, wrong.hint)
                value = None
        if value is None:
            raise Unsound
        return value

    def or_none(self, node: tree.Expr, want: DataType | None) -> Expr | None:
        try:
            return self.expr(node, want)
        except Unsound:
            return None

    def all(self, nodes: list[tree.Expr], wants: list[DataType | None]) -> list[Expr]:
        """All expressions, so that the problems of all are reported."""
        found = [self.or_none(node, want) for node, want in zip(nodes, wants, strict=True)]
        sound = [one for one in found if one is not None]
        if len(sound) < len(nodes):
            raise Unsound
        return sound

    # --- names

    def name(self, node: tree.Name) -> Expr:
        first, *rest = (part.upper() for part in node.path)
        slot = self.scope.slots.get(first)
        if slot is None:
            return self.other_name(node, first, rest)
        self.scope.read.add(first)
        if slot.block:
            member = self.member(node, slot)
            assert member.type is not None
            return Load(member.type, (first, member.key))
        if rest:
            raise self.fail(node.at, f"{slot.name} is of type {slot.type} and has no members")
        assert slot.type is not None
        if slot.section == "constant":
            return Const(slot.type, slot.initial)
        return Load(slot.type, (first,))

    def other_name(self, node: tree.Name, first: str, rest: list[str]) -> Expr:
        """What is no variable: an enumeration's value, or a mistake."""
        if self.trusted and first == "__NOW":
            return Now(TIME)
        if first in self.names.enums and len(rest) == 1:
            return self.enum_value(node.at, *node.path)
        meanings = [] if rest else self.names.enum_values(first)
        if len(meanings) == 1:
            return Const(*meanings[0])
        if meanings:
            hint = " or ".join(f"{kind}#{node.path[0]}" for kind, _ in meanings)
            raise self.fail(node.at, f"{node.path[0]} is a value of several types", f"write {hint}")
        if functions.lookup(first) or first in self.names.units:
            raise self.fail(node.at, f"{node.path[0]} is no variable", f"call it: {node.path[0]}(...)")
        hint = nearest(first, [*self.scope.variables(), *self.names.spelled]) or "declare it in a VAR section"
        raise self.unknown(node.at, "variable", node.path[0], hint)

    def enum_value(self, at: int, kind: str, value: str) -> Const:
        values = self.names.values.get(kind.upper())
        if values is None:
            raise self.unknown(at, "type", kind, nearest(kind, self.names.types()))
        if value.upper() not in values:
            written = [one for one in self.names.spelled if one.upper() in values]
            raise self.fail(at, f"{kind} has no value {value}", nearest(value, written))
        return Const(self.names.enums[kind.upper()], values[value.upper()])

    def member(self, node: tree.Name, slot: ir.Slot) -> ir.Slot:
        """The input or output of an instance that a path names."""
        assert slot.block is not None
        block = self.names.units[slot.block]
        interface = block.section("input", "output", "in_out")
        example = next((f"{slot.name}.{one.name}" for one in block.section("output")), slot.name)
        if len(node.path) == 1:
            raise self.fail(
                node.at, f"{slot.name} is an instance of {block.name}", f"use a member, such as {example}"
            )
        if len(node.path) > 2:
            raise self.fail(
                node.at, f"the inside of {'.'.join(node.path[:2])} is private", "give it an output"
            )
        key = node.path[1].upper()
        for one in block.slots:
            if one.key == key:
                if one in interface:
                    return one
                raise self.fail(
                    node.at, f"{one.name} is a {_SECTIONS[one.section]} of {block.name}", "give it an output"
                )
        hint = nearest(key, [one.name for one in interface])
        raise self.fail(node.at, f"{block.name} has no {node.path[1]}", hint or f"for example {example}")

    def word(self, node: tree.Bit) -> tuple[Expr, Const]:
        """The word a bit is in, and the bit's mask."""
        word = self.name(node.word)
        name = ".".join(node.word.path)
        if word.type.kind != "bits":
            raise self.fail(
                node.at, f"{name} is {word.type} and has no bits", "bits are of BYTE, WORD, DWORD and LWORD"
            )
        if node.bit >= word.type.bits:
            raise self.fail(
                node.at, f"{name} has no bit {node.bit}", f"{word.type} has bits 0 to {word.type.bits - 1}"
            )
        return word, Const(word.type, 1 << node.bit)

    # --- calls

    def call(self, node: tree.Invocation, want: DataType | None) -> Expr:
        key = node.name.upper()
        unit = self.names.units.get(key)
        if unit is not None and unit.kind == "function":
            return self.user_call(node, unit)
        standard = functions.lookup(key)
        if standard:
            return self.standard_call(node, standard, want)
        slot = self.scope.slots.get(key)
        if slot is not None and slot.block:
            hint = f"call {slot.name}(...); first, then use its outputs"
            raise self.fail(node.at, f"{slot.name} is an instance and has no value", hint)
        if unit is not None:
            raise self.fail(
                node.at, f"{unit.name} is a {unit.kind}, not a function", f"declare: name : {unit.name};"
            )
        hint = nearest(key, self.names.callables())
        raise self.unknown(node.at, "function", node.name, hint)

    def standard_call(
        self, node: tree.Invocation, standard: functions.Standard, want: DataType | None
    ) -> Expr:
        nodes = dict[int, tree.Expr]()
        for n, argument in enumerate(node.arguments):
            self.no_enable(argument)
            index: int | None = n
            if argument.name is not None:
                index = standard.index(argument.name.upper())
            if index is None or argument.out:
                hint = f"it has {', '.join(standard.parameters)}"
                raise self.fail(argument.at, f"{node.name} has no input {argument.name}", hint)
            if index in nodes:
                raise self.fail(argument.at, f"{argument.name or 'an argument'} is given twice")
            nodes[index] = argument.value
        count, needed = len(nodes), len(standard.parameters)
        if count < needed or (count > needed and not standard.more) or max(nodes, default=0) >= count:
            wanted = (
                f"{needed} or more arguments" if standard.more else f"{needed} argument{'s'[: needed > 1]}"
            )
            raise self.fail(
                node.at, f"{node.name} takes {wanted}, {count} given", f"({', '.join(standard.parameters)})"
            )
        wants = [standard.wants or want] + [want] * (count - 1)
        return standard.build(self.all([nodes[n] for n in range(count)], wants), want)

    def user_call(self, node: tree.Invocation, unit: ir.Unit) -> Expr:
        if unit.section("output", "in_out"):
            hint = f"call it in a statement of its own: result := {unit.name}(...);"
            raise self.fail(node.at, f"{unit.name} has outputs and cannot stand inside an expression", hint)
        given = self.bind(node, unit)
        assert unit.result is not None
        return Call(unit.result, unit.key, self.inputs(given, unit))

    def inputs(self, given: dict[str, tree.Argument], unit: ir.Unit) -> tuple[Expr, ...]:
        """The values of a function's inputs, initial ones where none is given."""
        values, sound = list[Expr](), True
        for slot in unit.section("input", "in_out"):
            assert slot.type is not None
            try:
                argument = given.get(slot.key)
                values.append(
                    self.value(argument.value, slot.type) if argument else Const(slot.type, slot.initial)
                )
            except Unsound:
                sound = False
        if not sound:
            raise Unsound
        return tuple(values)

    def bind(self, node: tree.Invocation, unit: ir.Unit) -> dict[str, tree.Argument]:
        """The arguments of a call by the upper-case names of the unit's parameters."""
        given = dict[str, tree.Argument]()
        positions = unit.section("input", "in_out")
        named = [argument for argument in node.arguments if argument.name is not None]
        if named and len(named) < len(node.arguments):
            raise self.fail(node.at, "positional and named arguments are mixed", "name all of them, or none")
        if not named and len(node.arguments) > len(positions):
            what = f"{unit.name} takes {len(positions)} arguments, {len(node.arguments)} given"
            raise self.fail(node.at, what, f"({', '.join(slot.name for slot in positions)})")
        if not named and unit.kind == "function" and len(node.arguments) < len(positions):
            missing = positions[len(node.arguments)].name
            raise self.fail(
                node.at, f"{unit.name} lacks its argument {missing}", "give all, or name those given"
            )
        sound = True
        for n, argument in enumerate(node.arguments):
            try:
                slot = self.parameter(
                    argument, unit, positions[n].key if argument.name is None else argument.name
                )
                if slot.key in given:
                    raise self.fail(argument.at, f"{slot.name} is given twice")
                given[slot.key] = argument
            except Unsound:
                sound = False
        for slot in unit.section("in_out") if sound else ():
            if slot.key not in given:
                hint = f"give it as {slot.name} := a variable"
                raise self.fail(node.at, f"{unit.name} lacks its VAR_IN_OUT {slot.name}", hint)
        if not sound:
            self.look_at(given, unit)
            raise Unsound
        return given

    def parameter(self, argument: tree.Argument, unit: ir.Unit, name: str) -> ir.Slot:
        self.no_enable(argument)
        interface = unit.section("input", "output", "in_out")
        slot = next((one for one in interface if one.key == name.upper()), None)
        if slot is None:
            names = [one.name for one in interface]
            hint = nearest(name, names) or f"it has {', '.join(names)}"
            raise self.fail(argument.at, f"{unit.name} has no parameter {name}", hint)
        if argument.out != (slot.section == "output"):
            sign = "=>" if slot.section == "output" else ":="
            raise self.fail(argument.at, f"{slot.name} is an {slot.section}", f"write {slot.name} {sign} ...")
        return slot

    def look_at(self, given: dict[str, tree.Argument], unit: ir.Unit) -> None:
        """Report the problems of arguments whose call is wrong anyway."""
        for slot in unit.section("input", "in_out"):
            if slot.key in given and slot.type:
                with suppress(Unsound):
                    self.value(given[slot.key].value, slot.type)

    def no_enable(self, argument: tree.Argument) -> None:
        if argument.name is not None and argument.name.upper() in ("EN", "ENO"):
            raise self.fail(
                argument.at, f"{argument.name.upper()} is not supported", "put the call inside an IF"
            )

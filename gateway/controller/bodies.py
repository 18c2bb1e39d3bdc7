"""Statements of the syntax tree to the typed intermediate form, one unit's body at a time."""

from __future__ import annotations

from gateway.controller import ir, tree
from gateway.controller.datatypes import BOOL, DataType
from gateway.controller.ir import Binary, Choose, Const, Expr, Load
from gateway.controller.lowering import Lowering, Path, Unsound
from gateway.controller.typed import Mistyped, coerce, concrete


class BodyLowering(Lowering):
    loops = 0

    def body(self, statements: tree.Body) -> ir.Body:
        found = list[ir.Statement]()
        for statement in statements:
            try:
                found += self.statement(statement)
            except Unsound:
                continue
        return tuple(found)

    def statement(self, node: tree.Statement) -> list[ir.Statement]:
        line = self.source.line(node.at)
        match node:
            case tree.Assign():
                return self.assign(node, line)
            case tree.CallStatement():
                return self.call_statement(node.call, line)
            case tree.If():
                arms = [
                    (self.try_condition(test, "ELSIF" if n else "IF"), self.body(body))
                    for n, (test, body) in enumerate(node.arms)
                ]
                return [ir.If(line, tuple(arms), self.body(node.other))]
            case tree.Case():
                return [self.case(node, line)]
            case tree.For():
                return [self.for_loop(node, line)]
            case tree.While():
                condition = self.try_condition(node.condition, "WHILE")
                return [ir.While(line, condition, self.loop_body(node.body))]
            case tree.Repeat():
                body = self.loop_body(node.body)
                return [ir.Repeat(line, body, self.try_condition(node.until, "UNTIL"))]
            case tree.Jump():
                if node.word == "RETURN":
                    return [ir.Return(line)]
                if not self.loops:
                    raise self.fail(
                        node.at, f"{node.word} outside a loop", "it belongs in FOR, WHILE or REPEAT"
                    )
                return [ir.Exit(line) if node.word == "EXIT" else ir.Continue(line)]

    def try_condition(self, node: tree.Expr, what: str) -> Expr:
        """A wrong condition does not hide the problems of what it guards."""
        try:
            return self.condition(node, what)
        except Unsound:
            return Const(BOOL, False)

    def loop_body(self, body: tree.Body) -> ir.Body:
        self.loops += 1
        try:
            return self.body(body)
        finally:
            self.loops -= 1

    # --- writing

    def target(self, node: tree.Name) -> tuple[Path, DataType]:
        """A place that this unit may write."""
        first = node.path[0].upper()
        slot = self.scope.slots.get(first)
        if slot is None:
            self.name(node)  # reports what is no variable; what is left has a value but no place
            raise self.fail(node.at, f"{node.path[0]} is a value and cannot be assigned")
        if slot.block:
            member = self.member(node, slot)
            if member.section != "input":
                raise self.fail(
                    node.at, f"{'.'.join(node.path)} is an {member.section}", "only the block assigns it"
                )
            assert member.type is not None
            self.scope.written.add(first)
            return (first, member.key), member.type
        if slot.section == "constant":
            raise self.fail(node.at, f"{slot.name} is a constant", "declare it outside VAR CONSTANT")
        if slot.location and slot.location.area == "I":
            raise self.fail(
                node.at, f"{slot.name} is an input ({slot.location.text})", "inputs are read only"
            )
        if slot.section == "input":
            what = f"{slot.name} is a VAR_INPUT and is assigned inside {self.scope.unit.name}"
            self.scope.warnings.append(self.source.problem(node.at, what, "copy it to a VAR"))
        if len(node.path) > 1:
            raise self.fail(node.at, f"{slot.name} is of type {slot.type} and has no members")
        assert slot.type is not None
        self.scope.written.add(first)
        return (first,), slot.type

    def store(self, node: tree.Expr, value: Expr, at: int, line: int) -> ir.Store:
        """The assignment of a value (written at `at`) to a variable or a bit of one."""
        try:
            if isinstance(node, tree.Name):
                path, kind = self.target(node)
                return ir.Store(line, path, coerce(value, kind))
            if isinstance(node, tree.Bit):
                word, mask = self.word(node)
                path, kind = self.target(node.word)
                with_bit = Binary(kind, "or", word, mask)
                without = Binary(kind, "and", word, Const(kind, kind.high ^ int(mask.value)))
                return ir.Store(line, path, Choose(kind, coerce(value, BOOL), with_bit, without))
        except Mistyped as wrong:
            raise self.fail(at, wrong.what, wrong.hint) from None
        raise self.fail(node.at, "this cannot be assigned", "give a variable")

    def assign(self, node: tree.Assign, line: int) -> list[ir.Statement]:
        if isinstance(node.value, tree.Invocation):
            unit = self.names.units.get(node.value.name.upper())
            if unit and unit.kind == "function" and unit.section("output", "in_out"):
                return [self.call_out(node.value, unit, node.target, line)]
        try:
            value = self.expr(node.value, self.wanted(node.target))
        except Unsound:
            self.target(node.target.word if isinstance(node.target, tree.Bit) else node.target)
            raise
        return [self.store(node.target, value, node.value.at, line)]

    def wanted(self, node: tree.Name | tree.Bit) -> DataType | None:
        """The type of what is assigned, where it is known without looking for problems."""
        if isinstance(node, tree.Bit):
            return BOOL
        slot = self.scope.slots.get(node.path[0].upper())
        if slot and slot.block and len(node.path) == 2:
            members = self.names.units[slot.block].slots
            slot = next((one for one in members if one.key == node.path[1].upper()), None)
        return slot.type if slot else None

    # --- calls

    def call_statement(self, node: tree.Invocation, line: int) -> list[ir.Statement]:
        slot = self.scope.slots.get(node.name.upper())
        if slot is not None and slot.block:
            return self.invoke(node, slot, self.names.units[slot.block], line)
        unit = self.names.units.get(node.name.upper())
        if unit is not None and unit.kind == "function":
            return [self.call_out(node, unit, None, line)]
        if slot is not None:
            raise self.fail(node.at, f"{slot.name} is of type {slot.type} and cannot be called")
        self.expr(node)  # reports what is neither; a standard function is left
        raise self.fail(
            node.at, f"the result of {node.name} is not used", f"assign it: x := {node.name}(...);"
        )

    def invoke(self, node: tree.Invocation, slot: ir.Slot, block: ir.Unit, line: int) -> list[ir.Statement]:
        """Stores to the inputs, the run, and loads of the outputs."""
        self.scope.read.add(slot.key)
        self.scope.written.add(slot.key)
        before, after, sound = list[ir.Statement](), list[ir.Statement](), True
        given = self.bind(node, block)
        for key, argument in given.items():
            member = next(one for one in block.slots if one.key == key)
            assert member.type is not None
            path, kind = (slot.key, key), member.type
            try:
                if member.section != "output":
                    before.append(ir.Store(line, path, self.value(argument.value, kind)))
                if member.section == "in_out":
                    after.append(
                        self.store(self.variable(argument, kind), Load(kind, path), argument.at, line)
                    )
                if member.section == "output":
                    after.append(self.store(argument.value, Load(kind, path), argument.at, line))
            except Unsound:
                sound = False
        if not sound:
            raise Unsound
        return [*before, ir.Invoke(line, (slot.key,), block.key), *after]

    def variable(self, argument: tree.Argument, kind: DataType) -> tree.Name:
        """A VAR_IN_OUT's argument: a variable of exactly its type."""
        if not isinstance(argument.value, tree.Name):
            raise self.fail(argument.at, "a VAR_IN_OUT takes a variable", "copy the value to one first")
        if (own := self.name(argument.value).type) != kind:
            raise self.fail(
                argument.at, f"a VAR_IN_OUT of {kind} cannot be a variable of {own}", f"declare it {kind}"
            )
        return argument.value

    def call_out(
        self, node: tree.Invocation, unit: ir.Unit, result: tree.Name | tree.Bit | None, line: int
    ) -> ir.CallOut:
        """A call of a user's function in a statement of its own."""
        given = self.bind(node, unit)
        assert unit.result is not None
        for slot in unit.section("in_out"):
            if slot.key in given and slot.type:
                self.variable(given[slot.key], slot.type)
        arguments = self.inputs(given, unit)
        targets = [self.exact(result, unit.result) if result else None]
        for slot in unit.section("output", "in_out"):
            assert slot.type is not None
            argument = given.get(slot.key)
            targets.append(self.exact(argument.value, slot.type) if argument else None)
        return ir.CallOut(line, unit.key, arguments, tuple(targets))

    def exact(self, node: tree.Expr, kind: DataType) -> Path:
        """A place for an output, of exactly the output's type."""
        if not isinstance(node, tree.Name):
            raise self.fail(node.at, "an output goes to a variable", "copy it on afterwards")
        path, own = self.target(node)
        if own != kind:
            raise self.fail(
                node.at, f"an output of {kind} cannot go to a variable of {own}", f"declare it {kind}"
            )
        return path

    # --- control

    def case(self, node: tree.Case, line: int) -> ir.Case:
        kind: DataType | None = None
        try:
            selector = self.selector(node.selector)
            kind = selector.type
        except Unsound:
            selector = Const(BOOL, False)
        taken = list[tuple[int, int]]()
        arms = list[tuple[tuple[tuple[int, int], ...], ir.Body]]()
        for labels, body in node.arms:
            ranges = list[tuple[int, int]]()
            for label in labels if kind else ():
                assert kind is not None
                try:
                    ranges.append(self.label(label, kind, taken))
                except Unsound:
                    continue
            arms.append((tuple(ranges), self.body(body)))
        return ir.Case(line, selector, tuple(arms), self.body(node.other))

    def selector(self, node: tree.Expr) -> Expr:
        expr = self.expr(node)
        try:
            expr = concrete(expr)
        except Mistyped as wrong:
            raise self.fail(node.at, wrong.what, wrong.hint) from None
        if expr.type.kind not in ("int", "bits", "enum"):
            hint = "use IF" if expr.type.kind == "bool" else "convert it to an integer"
            raise self.fail(node.at, f"CASE of {expr.type}", f"it takes integers and enumerations; {hint}")
        return expr

    def label(self, node: tree.Label, kind: DataType, taken: list[tuple[int, int]]) -> tuple[int, int]:
        low = int(self.fixed(node.low, kind).value)
        high = int(self.fixed(node.high, kind).value) if node.high else low
        if high < low:
            raise self.fail(node.at, f"the range {low}..{high} is empty", f"write {high}..{low}")
        if any(a <= high and low <= b for a, b in taken):
            shown = str(low) if low == high else f"{low}..{high}"
            raise self.fail(node.at, f"{shown} has a label before this one", "each value may have one")
        taken.append((low, high))
        return low, high

    def for_loop(self, node: tree.For, line: int) -> ir.For:
        body = self.loop_body(node.body)
        path, kind = self.target(node.variable)
        self.scope.read.add(path[0])
        if kind.kind != "int":
            raise self.fail(node.variable.at, f"FOR counts integers, {node.variable.path[0]} is {kind}")
        start = self.value(node.start, kind)
        stop = self.value(node.stop, kind)
        step = self.value(node.step, kind) if node.step else Const(kind, 1)
        if isinstance(step, Const):
            if step.value == 0:
                raise self.fail(node.step.at if node.step else node.at, "FOR with BY 0 never ends")
            last = stop.value + step.value if isinstance(stop, Const) else kind.low
            if not kind.low <= last <= kind.high:
                end = kind.high if step.value > 0 else kind.low
                what = f"this FOR does not end: {kind} wraps round past {end}"
                self.scope.warnings.append(self.source.problem(node.at, what, "count in a wider type"))
        return ir.For(line, path, kind, start, stop, step, body)

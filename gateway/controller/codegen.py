"""The intermediate form to Python: one class per program and function block, one def per function.

A unit's variables are `__slots__`, named in upper case, so nothing the engineer writes can meet a name of
Python or of this generator, which are in lower case: `s` the instance, `now` the scan's timestamp,
`loops` the rounds that loops may still take in this scan, `x` `c` and `e1`... temporaries. With writers also
`n` the number of the scan, and slots `w_...` that note who wrote (gateway.controller.writers).

Loops draw their rounds from `loops`, one iterator for the whole scan, so an endless loop ends in the
`else` of its `for` without costing a counter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.controller import ir, walk
from gateway.controller.datatypes import DataType, Value
from gateway.controller.ir import Apply, Binary, Call, Choose, Const, Convert, Expr, Fit, Load, Now, Unary
from gateway.controller.operations import NAMES
from gateway.controller.writers import Notes

# Python's ranks, loosest first.
_TOP, _OR, _AND, _NOT, _COMPARE, _BITOR, _XOR, _BITAND, _SHIFT, _SUM, _TERM, _SIGN, _ATOM = range(13)

_SYMBOLS = {"add": ("+", _SUM), "sub": ("-", _SUM), "mul": ("*", _TERM),
            "eq": ("==", _COMPARE), "ne": ("!=", _COMPARE), "lt": ("<", _COMPARE), "le": ("<=", _COMPARE),
            "gt": (">", _COMPARE), "ge": (">=", _COMPARE)}  # fmt: skip
_LOGICAL = {"and": ("and", _AND), "or": ("or", _OR), "xor": ("^", _XOR)}
_BITWISE = {"and": ("&", _BITAND), "or": ("|", _BITOR), "xor": ("^", _XOR)}

_MS = 1_000_000  # nanoseconds


def evaluate(expr: Expr) -> Value:
    """The value of an expression without state, computed by the code it becomes."""
    value: Value = eval(Expressions(".".join)(expr), dict(NAMES))
    return value


class Expressions:
    """Expressions to Python text; `place` writes a path."""

    def __init__(self, place: Callable[[tuple[str, ...]], str]) -> None:
        self.place = place

    def __call__(self, expr: Expr, rank: int = _TOP) -> str:
        """The text, in parentheses if it binds looser than `rank`."""
        text, own = self.text(expr)
        return text if own >= rank else f"({text})"

    def text(self, expr: Expr) -> tuple[str, int]:
        match expr:
            case Const(value=value):
                return repr(value), _ATOM if isinstance(value, bool) or repr(value)[0] not in "-" else _SIGN
            case Load(path=path):
                return self.place(path), _ATOM
            case Now():
                return "now", _ATOM
            case Unary(op="not", operand=x):
                if expr.type.kind == "bool":
                    return f"not {self(x, _NOT)}", _NOT
                return f"{self(x, _XOR)} ^ {expr.type.high}", _XOR
            case Unary(operand=x):
                return f"-{self(x, _SIGN)}", _SIGN
            case Binary():
                return self.binary(expr)
            case Fit():
                return self.fit(expr.type, self(expr.operand, _SHIFT))
            case Convert():
                return self.convert(expr)
            case Choose():
                parts = self(expr.then, _OR), self(expr.condition, _OR), self(expr.other, _TOP)
                return "{} if {} else {}".format(*parts), _TOP
            case Apply(name=name):
                return f"{name}({', '.join(map(self, expr.arguments))})", _ATOM
            case Call():
                arguments = ["loops", *map(self, expr.arguments)]
                return f"f_{expr.function}({', '.join(arguments)})", _ATOM

    def binary(self, expr: Binary) -> tuple[str, int]:
        found = self.sign(expr)
        if found is None:
            return self.counted(expr)
        sign, rank = found
        # Chains bind to the left in both languages, except that Python's comparisons must not chain. They
        # are followed in a loop, because they may be long.
        words, a = [sign, self(expr.right, rank + 1)], expr.left
        while isinstance(a, Binary) and rank != _COMPARE and (inner := self.sign(a)) and inner[1] == rank:
            words[:0] = [inner[0], self(a.right, rank + 1)]
            a = a.left
        return " ".join([self(a, rank + (rank == _COMPARE)), *words]), rank

    def sign(self, expr: Binary) -> tuple[str, int] | None:
        """Python's operator, where it has one, and its rank."""
        if expr.op in _LOGICAL:
            return (_LOGICAL if expr.type.kind == "bool" else _BITWISE)[expr.op]
        if expr.op == "div" and expr.type.real:
            return "/", _TERM
        return _SYMBOLS.get(expr.op)

    def counted(self, expr: Binary) -> tuple[str, int]:
        """Division, remainder and shifts of integers, and powers: inline where a constant makes it easy."""
        op, a, b = expr.op, expr.left, expr.right
        fixed = b.value if isinstance(b, Const) and b.value > 0 else None
        if op in ("div", "mod") and fixed is not None and walk.interval(a)[0] >= 0:
            return f"{self(a, _TERM)} {'//' if op == 'div' else '%'} {fixed}", _TERM
        if op in ("shl", "shr") and fixed is not None and fixed < expr.type.bits:
            if op == "shr":
                return f"{self(a, _SHIFT)} >> {fixed}", _SHIFT
            return f"{self(a, _SHIFT)} << {fixed} & {expr.type.high}", _BITAND
        name = "power" if op == "pow" else op
        width = f", {expr.type.bits}" if op in ("shl", "shr", "rol", "ror") else ""
        return f"{name}({self(a)}, {self(b)}{width})", _ATOM

    def fit(self, kind: DataType, inner: str) -> tuple[str, int]:
        if kind.real:
            return (f"f32({inner})", _ATOM) if kind.bits == 32 else (inner, _TOP)
        if kind.low == 0:
            return f"{inner} & {kind.high}", _BITAND
        # In range is the common case, and a comparison is cheaper than the arithmetic of wrapping.
        wrapped = f"(x - {kind.low} & {(1 << kind.bits) - 1}) + {kind.low}"
        wrapped = wrapped.replace("- -", "+ ").replace("+ -", "- ")
        return f"x if {kind.low} <= (x := {inner}) <= {kind.high} else {wrapped}", _TOP

    def convert(self, expr: Convert) -> tuple[str, int]:
        source, target, x = expr.operand.type, expr.type, expr.operand
        match source.kind, target.kind:
            case "bool", "real" | "literal real":
                return f"float({self(x)})", _ATOM
            case "bool", "time":
                return f"{self(x, _TERM)} * {_MS}", _TERM
            case "bool", _:
                return f"+{self(x, _SIGN)}", _SIGN  # +True is 1, without a call
            case _, "bool":
                return f"{self(x, _COMPARE + 1)} != 0", _COMPARE
            case "time", "real":
                return f"{self(x, _TERM)} / {_MS}", _TERM
            case "time", _:
                return f"div({self(x)}, {_MS})", _ATOM
            case "real", "time":
                return f"round({self(x, _TERM)} * {_MS})", _ATOM
            case "real", "int" | "bits":
                return f"round({self(x)})", _ATOM
            case "int" | "bits" | "enum", "real":
                return f"float({self(x)})", _ATOM
            case "int" | "bits" | "enum", "time":
                return f"{self(x, _TERM)} * {_MS}", _TERM
            case _:
                return self.text(x)


@dataclass(slots=True)
class Generated:
    """Python source, and for each of its lines the line of the program it came from (0: none)."""

    source: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def add(self, indent: int, text: str, line: int = 0) -> None:
        self.source.append("    " * indent + text)
        self.lines.append(line)


def generate(
    module: ir.Module, foreign: frozenset[str], methods: list[str], *, writers: bool = False
) -> Generated:
    """Code for all units. `foreign` units (the standard ones) have no lines in the program; `methods` are
    further lines of the program's class body. With `writers` the code notes which statement wrote last."""
    out = Generated()
    for unit in module.units.values():
        located = unit.key not in foreign
        notes = Notes(unit, module, foreign) if writers and located and unit.kind != "function" else None
        writer = _Unit(unit, out, located, notes)
        if unit.kind == "function":
            writer.function()
        else:
            writer.block()
    for text in methods:
        out.add(1, text)
    return out


class _Unit:
    def __init__(self, unit: ir.Unit, out: Generated, located: bool, notes: Notes | None) -> None:
        self.unit, self.out, self.located, self.notes = unit, out, located, notes
        self.depth, self.loops = 0, 0
        self.tails: list[Callable[[], None]] = []  # what ends a round of each open loop, innermost last
        self.text = Expressions(self.place)

    def place(self, path: tuple[str, ...]) -> str:
        return ".".join(path if self.unit.kind == "function" else ("s", *path))

    def line(self, text: str, line: int = 0) -> None:
        self.out.add(self.depth, text, line if self.located else 0)

    # --- units

    def block(self) -> None:
        unit = self.unit
        base = "Instance" if unit.kind == "program" else ""
        self.line(f"class b_{unit.key}{f'({base})' if base else ''}:")
        self.depth = 1
        program, noted = unit.kind == "program", self.notes.slots if self.notes else []
        counted = ["n"] if self.notes and program else []
        names = [*(slot.key for slot in unit.slots), *noted, *counted]
        self.line(f"__slots__ = ({''.join(f'{name!r}, ' for name in names)})")
        self.line("def __init__(s):")
        self.depth = 2
        for name in noted:
            self.line(f"s.{name} = None")
        for name in counted:
            self.line(f"s.{name} = 0")
        for slot in unit.slots:
            self.line(f"s.{slot.key} = " + (f"b_{slot.block}()" if slot.block else repr(slot.initial)))
            for name, value in slot.preset:
                self.line(f"s.{slot.key}.{name} = {value!r}")
        if not names:
            self.line("pass")
        self.depth = 1
        self.line(f"def run(s, now, loops{', n' if self.notes and not program else ''}):")
        self.depth = 2
        if counted:
            self.line("n = s.n = s.n + 1")
        for slot in unit.section("temp"):
            self.line(f"s.{slot.key} = {slot.initial!r}")
        self.body(unit.body)

    def function(self) -> None:
        unit = self.unit
        names = ["loops", *(slot.key for slot in unit.section("input", "in_out"))]
        self.line(f"def f_{unit.key}({', '.join(names)}):")
        self.depth = 1
        for slot in unit.section("local", "temp", "constant", "output", "result"):
            self.line(f"{slot.key} = {slot.initial!r}")
        self.body(unit.body)
        self.line(f"return {self.results()}")

    def results(self) -> str:
        outputs = [slot.key for slot in self.unit.section("output", "in_out")]
        return ", ".join([self.unit.key, *outputs])

    # --- statements

    def body(self, body: ir.Body) -> None:
        for statement in body:
            self.statement(statement)
        if not body:
            self.line("pass")

    def inner(self, body: ir.Body) -> None:
        self.depth += 1
        self.body(body)
        self.depth -= 1

    def statement(self, statement: ir.Statement) -> None:
        line = statement.line
        match statement:
            case ir.Store(path=path, value=Fit(type=DataType(kind="real", bits=32), operand=value)):
                self.line(f"real[0] = {self.text(value)}", line)
                self.line(f"{self.place(path)} = real[0]", line)
                self.note(statement)
            case ir.Store(path=path, value=value):
                self.line(f"{self.place(path)} = {self.text(value)}", line)
                self.note(statement)
            case ir.Invoke(path=path, block=block):
                arguments = self.notes.call(block) if self.notes else "now, loops"
                self.line(f"{self.place(path)}.run({arguments})", line)
            case ir.CallOut():
                values = ["loops", *map(self.text, statement.arguments)]
                targets = ["_" if path is None else self.place(path) for path in statement.targets]
                call = f"f_{statement.function}({', '.join(values)})"
                self.line(f"{', '.join(targets)} = {call}", line)
                for text in self.notes.called(statement) if self.notes else ():
                    self.line(text, line)
            case ir.If():
                for n, (condition, body) in enumerate(statement.arms):
                    self.line(f"{'elif' if n else 'if'} {self.text(condition)}:", line)
                    self.inner(body)
                self.otherwise(statement.other)
            case ir.Case():
                self.case(statement)
            case ir.For():
                self.for_loop(statement)
            case ir.While():
                test = f"if not {self.text(statement.condition, _NOT)}: break"
                self.loop(line, test, statement.body, lambda: None)
            case ir.Repeat():
                self.loop(line, "", statement.body, self.until(statement))
            case ir.Exit():
                self.line("break", line)
            case ir.Continue():
                self.tails[-1]()
                self.line("continue", line)
            case ir.Return():
                self.line("return" + (f" {self.results()}" if self.unit.kind == "function" else ""), line)

    def note(self, store: ir.Store) -> None:
        text = self.notes.stored(store) if self.notes else ""
        if text:
            self.line(text, store.line)

    def otherwise(self, body: ir.Body) -> None:
        if body:
            self.line("else:")
            self.inner(body)

    def case(self, statement: ir.Case) -> None:
        self.line(f"c = {self.text(statement.selector)}", statement.line)
        for n, (ranges, body) in enumerate(statement.arms):
            tests = [f"c == {low}" if low == high else f"{low} <= c <= {high}" for low, high in ranges]
            self.line(f"{'elif' if n else 'if'} {' or '.join(tests)}:", statement.line)
            self.inner(body)
        if statement.arms:
            self.otherwise(statement.other)
        else:
            self.body(statement.other)

    def loop(self, line: int, test: str, body: ir.Body, tail: Callable[[], None]) -> None:
        self.line("for _ in loops:", line)
        self.depth += 1
        if test:
            self.line(test, line)
        self.tails.append(tail)
        self.body(body)
        tail()
        self.tails.pop()
        self.depth -= 1
        self.line("else:", line)
        self.depth += 1
        self.line("raise LoopLimit", line)
        self.depth -= 1

    def until(self, statement: ir.Repeat) -> Callable[[], None]:
        return lambda: self.line(f"if {self.text(statement.until)}: break", statement.line)

    def for_loop(self, loop: ir.For) -> None:
        name, line = self.place(loop.path), loop.line
        self.statement(ir.Store(line, loop.path, loop.start))
        self.loops += 1
        stop, step = self.text(loop.stop, _COMPARE + 1), self.text(loop.step, _SIGN)
        if not isinstance(loop.stop, Const):
            self.line(f"e{self.loops} = {stop}", line)
            stop = f"e{self.loops}"
        if isinstance(loop.step, Const):
            test = f"if {name} {'>' if loop.step.value > 0 else '<'} {stop}: break"
        else:
            self.line(f"d{self.loops} = {step}", line)
            step = f"d{self.loops}"
            test = f"if {name} > {stop} if {step} >= 0 else {name} < {stop}: break"
        following = f"{name} = {self.text.fit(loop.type, f'{name} + {step}')[0]}"
        self.loop(line, test, loop.body, lambda: self.line(following, line))
        self.loops -= 1

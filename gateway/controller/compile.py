"""The front door: the text of a Structured Text file to a program that can run.

text -> tokens -> tree -> meaning -> intermediate form -> Python
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.controller import image, ir, rest
from gateway.controller.codegen import generate
from gateway.controller.datatypes import Value
from gateway.controller.instance import Instance, Member, RuntimeFault
from gateway.controller.ir import Location
from gateway.controller.lexer import Source
from gateway.controller.operations import NAMES, cell
from gateway.controller.parser import parse
from gateway.controller.semantics import Analysis
from gateway.controller.stdlib import blocks
from gateway.controller.writers import Part, place
from gateway.errors import BadInput
from gateway.errors import Problem as ProgramError

__all__ = [
    "Instance",
    "Location",
    "Part",
    "Program",
    "ProgramError",
    "ProgramErrors",
    "RuntimeFault",
    "Variable",
    "compile_program",
]


class ProgramErrors(BadInput):
    """Everything that is wrong with a program; str() is one line for each problem."""


@dataclass(frozen=True)
class Variable:
    """A variable of the PROGRAM. An enumeration's `type` is INT, an instance's its block's name."""

    name: str
    type: str
    location: Location | None
    initial: Value
    assigned: bool
    """The program assigns it somewhere."""
    line: int


@dataclass(frozen=True)
class Program:
    name: str
    file: str
    sha256: str
    """Of the source text in UTF-8."""
    variables: tuple[Variable, ...]
    warnings: tuple[ProgramError, ...] = ()
    parts: tuple[Part, ...] = ()
    """Which lines of it are another file's."""
    module: ir.Module = field(repr=False, compare=False, kw_only=True)
    """The intermediate form that runs."""
    python: str = field(repr=False, compare=False, kw_only=True)
    """The generated code, to read."""
    instance: type[Instance] = field(repr=False, compare=False, kw_only=True)

    def new(self) -> Instance:
        """A fresh instance with initial values."""
        return self.instance()

    def place(self, line: int) -> tuple[str, int]:
        """The file, and the line in it, that `line` of this text came from."""
        return place(line, self.parts, self.file)


def compile_program(
    text: str, file: str = "<program>", *, writers: bool = False, parts: tuple[Part, ...] = ()
) -> Program:
    """Compile one file that holds one PROGRAM and what it uses. Raises ProgramErrors with every problem.

    With `writers` its instances note which statement wrote an output last, which costs time. `parts` says
    which lines of a composed text came from other files.
    """
    source, problems = Source(text, file), list[ProgramError]()
    analysis = Analysis(parse(source, problems), source, problems, blocks(), trusted=False)
    module = analysis.module()
    if problems or module is None:
        raise ProgramErrors(problems)
    unit = module.program
    written = analysis.scopes[unit.key].written
    located = [slot for slot in unit.slots if slot.location]
    inputs = [slot for slot in located if slot.key not in written]
    lines, names = image.methods(
        latched=inputs,
        published=[slot for slot in located if slot.key in written],
    )
    further, more = rest.methods(module, inputs)
    generated = generate(module, frozenset(blocks()), [*lines, *further], writers=writers)
    python, code_file = "\n".join(generated.source) + "\n", f"<{unit.name} of {file}>"
    space = {**NAMES, **names, **more, "real": cell(), "Instance": Instance}
    exec(compile(python, code_file, "exec"), space)
    instance: type[Instance] = space[f"b_{unit.key}"]
    instance.code_file, instance.code_lines = code_file, generated.lines
    instance.members = {".".join(member.path): member for member in _members(unit, module)}
    return Program(
        name=unit.name,
        file=file,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        variables=tuple(_variable(slot, slot.key in written, module) for slot in unit.slots),
        warnings=tuple(sorted(set(analysis.warnings()))),
        parts=parts,
        module=module,
        python=python,
        instance=instance,
    )


def _variable(slot: ir.Slot, assigned: bool, module: ir.Module) -> Variable:
    kind = slot.type
    name = (
        module.units[slot.block].name if slot.block else "INT" if kind and kind.kind == "enum" else str(kind)
    )
    return Variable(slot.name, name, slot.location, slot.initial, assigned, slot.line)


def _members(unit: ir.Unit, module: ir.Module, path: tuple[str, ...] = ()) -> Iterator[Member]:
    for slot in unit.slots:
        here = (*path, slot.key)
        if slot.block:
            yield from _members(module.units[slot.block], module, here)
        elif slot.type:
            yield Member(here, slot.type, slot.section == "constant")

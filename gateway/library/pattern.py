"""A pattern: the FUNCTION_BLOCK that runs a group, and what it declares; pure."""

from __future__ import annotations

import re

import msgspec

from gateway.controller.lexer import KEYWORDS, Source
from gateway.controller.parser import parse
from gateway.controller.tree import Assign, Expr, File, Infix, Name, Prefix, Unit
from gateway.errors import Problem
from gateway.units import quantity

RELEASES = (
    "Auto", "Manual", "Work", "Ack", "Take", "Give", "Move", "Good", "Lock", "StationFault", "StationBusy"
)  # fmt: skip
"""The inputs that the station's program knows by name, besides ports, jogs and ``Outlet : INT``."""
STATES = ("Done", "Home", "Fault", "Placed", "Holds", "Ok", "Reset")
"""The outputs that the station's program knows by name, besides the actuators."""


class Pattern(msgspec.Struct, frozen=True):
    """A function block as its declarations show it: name to type, spelled as written.

    ``done`` are the variables that must be TRUE or FALSE, as far as is plain to see, for its output Done.
    """

    name: str
    file: str
    text: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    lines: dict[str, int]
    done: dict[str, bool] = {}


def camel(name: str) -> str:
    """``gate-open`` as ``GateOpen``: how a name is spelled in the program."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("-"))


def is_word(name: str) -> bool:
    """Whether a variable may be called ``name`` in Structured Text."""
    return re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) is not None and name.upper() not in KEYWORDS


def read_pattern(text: str, file: str, name: str, problems: list[Problem]) -> Pattern | None:
    """The FUNCTION_BLOCK ``name`` in ``text``, which holds it alone; None, with problems added, else."""
    source, found = Source(text, file), list[Problem]()
    tree = parse(source, found)
    problems += found
    unit = _block(tree, name)
    if unit is None:
        if not found:
            problems.append(Problem(file, 1, 0, f"holds no FUNCTION_BLOCK {name}", "name it as its file"))
        return None
    for other in tree.units:
        if other is not unit:
            problems.append(
                source.problem(
                    other.at, f"{other.name} stands beside {name}", "give each block a file of its own"
                )
            )
    inputs = {each.name: each.type.upper() for each in unit.declarations if each.section == "VAR_INPUT"}
    outputs = {each.name: each.type.upper() for each in unit.declarations if each.section == "VAR_OUTPUT"}
    lines = {each.name: source.line(each.at) for each in unit.declarations}
    for known in (*RELEASES, *STATES):
        declared = inputs.get(known) if known in RELEASES else outputs.get(known)
        if declared not in (None, "BOOL"):
            problems.append(
                Problem(file, lines[known], 0, f"{known} is a {declared}", f"write {known} : BOOL")
            )
    return Pattern(name, file, text, inputs, outputs, lines, _asked(unit))


def _asked(unit: Unit) -> dict[str, bool]:
    """What ``Done := A AND NOT B AND ...`` asks for, where it is assigned so in one place."""
    assigned = [s for s in unit.body if isinstance(s, Assign) and s.target == Name(s.target.at, ("Done",))]
    found: dict[str, bool] = {}
    pending: list[Expr] = [assigned[0].value] if len(assigned) == 1 else []
    while pending:
        match pending.pop():
            case Infix(op="AND" | "&", left=left, right=right):
                pending += [left, right]
            case Name(path=(name,)):
                found[name] = True
            case Prefix(op="NOT", operand=Name(path=(name,))):
                found[name] = False
    return found


def _block(tree: File, name: str) -> Unit | None:
    blocks = (unit for unit in tree.units if unit.kind == "FUNCTION_BLOCK")
    return next((unit for unit in blocks if unit.name == name), None)


def literal(kind: str, text: str) -> str:
    """``text`` (``400 ms``, ``120 mm``, ``3``, ``true``) as a literal of ``kind``; ValueError."""
    if kind == "TIME":
        milliseconds = quantity(text, "ms")
        if not 0 <= milliseconds < 2**31:
            raise ValueError(f"{text!r} is no TIME; write for example 400 ms")
        return f"T#{round(milliseconds)}ms"
    if kind == "BOOL":
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is no BOOL; write true or false")
        return text.upper()
    number = float(quantity(*_parted(text)))
    if kind in ("REAL", "LREAL"):
        shown = f"{number:.9g}"
        return shown if "." in shown or "e" in shown else f"{shown}.0"
    if kind in ("INT", "DINT", "UINT", "WORD"):
        if number != round(number):
            raise ValueError(f"{text!r} is no whole number; write for example 3")
        return str(round(number))
    raise ValueError(f"{kind} takes no value from the library; declare a TIME, REAL, INT or BOOL")


def _parted(text: str) -> tuple[str, str]:
    number, _, unit = text.strip().partition(" ")
    return number, unit.strip() or "1"

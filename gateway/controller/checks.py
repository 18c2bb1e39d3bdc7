"""Static checks of lowered code: what is legal and still most likely a mistake."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.controller import ir, walk
from gateway.controller.lexer import Source
from gateway.controller.scope import Scope
from gateway.errors import Problem


def warnings_of(scope: Scope, source: Source) -> list[Problem]:
    """Unused variables, outputs never written, unreachable statements of one unit."""
    found = list[Problem]()
    for slot in scope.slots.values():
        read, written = slot.key in scope.read, slot.key in scope.written
        what = ""
        if slot.section in ("output", "result") or (slot.location and slot.location.area == "Q"):
            what = "" if written else "is an output and is never written"
        elif not read and not written:
            what = "is never used"
        elif not read and slot.section in ("local", "temp") and not slot.location:
            what = "is written and never read"
        if what:
            found.append(source.problem(scope.at[slot.key], f"{slot.name} {what}"))
    found += [Problem(source.file, line, 0, "this is never reached") for line in unreachable(scope.unit.body)]
    return found


def unreachable(body: ir.Body) -> Iterator[int]:
    """The lines of the first statements that can never run."""
    left = False
    for statement in body:
        if left:
            yield statement.line
            return
        left = isinstance(statement, ir.Exit | ir.Continue | ir.Return)
        dead = dead_bodies(statement)
        for inner in walk.bodies(statement):
            if any(inner is one for one in dead):
                if inner:
                    yield inner[0].line
            else:
                yield from unreachable(inner)


def dead_bodies(statement: ir.Statement) -> list[ir.Body]:
    """Bodies behind a condition that is constant."""
    if isinstance(statement, ir.While):
        return [statement.body] if statement.condition == ir.Const(statement.condition.type, False) else []
    if not isinstance(statement, ir.If):
        return []
    dead, decided = list[ir.Body](), False
    for condition, body in statement.arms:
        fixed = condition.value if isinstance(condition, ir.Const) else None
        if decided or fixed is False:
            dead.append(body)
        decided = decided or fixed is True
    return [*dead, statement.other] if decided else dead

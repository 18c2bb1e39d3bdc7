"""When a scan would change nothing: a program's memory as one value, and when time alone changes it.

A program rests once a scan has left its memory as it was. Every further scan does the same again, until an
input changes or a timer that runs comes to an instant that the program can notice: Q switches, or a
comparison of ET with a constant turns. How far ET is in between makes no difference, so of such a timer the
memory holds only how many of these constants ET has reached. A timer whose ET is used in another way keeps
it in the memory: the program does not rest while that timer runs.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Iterator
from struct import Struct
from typing import Any

from gateway.controller import ir, walk
from gateway.controller.ir import Binary, Const, Expr, Load
from gateway.controller.stdlib import blocks

# What a timer's variables are while it runs: Q and ET will change by themselves.
_RUNNING = {"TON": "t.RUNNING and not t.Q", "TOF": "t.RUNNING and t.Q", "TP": "t.Q"}
# By how much more than the constant ET is when the comparison turns.
_TURNS = {"ge": (0,), "lt": (0,), "gt": (1,), "le": (1,), "eq": (0, 1), "ne": (0, 1)}
_MIRRORED = {"ge": "le", "le": "ge", "gt": "lt", "lt": "gt", "eq": "eq", "ne": "ne"}

Timer = tuple[str, str]  # the unit that owns it, and its name there


def methods(module: ir.Module, inputs: Collection[ir.Slot]) -> tuple[list[str], dict[str, Any]]:
    """The lines of two methods, and the globals they use.

    `memory(s)` is equal only for equal memories; `wakes(s, now)` is the first instant after `now` at which
    time alone may change something (None: none). `inputs` are those variables of the program that each scan
    reads anew.
    """
    turns, unbounded = _uses(module)
    names: dict[str, Any] = {"bisect": bisect}
    values, reals, wakes = list[str](), list[str](), list[str]()
    for owner, slot, path in _slots(module.program, module, ("s",)):
        if slot.block is None:
            if slot.type is not None and slot.section not in ("constant", "temp") and slot not in inputs:
                (reals if slot.type.real else values).append(".".join(path))
            continue
        if not _is_timer(slot.block, module) or (owner.key, slot.key) in unbounded:
            continue
        place, levels = ".".join(path), sorted(turns.get((owner.key, slot.key), ()))
        values.remove(f"{place}.ET")
        if levels:
            name = f"levels_{owner.key}_{slot.key}"
            names[name] = levels
            values.append(f"bisect({name}, {place}.ET)")
        ends = ", ".join(["t.START + t.PT", *(f"t.START + {level}" for level in levels)])
        wakes += [f"    t = {place}", f"    if {_RUNNING[slot.block]}:", f"        w += ({ends},)"]
    if reals:
        names["reals"] = Struct(f"={len(reals)}d")
        values.append(f"reals.pack({', '.join(reals)})")  # by their bits: NaN equals itself, -0.0 is not 0.0
    lines = ["def memory(s):", f"    return ({''.join(f'{value}, ' for value in values)})"]
    lines += ["def wakes(s, now):"]
    if not wakes:
        return [*lines, "    return None"], names
    return [*lines, "    w = []", *wakes, "    return min((x for x in w if x > now), default=None)"], names


def _slots(
    unit: ir.Unit, module: ir.Module, path: tuple[str, ...]
) -> Iterator[tuple[ir.Unit, ir.Slot, tuple[str, ...]]]:
    """Every variable and instance in the tree, each instance after its own variables."""
    for slot in unit.slots:
        here = (*path, slot.key)
        if slot.block:
            yield from _slots(module.units[slot.block], module, here)
        yield unit, slot, here


def _is_timer(block: str, module: ir.Module) -> bool:
    return block in _RUNNING and module.units[block] is blocks()[block]


def _uses(module: ir.Module) -> tuple[dict[Timer, set[int]], set[Timer]]:
    """Of each timer: where comparisons of its ET turn; and those with any other use of it."""
    turns: dict[Timer, set[int]] = {}
    unbounded: set[Timer] = set()
    for unit in module.units.values():
        if blocks().get(unit.key) is unit:
            continue
        for statement in walk.statements(unit.body):
            for expr in walk.expressions(statement):
                _look(expr, unit, module, turns, unbounded)
    return turns, unbounded


def _look(
    expr: Expr, unit: ir.Unit, module: ir.Module, turns: dict[Timer, set[int]], unbounded: set[Timer]
) -> None:
    pending = [expr]
    while pending:
        one = pending.pop()
        compared = _compared(one, unit, module)
        if compared is not None:
            timer, op, level = compared
            turns.setdefault(timer, set()).update(level + more for more in _TURNS[op])
            continue
        timer_read = _elapsed(one, unit, module)
        if timer_read is not None:
            unbounded.add(timer_read)
        pending += walk.parts(one)


def _compared(expr: Expr, unit: ir.Unit, module: ir.Module) -> tuple[Timer, str, int] | None:
    """The timer, operator and constant, where the expression compares an ET with a constant."""
    if not isinstance(expr, Binary) or expr.op not in _TURNS:
        return None
    for one, other, op in ((expr.left, expr.right, expr.op), (expr.right, expr.left, _MIRRORED[expr.op])):
        timer = _elapsed(one, unit, module)
        if timer is not None and isinstance(other, Const):
            return timer, op, int(other.value)
    return None


def _elapsed(expr: Expr, unit: ir.Unit, module: ir.Module) -> Timer | None:
    """The timer whose ET the expression reads, if it does."""
    if not isinstance(expr, Load) or expr.path[-1] != "ET" or len(expr.path) < 2:
        return None
    owner = unit
    for key in expr.path[:-2]:
        owner = module.units[_block(owner, key)]
    return (owner.key, expr.path[-2]) if _is_timer(_block(owner, expr.path[-2]), module) else None


def _block(unit: ir.Unit, key: str) -> str:
    """The function block that its variable ``key`` is an instance of."""
    return next(slot.block for slot in unit.slots if slot.key == key and slot.block)

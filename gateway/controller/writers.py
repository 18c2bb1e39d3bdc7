"""Which statement wrote an output last: what generated code notes of its stores, if it is compiled so; pure.

Noted are the located variables of the program and the outputs of its function blocks: the line of the
statement and the number of the scan. Bits of a word that are assigned one by one are noted one by one. A
statement that only passes on what a function block put out names the statement inside the block: it decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.controller import ir, walk
from gateway.controller.ir import Binary, Choose, Const, Load, Store


class Writer(NamedTuple):
    """The statement that wrote last: its 1-based line in the compiled text, and in which scan, from 1."""

    line: int
    scan: int


class Part(NamedTuple):
    """Of a composed text: ``lines`` lines from ``first`` on are those of ``file`` from ``line`` on."""

    first: int
    lines: int
    file: str
    line: int


class Notes:
    """What the code of one unit notes. ``foreign`` units, the standard ones, have no lines."""

    def __init__(self, unit: ir.Unit, module: ir.Module, foreign: frozenset[str]) -> None:
        self._unit, self._module, self._foreign = unit, module, foreign
        self._bits: dict[str, set[int]] = {key: set() for key in noted(unit)}
        for statement in walk.statements(unit.body):
            if isinstance(statement, Store) and statement.path[0] in self._bits:
                bit = _bit(statement)
                if bit is not None:
                    self._bits[statement.path[0]].add(bit)

    @property
    def slots(self) -> list[str]:
        """The names under which it is noted; those of variables are in upper case, these begin in lower."""
        return [name for key in self._bits for name in self._names(key)]

    def call(self, block: str) -> str:
        """The arguments with which an instance of ``block`` runs."""
        return "now, loops" if block in self._foreign else "now, loops, n"

    def stored(self, statement: Store) -> str:
        """The code that notes it; empty where there is nothing to note."""
        if len(statement.path) > 1 or statement.path[0] not in self._bits:
            return ""
        key, bit = statement.path[0], _bit(statement)
        names = [_slot(key, bit)] if bit is not None else self._names(key)
        inner = self._passed(statement)
        note = f"({statement.line}, n)"
        return f"{' = '.join(f's.{name}' for name in names)} = {f'{inner} or {note}' if inner else note}"

    def called(self, statement: ir.CallOut) -> Iterator[str]:
        """The code that notes what the function's outputs are stored to."""
        for path in statement.targets:
            if path is not None and len(path) == 1 and path[0] in self._bits:
                names = " = ".join(f"s.{name}" for name in self._names(path[0]))
                yield f"{names} = ({statement.line}, n)"

    def _names(self, key: str) -> list[str]:
        return [_slot(key, None), *(_slot(key, bit) for bit in sorted(self._bits[key]))]

    def _passed(self, statement: Store) -> str:
        """Where the block has noted who wrote the output that is only passed on; empty where it is not so."""
        value = statement.value
        if not isinstance(value, Load) or len(value.path) != 2:
            return ""
        owner, key = value.path
        block = next(slot.block for slot in self._unit.slots if slot.key == owner)
        if block is None or block in self._foreign or key not in noted(self._module.units[block]):
            return ""
        return f"s.{owner}.{_slot(key, None)}"


def noted(unit: ir.Unit) -> list[str]:
    """The variables of which it is noted who wrote them."""
    if unit.kind == "program":
        return [slot.key for slot in unit.slots if slot.location]
    return [slot.key for slot in unit.section("output")]


def latest(owner: object, key: str, bit: int | None) -> Writer | None:
    """Who wrote the variable ``key`` (or a ``bit`` of it) of an instance last; None: nobody yet."""
    found = getattr(owner, _slot(key, bit), None) if bit is not None else None
    found = found or getattr(owner, _slot(key, None), None)
    return Writer(*found) if found else None


def place(line: int, parts: tuple[Part, ...], file: str) -> tuple[str, int]:
    """The file, and the line in it, that ``line`` of the compiled text ``file`` is."""
    for part in parts:
        if part.first <= line < part.first + part.lines:
            return part.file, part.line + line - part.first
    return file, line


def _slot(key: str, bit: int | None) -> str:
    return f"w_{key}" if bit is None else f"w{bit}_{key}"


def _bit(statement: Store) -> int | None:
    """The bit that the store assigns, where it is of one bit of its word (see BodyLowering.store)."""
    match statement.value:
        case Choose(then=Binary(op="or", left=Load(path=path), right=Const(value=int() as mask))) if (
            path == statement.path and mask > 0 and mask & (mask - 1) == 0
        ):
            return mask.bit_length() - 1
    return None

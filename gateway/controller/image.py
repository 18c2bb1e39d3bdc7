"""Generated code for the process image: latching inputs from memory and publishing outputs to it.

Offsets are computed here, once. Bits share one access of their byte; words that follow each other without
a gap share one struct.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from struct import Struct, calcsize
from typing import Any

from gateway.controller.ir import Location, Slot
from gateway.controller.memory import AREAS, MILLISECOND, layout, milliseconds

Located = tuple[Location, Slot]


def located(slots: Iterable[Slot]) -> list[Located]:
    """The slots with an address, in the order of memory."""
    found = [(slot.location, slot) for slot in slots if slot.location]
    return sorted(found, key=lambda one: (AREAS.index(one[0].area), one[0].byte, one[0].bit))


def methods(latched: list[Slot], published: list[Slot]) -> tuple[list[str], dict[str, Any]]:
    """The lines of `latch(s, I, Q, M)` and `publish(s, I, Q, M)`, and the globals they use."""
    names: dict[str, Any] = {"milliseconds": milliseconds}
    lines = ["def latch(s, I, Q, M):"]
    for area, byte, bits in _bytes(located(latched)):
        lines.append(f"    b = {area}[{byte}]")
        lines += [f"    s.{slot.key} = b & {1 << bit} != 0" for bit, slot in bits]
    for run in _runs(located(latched)):
        area, byte = run[0][0].area, run[0][0].byte
        call = f"{_struct(run, names)}.unpack_from({area}, {byte})"
        lines.append(f"    {''.join(f's.{slot.key}, ' for _, slot in run)}= {call}")
        lines += [f"    s.{slot.key} *= {MILLISECOND}" for _, slot in run if _time(slot)]
    lines += ["    pass", "def publish(s, I, Q, M):"]
    for area, byte, bits in _bytes(located(published)):
        kept = 0xFF - sum(1 << bit for bit, _ in bits)
        parts = [f"{area}[{byte}] & {kept}"] if kept else []
        parts += [f"s.{slot.key} << {bit}" if bit else f"s.{slot.key}" for bit, slot in bits]
        lines.append(f"    {area}[{byte}] = {' | '.join(parts)}")
    for run in _runs(located(published)):
        area, byte = run[0][0].area, run[0][0].byte
        values = (f"milliseconds(s.{slot.key})" if _time(slot) else f"s.{slot.key}" for _, slot in run)
        lines.append(f"    {_struct(run, names)}.pack_into({area}, {byte}, {', '.join(values)})")
    return [*lines, "    pass"], names


def _time(slot: Slot) -> bool:
    return slot.type is not None and slot.type.kind == "time"


def _bytes(slots: list[Located]) -> list[tuple[str, int, list[tuple[int, Slot]]]]:
    """Bits, by the byte they are in."""
    bits = [one for one in slots if one[0].size == "X"]
    grouped = groupby(bits, key=lambda one: (one[0].area, one[0].byte))
    return [(area, byte, [(where.bit, slot) for where, slot in group]) for (area, byte), group in grouped]


def _runs(slots: list[Located]) -> list[list[Located]]:
    """Words that follow each other without a gap."""
    runs, end = list[list[Located]](), ("", 0)
    for where, slot in slots:
        if where.size == "X":
            continue
        if (where.area, where.byte) != end:
            runs.append([])
        runs[-1].append((where, slot))
        assert slot.type is not None
        end = where.area, where.byte + calcsize(layout(slot.type))
    return runs


def _struct(run: list[Located], names: dict[str, Any]) -> str:
    """The name of a struct for a run, made where there is none yet."""
    form = "".join(layout(slot.type) for _, slot in run if slot.type)
    names[f"struct_{form}"] = Struct(f">{form}")
    return f"struct_{form}"

"""Variable declarations to slots: types, initial values, addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.controller import tree
from gateway.controller.datatypes import TYPES, DataType, Value
from gateway.controller.ir import Location, Section, Slot
from gateway.controller.lowering import Lowering, Unsound
from gateway.controller.scope import nearest

_SECTIONS: dict[str, Section] = {
    "VAR": "local",
    "VAR_INPUT": "input",
    "VAR_OUTPUT": "output",
    "VAR_IN_OUT": "in_out",
    "VAR_TEMP": "temp",
}
SIZES = {"X": 1, "B": 8, "W": 16, "D": 32, "L": 64}
"""Bits of each size letter of an address."""
_ADDRESS = re.compile(r"%([IQM])([XBWDL]?)(\d{1,7})(?:\.(\d+))?")


class DeclarationLowering(Lowering):
    def declare(self, declarations: Sequence[tree.Declaration]) -> None:
        """Fill the scope's slots, and the unit's."""
        for declaration in declarations:
            try:
                slot = self.slot(declaration)
            except Unsound:
                self.names.lost.add(declaration.name.upper())
                continue
            self.scope.slots[slot.key] = slot
            self.scope.at[slot.key] = declaration.at
        self.scope.unit.slots = tuple(self.scope.slots.values())
        self.overlaps()

    def overlaps(self) -> None:
        """Each located variable owns its address."""
        placed = [
            (where.area, where.byte * 8 + where.bit, SIZES[where.size], where, slot)
            for slot in self.scope.unit.slots
            if (where := slot.location)
        ]
        placed.sort(key=lambda one: one[:2])
        end, last = ("", 0), -1
        for n, (area, start, bits, _, _) in enumerate(placed):
            if last >= 0 and (area, start) < end:
                (there, first), (here, second) = sorted(
                    (placed[last][3:], placed[n][3:]), key=lambda one: self.scope.at[one[1].key]
                )
                what = f"{second.name} at {here.text} overlaps {first.name} at {there.text}"
                self.fail(self.scope.at[second.key], what, f"{first.name} is declared in line {first.line}")
            if (area, start + bits) > end:
                end, last = (area, start + bits), n

    def slot(self, node: tree.Declaration) -> Slot:
        unit, key = self.scope.unit, node.name.upper()
        if key in self.scope.slots:
            line = self.scope.slots[key].line
            raise self.fail(node.at, f"{node.name} is declared twice", f"the first is in line {line}")
        if node.name.startswith("__") and not self.trusted:
            raise self.fail(
                node.at, f"{node.name} begins with two underscores", "the standard reserves such names"
            )
        if key in TYPES:
            raise self.fail(node.at, f"{node.name} is a type and cannot name a variable")
        section = self.section(node)
        block, kind = self.type(node)
        location = self.location(node, kind) if node.address else None
        if block:
            if unit.kind == "function" or section != "local":
                where = "a FUNCTION" if unit.kind == "function" else node.section
                raise self.fail(
                    node.type_at, f"an instance of {block} in {where}", "declare it in a VAR of a block"
                )
            if node.initial:
                raise self.fail(node.initial.at, f"{block} has no value", "give members: := (PT := T#1s)")
            return Slot(
                node.name,
                section,
                None,
                block,
                False,
                self.source.line(node.at),
                None,
                self.presets(node, block),
            )
        if node.presets:
            raise self.fail(node.presets[0].at, f"{node.type} has no members")
        assert kind is not None
        initial = self.fixed(node.initial, kind).value if node.initial else self.default(kind)
        return Slot(node.name, section, kind, None, initial, self.source.line(node.at), location)

    def default(self, kind: DataType) -> Value:
        if kind.kind == "enum":
            return next(iter(self.names.values[kind.name.upper()].values()))
        return kind.zero

    def section(self, node: tree.Declaration) -> Section:
        if node.section not in _SECTIONS:  # the parser has reported it
            return "local"
        section = _SECTIONS[node.section]
        if section == "in_out" and self.scope.unit.kind == "program":
            raise self.fail(node.at, "a PROGRAM has no VAR_IN_OUT", "declare the variable in VAR")
        if section == "in_out" and node.initial:
            raise self.fail(
                node.initial.at, "a VAR_IN_OUT has no initial value", "its argument gives the value"
            )
        if not node.constant:
            return section
        if section != "local":
            raise self.fail(node.at, f"{node.section} CONSTANT is not supported", "use VAR CONSTANT")
        if node.initial is None:
            raise self.fail(node.at, f"the constant {node.name} has no value", "give it one with :=")
        return "constant"

    def type(self, node: tree.Declaration) -> tuple[str | None, DataType | None]:
        """The block, or the elementary or enumerated type."""
        key = node.type.upper()
        unit = self.names.units.get(key)
        if unit is not None and unit.kind == "block":
            return key, None
        if key in TYPES:
            return None, TYPES[key]
        if key in self.names.enums:
            return None, self.names.enums[key]
        if unit is not None:
            raise self.fail(node.type_at, f"{node.type} is a {unit.kind}, not a type")
        hint = (
            nearest(key, self.names.types())
            or "types are BOOL, INT, DINT, WORD, REAL, TIME, TON and the like"
        )
        raise self.unknown(node.type_at, "type", node.type, hint)

    def presets(self, node: tree.Declaration, block: str) -> tuple[tuple[str, Value], ...]:
        found = list[tuple[str, Value]]()
        for preset in node.presets:
            members = self.names.units[block].section("input", "output", "local")
            key = (preset.name or "").upper()
            slot = next((one for one in members if one.key == key and one.type), None)
            if slot is None or slot.type is None:
                hint = nearest(key, [one.name for one in members])
                raise self.fail(
                    preset.at, f"{node.type} has no {preset.name or 'member without a name'}", hint
                )
            found.append((key, self.fixed(preset.value, slot.type).value))
        return tuple(found)

    def location(self, node: tree.Declaration, kind: DataType | None) -> Location:
        assert node.address is not None
        at, text = node.address_at, node.address.upper()
        if self.scope.unit.kind != "program":
            raise self.fail(
                at, f"an address in a {self.scope.unit.kind}", "declare it in the PROGRAM and pass it on"
            )
        if node.constant or node.section not in ("VAR", "VAR_INPUT", "VAR_OUTPUT"):
            what = "a constant" if node.constant else node.section
            raise self.fail(at, f"{what} has no address", "declare it in VAR")
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise self.fail(at, f"{node.address} is no address", "write for example %IX0.0, %QW2 or %MD4")
        area, size, index, bit = match[1], match[2] or "X", int(match[3]), match[4]
        if size == "X" and (bit is None or not 0 <= int(bit[:3]) <= 7):
            raise self.fail(
                at, f"{node.address} names no bit", f"write %{area}X{index}.0 to %{area}X{index}.7"
            )
        if size != "X" and bit is not None:
            raise self.fail(
                at, f"{node.address} has a bit number", f"only bits have one: %{area}X{index}.{bit}"
            )
        if kind is None:
            raise self.fail(at, f"{node.type} is a function block and has no address")
        if SIZES[size] != (kind.bits if kind.name != "TIME" else 32):
            right = next(
                letter for letter, bits in SIZES.items() if bits == (32 if kind.name == "TIME" else kind.bits)
            )
            wrong = f"{node.address} has {SIZES[size]} bit{'s'[: SIZES[size] > 1]}, {kind} needs another size"
            raise self.fail(at, wrong, f"write %{area}{right}...")
        byte = index * max(SIZES[size] // 8, 1)
        number = int(bit) if bit else 0
        return Location(
            area, size, byte, number, f"%{area}{size}{index}" + (f".{number}" if size == "X" else "")
        )

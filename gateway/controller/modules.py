"""The I/O modules of a controller: which bytes belong to which, and those that it polls; pure.

A module's inputs begin at byte ``at`` of %I and its outputs at byte ``at`` of %Q; they end where the next
module's begin (docs/mapping.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from gateway.controller.compile import Location, Program
from gateway.controller.mapping import SERVED_BYTES
from gateway.controller.memory import Memory
from gateway.controller.places import Span, located_span
from gateway.field.addresses import Address, Protocol
from gateway.field.entries import TagEntry, compile_tags
from gateway.field.serving import bits
from gateway.field.serving.variables import NAMESPACE
from gateway.field.tags import Tag
from gateway.field.types import TYPES, Value


class Range(NamedTuple):
    """Bytes ``at`` to ``end`` (not included) of %I and of %Q."""

    at: int
    end: int


def ranges(begins: Iterable[int]) -> list[Range]:
    """The bytes of modules that begin at ``begins``, in their order."""
    begins = list(begins)
    return [Range(at, min([SERVED_BYTES, *(other for other in begins if other > at)])) for at in begins]


class Polled:
    """A module that the controller polls: what it reads there into %I and writes there from %Q.

    ``tags`` are seen from the module's side of the wire, as a driver takes them: an *output* is read, an
    *input* is written. Each is a located variable of the program; ``unserved`` says which have no place.
    """

    def __init__(self, program: Program, memory: Memory, protocol: Protocol, where: Range) -> None:
        self._areas = memory.areas
        self._places: dict[str, Location] = {}
        self.unserved: list[str] = []
        entries: list[TagEntry] = []
        for variable in program.variables:
            place = variable.location
            if place is None or place.area == "M" or not where.at <= place.byte < where.end:
                continue
            name = f"{program.name}.{variable.name}"
            node = f"ns={NAMESPACE};s={name}"
            address = node if protocol == "opcua" else _modbus_address(place, where.at)
            if variable.type not in TYPES or not address:
                self.unserved.append(f"{name} at {place.text}: {variable.type}")
                continue
            read = place.area == "I"
            direction: Literal["input", "output"] = "output" if read else "input"
            entries.append(TagEntry(direction, variable.type, address, safe=None if read else "0", name=name))
            self._places[name] = place
        self.tags: dict[str, Tag] = compile_tags(
            entries, {"module": protocol}, lambda _, what, hint: self.unserved.append(f"{what}; {hint}")
        )

    def take(self, values: Mapping[str, Value]) -> None:
        """What was read there, by tag, comes in at %I."""
        for name, value in values.items():
            place, kind = self._places[name], self.tags[name].type
            area = self._areas[place.area]
            if kind.kind == "bool":
                bits.put(area, 8 * place.byte + place.bit, 1, bool(value))
            else:
                area[place.byte : place.byte + kind.bits // 8] = kind.pack(value)

    def give(self) -> dict[str, Value]:
        """What %Q puts out there now, by tag."""
        found: dict[str, Value] = {}
        for name, tag in self.tags.items():
            if tag.direction == "input":
                place, area = self._places[name], self._areas["Q"]
                if tag.type.kind == "bool":
                    found[name] = bool(area[place.byte] >> place.bit & 1)
                else:
                    found[name] = tag.type.unpack(bytes(area[place.byte : place.byte + tag.type.bits // 8]))
        return found

    def span(self, address: Address) -> Span | None:
        """Where in %I or %Q that of the module lies; None: nowhere."""
        names = (name for name, tag in self.tags.items() if tag.address == address)
        name = next(names, None)
        return None if name is None else located_span(self._places[name], self.tags[name].type)

    def clear(self) -> None:
        """The module is not there: its inputs are off, as on a real controller."""
        self.take({name: 0 for name, tag in self.tags.items() if tag.direction == "output"})


def _modbus_address(place: Location, at: int) -> str:
    """The module's address of a variable: inputs at di and ir, outputs at coil and hr; empty for none."""
    read = place.area == "I"
    offset = place.byte - at
    if place.size == "X":
        return f"{'di' if read else 'coil'}:{8 * offset + place.bit}"
    if place.size == "B" or offset % 2:
        return ""
    return f"{'ir' if read else 'hr'}:{offset // 2}"

"""The names that a unit's code can use, and what it has used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from gateway.controller import functions, ir
from gateway.controller.datatypes import TYPES, DataType
from gateway.errors import Problem


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint "did you mean ...?", or nothing."""
    spelled = {one.upper(): one for one in known}
    close = get_close_matches(name.upper(), list(spelled), n=1, cutoff=0.6)
    return f"did you mean {spelled[close[0]]}?" if close else ""


@dataclass(slots=True)
class Names:
    """What a file declares beside variables: units, enumerated types and their values."""

    units: dict[str, ir.Unit] = field(default_factory=dict)
    enums: dict[str, DataType] = field(default_factory=dict)
    values: dict[str, dict[str, int]] = field(default_factory=dict)
    """Per enumerated type, its values by upper-case name, in order."""
    spelled: list[str] = field(default_factory=list)
    """The values of all enumerated types as written."""
    lost: set[str] = field(default_factory=set)
    """Names whose declarations are wrong: that they are unknown is no further problem."""
    incomplete: bool = False
    """Any unknown name may have been declared in what could not be read."""

    def types(self) -> list[str]:
        blocks = [unit.name for unit in self.units.values() if unit.kind == "block"]
        return [*TYPES, *blocks, *(enum.name for enum in self.enums.values())]

    def enum_values(self, name: str) -> list[tuple[DataType, int]]:
        """What an unqualified enumeration value may mean."""
        found = [(self.enums[kind], values.get(name)) for kind, values in self.values.items()]
        return [(kind, value) for kind, value in found if value is not None]

    def callables(self) -> list[str]:
        own = [unit.name for unit in self.units.values() if unit.kind == "function"]
        return [*functions.STANDARD, *own]


@dataclass(slots=True)
class Scope:
    """One unit's variables by upper-case name; `read` and `written` fill while its code is lowered."""

    unit: ir.Unit
    names: Names
    slots: dict[str, ir.Slot] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    at: dict[str, int] = field(default_factory=dict)
    """Where each variable is declared."""
    warnings: list[Problem] = field(default_factory=list)

    def variables(self) -> list[str]:
        return [slot.name for slot in self.slots.values()]

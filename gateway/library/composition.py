"""A composed station: its groups with parameters and links, its cycle, its inlets and outlets; pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from gateway.library.entries import HomeStep, UseEntry
from gateway.library.library import Group
from gateway.library.pattern import camel
from gateway.library.quantities import evaluate
from gateway.scalar import Text
from gateway.twin.carrier import Carrier
from gateway.twin.kinds import KINDS
from gateway.units import duration
from gateway.yamlfile import Id

MAIN = "main"
MOST_ID = 32


class CompositionEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """The part of a station file that is about groups."""

    groups: dict[Id, UseEntry]
    cycle: list[list[Id] | HomeStep] = []
    quality: Text | None = None
    present: Text | None = None
    inlet: Text | None = None
    outlet: Text | None = None
    inlets: dict[Id, Text] = {}
    outlets: dict[Id, Text] = {}


class Unit(msgspec.Struct, frozen=True):
    """A group in a station. ``params`` are with units, ``links`` by name of a component; ``drawn`` are the
    parameters that its twin draws from a distribution, in ``params`` by their mean."""

    name: str
    group: Group
    entry: UseEntry
    params: dict[str, str]
    links: dict[str, str]
    drawn: dict[str, str] = {}

    def tag(self, port: str) -> str:
        """What the port is called in the station."""
        return f"{self.name}-{port}"

    def value(self, text: str) -> str:
        """``text`` of the group with this one's parameters; the group was checked."""
        return evaluate(text, self.params)

    def given(self, text: str) -> str:
        """``text`` as its twin takes it: a parameter alone may be a distribution."""
        return evaluate(text, self.params | self.drawn if text[1:] in self.drawn else self.params)

    def duty(self, phase: str) -> int:
        """The longest time of ``phase``, ns."""
        own = self.entry.duty.get(phase)
        return duration(own.text if own is not None else self.value(getattr(self.group.entry.duty, phase)))

    def hears(self, name: str) -> bool:
        """Whether the pattern has the input ``name``."""
        return self.group.pattern is not None and name in self.group.pattern.inputs

    def tells(self, name: str) -> bool:
        """Whether the pattern has the output ``name``."""
        return self.group.pattern is not None and name in self.group.pattern.outputs

    @property
    def carrier(self) -> str:
        """Its main part, if workpieces stand on it; else empty."""
        part = self.group.main
        kind = KINDS[self.group.entry.parts[part].kind]
        return self.group.component(self.name, part) if issubclass(kind, Carrier) else ""

    @property
    def rests(self) -> bool:
        """Whether it goes home before a workpiece leaves; what hands it out does so afterwards."""
        return not self.hears("Give")


class Step(NamedTuple):
    """One step of the cycle: these go to work, those go home."""

    work: tuple[str, ...]
    home: tuple[str, ...]


class Composition(msgspec.Struct, frozen=True):
    """A resolved station. ``inlets`` and ``outlets`` are carriers by name, ``quality`` a unit and what of it
    says good; ``placed`` are the units that tell of a workpiece in place."""

    units: dict[str, Unit]
    steps: tuple[Step, ...]
    quality: tuple[str, str] | None
    placed: tuple[str, ...]
    inlets: dict[str, str]
    outlets: dict[str, str]

    def takes(self) -> dict[str, str]:
        """The output that says a workpiece may come, by inlet."""
        return {name: "take" if name == MAIN else f"take-{name}" for name in self.inlets}

    def teller(self, inlet: str) -> tuple[Unit, str] | None:
        """Whose pattern says by which output that a workpiece may come at ``inlet``; None: no one's does.

        It is named after the part that is the inlet (``TakeSide``), or after the inlet (``TakeMain``).
        """
        carrier = self.inlets[inlet]
        for unit in self.units.values():
            parts = [
                name for name in unit.group.entry.parts if unit.group.component(unit.name, name) == carrier
            ]
            for word in (*parts, MAIN if carrier == unit.carrier else inlet):
                if unit.tells(f"Take{camel(word)}"):
                    return unit, f"Take{camel(word)}"
        return None

    def readies(self) -> dict[str, str]:
        """The input that says the next station takes one, by outlet."""
        return {name: "next-ready" if name == MAIN else f"ready-{name}" for name in self.outlets}


def known(name: str, names: Iterable[str]) -> str:
    """A hint at what ``name`` may have been meant to be."""
    there = list(names)
    near = difflib.get_close_matches(name, there, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else "there are " + (", ".join(there) or "none")

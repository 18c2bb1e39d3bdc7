"""Where and when a workpiece that comes in on a real machine is seen first; pure.

The sensor nearest the inlet sees it: on the inlet's own carrier, else on those that it passes on to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.field.types import Value
from gateway.station import Station
from gateway.twin.twin import Twin


class Door(NamedTuple):
    """What comes in at ``inlet`` is seen first by the sensor ``tag``, ``at`` mm of ``carrier``."""

    inlet: str
    tag: str
    carrier: str
    at: float


def doors(station: Station, twin: Twin) -> list[Door]:
    """Those of ``station``, of which ``twin`` is one; an inlet that no sensor follows has none."""
    eyes: dict[str, list[tuple[float, str]]] = {}
    for spec in station.twin.values():
        component = twin.components[spec.name]
        for port, tag in spec.ports.items():
            if (place := component.watched(port)) is not None:
                eyes.setdefault(place[0].name, []).append((place[1], tag))
    found = []
    for inlet, first in station.inlets.items():
        carrier: str | None = first
        passed: set[str] = set()
        while carrier is not None and carrier not in eyes and carrier not in passed:
            passed.add(carrier)
            carrier = station.twin[carrier].links.get("to")
        if carrier is not None and carrier in eyes:
            at, tag = min(eyes[carrier])
            found.append(Door(inlet, tag, carrier, at))
    return found


def before(station: Station, doors: Iterable[Door]) -> frozenset[str]:
    """The inputs that see workpieces on their way to the ``doors``: the twin has none there."""
    passed: set[str] = set()
    for door in doors:
        carrier = station.inlets[door.inlet]
        while carrier != door.carrier:
            passed.add(carrier)
            carrier = station.twin[carrier].links["to"]
    return frozenset(
        spec.ports[port.name]
        for spec in station.twin.values()
        for port in spec.family.PORTS
        if port.sees and port.name in spec.ports and not passed.isdisjoint({spec.name, *spec.links.values()})
    )


class Arrivals:
    """At ``doors``: a workpiece has come where the sensor has turned on, or is on when it is first read."""

    def __init__(self, doors: Iterable[Door]) -> None:
        self._doors = list(doors)
        self._levels: dict[str, bool] = {}
        self._coming: set[Door] = set()

    def see(self, machine: Mapping[str, Value], twin: Twin) -> list[Door]:
        """The doors before which a workpiece stands on the ``machine`` that has not ``come`` yet.

        Where the twin's own sensor sees one there, it is that one: the machine's may have flickered.
        """
        for door in self._doors:
            level = bool(machine.get(door.tag))
            if (
                level
                and not self._levels.get(door.tag)
                and twin.carrier(door.carrier).covering(door.at) is None
            ):
                self._coming.add(door)
            elif not level:
                self._coming.discard(door)
            self._levels[door.tag] = level
        return [door for door in self._doors if door in self._coming]

    def came(self, door: Door) -> None:
        """The workpiece before ``door`` is in the twin."""
        self._coming.discard(door)

"""A twin: a station's components on one kernel, bound to the station's tags; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.field.tags import Tag
from gateway.field.types import Scalar, Value
from gateway.twin.carrier import Carrier
from gateway.twin.component import Component, Surroundings
from gateway.twin.faults import WIRE_FAULTS, arrives, fits
from gateway.twin.kernel import Kernel
from gateway.twin.library import ComponentSpec
from gateway.twin.workpiece import Happening, Workpiece


class Edge(NamedTuple):
    """The BOOL input ``tag`` became ``level`` at ``time`` ns."""

    time: int
    tag: str
    level: bool


class Twin:
    """The model of one station's plant.

    ``drive`` takes what the controller puts out, ``advance`` lets time pass, ``sense`` gives what the
    controller's inputs should show now, ``edges`` every change of its BOOL inputs until then. Times are ns
    of one clock; values are in the tags' units. What chance decides follows from ``seed``.
    """

    def __init__(
        self, specs: Mapping[str, ComponentSpec], tags: Mapping[str, Tag], now: int = 0, seed: int = 0
    ) -> None:
        self.kernel = Kernel(now)
        self.surroundings = Surroundings(self.kernel, seed)
        self.tags = tags
        self.components: dict[str, Component] = {}
        self._actuators: dict[str, list[tuple[Component, str]]] = {}
        self._sensors: list[tuple[str, Component, str]] = []
        self._wires: dict[str, tuple[str, Scalar]] = {}  # tag -> (fault, value when it began)
        self._driven: dict[str, Value] = {}
        for spec in specs.values():
            links = {link: self.components[other] for link, other in spec.links.items()}
            component = spec.family(spec.name, self.surroundings, spec.params, links, spec.words)
            self.components[spec.name] = component
            self.kernel.handlers[spec.name] = component.on
            for port in spec.family.PORTS:
                tag = spec.ports.get(port.name)
                if tag is None:
                    continue
                if port.direction == "actuator":
                    self._actuators.setdefault(tag, []).append((component, port.name))
                else:
                    self._sensors.append((tag, component, port.name))
        self._switches = [
            (tag, component, port) for tag, component, port in self._sensors if tags[tag].type.kind == "bool"
        ]
        self._edges: list[Edge] = []
        self._wired = {f"{component.name}.{port}": tag for tag, component, port in self._sensors}
        for component in self.components.values():
            component.start()
        self.levels = {
            tag: bool(self._shows(tag, component, port)) for tag, component, port in self._switches
        }

    @property
    def now(self) -> int:
        """The twin's time, ns."""
        return self.kernel.now

    def advance(self, until: int) -> int:
        """Let everything up to ``until`` happen; the count of events that did."""
        happened = 0
        while (due := self.kernel.next_time()) is not None and due <= until:
            happened += self.kernel.advance(due)
            self._look()
        return happened + self.kernel.advance(until)

    def drive(self, tag: str, value: Value) -> None:
        """The controller's output ``tag`` is ``value`` now; an unchanged value does nothing."""
        if self._driven.get(tag) == value and tag in self._driven:
            return
        self._driven[tag] = value
        if isinstance(value, str | tuple):
            return  # no actuator takes one
        for component, port in self._actuators.get(tag, ()):
            component.drive(port, value)

    def sense(self) -> dict[str, Value]:
        """What every bound input shows now, through its wire, held within the tag's range."""
        return {tag: self._shows(tag, component, port) for tag, component, port in self._sensors}

    def _shows(self, tag: str, component: Component, port: str) -> Scalar:
        wire = self._wires.get(tag)
        if wire is not None:
            return arrives(wire[0], self.tags[tag], wire[1])
        value = component.sense(port)
        if isinstance(value, bool):
            return value
        low, high = self.tags[tag].range
        return low if value < low else high if value > high else value

    def edges(self) -> list[Edge]:
        """Every change of a BOOL input up to now, also one that is undone already, in order of time."""
        self._look()
        told, self._edges = self._edges, []
        return told

    def _look(self) -> None:
        """Note which switches have changed: they do so at events, and when somebody acts on the twin."""
        for tag, component, port in self._switches:
            level = bool(self._shows(tag, component, port))
            if level != self.levels[tag]:
                self.levels[tag] = level
                self._edges.append(Edge(self.now, tag, level))

    def inject(self, target: str, active: bool = True) -> None:
        """Begin or end the fault ``component.fault`` or ``component.port.fault``; see ``check_fault``."""
        place, _, fault = target.rpartition(".")
        tag = self._wired.get(place)
        if tag is not None:
            if active:
                _, component, port = next(each for each in self._sensors if each[0] == tag)
                self._wires[tag] = (fault, self._shows(tag, component, port))
            else:
                self._wires.pop(tag, None)
            return
        component = self.components[place]
        if (fault in component.faults) == active:
            return
        (component.faults.add if active else component.faults.discard)(fault)
        component.fault_changed(fault, active)

    def active_faults(self) -> list[str]:
        """The faults that are in force, in order of name."""
        places = {tag: place for place, tag in self._wired.items()}
        wires = [f"{places[tag]}.{fault}" for tag, (fault, _) in self._wires.items()]
        own = [f"{c.name}.{fault}" for c in self.components.values() for fault in c.faults]
        return sorted(wires + own)

    def carrier(self, name: str) -> Carrier:
        """The component ``name``, which workpieces stand on."""
        component = self.components[name]
        assert isinstance(component, Carrier), f"{name} carries no workpieces"
        return component

    def contents(self) -> list[tuple[str, Workpiece]]:
        """Every workpiece in the station with the carrier it stands on."""
        return [
            (component.name, workpiece)
            for component in self.components.values()
            if isinstance(component, Carrier)
            for workpiece in component.contents()
        ]

    def reset(self) -> tuple[Workpiece, ...]:
        """Clear every fault and take every workpiece off by hand; gives the workpieces."""
        for fault in self.active_faults():
            self.inject(fault, False)
        taken: list[Workpiece] = []
        for component in self.components.values():
            if isinstance(component, Carrier):
                taken += component.clear()
        return tuple(taken)

    def happenings(self) -> list[Happening]:
        """What happened to workpieces since the last call."""
        told, self.surroundings.happenings = self.surroundings.happenings, []
        return told

    def snapshot(self) -> dict[str, Any]:
        """Everything that ``restore`` needs: plain data."""
        return {
            "kernel": self.kernel.snapshot(),
            "chance": {name: stream.state for name, stream in self.surroundings.streams.items()},
            "components": {name: each.snapshot() for name, each in self.components.items()},
            "wires": dict(self._wires),
            "driven": dict(self._driven),
            "levels": dict(self.levels),
            "edges": list(self._edges),
        }

    def restore(self, taken: Mapping[str, Any]) -> None:
        """Return to a ``snapshot`` of a twin of the same station."""
        self.kernel.restore(taken["kernel"])
        self.surroundings.restore_chance(taken["chance"])
        for name, state in taken["components"].items():
            self.components[name].restore(state)
        self._wires, self._driven = dict(taken["wires"]), dict(taken["driven"])
        self.levels, self._edges = dict(taken["levels"]), list(taken["edges"])
        self.surroundings.happenings.clear()


def check_fault(target: str, specs: Mapping[str, ComponentSpec], tags: Mapping[str, Tag]) -> str:
    """Empty if ``target`` names a fault of such a twin, else what was wrong; what would be right."""
    parts = target.split(".")
    spec = specs.get(parts[0])
    if spec is None or len(parts) not in (2, 3):
        return f"{target!r} names no fault; write component.fault or component.port.fault"
    if len(parts) == 2:
        known = [fault.name for fault in spec.family.FAULTS]
        return (
            ""
            if parts[1] in known
            else f"{target!r}: a {spec.kind} has the faults {', '.join(known) or 'none'}"
        )
    sensors = [p.name for p in spec.family.PORTS if p.direction == "sensor" and p.name in spec.ports]
    if parts[1] not in sensors:
        return f"{target!r}: {spec.name} has the sensors {', '.join(sensors) or 'none'}"
    tag = tags[spec.ports[parts[1]]]
    possible = [fault for fault in WIRE_FAULTS if fits(fault, tag)]
    return "" if parts[2] in possible else f"{target!r}: this wire has the faults {', '.join(possible)}"

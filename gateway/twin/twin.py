"""A twin: a station's components on one kernel, bound to the station's tags; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from gateway.field.tags import Tag
from gateway.field.types import Scalar, Value
from gateway.twin.carrier import Carrier
from gateway.twin.collisions import Collisions
from gateway.twin.component import Component, Surroundings
from gateway.twin.influence import influence
from gateway.twin.injection import Injections
from gateway.twin.kernel import Handler, Kernel
from gateway.twin.library import ComponentSpec
from gateway.twin.signal import Signal
from gateway.twin.wires import ActuatorWire, SensorWire
from gateway.twin.workpiece import Happening, Workpiece

Switch = tuple[SensorWire, Callable[[str], Scalar], str, str]  # wire, sense of its component, port, tag


class Edge(NamedTuple):
    """The BOOL input ``tag`` became ``level`` at ``time`` ns."""

    time: int
    tag: str
    level: bool


class Witness(Protocol):
    """Who is told of everything that is done to a twin, and of what comes of it."""

    def given(self, what: str, name: str, value: Any) -> None:
        """``what`` (drive, inject, clear, admit, remove, reset) is done to ``name``, now.

        ``look``: what came of it was looked at, before anything else was done at this instant.
        """

    def seen(self, what: Edge | Happening) -> None:
        """An input changed, or something happened to a workpiece."""


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
        self._actuators: dict[str, list[ActuatorWire]] = {}
        self._sensors: list[SensorWire] = []
        self._driven: dict[str, Value] = {}
        for spec in specs.values():
            links = {link: self.components[other] for link, other in spec.links.items()}
            component = spec.family(spec.name, self.surroundings, spec.params, links, spec.words)
            component.drawn = spec.drawn
            self.components[spec.name] = component
            self.kernel.handlers[spec.name] = component.on
            for port in spec.family.PORTS:
                tag = spec.ports.get(port.name)
                if tag is None:
                    continue
                if port.direction == "actuator":
                    self._actuators.setdefault(tag, []).append(ActuatorWire(tags[tag], component, port.name))
                else:
                    signal = Signal(component, port.name, spec.params) if port.kind == "real" else None
                    self._sensors.append(SensorWire(tags[tag], component, port.name, signal))
        self._switches: list[Switch] = [
            (wire, wire.component.sense, wire.port, wire.tag.name)
            for wire in self._sensors
            if wire.tag.type.kind == "bool"
        ]
        self._numbers = [wire for wire in self._sensors if wire.tag.type.kind != "bool"]
        self._edges: list[Edge] = []
        self._touched = False  # somebody acted on the twin since it last looked around
        self._witness: Witness | None = None
        driving = [wire for wires in self._actuators.values() for wire in wires]
        self._wires = {f"{wire.component.name}.{wire.port}": wire for wire in (*self._sensors, *driving)}
        self.injections = Injections(self.surroundings, self.components, self._wires)
        self.collisions = Collisions(self.surroundings, self.components.values())
        near = influence(self.components)
        self._near = {
            name: {n: each for n, each in enumerate(self._switches) if each[0].component.name in near[name]}
            for name in self.components
        }
        self._affected: set[str] = set()  # to whom something happened since it last looked around
        self._everywhere = False  # or to anybody
        for name, handler in self.kernel.handlers.items():
            self.kernel.handlers[name] = self._noting(name, handler)
        for component in self.components.values():
            component.start()
        self.collisions.begin()
        self._lagging = [wire.signal for wire in self._sensors if wire.signal and wire.signal.lags]
        self._track()
        self.levels = {tag: bool(wire.arriving()) for wire, _, _, tag in self._switches}
        self._shown: dict[str, Value] = {}  # at the last ``sense``
        self._moving: list[SensorWire] | None = None  # the numbers that change; None: to be found out

    @property
    def now(self) -> int:
        """The twin's time, ns."""
        return self.kernel.now

    def advance(self, until: int) -> int:
        """Let everything up to ``until`` happen; the count of events that did."""
        happened = 0
        self.settle()
        while (due := self.kernel.next_time()) is not None and due <= until:
            happened += self.kernel.advance(due)
            self._track()
            self._look()
            self._moving = None
        return happened + self.kernel.advance(until)

    def due(self) -> int | None:
        """From when on it may show anything else while nobody acts on it: now while a number changes, else at
        the next event; None: never."""
        self._read()
        return self.now if self._moving else self.kernel.next_time()

    def _noting(self, name: str, handler: Handler) -> Handler:
        """``handler`` of the events of ``name``, and a note that one has come."""

        def noting(kind: str, argument: Any) -> None:
            self._affected.add(name)
            handler(kind, argument)

        return noting

    def drive(self, tag: str, value: Value) -> None:
        """The controller's output ``tag`` is ``value`` now. An unchanged value does nothing, and neither does
        an output that is wired to no actuator."""
        wires = self._actuators.get(tag)
        if wires is None or (self._driven.get(tag) == value and tag in self._driven):
            return
        self._driven[tag] = value
        self._did("drive", tag, value, everywhere=False)
        if isinstance(value, str | tuple):
            return  # no actuator takes one
        for wire in wires:
            self._affected.add(wire.component.name)
            wire.drive(value)
        self._track()

    def admit(self, carrier: str, workpiece: Workpiece, at: float = 0.0) -> None:
        """``workpiece`` comes in at the inlet of ``carrier``, or ``at`` mm on; it is admitted there now."""
        self._did("admit", f"{carrier}@{at!r}" if at else carrier, workpiece)
        self.carrier(carrier).admit(workpiece, at)

    def remove(self, carrier: str, workpiece: str) -> Workpiece:
        """Take ``workpiece`` off ``carrier``, wherever it stands there."""
        self._did("remove", carrier, workpiece)
        return self.carrier(carrier).remove(workpiece)

    def sense(self) -> dict[str, Value]:
        """What every bound input shows now, through its wire, held within the tag's range."""
        self._read()
        return dict(self._shown)

    @property
    def actuated(self) -> set[str]:
        """The outputs that are wired to an actuator."""
        return set(self._actuators)

    @property
    def touched(self) -> bool:
        """Whether somebody acted on it since it last looked around, or happenings are yet to be told."""
        return self._touched or bool(self.surroundings.happenings)

    def moving(self) -> list[str]:
        """The inputs whose numbers change by themselves at present."""
        self._read()
        return [wire.tag.name for wire in self._moving or ()]

    def glide(self) -> list[tuple[str, Value]]:
        """What these show now; the others show what they did."""
        before = self._moving or ()
        self._read()
        return [(wire.tag.name, self._shown[wire.tag.name]) for wire in before]

    def _read(self) -> None:
        """Switches change as ``edges`` tells; numbers are read again while they move."""
        self.settle()
        shown, numbers = self._shown, self._moving
        if numbers is None:
            numbers = self._numbers
            shown.update(self.levels)
        if numbers:
            shown.update((wire.tag.name, wire.arriving()) for wire in numbers)
            self._moving = [wire for wire in numbers if not wire.steady()]
        else:
            self._moving = numbers

    @property
    def witness(self) -> Witness | None:
        """Who is told of everything, from now on."""
        return self._witness

    @witness.setter
    def witness(self, witness: Witness | None) -> None:
        self._witness = witness
        self.surroundings.seen = None if witness is None else witness.seen

    def _did(self, what: str, name: str, value: Any, everywhere: bool = True) -> None:
        if self._witness is not None:
            self._witness.given(what, name, value)
        self._touched = True
        self._everywhere = self._everywhere or everywhere

    def settle(self) -> None:
        """Notice what has changed by what somebody did at this instant; ``advance`` and ``edges`` do so."""
        if not self._touched:
            return
        self._did("look", "", None, everywhere=False)
        self._touched = False
        self._track()
        self._look()
        self._moving = None

    def edges(self) -> list[Edge]:
        """Every change of a BOOL input up to now, also one that is undone already, in order of time."""
        self.settle()
        told, self._edges = self._edges, []
        return told

    def _look(self) -> None:
        """Note which switches have changed: they do so at events, and when somebody acts on the twin."""
        levels = self.levels
        for wire, sense, port, tag in self._changeable():
            level = bool(wire.arriving() if wire.faults else sense(port))
            if level != levels[tag]:
                levels[tag] = level
                edge = Edge(self.now, tag, level)
                self._edges.append(edge)
                if self._witness is not None:
                    self._witness.seen(edge)

    def _changeable(self) -> Iterable[Switch]:
        """The switches that may have changed since this was last asked, in their order."""
        affected, self._affected = self._affected, set()
        everywhere, self._everywhere = self._everywhere, False
        if everywhere or self.injections.busy or not affected <= self._near.keys():
            return self._switches
        if len(affected) == 1:
            return self._near[affected.pop()].values()
        found = {n: switch for name in affected for n, switch in self._near[name].items()}
        return [found[n] for n in sorted(found)]

    def _track(self) -> None:
        """Something may have happened: begin faults that wait for it, follow bodies and lagging sensors."""
        self.injections.check()
        self.collisions.check()
        for signal in self._lagging:
            signal.track(self.now)

    def inject(self, fault: str, active: bool = True) -> None:
        """Begin or end a fault as people write it; see ``gateway.twin.faults``. It changes no other fault."""
        self._did("inject" if active else "clear", fault, None)
        (self.injections.begin if active else self.injections.end)(fault)
        self._track()

    def active_faults(self) -> list[str]:
        """The faults in force or still to come, as they were injected, in order of name."""
        return self.injections.texts()

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
        self._did("reset", "", None)
        self.injections.end_all()
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
            "begun": self.surroundings.begun,
            "wires": {place: wire.snapshot() for place, wire in self._wires.items()},
            "faults": self.injections.snapshot(),
            "collisions": self.collisions.snapshot(),
            "driven": dict(self._driven),
            "levels": dict(self.levels),
            "touched": self._touched,
            "happenings": list(self.surroundings.happenings),
            "edges": list(self._edges),
        }

    def restore(self, taken: Mapping[str, Any]) -> None:
        """Return to a ``snapshot`` of a twin of the same station and seed."""
        self.kernel.restore(taken["kernel"])
        self.surroundings.restore_chance(taken["chance"])
        for name, state in taken["components"].items():
            self.components[name].restore(state)
        self.surroundings.begun = taken["begun"]
        for place, state in taken["wires"].items():
            self._wires[place].restore(state)
        self.injections.restore(taken["faults"])
        self.collisions.restore(taken["collisions"])
        self._driven = dict(taken["driven"])
        self.levels, self._edges = dict(taken["levels"]), list(taken["edges"])
        self._touched = taken["touched"]
        self._everywhere = True
        self._moving = None
        self.surroundings.happenings = list(taken["happenings"])

"""A twin around a component of any kind, with what it links to, and a hand that plays with it at random."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from gateway.field.addresses import parse_address
from gateway.field.conversion import Range
from gateway.field.tags import Tag
from gateway.field.types import TYPES, Value
from gateway.twin.carrier import Carrier
from gateway.twin.component import Component, Param, Port
from gateway.twin.kinds import KINDS
from gateway.twin.library import ComponentSpec
from gateway.twin.signal import chain_params
from gateway.twin.twin import Twin
from gateway.twin.wires import ACTUATOR_FAULTS, SENSOR_FAULTS, fits
from gateway.twin.workpiece import Workpiece

MS = 1_000_000
USUAL = 300.0  # of a parameter that has no default, where its limits allow it
LONG = {"length": 1000.0}


class Plant:
    """The specs and tags of a ``kind`` with everything it can link to; real sensors lag by ``lag`` ms."""

    def __init__(self, kind: str, lag: float = 0.0) -> None:
        self.lag = lag
        self.specs: dict[str, ComponentSpec] = {}
        self.tags: dict[str, Tag] = {}
        self.name = self._add(kind, ())

    def _add(self, kind: str, path: tuple[str, ...]) -> str:
        family = KINDS[kind]
        links = {}
        for link in family.LINKS:
            fitting = [each for each, other in KINDS.items() if issubclass(other, link.family)]
            usual = [each for each in ("belt-conveyor", "nest") if each in fitting and each not in path]
            chosen = [each for each in (*usual, *fitting) if each not in (*path, kind)]
            if chosen and not (link.optional and len(path) > 1):
                links[link.name] = self._linked(chosen[0], (*path, kind), fresh=link.name == "to")
        name = f"{kind}-{len(self.specs)}"
        self.specs[name] = ComponentSpec(
            name=name,
            kind=kind,
            params={param.name: usual_value(param) for param in family.PARAMS} | self._lags(family),
            links=links,
            ports={port.name: self._tag(name, port) for port in family.PORTS},
            title=kind,
        )
        return name

    def _lags(self, family: type[Component]) -> dict[str, float]:
        return {name: self.lag for name in chain_params(family.PORTS) if name.endswith(".lag")}

    def _linked(self, kind: str, path: tuple[str, ...], fresh: bool) -> str:
        """One that is there already, unless it must be another one."""
        there = [name for name, spec in self.specs.items() if spec.kind == kind]
        return there[0] if there and not fresh else self._add(kind, path)

    def _tag(self, component: str, port: Port) -> str:
        name = f"{component}-{port.name}"
        low = 0.0 if port.low is None else port.low
        high = 1000.0 if port.high is None else port.high
        self.tags[name] = Tag(
            name=name,
            device="plc",
            direction="output" if port.direction == "actuator" else "input",
            type=TYPES[{"bool": "BOOL", "int": "DINT", "real": "REAL"}[port.kind]],
            address=parse_address("modbus", "hr:0"),
            text="hr:0",
            range=Range(low, high),
            conversion=None,
            unit=port.unit,
            safe=False,
            observer=None,
            jog=None,
            title=name,
            line=0,
        )
        return name

    def twin(self, now: int = 0, seed: int = 0) -> Twin:
        """A new twin."""
        return Twin(self.specs, self.tags, now, seed)

    def faults(self) -> list[str]:
        """Every fault that can be injected."""
        found = [f"{name}.{fault.name}" for name, spec in self.specs.items() for fault in spec.family.FAULTS]
        for name, spec in self.specs.items():
            for port in spec.family.PORTS:
                known = SENSOR_FAULTS if port.direction == "sensor" else ACTUATOR_FAULTS
                tag = self.tags[spec.ports[port.name]]
                found += [f"{name}.{port.name}.{fault}" for fault in known if fits(fault, tag)]
        return found


def usual_value(param: Param) -> float:
    """The default, or one within the limits."""
    if param.default is not None:
        return param.default
    return min(max(LONG.get(param.name, USUAL), param.low), param.high)


Seen = tuple[dict[str, Value], list[Any], list[Any], list[Any]]


class Hand:
    """Plays with a plant's twin at random, the same for the same seed."""

    def __init__(self, plant: Plant, seed: int) -> None:
        self.plant, self.random, self.fed = plant, random.Random(seed), 0
        self.faults = plant.faults()
        self.conditions = [
            f" when not {name}.{port.name}"
            for name, spec in plant.specs.items()
            for port in spec.family.PORTS
            if port.kind == "bool"
        ]
        self.outputs = [tag for tag in plant.tags.values() if tag.direction == "output"]

    def state(self) -> tuple[Any, int]:
        """What ``resume`` needs."""
        return self.random.getstate(), self.fed

    def resume(self, state: tuple[Any, int]) -> None:
        """Go on as then."""
        self.random.setstate(state[0])
        self.fed = state[1]

    def act(self, twin: Twin) -> None:
        """Do something."""
        choice = self.random.random()
        carriers = [each for each in twin.components.values() if isinstance(each, Carrier)]
        if choice < 0.6 and self.outputs:
            tag = self.random.choice(self.outputs)
            twin.drive(tag.name, self._value(tag))
        elif choice < 0.8 and carriers:
            self.fed += 1
            carrier = self.random.choice(carriers)
            workpiece = Workpiece(f"w{self.fed}", "phone", self.random.choice((60.0, 120.0, 150.0)))
            if carrier.admits(workpiece):
                twin.admit(carrier.name, workpiece)
        elif choice < 0.93:
            fault = self.random.choice(self.faults)
            begins = self.random.choice(("", " at 70 ms", " every exponential 300 ms", *self.conditions))
            twin.inject(fault + begins + " for exponential 200 ms", self.random.random() < 0.7)
        else:
            waiting = [(each, there) for each in carriers if (there := each.waiting()) is not None]
            if waiting:
                carrier, there = self.random.choice(waiting)
                twin.remove(carrier.name, there.id)

    def _value(self, tag: Tag) -> Value:
        if tag.type.kind == "bool":
            return self.random.random() < 0.65
        drawn = self.random.uniform(*tag.range)
        return round(drawn) if tag.type.kind == "int" else drawn

    def step(self, twin: Twin) -> Seen:
        """Do something, let up to 150 ms pass; what can be seen afterwards."""
        self.act(twin)
        twin.advance(twin.now + self.random.randrange(150 * MS))
        return twin.sense(), twin.edges(), twin.happenings(), twin.contents()


def inside(twin: Twin) -> dict[str, str]:
    """Everything that the components remember, whether or not they say so; not who knows whom."""
    return {
        f"{component.name}.{key}": repr(sorted(value) if isinstance(value, set) else value)
        for component in twin.components.values()
        for key, value in vars(component).items()
        if _is_data(value)
    }


def _is_data(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_data, (*value, *value.values())))
    if isinstance(value, list | tuple | set):
        return all(map(_is_data, value))
    return value is None or isinstance(value, bool | int | float | str | msgspec.Struct)

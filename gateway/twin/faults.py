"""Faults as people write them: which one, how large, when it begins, how long it lasts; pure.

``belt.jam``, ``scale.weight.drift 0.5 g at 2 s``, ``press.stuck when press.extended for 3 s``, or as
breakdowns ``belt.jam every exponential 30 min for triangular 10 s 30 s 2 min``. A component's own faults
are named ``component.fault``, those of the wire at one of its ports ``component.port.fault``.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.checked import wrong_of
from gateway.field.tags import Tag
from gateway.twin.chance import Distribution, read_distribution
from gateway.twin.component import Component, Port
from gateway.twin.library import ComponentSpec
from gateway.twin.wires import ACTUATOR_FAULTS, SENSOR_FAULTS, fits, usual_size
from gateway.units import duration, quantity

KEYWORDS = ("at", "when", "every", "for")
FORM = "write component.fault or component.port.fault, then its size, at TIME, when [not] PORT, for TIME"


class Order(msgspec.Struct, frozen=True):
    """A fault to inject: ``place`` is the component or ``component.port``, ``size`` as it was written.

    It begins after ``at`` ns, or when the BOOL port ``when`` is ``level``, or again and again after
    ``every`` s; it ends after ``lasts`` s, or when it is cleared.
    """

    place: str
    fault: str
    size: str = ""
    at: int = 0
    when: str | None = None
    level: bool = True
    every: Distribution | None = None
    lasts: Distribution | None = None

    @property
    def target(self) -> str:
        """The fault's name."""
        return f"{self.place}.{self.fault}"


def read_order(text: str) -> Order:
    """Read a fault as people write it; ValueError("what was wrong; what would be right")."""
    target, *words = text.split() or [""]
    place, _, fault = target.rpartition(".")
    if not 1 <= target.count(".") <= 2 or "" in target.split("."):
        raise ValueError(f"{text!r} names no fault; {FORM}")
    parts: dict[str, list[str]] = {"": []}
    key = ""
    for word in words:
        if word in KEYWORDS:
            if word in parts:
                raise ValueError(f"{text!r} says {word!r} twice; say it once")
            key = word
        parts.setdefault(key, []) if word == key else parts[key].append(word)
    said = {each: " ".join(given) for each, given in parts.items()}
    if sum(each in said for each in ("at", "when", "every")) > 1:
        raise ValueError(f"{text!r} begins in two ways; say at, when or every")
    if "every" in said and "for" not in said:
        raise ValueError(f"{text!r} never ends; say for how long, as in 'every 30 min for 10 s'")
    when = said.get("when")
    return Order(
        place,
        fault,
        said[""],
        duration(said["at"]) if "at" in said else 0,
        None if when is None else when.removeprefix("not "),
        when is None or not when.startswith("not "),
        read_distribution(said["every"], "s") if "every" in said else None,
        read_distribution(said["for"], "s") if "for" in said else None,
    )


def check_fault(text: str, specs: Mapping[str, ComponentSpec], tags: Mapping[str, Tag]) -> str:
    """Empty if ``text`` is a fault of such a twin, else what was wrong; what would be right."""
    try:
        order = read_order(text)
    except ValueError as error:
        return str(error)
    name, _, port = order.place.partition(".")
    spec = specs.get(name)
    if name in wrong_of(specs):
        return ""
    if spec is None:
        return f"{text!r} names no fault; {FORM}"
    wrong = _check_wire(order, spec, port, tags) if port else _check_own(order, spec)
    return wrong or _check_when(order, specs)


def _check_own(order: Order, spec: ComponentSpec) -> str:
    declared = {fault.name: fault for fault in spec.family.FAULTS}
    if order.fault not in declared:
        return f"{order.target!r}: a {spec.kind} has the faults {', '.join(declared) or 'none'}"
    size = declared[order.fault].size
    if not order.size:
        return "" if size is None or size.default is not None else f"{order.target!r} has no size; give one"
    if size is None:
        return f"{order.target!r} has no size; leave {order.size!r} out"
    try:
        value = quantity(order.size, size.unit)
    except ValueError as error:
        return f"{order.target!r}: {error}"
    if size.low <= value <= size.high:
        return ""
    return (
        f"{order.target!r}: {order.size} is outside its limits; give {size.low:g}..{size.high:g} {size.unit}"
    )


def _check_wire(order: Order, spec: ComponentSpec, name: str, tags: Mapping[str, Tag]) -> str:
    bound = {port.name: port for port in spec.family.PORTS if port.name in spec.ports}
    port = bound.get(name)
    if port is None:
        return f"{order.target!r}: {spec.name} has the signals {', '.join(bound) or 'none'}"
    tag = tags[spec.ports[name]]
    known = SENSOR_FAULTS if port.direction == "sensor" else ACTUATOR_FAULTS
    possible = [fault for fault in known if fits(fault, tag)]
    if order.fault not in possible:
        return f"{order.target!r}: this wire has the faults {', '.join(possible)}"
    if not order.size:
        return ""
    if usual_size(order.fault, tag) is None:
        return f"{order.target!r} has no size; leave {order.size!r} out"
    try:
        quantity(order.size, tag.unit)
    except ValueError as error:
        return f"{order.target!r}: {error}"
    return ""


def _check_when(order: Order, specs: Mapping[str, ComponentSpec]) -> str:
    if order.when is None:
        return ""
    name, _, port = order.when.partition(".")
    spec = specs.get(name)
    if name in wrong_of(specs):
        return ""
    ports = [each.name for each in spec.family.PORTS if watchable(each, spec.ports)] if spec else []
    if port in ports:
        return ""
    if spec is None:
        return f"{order.target!r}: when {order.when!r} names no component; write component.port"
    return f"{order.target!r}: when {order.when!r}; {name} has the BOOL ports {', '.join(ports) or 'none'}"


def watchable(port: Port, bound: Mapping[str, str]) -> bool:
    """Whether a fault can begin ``when`` this port is on: an actuator only if an output drives it."""
    return port.kind == "bool" and (port.direction == "sensor" or port.name in bound)


def size_of(order: Order, component: Component) -> float | None:
    """How large an own fault of ``component`` is, in the unit that it declares; None: it has no size."""
    size = next(fault.size for fault in component.FAULTS if fault.name == order.fault)
    if size is None:
        return None
    return quantity(order.size, size.unit) if order.size else size.default

"""Faults in a twin: begun now, at a time, on a condition or as breakdowns, and ended again; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.twin.chance import Distribution
from gateway.twin.component import Component, Surroundings
from gateway.twin.faults import Order, read_order, size_of
from gateway.twin.motion import SECOND
from gateway.twin.wires import ActuatorWire, Wire
from gateway.units import quantity

SHORTEST = 0.001  # s, that a drawn time lasts: breakdowns cannot stop time
OWNER = "faults:"  # of its events; no component's name has a colon


class Injected(NamedTuple):
    """An order as it was written, whether its fault is in force, and the event that it waits for."""

    text: str
    active: bool
    pending: int | None


class Injections:
    """The faults that were ordered and have not ended. ``wires`` are named ``component.port``."""

    def __init__(
        self, surroundings: Surroundings, components: Mapping[str, Component], wires: Mapping[str, Wire]
    ) -> None:
        self._surroundings, self._components, self._wires = surroundings, components, wires
        self._kernel = surroundings.kernel
        self._kernel.handlers[OWNER] = self._on
        self._injected: dict[str, Injected] = {}  # by the fault's name
        self._waiting: dict[str, Order] = {}  # those that begin on a condition, by the fault's name

    def texts(self) -> list[str]:
        """Every order that has not ended, as it was written, in order of name."""
        return [self._injected[target].text for target in sorted(self._injected)]

    def begin(self, text: str) -> None:
        """Carry out ``text``, which ``check_fault`` said yes to; it replaces one of the same fault."""
        order = read_order(text)
        before = self._injected.get(order.target)
        if before is not None:
            if before.text == text:
                return
            self._drop(order.target)
        self._injected[order.target] = Injected(text, False, None)
        if order.when is not None:
            self._waiting[order.target] = order
            self.check()
        elif order.every is not None:
            self._expect("begin", order, self._drawn(order, order.every))
        elif order.at:
            self._expect("begin", order, order.at)
        else:
            self._start(order)

    def end(self, text: str) -> None:
        """The fault that ``text`` names ends, or does not begin any more; others stay."""
        order = read_order(text)
        if order.target in self._injected:
            self._drop(order.target)

    def end_all(self) -> None:
        """Every fault ends."""
        for target in list(self._injected):
            self._drop(target)

    @property
    def busy(self) -> bool:
        """Whether any fault is in force or still to come."""
        return bool(self._injected)

    def check(self) -> None:
        """Something may have happened: begin what waited for it."""
        for target, order in list(self._waiting.items()):
            if target in self._waiting and self._level(order.when or "") == order.level:
                del self._waiting[target]
                self._start(order)

    def _level(self, place: str) -> bool:
        wire = self._wires.get(place)
        if isinstance(wire, ActuatorWire):
            return bool(wire.value)
        name, _, port = place.partition(".")
        return bool(self._components[name].sense(port))

    def _on(self, kind: str, target: str) -> None:
        order = read_order(self._injected[target].text)
        self._injected[target] = self._injected[target]._replace(pending=None)
        if kind == "begin":
            self._start(order)
        elif order.every is not None:
            self._apply(order, False)
            self._expect("begin", order, self._drawn(order, order.every))
        else:
            self._drop(target)

    def _start(self, order: Order) -> None:
        self._apply(order, True)
        if order.lasts is not None:
            self._expect("end", order, self._drawn(order, order.lasts))

    def _drawn(self, order: Order, distribution: Distribution) -> int:
        stream = self._surroundings.random(OWNER + order.target)
        return round(max(distribution.draw(stream), SHORTEST) * SECOND)

    def _expect(self, kind: str, order: Order, delay: int) -> None:
        pending = self._kernel.schedule(self._kernel.now + delay, OWNER, kind, order.target)
        self._injected[order.target] = self._injected[order.target]._replace(pending=pending)

    def _drop(self, target: str) -> None:
        dropped = self._injected[target]
        if dropped.pending is not None:
            self._kernel.cancel(dropped.pending)
        self._waiting.pop(target, None)
        if dropped.active:
            self._apply(read_order(dropped.text), False)
        del self._injected[target]

    def _apply(self, order: Order, active: bool) -> None:
        self._injected[order.target] = self._injected[order.target]._replace(active=active)
        wire = self._wires.get(order.place)
        if wire is not None:
            if active:
                wire.begin(order.fault, quantity(order.size, wire.tag.unit) if order.size else None)
            else:
                wire.end(order.fault)
            return
        component = self._components[order.place]
        size = size_of(order, component)
        if active:
            component.faults.add(order.fault)
            if size is not None:
                component.sizes[order.fault] = size
        else:
            component.faults.discard(order.fault)
            component.sizes.pop(order.fault, None)
        component.fault_changed(order.fault, active)

    def snapshot(self) -> dict[str, Any]:
        """What ``restore`` needs, in the order in which it was injected; the kernel keeps the events."""
        return {"injected": dict(self._injected), "waiting": list(self._waiting)}

    def restore(self, taken: Mapping[str, Any]) -> None:
        """Return to a ``snapshot``."""
        self._injected = dict(taken["injected"])
        self._waiting = {target: read_order(self._injected[target].text) for target in taken["waiting"]}

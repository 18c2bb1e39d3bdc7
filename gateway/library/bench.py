"""A group on the bench: the smallest station in which it can be tried, and what its twin does there; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.field.types import Value
from gateway.library.composition import Composition, Unit
from gateway.library.entries import Edge, ExpectTest, UseEntry
from gateway.library.library import Group
from gateway.library.nodes import Plain
from gateway.scalar import Text
from gateway.twin.carrier import Carrier
from gateway.twin.kinds import KINDS
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Workpiece
from gateway.units import duration

UNIT = "unit"
USUAL = {"carrier": ("belt", "belt"), "air-supply": ("air", "air-unit")}
"""What stands in for a link that the bench says nothing of: its name there, and the group."""
MOVES = ("Move", "Take", "Give", "Work")


def bench_station(group: Group) -> dict[str, Plain]:
    """A station file with ``group`` as ``unit``, and what it needs beside it."""
    bench = group.entry.bench
    beside = {name: _use(use) for name, use in bench.groups.items() if name != UNIT}
    pattern = group.pattern
    works = pattern is not None and any(name in pattern.inputs for name in MOVES)
    placed = pattern is not None and "Placed" in pattern.outputs
    wanted = [word for word, optional in group.entry.links.values() if not optional or word != "carrier"]
    if works and not placed and not bench.groups:
        beside["stop"] = {"use": "stop-gate"}
        wanted.append("air-supply")
        if not _carries(group):
            wanted.append("carrier")
    groups: dict[str, Plain] = {}
    if not bench.groups:  # else the bench says all
        groups = {name: {"use": use} for word, (name, use) in USUAL.items() if word in wanted}
    own = bench.groups.get(UNIT)
    unit: dict[str, Plain] = {**(_use(own) if own is not None else {}), "use": group.name}
    cycle: list[Plain] = [
        list(step) if isinstance(step, list) else {"home": list(step.home)} for step in bench.cycle
    ]
    if not cycle and pattern is not None and "Work" in pattern.inputs and "Done" in pattern.outputs:
        cycle = [[UNIT]]
    station: dict[str, Plain] = {
        "twinline": "station 1",
        "id": "bench",
        "devices": {"plc": {"address": "modbus://127.0.0.1:15999/1"}},
        "groups": {**groups, **beside, UNIT: unit},
    }
    if cycle:
        station["cycle"] = cycle
    said = {key: getattr(bench, key) for key in ("quality", "inlet", "outlet", "inlets", "outlets")}
    return station | {key: value for key, value in said.items() if value}


def _carries(group: Group) -> bool:
    return issubclass(KINDS[group.entry.parts[group.main].kind], Carrier)


def _use(entry: UseEntry) -> dict[str, Plain]:
    """A group's entry as written."""

    def texts(written: Mapping[str, Text]) -> dict[str, Plain]:
        return {name: text.text for name, text in written.items()}

    found: dict[str, Plain] = {"use": entry.use.text}
    for key in ("params", "links", "program", "duty"):
        if values := texts(getattr(entry, key)):
            found[key] = values
    return found | ({"lock": list(entry.lock)} if entry.lock else {})


def try_twin(composition: Composition, twin: Twin) -> Iterator[str]:
    """Do the group's own ``test`` on the twin of its bench; gives what was not as expected."""
    unit = composition.units[UNIT]
    for number, step in enumerate(unit.group.entry.test, 1):
        where = f"test, step {number} (line {step.line})"
        yield from (f"{where}: {what}" for what in _Trial(composition, unit, twin).step(step))


class _Trial:
    def __init__(self, composition: Composition, unit: Unit, twin: Twin) -> None:
        self.composition, self.unit, self.twin = composition, unit, twin

    def step(self, step: ExpectTest) -> Iterator[str]:
        for name, text in step.set.items():
            unit, port = self.port(name)
            self.twin.drive(unit.tag(port), self.value(unit, port, text.text))
        if step.place is not None:
            carrier = self.composition.units[step.place].carrier
            workpiece = Workpiece(f"w{self.twin.now}", "part", 150.0)
            if self.twin.carrier(carrier).admits(workpiece):
                self.twin.admit(carrier, workpiece)
            else:
                yield f"{step.place} takes no workpiece"
        for fault, active in ((step.inject, True), (step.clear, False)):
            if fault is not None:
                part, _, rest = fault.partition(".")
                self.twin.inject(f"{self.unit.group.component(UNIT, part)}.{rest}", active)
        if step.wait is not None:
            self.twin.advance(self.twin.now + duration(self.unit.value(step.wait)))
        if step.expect:
            yield from self.expect(step)

    def expect(self, step: ExpectTest) -> Iterator[str]:
        """Not before ``after``, but by ``within``; without a time, at once."""
        start = self.twin.now
        after, within = (duration(self.unit.value(text)) for text in (step.after, step.within))
        if after:
            self.twin.advance(start + after - 1)
            early = [name for name, edge in step.expect.items() if self.holds(name, edge)]
            for name in early:
                yield f"{name} was so before {step.after}"
        self.twin.advance(start + max(after, within))
        for name, edge in step.expect.items():
            if not self.holds(name, edge):
                shown = self.twin.sense().get(self.tag(name))
                wanted = edge.to.text if isinstance(edge, Edge) else edge.text
                yield f"{name} is {shown}, not {wanted}, after {step.within}"

    def port(self, name: str) -> tuple[Unit, str]:
        """The unit and its port: ``open``, or ``belt.run`` for another group of the bench."""
        group, dot, port = name.rpartition(".")
        return (self.composition.units[group], port) if dot else (self.unit, name)

    def tag(self, name: str) -> str:
        unit, port = self.port(name)
        return unit.tag(port)

    def holds(self, name: str, edge: Text | Edge) -> bool:
        unit, port = self.port(name)
        found = self.twin.sense()[unit.tag(port)]
        if isinstance(edge, Text):
            return found == self.value(unit, port, edge.text)
        tolerance = float(unit.value(edge.tolerance.text).split()[0]) if edge.tolerance is not None else 0.0
        wanted = self.value(unit, port, edge.to.text)
        assert not isinstance(found, str | tuple), f"{name} is no number"
        assert not isinstance(wanted, str | tuple), f"{edge.to.text} is no number"
        return abs(found - wanted) <= tolerance

    def value(self, unit: Unit, port: str, text: str) -> Value:
        plain = unit.value(text)
        kind = unit.group.ports[port].port.kind
        if kind == "bool":
            return plain.lower() == "true"
        number = float(plain.split()[0])
        return round(number) if kind == "int" else number

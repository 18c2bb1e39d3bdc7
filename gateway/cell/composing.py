"""A virtual workpiece on a real machine: what a sensor shows of both at once; pure.

Leng 2021, section 4.2: "composites a cyber-physical input to the upper-level controllers to virtualize a
workpiece onto physical equipment". A sensor that sees workpieces shows the real machine, and the difference
that the workpieces in the twin make; the twin is held against a second one that gets the same outputs and no
workpieces:

    BOOL     the twin's where it differs from the empty twin's, else the machine's
    numbers  the twin's, and by how much the machine's is more than the empty twin's; within the tag's range

So a switch that closes before a workpiece shows one that is real or virtual, one that opens before it
likewise, and where the twin holds no workpiece each sensor shows the machine. All others show the machine
alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.field.tags import Tag
from gateway.field.types import Value
from gateway.station import Station
from gateway.twin.twin import Twin


class Composing:
    """Of ``station``; ``empty`` is a twin of it that no workpiece ever comes into."""

    def __init__(self, station: Station, empty: Twin) -> None:
        self.tags = frozenset(
            spec.ports[port.name]
            for spec in station.twin.values()
            for port in spec.family.PORTS
            if port.sees and port.name in spec.ports
        )
        self._station, self._empty = station, empty

    def drive(self, now: int, driven: Mapping[str, Value]) -> None:
        """This is what the actuators get from ``now`` on."""
        self._empty.advance(now)
        for tag, value in driven.items():
            self._empty.drive(tag, value)

    def alone(self) -> dict[str, Value]:
        """What the machine is to show without the workpieces in the twin."""
        return self._empty.sense()

    def shown(self, machine: Mapping[str, Value], twin: Mapping[str, Value]) -> dict[str, Value]:
        """``machine`` with the tags composed."""
        shown, empty = dict(machine), self.alone()
        for tag in self.tags & machine.keys():
            shown[tag] = compose(self._station.tags[tag], machine[tag], twin[tag], empty[tag])
        return shown


def compose(tag: Tag, machine: Value, twin: Value, empty: Value) -> Value:
    """What the sensor at ``tag`` shows of a machine and of the workpieces in a twin."""
    if twin == empty:
        return machine
    if isinstance(twin, bool) or not isinstance(machine, int | float) or not isinstance(twin, int | float):
        return twin
    assert isinstance(empty, int | float), f"{tag.name} is a number in one twin alone"
    return within(tag, twin + (machine - empty))


def within(tag: Tag, value: Value) -> Value:
    """``value``, a number held within the tag's range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return min(max(value, tag.range.low), tag.range.high)

"""The real machine beside the twin: what it shows now, and what is put out to it; pure.

In RIL the gateway stands where the controller stands: the machine is its plant device, read at its sensors
and driven at its actuators. In shadow it is seen through the inputs that the real controller reads, and
nothing is put out to it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from gateway.cell.composing import Composing, within
from gateway.field.tags import Tag
from gateway.field.types import Value
from gateway.station import Device, Station
from gateway.terminals import mirrored
from gateway.twin.twin import Twin

REFRESH = 100_000_000  # ns: a module that dropped its outputs by its watchdog gets them again within


class Machine:
    """Of ``station``. In RIL ``empty`` is a twin of it that no workpiece ever comes into; None: shadow.

    ``values`` are what its sensors show, by tag, as far as they were read since it is ``there``. In RIL
    ``sensors`` and ``actuators`` are its terminals, and ``driven`` is what is put out to it.
    """

    def __init__(self, station: Station, empty: Twin | None) -> None:
        self.there = False
        self.values: dict[str, Value] = {}
        self.device: Device | None = None if empty is None else station.plant
        terminals = {} if empty is None else mirrored(station)
        self.sensors: dict[str, Tag] = {n: tag for n, tag in terminals.items() if tag.direction == "output"}
        actuators = {name: tag for name, tag in terminals.items() if tag.direction == "input"}
        self.actuators: dict[str, Tag] = station.writes.kept(actuators)
        self.driven: dict[str, Value] = {name: tag.safe for name, tag in self.actuators.items()}
        self._composing = None if empty is None else Composing(station, empty)
        self._devices = {self.device.name} if self.device is not None else set(station.devices)
        self._refreshed = 0

    def see(self, lost: Collection[str], changed: Mapping[str, Value]) -> None:
        """These devices are lost now, and this is what it shows otherwise than before."""
        self.there = self._devices.isdisjoint(lost)
        if not self.there:
            self.values.clear()
        else:
            self.values.update(changed)

    def follow(self, now: int, outputs: Mapping[str, Value], passing: bool) -> Mapping[str, Value]:
        """What its actuators get: the controller's ``outputs`` while these are ``passing`` the gate, else
        false and 0. A number stays within its range, and one that is none leaves its actuator as it is."""
        for name, tag in self.actuators.items():
            value = outputs.get(name, tag.safe) if passing and self.there else tag.safe
            if is_finite(value):
                self.driven[name] = within(tag, value)
        if self._composing is not None:
            self._composing.drive(now, self.driven)
        return self.driven

    def model(self, twin: Twin) -> dict[str, Value]:
        """What the ``twin`` of this machine has it show: in RIL without workpieces, which are not there."""
        return twin.sense() if self._composing is None else self._composing.alone()

    def stale(self, now: int) -> bool:
        """Whether its actuators are to be written anew, whatever they are known to hold."""
        if now - self._refreshed < REFRESH:
            return False
        self._refreshed = now
        return True

    def shown(self, twin: Mapping[str, Value]) -> dict[str, Value]:
        """What the controller is to read of it in RIL, composed with what the ``twin`` shows."""
        assert self._composing is not None, "in shadow the controller reads the machine itself"
        return self._composing.shown(self.values, twin)

    @property
    def composed(self) -> frozenset[str]:
        """The inputs that show virtual workpieces too."""
        return frozenset() if self._composing is None else self._composing.tags


def is_finite(value: Value) -> bool:
    """Whether it can move anything: neither NaN nor infinite."""
    return not isinstance(value, float) or math.isfinite(value)

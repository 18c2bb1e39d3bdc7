"""The wires between a virtual controller and a real plant, where nobody stands between the two; pure.

What a sensor shows comes to the address that the tag has at the controller, or at a module that is wired to
it, as a shim passes a terminal on while it is quiet; what the program puts out goes to the actuators. Signals
of a next machine, which is not there, are as of one that takes everything: on, and off for a moment now and
then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gateway.controller.compile import Program
from gateway.controller.couplers import coupler_view
from gateway.controller.mapping import Direct, Loopback
from gateway.controller.memory import Memory
from gateway.controller.modules import ranges
from gateway.errors import DeviceRefused
from gateway.field.tags import Tag
from gateway.field.types import Value
from gateway.station import Station
from gateway.terminals import mirrored

TURN, TAKES = 2_000_000_000, 200_000_000  # ns; for so long of each turn the next machine has no room


class Wires:
    """Of ``station``, whose ``program`` runs on ``memory``; ``following`` are inputs from a next machine.

    ``tags`` are the plant's terminals as their master has them; ``unserved`` says which have no wire and why.
    """

    def __init__(
        self, station: Station, program: Program, memory: Memory, following: Collection[str] = ()
    ) -> None:
        self._following = tuple(following)
        self._clients: dict[str, Direct] = {
            station.controller.name: Loopback(station.controller.protocol, program, memory)
        }
        modules = [*station.having("coupler"), *station.having("served")]
        for device, where in zip(modules, ranges(each.at for each in modules), strict=True):
            if device.role == "coupler":
                self._clients[device.name] = Direct(coupler_view(device.protocol, program, memory, where))
        self._ends = station.tags
        self.unserved: list[str] = []
        self.tags: dict[str, Tag] = {}
        for name, tag in mirrored(station).items():
            why = self._unwired(station.tags[name])
            if why:
                self.unserved.append(f"{name}: {why}")
            else:
                self.tags[name] = tag
        self.clear()

    def _unwired(self, end: Tag) -> str:
        if end.formula is not None:
            return "its value follows by a formula"
        if end.device not in self._clients:
            return f"{end.device} is a module that the gateway is"
        try:
            self._clients[end.device].read(end.address, end.type)
        except DeviceRefused as refusal:
            return str(refusal)
        return ""

    def take(self, values: Mapping[str, Value]) -> None:
        """What sensors show, by tag."""
        for name, value in values.items():
            end = self._ends[name]
            self._clients[end.device].write(end.address, end.type, end.to_device(value))

    def give(self) -> dict[str, Value]:
        """What the actuators are to get, by tag."""
        ends = (self._ends[name] for name, tag in self.tags.items() if tag.direction == "input")
        return {
            end.name: end.from_device(self._clients[end.device].read(end.address, end.type)) for end in ends
        }

    def clear(self) -> None:
        """The plant is not there: every input has its safe value."""
        sensors = (name for name, tag in self.tags.items() if tag.direction == "output")
        self.take({name: self._ends[name].safe for name in sensors})

    def follow(self, now: int) -> None:
        """What the next machine says at ``now`` ns."""
        self.take(dict.fromkeys(self._following, now % TURN >= TAKES))

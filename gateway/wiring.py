"""What a station's mode connects its gateway to: the controller, real or played, and a plant that is real.

mode       controller                      plant
virtual    played in this process          the twin
hil        its devices                     the twin
ril        played in this process          its plant device, the twin beside it
shadow     its devices, which are only read, inputs too; the twin beside them
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from gateway.controller.compile import Program
from gateway.field.devices import Devices, Link
from gateway.field.types import Value
from gateway.played import Played, PlayedLink
from gateway.station import Mode, Station
from gateway.terminals import mirrored

LOOK = 100_000_000  # ns, from one reading back of forced inputs to the next
PATIENCE = 1_000_000_000  # ns, after which it is done though a scan may come late for it


class Read(NamedTuple):
    """What changed: the controller's ``outputs``, and what the ``machine`` shows at the inputs: in RIL at
    all, else at those that are read since they may not be written. ``held`` is what is at those forced."""

    outputs: Mapping[str, Value] = {}
    machine: Mapping[str, Value] = {}
    held: Mapping[str, Value] = {}


class Wiring:
    """Of ``station`` in ``mode``; ``program`` is the one to be played where the controller is.

    ``changed`` is called when a controller that is played may have put out something. ``certificates`` is
    the folder for devices that are reached with security.
    """

    def __init__(
        self,
        station: Station,
        mode: Mode,
        program: Program | None,
        changed: Callable[[], None],
        certificates: str = "",
    ) -> None:
        written = [] if mode == "shadow" else station.writable
        self._inputs = {tag.name for tag in station.inputs if tag not in written}  # those that are read
        self._held: Mapping[str, Value] = {}  # found, and not told yet
        self._looked = self._took = 0  # when forces were read back last, and how long that took
        self.controller: Devices | Played
        if mode in ("virtual", "ril"):
            assert program is not None, f"{station.id}: nothing to play in {mode} mode"
            self.controller = Played(station, program, changed)
        else:
            tags = station.observed if mode == "shadow" else station.driven
            self.controller = Devices(station.devices, tags, station.accesses(certificates))
        self.plant: Devices | None = None
        if mode == "ril":
            assert station.plant is not None, f"{station.id}: ril mode has no plant"
            self.plant = Devices({station.plant.name: station.plant}, mirrored(station))

    @property
    def asked(self) -> bool:
        """Whether something real has to be asked to be known: then no scan is left out."""
        return self.plant is not None or isinstance(self.controller, Devices)

    def late(self) -> int:
        """By how much a scan of a controller that is played was late, at most, since this was last asked for;
        ns. What it does then comes late for no fault of its program."""
        return self.controller.late() if isinstance(self.controller, Played) else 0

    async def read(self, forced: Collection[str] = ()) -> Read:
        """What changed on either side, and what was found at the inputs ``forced``: see ``look``."""
        image = await self.controller.read()
        held, self._held = self._held, {}
        if forced and isinstance(self.controller, Played):
            held = await self.controller.read_back(forced)
        if self.plant is not None:
            return Read(image, await self.plant.read(), held)
        if not self._inputs:
            return Read(image, held=held)
        return Read(
            {tag: value for tag, value in image.items() if tag not in self._inputs},
            {tag: value for tag, value in image.items() if tag in self._inputs},
            held,
        )

    async def look(self, forced: Collection[str], left: int) -> None:
        """Read the inputs ``forced`` back for the next ``read`` to tell, now and then: when ``left`` (ns, to
        the next scan) is enough for it, so that no scan comes late for that, or when it has waited long. A
        controller that is played is asked at each scan."""
        began = time.monotonic_ns()
        since = began - self._looked
        if not forced or isinstance(self.controller, Played) or since < LOOK:
            return
        if left < 2 * self._took and since < PATIENCE:
            return
        self._held = await self.controller.read_back(forced)
        self._looked = time.monotonic_ns()
        self._took = self._looked - began

    async def write(
        self, writes: Mapping[str, Value], actuate: Mapping[str, Value]
    ) -> tuple[dict[str, Value], dict[str, str]]:
        """To inputs of the controller and actuators of the plant; what came there, and what was refused."""
        taken: dict[str, Value] = {}
        refused: dict[str, str] = {}
        if writes:
            taken, refused = await self.controller.write(writes)
        if actuate and self.plant is not None:
            driven, but = await self.plant.write(actuate)
            return taken | driven, refused | but
        return taken, refused

    @property
    def _sides(self) -> list[Devices | Played]:
        return [self.controller] if self.plant is None else [self.controller, self.plant]

    @property
    def links(self) -> dict[str, Link | PlayedLink]:
        """Every device's, by its name."""
        return {name: link for side in self._sides for name, link in side.links.items()}

    @property
    def lost(self) -> dict[str, str]:
        """The devices that are not ready, and why."""
        return {name: why for side in self._sides for name, why in side.lost.items()}

    @property
    def state(self) -> str:
        """That of the first device that is not ready, else ``ready``."""
        return next((side.state for side in self._sides if side.state != "ready"), "ready")

    @property
    def problem(self) -> str:
        """Why devices are not ready; empty while all are."""
        return "; ".join(filter(None, (side.problem for side in self._sides)))

    @property
    def refused(self) -> dict[str, str]:
        """What the devices do not serve at present, by tag."""
        return {tag: why for side in self._sides for tag, why in side.refused.items()}

    @property
    def uncertain(self) -> set[str]:
        """The values that a device itself doubts, by tag."""
        return set().union(*(side.uncertain for side in self._sides))

    def times(self, tags: Iterable[str]) -> Mapping[str, int]:
        """When their devices say that ``tags`` took the values last told, UTC ns, as far as they say."""
        return self.controller.times(tags)

    async def run(self) -> None:
        """Keep every device connected, and what is played going, until cancelled."""
        await asyncio.gather(*(side.run() for side in self._sides))

    async def close(self) -> None:
        """End every device's life; bounded, and harmless twice."""
        await asyncio.gather(*(side.close() for side in self._sides))

"""Leaving out the scans that change nothing: when the next one of a virtual controller can matter."""

from __future__ import annotations

from gateway.controller.compile import Program
from gateway.controller.declarations import SIZES
from gateway.controller.mapping import SERVED_BYTES
from gateway.controller.memory import AREAS
from gateway.controller.runtime import VirtualController


class Idle:
    """Scans ``controller``; without the scans that are not ``due`` its outputs are the same at all times."""

    def __init__(self, controller: VirtualController) -> None:
        self._controller = controller
        self._areas = [controller.memory.areas[area] for area in AREAS]
        self._extent = _extent(controller.program)
        self._at: int | None = None  # the last scan, and what it left:
        self._memory: tuple[object, ...] = ()
        self._image: tuple[bytes, ...] = ()
        self._rests = False

    @property
    def image(self) -> tuple[bytes, ...]:
        """What is in the areas, as far as the program and its clients reach."""
        return tuple(bytes(area[: self._extent]) for area in self._areas)

    def scan(self, now: int) -> bool:
        """One scan at ``now``, later than the last; whether it left anything else than that one."""
        assert self._at is None or now > self._at, f"a scan at {now} after one at {self._at}"
        self._controller.scan(now)
        memory, image = self._controller.instance.memory(), self.image
        self._rests = self._at is not None and memory == self._memory and image == self._image
        self._at, self._memory, self._image = now, memory, image
        return not self._rests

    def due(self) -> int | None:
        """From when on a scan may change anything, ns: in the past for the next one there is, None for not
        before an input changes."""
        if self._controller.fault is not None and self._rests:
            return None
        if self._at is None or not self._rests or self.image != self._image:
            return self._at or 0
        return self._controller.instance.wakes(self._at)


def _extent(program: Program) -> int:
    """How many bytes of each area matter: those that are served, and those that the program uses."""
    places = (variable.location for variable in program.variables)
    ends = (place.byte + max(SIZES[place.size] // 8, 1) for place in places if place is not None)
    return max([SERVED_BYTES, *ends])

"""Carriers with one place: the base of them all, and the nest; pure."""

from __future__ import annotations

from typing import Any, ClassVar

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Param, Port
from gateway.twin.components.stroke import Stroke, at_rest
from gateway.twin.motion import MILLISECOND
from gateway.twin.workpiece import Workpiece

INLET, SEATED, OUTLET = 0.0, 0.5, 1.0  # where the workpiece is on its way over the place


class Place(Carrier):
    """Base of carriers with one place.

    Its rollers bring a workpiece in, and on to the outlet when that is open; each takes ``load``. An
    actuator that no output drives is on.
    """

    PARAMS = (Param("load", "ms", 0, 60_000, 0, "from the inlet to its place, and on"), *Carrier.PARAMS)
    PORTS: ClassVar[tuple[Port, ...]] = (
        Port("run", "actuator", about="rollers on", optional=True),
        Port("occupied", "sensor", about="a workpiece is here", optional=True, sees=True),
        Port("seated", "sensor", about="a workpiece is in its place", optional=True, sees=True),
    )
    STATE: ClassVar[tuple[str, ...]] = (*Carrier.STATE, "item", "running", "rolled", "grips", "closed")

    def start(self) -> None:
        super().start()
        self.item: Workpiece | None = None
        self.running = True
        self.rolled: Stroke = at_rest(self.now)
        self.grips: set[str] = set()  # who holds it
        self.closed: set[str] = set()  # who bars the way out

    def gives(self) -> bool:
        """Whether a workpiece in its place may go on to the outlet."""
        return True

    def takes(self, at: float) -> bool:
        """Whether the place is where workpieces come in at ``at``."""
        return True

    def drive(self, port: str, value: Scalar) -> None:
        if port == "run":
            self.running = bool(value)
            self.changed()

    def on(self, kind: str, argument: Any) -> None:
        self.changed()

    def sense(self, port: str) -> Scalar:
        return self.item is not None if port == "occupied" else self.held(0.0) is not None

    def watched(self, port: str) -> tuple[Carrier, float] | None:
        return (self, 0.0) if port == "occupied" else None

    def admits(self, workpiece: Workpiece, at: float = 0.0) -> bool:
        return self.item is None and self.running and self.takes(at)

    def take_in(self, workpiece: Workpiece, at: float) -> None:
        self.item = workpiece
        self.cancel(self.rolled.pending)
        self.rolled = at_rest(self.now)
        self._roll()

    def take_off(self, workpiece: str) -> Workpiece:
        taken = self.item
        assert taken is not None, f"{self.name} is empty"
        assert taken.id == workpiece, f"{self.name} has {taken.id}, not {workpiece}"
        self.item = None
        self.grips.clear()
        self.cancel(self.rolled.pending)
        self.rolled = at_rest(self.now)
        return taken

    def waiting(self) -> Workpiece | None:
        free = not self.grips and not self.closed and self.running and self.gives()
        return self.item if free and self.rolled.rests(self.now, OUTLET) else None

    def contents(self) -> tuple[Workpiece, ...]:
        return () if self.item is None else (self.item,)

    def covering(self, at: float) -> Workpiece | None:
        return self.item

    def held(self, at: float) -> Workpiece | None:
        rests = self.rolled.rests(self.now, SEATED) or self.rolled.rests(self.now, OUTLET)
        return self.item if rests else None

    def replace(self, workpiece: Workpiece) -> None:
        if self.item is not None and self.item.id == workpiece.id:
            self.item = workpiece

    def grip(self, name: str, at: float, window: float) -> bool:
        if self.held(at) is None:
            return False
        self.grips.add(name)
        self.changed()
        return True

    def let_go(self, name: str) -> None:
        if name in self.grips:
            self.grips.discard(name)
            self.changed()

    def bar(self, name: str, at: float) -> None:
        self.closed.add(name)

    def unbar(self, name: str) -> None:
        if name in self.closed:
            self.closed.discard(name)
            self.changed()

    def changed(self) -> None:
        self._roll()
        super().changed()

    @property
    def half_on(self) -> bool:
        """Whether the workpiece is neither in its place nor wholly off."""
        return self.item is not None and self.held(0.0) is None

    def _roll(self) -> None:
        """Let the rollers bring the workpiece as far as it can go now."""
        while self.item is not None:
            place = self.rolled.place(self.now)
            goal = self._onward_of(place) if self.running else place
            if goal == self.rolled.goal:
                return
            if goal == place or not self.params["load"]:
                self.cancel(self.rolled.pending)
                self.rolled = at_rest(self.now, goal)
            else:
                self.rolled.aim(self, goal, 2 * self.params["load"] * MILLISECOND, "rolled")

    def _onward_of(self, place: float) -> float:
        if place < SEATED:
            return SEATED
        is_open = not self.grips and not self.closed and self.gives()
        return OUTLET if place > SEATED or is_open else SEATED


class Nest(Place):
    """A fixture: what lies in it is located, and can be worked on. It passes on while ``release`` is on."""

    ABOUT = "nest, one workpiece"
    PORTS = (*Place.PORTS, Port("release", "actuator", about="lets the workpiece pass on", optional=True))
    STATE = (*Place.STATE, "released")

    def start(self) -> None:
        super().start()
        self.released = False

    def drive(self, port: str, value: Scalar) -> None:
        if port == "release":
            self.released = bool(value)
            self.changed()
        else:
            super().drive(port, value)

    def gives(self) -> bool:
        return self.released

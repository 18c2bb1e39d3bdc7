"""What moves along one way: the base of all movers, the ideal servo axis, the cam switch on it; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gateway.field.types import Scalar
from gateway.twin.component import Component, Fault, Link, Param, Port
from gateway.twin.envelope import Guided
from gateway.twin.motion import Path, still, trapezoid

NEAR = 1e-6  # mm or deg; what rounding may leave of a way
SOON = 1_000  # ns


class Mover(Guided):
    """Base of what moves a tool: ``path`` is where it is, in mm or deg, from now until something changes."""

    STATE: ClassVar[tuple[str, ...]] = ("path", "covered")

    def begin(self, place: float) -> None:
        """Take the initial state: at rest at ``place``."""
        self.path = Path((still(self.now, place),))
        self.covered = 0.0  # way covered before this path
        self._subscribers: list[Callable[[], None]] = []

    def way(self) -> Path:
        return self.path

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the path has changed."""
        self._subscribers.append(callback)

    def odometer(self) -> float:
        """The way covered so far, back and forth."""
        return self.covered + self.path.travel(self.now)

    def follow(self, path: Path) -> None:
        """Move by ``path``, which begins where it is now."""
        self.covered = self.odometer()
        self.path = path
        for callback in self._subscribers:
            callback()


class ServoAxis(Mover):
    """A new target is taken at any time, also on the way, and is held within ``low`` and ``high``."""

    ABOUT = "servo axis"
    PARAMS = (
        Param("speed", "mm/s", 0.1, 10_000),
        Param("acceleration", "mm/s2", 1, 1_000_000),
        Param("low", "mm", -100_000, 100_000, 0),
        Param("high", "mm", -100_000, 100_000, 1_000),
    )
    PORTS = (Port("target", "actuator", "real", "mm"), Port("position", "sensor", "real", "mm"))
    FAULTS = (Fault("jam", "it stops at once and stays where it is"),)
    STATE = (*Mover.STATE, "target")

    def start(self) -> None:
        self.target = self._within(0.0)
        self.begin(self.target)

    def drive(self, port: str, value: Scalar) -> None:
        self.target = self._within(float(value))
        self._plan()

    def fault_changed(self, fault: str, active: bool) -> None:
        self._plan()

    def sense(self, port: str) -> Scalar:
        return self.path.at(self.now)

    def curve(self, port: str) -> Path | None:
        return self.path

    def _within(self, position: float) -> float:
        return min(max(position, self.params["low"]), self.params["high"])

    def _plan(self) -> None:
        place, moving = self.path.at(self.now), self.path.speed_at(self.now)
        if "jam" in self.faults:
            self.follow(Path((still(self.now, place),)))
            return
        speed, acceleration = self.params["speed"], self.params["acceleration"]
        self.follow(trapezoid(self.now, place, moving, self.target, speed, acceleration))


class CamSwitch(Component):
    """Made while the mover is within ``window`` of ``at``: a reference, end or position switch.

    Its edges are computed from the mover's path, so each comes at its instant.
    """

    ABOUT = "cam switch on an axis"
    PARAMS = (
        Param("at", "1", -100_000, 100_000, about="in the axis' unit"),
        Param("window", "1", 0.001, 10_000, 1, "to either side, in the axis' unit"),
    )
    PORTS = (Port("made", "sensor", about="the axis is there"),)
    LINKS = (Link("axis", Mover),)
    STATE = ("pending",)

    def start(self) -> None:
        self.pending: int | None = None
        self._axis = self.link("axis", Mover)
        self._axis.subscribe(self._expect)

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self._expect()

    def sense(self, port: str) -> Scalar:
        return abs(self._axis.path.at(self.now) - self.params["at"]) <= self.params["window"]

    def _expect(self) -> None:
        """Schedule the next edge: the instant after a border is met, or a look soon after starting at one."""
        at, window, path = self.params["at"], self.params["window"], self._axis.path
        self.cancel(self.pending)
        self.pending = None
        if path.segments[-1].start < self.now:
            return
        due = []
        for border in (at - window, at + window):
            if abs(path.at(self.now) - border) < NEAR:
                due.append(self.now + SOON)
            elif (time := path.reaches(border, self.now)) is not None:
                due.append(time + 1)
        if due:
            self.pending = self.at(min(due), "edge")

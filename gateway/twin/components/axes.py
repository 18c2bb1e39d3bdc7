"""The servo axis: a trapezoid from where it is and how it moves to each new target; pure."""

from __future__ import annotations

from gateway.field.types import Scalar
from gateway.twin.component import Component, Fault, Param, Port
from gateway.twin.motion import Path, still, trapezoid


class ServoAxis(Component):
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
    STATE = ("target", "path", "covered")

    def start(self) -> None:
        self.target = self._within(0.0)
        self.path = Path((still(self.now, self.target),))
        self.covered = 0.0  # way covered before this path, mm

    def drive(self, port: str, value: Scalar) -> None:
        self.target = self._within(float(value))
        self._plan()

    def fault_changed(self, fault: str, active: bool) -> None:
        self._plan()

    def sense(self, port: str) -> Scalar:
        return self.path.at(self.now)

    def odometer(self) -> float:
        """The way covered so far, back and forth, mm."""
        return self.covered + self.path.travel(self.now)

    def _within(self, position: float) -> float:
        return min(max(position, self.params["low"]), self.params["high"])

    def _plan(self) -> None:
        place, moving = self.path.at(self.now), self.path.speed_at(self.now)
        self.covered = self.odometer()
        if "jam" in self.faults:
            self.path = Path((still(self.now, place),))
            return
        self.path = trapezoid(
            self.now, place, moving, self.target, self.params["speed"], self.params["acceleration"]
        )

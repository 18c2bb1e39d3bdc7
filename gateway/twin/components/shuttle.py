"""The shuttle: a transfer car between stops beside which carriers begin and end; pure."""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Fault, Link, Param, Port
from gateway.twin.components.electrics import Power, fed
from gateway.twin.components.places import Place
from gateway.twin.motion import Path, still, trapezoid

IN_PLACE = 0.5  # mm


class Shuttle(Place):
    """Goes to stop ``target``, 0 at the inlet and each ``pitch`` further on.

    A carrier before it says by ``to-at`` beside which stop it ends (mm along the track). What it has goes to
    ``to`` at stop ``first``, and to ``second`` at stop ``other``. A workpiece that is half on when it sets
    out is hit.
    """

    ABOUT = "shuttle, transfer car"
    PARAMS = (
        Param("pitch", "mm", 10, 50_000, about="between stops"),
        Param("stops", "1", 2, 16, 2),
        Param("speed", "mm/s", 1, 10_000, 1_000),
        Param("acceleration", "mm/s2", 1, 100_000, 2_000),
        Param("first", "1", 0, 15, 1, "the stop beside which the carrier to begins"),
        Param("other", "1", 0, 15, 2, "the stop beside which the carrier second begins"),
        *Place.PARAMS,
    )
    PORTS = (
        Port("target", "actuator", "int", about="stop"),
        *Place.PORTS,
        Port("position", "sensor", "real", "mm", "along the track", optional=True),
        Port("in-position", "sensor", about="at the stop it was sent to", optional=True),
    )
    LINKS = (*Carrier.LINKS, Link("second", Carrier, optional=True), Link("power", Power, optional=True))
    FAULTS = (Fault("stuck", "it stops at once and stays where it is"), *Carrier.FAULTS)
    STATE = (*Place.STATE, "target", "path", "pending")

    def start(self) -> None:
        super().start()
        self.target = 0
        self.path = Path((still(self.now, 0.0),))
        self.pending: int | None = None
        other = self.links.get("second")
        self._second = other if isinstance(other, Carrier) else None
        if self._second is not None:
            self._second.subscribe_room(self.pass_on)
        if "power" in self.links:
            self.link("power", Power).feeds(self._plan)

    def drive(self, port: str, value: Scalar) -> None:
        if port != "target":
            super().drive(port, value)
            return
        self.target = min(max(int(value), 0), int(self.params["stops"]) - 1)
        self._plan()

    def fault_changed(self, fault: str, active: bool) -> None:
        super().fault_changed(fault, active)
        self._plan()

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None if kind == "stop" else self.pending
        super().on(kind, argument)

    def sense(self, port: str) -> Scalar:
        if port == "position":
            return self.path.at(self.now)
        if port == "in-position":
            return self._rests_at(self.target * self.params["pitch"])
        return super().sense(port)

    def curve(self, port: str) -> Path | None:
        return self.path

    def takes(self, at: float) -> bool:
        return self._rests_at(at)

    def gives(self) -> bool:
        stops = [self.params["first"], *([self.params["other"]] if self._second is not None else [])]
        return any(self._rests_at(stop * self.params["pitch"]) for stop in stops)

    def onward(self) -> tuple[Carrier | None, float]:
        if self._second is not None and self._rests_at(self.params["other"] * self.params["pitch"]):
            return self._second, 0.0
        return super().onward()

    def _rests_at(self, place: float) -> bool:
        """Whether it stands beside ``place``, mm, and does not leave it."""
        end = self.path.segments[-1]
        return end.start <= self.now and abs(end.value - place) < IN_PLACE

    def _plan(self) -> None:
        place, moving = self.path.at(self.now), self.path.speed_at(self.now)
        target = self.target * self.params["pitch"]
        if not moving and abs(target - place) >= IN_PLACE and self.half_on and self.item is not None:
            self.tell("collided", self.item.id, "moved with a workpiece half on it")
        self.cancel(self.pending)
        self.pending = None
        if "stuck" in self.faults or not fed(self):
            self.path = Path((still(self.now, place),))
        else:
            speed, acceleration = self.params["speed"], self.params["acceleration"]
            self.path = trapezoid(self.now, place, moving, target, speed, acceleration)
            self.pending = self.at(self.path.segments[-1].start, "stop")
        self.changed()

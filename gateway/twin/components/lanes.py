"""Where lanes are cut into zones, meet and part: roller zone, merger, diverter; pure."""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Fault, Link, Param, Port, slow
from gateway.twin.components.pneumatics import AirSupply, Rod
from gateway.twin.components.stroke import Stroke, at_rest
from gateway.twin.components.transport import BeltConveyor
from gateway.twin.motion import MILLISECOND
from gateway.twin.workpiece import Workpiece


class RollerZone(BeltConveyor):
    """One zone of a roller or chain conveyor: it takes one workpiece, and only while it turns.

    Zones that pass on to each other accumulate without pressure: each has a motor and an eye of its own.
    """

    ABOUT = "conveyor zone, one workpiece"
    PARAMS = (*BeltConveyor.PARAMS, Param("eye", "mm", 0, 1_000, 20, "before the zone's end"))
    PORTS = (
        *BeltConveyor.PORTS,
        Port("sees", "sensor", about="a workpiece is before the eye", optional=True, sees=True),
    )
    STATE = (*BeltConveyor.STATE, "sees")

    def start(self) -> None:
        super().start()
        self.sees = False
        self.watch(self.params["length"] - self.params["eye"], self._look)

    def sense(self, port: str) -> Scalar:
        return self.sees if port == "sees" else super().sense(port)

    def watched(self, port: str) -> tuple[Carrier, float] | None:
        return (self, self.params["length"] - self.params["eye"]) if port == "sees" else None

    def admits(self, workpiece: Workpiece, at: float = 0.0) -> bool:
        return not self.items and self.rate > 0

    def drive_changed(self) -> None:
        was = self.rate
        super().drive_changed()
        if self.rate > 0 >= was:
            self.changed()

    def _look(self) -> None:
        self.sees = self.covering(self.params["length"] - self.params["eye"]) is not None


class Merger(BeltConveyor):
    """A belt with a second lane that joins it at ``side-at``; points let in from one lane at a time.

    The carrier of the side lane says so by its ``to-at``: whatever comes in past the inlet is from there.
    """

    ABOUT = "merger of two lanes"
    PARAMS = (*BeltConveyor.PARAMS, Param("switch", "ms", 1, 60_000, 300, "time of the points"))
    PORTS = (
        *BeltConveyor.PORTS,
        Port("side", "actuator", about="points to the side lane"),
        Port("at-main", "sensor", about="points rest at the main lane", optional=True),
        Port("at-side", "sensor", about="points rest at the side lane", optional=True),
    )
    FAULTS = (*BeltConveyor.FAULTS, Fault("points-stuck", "the points keep their place"))
    STATE = (*BeltConveyor.STATE, "side", "points")

    def start(self) -> None:
        super().start()
        self.side = False
        self.points: Stroke = at_rest(self.now)

    def drive(self, port: str, value: Scalar) -> None:
        if port != "side":
            super().drive(port, value)
            return
        self.side = bool(value)
        self._aim()

    def fault_changed(self, fault: str, active: bool) -> None:
        super().fault_changed(fault, active)
        self._aim()

    def on(self, kind: str, argument: Any) -> None:
        if kind != "points":
            super().on(kind, argument)
            return
        self.points.pending = None
        self.changed()

    def sense(self, port: str) -> Scalar:
        if port in ("at-main", "at-side"):
            return self.points.rests(self.now, float(port == "at-side"))
        return super().sense(port)

    def admits(self, workpiece: Workpiece, at: float = 0.0) -> bool:
        return self.points.rests(self.now, float(at > 0)) and super().admits(workpiece, at)

    def _aim(self) -> None:
        goal = self.points.place(self.now) if "points-stuck" in self.faults else float(self.side)
        self.points.aim(self, goal, self.params["switch"] * MILLISECOND, "points")


class Diverter(Rod):
    """While it is diverted, what comes to it leaves the belt for ``to``, or waits for room there.

    A workpiece under which it moves, or that meets it on its way, is hit, and stays on the belt.
    """

    ABOUT = "diverter"
    PARAMS = (
        Param("at", "mm", 0, 100_000),
        Param("travel", "ms", 1, 60_000, 150, "time of the stroke"),
        Param("to-at", "mm", 0, 100_000, 0, "where on the carrier to it puts workpieces"),
    )
    PORTS = (
        Port("divert", "actuator"),
        Port("diverted", "sensor", about="end switch", optional=True),
        Port("straight", "sensor", about="end switch", optional=True),
    )
    LINKS = (Link("on", BeltConveyor), Link("to", Carrier), Link("air", AirSupply, optional=True))
    FAULTS = (Fault("stuck", "it keeps its place"), slow("a stroke takes"))
    STATE = (*Rod.STATE, "resting")
    DRIVEN, REST = "diverted", "straight"

    def start(self) -> None:
        self.resting = True
        self._belt, self._to = self.link("on", BeltConveyor), self.link("to", Carrier)
        self._belt.mark(self.params["at"], entered=self._met)
        self._belt.subscribe(self._divert)
        self._to.subscribe_room(self._divert, self.params["to-at"])
        super().start()

    def placed(self) -> None:
        resting = self.rests(0.0) or self.rests(1.0)
        across = self._belt.across(self.params["at"])
        if self.resting and not resting and across is not None:
            self.tell("collided", across.id)
        self.resting = resting
        if self.rests(1.0):
            self._belt.bar(self.name, self.params["at"])
            self._divert()
        else:
            self._belt.unbar(self.name)

    def _met(self, workpiece: Workpiece) -> None:
        if self.rests(1.0):
            self._divert()
        elif not self.rests(0.0):
            self.tell("collided", workpiece.id)

    def _divert(self) -> None:
        """Pass on what stands before it, if there is room."""
        workpiece = self._belt.standing(self.params["at"]) if self.rests(1.0) else None
        if workpiece is not None and self._to.admits(workpiece, self.params["to-at"]):
            self._to.admit(self._belt.take_off(workpiece.id), self.params["to-at"])
            self._belt.changed()

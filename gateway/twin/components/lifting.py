"""Places that travel between two ends with what stands on them: lift, turn unit, flipper; pure."""

from __future__ import annotations

from typing import Any, ClassVar

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Fault, Link, Param, Port, slow
from gateway.twin.components.electrics import Power, fed
from gateway.twin.components.places import Place
from gateway.twin.components.pneumatics import AirSupply
from gateway.twin.components.stroke import Stroke, at_rest
from gateway.twin.motion import MILLISECOND
from gateway.twin.workpiece import Pose

SINKING = 10  # a platform whose brake slips takes so many times as long
EITHER = 2.0  # as inlet or outlet: both ends


class Travelling(Place):
    """Base of places that travel between end 0 and end 1.

    With one actuator it goes to 1 while that is on, and back when it is off. Where the other one is driven
    too it goes by whichever is on, and stands where it is while none or both are. A workpiece that is
    neither in its place nor wholly off when it sets out is hit. Without power its brake holds it where it is.
    """

    PARAMS = (
        Param("travel", "ms", 1, 600_000, about="time from end to end"),
        Param("inlet", "1", 0, 2, 0, "the end at which workpieces come in; 2: either"),
        Param("outlet", "1", 0, 2, 1, "the end at which they go out; 2: either"),
        *Place.PARAMS,
    )
    LINKS = (
        *Carrier.LINKS,
        Link("air", AirSupply, optional=True),
        Link("power", Power, optional=True),
    )
    FAULTS = (
        Fault("stuck", "it stands where it is"),
        slow("it takes"),
        *Carrier.FAULTS,
    )
    STATE = (*Place.STATE, "forward", "back", "stroke", "end")
    FORWARD: ClassVar[str] = ""
    BACK: ClassVar[str] = ""
    AT_0: ClassVar[str] = ""
    AT_1: ClassVar[str] = ""

    def start(self) -> None:
        super().start()
        self.forward = False
        self.back: bool | None = None  # None: no output drives it
        self.stroke: Stroke = at_rest(self.now)
        self.end = 0.0  # the last one it was at
        if "air" in self.links:
            self.link("air", AirSupply).feeds(self._aim)
        if "power" in self.links:
            self.link("power", Power).feeds(self._aim)

    def arrived(self) -> None:
        """It has come from one end to the other."""

    def gives(self) -> bool:
        return self._is_at(self.params["outlet"])

    def takes(self, at: float) -> bool:
        return self._is_at(self.params["inlet"])

    def drive(self, port: str, value: Scalar) -> None:
        if port == self.FORWARD:
            self.forward = bool(value)
        elif port == self.BACK:
            self.back = bool(value)
        else:
            super().drive(port, value)
            return
        self._aim()

    def fault_changed(self, fault: str, active: bool) -> None:
        super().fault_changed(fault, active)
        self._aim()

    def on(self, kind: str, argument: Any) -> None:
        if kind == "end":
            self.stroke.pending = None
            if self.end != self.stroke.goal:
                self.end = self.stroke.goal
                self.arrived()
        super().on(kind, argument)

    def sense(self, port: str) -> Scalar:
        if port in (self.AT_0, self.AT_1):
            return self.stroke.rests(self.now, float(port == self.AT_1))
        return super().sense(port)

    def goal(self) -> float:
        """Where it must go now."""
        here = self.stroke.place(self.now)
        if "stuck" in self.faults:
            return here
        if not fed(self):
            return here
        powered = "air" not in self.links or self.link("air", AirSupply).strong
        if self.back is None:
            return 1.0 if self.forward and powered else 0.0
        return (1.0 if self.forward else 0.0) if self.forward != self.back and powered else here

    def took(self) -> float:
        """The time from end to end, ns."""
        return self.params["travel"] * MILLISECOND * self.slowness

    def _is_at(self, end: float) -> bool:
        ends = (0.0, 1.0) if end == EITHER else (end,)
        return any(self.stroke.rests(self.now, each) for each in ends)

    def _aim(self) -> None:
        goal = self.goal()
        at_end = self.stroke.rests(self.now, 0.0) or self.stroke.rests(self.now, 1.0)
        if at_end and goal != self.stroke.goal and self.half_on and self.item is not None:
            self.tell("collided", self.item.id, "moved with a workpiece half on it")
        self.stroke.aim(self, goal, self.took(), "end")
        self.changed()


class Lift(Travelling):
    """Takes a workpiece from the lower level (0) to the upper one (1), or the other way."""

    ABOUT = "lift"
    PORTS = (
        Port("up", "actuator"),
        Port("down", "actuator", about="without it, it goes down while up is off", optional=True),
        *Place.PORTS,
        Port("at-top", "sensor", about="end switch", optional=True),
        Port("at-bottom", "sensor", about="end switch", optional=True),
    )
    FAULTS = (*Travelling.FAULTS, Fault("sinking", "the brake slips: not driven, the platform sinks"))
    FORWARD, BACK, AT_0, AT_1 = "up", "down", "at-bottom", "at-top"

    def goal(self) -> float:
        return 0.0 if self._sinks() else super().goal()

    def took(self) -> float:
        return super().took() * (SINKING if self._sinks() else 1)

    def _sinks(self) -> bool:
        return "sinking" in self.faults and "stuck" not in self.faults and not self.forward and not self.back


def turning(verb: str, turned: str) -> tuple[Port, ...]:
    """The ports of what is told to ``verb``, and then has ``turned`` what stands on it, until it returns."""
    return (
        Port(verb, "actuator"),
        Port("return", "actuator", about=f"without it, it returns while {verb} is off", optional=True),
        *Place.PORTS,
        Port(turned, "sensor", about="end switch", optional=True),
        Port("returned", "sensor", about="end switch", optional=True),
    )


class Turning(Travelling):
    """Base of places that bring what stands on them into another pose, and return."""

    BACK, AT_0 = "return", "returned"

    def posed(self, pose: Pose) -> Pose:
        """A workpiece's pose at the end that it has come to, where it was ``pose`` at the other."""
        raise NotImplementedError

    def arrived(self) -> None:
        if self.item is not None:
            self.item = self.item.with_pose(self.posed(self.item.pose))


class TurnUnit(Turning):
    """Turns what stands on it by ``angle``, counterclockwise seen from above, and returns."""

    ABOUT = "turn unit"
    PARAMS = (*Travelling.PARAMS, Param("angle", "deg", -360, 360, 90, "from end to end"))
    PORTS = turning("turn", "turned")
    FORWARD, AT_1 = "turn", "turned"

    def posed(self, pose: Pose) -> Pose:
        return pose.turned(self.params["angle"] * (1 if self.end else -1))


class Flipper(Turning):
    """Turns what stands on it over, about an axis across the way."""

    ABOUT = "flipper"
    PORTS = turning("flip", "flipped")
    FORWARD, AT_1 = "flip", "flipped"

    def posed(self, pose: Pose) -> Pose:
        return pose.turned_over()

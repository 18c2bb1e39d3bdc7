"""The drive of an axis with motor and load: force-limited moves, brake, reference, trips; pure.

The drive plans each move as the hardest trapezoid that neither its set acceleration nor its motor is short
for (``gateway.twin.dynamics``), so what it reads as load is what Newton's law asks for. Without power a
brake and friction stop the axis, and one that gravity pulls and nothing holds falls to its end.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Fault, Link
from gateway.twin.components.axes import NEAR, Mover
from gateway.twin.components.electrics import Power
from gateway.twin.dynamics import Load, at_most
from gateway.twin.motion import (
    MILLISECOND,
    SECOND,
    Limits,
    Path,
    Polynomial,
    Segment,
    coast,
    halt,
    lag,
    speeds,
    still,
    trapezoid,
)


class Drive(Mover):
    """The drive that straight and turning axes share; ``SCALE`` is mm per m, or deg per rad.

    ``direct`` 1: a new target is taken at once; 0: with ``start``. ``absolute`` 0: the axis must be
    referenced first, at the creeping speed to its low end; losing power loses the reference.
    """

    SCALE: ClassVar[float]
    LINKS = (Link("power", Power, optional=True), Link("carries", Carrier, optional=True))
    FAULTS = (
        Fault("jam", "the axis is blocked: it stands, and the drive trips on overload"),
        Fault("trip", "the drive amplifier has tripped"),
        Fault("power", "the drive has no power"),
        Fault("brake-worn", "the brake does not hold"),
        Fault("encoder", "the encoder fails: the drive trips and the reference is lost"),
    )
    STATE = (
        *Mover.STATE, "asked", "target", "inputs", "referenced", "tripped", "finding", "error",
        "pending", "edge", "overload",
    )  # fmt: skip

    def start(self) -> None:
        self.begin(min(max(0.0, self.params["low"]), self.params["high"]))
        self.inputs: dict[str, bool] = {}
        self.asked: float | None = None  # what the port says, once it was driven
        self.target: float | None = None  # what is gone for
        self.finding = False  # its reference
        self.referenced = self.params["absolute"] > 0
        self.tripped = False
        self.error = 0.0  # following error where the path began
        self.pending: int | None = None
        self.edge: int | None = None  # when an end switch changes
        self.overload: int | None = None
        if "power" in self.links:
            self.link("power", Power).feeds(self._replan)
        if "carries" in self.links:
            self.link("carries", Carrier).subscribe(self._replan)

    # --- what the controller says ----------------------------------------------------------------------

    def drive(self, port: str, value: Scalar) -> None:
        if port == "target":
            self.asked = self._within(float(value))
            if not self.params["direct"] or not self.referenced:
                return
            self.target = self.asked
        else:
            rising = bool(value) and not self.inputs.get(port, False)
            self.inputs[port] = bool(value)
            if rising:
                self._pressed(port)
        self._replan()

    def _pressed(self, port: str) -> None:
        if port == "start" and self.referenced and self.active:
            self.target = self.asked
        elif port == "home" and self.active:
            self.finding, self.target = True, None
        elif port == "reset":
            self.tripped = bool(self.faults & {"trip", "encoder"})
        elif port in ("forward", "backward"):
            self.finding, self.target = False, None
        elif port == "enable":
            self.target = self.asked if self.params["direct"] and self.referenced else None

    # --- what becomes of it ----------------------------------------------------------------------------

    @property
    def powered(self) -> bool:
        """The amplifier has its supply."""
        live = "power" not in self.links or self.link("power", Power).live
        return live and "power" not in self.faults

    @property
    def active(self) -> bool:
        """The motor is in control of the axis."""
        return self.powered and not self.tripped and self.inputs.get("enable", False)

    @property
    def carried(self) -> Load:
        """What the motor moves at present."""
        pieces = len(self.link("carries", Carrier).contents()) if "carries" in self.links else 0
        return self.load(pieces)

    def load(self, pieces: int) -> Load:
        """The load with ``pieces`` workpieces on it."""
        raise NotImplementedError

    @property
    def motor(self) -> float:
        """The rated force or torque, N or N.m."""
        raise NotImplementedError

    def fault_changed(self, fault: str, active: bool) -> None:
        if active and fault in ("trip", "encoder"):
            self.tripped = True
        if active and fault == "encoder":
            self.referenced, self.target = False, None
        self._replan()

    def on(self, kind: str, argument: Any) -> None:
        """An end switch changes, the move has ended, the following error has settled, or the motor has pushed
        for too long."""
        if kind == "edge":
            self._expect_edge()
            return
        if kind == "overload":
            self.overload = None
            self.tripped = True
        else:
            self.pending = None
        self._replan()

    def _replan(self) -> None:
        """Something changed: move on from here and now as it demands."""
        place, moving = self.path.at(self.now), self.path.speed_at(self.now)
        if not self.powered and not self.params["absolute"]:
            self.referenced, self.target = False, None
        if self.finding and not moving and place <= self.params["low"] + NEAR:
            self.finding, self.referenced = False, True
            self.target = self.asked if self.params["direct"] else None
        self.finding = self.finding and self.active
        self.error = self._error()
        able = self.carried.limits(self.motor, max(self.params["speed"], abs(moving)) / self.SCALE)
        blocked = "jam" in self.faults or (self.active and able is None)
        if blocked or able is None:
            self.follow(self._still(place) if blocked else self._loose(place, moving))
        else:
            self.follow(self._planned(place, moving, self._scaled(able)))
        self._watch_overload(blocked and self.active and self._goal() not in (None, place))
        self._expect()

    def _watch_overload(self, pushes: bool) -> None:
        if pushes and self.overload is None:
            self.overload = self.after(round(self.params["patience"] * MILLISECOND), "overload")
        elif not pushes:
            self.cancel(self.overload)
            self.overload = None

    def _goal(self) -> float | None:
        """Where it is to go, None: nowhere."""
        if self.finding:
            return self.params["low"]
        if self.inputs.get("forward"):
            return self.params["high"]
        if self.inputs.get("backward"):
            return self.params["low"]
        return self.target

    def _planned(self, place: float, moving: float, able: Limits) -> Path:
        if not self.powered or self.tripped or not (self.active or moving):
            return self._loose(place, moving)
        goal = self._goal()
        creeps = self.finding or self.inputs.get("forward") or self.inputs.get("backward")
        speed = self.params["creep" if creeps else "speed"]
        if not self.active or goal is None or abs(moving) > speed:
            return halt(self.now, place, moving, able)
        return trapezoid(self.now, place, moving, goal, speed, able)

    def _scaled(self, able: Limits) -> Limits:
        scale = self.SCALE
        ours = Limits(
            able.forwards * scale, able.forwards_braking * scale,
            able.backwards * scale, able.backwards_braking * scale,
        )  # fmt: skip
        return at_most(ours, self.params["acceleration"])

    def _loose(self, place: float, moving: float) -> Path:
        """The motor gives nothing: brake, friction and gravity move it, up to its ends."""
        load = self.carried
        brake = 0.0 if "brake-worn" in self.faults else self.params["brake"]
        friction = (load.friction + brake) / load.mass * self.SCALE
        pull = load.pull * self.SCALE
        return coast(self.now, place, moving, pull, friction, self.params["low"], self.params["high"])

    def _still(self, place: float) -> Path:
        return Path((still(self.now, place),))

    def _within(self, position: float) -> float:
        return min(max(position, self.params["low"]), self.params["high"])

    def _expect(self) -> None:
        """Schedule the next instant at which a switch changes or a move ends."""
        end = self.path.segments[-1].start
        due = [end] if end > self.now else []
        if end <= self.now and self.params["gain"] and abs(self._error()) > self.params["window"]:
            left = math.log(abs(self._error()) / self.params["window"]) / self.params["gain"]
            due.append(self.now + math.ceil(left * SECOND) + 1)
        self.cancel(self.pending)
        self.pending = self.at(min(due), "arrive") if due else None
        self._expect_edge()

    def _expect_edge(self) -> None:
        """An end switch changes the instant after its border is met; there is nothing to do at it."""
        self.cancel(self.edge)
        borders = (self.params["low"] + NEAR, self.params["high"] - NEAR)
        moving = self.path.segments[-1].start > self.now or self.path.speed_at(self.now) != 0
        met = [self.path.reaches(border, self.now) for border in borders] if moving else []
        due = [time + 1 for time in met if time is not None]
        self.edge = self.at(min(due), "edge") if due else None

    # --- what the controller sees ------------------------------------------------------------------------

    def sense(self, port: str) -> Scalar:
        if port == "referenced":
            return self.referenced
        if port in ("ready", "fault"):
            return self.tripped if port == "fault" else self.powered and not self.tripped
        place = self.path.at(self.now)
        if port == "in-position":
            return self._arrived(place)
        if port == "position":
            return place - self._error()
        if port == "velocity":
            return self.path.speed_at(self.now)
        if port == "load":
            return self._force() / self.motor * 100
        if port == "following":
            return self._error()
        if port == "at-low":
            return place <= self.params["low"] + NEAR
        assert port == "at-high", f"{self.name} has no sensor {port}"
        return place >= self.params["high"] - NEAR

    def curve(self, port: str) -> Path | None:
        """Of the position without the following error, which changes far slower than a sensor's lag."""
        if port == "velocity":
            return speeds(self.path)
        if port == "load" and self.active and self.overload is None:
            return Path(tuple(self._load_along(each) for each in self.path.segments))
        return self.path if port == "position" else None

    def steady(self, port: str) -> bool:
        return self.path.rests(self.now) and self._error() == 0.0

    def _arrived(self, place: float) -> bool:
        at_goal = self.active and self.target is not None and abs(self.target - place) <= NEAR
        at_rest = at_goal and self.path.segments[-1].start <= self.now
        return at_rest and abs(self._error()) <= self.params["window"]

    def _error(self) -> float:
        gain = self.params["gain"]
        return lag(self.path, gain, self.error, self.now) if gain and self.active else 0.0

    def _load_along(self, segment: Segment) -> Polynomial:
        """The load in percent: along a segment it changes with the speed alone."""
        acceleration = segment.acceleration if isinstance(segment, Polynomial) else 0.0
        load, speed = self.carried, segment.speed_at(segment.start)
        force = load.force(speed / self.SCALE, acceleration / self.SCALE)
        rise = load.resistance * acceleration / self.SCALE
        return Polynomial(segment.start, force / self.motor * 100, rise / self.motor * 100)

    def _force(self) -> float:
        """What the motor gives now, N or N.m."""
        if not self.active:
            return 0.0
        if self.overload is not None:
            goal = self._goal()
            return math.copysign(self.motor, (goal or 0.0) - self.path.at(self.now))
        segment = self.path.segment(self.now)
        acceleration = segment.acceleration if isinstance(segment, Polynomial) else 0.0
        return self.carried.force(self.path.speed_at(self.now) / self.SCALE, acceleration / self.SCALE)

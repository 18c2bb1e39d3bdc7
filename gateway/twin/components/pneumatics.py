"""Compressed air and what it moves: the supply, the rod of all pneumatic parts, the cylinder; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Component, Fault, Link, Param, Port, slow
from gateway.twin.envelope import Guided
from gateway.twin.motion import MILLISECOND, SECOND, Exponential, Path, Segment, ramp, still

# Shares of the nominal pressure.
SWITCH_OFF, SWITCH_ON = 0.6, 0.7  # hysteresis of the pressure switch
FORCE = 0.5  # below it nothing moves that needs air
LEAK = 0.55  # of a leaking unit: what it feeds still moves, and the switch tells


class AirSupply(Component):
    """Lost, the pressure decays exponentially; back, it rises with the same time constant."""

    ABOUT = "compressed air supply"
    PARAMS = (
        Param("pressure", "bar", 0.1, 20, 6, "nominal"),
        Param("decay", "ms", 1, 60_000, 150, "time constant"),
    )
    PORTS: ClassVar[tuple[Port, ...]] = (
        Port("ok", "sensor", about="pressure switch", optional=True),
        Port("pressure", "sensor", "real", "bar", optional=True),
    )
    FAULTS: ClassVar[tuple[Fault, ...]] = (Fault("lost", "the supply is cut off and the pressure decays"),)
    STATE: ClassVar[tuple[str, ...]] = ("pressure", "ok", "strong", "pending")

    def start(self) -> None:
        nominal = self.params["pressure"]
        self.pressure: Segment = still(self.now, self.share() * nominal)
        self.ok = self.strong = self.share() == 1
        self.pending: list[int] = []
        self._consumers: list[Callable[[], None]] = []

    def feeds(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` when ``strong`` changes."""
        self._consumers.append(changed)

    def share(self) -> float:
        """What the pressure goes to, as share of the nominal one."""
        return 0.0 if "lost" in self.faults else 1.0

    def fault_changed(self, fault: str, active: bool) -> None:
        self.settle()

    def settle(self) -> None:
        """The pressure goes elsewhere from now on: say when its switch and those it feeds will notice."""
        for handle in self.pending:
            self.cancel(handle)
        nominal, here = self.params["pressure"], self.pressure.at(self.now)
        target = self.share() * nominal
        self.pressure = Exponential(self.now, here, target, self.params["decay"] * MILLISECOND)
        rises = target > here
        edges = (("ok", SWITCH_ON if rises else SWITCH_OFF), ("strong", FORCE))
        self.pending = [
            self.at(due, what, rises)
            for what, share in edges
            if (due := self.pressure.reaches(share * nominal, self.now)) is not None
        ]

    def on(self, kind: str, argument: Any) -> None:
        if kind == "ok":
            self.ok = argument
        elif self.strong != argument:
            self.strong = argument
            for changed in self._consumers:
                changed()

    def sense(self, port: str) -> Scalar:
        return self.ok if port == "ok" else self.pressure.at(self.now)

    def curve(self, port: str) -> Path | None:
        return Path((self.pressure,))


class AirUnit(AirSupply):
    """A service unit with a soft-start valve: without it open, there is no air behind it."""

    ABOUT = "air service unit"
    PORTS = (Port("open", "actuator", about="main valve"), *AirSupply.PORTS)
    FAULTS = (
        *AirSupply.FAULTS,
        Fault("leak", "a hose has come off: the pressure falls to half and the switch says so"),
        Fault("valve-stuck", "the main valve does not open"),
    )
    STATE = (*AirSupply.STATE, "opened")

    def start(self) -> None:
        self.opened = False
        super().start()

    def drive(self, port: str, value: Scalar) -> None:
        if bool(value) != self.opened:
            self.opened = bool(value)
            self.settle()

    def share(self) -> float:
        if not self.opened or self.faults & {"lost", "valve-stuck"}:
            return 0.0
        return LEAK if "leak" in self.faults else 1.0


class Rod(Guided):
    """A rod between its rest (0) and its driven end (1): the part that pneumatic components share.

    Energised with air it goes to 1. Not energised it goes to 0: by its spring, or by air if it has none.
    Without air a spring takes it to 0, and a rod without spring stays where it is.
    """

    STATE: ClassVar[tuple[str, ...]] = ("energised", "rod", "pending")
    LEVELS: ClassVar[tuple[float, ...]] = ()  # where ``placed`` is to be called on the way, besides the ends
    DRIVEN: ClassVar[str] = ""  # the sensor at 1
    REST: ClassVar[str] = ""  # the sensor at 0

    def start(self) -> None:
        self.energised = False
        self.rod = Path((still(self.now, 0.0),))
        self.pending: list[int] = []
        if "air" in self.links:
            self.link("air", AirSupply).feeds(self.aim)
        self.placed()

    def drive(self, port: str, value: Scalar) -> None:
        self.energised = bool(value)
        self.aim()

    def fault_changed(self, fault: str, active: bool) -> None:
        self.aim()

    def on(self, kind: str, argument: Any) -> None:
        self.aim()

    def sense(self, port: str) -> Scalar:
        return self.rests(1.0 if port == self.DRIVEN else 0.0)

    def way(self) -> Path:
        return self.rod

    @property
    def place(self) -> float:
        """Where the rod is, 0 to 1."""
        return round(self.rod.at(self.now), 9)

    @property
    def goal(self) -> float:
        """Where the rod is going, or is."""
        return self.rod.segments[-1].value

    def rests(self, at: float) -> bool:
        """Whether the rod is at ``at`` and does not leave it."""
        last = self.rod.segments[-1]
        return last.value == at and last.start <= self.now

    def aim(self) -> None:
        """Something changed: start towards where the rod must go now, from where it is."""
        goal = self.target()
        if self.rests(goal):
            self.placed()
            return
        place = self.place
        took = self.stroke(goal > place) * self.slowness
        self.rod = ramp(self.now, place, goal, SECOND / took)
        for handle in self.pending:
            self.cancel(handle)
        due = [self.rod.reaches(level, self.now) for level in {*self.LEVELS, goal} if level != place]
        self.pending = [self.at(time, "reach") for time in due if time is not None]
        self.placed()

    def target(self) -> float:
        """Where the rod must go."""
        if "stuck" in self.faults:
            return self.place
        if "air" not in self.links or self.link("air", AirSupply).strong:
            return 1.0 if self.energised else 0.0
        return 0.0 if self.params.get("spring", 1.0) else self.place

    def stroke(self, driven: bool) -> float:
        """The time of the whole way to the driven end, or back, ns."""
        return self.params["travel"] * MILLISECOND

    def placed(self) -> None:
        """The rod has set out, or has come to one of its levels or ends."""


class Cylinder(Rod):
    """A cylinder, which can hold workpieces: a lift or a clamp.

    With ``holds``, the rod out of its rest grips the workpiece whose leading edge is within ``window`` of
    ``at``; if there is none, it bars the way.
    """

    ABOUT = "pneumatic cylinder"
    PARAMS: ClassVar[tuple[Param, ...]] = (
        Param("extend", "ms", 1, 60_000, about="time of the stroke out"),
        Param("retract", "ms", 1, 60_000, about="time of the stroke in"),
        Param("spring", "1", 0, 1, 1, "1: a spring takes it back; 0: it stays where it is without air"),
        Param("at", "mm", 0, 100_000, 0, "where it holds"),
        Param("window", "mm", 0, 1_000, 50, "how far beside it a workpiece may stand and be held"),
    )
    PORTS: ClassVar[tuple[Port, ...]] = (
        Port("extend", "actuator"),
        Port("extended", "sensor", about="end switch", optional=True),
        Port("retracted", "sensor", about="end switch", optional=True),
    )
    LINKS = (Link("air", AirSupply, optional=True), Link("holds", Carrier, optional=True))
    FAULTS = (
        Fault("stuck", "the rod keeps its place"),
        slow("strokes take"),
    )
    STATE: ClassVar[tuple[str, ...]] = (*Rod.STATE, "out", "extended")
    DRIVEN, REST = "extended", "retracted"

    def start(self) -> None:
        self.out = False
        self.extended = False
        self._subscribers: list[Callable[[], None]] = []
        super().start()

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when ``extended`` changes."""
        self._subscribers.append(callback)

    def stroke(self, driven: bool) -> float:
        return self.params["extend" if driven else "retract"] * MILLISECOND

    def placed(self) -> None:
        out = not self.rests(0.0)
        if out != self.out:
            self.out = out
            if "holds" in self.links:
                self._hold(self.link("holds", Carrier))
        extended = self.rests(1.0)
        if extended != self.extended:
            self.extended = extended
            for callback in self._subscribers:
                callback()

    def _hold(self, carrier: Carrier) -> None:
        if not self.out:
            carrier.let_go(self.name)
            carrier.unbar(self.name)
        elif not carrier.grip(self.name, self.params["at"], self.params["window"]):
            carrier.bar(self.name, self.params["at"])


class ValveCylinder(Cylinder):
    """A cylinder with two coils. ``centre`` 0: a 5/2 valve keeps its last position; 1: a 5/3 valve closes.

    Both coils at once change nothing on a 5/2 valve, and close a 5/3 valve.
    """

    ABOUT = "pneumatic cylinder, two coils"
    PARAMS = (
        *(param for param in Cylinder.PARAMS if param.name != "spring"),
        Param("centre", "1", 0, 1, 0, "0: 5/2 bistable; 1: 5/3, both sides closed in its centre"),
    )
    PORTS = (Port("extend", "actuator"), Port("retract", "actuator"), *Cylinder.PORTS[1:])
    STATE = (*Cylinder.STATE, "coils", "valve")

    def start(self) -> None:
        self.coils = {"extend": False, "retract": False}
        self.valve = 0.0  # where the air pushes
        super().start()

    def drive(self, port: str, value: Scalar) -> None:
        self.coils[port] = bool(value)
        if self.coils["extend"] != self.coils["retract"]:
            self.valve = float(self.coils["extend"])
        self.aim()

    def target(self) -> float:
        closed = self.params["centre"] > 0 and self.coils["extend"] == self.coils["retract"]
        if (
            "stuck" in self.faults
            or closed
            or not ("air" not in self.links or self.link("air", AirSupply).strong)
        ):
            return self.place
        return self.valve

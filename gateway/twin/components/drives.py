"""Linear and rotary axes: a drive's parameters and signals in their units, and what it moves; pure."""

from __future__ import annotations

import math

from gateway.twin.component import Param, Port
from gateway.twin.components.drive import Drive
from gateway.twin.dynamics import Load


def ports(unit: str) -> tuple[Port, ...]:
    """The signals of a drive whose axis moves in ``unit``."""
    return (
        Port("enable", "actuator", about="power to the motor, brake off"),
        Port("target", "actuator", "real", unit),
        Port(
            "start", "actuator", about="rising: take the target (unless it is taken directly)", optional=True
        ),
        Port("home", "actuator", about="rising: find the reference", optional=True),
        Port("forward", "actuator", about="jog", optional=True),
        Port("backward", "actuator", about="jog", optional=True),
        Port("reset", "actuator", about="rising: acknowledge the drive's fault", optional=True),
        Port("position", "sensor", "real", unit, optional=True),
        Port("velocity", "sensor", "real", f"{unit}/s", optional=True),
        Port("load", "sensor", "real", "%", "of the motor's rated force", optional=True),
        Port("following", "sensor", "real", unit, "following error", optional=True),
        Port("in-position", "sensor", about="at its target, and enabled", optional=True),
        Port("referenced", "sensor", optional=True),
        Port("ready", "sensor", about="powered, no fault", optional=True),
        Port("fault", "sensor", about="the drive has tripped", optional=True),
        Port("at-low", "sensor", about="end switch", optional=True),
        Port("at-high", "sensor", about="end switch", optional=True),
    )


def shared(unit: str, force: str) -> tuple[Param, ...]:
    """The parameters of a drive whose axis moves in ``unit`` and whose motor gives ``force``."""
    return (
        Param("speed", f"{unit}/s", 0.1, 100_000),
        Param("acceleration", f"{unit}/s2", 1, 1_000_000, about="at most; the motor may be short of it"),
        Param("low", unit, -100_000, 100_000, 0),
        Param("high", unit, -100_000, 100_000),
        Param("creep", f"{unit}/s", 0.1, 10_000, 50, "of jogs and of finding the reference"),
        Param("friction", force, 0, 100_000, 0),
        Param("brake", force, 0, 1_000_000, 0, "what the brake holds; 0: there is none"),
        Param("gain", "/s", 0, 1_000, 0, "of the position controller; 0: it follows without error"),
        Param("window", unit, 0.0001, 100, 0.05, "following error that counts as in position"),
        Param("patience", "ms", 1, 60_000, 500, "how long the motor may push in vain"),
        Param("direct", "1", 0, 1, 1, "1: a new target is taken at once; 0: with start"),
        Param("absolute", "1", 0, 1, 1, "1: the encoder keeps its reference; 0: it must be found"),
    )


class LinearAxis(Drive):
    """A straight axis; ``tilt`` 90 deg makes it vertical, forwards being up."""

    ABOUT = "linear axis with drive"
    SCALE = 1000.0
    PARAMS = (
        *shared("mm", "N"),
        Param("mass", "kg", 0.001, 100_000, 10, "moved by the motor"),
        Param("piece", "kg", 0, 10_000, 0, "of a workpiece on what it carries"),
        Param("force", "N", 0.01, 1_000_000, 500, "rated, of the motor"),
        Param("resistance", "N.s/m", 0, 100_000, 0),
        Param("tilt", "deg", -90, 90, 0),
    )
    PORTS = ports("mm")

    def load(self, pieces: int) -> Load:
        p = self.params
        tilt = math.radians(p["tilt"])
        return Load(p["mass"] + pieces * p["piece"], p["friction"], p["resistance"], tilt)

    @property
    def motor(self) -> float:
        return self.params["force"]


class RotaryAxis(Drive):
    """A turning axis, balanced: gravity does not turn it."""

    ABOUT = "rotary axis with drive"
    SCALE = 180 / math.pi
    PARAMS = (
        *shared("deg", "N.m"),
        Param("inertia", "kg.m2", 0.000_001, 100_000, 0.1, "turned by the motor"),
        Param("piece", "kg.m2", 0, 10_000, 0, "of a workpiece on what it carries"),
        Param("torque", "N.m", 0.001, 1_000_000, 20, "rated, of the motor"),
        Param("resistance", "N.m.s/rad", 0, 100_000, 0),
    )
    PORTS = ports("deg")

    def load(self, pieces: int) -> Load:
        p = self.params
        return Load(p["inertia"] + pieces * p["piece"], p["friction"], p["resistance"])

    @property
    def motor(self) -> float:
        return self.params["torque"]

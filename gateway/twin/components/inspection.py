"""Inspection: what looks at a workpiece for a while, then says a value and whether it is good; pure."""

from __future__ import annotations

from typing import Any, ClassVar

from gateway.field.types import Scalar
from gateway.twin.component import Fault, Param, Port, Word
from gateway.twin.components.process import AT, ON, SUPPLIES, Process
from gateway.twin.motion import MILLISECOND, Exponential, Path, Segment, still
from gateway.twin.workpiece import Workpiece


def limits(unit: str) -> tuple[Param, ...]:
    """What counts as good, in ``unit``."""
    return (
        Param("low", unit, -1e9, 1e9, about="lowest good value"),
        Param("high", unit, -1e9, 1e9, about="highest good value"),
        Param("missing", unit, -1e9, 1e9, 0, "value of a workpiece that does not have the property"),
        Param("noise", unit, 0, 1e9, 0, "standard deviation of a measurement"),
    )


def tester_ports(unit: str) -> tuple[Port, ...]:
    """The signals of what is triggered and answers, with a value in ``unit``."""
    return (
        Port("trigger", "actuator", about="rising: look"),
        Port("busy", "sensor", optional=True),
        Port("done", "sensor", about="there is a result, until the trigger goes off"),
        Port("good", "sensor", about="the result is good", sees=True),
        Port("value", "sensor", "real", unit, "last measured", optional=True, sees=True),
    )


TESTER_FAULTS = (
    Fault("dead", "it does not answer"),
    Fault("misjudges", "it finds everything bad"),
    Fault("blind", "it finds everything good"),
)


def property_of(workpiece: Workpiece, key: str, missing: float) -> float:
    """The number ``key`` of what was done to ``workpiece`` or a part of it, else of what was measured."""
    for each in (workpiece, *workpiece.parts):
        for found in (each.done, each.measured):
            if key in found:
                return float(found[key])
    return missing


class Tester(Process):
    """Triggered, it is busy for ``time`` and then shows the property ``looks-at`` of what it looks at.

    The workpiece need not be held. Good is a value between ``low`` and ``high``; the workpiece gets it as
    measured, under ``result`` (else under the property's own name).
    """

    UNIT: ClassVar[str] = "1"
    WORDS = (
        Word("looks-at", "quality", "property of the workpiece"),
        Word("result", "", "what it is measured as"),
    )
    LINKS = (ON, *SUPPLIES)
    FAULTS = TESTER_FAULTS
    STATE = ("triggered", "busy", "done", "good", "value", "pending")

    def start(self) -> None:
        self.triggered = False
        self.busy = False
        self.done = False
        self.good = False
        self.value = 0.0
        self.pending: int | None = None
        self.begin()

    def drive(self, port: str, value: Scalar) -> None:
        rising, self.triggered = bool(value) and not self.triggered, bool(value)
        if not self.triggered:
            self.done = self.good = False
            self._stop()
        elif rising and self.supplied and "dead" not in self.faults:
            self.busy = True
            self.pending = self.after(self.lasts("time"), "seen")

    def changed(self) -> None:
        if self.busy and (not self.supplied or "dead" in self.faults):
            self._stop()

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self.busy, self.done = False, True
        seen = self._carrier.covering(self.params["at"])
        if seen is None:
            self.good, self.value = "blind" in self.faults, self.params["missing"]
            return
        noise = self.surroundings.random(self.name).normal(0.0, self.params["noise"])
        self.value = self.measure(seen) + noise
        within = self.params["low"] <= self.value <= self.params["high"]
        self.good = (within or "blind" in self.faults) and "misjudges" not in self.faults
        key = self.words["result"] or self.words["looks-at"]
        self._carrier.replace(seen.with_measured(**{key: round(self.value, 4), f"{key}_good": self.good}))

    def measure(self, workpiece: Workpiece) -> float:
        """The value of ``workpiece``, without noise."""
        return property_of(workpiece, self.words["looks-at"], self.params["missing"])

    def sense(self, port: str) -> Scalar:
        return {"busy": self.busy, "done": self.done, "good": self.good, "value": self.value}[port]

    def _stop(self) -> None:
        self.busy = False
        self.cancel(self.pending)
        self.pending = None


class Camera(Tester):
    """A camera: 1 for a property that is there, or its number."""

    ABOUT = "inspection camera"
    PARAMS = (AT, Param("time", "ms", 1, 60_000, 120, "from trigger to result", drawn=True), *limits("1"))
    PORTS = tester_ports("1")


class ElectricalTester(Tester):
    """Contacts the workpiece and measures a resistance; what it looks at is in Ohm."""

    ABOUT = "electrical tester"
    PARAMS = (AT, Param("time", "ms", 1, 600_000, 800, "from trigger to result", drawn=True), *limits("Ohm"))
    PORTS = tester_ports("Ohm")


class FunctionTester(Tester):
    """Runs a workpiece through its functions; it passes if what was done to it is within the limits."""

    ABOUT = "function tester"
    PARAMS = (
        AT,
        Param("time", "ms", 1, 3_600_000, 3_000, "from trigger to result", drawn=True),
        *limits("1"),
    )
    PORTS = tester_ports("1")


class Gauge(Process):
    """A displacement gauge: shows the property while a workpiece is before it, with a lag; else ``rest``."""

    ABOUT = "gauge"
    PARAMS: ClassVar[tuple[Param, ...]] = (
        AT,
        Param("lag", "ms", 1, 10_000, 30, "time constant"),
        Param("rest", "mm", -1_000, 1_000, 0, "shown with nothing before it"),
        Param("missing", "mm", -1_000, 1_000, 0, "shown for a workpiece without the property"),
    )
    WORDS: ClassVar[tuple[Word, ...]] = (Word("looks-at", "size", "property of the workpiece, mm"),)
    PORTS = (Port("value", "sensor", "real", "mm", sees=True),)
    LINKS = (ON, *SUPPLIES)
    FAULTS = (Fault("worn", "the tip is worn: it shows 0.1 mm less"),)
    STATE = ("shown",)

    def start(self) -> None:
        self.shown: Segment = still(self.now, self.params["rest"])
        self.begin()
        self._carrier.watch(self.params["at"], self.changed)

    def changed(self) -> None:
        seen = self._carrier.covering(self.params["at"])
        value = self.params["rest"] if seen is None else self.reading(seen)
        if value != (self.shown.target if isinstance(self.shown, Exponential) else self.shown.value):
            lag = self.params["lag"] * MILLISECOND
            self.shown = Exponential(self.now, self.shown.at(self.now), value, lag)

    def reading(self, workpiece: Workpiece) -> float:
        """What it settles to."""
        value = property_of(workpiece, self.words["looks-at"], self.params["missing"])
        return value - (0.1 if "worn" in self.faults else 0.0)

    def sense(self, port: str) -> Scalar:
        return self.shown.at(self.now)

    def curve(self, port: str) -> Path | None:
        return Path((self.shown,))


class Weigher(Gauge):
    """A load cell: the workpiece's own mass, and that of each part assembled into it."""

    ABOUT = "weigher"
    PARAMS = (
        AT,
        Param("lag", "ms", 1, 10_000, 80, "time constant"),
        Param("mass", "g", 0, 1_000_000, 100, "of a workpiece"),
        Param("part", "g", 0, 1_000_000, 0, "of each part in it"),
        Param("rest", "g", -1_000, 1_000_000, 0, "tare"),
    )
    WORDS = ()
    PORTS = (Port("value", "sensor", "real", "g", sees=True),)
    FAULTS = (Fault("worn", "a support rubs: it shows a tenth less"),)

    def reading(self, workpiece: Workpiece) -> float:
        mass = self.params["mass"] + self.params["part"] * len(workpiece.parts)
        return self.params["rest"] + mass * (0.9 if "worn" in self.faults else 1.0)

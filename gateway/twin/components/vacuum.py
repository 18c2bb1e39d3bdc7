"""Vacuum: an ejector with its cups, whose vacuum shows whether it has hold of something; pure."""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.component import Fault, Param, Port
from gateway.twin.components.process import AT, ON, SUPPLIES, Process
from gateway.twin.motion import MILLISECOND, Exponential, Path, Segment, still

OPEN = 0.15  # share of the vacuum with nothing on the cups
RELEASE = 20 * MILLISECOND  # time constant with which the cups blow off, and with which they leak without air


class Ejector(Process):
    """Sucking with air, the vacuum builds up on a workpiece before the cups, and hardly at all on none.

    ``reached`` switches at ``threshold`` and drops out a fifth below it. What it has hold of is held on its
    carrier; without air it lets go.
    """

    ABOUT = "vacuum ejector with cups"
    PARAMS = (
        AT,
        Param("window", "mm", 0, 1_000, 50, "how far beside it a workpiece may stand and be held"),
        Param("vacuum", "kPa", 1, 100, 80, "on a workpiece, in the end"),
        Param("lag", "ms", 1, 10_000, 60, "time constant"),
        Param("threshold", "kPa", 1, 100, 55, "of the switch"),
    )
    PORTS = (
        Port("suck", "actuator"),
        Port("blow", "actuator", about="blow off", optional=True),
        Port("reached", "sensor", about="vacuum switch", sees=True),
        Port("vacuum", "sensor", "real", "kPa", optional=True, low=0, high=100, sees=True),
    )
    LINKS = (ON, *SUPPLIES)
    FAULTS = (
        Fault("leak", "a cup is torn: the vacuum comes to a third"),
        Fault("clogged", "the ejector is clogged: no vacuum builds up"),
    )
    STATE = ("inputs", "level", "reached", "holds", "pending")

    def start(self) -> None:
        self.inputs = {"suck": False, "blow": False}
        self.level: Segment = still(self.now, 0.0)
        self.reached = False
        self.holds = False
        self.pending: int | None = None
        self.begin()
        self._carrier.watch(self.params["at"], self.changed)

    def drive(self, port: str, value: Scalar) -> None:
        self.inputs[port] = bool(value)
        self.changed()

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self.reached = argument
        self._grip()

    def sense(self, port: str) -> Scalar:
        return self.reached if port == "reached" else self.level.at(self.now)

    def curve(self, port: str) -> Path | None:
        return Path((self.level,))

    def _goal(self) -> float:
        sucks = self.inputs["suck"] and not self.inputs["blow"] and self.supplied
        if not sucks or "clogged" in self.faults:
            return 0.0
        sealed = self._carrier.covering(self.params["at"]) is not None
        torn = 1 / 3 if "leak" in self.faults else 1.0
        return self.params["vacuum"] * (torn if sealed else OPEN * torn)

    def changed(self) -> None:
        """Follow the new goal; schedule when the switch will change."""
        goal = self._goal()
        if goal == (self.level.target if isinstance(self.level, Exponential) else self.level.value):
            return
        here = self.level.at(self.now)
        lag = self.params["lag"] * MILLISECOND if goal > here else RELEASE
        self.level = Exponential(self.now, here, goal, lag)
        threshold = self.params["threshold"] * (1.0 if goal > here else 0.8)
        self.cancel(self.pending)
        due = self.level.reaches(threshold, self.now) if self.reached != (goal > threshold) else None
        self.pending = None if due is None else self.at(due, "switch", goal > here)

    def _grip(self) -> None:
        if self.reached and not self.holds:
            self.holds = self._carrier.grip(self.name, self.params["at"], self.params["window"])
        elif not self.reached and self.holds:
            self.holds = False
            self._carrier.let_go(self.name)

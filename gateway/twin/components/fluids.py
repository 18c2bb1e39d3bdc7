"""Pumps and fans: a flow and a pressure that follow what drives them; pure.

Affinity laws: flow goes with the speed, pressure with its square.
"""

from __future__ import annotations

from typing import Any, ClassVar

from gateway.field.types import Scalar
from gateway.twin.component import Component, Fault, Link, Param, Port
from gateway.twin.components.electrics import Machine
from gateway.twin.motion import Path, scaled, squared

NEAR = 1e-9


class Flow(Component):
    """Base: ``driven-by`` turns it; its switch is made at ``switch`` of the rated flow or more."""

    LINKS = (Link("driven-by", Machine),)
    FAULTS = (
        Fault("blocked", "filter or valve is blocked: no flow"),
        Fault("leak", "half of the flow goes elsewhere"),
    )
    STATE: ClassVar[tuple[str, ...]] = ("pending",)

    def start(self) -> None:
        self.pending: int | None = None
        self._machine = self.link("driven-by", Machine)
        self._machine.subscribe(self._expect)

    def fault_changed(self, fault: str, active: bool) -> None:
        self._expect()

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self._expect()

    @property
    def passing(self) -> float:
        """How much of what is driven comes through."""
        return 0.0 if "blocked" in self.faults else 0.5 if "leak" in self.faults else 1.0

    def share(self, at: int) -> float:
        """Of the rated flow, at the instant ``at``."""
        return self._machine.turning.at(at) * self.passing

    def course(self) -> Path:
        """Of the share, from now on."""
        return scaled(self._machine.turning, self.passing)

    def flows(self) -> bool:
        """The flow switch is made."""
        return self.share(self.now) >= self.params["switch"] - NEAR

    def _expect(self) -> None:
        """An edge of the switch is an instant of its own."""
        self.cancel(self.pending)
        part = 0.5 if "leak" in self.faults else 1.0
        level, path = self.params["switch"] / part, self._machine.turning
        due = path.reaches(level, self.now + 1)
        ahead = due is not None and abs(path.at(self.now) - level) > NEAR
        self.pending = self.at(due + 1, "edge") if due is not None and ahead else None


class Pump(Flow):
    """A pump: flow and pressure."""

    ABOUT = "pump"
    PARAMS = (
        Param("flow", "L/min", 0.001, 100_000, 20, "rated"),
        Param("pressure", "bar", 0.001, 1_000, 3, "rated"),
        Param("switch", "1", 0.01, 1, 0.6, "share of the rated flow at which the flow switch is made"),
    )
    PORTS = (
        Port("flowing", "sensor", about="flow switch"),
        Port("flow", "sensor", "real", "L/min", optional=True),
        Port("pressure", "sensor", "real", "bar", optional=True),
    )

    def sense(self, port: str) -> Scalar:
        if port == "flowing":
            return self.flows()
        if port == "flow":
            return self.params["flow"] * self.share(self.now)
        return self.params["pressure"] * self._machine.turning.at(self.now) ** 2

    def curve(self, port: str) -> Path | None:
        if port == "flow":
            return scaled(self.course(), self.params["flow"])
        return scaled(squared(self._machine.turning), self.params["pressure"])


class Fan(Flow):
    """A fan: pressure difference and its switch."""

    ABOUT = "fan"
    PARAMS = (
        Param("pressure", "Pa", 0.1, 100_000, 400, "rated difference"),
        Param("switch", "1", 0.01, 1, 0.6, "share of the rated flow at which its switch is made"),
    )
    PORTS = (
        Port("flowing", "sensor", about="differential pressure switch"),
        Port("pressure", "sensor", "real", "Pa", optional=True),
    )

    def sense(self, port: str) -> Scalar:
        share = self.share(self.now)
        return self.flows() if port == "flowing" else self.params["pressure"] * share**2

    def curve(self, port: str) -> Path | None:
        return scaled(squared(self.course()), self.params["pressure"])

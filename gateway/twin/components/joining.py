"""The screwdriver: torque over time while it is pressed onto a workpiece and runs; pure."""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Component, Fault, Link, Param, Port
from gateway.twin.components.pneumatics import Cylinder
from gateway.twin.motion import MILLISECOND, SECOND, Exponential, Path, Polynomial, still

IDLE, RUN_IN, STALL = 0.02, 0.15, 1.6  # shares of the final torque
DECAY = 20 * MILLISECOND  # of the torque when it is let off, time constant


class Screwdriver(Component):
    """Running, pressed on and over a held workpiece, it drives a screw: run-in, rise, final torque held.

    Done ``screw_torque`` in N.m. Let off, or not engaged, the torque decays to that of idling or nothing.
    """

    ABOUT = "screwdriver"
    PARAMS = (
        Param("at", "mm", 0, 100_000),
        Param("run-in", "ms", 0, 60_000, 250, "at low torque"),
        Param("rise", "ms", 1, 60_000, 150, "from low to final torque"),
        Param("torque", "N.m", 0.01, 1_000, about="final"),
    )
    PORTS = (Port("run", "actuator"), Port("torque", "sensor", "real", "N.m"))
    LINKS = (Link("press", Cylinder), Link("on", Carrier))
    FAULTS = (
        Fault("stripped", "the thread is stripped: the torque never rises"),
        Fault("jam", "the screw jams at once: the torque jumps to 1.6 times the final one"),
    )
    STATE = ("running", "engaged", "curve", "pending")

    def start(self) -> None:
        self.running = False
        self.engaged = ""  # the workpiece it drives a screw into
        self.curve = Path((still(self.now, 0.0),))
        self.pending: int | None = None
        self._press, self._belt = self.link("press", Cylinder), self.link("on", Carrier)
        self._press.subscribe(self._changed)
        self._belt.subscribe(self._changed)

    def drive(self, port: str, value: Scalar) -> None:
        was, self.running = self.running, bool(value)
        if was != self.running:
            self._changed(afresh=True)

    def fault_changed(self, fault: str, active: bool) -> None:
        self._changed(afresh=True)

    def sense(self, port: str) -> Scalar:
        return self.curve.at(self.now)

    def on(self, kind: str, argument: Any) -> None:
        """The final torque is reached."""
        self.pending = None
        torque = self.params["torque"]
        workpiece = next(each for each in self._belt.contents() if each.id == self.engaged)
        self._belt.replace(workpiece.with_done(screw_torque=torque))
        self.tell("worked", self.engaged, f"torque={torque:g}N.m")

    def _changed(self, afresh: bool = False) -> None:
        """Take up a new curve if what it works on has changed, or ``afresh``."""
        below = self._belt.held(self.params["at"])
        pressed = self.running and self._press.extended
        engaged = below.id if pressed and below is not None else ""
        if engaged == self.engaged and not afresh:
            return
        self.engaged = engaged
        self.cancel(self.pending)
        self.pending = None
        final, here = self.params["torque"], self.curve.at(self.now)
        if not engaged:
            target = IDLE * final if self.running else 0.0
            self.curve = Path((Exponential(self.now, here, target, DECAY),))
        elif "jam" in self.faults:
            self.curve = Path((still(self.now, STALL * final),))
        elif "stripped" in self.faults:
            self.curve = Path((still(self.now, RUN_IN * final),))
        else:
            rises = self.now + round(self.params["run-in"] * MILLISECOND)
            ends = rises + round(self.params["rise"] * MILLISECOND)
            slope = (1 - RUN_IN) * final * SECOND / (ends - rises)
            low = RUN_IN * final
            self.curve = Path((still(self.now, low), Polynomial(rises, low, slope), still(ends, final)))
            self.pending = self.at(ends, "final")

"""The screwdriver: torque over time while it is pressed onto a workpiece and runs; pure."""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.component import Fault, Link, Param, Port, Word
from gateway.twin.components.pneumatics import Cylinder
from gateway.twin.components.process import ON, Process
from gateway.twin.motion import MILLISECOND, SECOND, Exponential, Path, Polynomial, still

IDLE, RUN_IN, STALL = 0.02, 0.15, 1.6  # shares of the final torque
DECAY = 20 * MILLISECOND  # of the torque when it is let off, time constant


class Screwdriver(Process):
    """Running, pressed on and over a held workpiece, it drives a screw: run-in, rise, final torque held.

    It leaves ``<result>_torque`` in N.m. Let off, or not engaged, the torque decays to that of idling or
    nothing.
    """

    ABOUT = "screwdriver"
    PARAMS = (
        Param("at", "mm", 0, 100_000),
        Param("run-in", "ms", 0, 60_000, 250, "at low torque"),
        Param("rise", "ms", 1, 60_000, 150, "from low to final torque"),
        Param("torque", "N.m", 0.01, 1_000, about="final"),
    )
    WORDS = (Word("result", "screw", "what it leaves: <result>_torque"),)
    PORTS = (
        Port("run", "actuator"),
        Port("torque", "sensor", "real", "N.m", sees=True),
        Port(
            "ok", "sensor", about="the final torque is reached, until it is let off", optional=True, sees=True
        ),
    )
    LINKS = (ON, Link("press", Cylinder))
    FAULTS = (
        Fault("stripped", "the thread is stripped: the torque never rises"),
        Fault("jam", "the screw jams at once: the torque jumps to 1.6 times the final one"),
    )
    STATE = ("running", "engaged", "torque", "tight", "pending")

    def start(self) -> None:
        self.running = False
        self.engaged = ""  # the workpiece it drives a screw into
        self.torque = Path((still(self.now, 0.0),))
        self.tight = False
        self.pending: int | None = None
        self._press = self.link("press", Cylinder)
        self._press.subscribe(self.changed)
        self.begin()

    def drive(self, port: str, value: Scalar) -> None:
        was, self.running = self.running, bool(value)
        if was != self.running:
            self._take_up()

    def fault_changed(self, fault: str, active: bool) -> None:
        self._take_up()

    def sense(self, port: str) -> Scalar:
        return self.tight if port == "ok" else self.torque.at(self.now)

    def curve(self, port: str) -> Path | None:
        return self.torque

    def on(self, kind: str, argument: Any) -> None:
        """The final torque is reached."""
        self.pending = None
        self.tight = True
        torque = self.params["torque"]
        self.leave(self.engaged, f"torque={torque:g}N.m", **{f"{self.words['result']}_torque": torque})

    def changed(self) -> None:
        if self._under() != self.engaged:
            self._take_up()

    def _under(self) -> str:
        return self.below_id() if self.running and self._press.extended else ""

    def _take_up(self) -> None:
        """Begin the curve that fits what it works on now."""
        self.engaged, self.tight = self._under(), False
        self.cancel(self.pending)
        self.pending = None
        final, here = self.params["torque"], self.torque.at(self.now)
        if not self.engaged:
            target = IDLE * final if self.running else 0.0
            self.torque = Path((Exponential(self.now, here, target, DECAY),))
        elif "jam" in self.faults:
            self.torque = Path((still(self.now, STALL * final),))
        elif "stripped" in self.faults:
            self.torque = Path((still(self.now, RUN_IN * final),))
        else:
            rises = self.now + round(self.params["run-in"] * MILLISECOND)
            ends = rises + round(self.params["rise"] * MILLISECOND)
            slope = (1 - RUN_IN) * final * SECOND / (ends - rises)
            low = RUN_IN * final
            self.torque = Path((still(self.now, low), Polynomial(rises, low, slope), still(ends, final)))
            self.pending = self.at(ends, "final")

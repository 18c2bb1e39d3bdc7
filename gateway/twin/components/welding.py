"""Welding: a laser's energy over time, and the Joule heat and nugget of a resistance weld; pure.

A resistance weld heats by Q = integral of I² R dt while the contact resistance falls from its first to its
last value; the nugget is the disc of sheet that the effective share of Q melts:
d = sqrt(4 eta Q / (pi t rho (c dT + L))), with the properties of steel. Zhang and Senkara, Resistance
Welding, chapter 2.
"""

from __future__ import annotations

import math
from typing import Any

from gateway.field.types import Scalar
from gateway.twin.component import Fault, Link, Param, Port, Word
from gateway.twin.components.axes import Mover
from gateway.twin.components.process import AT, ON, SUPPLIES, Process
from gateway.twin.motion import MILLISECOND, SECOND, Exponential, Path, Segment, integral, still

DIRTY, AGED = 0.5, 0.7  # shares of the power behind a dirty lens, and of aged diodes
MELT = 7.85e-6 * (0.55 * 1_500 + 250) * 1000  # J/mm3: steel, from 20 Cel to molten: rho (c dT + L)


def nugget(energy: float, thickness: float, efficiency: float) -> float:
    """Diameter in mm of what ``efficiency`` of ``energy`` J melts through ``thickness`` mm of sheets."""
    return math.sqrt(4 * efficiency * max(energy, 0.0) / (math.pi * thickness * MELT))


class LaserSource(Process):
    """Fired over a held workpiece, it gives it energy: set share of the rated power, with a short lag.

    It leaves ``<result>_energy`` (J) and, with an axis that moves the spot, ``<result>_seam`` (mm welded).
    """

    ABOUT = "laser source"
    PARAMS = (
        AT,
        Param("rated", "W", 0.1, 100_000, about="power"),
        Param("lag", "ms", 0.01, 10_000, 5, "time constant of the power"),
        Param("depth", "1", 0, 1, 0, "smallest share of the rated power that makes a seam"),
    )
    WORDS = (Word("result", "weld", "what it leaves: <result>_energy and <result>_seam"),)
    PORTS = (
        Port("fire", "actuator"),
        Port("power", "actuator", "real", "%", "setpoint; full until it is driven", True, 0, 100),
        Port("ready", "sensor", about="supplied, cooled, no fault", optional=True),
        Port("emitting", "sensor", about="shutter open, light on", optional=True),
        Port("output", "sensor", "real", "W", "measured behind the source", optional=True),
        Port("energy", "sensor", "real", "J", "of this workpiece", optional=True, sees=True),
    )
    LINKS = (ON, *SUPPLIES, Link("axis", Mover, optional=True))
    FAULTS = (
        Fault("failed", "it has failed: nothing comes out, and it is not ready"),
        Fault("dirty-lens", "half of the light reaches the workpiece; the output shows all of it"),
        Fault("aged", "the output comes to 70 %"),
    )
    STATE = ("fired", "share", "output", "since", "part", "energy", "seam", "counted")

    def start(self) -> None:
        self.fired = False
        self.share = 1.0
        self.output: Segment = still(self.now, 0.0)
        self.since = self.now  # up to when the energy is counted
        self.part = ""
        self.energy, self.seam, self.counted = 0.0, 0.0, 0.0
        self.begin()

    def drive(self, port: str, value: Scalar) -> None:
        if port == "fire":
            self.fired = bool(value)
        else:
            self.share = min(max(float(value) / 100, 0.0), 1.0)
        self.changed()

    def sense(self, port: str) -> Scalar:
        if port == "ready":
            return self.ready
        if port == "emitting":
            return self.fired and self.ready
        return self.output.at(self.now) if port == "output" else self._energy()

    def curve(self, port: str) -> Path | None:
        return Path((self.output,)) if port == "output" else None

    def steady(self, port: str) -> bool:
        if port == "energy" and self.part and self.output.at(self.now):
            return False
        return super().steady(port)

    @property
    def ready(self) -> bool:
        """It would fire."""
        return self.supplied and "failed" not in self.faults

    def _energy(self) -> float:
        lens = DIRTY if "dirty-lens" in self.faults else 1.0
        gained = integral(self.output, self.since, self.now) * lens if self.part else 0.0
        return self.energy + gained

    def changed(self) -> None:
        emitting = self.fired and self.ready
        before = self._energy()
        self._measure_seam()
        self.energy, self.since = before, self.now
        aged = AGED if "aged" in self.faults else 1.0
        goal = self.share * aged * self.params["rated"] if emitting else 0.0
        lag = self.params["lag"] * MILLISECOND
        self.output = Exponential(self.now, self.output.at(self.now), goal, lag)
        part = self.below_id() if emitting else ""
        if part != self.part:
            self._finish()
            self.part, self.energy, self.seam = part, 0.0, 0.0

    def _measure_seam(self) -> None:
        if "axis" not in self.links:
            return
        odometer = self.link("axis", Mover).odometer()
        if self.part and self.share >= self.params["depth"] and not self.faults & {"dirty-lens", "aged"}:
            self.seam += odometer - self.counted
        self.counted = odometer

    def _finish(self) -> None:
        if self.part and self.energy:
            result = self.words["result"]
            found: dict[str, Scalar] = {f"{result}_energy": round(self.energy, 2)}
            if "axis" in self.links:
                found[f"{result}_seam"] = round(self.seam, 2)
            self.leave(self.part, f"energy={self.energy:.2f}J", **found)


class ResistanceWelder(Process):
    """A weld timer: started over a held workpiece it lets the current flow for ``time``, then it is done.

    It leaves ``<result>_energy`` (J) and ``<result>_nugget`` (mm).
    """

    ABOUT = "resistance welder"
    PARAMS = (
        AT,
        Param("current", "A", 1, 100_000, 8_000),
        Param("time", "ms", 1, 10_000, 200),
        Param("first", "mOhm", 0.001, 1_000, 0.2, "contact resistance at the beginning"),
        Param("last", "mOhm", 0.001, 1_000, 0.1, "contact resistance in the end"),
        Param("fall", "ms", 0.1, 10_000, 40, "time constant with which it falls"),
        Param("thickness", "mm", 0.01, 50, 2, "of both sheets"),
        Param("efficiency", "1", 0.01, 1, 0.4, "share of the heat that melts"),
    )
    WORDS = (Word("result", "weld", "what it leaves: <result>_energy and <result>_nugget"),)
    PORTS = (
        Port("start", "actuator"),
        Port("ready", "sensor", about="supplied, no fault", optional=True, sees=True),
        Port("done", "sensor", about="the weld time is over, until start goes off", optional=True, sees=True),
        Port("fault", "sensor", about="the current did not flow", optional=True, sees=True),
        Port("current", "sensor", "real", "A", optional=True, sees=True),
        Port("energy", "sensor", "real", "J", "of the last weld", optional=True, sees=True),
    )
    LINKS = (ON, *SUPPLIES)
    FAULTS = (
        Fault("no-current", "no current flows: the weld timer reports a fault"),
        Fault("worn-tips", "the electrodes have spread: 80 % of the current reach the weld"),
        Fault("expulsion", "metal sprays out: the nugget comes to half"),
    )
    STATE = ("started", "since", "part", "energy", "done", "failed", "pending")

    def start(self) -> None:
        self.started = False
        self.since: int | None = None  # when the current began to flow
        self.part = ""
        self.energy = 0.0
        self.done = False
        self.failed = False
        self.pending: int | None = None
        self.begin()

    def drive(self, port: str, value: Scalar) -> None:
        rising, self.started = bool(value) and not self.started, bool(value)
        if not self.started:
            self._stop()
            self.done = self.failed = False
        elif rising and self.ready:
            self._begin()

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self._stop()
        self.done = not self.failed
        if self.part and self.done:
            size = nugget(self.energy, self.params["thickness"], self.params["efficiency"])
            size *= 0.5 if "expulsion" in self.faults else 1.0
            result = self.words["result"]
            found = {f"{result}_energy": round(self.energy, 1), f"{result}_nugget": round(size, 2)}
            self.leave(self.part, f"energy={self.energy:.1f}J nugget={size:.2f}mm", **found)

    def sense(self, port: str) -> Scalar:
        if port == "current":
            return 0.0 if self.since is None else self._current()
        if port == "energy":
            return self._heat()
        return {"ready": self.ready, "done": self.done, "fault": self.failed}[port]

    def steady(self, port: str) -> bool:
        return port == "current" or self.since is None

    @property
    def ready(self) -> bool:
        """It would weld."""
        return self.supplied and not self.failed

    def changed(self) -> None:
        if self.since is not None and (not self.supplied or self.below_id() != self.part):
            self._stop()

    def _begin(self) -> None:
        self.part, self.energy = self.below_id(), 0.0
        if "no-current" in self.faults or not self.part:  # nothing between the electrodes
            self.failed = True
            return
        self.since = self.now
        self.pending = self.after(round(self.params["time"] * MILLISECOND), "welded")

    def _stop(self) -> None:
        self.energy = self._heat()
        self.since = None
        self.cancel(self.pending)
        self.pending = None

    def _current(self) -> float:
        return self.params["current"] * (0.8 if "worn-tips" in self.faults else 1.0)

    def _heat(self) -> float:
        """The heat of this weld so far, J: I² times the integral of the falling resistance."""
        if self.since is None:
            return self.energy
        first, last, tau = self.params["first"], self.params["last"], self.params["fall"] / 1000
        seconds = (self.now - self.since) / SECOND
        ohms = last * seconds + (first - last) * tau * (1 - math.exp(-seconds / tau))
        return self._current() ** 2 * ohms / 1000

"""The leak tester: fills, lets settle, and measures the pressure that is lost; pure.

Pressure decay: with volume V and leak rate q (at the test pressure) the loss after t is q t / V.
"""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.component import Fault, Param, Port, Word
from gateway.twin.components.inspection import TESTER_FAULTS, property_of
from gateway.twin.components.process import AT, ON, SUPPLIES, Process
from gateway.twin.motion import MILLISECOND, SECOND, Exponential, Path, Polynomial, still


class LeakTester(Process):
    """Started over a held workpiece: fill, settle, measure; good if the loss is at most ``limit``.

    The workpiece's leak is its property ``looks-at`` in mbar.L/s. It gets ``<result>`` (mbar lost).
    """

    ABOUT = "leak tester"
    PARAMS = (
        AT,
        Param("pressure", "mbar", 1, 100_000, 500, "of the test"),
        Param("fill", "ms", 1, 600_000, 400),
        Param("settle", "ms", 1, 600_000, 400),
        Param("measure", "ms", 1, 600_000, 1_000),
        Param("volume", "L", 0.000_1, 10_000, 0.05),
        Param("limit", "mbar", 0.001, 10_000, 2, "loss that is still good"),
        Param("leak", "1", 0, 1_000, 0.02, "mbar.L/s of a workpiece without the property"),
    )
    WORDS = (
        Word("looks-at", "leak", "property: leak rate"),
        Word("result", "leak_loss", "what it is measured as"),
    )
    PORTS = (
        Port("start", "actuator"),
        Port("busy", "sensor", optional=True),
        Port("done", "sensor", about="there is a result, until start goes off"),
        Port("good", "sensor", sees=True),
        Port("pressure", "sensor", "real", "mbar", sees=True),
        Port("loss", "sensor", "real", "mbar", "last measured", optional=True, sees=True),
    )
    LINKS = (ON, *SUPPLIES)
    FAULTS = (*TESTER_FAULTS, Fault("seal", "the seal leaks: a good workpiece fails"))
    STATE = ("started", "part", "pressure", "busy", "done", "good", "loss", "pending")

    def start(self) -> None:
        self.started = False
        self.part = ""
        self.pressure = Path((still(self.now, 0.0),))
        self.busy = self.done = self.good = False
        self.loss = 0.0
        self.pending: int | None = None
        self.begin()

    def drive(self, port: str, value: Scalar) -> None:
        rising, self.started = bool(value) and not self.started, bool(value)
        if not self.started:
            self.done = self.good = False
            self._vent()
        elif rising and self.supplied and "dead" not in self.faults:
            self._fill()

    def changed(self) -> None:
        if self.busy and (self.below_id() != self.part or not self.supplied or "dead" in self.faults):
            self._vent()

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        lost = self.pressure.at(self.now)
        self._vent()
        self.done, self.loss = True, max(argument - lost, 0.0)
        within = self.loss <= self.params["limit"] and bool(self.part)
        self.good = (within or "blind" in self.faults) and "misjudges" not in self.faults
        tested = self.standing(self.part)
        if tested is not None:
            key = self.words["result"]
            self._carrier.replace(
                tested.with_measured(**{key: round(self.loss, 3), f"{key}_good": self.good})
            )

    def sense(self, port: str) -> Scalar:
        if port == "pressure":
            return self.pressure.at(self.now)
        return {"busy": self.busy, "done": self.done, "good": self.good, "loss": self.loss}[port]

    def curve(self, port: str) -> Path | None:
        return self.pressure if port == "pressure" else None

    def _rate(self) -> float:
        """mbar lost per second; with nothing under the bell all of it is lost at once."""
        tested = self.standing(self.part)
        if tested is None:
            return self.params["pressure"] * 10
        leak = property_of(tested, self.words["looks-at"], self.params["leak"])
        return leak / self.params["volume"] + (self.params["limit"] if "seal" in self.faults else 0.0) * 2

    def _fill(self) -> None:
        self.busy, self.part = True, self.below_id()
        full, times = self.params["pressure"], ("fill", "settle", "measure")
        fill, settle, measure = (round(self.params[each] * MILLISECOND) for each in times)
        filled = self.now + fill
        rises = Exponential(self.now, self.pressure.at(self.now), full, fill / 5)
        rate, top = self._rate(), rises.at(filled)
        empty = filled + max(round(top / rate * SECOND), 1) if rate else filled
        falls = (Polynomial(filled, top, -rate), still(empty, 0.0)) if rate else (still(filled, top),)
        self.pressure = Path((rises, *falls))
        begin = self.pressure.at(filled + settle)
        self.pending = self.at(filled + settle + measure, "measured", begin)

    def _vent(self) -> None:
        self.busy = False
        self.cancel(self.pending)
        self.pending = None
        here = self.pressure.at(self.now)
        self.pressure = Path((Exponential(self.now, here, 0.0, 50 * MILLISECOND),))

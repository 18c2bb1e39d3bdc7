"""Treatments that take effect by their time alone: plasma, cleaning, printing, labelling, curing; pure."""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.component import Fault, Param, Port, Word
from gateway.twin.components.process import AT, ON, SUPPLIES, Process
from gateway.twin.motion import MILLISECOND


class Treatment(Process):
    """On, ready and over a held workpiece it needs ``time``; interrupted, it begins anew.

    It leaves ``result`` on the workpiece, in s. A weak one shows nothing, and leaves nothing.
    """

    ABOUT = "treatment"
    PARAMS = (
        AT,
        Param("time", "ms", 1, 3_600_000, 1_000, "that it needs"),
        Param("warm-up", "ms", 0, 600_000, 0, "from on until it takes effect"),
    )
    WORDS = (Word("result", "treated", "what it leaves"),)
    PORTS = (
        Port("on", "actuator"),
        Port("ready", "sensor", about="supplied, with material, no fault", optional=True),
        Port("active", "sensor", about="it takes effect on a workpiece", optional=True, sees=True),
        Port("done", "sensor", about="the time is over, until it is switched off", optional=True, sees=True),
    )
    LINKS = (ON, *SUPPLIES)
    FAULTS = (
        Fault("failed", "it has failed and says so"),
        Fault("empty", "its material (ink, labels, gas) has run out, and it says so"),
        Fault("weak", "it takes no effect, and shows nothing of it"),
    )
    STATE = ("on_", "since", "treated", "done", "pending")

    def start(self) -> None:
        self.on_ = False
        self.since = self.now  # when it was switched on
        self.treated = ""  # the workpiece under it, while it takes effect
        self.done = False
        self.pending: int | None = None
        self.begin()

    def drive(self, port: str, value: Scalar) -> None:
        if bool(value) != self.on_:
            self.on_, self.since, self.done = bool(value), self.now, False
        self.changed()

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self.done = True
        if "weak" not in self.faults:
            seconds = self.params["time"] / 1000
            self.leave(
                self.treated, f"{self.words['result']}={seconds:g}s", **{self.words["result"]: seconds}
            )
        self.treated = ""

    def sense(self, port: str) -> Scalar:
        if port == "ready":
            return self.ready
        return bool(self.treated) if port == "active" else self.done

    @property
    def ready(self) -> bool:
        """It could take effect if it were switched on."""
        return self.supplied and not self.faults & {"failed", "empty"}

    def changed(self) -> None:
        works = self.on_ and self.ready and not self.done
        treated = self.below_id() if works else ""
        if treated == self.treated:
            return
        self.treated = treated
        self.cancel(self.pending)
        self.pending = None
        if treated:
            warm = max(self.since + round(self.params["warm-up"] * MILLISECOND), self.now)
            self.pending = self.at(warm + round(self.params["time"] * MILLISECOND), "treated")

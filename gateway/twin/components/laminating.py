"""The laminator: a plate closes on the workpiece and presses it, warm, for a time; pure."""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.component import Fault, Link, Param, Port, Word
from gateway.twin.components.heat import HeatZone
from gateway.twin.components.process import AT, ON, SUPPLIES, Process
from gateway.twin.motion import MILLISECOND, SECOND, Exponential, Path, Segment, above, ramp, still

ENOUGH = 0.9  # of the pressure


class Laminator(Process):
    """Closed over a held workpiece it counts the time at pressure, and at temperature with a heat zone.

    When ``time`` is reached it leaves ``result`` on the workpiece, in s; interrupted, it goes on counting.
    """

    ABOUT = "laminator"
    PARAMS = (
        AT,
        Param("travel", "ms", 1, 60_000, 500, "time to close, and to open"),
        Param("pressure", "bar", 0.01, 100, 4),
        Param("lag", "ms", 1, 10_000, 100, "time constant of the pressure"),
        Param("temperature", "Cel", 0, 500, 60, "from which on it counts, with a heat zone"),
        Param("time", "s", 0.001, 3_600, 2, "that it needs"),
    )
    WORDS = (Word("result", "laminated", "what it leaves"),)
    PORTS = (
        Port("close", "actuator"),
        Port("closed", "sensor", optional=True),
        Port("opened", "sensor", optional=True),
        Port("pressure", "sensor", "real", "bar"),
    )
    LINKS = (ON, *SUPPLIES, Link("heat", HeatZone, optional=True))
    FAULTS = (
        Fault("stuck", "the plate keeps its place"),
        Fault("leak", "the pressure comes to half"),
    )
    STATE = ("wanted", "plate", "pressure", "zone", "part", "pressed", "since", "moving", "counting")

    def start(self) -> None:
        self.wanted = False
        self.plate = Path((still(self.now, 0.0),))
        self.pressure: Segment = still(self.now, 0.0)
        self.zone: Segment = still(self.now, 0.0)
        self.part = ""
        self.pressed = 0.0  # s that counted for that part
        self.since = self.now  # up to when it is counted
        self.moving: int | None = None
        self.counting: int | None = None
        self.begin()
        if "heat" in self.links:
            self.link("heat", HeatZone).subscribe(self.changed)
            self.zone = self.link("heat", HeatZone).zone

    def drive(self, port: str, value: Scalar) -> None:
        self.wanted = bool(value)
        self.changed()

    def on(self, kind: str, argument: Any) -> None:
        if kind == "moved":
            self.moving = None
        else:
            self.counting = None
        self.changed()
        if kind == "counted":
            self.leave(self.part, f"{self.words['result']}={self.pressed:.2f}s", **self._result())

    def sense(self, port: str) -> Scalar:
        if port == "pressure":
            return self.pressure.at(self.now)
        return self._rests(1.0 if port == "closed" else 0.0)

    def curve(self, port: str) -> Path | None:
        return Path((self.pressure,))

    def _rests(self, at: float) -> bool:
        return self.plate.at(self.now) == at == self.plate.segments[-1].value

    def _result(self) -> dict[str, Scalar]:
        return {self.words["result"]: round(self.pressed, 3)}

    def changed(self) -> None:
        self._count()
        self._move()
        share = (0.5 if "leak" in self.faults else 1.0) if self._rests(1.0) and self.supplied else 0.0
        goal = share * self.params["pressure"]
        if goal != (self.pressure.target if isinstance(self.pressure, Exponential) else 0.0):
            lag = self.params["lag"] * MILLISECOND
            self.pressure = Exponential(self.now, self.pressure.at(self.now), goal, lag)
        if "heat" in self.links:
            self.zone = self.link("heat", HeatZone).zone
        self._expect()

    def _move(self) -> None:
        here = self.plate.at(self.now)
        stands = "stuck" in self.faults or not self.supplied
        goal = here if stands else float(self.wanted)
        if goal == self.plate.segments[-1].value:
            return
        self.plate = ramp(self.now, here, goal, SECOND / (self.params["travel"] * MILLISECOND))
        self.cancel(self.moving)
        self.moving = self.at(self.plate.segments[-1].start, "moved")

    def _levels(self) -> list[tuple[Segment, float]]:
        levels: list[tuple[Segment, float]] = [(self.pressure, ENOUGH * self.params["pressure"])]
        if "heat" in self.links:
            levels.append((self.zone, self.params["temperature"]))
        return levels

    def _count(self) -> None:
        """Add what counted since the last change; take up the workpiece that is there now."""
        if self.part:
            spans = [above(segment, level, self.since, self.now) for segment, level in self._levels()]
            begin, end = max(each[0] for each in spans), min(each[1] for each in spans)
            before, self.pressed = self.pressed, self.pressed + max(end - begin, 0) / SECOND
            worked = self.standing(self.part)
            if worked is not None and self.pressed != before:
                self._carrier.replace(worked.with_done(**self._result()))
        self.since = self.now
        part = self.below_id()
        if part != self.part:
            self.part, self.pressed = part, 0.0

    def _expect(self) -> None:
        """Schedule the instant at which the time will have been reached, if nothing changes."""
        self.cancel(self.counting)
        self.counting = None
        left = self.params["time"] - self.pressed
        if not self.part or left <= 1e-9:
            return
        begins = [self.now]
        for segment, level in self._levels():
            begin = self.now if segment.at(self.now) >= level else segment.reaches(level, self.now)
            if begin is None:
                return
            begins.append(begin)
        due = max(begins) + round(left * SECOND) + 1
        if all(segment.at(due) >= level for segment, level in self._levels()):
            self.counting = self.at(due, "counted")

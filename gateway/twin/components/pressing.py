"""The press: force over way as the tool meets the workpiece; ends by force or by way; pure."""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.component import Fault, Param, Port, Word
from gateway.twin.components.process import AT, ON, SUPPLIES, Process
from gateway.twin.motion import SECOND, Path, Polynomial, beyond, scaled, still

HARD = 4.0  # how many times as stiff
LEAK = 0.6  # share of the force that is left
NEAR = 1e-6  # mm


class Press(Process):
    """Driven, the ram approaches, presses from ``contact`` on, and holds where force or way ends it.

    From there the force rises by ``stiffness``, with nothing under it not at all. What is held under it when
    the end is reached gets ``<result>_force`` (N) and ``<result>_way`` (mm). Without power or air it stands.
    """

    ABOUT = "press"
    PARAMS = (
        AT,
        Param("approach", "mm/s", 0.1, 5_000, 200, "speed to the workpiece, and back"),
        Param("speed", "mm/s", 0.01, 1_000, 20, "of pressing"),
        Param("contact", "mm", 0, 5_000, about="way at which the workpiece is met"),
        Param("stiffness", "N/mm", 0.01, 1_000_000, about="of what is pressed"),
        Param("force", "N", 0.1, 10_000_000, about="at which it ends"),
        Param("way", "mm", 0.1, 5_000, about="at which it ends, if the force is not reached"),
    )
    WORDS = (Word("result", "press", "what it leaves: <result>_force and <result>_way"),)
    PORTS = (
        Port("press", "actuator"),
        Port("force", "sensor", "real", "N", sees=True),
        Port("way", "sensor", "real", "mm", optional=True),
        Port("home", "sensor", about="the ram is at its top", optional=True),
        Port("by-force", "sensor", about="ended: the force is reached", optional=True, sees=True),
        Port("by-way", "sensor", about="ended: the way is reached", optional=True, sees=True),
    )
    LINKS = (ON, *SUPPLIES)
    FAULTS = (
        Fault("stuck", "the ram keeps its place"),
        Fault("hard", "the part binds: the force rises four times as steeply"),
        Fault("soft", "the part gives way: no force builds up"),
        Fault("leak", "the force builds up to 60 % and no further"),
    )
    STATE = ("pressing", "path", "part", "ended", "pending")

    def start(self) -> None:
        self.pressing = False
        self.path = Path((still(self.now, 0.0),))
        self.part = ""  # the workpiece under the ram
        self.ended = ""  # "force" or "way", from the end until it is let off
        self.pending: int | None = None
        self.begin()

    def drive(self, port: str, value: Scalar) -> None:
        self.pressing = bool(value)
        self._move()

    def changed(self) -> None:
        part = self.below_id()
        if part != self.part and self._way() > self.params["contact"]:
            self.ended = ""
        self.part = part
        self._move()

    def on(self, kind: str, argument: Any) -> None:
        """The ram has come to its end, below or above."""
        self.pending = None
        if not argument:
            return
        self.ended = argument
        if self.part:
            force, way = self._force(self._way()), self._way()
            found = {
                f"{self.words['result']}_force": round(force, 1),
                f"{self.words['result']}_way": round(way, 2),
            }
            self.leave(self.part, f"force={force:.1f}N way={way:.2f}mm", **found)

    def sense(self, port: str) -> Scalar:
        if port == "force":
            return self._force(self._way())
        if port == "way":
            return self._way()
        if port == "home":
            return self._way() <= NEAR and not self.pressing
        return self.ended == port.removeprefix("by-")

    def curve(self, port: str) -> Path | None:
        if port == "way":
            return self.path
        return scaled(beyond(self.path, self.params["contact"]), self._stiffness())

    def _way(self) -> float:
        return self.path.at(self.now)

    def _stiffness(self) -> float:
        if not self.part or "soft" in self.faults:
            return 0.0
        return self.params["stiffness"] * (HARD if "hard" in self.faults else 1.0)

    def _force(self, way: float) -> float:
        full = max(way - self.params["contact"], 0.0) * self._stiffness()
        return min(full, LEAK * self.params["force"]) if "leak" in self.faults else full

    def _goal(self) -> tuple[float, str]:
        """(way, what ends it there)"""
        if not self.pressing:
            return 0.0, ""
        stiffness, way = self._stiffness(), self.params["way"]
        by_force = self.params["contact"] + self.params["force"] / stiffness if stiffness else way + 1
        if "leak" in self.faults and by_force <= way:
            return self.params["contact"] + LEAK * self.params["force"] / stiffness, ""
        return (by_force, "force") if by_force <= way else (way, "way")

    def _move(self) -> None:
        """Something changed: go on from here; down in two speeds, up in one."""
        self.cancel(self.pending)
        self.pending = None
        here = self._way()
        if not self.supplied or "stuck" in self.faults:
            self.path = Path((still(self.now, here),))
            return
        goal, by = self._goal()
        if not self.pressing:
            self.ended = ""
        if goal > here + NEAR and self.ended:  # held where it ended
            goal = here
        legs = []
        now, contact = self.now, min(self.params["contact"], goal)
        for end, speed in ((contact, self.params["approach"]), (goal, self.params["speed"])):
            if end > here:
                legs.append(Polynomial(now, here, speed))
                now, here = now + round((end - here) / speed * SECOND), end
        if goal < here:
            legs.append(Polynomial(now, here, -self.params["approach"]))
            now += round((here - goal) / self.params["approach"] * SECOND)
        self.path = Path((*legs, still(now, goal)))
        if legs or (self.pressing and not self.ended):
            self.pending = self.at(now, "arrived", by)

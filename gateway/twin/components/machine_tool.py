"""The machine tool: spindle, feed, one cut with its force, energy and wear, and what it leaves; pure."""

from __future__ import annotations

from typing import Any, ClassVar

from gateway.field.types import Scalar
from gateway.twin.component import Fault, Param, Port, Word
from gateway.twin.components.process import AT, ON, SUPPLIES, Process
from gateway.twin.machining import Cut, Material, set_back, tool_life, worn_force
from gateway.twin.motion import SECOND, Path, plus, ramp, scaled, still

CHATTER = 4.0  # how many times as rough
MINUTE = 60 * SECOND

SPINDLE = (
    AT,
    Param("run-up", "ms", 1, 600_000, 800, "of the spindle, from rest to its speed"),
    Param("back", "ms", 1, 600_000, 500, "of the tool, from the end of the cut home"),
    Param("rated", "kW", 0.001, 1_000, 10, "what the spindle gives; more trips it"),
    Param("idle", "kW", 0, 1_000, 0.5, "what the machine takes while it does not cut"),
    Param("size", "mm", 0, 100_000, 10, "nominal, of what is made"),
    Param("scatter", "mm", 0, 10, 0.003, "standard deviation of the size"),
)


class MachineTool(Process):
    """The spindle runs up; fed, the tool cuts the held workpiece, and goes home when the feed is taken off.

    A cut that is interrupted goes on where it was. It leaves ``<result>_size`` (mm) and
    ``<result>_roughness`` (Ra, um). Wear adds up from cut to cut until the tool is changed.
    """

    EDGE: ClassVar[float] = 0.0  # how much of the edge's set-back the size has
    WORDS = (Word("result", "cut", "what it leaves: <result>_size and <result>_roughness"),)
    PORTS = (
        Port("spindle", "actuator"),
        Port("feed", "actuator", about="cut; off: the tool goes home"),
        Port("change", "actuator", about="rising: a new tool", optional=True),
        Port("reset", "actuator", about="of the spindle drive", optional=True),
        Port("at-speed", "sensor"),
        Port("done", "sensor", about="the cut is finished, until the feed is taken off", sees=True),
        Port("home", "sensor", about="the tool is home", optional=True, sees=True),
        Port("ready", "sensor", about="supplied, no fault", optional=True, sees=True),
        Port("worn", "sensor", about="the tool is at the end of its life", optional=True, sees=True),
        Port("speed", "sensor", "real", "/min", optional=True),
        Port("force", "sensor", "real", "N", optional=True, sees=True),
        Port("power", "sensor", "real", "kW", optional=True, sees=True),
        Port("energy", "sensor", "real", "kJ", "of the last cut", optional=True, sees=True),
    )
    LINKS = (ON, *SUPPLIES)
    FAULTS = (
        Fault("tool-broken", "the tool is broken: it cuts air"),
        Fault("tool-worn", "the tool is at the end of its life"),
        Fault("chatter", "the machine chatters: the surface is four times as rough"),
        Fault("spindle", "the spindle drive has tripped"),
    )
    STATE = (
        "inputs",
        "turning",
        "progress",
        "wear",
        "part",
        "energy",
        "strength",
        "done",
        "tripped",
        "pending",
    )

    def start(self) -> None:
        self.inputs: dict[str, bool] = {}
        self.turning = Path((still(self.now, 0.0),))  # share of the spindle's speed
        self.progress = Path((still(self.now, 0.0),))  # share of the cut
        self.wear = 0.0  # share of the tool's life at the beginning of this progress
        self.part = ""  # what is being cut
        self.energy = 0.0  # kJ up to the beginning of this progress
        self.strength = 0.0  # force of the tool in this progress, as multiple of a sharp one's
        self.done = False
        self.tripped = False
        self.pending: int | None = None
        self.cut = self.plan()
        self.begin()

    def plan(self) -> Cut:
        """The cut that the parameters describe."""
        raise NotImplementedError

    def material(self) -> Material:
        """The material, of a tool that cuts chips."""
        p = self.params
        return Material(p["kc11"], p["mc"], p["taylor-c"], p["taylor-n"])

    def revolutions(self) -> float:
        """The spindle's speed, per min."""
        return self.params.get("revolutions", 0.0)

    def life(self) -> float:
        """Minutes of cutting that a tool lasts."""
        return tool_life(self.material(), self.cut.speed)

    # --- what the controller says ------------------------------------------------------------------------

    def drive(self, port: str, value: Scalar) -> None:
        rising = bool(value) and not self.inputs.get(port, False)
        self.inputs[port] = bool(value)
        if rising and port == "change":
            self._count()
            self.wear = 0.0
        elif rising and port == "reset":
            self.tripped = "spindle" in self.faults
        self.changed()

    def fault_changed(self, fault: str, active: bool) -> None:
        self.tripped = self.tripped or "spindle" in self.faults
        self.changed()

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self.changed()

    # --- what becomes of it ----------------------------------------------------------------------------

    def changed(self) -> None:
        """Something changed: count what was cut, then go on from here."""
        self._count()
        self._turn()
        self._advance()
        ends = [path.segments[-1].start for path in (self.turning, self.progress)]
        due = [end for end in ends if end > self.now]
        self.cancel(self.pending)
        self.pending = self.at(min(due), "reached") if due else None

    def _turn(self) -> None:
        wanted = self.inputs.get("spindle", False) and self.supplied and not self.tripped
        slope = 1000 / self.params["run-up"]
        self.turning = ramp(self.now, self.turning.at(self.now), float(wanted), slope)

    def _advance(self) -> None:
        here = self.progress.at(self.now)
        if not self.inputs.get("feed", False):
            self.done, self.part = False, ""
            self.progress = ramp(self.now, here, 0.0, 1000 / self.params["back"])
            return
        below = self.below_id()
        if self.part and below != self.part:
            self.part = ""
        if not self.part and here == 0.0:
            self.part, self.energy = below, 0.0
        if self._cuts() and self.cut.power * worn_force(self.worn_to()) > self.params["rated"]:
            self.tripped = True
            self._turn()
        if not self._cuts() or self.done:
            self.progress = Path((still(self.now, here),))
        elif here >= 1.0:
            self._finish()
            self.progress = Path((still(self.now, 1.0),))
        else:
            self.strength = 0.0 if "tool-broken" in self.faults else worn_force(self.worn_to())
            self.progress = ramp(self.now, here, 1.0, SECOND / (self.cut.minutes * MINUTE))

    def _cuts(self) -> bool:
        """The spindle is at its speed and there is something to cut."""
        return self._at_speed() and bool(self.part) and not self.tripped

    def _at_speed(self) -> bool:
        return self.turning.at(self.now) == 1.0 == self.turning.segments[-1].value

    def _load(self) -> float:
        """How hard it cuts now, as multiple of a sharp tool."""
        return self.strength if self.progress.speed_at(self.now) > 0 else 0.0

    def _count(self) -> None:
        gained = self._gained()
        if gained > 0:
            self.energy += self._spent(gained)
            self.wear = min(self.wear + gained * self.cut.minutes / self.life(), 1.0)
        self.progress = Path((still(self.now, self.progress.at(self.now)),))

    def _gained(self) -> float:
        return self.progress.at(self.now) - self.progress.segments[0].value

    def _spent(self, gained: float) -> float:
        """kJ that this share of the cut takes, the spindle being at its speed."""
        return (self.cut.power * self.strength + self.params["idle"]) * gained * self.cut.minutes * 60

    def worn_to(self) -> float:
        """The tool's wear now: 0 sharp, 1 at the end of its life."""
        return 1.0 if "tool-worn" in self.faults else self.wear

    def _power(self) -> float:
        """kW that the machine takes."""
        return self.cut.power * self._load() + self.params["idle"] * self.turning.at(self.now)

    def _finish(self) -> None:
        self.done = True
        if "tool-broken" in self.faults:
            return
        wear, scatter = (
            self.worn_to(),
            self.surroundings.random(self.name).normal(0.0, self.params["scatter"]),
        )
        size = self.params["size"] + self.EDGE * set_back(wear) + scatter
        rough = self.cut.peak / 4 * (1 + wear) * (CHATTER if "chatter" in self.faults else 1.0)
        result = self.words["result"]
        found = {f"{result}_size": round(size, 4), f"{result}_roughness": round(rough, 3)}
        self.leave(self.part, f"size={size:.3f}mm Ra={rough:.2f}um", **found)

    # --- what the controller sees --------------------------------------------------------------------------

    def curve(self, port: str) -> Path | None:
        if port == "speed":
            return scaled(self.turning, self.revolutions())
        if port == "power":
            return plus(scaled(self.turning, self.params["idle"]), self.cut.power * self._load())
        if port == "energy" and self._gained() > 0:
            whole = self._spent(1.0)
            return plus(scaled(self.progress, whole), self.energy - whole * self.progress.segments[0].value)
        return None

    def sense(self, port: str) -> Scalar:
        if port == "speed":
            return self.turning.at(self.now) * self.revolutions()
        if port == "force":
            return self.cut.force * self._load()
        if port == "power":
            return self._power()
        if port == "energy":
            return self.energy + self._spent(max(self._gained(), 0.0))
        return {
            "at-speed": self._at_speed(),
            "done": self.done,
            "home": self.progress.at(self.now) == 0.0 == self.progress.segments[-1].value,
            "ready": self.supplied and not self.tripped,
            "worn": self.worn_to() >= 1.0,
        }[port]

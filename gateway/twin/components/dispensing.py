"""The dispensing valve: pressure with a lag, and a bead as long as the axis travels; pure."""

from __future__ import annotations

from gateway.field.types import Scalar
from gateway.twin.component import Fault, Link, Param, Port, Word
from gateway.twin.components.axes import Mover
from gateway.twin.components.process import ON, SUPPLIES, Process
from gateway.twin.motion import MILLISECOND, Exponential, Path, Segment, still

# What a fault does to the pressure at the nozzle and to the glue that comes out, as shares of normal:
# before a blocked nozzle the pressure no longer drops by the flow; a leak lets both go elsewhere.
BLOCKED_PRESSURE, BLOCKED_FLOW = 1.5, 0.0
LEAK_PRESSURE, LEAK_FLOW = 0.4, 0.4


class DispensingValve(Process):
    """Open with air, it lays a bead on the workpiece that is held at ``at``; it leaves ``result`` in mm."""

    ABOUT = "dispensing valve"
    PARAMS = (
        Param("at", "mm", 0, 100_000),
        Param("pressure", "bar", 0.1, 20, about="at the nozzle, open"),
        Param("lag", "ms", 1, 10_000, 40, "time constant of the pressure"),
    )
    WORDS = (Word("result", "glue_bead", "what it leaves"),)
    PORTS = (
        Port("open", "actuator"),
        Port("pressure", "sensor", "real", "bar", optional=True),
        Port("stocked", "sensor", about="level switch: there is glue", optional=True),
    )
    LINKS = (ON, *SUPPLIES, Link("axis", Mover))
    FAULTS = (
        Fault("clogged", "the nozzle is blocked: nothing comes out, the pressure rises by half"),
        Fault("leak", "glue escapes: pressure and bead fall to 40 %"),
        Fault("empty", "the glue has run out: air comes out, the pressure falls to nothing"),
    )
    STATE = ("energised", "pressure", "flow", "workpiece", "bead", "counted")

    def start(self) -> None:
        self.energised = False
        self.pressure: Segment = still(self.now, 0.0)
        self.flow = 0.0  # share of the normal bead
        self.workpiece = ""  # under the open valve
        self.bead = 0.0  # on that workpiece since the valve opened, mm
        self.counted = 0.0  # the axis' odometer when the bead was last counted
        self._axis = self.link("axis", Mover)
        self.begin()

    def drive(self, port: str, value: Scalar) -> None:
        self.energised = bool(value)
        self.changed()

    def sense(self, port: str) -> Scalar:
        return "empty" not in self.faults if port == "stocked" else self.pressure.at(self.now)

    def curve(self, port: str) -> Path | None:
        return Path((self.pressure,))

    def changed(self) -> None:
        """Valve, air, fault or the workpiece below changed: count the bead so far, then go on anew."""
        odometer = self._axis.odometer()
        self.bead += self.flow * (odometer - self.counted)
        self.counted = odometer
        is_open = self.energised and self.supplied
        workpiece = self.below_id() if is_open else ""
        if workpiece != self.workpiece:
            self._finish()
            self.workpiece = workpiece
        pressure, flow = 1.0, 1.0
        if "empty" in self.faults:
            pressure, flow = 0.0, 0.0
        elif "clogged" in self.faults:
            pressure, flow = BLOCKED_PRESSURE, BLOCKED_FLOW
        elif "leak" in self.faults:
            pressure, flow = LEAK_PRESSURE, LEAK_FLOW
        self.flow = flow if workpiece else 0.0
        target = pressure * self.params["pressure"] if is_open else 0.0
        if target != (
            self.pressure.target if isinstance(self.pressure, Exponential) else self.pressure.value
        ):
            here, lag = self.pressure.at(self.now), self.params["lag"] * MILLISECOND
            self.pressure = Exponential(self.now, here, target, lag)

    def _finish(self) -> None:
        """The bead on the last workpiece ends: say so, and note it on the workpiece if it is still there."""
        workpiece, bead = self.workpiece, self.bead
        self.workpiece, self.bead = "", 0.0
        worked = self.standing(workpiece) if bead else None
        if worked is not None:
            result = self.words["result"]
            total = float(worked.done.get(result, 0.0)) + bead
            self.leave(workpiece, f"bead={bead:.1f}mm", **{result: round(total, 1)})

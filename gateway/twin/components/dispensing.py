"""The dispensing valve: pressure with a lag, and a bead as long as the axis travels; pure."""

from __future__ import annotations

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Component, Fault, Link, Param, Port
from gateway.twin.components.axes import ServoAxis
from gateway.twin.components.pneumatics import AirSupply
from gateway.twin.motion import MILLISECOND, Exponential, Segment, still

# What a fault does to the pressure at the nozzle and to the glue that comes out, as shares of normal:
# before a blocked nozzle the pressure no longer drops by the flow; a leak lets both go elsewhere.
BLOCKED_PRESSURE, BLOCKED_FLOW = 1.5, 0.0
LEAK_PRESSURE, LEAK_FLOW = 0.4, 0.4


class DispensingValve(Component):
    """Open with air, it lays a bead on the workpiece that is held at ``at``; done ``glue_bead`` in mm."""

    ABOUT = "dispensing valve"
    PARAMS = (
        Param("at", "mm", 0, 100_000),
        Param("pressure", "bar", 0.1, 20, about="at the nozzle, open"),
        Param("lag", "ms", 1, 10_000, 40, "time constant of the pressure"),
    )
    PORTS = (
        Port("open", "actuator"),
        Port("pressure", "sensor", "real", "bar", optional=True),
    )
    LINKS = (
        Link("air", AirSupply, optional=True),
        Link("axis", ServoAxis),
        Link("on", Carrier),
    )
    FAULTS = (
        Fault("clogged", "the nozzle is blocked: nothing comes out, the pressure rises by half"),
        Fault("leak", "glue escapes: pressure and bead fall to 40 %"),
    )
    STATE = ("energised", "pressure", "flow", "workpiece", "bead", "counted")

    def start(self) -> None:
        self.energised = False
        self.pressure: Segment = still(self.now, 0.0)
        self.flow = 0.0  # share of the normal bead
        self.workpiece = ""  # under the open valve
        self.bead = 0.0  # on that workpiece since the valve opened, mm
        self.counted = 0.0  # the axis' odometer when the bead was last counted
        self._axis, self._belt = self.link("axis", ServoAxis), self.link("on", Carrier)
        self._belt.subscribe(self._changed)
        if "air" in self.links:
            self.link("air", AirSupply).feeds(self._changed)

    def drive(self, port: str, value: Scalar) -> None:
        self.energised = bool(value)
        self._changed()

    def fault_changed(self, fault: str, active: bool) -> None:
        self._changed()

    def sense(self, port: str) -> Scalar:
        return self.pressure.at(self.now)

    def _changed(self) -> None:
        """Valve, air, fault or the workpiece below changed: count the bead so far, then go on anew."""
        odometer = self._axis.odometer()
        self.bead += self.flow * (odometer - self.counted)
        self.counted = odometer
        is_open = self.energised and ("air" not in self.links or self.link("air", AirSupply).strong)
        below = self._belt.held(self.params["at"])
        workpiece = below.id if is_open and below is not None else ""
        if workpiece != self.workpiece:
            self._finish()
            self.workpiece = workpiece
        pressure, flow = 1.0, 1.0
        if "clogged" in self.faults:
            pressure, flow = BLOCKED_PRESSURE, BLOCKED_FLOW
        elif "leak" in self.faults:
            pressure, flow = LEAK_PRESSURE, LEAK_FLOW
        self.flow = flow if workpiece else 0.0
        target = pressure * self.params["pressure"] if is_open else 0.0
        self.pressure = Exponential(
            self.now, self.pressure.at(self.now), target, self.params["lag"] * MILLISECOND
        )

    def _finish(self) -> None:
        """The bead on the last workpiece ends: say so, and note it on the workpiece if it is still there."""
        workpiece, bead = self.workpiece, self.bead
        self.workpiece, self.bead = "", 0.0
        if not workpiece or not bead:
            return
        for each in self._belt.contents():
            if each.id == workpiece:
                total = float(each.done.get("glue_bead", 0.0)) + bead
                self._belt.replace(each.with_done(glue_bead=round(total, 1)))
                self.tell("worked", workpiece, f"bead={bead:.1f}mm")

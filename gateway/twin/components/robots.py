"""The handling robot: programs that are rows of timed poses between up to four places; pure."""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Fault, Link, Param, Port
from gateway.twin.components.electrics import Power
from gateway.twin.components.hand import Hand
from gateway.twin.motion import MILLISECOND, Path, still, trapezoid
from gateway.twin.workpiece import Workpiece

PLACES = range(1, 5)


class Robot(Hand):
    """Program 0 goes home, ``n`` goes over place n, ``10 m + n`` takes from place m and puts onto place n.

    A program is a row of steps: turn the base by a trapezoid, lower, grip or open, raise. It waits over a
    place that has no room. Nothing to take, a program it does not have, or a loss of power stop it with a
    fault; then ``reset`` and program 0. Without ``enable`` it stands, and its program is over. With
    ``joins-n`` what it puts onto place n becomes part of the workpiece there.
    """

    ABOUT = "handling robot"
    PARAMS = (
        Param("speed", "deg/s", 1, 1_000, 180, "of the base"),
        Param("acceleration", "deg/s2", 1, 100_000, 720),
        Param("lower", "ms", 1, 60_000, 300, "time down, and up"),
        Param("grip", "ms", 1, 10_000, 150, "time to grip, and to open"),
        *(Param(f"angle-{n}", "deg", -360, 360, 60.0 * n, f"of the base over place {n}") for n in PLACES),
        *(Param(f"at-{n}", "mm", 0, 100_000, 0, f"where on the carrier of place {n}") for n in PLACES),
        *(Param(f"joins-{n}", "1", 0, 1, 0, f"1: it assembles at place {n}") for n in PLACES),
    )
    PORTS = (
        Port("enable", "actuator", about="it may move"),
        Port("program", "actuator", "int", low=0, high=44),
        Port("start", "actuator", about="rising: run the program"),
        Port("reset", "actuator", about="rising: acknowledge its fault", optional=True),
        Port("busy", "sensor"),
        Port("done", "sensor", about="the program has ended, until start goes off"),
        Port("at-home", "sensor"),
        Port("fault", "sensor", optional=True),
        Port("gripped", "sensor", about="it has a workpiece", optional=True, sees=True),
        Port(
            "active", "sensor", "int", about="number of the program that runs", optional=True, low=0, high=44
        ),
        Port("angle", "sensor", "real", "deg", about="of the base", optional=True, low=-360, high=360),
    )
    LINKS = (
        *(Link(f"place-{n}", Carrier, optional=True) for n in PLACES),
        Link("power", Power, optional=True),
    )
    FAULTS = (
        Fault("stopped", "protective stop: it stands and says so"),
        Fault("weak", "the gripper takes hold of nothing"),
        *(fault for fault in Carrier.FAULTS if fault.name == "dropped"),
    )
    STATE = (
        *Carrier.STATE, "item", "enabled", "program", "started", "active", "steps", "done", "tripped", "base",
        "lowered", "pending",
    )  # fmt: skip

    def start(self) -> None:
        super().start()
        self.item: Workpiece | None = None
        self.enabled = False
        self.program = 0  # what the port says
        self.started = False
        self.active = 0
        self.steps: list[tuple[str, int]] = []  # what is left of the program: (step, place)
        self.done = False
        self.tripped = False
        self.base = Path((still(self.now, 0.0),))
        self.lowered = False
        self.pending: int | None = None
        for n in PLACES:
            if f"place-{n}" in self.links:
                self.link(f"place-{n}", Carrier).subscribe_room(self._room, self.params[f"at-{n}"])
        if "power" in self.links:
            self.link("power", Power).feeds(self._check)

    # --- what the controller says and sees -----------------------------------------------------------------

    def drive(self, port: str, value: Scalar) -> None:
        if port == "program":
            self.program = int(value)
        elif port == "enable":
            self.enabled = bool(value)
            if not self.enabled:
                self._stand()
        elif port == "start":
            rising, self.started = bool(value) and not self.started, bool(value)
            self.done = self.done and self.started
            if rising and self.enabled and not self.steps and not self.tripped:
                self._begin(self.program)
        elif value:
            self.tripped = "stopped" in self.faults or not self._powered()

    def fault_changed(self, fault: str, active: bool) -> None:
        super().fault_changed(fault, active)
        self._check()

    def sense(self, port: str) -> Scalar:
        if port == "angle":
            return self.base.at(self.now)
        states: dict[str, Scalar] = {
            "busy": bool(self.steps),
            "done": self.done,
            "at-home": self._over(0.0) and not self.lowered,
            "fault": self.tripped,
            "gripped": self.item is not None,
            "active": self.active if self.steps else 0,
        }
        return states[port]

    def curve(self, port: str) -> Path | None:
        return self.base if port == "angle" else None

    # --- programs ------------------------------------------------------------------------------------------

    def _begin(self, program: int) -> None:
        take, put = divmod(program, 10)
        linked = all(f"place-{n}" in self.links for n in (take, put))
        if put not in (0, *PLACES) or (take and not linked):
            self._trip()
            return
        self.active = program
        up = [("raise", 0)] if self.lowered else []
        if take:
            reach = [("turn", take), ("lower", take), ("take", take), ("raise", take)]
            self.steps = [
                *up,
                *reach,
                ("turn", put),
                ("wait", put),
                ("lower", put),
                ("put", put),
                ("raise", put),
            ]
        else:
            self.steps = [*up, ("turn", put)]
        self._step()

    def _step(self) -> None:
        """Start on the first of the steps that are left; its end is an event."""
        step, place = self.steps[0]
        if step == "turn":
            goal = self.params[f"angle-{place}"] if place else 0.0
            here, speed = self.base.at(self.now), self.params["speed"]
            self.base = trapezoid(self.now, here, 0.0, goal, speed, self.params["acceleration"])
            self.pending = self.at(self.base.segments[-1].start, "stepped")
        elif step == "wait":
            if self._fits(place):
                self.pending = self.at(self.now, "stepped")
        else:
            took = self.params["lower" if step in ("lower", "raise") else "grip"]
            self.pending = self.after(round(took * MILLISECOND), "stepped")

    def on(self, kind: str, argument: Any) -> None:
        """A step has ended: take its effect and go on."""
        self.pending = None
        step, place = self.steps.pop(0)
        if step in ("lower", "raise"):
            self.lowered = step == "lower"
        elif step == "take" and not self._take(place):
            self._trip()
        elif step == "put":
            self._put(place)
        if self.steps:
            self._step()
        else:
            self.done = self.started and not self.tripped

    def _room(self) -> None:
        if (
            self.steps
            and self.steps[0][0] == "wait"
            and self.pending is None
            and self._fits(self.steps[0][1])
        ):
            self.pending = self.at(self.now, "stepped")

    def _take(self, place: int) -> bool:
        carrier, at = self.link(f"place-{place}", Carrier), self.params[f"at-{place}"]
        found = None if "weak" in self.faults else carrier.covering(at)
        if found is None or self.item is not None:
            return False
        self.item = carrier.remove(found.id)
        self.changed()
        return True

    def _fits(self, place: int) -> bool:
        carrier, at = self.link(f"place-{place}", Carrier), self.params[f"at-{place}"]
        if self.item is None:
            return True
        if self.params[f"joins-{place}"]:
            return carrier.held(at) is not None
        return carrier.admits(self.item, at)

    def _put(self, place: int) -> None:
        item, carrier, at = self.item, self.link(f"place-{place}", Carrier), self.params[f"at-{place}"]
        if item is None:
            return
        if not self._fits(place):
            self.drop(item.id)
            return
        self.item = None
        other = carrier.held(at) if self.params[f"joins-{place}"] else None
        if other is None:
            carrier.admit(item, at)
        else:
            carrier.replace(other.with_part(item))
            self.tell("joined", item.id, other.id)
            self.tell("worked", other.id, f"part={item.type}")
        self.changed()

    # --- stops ------------------------------------------------------------------------

    def _powered(self) -> bool:
        return "power" not in self.links or self.link("power", Power).live

    def _check(self) -> None:
        if "stopped" in self.faults or not self._powered():
            self._trip()

    def _trip(self) -> None:
        self.tripped = True
        self._stand()

    def _stand(self) -> None:
        """It stays where it is; the grip keeps what it has, and the program is over."""
        self.steps, self.done = [], False
        self.cancel(self.pending)
        self.pending = None
        self.base = Path((still(self.now, self.base.at(self.now)),))

    def _over(self, angle: float) -> bool:
        return self.base.at(self.now) == angle == self.base.segments[-1].value

"""The rotary table: places around a dial that indexes from process to process; pure."""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Fault, Link, Param, Port, slow
from gateway.twin.components.electrics import Power, fed
from gateway.twin.components.stroke import Stroke, at_rest
from gateway.twin.motion import MILLISECOND
from gateway.twin.workpiece import Workpiece


class RotaryTable(Carrier):
    """Each rising edge of ``index`` takes every workpiece one place on.

    ``at`` is along the dial: place k is at k times ``pitch``, and 0 is the inlet. What comes to place
    ``outlet`` passes on when it can, and else goes round. What is gripped while the table moves is hit.
    """

    ABOUT = "rotary indexing table"
    PARAMS = (
        Param("places", "1", 2, 24, 4),
        Param("pitch", "mm", 1, 10_000, 100, "from place to place along the dial"),
        Param("step", "ms", 1, 60_000, 500, "time of one index"),
        Param("outlet", "1", 0, 23, 3, "the place where workpieces go out"),
        *Carrier.PARAMS,
    )
    PORTS = (
        Port("index", "actuator", about="one place on"),
        Port("in-position", "sensor", about="the table rests at a place"),
        Port("home", "sensor", about="cam: the first place is at the inlet", optional=True),
        Port("loaded", "sensor", about="a workpiece is at the inlet's place", optional=True, sees=True),
    )
    LINKS = (*Carrier.LINKS, Link("power", Power, optional=True))
    FAULTS = (
        Fault("stuck", "it does not move"),
        slow("an index takes"),
        *Carrier.FAULTS,
    )
    STATE = (*Carrier.STATE, "items", "turned", "commanded", "stroke", "grips", "closed")

    def start(self) -> None:
        super().start()
        self.items: list[Workpiece | None] = [None] * int(self.params["places"])  # by place now
        self.turned = 0  # indexes since the first place was at the inlet
        self.commanded = False
        self.stroke: Stroke = at_rest(self.now)
        self.grips: dict[str, str] = {}  # who holds -> workpiece
        self.closed: set[str] = set()
        if "power" in self.links:
            self.link("power", Power).feeds(self._resume)

    def drive(self, port: str, value: Scalar) -> None:
        was, self.commanded = self.commanded, bool(value)
        if self.commanded and not was and self._rests() and self._can():
            for workpiece in self.grips.values():
                self.tell("collided", workpiece, "the table moved while it was held")
            self._move()

    def fault_changed(self, fault: str, active: bool) -> None:
        super().fault_changed(fault, active)
        self._resume()

    def on(self, kind: str, argument: Any) -> None:
        self.stroke = at_rest(self.now)
        angle = 360 / len(self.items)
        moved = [self.items[-1], *self.items[:-1]]
        self.items = [each and each.with_pose(each.pose.turned(angle)) for each in moved]
        self.turned = (self.turned + 1) % len(self.items)
        self.changed()

    def sense(self, port: str) -> Scalar:
        if port == "loaded":
            return self.covering(0.0) is not None
        return self._rests() and (port == "in-position" or self.turned == 0)

    def watched(self, port: str) -> tuple[Carrier, float] | None:
        return (self, 0.0) if port == "loaded" else None

    def admits(self, workpiece: Workpiece, at: float = 0.0) -> bool:
        return self._rests() and self.items[self._place(at)] is None

    def take_in(self, workpiece: Workpiece, at: float) -> None:
        self.items[self._place(at)] = workpiece

    def take_off(self, workpiece: str) -> Workpiece:
        place, taken = next((k, each) for k, each in enumerate(self.items) if each and each.id == workpiece)
        assert taken is not None
        self.items[place] = None
        self.grips = {who: held for who, held in self.grips.items() if held != workpiece}
        return taken

    def waiting(self) -> Workpiece | None:
        waiting = self.items[self._outlet] if self._rests() and not self.closed else None
        return waiting if waiting is not None and waiting.id not in self.grips.values() else None

    def contents(self) -> tuple[Workpiece, ...]:
        nearest = [*reversed(self.items[: self._outlet + 1]), *reversed(self.items[self._outlet + 1 :])]
        return tuple(each for each in nearest if each is not None)

    def covering(self, at: float) -> Workpiece | None:
        return self.items[self._place(at)] if self._rests() else None

    def held(self, at: float) -> Workpiece | None:
        return self.covering(at)

    def replace(self, workpiece: Workpiece) -> None:
        self.items = [
            workpiece if each is not None and each.id == workpiece.id else each for each in self.items
        ]

    def grip(self, name: str, at: float, window: float) -> bool:
        found = self.covering(at)
        if found is None:
            return False
        self.grips[name] = found.id
        self.changed()
        return True

    def let_go(self, name: str) -> None:
        if self.grips.pop(name, None) is not None:
            self.changed()

    def bar(self, name: str, at: float) -> None:
        self.closed.add(name)

    def unbar(self, name: str) -> None:
        self.closed.discard(name)
        self.changed()

    @property
    def _outlet(self) -> int:
        return int(self.params["outlet"]) % len(self.items)

    def _place(self, at: float) -> int:
        return round(at / self.params["pitch"]) % len(self.items)

    def _rests(self) -> bool:
        return self.stroke.pending is None and self.stroke.rests(self.now, 0.0)

    def _can(self) -> bool:
        return "stuck" not in self.faults and fed(self)

    def _resume(self) -> None:
        """A fault or the power changed: what is on its way stops, or goes on."""
        if not self._rests():
            self._move()

    def _move(self) -> None:
        """Set out for the next place, or go on to it in another time; where it cannot, stand between two."""
        took = self.params["step"] * MILLISECOND * self.slowness
        goal = 1.0 if self._can() else self.stroke.place(self.now)
        self.stroke.aim(self, goal, took, "place")
        self.changed()

"""The belt conveyor and what looks at it; pure.

Between two changes every workpiece's position is a closed form: it moves with the belt until a barrier
(closed stop, grip, outlet end) or the workpiece ahead, less the gap, holds it back. So nothing happens on
the way; the belt schedules the one next instant at which something must be told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.field.types import Scalar
from gateway.twin.component import Carrier, Component, Fault, Link, Param, Port
from gateway.twin.motion import SECOND, Exponential, Segment, still
from gateway.twin.workpiece import Workpiece

Passing = Callable[[Workpiece], None]
NEAR = 1e-6  # mm; what rounding to the nanosecond may leave of a way
TACHO_LAG = 100_000_000  # of the speed sensor, ns


class Mark(NamedTuple):
    """Where edges of workpieces are told to somebody: leading ones as ``entered``, trailing as ``left``."""

    at: float
    entered: Passing | None
    left: Passing | None


class BeltConveyor(Carrier):
    """Positions are of a workpiece's leading edge, mm from the inlet.

    A jammed belt does not move though it is driven, and its drive stays healthy; a tripped motor
    protection stops the belt and says so.
    """

    ABOUT = "belt conveyor, accumulating"
    PARAMS = (
        Param("length", "mm", 10, 100_000),
        Param("speed", "mm/s", 1, 5_000),
        Param("gap", "mm", 0, 1_000, 20, "kept between workpieces that run up against each other"),
    )
    PORTS = (
        Port("run", "actuator", about="motor on"),
        Port("speed", "sensor", "real", "mm/s", "belt speed, first-order lag of 100 ms", optional=True),
        Port("ok", "sensor", about="drive healthy", optional=True),
    )
    FAULTS = (
        Fault("jam", "the belt stands though it is driven; the drive reports no fault"),
        Fault("trip", "the motor protection has tripped; the belt stands"),
    )
    STATE = ("driven", "items", "since", "moving", "tacho", "closed", "grips", "offered", "pending")

    def start(self) -> None:
        self.driven = False
        self.items: list[tuple[Workpiece, float]] = []  # nearest the outlet first, with its position then
        self.since = self.now  # when these positions were taken
        self.moving = False
        self.tacho: Segment = still(self.now, 0.0)
        self.closed: dict[str, float] = {}  # stop -> where it bars the way
        self.grips: dict[str, str] = {}  # who holds -> workpiece
        self.offered = ""
        self.pending: int | None = None
        self._marks: list[Mark] = []
        self._crossed: list[tuple[Callable[[Workpiece], None], Workpiece]] = []
        self._subscribers: list[Callable[[], None]] = []

    def drive(self, port: str, value: Scalar) -> None:
        self.driven = bool(value)
        self._drive_changed()

    def fault_changed(self, fault: str, active: bool) -> None:
        self._drive_changed()

    def sense(self, port: str) -> Scalar:
        return "trip" not in self.faults if port == "ok" else self.tacho.at(self.now)

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self._take_positions()
        self._settle()

    # --- workpieces that come and go -----------------------------------------------------------------

    def admits(self, workpiece: Workpiece) -> bool:
        if not self.items:
            return True
        return self.positions()[-1] - self.items[-1][0].length >= self.params["gap"] - NEAR

    def admit(self, workpiece: Workpiece) -> None:
        self._take_positions()
        self.items.append((workpiece, 0.0))
        self._settle()

    def waiting(self) -> Workpiece | None:
        if not self.items or self._is_held(self.items[0][0]):
            return None
        return self.items[0][0] if self.positions()[0] >= self.params["length"] - NEAR else None

    def release(self, workpiece: str) -> Workpiece:
        waiting = self.waiting()
        assert waiting is not None, f"{self.name}: nothing is waiting"
        assert waiting.id == workpiece, f"{self.name}: {waiting.id} is waiting, not {workpiece}"
        return self.remove(workpiece)

    def clear(self) -> tuple[Workpiece, ...]:
        return tuple(self.remove(workpiece.id) for workpiece in self.contents())

    def contents(self) -> tuple[Workpiece, ...]:
        return tuple(workpiece for workpiece, _ in self.items)

    def remove(self, workpiece: str) -> Workpiece:
        """Take ``workpiece`` off, wherever it is."""
        self._take_positions()
        taken = next(each for each, _ in self.items if each.id == workpiece)
        self.items = [item for item in self.items if item[0] is not taken]
        self.grips = {who: held for who, held in self.grips.items() if held != workpiece}
        self.offered = "" if self.offered == workpiece else self.offered
        self._settle(told=True)
        return taken

    def replace(self, workpiece: Workpiece) -> None:
        """``workpiece`` stands where the one with its id stood."""
        self.items = [(workpiece if each.id == workpiece.id else each, p) for each, p in self.items]

    # --- what stands beside the belt -------------------------------------------------------------------

    def mark(self, at: float, entered: Passing | None = None, left: Passing | None = None) -> None:
        """Call ``entered`` when a leading edge comes to ``at``, ``left`` when a trailing edge does."""
        self._marks.append(Mark(at, entered, left))

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when a workpiece is gripped, let go or taken off."""
        self._subscribers.append(callback)

    def bar(self, name: str, at: float) -> None:
        """``name`` bars the way at ``at`` from now on."""
        self._take_positions()
        self.closed[name] = at
        self._settle()

    def unbar(self, name: str) -> None:
        """``name`` lets pass."""
        self._take_positions()
        self.closed.pop(name, None)
        self._settle()

    def grip(self, name: str, at: float, window: float) -> bool:
        """``name`` holds the workpiece whose leading edge is within ``window`` of ``at``, if there is one."""
        self._take_positions()
        near = next((each for each, position in self.items if abs(position - at) <= window), None)
        if near is None:
            return False
        self.grips[name] = near.id
        self._settle(told=True)
        return True

    def let_go(self, name: str) -> None:
        """``name`` holds nothing any more."""
        self._take_positions()
        if self.grips.pop(name, None) is not None:
            self._settle(told=True)

    def covering(self, at: float) -> Workpiece | None:
        """The workpiece that covers ``at``: its leading edge is there or past it, its trailing one is not."""
        for (workpiece, _), position in zip(self.items, self.positions(), strict=True):
            if position - workpiece.length < at - NEAR and position >= at - NEAR:
                return workpiece
        return None

    def across(self, at: float) -> Workpiece | None:
        """The workpiece that covers ``at`` on both sides: a stop there would come up under it."""
        for (workpiece, _), position in zip(self.items, self.positions(), strict=True):
            if position - workpiece.length < at - NEAR and position > at + NEAR:
                return workpiece
        return None

    def held(self, at: float) -> Workpiece | None:
        """The workpiece that covers ``at`` and is gripped."""
        workpiece = self.covering(at)
        return workpiece if workpiece is not None and self._is_held(workpiece) else None

    # --- the closed form ---------------------------------------------------------------------------------

    def positions(self) -> list[float]:
        """Where each leading edge is now, the one nearest the outlet first, mm."""
        way = self.params["speed"] * (self.now - self.since) / SECOND if self.moving else 0.0
        found: list[float] = []
        room = math.inf
        for workpiece, position in self.items:
            reached = min(position + way, self._barrier(workpiece, position), max(room, position))
            found.append(reached)
            room = reached - workpiece.length - self.params["gap"]
        return found

    def _is_held(self, workpiece: Workpiece) -> bool:
        return workpiece.id in self.grips.values()

    def _barrier(self, workpiece: Workpiece, position: float) -> float:
        """How far the leading edge could come at most, whatever is ahead."""
        if self._is_held(workpiece):
            return position
        stops = [at for at in self.closed.values() if at >= position - NEAR]
        return max(position, min([*stops, self.params["length"]]))

    def _reach(self, index: int, level: float) -> int | None:
        """When the leading edge of item ``index`` comes to ``level`` if nothing changes; None: never."""
        workpiece, position = self.items[index]
        if position >= level - NEAR:
            return self.since
        if not self.moving or self._barrier(workpiece, position) < level - NEAR:
            return None
        alone = self.since + math.ceil((level - position) / self.params["speed"] * SECOND)
        if index == 0:
            return alone
        ahead = self._reach(index - 1, level + self.items[index - 1][0].length + self.params["gap"])
        return None if ahead is None else max(alone, ahead)

    def _take_positions(self) -> None:
        """Count positions from now on, and note which edges came to marks on the way."""
        moved: list[tuple[Workpiece, float]] = []
        for (workpiece, before), after in zip(self.items, self.positions(), strict=True):
            moved.append((workpiece, after))
            for at, callback in self._levels(workpiece) if after > before else ():
                if before < at - NEAR <= after:
                    self._crossed.append((callback, workpiece))
        self.items, self.since = moved, self.now

    def _levels(self, workpiece: Workpiece) -> list[tuple[float, Passing]]:
        """Where the leading edge is when one of the edges comes to a mark."""
        entering = [(mark.at, mark.entered) for mark in self._marks if mark.entered]
        leaving = [(mark.at + workpiece.length, mark.left) for mark in self._marks if mark.left]
        return entering + leaving

    def _settle(self, told: bool = False) -> None:
        """After a change: tell what has come about, and schedule the next instant at which something will."""
        while self._crossed:
            callback, workpiece = self._crossed.pop(0)
            if any(each.id == workpiece.id for each, _ in self.items):
                callback(workpiece)
        for subscriber in self._subscribers if told else ():
            subscriber()
        waiting = self.waiting()
        if waiting is not None and waiting.id != self.offered:
            self.offered = waiting.id
            self.tell("offered", waiting.id)
        due = [
            time
            for index, (workpiece, position) in enumerate(self.items)
            for level in (self.params["length"], *(at for at, _ in self._levels(workpiece)))
            if position < level - NEAR and (time := self._reach(index, level)) is not None
        ]
        self.cancel(self.pending)
        self.pending = self.at(min(due), "reach") if due else None

    def _drive_changed(self) -> None:
        moving = self.driven and not self.faults & {"jam", "trip"}
        if moving == self.moving:
            return
        self._take_positions()
        self.moving = moving
        target = self.params["speed"] if moving else 0.0
        self.tacho = Exponential(self.now, self.tacho.at(self.now), target, TACHO_LAG)
        self._settle()


class PhotoEye(Component):
    """Sees whether a workpiece covers it; exact whenever it is asked, and each edge is an event."""

    ABOUT = "photo eye"
    PARAMS = (Param("at", "mm", 0, 100_000),)
    PORTS = (Port("sees", "sensor", about="a workpiece is before it"),)
    LINKS = (Link("on", BeltConveyor),)

    def start(self) -> None:
        self.link("on", BeltConveyor).mark(self.params["at"], self._passes, self._passes)

    def sense(self, port: str) -> Scalar:
        return self.link("on", BeltConveyor).covering(self.params["at"]) is not None

    def _passes(self, workpiece: Workpiece) -> None:
        """An edge is an instant of its own; there is nothing to do at it."""

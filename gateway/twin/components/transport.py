"""The belt conveyor, and the photo eye that looks at carriers; pure.

Between two changes every workpiece's position is a closed form: it moves with the belt until a barrier
(closed stop, grip, end of the belt) or the workpiece ahead, less the gap, holds it back. So nothing happens
on the way; the belt schedules the one next instant at which something must be told.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Component, Fault, Link, Param, Port
from gateway.twin.components.electrics import Power, fed
from gateway.twin.motion import SECOND, Exponential, Path, Segment, still
from gateway.twin.workpiece import Workpiece

Passing = Callable[[Workpiece], None]
NEAR = 1e-6  # mm; what rounding to the nanosecond may leave of a way
STANDS = 1e-6  # mm/s; a belt that is to go slower stands: a metre would take it eleven days
LENGTHS = 64  # of workpieces whose edges are kept
TACHO_LAG = 100_000_000  # of the speed sensor, ns


class Mark(NamedTuple):
    """Where edges of workpieces are told to somebody: leading ones as ``entered``, trailing as ``left``."""

    at: float
    entered: Passing | None
    left: Passing | None


class Edges(NamedTuple):
    """Where a workpiece's leading edge is when one of its edges comes to a mark, in order; who is told."""

    places: list[float]
    told: list[Passing]


class BeltConveyor(Carrier):
    """Positions are of a workpiece's leading edge, mm from the inlet; going back it stops there.

    A jammed belt does not move though it is driven, and its drive stays healthy; a tripped motor
    protection stops the belt and says so. An actuator that no output drives leaves the belt at ``speed``.
    """

    ABOUT = "belt conveyor, accumulating"
    PARAMS: ClassVar[tuple[Param, ...]] = (
        Param("length", "mm", 10, 100_000),
        Param("speed", "mm/s", 1, 5_000),
        Param("gap", "mm", 0, 1_000, 20, "kept between workpieces that run up against each other"),
        Param("creep", "mm/s", 1, 5_000, 50, "the slow one of two speeds"),
        *Carrier.PARAMS,
    )
    PORTS: ClassVar[tuple[Port, ...]] = (
        Port("run", "actuator", about="motor on"),
        Port("reverse", "actuator", about="backwards", optional=True),
        Port("fast", "actuator", about="at full speed, else creeping", optional=True),
        Port("setpoint", "actuator", "real", "mm/s", about="speed, within the belt's own", optional=True),
        Port("speed", "sensor", "real", "mm/s", "belt speed, first-order lag of 100 ms", optional=True),
        Port("ok", "sensor", about="drive healthy", optional=True),
    )
    LINKS = (*Carrier.LINKS, Link("power", Power, optional=True))
    FAULTS = (
        Fault("jam", "the belt stands though it is driven; the drive reports no fault"),
        Fault("trip", "the motor protection has tripped; the belt stands"),
        *Carrier.FAULTS,
    )
    STATE: ClassVar[tuple[str, ...]] = (
        *Carrier.STATE,
        "driven",
        "backwards",
        "wanted",
        "rate",
        "items",
        "ends",
        "since",
        "tacho",
        "closed",
        "grips",
        "pending",
    )

    def start(self) -> None:
        super().start()
        self.driven = False
        self.backwards = False
        self.wanted = self.params["speed"]  # once it is driven
        self.rate = 0.0  # of the belt now, mm/s, negative going back
        self.items: list[tuple[Workpiece, float]] = []  # nearest the outlet first, with its position then
        self.ends: list[float] = []  # where each would come to rest if nothing changed
        self.since = self.now  # when these positions were taken
        self.tacho: Segment = still(self.now, 0.0)
        self.closed: dict[str, float] = {}  # stop -> where it bars the way
        self.grips: dict[str, str] = {}  # who holds -> workpiece
        self.pending: int | None = None
        self._marks: list[Mark] = [Mark(self.params["length"], self._at_outlet, None)]
        self._edges: dict[tuple[float, bool], Edges] = {}
        self._inlets: list[tuple[float, Callable[[], None]]] = []  # where others wait for room
        self._crossed: list[tuple[Passing, Workpiece]] = []
        if "power" in self.links:
            self.link("power", Power).feeds(self.drive_changed)

    def drive(self, port: str, value: Scalar) -> None:
        if port == "run":
            self.driven = bool(value)
        elif port == "reverse":
            self.backwards = bool(value)
        elif port == "fast":
            self.wanted = self.params["speed" if value else "creep"]
        else:
            wanted = min(float(value), self.params["speed"])
            self.wanted = wanted if wanted >= STANDS else 0.0
        self.drive_changed()

    def fault_changed(self, fault: str, active: bool) -> None:
        super().fault_changed(fault, active)
        self.drive_changed()

    def sense(self, port: str) -> Scalar:
        return "trip" not in self.faults if port == "ok" else self.tacho.at(self.now)

    def curve(self, port: str) -> Path | None:
        return Path((self.tacho,))

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self._take_positions()
        self._settle()

    # --- workpieces that come and go -----------------------------------------------------------------

    def admits(self, workpiece: Workpiece, at: float = 0.0) -> bool:
        gap = self.params["gap"] - NEAR
        return all(
            place - other.length - at >= gap or at - workpiece.length - place >= gap
            for (other, _), place in zip(self.items, self.positions(), strict=True)
        )

    def take_in(self, workpiece: Workpiece, at: float) -> None:
        self._take_positions()
        behind = (index for index, (_, place) in enumerate(self.items) if place < at)
        self.items.insert(next(behind, len(self.items)), (workpiece, at))
        self._limit()

    def take_off(self, workpiece: str) -> Workpiece:
        self._take_positions()
        index = next(index for index, (each, _) in enumerate(self.items) if each.id == workpiece)
        taken, _ = self.items.pop(index)
        self.grips = {who: held for who, held in self.grips.items() if held != workpiece}
        self._limit()
        return taken

    def waiting(self) -> Workpiece | None:
        if not self.items or self._is_held(self.items[0][0]):
            return None
        return self.items[0][0] if self._place(0) >= self.params["length"] - NEAR else None

    def contents(self) -> tuple[Workpiece, ...]:
        return tuple(workpiece for workpiece, _ in self.items)

    def replace(self, workpiece: Workpiece) -> None:
        self.items = [(workpiece if each.id == workpiece.id else each, p) for each, p in self.items]

    def changed(self) -> None:
        for subscriber in self._subscribers:
            subscriber()
        self._settle()
        for _, callback in self._inlets:
            callback()

    # --- what stands beside the belt -------------------------------------------------------------------

    def mark(self, at: float, entered: Passing | None = None, left: Passing | None = None) -> None:
        """Call ``entered`` when a leading edge comes to ``at``, ``left`` when a trailing edge does.

        Going back, ``left`` is called when either edge does.
        """
        self._marks.append(Mark(at, entered, left))
        self._edges.clear()

    def watch(self, at: float, callback: Callable[[], None]) -> None:
        self.mark(at, lambda _: callback(), lambda _: callback())
        self.subscribe(callback)

    def subscribe_room(self, callback: Callable[[], None], at: float = 0.0) -> None:
        self._inlets.append((at, callback))
        self.mark(at + self.params["gap"], left=lambda _: callback())

    def bar(self, name: str, at: float) -> None:
        if self.closed.get(name) != at:
            self._take_positions()
            self.closed[name] = at
            self._limit()
            self._settle()

    def unbar(self, name: str) -> None:
        if name in self.closed:
            self._take_positions()
            del self.closed[name]
            self._limit()
            self._settle()

    def grip(self, name: str, at: float, window: float) -> bool:
        self._take_positions()
        near = next((each for each, position in self.items if abs(position - at) <= window), None)
        if near is None:
            return False
        self.grips[name] = near.id
        self._limit()
        self.changed()
        return True

    def let_go(self, name: str) -> None:
        if name in self.grips:
            self._take_positions()
            del self.grips[name]
            self._limit()
            self.changed()

    def covering(self, at: float) -> Workpiece | None:
        """The workpiece that covers ``at``: its leading edge is there or past it, its trailing one is not."""
        for index, (workpiece, _) in enumerate(self.items):
            position = self._place(index)
            if position < at - NEAR:
                break  # and so are all behind it
            if position - workpiece.length < at - NEAR:
                return workpiece
        return None

    def across(self, at: float) -> Workpiece | None:
        """The workpiece that covers ``at`` on both sides: a stop there would come up under it."""
        for index, (workpiece, _) in enumerate(self.items):
            position = self._place(index)
            if position <= at + NEAR:
                break
            if position - workpiece.length < at - NEAR:
                return workpiece
        return None

    def standing(self, at: float) -> Workpiece | None:
        """The workpiece whose leading edge is at ``at`` and that nobody grips."""
        for (workpiece, _), position in zip(self.items, self.positions(), strict=True):
            if abs(position - at) <= NEAR and not self._is_held(workpiece):
                return workpiece
        return None

    def held(self, at: float) -> Workpiece | None:
        """The workpiece that covers ``at`` and is gripped."""
        workpiece = self.covering(at)
        return workpiece if workpiece is not None and self._is_held(workpiece) else None

    # --- the closed form ---------------------------------------------------------------------------------

    def positions(self) -> list[float]:
        """Where each leading edge is now, the one nearest the outlet first, mm."""
        return [self._place(index) for index in range(len(self.items))]

    def _place(self, index: int) -> float:
        """Where item ``index`` is now.

        All move at the belt's one speed until each is at its end: so the gap between two changes only once
        the one ahead rests, which the end of the one behind allows for.
        """
        position, rate = self.items[index][1], self.rate
        if not rate or self.now == self.since:
            return position
        place, end = position + rate * (self.now - self.since) / SECOND, self.ends[index]
        return end if (place > end) == (rate > 0) else place

    def _is_held(self, workpiece: Workpiece) -> bool:
        return workpiece.id in self.grips.values()

    def _limit(self) -> None:
        """Find where each workpiece would come to rest, the way the belt moves now."""
        gap, stops = self.params["gap"], self.closed.values()
        self.ends = []
        if self.rate >= 0:
            room = self.params["length"]
            for workpiece, position in self.items:
                end = position
                if not self._is_held(workpiece):
                    end = max(position, min((room, *(at for at in stops if at >= position - NEAR))))
                self.ends.append(end)
                room = end - workpiece.length - gap
            return
        behind = -math.inf
        for workpiece, position in reversed(self.items):
            tail, end = position - workpiece.length, position
            if not self._is_held(workpiece):
                barred = (at + workpiece.length for at in stops if at <= tail + NEAR)
                end = min(position, max((0.0, behind + workpiece.length, *barred)))
            self.ends.insert(0, end)
            behind = end + gap

    def _take_positions(self) -> None:
        """Count positions from now on, and note which edges came to marks on the way."""
        if self.since == self.now:
            return
        for index, (workpiece, before) in enumerate(self.items if self.rate else ()):
            after = self._place(index)
            if after != before:
                self.items[index] = (workpiece, after)
                places, told = self._edges_of(workpiece)
                first, last = (
                    bisect_right(places, min(before, after)),
                    bisect_right(places, max(before, after)),
                )
                if first < last:
                    self._crossed += [(each, workpiece) for each in told[first:last]]
        self.since = self.now

    def _edges_of(self, workpiece: Workpiece) -> Edges:
        forwards = self.rate > 0
        found = self._edges.get((workpiece.length, forwards))
        if found is None:
            edges: list[tuple[float, Passing]] = []
            for at, entered, left in self._marks:
                leading = entered if forwards else left
                edges += [] if leading is None else [(at - NEAR, leading)]
                edges += [] if left is None else [(at - NEAR + workpiece.length, left)]
            edges.sort(key=lambda edge: edge[0])
            found = Edges([place for place, _ in edges], [told for _, told in edges])
            if len(self._edges) >= LENGTHS:
                self._edges.clear()
            self._edges[workpiece.length, forwards] = found
        return found

    def _at_outlet(self, workpiece: Workpiece) -> None:
        """An instant of its own; what waits is looked for at each."""

    def _settle(self) -> None:
        """After a change: tell what has come about, and schedule the next instant at which something will."""
        while self._crossed:
            callback, workpiece = self._crossed.pop(0)
            if any(each.id == workpiece.id for each, _ in self.items):
                callback(workpiece)
        self.pass_on()
        self.cancel(self.pending)
        self.pending = None
        way = self._next_way() if self.rate else math.inf
        if way < math.inf:
            self.pending = self.at(self.since + math.ceil(way / abs(self.rate) * SECOND), "reach")

    def _next_way(self) -> float:
        """How far the belt moves until an edge comes to a mark, mm."""
        forwards, nearest = self.rate > 0, math.inf
        for index, (workpiece, position) in enumerate(self.items):
            end = self.ends[index]
            if end == position:
                continue
            places = self._edges_of(workpiece).places
            next_one = bisect_right(places, position)
            if forwards:
                if next_one < len(places) and places[next_one] <= end:
                    nearest = min(nearest, places[next_one] + NEAR - position)
            elif next_one and end < places[next_one - 1]:
                nearest = min(nearest, position - places[next_one - 1] + NEAR)  # where it is no longer there
        return nearest

    def drive_changed(self) -> None:
        """The belt's speed may be another one now."""
        moving = self.driven and fed(self) and not self.faults & {"jam", "trip"}
        rate = (-self.wanted if self.backwards else self.wanted) if moving else 0.0
        if rate == self.rate:
            return
        self._take_positions()
        self.rate = rate
        self._limit()
        self.tacho = Exponential(self.now, self.tacho.at(self.now), abs(rate), TACHO_LAG)
        self._settle()


class PhotoEye(Component):
    """Sees whether a workpiece covers it; each edge is an event, so it is exact whenever it is asked."""

    ABOUT = "photo eye"
    PARAMS = (Param("at", "mm", 0, 100_000),)
    PORTS = (Port("sees", "sensor", about="a workpiece is before it", sees=True),)
    LINKS = (Link("on", Carrier),)
    STATE = ("sees",)

    def start(self) -> None:
        self.sees = False
        self._carrier = self.link("on", Carrier)
        self._carrier.watch(self.params["at"], self._look)

    def sense(self, port: str) -> Scalar:
        return self.sees

    def watched(self, port: str) -> tuple[Carrier, float] | None:
        return self._carrier, self.params["at"]

    def _look(self) -> None:
        self.sees = self._carrier.covering(self.params["at"]) is not None

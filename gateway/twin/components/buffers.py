"""What workpieces wait in: the buffer, the magazine that gives one at a time, the bin; pure."""

from __future__ import annotations

from typing import Any, ClassVar

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Fault, Param, Port
from gateway.twin.motion import MILLISECOND
from gateway.twin.workpiece import Workpiece

LAST_IN_FIRST_OUT = 1.0


class Store(Carrier):
    """Base of carriers that hold a number of workpieces in no place that anybody could work on."""

    PORTS: ClassVar[tuple[Port, ...]] = (
        Port("count", "sensor", "int", about="workpieces in it", optional=True, sees=True),
        Port("empty", "sensor", about="nothing is in it", optional=True, sees=True),
        Port("full", "sensor", about="no room is left", optional=True, sees=True),
    )
    STATE: ClassVar[tuple[str, ...]] = (*Carrier.STATE, "items", "closed")

    def start(self) -> None:
        super().start()
        self.items: list[Workpiece] = []  # first in, first here
        self.closed: set[str] = set()  # who bars the way out

    def sense(self, port: str) -> Scalar:
        count = len(self.items)
        if port == "count":
            return count
        return count == 0 if port == "empty" else count >= self.params["capacity"]

    def admits(self, workpiece: Workpiece, at: float = 0.0) -> bool:
        return len(self.items) < self.params["capacity"]

    def take_in(self, workpiece: Workpiece, at: float) -> None:
        self.items.append(workpiece)

    def take_off(self, workpiece: str) -> Workpiece:
        index = next(index for index, each in enumerate(self.items) if each.id == workpiece)
        return self.items.pop(index)

    def contents(self) -> tuple[Workpiece, ...]:
        return tuple(self.items)

    def covering(self, at: float) -> Workpiece | None:
        return self.items[0] if self.items else None

    def replace(self, workpiece: Workpiece) -> None:
        self.items = [workpiece if each.id == workpiece.id else each for each in self.items]

    def bar(self, name: str, at: float) -> None:
        self.closed.add(name)

    def unbar(self, name: str) -> None:
        self.closed.discard(name)
        self.changed()


class Buffer(Store):
    """First in, first out; a workpiece takes ``through`` from the inlet to the outlet at least.

    Each rising edge of ``release`` lets one out, and ``passed`` shows that it has gone as long as ``release``
    stays on. Where no output drives it, they go out by themselves.
    """

    ABOUT = "buffer, first in first out"
    PARAMS = (
        Param("capacity", "1", 1, 1_000, 10),
        Param("through", "ms", 0, 3_600_000, 0, "time from the inlet to the outlet, at least"),
        Param("entry", "ms", 0, 60_000, 0, "until a workpiece has passed the inlet"),
        *Carrier.PARAMS,
    )
    PORTS = (
        Port("release", "actuator", about="lets one out", optional=True),
        *Store.PORTS,
        Port("ready", "sensor", about="a workpiece is at the outlet", optional=True, sees=True),
        Port("at-inlet", "sensor", about="a workpiece is passing the inlet", optional=True, sees=True),
        Port("passed", "sensor", about="the one that was let out has gone", optional=True, sees=True),
    )
    FAULTS = (Fault("jam", "nothing comes out"), *Carrier.FAULTS)
    STATE = (*Store.STATE, "released", "granted", "passed", "due", "free")

    def start(self) -> None:
        super().start()
        self.released: bool | None = None  # None: no output drives it
        self.granted = True  # one may go out
        self.passed = False
        self.due: dict[str, int] = {}  # workpiece -> when it is at the outlet, ns
        self.free = self.now  # when the inlet is, or was

    def drive(self, port: str, value: Scalar) -> None:
        was, self.released = self.released, bool(value)
        if self.released != was:
            self.granted, self.passed = self.released, False
            self.changed()

    def fault_changed(self, fault: str, active: bool) -> None:
        super().fault_changed(fault, active)
        self.changed()

    def on(self, kind: str, argument: Any) -> None:
        self.changed()

    def sense(self, port: str) -> Scalar:
        if port == "passed":
            return self.passed
        if port == "at-inlet":
            return self.now < self.free
        return self._ready() is not None if port == "ready" else super().sense(port)

    def admits(self, workpiece: Workpiece, at: float = 0.0) -> bool:
        return self.now >= self.free and super().admits(workpiece, at)

    def take_in(self, workpiece: Workpiece, at: float) -> None:
        super().take_in(workpiece, at)
        self.due[workpiece.id] = self.now + round(self.params["through"] * MILLISECOND)
        self.free = self.now + round(self.params["entry"] * MILLISECOND)
        for time in {self.due[workpiece.id], self.free} - {self.now}:
            self.at(time, "moved")

    def take_off(self, workpiece: str) -> Workpiece:
        self.due.pop(workpiece)
        if self.released and self.granted:
            self.granted, self.passed = False, True
        return super().take_off(workpiece)

    def waiting(self) -> Workpiece | None:
        return self._ready() if self.granted and not self.closed and "jam" not in self.faults else None

    def _ready(self) -> Workpiece | None:
        return self.items[0] if self.items and self.due[self.items[0].id] <= self.now else None


class Magazine(Store):
    """A stack that gives one workpiece at a time: from below (first in first out) or from above.

    A rising edge of ``separate`` brings the next one to the outlet, which takes ``cycle``.
    """

    ABOUT = "magazine, separates one workpiece"
    PARAMS = (
        Param("capacity", "1", 1, 1_000, 10),
        Param("order", "1", 0, 1, 0, "0: first in first out; 1: last in first out, a stack"),
        Param("cycle", "ms", 1, 60_000, 500, "time to separate one", drawn=True),
        Param("low", "1", 0, 1_000, 2, "the level sensor shows this many or fewer"),
        *Carrier.PARAMS,
    )
    PORTS = (
        Port("separate", "actuator", about="bring one to the outlet"),
        *Store.PORTS,
        Port("low", "sensor", about="few are left", optional=True, sees=True),
        Port("ready", "sensor", about="a workpiece is at the outlet", optional=True, sees=True),
    )
    FAULTS = (Fault("jam", "separating brings nothing to the outlet"), *Carrier.FAULTS)
    STATE = (*Store.STATE, "commanded", "coming", "out", "pending")

    def start(self) -> None:
        super().start()
        self.commanded = False
        self.coming = ""  # the workpiece on its way to the outlet
        self.out = ""  # the one at the outlet
        self.pending: int | None = None

    def drive(self, port: str, value: Scalar) -> None:
        was, self.commanded = self.commanded, bool(value)
        blocked = self.coming or self.out or "jam" in self.faults
        if not self.commanded or was or blocked or not self.items:
            return
        last = self.params["order"] == LAST_IN_FIRST_OUT
        self.coming = self.items[-1 if last else 0].id
        self.pending = self.after(self.lasts("cycle"), "separated")

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self.out, self.coming = self.coming, ""
        self.changed()

    def fault_changed(self, fault: str, active: bool) -> None:
        super().fault_changed(fault, active)
        if "jam" in self.faults and self.coming:
            self._recall()

    def sense(self, port: str) -> Scalar:
        if port == "low":
            return len(self.items) <= self.params["low"]
        return bool(self.out) if port == "ready" else super().sense(port)

    def take_off(self, workpiece: str) -> Workpiece:
        if workpiece == self.coming:
            self._recall()
        self.out = "" if workpiece == self.out else self.out
        return super().take_off(workpiece)

    def covering(self, at: float) -> Workpiece | None:
        return next((each for each in self.items if each.id == self.out), None)

    def held(self, at: float) -> Workpiece | None:
        return self.covering(at)

    def waiting(self) -> Workpiece | None:
        return None if self.closed else self.covering(0.0)

    def contents(self) -> tuple[Workpiece, ...]:
        if self.params["order"] == LAST_IN_FIRST_OUT:
            return tuple(reversed(self.items))
        return tuple(self.items)

    def _recall(self) -> None:
        self.cancel(self.pending)
        self.pending, self.coming = None, ""


class Bin(Carrier):
    """Takes out what comes, as rejected, until it is full; a person empties it."""

    ABOUT = "reject bin"
    PARAMS = (Param("capacity", "1", 1, 10_000, 20),)
    PORTS = (
        Port("count", "sensor", "int", about="workpieces in it", optional=True, sees=True),
        Port("full", "sensor", about="no room is left", optional=True, sees=True),
    )
    LINKS = ()
    FAULTS = (Fault("emptied", "a person has taken out what was in it"),)
    STATE = (*Carrier.STATE, "count")

    def start(self) -> None:
        super().start()
        self.count = 0

    def fault_changed(self, fault: str, active: bool) -> None:
        if active:
            self.clear()

    def sense(self, port: str) -> Scalar:
        return self.count if port == "count" else self.count >= self.params["capacity"]

    def admits(self, workpiece: Workpiece, at: float = 0.0) -> bool:
        return self.count < self.params["capacity"]

    def take_in(self, workpiece: Workpiece, at: float) -> None:
        self.count += 1
        self.tell("rejected", workpiece.id)

    def waiting(self) -> Workpiece | None:
        return None

    def contents(self) -> tuple[Workpiece, ...]:
        return ()

    def clear(self) -> tuple[Workpiece, ...]:
        self.count = 0
        self.changed()
        return ()

    def covering(self, at: float) -> Workpiece | None:
        return None

"""One small line (conveyor, stop, eye, worker) as components on the kernel and as SimPy processes.

Both are written as their users write them, and give the same edges of the eye at the same times, which is
asserted. Beside it, ungated, the same line of the library's components, which do more: belts that stop and
start anywhere, gaps in mm, cylinders that need air.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import simpy

from gateway.field.types import Scalar
from gateway.twin.component import Component, Link, Port, Surroundings
from gateway.twin.components.stops import Stopper
from gateway.twin.components.transport import BeltConveyor, PhotoEye
from gateway.twin.kernel import Kernel
from gateway.twin.workpiece import Workpiece

WORKPIECES = 3_000
ROUNDS = 5
MS = 1_000_000
FEED, TRAVEL, WORK, STROKE, PASSING = 1400 * MS, 2000 * MS, 900 * MS, 60 * MS, 300 * MS

Edges = list[tuple[int, bool]]


# --- components on the kernel -------------------------------------------------------------------------


class Conveyor(Component):
    """Brings each workpiece to the stop after its time of travel; there they queue."""

    def start(self) -> None:
        self.queue: deque[str] = deque()
        self.arrived: Callable[[], None] = lambda: None

    def admit(self, workpiece: str) -> None:
        """It comes in."""
        self.after(TRAVEL, "arrive", workpiece)

    def on(self, kind: str, argument: Any) -> None:
        self.queue.append(argument)
        self.arrived()


class Stop(Component):
    """Opens and closes in the time of its stroke."""

    PORTS = (Port("open", "actuator"),)

    def start(self) -> None:
        self.placed: Callable[[bool], None] = lambda opened: None

    def drive(self, port: str, value: Scalar) -> None:
        self.after(STROKE, "placed", value)

    def on(self, kind: str, argument: Any) -> None:
        self.placed(argument)


class Eye(Component):
    """Sees what stands at the stop."""

    def start(self) -> None:
        self.edges: Edges = []

    def see(self, covered: bool) -> None:
        """An edge."""
        self.edges.append((self.now, covered))


class Worker(Component):
    """Works on what comes to the stop, and lets it pass."""

    LINKS = (Link("conveyor", Conveyor), Link("stop", Stop), Link("eye", Eye))

    def start(self) -> None:
        self.idle, self.left = True, 0
        self.conveyor, self.stop = self.link("conveyor", Conveyor), self.link("stop", Stop)
        self.eye = self.link("eye", Eye)
        self.conveyor.arrived, self.stop.placed = self.look, self.placed

    def look(self) -> None:
        """Begin, if there is something to do."""
        if self.idle and self.conveyor.queue:
            self.conveyor.queue.popleft()
            self.idle = False
            self.eye.see(True)
            self.after(WORK, "done")

    def on(self, kind: str, argument: Any) -> None:
        if kind == "done":
            self.stop.drive("open", True)
        else:
            self.eye.see(False)
            self.left += 1
            self.stop.drive("open", False)

    def placed(self, opened: bool) -> None:
        """The stop is up or down."""
        if opened:
            self.after(PASSING, "passed")
        else:
            self.idle = True
            self.look()


class Source(Component):
    """Feeds workpieces in at their time."""

    LINKS = (Link("conveyor", Conveyor),)

    def start(self) -> None:
        self.fed = 0
        self.conveyor = self.link("conveyor", Conveyor)
        self.after(0, "feed")

    def on(self, kind: str, argument: Any) -> None:
        self.conveyor.admit(f"w{self.fed}")
        self.fed += 1
        if self.fed < WORKPIECES:
            self.after(FEED, "feed")


def with_components() -> Edges:
    """The eye's edges."""
    kernel = Kernel()
    surroundings = Surroundings(kernel)

    def add(family: type[Component], **links: Component) -> Any:
        made = family(family.__name__.lower(), surroundings, {}, links)
        kernel.handlers[made.name] = made.on
        made.start()
        return made

    conveyor, stop, eye = add(Conveyor), add(Stop), add(Eye)
    add(Worker, conveyor=conveyor, stop=stop, eye=eye)
    add(Source, conveyor=conveyor)
    kernel.advance(WORKPIECES * 2 * FEED)
    return eye.edges  # type: ignore[no-any-return]  # an Eye


# --- processes of SimPy -------------------------------------------------------------------------------


def with_simpy() -> Edges:
    """The eye's edges."""
    env = simpy.Environment()
    edges: Edges = []
    queue = simpy.Store(env)
    stop = simpy.Resource(env, 1)

    def conveyor(workpiece: str) -> Generator[simpy.Event, Any, None]:
        yield env.timeout(TRAVEL)
        yield queue.put(workpiece)

    def pass_stop() -> Generator[simpy.Event, Any, None]:
        with stop.request() as opened:
            yield opened
            yield env.timeout(STROKE)
            yield env.timeout(PASSING)
            edges.append((env.now, False))
            yield env.timeout(STROKE)

    def worker() -> Generator[simpy.Event, Any, None]:
        while True:
            yield queue.get()
            edges.append((env.now, True))
            yield env.timeout(WORK)
            yield env.process(pass_stop())

    def source() -> Generator[simpy.Event, Any, None]:
        for number in range(WORKPIECES):
            env.process(conveyor(f"w{number}"))
            yield env.timeout(FEED)

    env.process(worker())
    env.process(source())
    env.run(until=WORKPIECES * 2 * FEED)
    return edges


# --- the library's components -------------------------------------------------------------------------


class Hand(Component):
    """Opens the stopper when its time is over, and closes it behind the workpiece."""

    def start(self) -> None:
        self.belt, self.stop = self.link("belt", BeltConveyor), self.link("stop", Stopper)
        self.belt.mark(1000.0, self._entered, self._left)
        self.belt.mark(2000.0, self._leaves)

    def on(self, kind: str, argument: Any) -> None:
        if kind == "done":
            self.stop.drive("open", True)
        elif kind == "gone":
            self.belt.remove(argument)
        elif argument < WORKPIECES:
            self.belt.admit(Workpiece(f"w{argument}", "phone", 150.0))
            self.after(FEED, "feed", argument + 1)

    def _entered(self, workpiece: Workpiece) -> None:
        self.after(WORK, "done")

    def _left(self, workpiece: Workpiece) -> None:
        self.stop.drive("open", False)

    def _leaves(self, workpiece: Workpiece) -> None:
        self.after(0, "gone", workpiece.id)


def with_library() -> Edges:
    """The eye's edges."""
    kernel = Kernel()
    surroundings = Surroundings(kernel)
    edges: Edges = []

    def add(family: type[Component], params: dict[str, float], **links: Component) -> Any:
        usual = {each.name: each.default for each in family.PARAMS if each.default is not None}
        made = family(family.__name__.lower(), surroundings, {**usual, **params}, links)
        kernel.handlers[made.name] = made.on
        made.start()
        return made

    belt = add(BeltConveyor, {"length": 2000.0, "speed": 500.0})
    stop = add(Stopper, {"at": 1000.0, "travel": 60.0}, on=belt)
    eye = add(PhotoEye, {"at": 1000.0}, on=belt)
    hand = add(Hand, {}, belt=belt, stop=stop)
    belt.watch(1000.0, lambda: edges.append((kernel.now, bool(eye.sense("sees")))))
    belt.drive("run", True)
    hand.after(0, "feed", 0)
    kernel.advance(WORKPIECES * 2 * FEED)
    return edges


def cost(runs: tuple[Callable[[], Edges], ...]) -> list[float]:
    """Microseconds per workpiece of each, the best of several rounds taken in turn."""
    best = [float("inf")] * len(runs)
    for _ in range(ROUNDS):
        for index, run in enumerate(runs):
            began = time.perf_counter()
            run()
            best[index] = min(best[index], (time.perf_counter() - began) / WORKPIECES * 1e6)
    return best


def rows() -> list[dict[str, Any]]:
    """Figures in us per workpiece; ``ratio`` is theirs by ours."""
    edges = with_components()
    assert edges == with_simpy(), "the two models differ"
    assert len(edges) == 2 * WORKPIECES
    assert sum(covered for _, covered in with_library()) >= WORKPIECES
    ours, library, theirs = cost((with_components, with_library, with_simpy))
    found: list[dict[str, Any]] = []
    for name, figure, gate in (
        ("small line: conveyor, stop, eye, worker as components", ours, 2.0),
        ("the same line of the library's belt, stopper and eye", library, None),
    ):
        ratio = theirs / figure
        found.append(
            {
                "name": name,
                "figure": round(figure, 2),
                "unit": "us/workpiece",
                "peer": "SimPy's processes and resources",
                "ratio": round(ratio, 3),
                "gate": "none" if gate is None else f">= {gate}",
                "met": gate is None or ratio >= gate,
            }
        )
    return found


if __name__ == "__main__":
    for row in rows():
        print(row)

"""Events per second of the twin's kernel, beside SimPy and a bare heap doing the same in the same run."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Generator
from typing import Any

import simpy

from gateway.twin.kernel import Kernel

COMPONENTS = 100
EVENTS = 100_000
ROUNDS = 5
PERIODS = [7 + index % 13 for index in range(COMPONENTS)]  # ns; unequal, so that the queue is mixed
NEVER = 10**12
PEERS: tuple[tuple[str, float | None], ...] = (
    ("SimPy's bare events", 1.2),
    ("SimPy's processes", 1.2),
    ("a bare heap of tuples", None),
)


class Ticking:
    """A component that schedules its own next event; with ``guarded`` each sets and cancels a time-out."""

    def __init__(self, kernel: Kernel, name: str, period: int, guarded: bool) -> None:
        self.kernel, self.name, self.period, self.guarded = kernel, name, period, guarded
        self.guard = 0
        kernel.handlers[name] = self.on
        kernel.schedule(period, name, "tick")

    def on(self, kind: str, argument: Any) -> None:
        kernel = self.kernel
        kernel.schedule(kernel.now + self.period, self.name, "tick")
        if self.guarded:
            kernel.cancel(self.guard)
            self.guard = kernel.schedule(kernel.now + NEVER, self.name, "late")


def twinline(guarded: bool) -> int:
    """Events that happened."""
    kernel = Kernel()
    for index, period in enumerate(PERIODS):
        Ticking(kernel, f"c{index}", period, guarded)
    happened = 0
    while happened < EVENTS:
        happened += kernel.advance(kernel.now + 1000)
    return happened


def never(event: simpy.Event) -> None:
    """What a time-out that was not dropped would do."""
    raise AssertionError("a time-out was not dropped")


def simpy_events(guarded: bool) -> int:
    """The same with SimPy's bare events: no process, each event's one callback makes the next one.

    SimPy cannot cancel: a time-out is dropped by clearing its callbacks, and stays in the queue.
    """
    env = simpy.Environment()
    counted = 0

    def ticking(period: int) -> None:
        guard: simpy.Event | None = None

        def tick(event: simpy.Event) -> None:
            nonlocal counted, guard
            counted += 1
            env.timeout(period).callbacks.append(tick)
            if guarded:
                if guard is not None:
                    guard.callbacks.clear()
                guard = env.timeout(NEVER)
                guard.callbacks.append(never)

        env.timeout(period).callbacks.append(tick)

    for period in PERIODS:
        ticking(period)
    while counted < EVENTS:
        env.run(until=env.now + 1000)
    return counted


def simpy_processes(guarded: bool) -> int:
    """The same as SimPy's processes, as its users write them."""
    env = simpy.Environment()
    counted = 0

    def tick(period: int) -> Generator[simpy.Event, Any, None]:
        nonlocal counted
        guard: simpy.Event | None = None
        while True:
            yield env.timeout(period)
            counted += 1
            if guarded:
                if guard is not None:
                    guard.callbacks.clear()
                guard = env.timeout(NEVER)
                guard.callbacks.append(never)

    for period in PERIODS:
        env.process(tick(period))
    while counted < EVENTS:
        env.run(until=env.now + 1000)
    return counted


def bare(guarded: bool) -> int:
    """The floor: a heap of tuples and nothing else (time-outs are pushed and never taken out)."""
    heap = [(period, index) for index, period in enumerate(PERIODS)]
    heapq.heapify(heap)
    for count in range(EVENTS):
        now, index = heapq.heappop(heap)
        heapq.heappush(heap, (now + PERIODS[index], index))
        if guarded:
            heapq.heappush(heap, (now + NEVER, count))
    return EVENTS


def rates(guarded: bool, *runs: Callable[[bool], int]) -> list[float]:
    """Events per second of each, the best of several rounds taken in turn."""
    best = [0.0] * len(runs)
    for _ in range(ROUNDS):
        for index, run in enumerate(runs):
            began = time.perf_counter()
            happened = run(guarded)
            best[index] = max(best[index], happened / (time.perf_counter() - began))
    return best


def rows() -> list[dict[str, Any]]:
    """Figures in events/s; ``ratio`` is ours by theirs."""
    found: list[dict[str, Any]] = []
    for guarded, what in ((False, "self-rescheduling"), (True, "with time-outs that are cancelled")):
        ours, *theirs = rates(guarded, twinline, simpy_events, simpy_processes, bare)
        for (peer, gate), figure in zip(PEERS, theirs, strict=True):
            ratio = ours / figure
            found.append(
                {
                    "name": f"kernel, {COMPONENTS} components {what}",
                    "figure": round(ours),
                    "unit": "events/s",
                    "peer": peer,
                    "ratio": round(ratio, 3),
                    "gate": "none" if gate is None else f">= {gate}",
                    "met": gate is None or ratio >= gate,
                }
            )
    return found


if __name__ == "__main__":
    for row in rows():
        print(row)

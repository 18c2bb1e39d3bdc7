"""What a scan of the virtual controller costs, beside the same statements written by hand in Python.

Both run in this process, in turn, and each figure is the best of several rounds, so the ratio does not
depend on the machine. `rows()` gives the figures; run as a script it prints them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from gateway.controller.compile import Instance, compile_program

BLOCKS = 150
ROUNDS, SCANS = 7, 40

# One block of ten statements in the mixture of a station's program: logic, a timer, a counter in INT, a
# REAL filter, a comparison, a state machine. 150 of them are a program of 1,500 statements.
VARIABLES = """run{n}, stop{n}, go{n}, high{n} : BOOL; t{n} : TON; n{n}, s{n} : INT;
level{n} : REAL; mean{n} : REAL; raw{n} : INT;"""
STATEMENTS = """run{n} := (go{n} OR run{n}) AND NOT stop{n};
t{n}(IN := run{n}, PT := T#500ms);
n{n} := n{n} + 1;
raw{n} := (raw{n} + 37) MOD 1000;
level{n} := INT_TO_REAL(raw{n}) * 0.5;
mean{n} := mean{n} + (level{n} - mean{n}) * 0.1;
high{n} := mean{n} > 200.0;
go{n} := t{n}.Q OR high{n};
CASE s{n} OF
0: IF go{n} THEN s{n} := 1; END_IF;
1: s{n} := 2;
2: stop{n} := TRUE; s{n} := 3;
3: stop{n} := FALSE; s{n} := 0;
END_CASE;
"""

# The same by hand: what one would write in Python for it, without wrap-around and single precision.
BY_HAND = """
        self.run{n} = (self.go{n} or self.run{n}) and not self.stop{n}
        self.t{n}(self.run{n}, 500_000_000, now)
        self.n{n} += 1
        self.raw{n} = (self.raw{n} + 37) % 1000
        self.level{n} = self.raw{n} * 0.5
        self.mean{n} += (self.level{n} - self.mean{n}) * 0.1
        self.high{n} = self.mean{n} > 200.0
        self.go{n} = self.t{n}.q or self.high{n}
        if self.s{n} == 0:
            if self.go{n}:
                self.s{n} = 1
        elif self.s{n} == 1:
            self.s{n} = 2
        elif self.s{n} == 2:
            self.stop{n} = True
            self.s{n} = 3
        elif self.s{n} == 3:
            self.stop{n} = False
            self.s{n} = 0
"""
NAMES = ("run", "stop", "go", "high", "t", "n", "s", "level", "mean", "raw")
STATEMENTS_PER_BLOCK = 10


class Timer:
    """An on-delay timer by hand."""

    __slots__ = ("elapsed", "q", "start")

    def __init__(self) -> None:
        self.q, self.start, self.elapsed = False, -1, 0

    def __call__(self, on: bool, preset: int, now: int) -> None:
        if not on:
            self.q, self.start, self.elapsed = False, -1, 0
        elif self.start < 0:
            self.start = now
        elif not self.q:
            self.elapsed = now - self.start
            self.q = self.elapsed >= preset


def source() -> str:
    variables = "\n".join(VARIABLES.format(n=n) for n in range(BLOCKS))
    body = "\n".join(STATEMENTS.format(n=n) for n in range(BLOCKS))
    return f"PROGRAM Bench\nVAR\n{variables}\nEND_VAR\n{body}END_PROGRAM\n"


def by_hand() -> Any:
    """An instance of a class with the same variables as slots and the same statements."""
    slots = [f"{name}{n}" for n in range(BLOCKS) for name in NAMES]
    lines = [f"class Hand:\n    __slots__ = {tuple(slots)!r}\n    def scan(self, now):"]
    lines += [BY_HAND.format(n=n).strip("\n") for n in range(BLOCKS)]
    space: dict[str, Any] = {}
    exec("\n".join(lines), space)
    made = space["Hand"]()
    for n in range(BLOCKS):
        for name in ("run", "stop", "go", "high"):
            setattr(made, f"{name}{n}", False)
        for name in ("n", "s", "level", "mean", "raw"):
            setattr(made, f"{name}{n}", 0)
        setattr(made, f"t{n}", Timer())
    return made


def same_behaviour(compiled: Instance, hand: Any) -> bool:
    """Both must have done the same, or the comparison says nothing."""
    return all(
        compiled.get(f"{name}0") == getattr(hand, f"{name}0") for name in ("run", "go", "n", "s", "raw")
    )


def nanoseconds_per_scan(scan: Callable[[int], None], start: int) -> float:
    began = time.perf_counter_ns()
    for n in range(SCANS):
        scan(start + n * 20_000_000)
    return (time.perf_counter_ns() - began) / SCANS


def rows() -> list[dict[str, Any]]:
    text = source()
    began = time.perf_counter_ns()
    program = compile_program(text)
    speed = (text.count("\n")) / ((time.perf_counter_ns() - began) / 1e9)
    compiled, hand = program.new(), by_hand()
    ours, theirs = list[float](), list[float]()
    for turn in range(ROUNDS):
        start = turn * SCANS * 20_000_000
        ours.append(nanoseconds_per_scan(compiled.scan, start))
        theirs.append(nanoseconds_per_scan(hand.scan, start))
    if not same_behaviour(compiled, hand):
        raise AssertionError("the compiled program and the one by hand differ")
    statements = BLOCKS * STATEMENTS_PER_BLOCK
    ratio = min(ours) / min(theirs)
    return [
        {
            "name": "scan cost of a statement",
            "figure": round(min(ours) / statements, 1),
            "unit": "ns",
            "peer": f"the same statements by hand in Python: {min(theirs) / statements:.1f} ns",
            "ratio": round(ratio, 2),
            "gate": "<= 3.0",
            "met": ratio <= 3.0,
        },
        {
            "name": "compile speed",
            "figure": round(speed),
            "unit": "lines/s",
            "peer": "none",
            "ratio": None,
            "gate": "none",
            "met": True,
        },
    ]


if __name__ == "__main__":
    print(json.dumps(rows(), indent=2))

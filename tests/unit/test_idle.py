"""A controller whose idle scans are left out puts out the same as one that does every scan, always."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from st_running import MS, START, program

from gateway.controller.compile import Program, compile_program
from gateway.controller.idle import Idle
from gateway.controller.runtime import VirtualController

PERIOD = 10 * MS
SCANS = 400
SHIPPED = sorted((Path(__file__).resolve().parents[2] / "config" / "programs").glob("*.st"))

VARIABLES = """
a AT %MX0.0 : BOOL; b AT %MX0.1 : BOOL; c AT %MX0.2 : BOOL; d AT %MX0.3 : BOOL;
n AT %MW2 : INT; x AT %MD2 : REAL;
o AT %QX0.0 : BOOL; q AT %QX0.1 : BOOL; r AT %QX0.2 : BOOL; s AT %QX0.3 : BOOL;
m AT %QW2 : INT; y AT %QD2 : REAL; k AT %MW8 : INT; e AT %QD4 : TIME; z : REAL; w : INT;
t0, t1 : TON; t2 : TOF; t3 : TP; f0, f1 : Delay; count : CTU; edge : R_TRIG; latch : SR;
"""
DELAY = """
FUNCTION_BLOCK Delay
VAR_INPUT go : BOOL; END_VAR
VAR_OUTPUT soon, late : BOOL; END_VAR
VAR timer : TON; pulse : TP; END_VAR
timer(IN := go, PT := T#230ms);
pulse(IN := timer.Q, PT := T#45ms);
soon := timer.ET > T#55ms;
late := pulse.Q;
END_FUNCTION_BLOCK
"""
TIMERS = ("t0", "t1", "t2", "t3")


class Writer:
    """Writes random statements. With ``open_ends`` ET is used otherwise than in comparisons, too."""

    def __init__(self, seed: int, open_ends: bool) -> None:
        self.chance, self.open_ends = random.Random(seed), open_ends

    def time(self) -> str:
        """A length of time, often one that falls on a scan."""
        return f"T#{self.chance.choice([0, 10, 25, 30, 55, 100, 104, 250, 600])}ms"

    def condition(self, depth: int = 2) -> str:
        """A BOOL."""
        pick = self.chance.randrange(12 if depth else 7)
        if pick < 3:
            return self.chance.choice("abcd")
        if pick < 5:
            return self.chance.choice(
                [*"oqrs", "count.Q", "edge.Q", "latch.Q1", "f0.soon", "f1.late", "z > 9.0"]
            )
        if pick < 6:
            return self.chance.choice(TIMERS) + ".Q"
        if pick < 7:
            return f"{self.chance.choice(['n', 'm', 'k', 'w'])} {self.operator()} {self.chance.randrange(6)}"
        if pick < 9:
            timer = f"{self.chance.choice(TIMERS)}.ET"
            ends = [timer, self.time()]
            self.chance.shuffle(ends)
            return f"{ends[0]} {self.operator()} {ends[1]}"
        word = self.chance.choice(["AND", "OR", "XOR"])
        inner = f"({self.condition(depth - 1)} {word} {self.condition(depth - 1)})"
        return inner if self.chance.random() < 0.6 else f"NOT {inner}"

    def operator(self) -> str:
        return self.chance.choice(["<", "<=", ">", ">=", "=", "<>"])

    def statement(self, depth: int = 2) -> str:
        pick = self.chance.randrange(14 if depth else 10)
        if pick < 3:
            return f"{self.chance.choice('oqrs')} := {self.condition()};"
        if pick < 5:
            preset = self.time() if self.chance.random() < 0.8 else "INT_TO_TIME(n * 20)"
            return f"{self.chance.choice(TIMERS)}(IN := {self.condition()}, PT := {preset});"
        if pick < 6:
            return f"{self.chance.choice(['f0', 'f1'])}(go := {self.condition()});"
        if pick < 7:
            return self.chance.choice([
                f"edge(CLK := {self.condition()});",
                f"count(CU := {self.condition()}, R := {self.condition()}, PV := 3);",
                f"latch(S1 := {self.condition()}, R := {self.condition()});",
            ])  # fmt: skip
        if pick < 9:
            step = self.chance.choice(
                ["m := n;", "m := k + 1;", "k := n;", "y := -y;", "z := z + x;", "w := w + 1;"]
            )
            return f"IF {self.condition()} THEN {step} END_IF;" if self.chance.random() < 0.5 else step
        if pick < 10:
            if not self.open_ends:
                return "m := m MOD 7;"
            timer = self.chance.choice(TIMERS)
            return self.chance.choice([
                f"e := {timer}.ET;",
                f"q := {timer}.ET > t0.PT;",
                f"m := TIME_TO_INT({timer}.ET) / 70;",
                f"r := {timer}.ET + T#40ms > {self.time()};",
            ])  # fmt: skip
        if pick < 13:
            return (
                f"IF {self.condition()} THEN\n{self.body(depth - 1)}\nELSE\n{self.body(depth - 1)}\nEND_IF;"
            )
        return (
            f"CASE m OF\n0: {self.body(depth - 1)} m := 1;\n1: {self.body(depth - 1)}\n"
            f"ELSE {'RETURN;' if self.chance.random() < 0.3 else 'm := 0;'}\nEND_CASE;"
        )

    def body(self, depth: int = 2) -> str:
        return "\n".join(self.statement(depth) for _ in range(self.chance.randint(1, 3 + 4 * depth)))


def strike(chance: random.Random, memory: bytearray, located: int) -> None:
    """Change one input, also to what no person would write."""
    at = chance.randrange(located)
    if chance.random() < 0.5:
        memory[at] ^= 1 << chance.randrange(8)
    else:
        value = struct.pack(">f", chance.choice([0.0, -0.0, 1.5, float("nan"), float("inf"), 450.0]))
        memory[at : at + 4] = value


def compare(compiled: Program, seed: int, rate: float, located: int = 12) -> int:
    """Run both for ``SCANS`` with inputs that change at ``rate`` a scan; how many scans were left out."""
    chance = random.Random(seed)
    every, some = VirtualController(compiled), VirtualController(compiled)
    idle = Idle(some)
    spared, now = 0, START
    for scan in range(SCANS):
        now += PERIOD
        if chance.random() < rate:
            state = chance.getstate()
            strike(chance, every.memory.areas["M"], located)
            chance.setstate(state)
            strike(chance, some.memory.areas["M"], located)
        every.scan(now)
        due = idle.due()
        if due is not None and due <= now:
            idle.scan(now)
        else:
            spared += 1
        assert every.memory.areas == some.memory.areas, f"seed {seed}, scan {scan}"
        assert (every.fault is None) == (some.fault is None), f"seed {seed}, scan {scan}"
    return spared


@pytest.mark.parametrize("open_ends", [False, True])
def test_generated_programs(open_ends: bool) -> None:
    spared = 0
    for seed in range(150):
        compiled = compile_program(program(Writer(seed, open_ends).body(), VARIABLES, DELAY))
        spared += compare(compiled, seed, rate=[0.02, 0.1, 0.5][seed % 3])
    assert spared > 150 * SCANS // 5  # else this proves nothing


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_programs(file: Path) -> None:
    compiled = compile_program(file.read_text(encoding="utf-8"), file.name)
    assert sum(compare(compiled, seed, rate=0.05, located=32) for seed in range(20)) > 20 * SCANS // 4


def test_a_program_with_nothing_to_do_is_never_due_again() -> None:
    controller = VirtualController(
        compile_program(program("q := a;", "a AT %MX0.0 : BOOL; q AT %QX0.0 : BOOL;"))
    )
    idle = Idle(controller)
    assert idle.due() == 0
    assert [idle.scan(now) for now in (1, 2, 3)] == [True, False, False]
    assert idle.due() is None
    controller.memory.write_bit("M", 0, 0, True)
    assert idle.due() is not None


def test_a_timer_is_due_when_it_switches_and_where_its_time_is_compared() -> None:
    text = program(
        "t(IN := TRUE, PT := T#1s); q := t.Q; r := t.ET >= T#300ms; s := T#400ms < t.ET;",
        "t : TON; q AT %QX0.0 : BOOL; r AT %QX0.1 : BOOL; s AT %QX0.2 : BOOL;",
    )
    idle = Idle(VirtualController(compile_program(text)))
    found = []
    now: int | None = START
    while now is not None:
        while idle.scan(now):
            now += MS
        now = idle.due()
        found.append(None if now is None else now - START)
    assert found == [300 * MS, 400 * MS + 1, 1000 * MS, None]


def test_time_that_goes_on_into_a_variable_is_never_idle() -> None:
    text = program("t(IN := TRUE, PT := T#1s); e := t.ET;", "t : TON; e AT %QD0 : TIME;")
    idle = Idle(VirtualController(compile_program(text)))
    changed = [idle.scan(START + scan * PERIOD) for scan in range(110)]
    assert all(changed[:101])
    assert not any(changed[102:])


def test_a_program_that_has_faulted_is_idle() -> None:
    text = program("n := 10 / n;", "n AT %QW0 : INT := 0;")
    controller = VirtualController(compile_program(text))
    idle = Idle(controller)
    idle.scan(1)
    assert controller.fault is not None
    idle.scan(2)
    assert idle.due() is None


def test_numbers_that_nobody_sees_yet_keep_a_program_from_resting() -> None:
    text = program("z := z * 0.5 + 4.0; y := -y; q := z > 7.99;", "z, y : REAL := 0.0; q AT %QX0.0 : BOOL;")
    compiled = compile_program(text.replace("y := -y;", ""))
    assert 0 < compare(compiled, 0, rate=0.0) < SCANS - 20
    assert compare(compile_program(text), 0, rate=0.0) == 0  # 0.0 and -0.0 by turns

"""Every statement, run: control flow, assignments, calls, and the variables around them."""

from __future__ import annotations

import pytest
from st_running import MS, START, after, instance, program

from gateway.controller.compile import compile_program

Expected = dict[str, bool | int | float]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x := 1; IF x = 1 THEN y := 10; ELSIF x = 2 THEN y := 20; ELSE y := 30; END_IF", {"y": 10}),
        ("x := 2; IF x = 1 THEN y := 10; ELSIF x = 2 THEN y := 20; ELSE y := 30; END_IF", {"y": 20}),
        ("x := 3; IF x = 1 THEN y := 10; ELSIF x = 2 THEN y := 20; ELSE y := 30; END_IF", {"y": 30}),
        ("IF FALSE THEN y := 1; END_IF", {"y": 0}),
        ("IF TRUE THEN ELSE y := 1; END_IF", {"y": 0}),
        ("x := 4; CASE x OF 1: y := 1; 2, 4: y := 2; 5..9: y := 3; ELSE y := 4; END_CASE", {"y": 2}),
        ("x := 5; CASE x OF 1: y := 1; 2, 4: y := 2; 5..9: y := 3; ELSE y := 4; END_CASE", {"y": 3}),
        ("x := 9; CASE x OF 1: y := 1; 2, 4: y := 2; 5..9: y := 3; ELSE y := 4; END_CASE", {"y": 3}),
        ("x := 10; CASE x OF 1: y := 1; 2, 4: y := 2; 5..9: y := 3; ELSE y := 4; END_CASE", {"y": 4}),
        ("x := -3; CASE x OF -5..-1: y := 1; 0: y := 2; END_CASE", {"y": 1}),
        ("x := 7; CASE x OF 1: y := 1; END_CASE", {"y": 0}),
        ("CASE x OF ELSE y := 4; END_CASE", {"y": 4}),
        ("x := 1; CASE x OF 1: CASE x + 1 OF 2: y := 5; END_CASE y := y + 1; 2: y := 9; END_CASE", {"y": 6}),
        ("FOR x := 1 TO 4 DO y := y + x; END_FOR", {"y": 10, "x": 5}),
        ("FOR x := 4 TO 1 BY -1 DO y := y * 10 + x; END_FOR", {"y": 4321, "x": 0}),
        ("FOR x := 1 TO 6 BY 2 DO y := y + x; END_FOR", {"y": 9, "x": 7}),
        ("FOR x := 3 TO 1 DO y := 1; END_FOR", {"y": 0, "x": 3}),
        ("z := 4; FOR x := 1 TO z DO z := 2; y := y + 1; END_FOR", {"y": 4}),
        ("z := -2; FOR x := 5 TO 1 BY z DO y := y * 10 + x; END_FOR", {"y": 531, "x": -1}),
        ("z := 2; FOR x := 1 TO 5 BY z DO y := y * 10 + x; END_FOR", {"y": 135, "x": 7}),
        ("FOR x := 1 TO 9 DO IF x = 4 THEN EXIT; END_IF; y := y + x; END_FOR", {"y": 6, "x": 4}),
        ("FOR x := 1 TO 5 DO IF x MOD 2 = 0 THEN CONTINUE; END_IF; y := y + x; END_FOR", {"y": 9, "x": 6}),
        (
            "FOR x := 1 TO 3 DO FOR z := 1 TO 3 DO IF z = 2 THEN EXIT; END_IF; y := y + 1; END_FOR; END_FOR",
            {"y": 3},
        ),
        (
            "FOR x := 1 TO 2 DO FOR z := x TO x + 2 DO y := y * 10 + z; END_FOR; END_FOR",
            {"y": 123_234 % 65_536 - 65_536},
        ),
        ("WHILE x < 5 DO x := x + 1; y := y + x; END_WHILE", {"x": 5, "y": 15}),
        ("WHILE TRUE DO x := x + 1; IF x = 7 THEN EXIT; END_IF; END_WHILE", {"x": 7}),
        ("WHILE x < 6 DO x := x + 1; IF x MOD 2 = 0 THEN CONTINUE; END_IF; y := y + x; END_WHILE", {"y": 9}),
        ("REPEAT x := x + 1; UNTIL x >= 3 END_REPEAT", {"x": 3}),
        ("REPEAT x := x + 1; UNTIL TRUE END_REPEAT;", {"x": 1}),
        (
            "REPEAT x := x + 1; IF x < 3 THEN CONTINUE; END_IF; y := x; UNTIL x > 3 END_REPEAT",
            {"x": 4, "y": 4},
        ),
        ("REPEAT x := x + 1; EXIT; UNTIL FALSE END_REPEAT", {"x": 1}),
        ("x := 1; RETURN; x := 2;", {"x": 1}),
        ("FOR x := 1 TO 5 DO IF x = 3 THEN RETURN; END_IF; END_FOR; y := 1;", {"x": 3, "y": 0}),
        (";;; x := 1;;", {"x": 1}),
        ("X := 1; y := x; Y := y + X;", {"x": 1, "y": 2}),
    ],
)
def test_control(body: str, expected: Expected) -> None:
    done = after(body, "x, y, z : INT;")
    assert {name: done.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("body", "start", "expected"),
    [
        ("b := w.0;", 1, {"b": True}),
        ("b := w.15;", 0x8000, {"b": True}),
        ("b := w.%X3;", 0x0007, {"b": False}),
        ("w.3 := TRUE;", 0x8001, {"w": 0x8009}),
        ("w.15 := FALSE;", 0x8001, {"w": 0x0001}),
        ("w.%X1 := NOT w.0;", 0x0001, {"w": 0x0001}),
        ("w.0 := w.1 XOR w.2;", 0x0004, {"w": 0x0005}),
        ("d.31 := TRUE; b := d.31;", 0, {"d": 0x8000_0000, "b": True}),
    ],
)
def test_bits(body: str, start: int, expected: Expected) -> None:
    done = after(body, "w : WORD; d : DWORD; b : BOOL;", w=start)
    assert {name: done.get(name) for name in expected} == expected


def test_initial_values_constants_and_literals() -> None:
    variables = """a : INT := -5; b, c : DINT := 16#10; d : REAL := 0.1; e : LREAL := 0.1;
        f : TIME := T#1s500ms;
        g : BOOL := TRUE; h : WORD := 2#1010; i : INT := INT#7; j : UINT := 1_000; END_VAR
        VAR CONSTANT limit : INT := 10; twice : INT := 2 * limit + 1; END_VAR
        VAR RETAIN k : INT := twice; END_VAR VAR m : LREAL := 1.0 / 3.0; n : BOOL := 1; o : REAL := 3;"""
    done = instance(";", variables)
    names = "abcefghijkmno"
    expected: list[bool | int | float]
    expected = [-5, 16, 16, 0.1, 1_500 * MS, True, 10, 7, 1000, 21, 1 / 3, True, 3.0]
    assert [done.get(name) for name in names] == expected
    assert done.get("d") == 0.10000000149011612
    assert done.get("limit") == 10
    assert all(type(done.get(n)) is type(e) for n, e in zip(names, expected, strict=True))


BLOCK = """
FUNCTION_BLOCK Ramp
VAR_INPUT target : INT; step : INT := 2; END_VAR
VAR_OUTPUT value : INT; done : BOOL; END_VAR
VAR_IN_OUT moves : INT; END_VAR
VAR_TEMP gap : INT; END_VAR
    gap := target - value + gap;
    IF gap = 0 THEN done := TRUE; RETURN; END_IF
    value := value + LIMIT(-step, gap, step);
    moves := moves + 1;
END_FUNCTION_BLOCK
"""


def test_a_block_keeps_its_variables_and_inputs_and_forgets_its_temps() -> None:
    body = "r(target := 5, moves := n, value => v); q(target := -3, step := 1, moves := n);"
    running = instance(body, "r, q : Ramp; v, n : INT;", BLOCK)
    values = []
    for scan in range(5):
        running.scan(START + scan)
        values.append((running.get("v"), running.get("q.value"), running.get("n"), running.get("R.Done")))
    assert values == [
        (2, -1, 2, False),
        (4, -2, 4, False),
        (5, -3, 6, False),
        (5, -3, 6, True),
        (5, -3, 6, True),
    ]


def test_block_inputs_can_be_preset_assigned_before_the_call_and_positional() -> None:
    body = "r.step := 3; r.target := 9; r(moves := n); q(9, 1, n); p(target := 9, moves := n);"
    done = after(body, "r, q : Ramp; p : Ramp := (step := 4, value := 2); n : INT;", BLOCK)
    assert [done.get(f"{name}.value") for name in "rqp"] == [3, 1, 6]
    assert done.get("n") == 3


def test_a_block_inside_a_block() -> None:
    before = """FUNCTION_BLOCK Outer
        VAR_INPUT x : BOOL; END_VAR VAR_OUTPUT n : INT; END_VAR VAR edge : R_TRIG; END_VAR
        edge(CLK := x); IF edge.Q THEN n := n + 1; END_IF END_FUNCTION_BLOCK """
    running = instance("o(x := b);", "o : Outer; b : BOOL;", before)
    for scan, b in enumerate([True, True, False, True]):
        running.set("b", b)
        running.scan(START + scan)
    assert running.get("o.n") == 2
    assert running.get("o.edge.CLK") is True


FUNCTIONS = """
FUNCTION Clamp : INT
VAR_INPUT value : INT; low : INT := 0; high : INT := 100; END_VAR
    IF value < low THEN Clamp := low; RETURN; END_IF
    Clamp := value;
    IF Clamp > high THEN Clamp := high; END_IF
END_FUNCTION
FUNCTION Split : BOOL
VAR_INPUT value : INT; END_VAR
VAR_OUTPUT tens : INT; ones : INT; END_VAR
VAR_IN_OUT calls : INT; END_VAR
VAR f_CLAMP, loops, now, s : INT; END_VAR
    tens := Clamp(value := value / 10);
    ones := value MOD 10;
    calls := calls + 1;
    Split := tens > 0;
END_FUNCTION
"""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Clamp(150, 0, 100)", 100),
        ("Clamp(-3, 0, 100)", 0),
        ("Clamp(value := 150)", 100),
        ("Clamp(value := 150, high := 120)", 120),
        ("1 + Clamp(value := Clamp(7, 0, 5) * 30) * 2", 201),
    ],
)
def test_functions(expression: str, expected: int) -> None:
    assert after(f"x := {expression};", "x : INT;", FUNCTIONS).get("x") == expected


def test_functions_with_outputs() -> None:
    body = (
        "b := Split(value := 47, tens => t, ones => o, calls := n); Split(value := 3, calls := n, tens => u);"
    )
    done = after(body, "b : BOOL; t, o, n : INT; u : INT := 9;", FUNCTIONS)
    assert [done.get(name) for name in "btonu"] == [True, 4, 7, 2, 0]


def test_enumerations() -> None:
    before = "TYPE State : (Idle, Filling := 10, Full); Mode : (Off, Idle); END_TYPE "
    body = """CASE s OF
        State.Idle: s := Filling; n := s;
        Filling: s := State#Full;
        Full: IF s = Full AND m = Mode#Off THEN m := Mode.Idle; ok := s <> Filling; END_IF
    END_CASE"""
    running = instance(body, "s : State; m : Mode; n : INT; ok : BOOL;", before)
    seen = []
    for scan in range(3):
        running.scan(START + scan)
        seen.append((running.get("s"), running.get("m"), running.get("n"), running.get("ok")))
    assert seen == [(10, 0, 10, False), (11, 0, 10, False), (11, 1, 10, True)]


def test_get_and_set_check_names_and_values() -> None:
    running = instance(
        "t(IN := b);", "b : BOOL; i : INT; r : REAL; u : USINT; t : TON; END_VAR VAR CONSTANT k : INT := 3;"
    )
    running.set("I", -32768)
    running.set("r", 0.1)
    running.set("T.pt", 5 * MS)
    running.set("b", 1)
    assert (running.get("i"), running.get("R"), running.get("t.PT"), running.get("b")) == (
        -32768, 0.10000000149011612, 5 * MS, True)  # fmt: skip
    for name, value in (("i", 32768), ("u", -1), ("i", 1.5), ("b", 2), ("i", True), ("r", True)):
        with pytest.raises(ValueError, match="cannot hold"):
            running.set(name, value)
    with pytest.raises(ValueError, match="k is a constant"):
        running.set("k", 4)
    with pytest.raises(KeyError, match=r"did you mean T\.PT"):
        running.get("t.PTT")


def test_instances_are_apart() -> None:
    compiled = compile_program(program("x := x + 1;", "x : INT;"))
    first, second = compiled.new(), compiled.new()
    first.scan(START)
    assert (first.get("x"), second.get("x")) == (1, 0)


def test_names_of_python_are_names_like_others() -> None:
    names = (
        "lambda, None, class, def, self, s, now, loops, x, c, e1, d1, f32, Instance, print, run, scan, latch"
    )
    body = "".join(f"{name} := {name} + 1; " for name in names.split(", "))
    done = after(f"FOR i := 1 TO 2 DO {body} END_FOR", f"{names}, i : INT;")
    assert {done.get(name) for name in names.split(", ")} == {2}


def test_short_circuit_spares_the_right_side() -> None:
    done = after("b := x <> 0 AND 10 / x > 1; c := x = 0 OR 10 / x > 1;", "x : INT; b, c : BOOL;")
    assert (done.get("b"), done.get("c")) == (False, True)

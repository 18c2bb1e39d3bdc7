"""Syntax: what the tree says about precedence and traps, and how errors recover."""

from __future__ import annotations

import inspect
import sys

import pytest
from st_running import problems, program, result

from gateway.controller import tree
from gateway.controller.lexer import Source
from gateway.controller.parser import parse
from gateway.errors import Problem


def shown(node: tree.Expr) -> str:
    """An expression with all its parentheses."""
    match node:
        case tree.Number():
            return str(node.value)
        case tree.Duration():
            return f"{node.nanoseconds}ns"
        case tree.EnumValue():
            return f"{node.type}#{node.value}"
        case tree.Name():
            return ".".join(node.path)
        case tree.Bit():
            return f"{shown(node.word)}.{node.bit}"
        case tree.Prefix():
            return f"({node.op} {shown(node.operand)})"
        case tree.Infix():
            return f"({shown(node.left)} {node.op} {shown(node.right)})"
        case tree.Invocation():
            given = (
                (f"{a.name}{'=>' if a.out else ':='}" if a.name else "") + shown(a.value)
                for a in node.arguments
            )
            return f"{node.name}({', '.join(given)})"


def parsed(expression: str) -> str:
    found = list[Problem]()
    file = parse(Source(f"PROGRAM p x := {expression}; END_PROGRAM", "f"), found)
    assert found == []
    (statement,) = file.units[0].body
    assert isinstance(statement, tree.Assign)
    return shown(statement.value)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a OR b XOR c AND d", "(a OR (b XOR (c AND d)))"),
        ("a & b", "(a AND b)"),
        ("NOT a AND b", "((NOT a) AND b)"),
        ("NOT a = b", "((NOT a) = b)"),
        ("a = b < c", "(a = (b < c))"),
        ("a + b * c - d", "((a + (b * c)) - d)"),
        ("a MOD b / c", "((a MOD b) / c)"),
        ("a ** b ** c", "((a ** b) ** c)"),
        ("-a ** b", "((- a) ** b)"),
        ("-5 + +3", "(-5 + 3)"),
        ("a - -b", "(a - (- b))"),
        ("(a OR b) AND c", "((a OR b) AND c)"),
        ("AND(a, b)", "AND(a, b)"),
        ("MOD(a, b) + 1", "(MOD(a, b) + 1)"),
        ("NOT(a) AND b", "((NOT a) AND b)"),
        ("OR(a, b) XOR XOR(c, d)", "(OR(a, b) XOR XOR(c, d))"),
        ("MAX(IN1 := a, IN2 := b)", "MAX(IN1:=a, IN2:=b)"),
        ("w.3 AND w.%X15", "(w.3 AND w.15)"),
        ("t.Q", "t.Q"),
        ("State#Idle", "State#Idle"),
        ("T#1s + T#5 ms", "(1000000000ns + 5000000ns)"),
        ("a AND_THEN b OR_ELSE c", "((a AND b) OR c)"),
        ("BOOL#1", "1"),
        ("a <> b", "(a <> b)"),
    ],
)
def test_precedence(expression: str, expected: str) -> None:
    assert parsed(expression) == expected


def test_semicolons_after_blocks_are_optional_and_empty_statements_allowed() -> None:
    body = ";;IF TRUE THEN x := 1; END_IF CASE x OF 1: ; 2: x := 3; END_CASE WHILE FALSE DO END_WHILE"
    assert problems(program(body, "x : INT;")) == []


def test_a_file_with_very_many_problems_stops_with_the_last_place() -> None:
    found = problems(program("x := ;\n" * 500, "x : INT;"))
    assert len(found) == 101
    assert found[-1] == "102:6: more than 100 problems; the rest was not read"


@pytest.mark.parametrize(
    "body",
    [
        "x := " + "(" * 20_000 + "1" + ")" * 20_000 + ";",
        "x := " + "-" * 20_000 + "y;",
        "b := " + "NOT " * 20_000 + "b;",
        "x := " + "ABS(" * 20_000 + "1" + ")" * 20_000 + ";",
        "x := " + "1 + (" * 5_000 + "1" + ")" * 5_000 + ";",
        "x := " + " / ".join(["y"] * 5_000) + ";",
        "x := " + " + ".join(["y"] * 5_000) + ";",
        "IF b THEN " * 5_000 + "x := 1;" + " END_IF;" * 5_000,
        "WHILE b DO " * 5_000 + "x := 1;" + " END_WHILE;" * 5_000,
        "CASE x OF 1: " * 5_000 + "x := 1;" + " END_CASE;" * 5_000,
        "REPEAT " * 5_000 + "x := 1;" + " UNTIL b END_REPEAT;" * 5_000,
        "IF b THEN " * 5_000,
    ],
    ids=lambda body: body[:12].strip(),
)
def test_depth_is_a_problem_with_a_place(body: str) -> None:
    found = problems(program(body, "x, y : INT; b : BOOL;"))
    assert found
    assert any("deep" in one or "more than" in one for one in found)


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 39 + "v" + ")" * 39,
        " + ".join(["v"] * 250),
        " / ".join(["v"] * 40),
        "ABS(" * 38 + "v" + ")" * 38,
        "v - (" * 19 + "v" + ")" * 19,
        "MAX(v, " * 19 + "v" + ")" * 19,
    ],
    ids=lambda expression: expression[:12],
)
def test_what_the_limits_allow_compiles_and_runs(expression: str) -> None:
    assert isinstance(result(expression, "INT", "v : INT := 1;"), int)


def test_long_chains_need_little_stack() -> None:
    depth, frame = 0, inspect.currentframe()
    while frame:
        depth, frame = depth + 1, frame.f_back
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 400)
    try:
        assert result(" + ".join(["v"] * 250), "INT", "v : INT := 1;") == 250
    finally:
        sys.setrecursionlimit(limit)


def test_statements_nest_as_deep_as_allowed() -> None:
    opening = ["IF b THEN ", "CASE x OF 1: ", "CASE x OF 2: ; ELSE "]
    closing = ["END_IF; ", "END_CASE; ", "END_CASE; "]
    order = [n % 3 for n in range(24)]
    loops = "".join("REPEAT " for _ in range(16)), "UNTIL TRUE END_REPEAT; " * 16
    body = "".join(opening[n] for n in order) + loops[0] + "y := y + 1; " + loops[1]
    assert (
        problems(program(body + "".join(closing[n] for n in reversed(order)), "x, y : INT; b : BOOL;")) == []
    )


def test_loops_nest_as_deep_as_allowed() -> None:
    body = "".join(f"FOR i{n} := 1 TO 1 DO " for n in range(16)) + "x := x + 1; " + "END_FOR;" * 16
    names = ", ".join(f"i{n}" for n in range(16))
    assert problems(program(body, f"{names}, x : INT;")) == []

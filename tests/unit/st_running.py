"""Short Structured Text programs, compiled and run for the tests."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.controller.compile import Instance, ProgramErrors, compile_program

START = 7_000_000_000_123  # no test may rely on time beginning at 0
MS = 1_000_000


def program(body: str, variables: str = "", before: str = "") -> str:
    return f"{before}PROGRAM p\nVAR {variables} END_VAR\n{body}\nEND_PROGRAM\n"


def instance(body: str, variables: str = "", before: str = "") -> Instance:
    return compile_program(program(body, variables, before)).new()


def after(body: str, variables: str = "", before: str = "", **values: bool | int | float) -> Instance:
    """The instance after one scan that began with the given values."""
    running = instance(body, variables, before)
    for name, value in values.items():
        running.set(name, value)
    running.scan(START)
    return running


def result(
    expression: str, kind: str, variables: str = "", before: str = "", **values: bool | int | float
) -> bool | int | float:
    """The value of an expression stored in a variable of a type."""
    return after(f"r := {expression};", f"r : {kind}; {variables}", before, **values).get("r")


def problems(text: str) -> list[str]:
    """The problems of a whole text, as `line:column: what; hint`."""
    try:
        compile_program(text, "f.st")
    except ProgramErrors as errors:
        return [str(problem).removeprefix("f.st:") for problem in errors.problems]
    return []


def columns(rows: Mapping[int, str]) -> list[tuple[int, list[str]]]:
    """A timing table: at each millisecond, the columns of its row."""
    return [(at, row.split()) for at, row in rows.items()]

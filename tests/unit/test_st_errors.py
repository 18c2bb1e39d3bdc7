"""Wrong programs and exactly what is said about them: place, what was wrong, what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from st_running import problems, program

from gateway.controller.compile import ProgramErrors, compile_program

DATA = Path(__file__).parent / "data" / "st"


def cases() -> list[tuple[str, str, str]]:
    found = list[tuple[str, str, str]]()
    for file in sorted(DATA.glob("*_errors.txt")):
        for case in file.read_text(encoding="utf-8").split("=== ")[1:]:
            name, rest = case.split("\n", 1)
            text, expected = rest.split("---\n")
            found.append((f"{file.stem}: {name}", text, expected.strip()))
    return found


CASES = cases()


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_said(text: str, expected: str) -> None:
    assert "\n".join(problems(text)) == expected


def test_the_exception_shows_one_line_per_problem_in_order() -> None:
    with pytest.raises(ProgramErrors) as caught:
        compile_program(program("b := x;\na := ;", "a : INT;"), "line.st")
    assert str(caught.value) == (
        "line.st:3:1: unknown variable b; declare it in a VAR section\n"
        "line.st:3:6: unknown variable x; declare it in a VAR section\n"
        "line.st:4:6: an expression expected, found `;`"
    )
    assert [problem.line for problem in caught.value.problems] == [3, 3, 4]

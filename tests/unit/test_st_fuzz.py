"""Whatever the text, compiling ends in a program or in ProgramErrors with places inside the text."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.controller.compile import ProgramError, ProgramErrors, compile_program
from gateway.controller.lexer import KEYWORDS

PROGRAMS = [
    file.read_text(encoding="utf-8") for file in sorted((Path(__file__).parent / "data" / "st").glob("*.st"))
]
WORDS = [
    *sorted(KEYWORDS),
    *[
        ":=",
        "=>",
        "<=",
        ">=",
        "<>",
        "**",
        "..",
        "+",
        "-",
        "*",
        "/",
        "=",
        "<",
        ">",
        "&",
        "(",
        ")",
        ",",
        ".",
        ";",
        ":",
        "[",
        "]",
    ],
    *[
        "x",
        "y",
        "t",
        "t.Q",
        "w.3",
        "TON",
        "INT",
        "BOOL",
        "REAL",
        "TIME",
        "STRING",
        "ARRAY",
        "MAX",
        "INT_TO_REAL",
        "T#1s",
        "T#5",
        "16#FF",
        "7#1",
        "1",
        "1.5",
        "'a'",
        "%IX0.0",
        "EN",
    ],
    *["(*", "*)", "{", "}", "//", "\n", "ELSEIF", "BEGIN", "INT#5", "State#Idle"],
]


def compiles_or_says_why(text: str) -> None:
    problems: tuple[ProgramError, ...] = ()
    try:
        compile_program(text)
    except ProgramErrors as errors:
        problems = errors.problems
    lines = text.split("\n")
    for problem in problems:
        assert 1 <= problem.line <= len(lines)
        assert 0 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.what


@given(st.text())
def test_any_text(text: str) -> None:
    compiles_or_says_why(text)


@given(st.lists(st.sampled_from(WORDS), max_size=60))
def test_any_words_in_a_program(words: list[str]) -> None:
    compiles_or_says_why(
        f"PROGRAM p VAR x, y : INT; w : WORD; t : TON; END_VAR {' '.join(words)} END_PROGRAM"
    )


@given(st.lists(st.sampled_from(WORDS), max_size=60))
def test_any_words_in_a_file(words: list[str]) -> None:
    compiles_or_says_why(" ".join(words))


@pytest.mark.parametrize("seed", range(150))
def test_mutated_programs(seed: int) -> None:
    chance = random.Random(seed)
    text = chance.choice(PROGRAMS)
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(text))
        end = min(len(text), start + chance.choice([0, 1, 1, 3, 10, 60]))
        piece = chance.choice(
            [
                "",
                chance.choice(WORDS),
                f" {chance.choice(WORDS)} ",
                text[end : end + 40],
                chr(chance.randrange(0x250)),
            ]
        )
        text = text[:start] + piece + text[end:]
    compiles_or_says_why(text)

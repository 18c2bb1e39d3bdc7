"""Tokens of Structured Text: every kind, comments, and what is no token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.controller import literals
from gateway.controller.lexer import KEYWORDS, Source, tokens
from gateway.errors import Problem


def lex(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    problems = list[Problem]()
    found = tokens(Source(text, "f"), problems)
    assert found[-1].kind == "end"
    return [(token.kind, token.text) for token in found[:-1]], [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("If iF IF", [("IF", "If"), ("IF", "iF"), ("IF", "IF")]),
        ("Motor_1 _x", [("name", "Motor_1"), ("name", "_x")]),
        ("1_000 16#FF 2#1010_0001", [("integer", "1_000"), ("based", "16#FF"), ("based", "2#1010_0001")]),
        ("1.5 1.0E-3 2E3", [("real", "1.5"), ("real", "1.0E-3"), ("real", "2E3")]),
        ("1..5", [("integer", "1"), ("..", ".."), ("integer", "5")]),
        (
            "w.3 w.%X3",
            [("name", "w"), (".", "."), ("integer", "3"), ("name", "w"), (".", "."), ("direct", "%X3")],
        ),
        ("INT#5 int#16#7F INT#-5", [("typed", "INT#5"), ("typed", "int#16#7F"), ("typed", "INT#-5")]),
        ("State#Idle BOOL#TRUE", [("typed", "State#Idle"), ("typed", "BOOL#TRUE")]),
        ("T#1s500ms", [("time", "T#1s500ms")]),
        ("TIME#5 ms", [("time", "TIME#5 ms")]),
        ("T#5 ms;", [("time", "T#5 ms"), (";", ";")]),
        ("t#1h_30m", [("time", "t#1h_30m")]),
        ("T#-1.5s", [("time", "T#-1.5s")]),
        ("T#1s THEN", [("time", "T#1s"), ("THEN", "THEN")]),
        (
            "%IX0.0 %QW3 %M2.1 %mb7",
            [("direct", "%IX0.0"), ("direct", "%QW3"), ("direct", "%M2.1"), ("direct", "%mb7")],
        ),
        (
            "a:=b<=c=>d<>e**f",
            [
                ("name", "a"),
                (":=", ":="),
                ("name", "b"),
                ("<=", "<="),
                ("name", "c"),
                ("=>", "=>"),
                ("name", "d"),
                ("<>", "<>"),
                ("name", "e"),
                ("**", "**"),
                ("name", "f"),
            ],
        ),
        ("a(*x(*y*)z*)b", [("name", "a"), ("name", "b")]),
        ("a/*x/*y*/z*/b", [("name", "a"), ("name", "b")]),
        ("a//x (* y\nb", [("name", "a"), ("name", "b")]),
        ("a (*)*) b", [("name", "a"), ("name", "b")]),
        ("a{pragma 'x'}b", [("name", "a"), ("name", "b")]),
        ("\ufeffa", [("name", "a")]),
        ("'text' \"wide\"", [("string", "'text'"), ("string", '"wide"')]),
        ("AND(x)", [("AND", "AND"), ("(", "("), ("name", "x"), (")", ")")]),
        ("", []),
    ],
)
def test_tokens(text: str, expected: list[tuple[str, str]]) -> None:
    assert lex(text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n  $", "f:2:3: '$' begins nothing in Structured Text"),
        ("a (* (* *)", "f:1:3: the comment is not closed; end it with `*)`"),
        ("/* x", "f:1:1: the comment is not closed; end it with `*/`"),
        ("x {y", "f:1:3: the pragma is not closed; end it with `}`"),
        ("größe", "f:1:3: 'ö' begins nothing in Structured Text"),
    ],
)
def test_what_is_no_token_has_a_place(text: str, problem: str) -> None:
    assert lex(text)[1][0] == problem


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("T#1s", 10**9),
        ("T#1s500ms", 1_500_000_000),
        ("TIME#5 ms", 5_000_000),
        ("T#1.5s", 1_500_000_000),
        ("t#1d2h3m4s5ms6us7ns", 93_784_005_006_007),
        ("T#1h_30m", 5_400 * 10**9),
        ("T#-2ms", -2_000_000),
        ("T#0.1ms", 100_000),
        ("T#1_000ms", 10**9),
        ("LTIME#3us", 3_000),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    assert literals.duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("T#5x", "x is no unit of time"),
        ("T#5ms1s", "not in order"),
        ("T#5s5s", "not in order"),
        ("T#400000d", "longer than TIME holds"),
    ],
)
def test_durations_that_are_none(text: str, words: str) -> None:
    with pytest.raises(literals.BadLiteral, match=words):
        literals.duration(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3#12", "base 3"),
        ("2#12", "no number in base 2"),
        ("16#", "nothing"),
        ("9" * 5000, "5000 digits"),
        ("1E999", "too large"),
    ],
)
def test_numbers_that_are_none(text: str, words: str) -> None:
    with pytest.raises(literals.BadLiteral, match=words):
        literals.number(text)


@given(st.integers(0, 2**64), st.sampled_from([2, 8, 10, 16]))
def test_a_number_written_in_any_base_reads_back(value: int, base: int) -> None:
    digits = {2: f"{value:b}", 8: f"{value:o}", 10: str(value), 16: f"{value:X}"}[base]
    assert literals.number(f"{base}#{digits}") == value


@given(st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_a_real_written_with_a_point_reads_back(value: float) -> None:
    mantissa, _, exponent = f"{value:.17E}".partition("E")
    assert literals.number(f"{mantissa}E{exponent}") == value


@given(st.integers(0, 2**62))
def test_a_duration_of_whole_units_reads_back(nanoseconds: int) -> None:
    rest, parts = nanoseconds, ""
    sizes = (86_400 * 10**9, 3_600 * 10**9, 60 * 10**9, 10**9, 10**6, 1000, 1)
    for unit, size in zip(("d", "h", "m", "s", "ms", "us", "ns"), sizes, strict=True):
        count, rest = divmod(rest, size)
        parts += f"{count}{unit}" if count else ""
    assert literals.duration(f"T#{parts or '0s'}") == nanoseconds


NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
WORD = st.one_of(
    NAME.map(lambda name: (name.upper() if name.upper() in KEYWORDS else "name", name)),
    st.integers(0, 10**9).map(lambda number: ("integer", str(number))),
    st.sampled_from(
        [":=", "=>", "<=", ">=", "<>", "**", "+", "-", "*", "/", "=", "<", ">", "&", "(", ")", ",", ";", ":"]
    ).map(lambda mark: (mark, mark)),
    st.sampled_from(["T#1s500ms", "T#5 ms"]).map(lambda text: ("time", text)),
    st.sampled_from(["%IX0.0", "%MW12"]).map(lambda text: ("direct", text)),
)
GAP = st.sampled_from([" ", "\n", "\t", " (* c (* d *) *) ", " // e\n", " {f} ", " /* g */ "])


@given(st.lists(st.tuples(WORD, GAP)))
def test_words_and_gaps_lex_back_to_the_words(pairs: list[tuple[tuple[str, str], str]]) -> None:
    text = "".join(word[1] + gap for word, gap in pairs)
    assert lex(text) == ([word for word, _ in pairs], [])


@given(st.text())
def test_any_text_lexes_and_places_are_inside_it(text: str) -> None:
    problems = list[Problem]()
    source = Source(text, "f")
    found = tokens(source, problems)
    assert [token.at for token in found] == sorted(token.at for token in found)
    lines = text.split("\n")
    for problem in problems:
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1

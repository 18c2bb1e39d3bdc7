"""What the shell shows stays within 80 columns and loses no meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.local.table import WIDTH, hanging, pairs, printable, table

CELL = st.text(max_size=120)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=5))
def test_no_line_of_a_table_is_wider_than_the_terminal(rows: list[tuple[str, str, str]]) -> None:
    for line in table(("one", "two", "three"), rows):
        assert len(line) <= WIDTH
        assert printable(line) == line


@given(CELL, CELL)
def test_no_line_of_pairs_is_wider(name: str, text: str) -> None:
    assert all(len(line) <= WIDTH for line in pairs([(name[:20], text)]))


def test_what_fits_is_shown_whole() -> None:
    rows = [("conveyor", "belt-conveyor", "run=belt-run"), ("eye", "photo-eye", "sees=part")]
    assert list(table(("component", "kind", "ports"), rows)) == [
        "component  kind           ports",
        "conveyor   belt-conveyor  run=belt-run",
        "eye        photo-eye      sees=part",
    ]


def test_the_last_column_goes_on_under_itself() -> None:
    lines = list(table(("a", "b"), [("x", "word " * 40)], 40))
    assert lines[1].startswith("x  word")
    assert all(line.startswith("   word") for line in lines[2:])
    assert " ".join(lines[1:]).split() == ["x", *["word"] * 40]


def test_a_name_with_a_hyphen_is_not_torn() -> None:
    assert list(hanging("", "run=belt-run ok=drive-ok", 20)) == ["run=belt-run", "ok=drive-ok"]
    assert list(table(("a", "b"), [("x" * 10, "run=belt-run ok=drive-ok")], 30)) == [
        "a           b",
        "xxxxxxxxxx  run=belt-run",
        "            ok=drive-ok",
    ]


def test_a_long_name_is_cut_where_it_can_be_seen() -> None:
    line = list(table(("a", "b"), [("n" * 200, "v")]))[1]
    assert "~" in line
    assert len(line) <= WIDTH


def test_what_has_nothing_to_say_is_left_out() -> None:
    assert list(pairs([("a", "1"), ("long name", ""), ("bb", "2")])) == ["a   1", "bb  2"]
    assert list(table(("a",), [])) == []


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\r", "\x07", "\x9b1m"])
def test_a_device_cannot_move_the_cursor(text: str) -> None:
    assert all(printable(line) == line for line in hanging("x ", text))

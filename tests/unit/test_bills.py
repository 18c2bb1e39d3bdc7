"""The 3B model: four kinds of relations, every mistake at its line, and the couplings that follow from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
import pytest

from gateway.errors import BadInput, Problem
from gateway.scalar import Text
from gateway.yamlfile import Id, parse
from rig.bills import Bills, ItemLine, OperationLine, Product, Relation, check_bills
from rig.line import Line, load_line

BELT = (Path(__file__).parent / "data" / "cell" / "belt.yaml").read_text()
GOOD = """\
bom:
  phone: {parts: {board: 1, screw: 4}, length: 150 mm}
  board: {length: 120 mm}
  screw: {}
bop:
  weld: {of: board}
  glue: {of: board, after: [weld]}
  close: {of: phone, after: [glue, weld]}
bor:
  one: [weld]
  two: [weld]
"""
ABLE = {"one": ("weld", "saw"), "two": (), "three": ("glue", "saw"), "four": ("close",), "store": ()}


class _File(msgspec.Struct, frozen=True):
    bom: dict[Id, ItemLine] = {}
    bop: dict[Id, OperationLine] = {}
    bor: dict[Id, list[Text]] = {}


def check(text: str, able: Mapping[str, Collection[str]] = ABLE) -> tuple[Bills, list[str]]:
    """The model, and what is wrong, as ``line: what; hint``."""
    problems: list[Problem] = []
    file = parse(text, "f", _File, problems)
    assert file is not None, problems
    said: list[str] = []
    bills = check_bills(
        file.bom, file.bop, file.bor, able, lambda line, what, hint: said.append(f"{line}: {what}; {hint}")
    )
    return bills, said


def test_the_four_relations() -> None:
    bills, said = check(GOOD)
    assert said == []
    assert bills.relations() == [
        Relation("matching", "one", "weld"),
        Relation("matching", "two", "weld"),
        Relation("matching", "three", "glue"),
        Relation("matching", "four", "close"),
        Relation("membership", "weld", "board"),
        Relation("membership", "glue", "board"),
        Relation("membership", "close", "phone"),
        Relation("sequence", "weld", "glue"),
        Relation("sequence", "glue", "close"),
        Relation("sequence", "weld", "close"),
        Relation("assembly", "board", "phone", 1),
        Relation("assembly", "screw", "phone", 4),
    ]
    assert bills.roots() == ["phone"]
    assert bills.stations_for("weld") == ["one", "two"]


def test_an_order_that_follows_from_others_makes_no_way() -> None:
    bills, _ = check(GOOD)
    assert list(bills.steps()) == [("weld", "glue"), ("glue", "close")]
    assert [(one, other) for one, other, _ in bills.ways()] == [
        ("one", "three"),
        ("two", "three"),
        ("three", "four"),
    ]


def test_a_station_that_does_two_things_in_turn_leads_not_to_itself() -> None:
    bills, said = check(GOOD.replace("  two: [weld]\n", "  two: [weld, glue]\n"), {**ABLE, "three": ()})
    assert said == []
    assert [(one, other) for one, other, _ in bills.ways()] == [("one", "two"), ("two", "four")]


def test_what_comes_in_at_a_station() -> None:
    bills, _ = check(GOOD)
    assert bills.entering("one") == Product("board", 120.0)
    assert bills.entering("four") == Product("phone", 150.0)
    assert bills.entering("store") is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("board: 1", "bord: 1", "2: bom: phone: 'bord' is no item; use phone, board, screw"),
        ("screw: 4", "screw: 0", "2: bom: phone: 0 of screw; give 1 or more"),
        ("{length: 120 mm}", "{parts: {phone: 1}}", "2: bom: phone -> board -> phone is a circle; leave one"),
        ("{of: phone", "{of: fone", "8: bop: close: 'fone' is no item of the bom; use phone, board"),
        ("after: [weld]", "after: [wled]", "7: bop: glue: after 'wled', no operation; use weld, glue"),
        (
            "weld: {of: board}",
            "weld: {of: board, after: [close]}",
            "6: bop: weld -> close -> glue -> weld is",
        ),
        ("one: [weld]", "five: [weld]", "10: bor: 'five' is no station of this line; use one, two, three"),
        ("one: [weld]", "one: [wled]", "10: bor: one: 'wled' is no operation of the bop; use weld, glue"),
        ("one: [weld]", "one: []", "1: bor: one does nothing; name an operation, or leave it out"),
        ("one: [weld]", "one: [glue]", "10: bor: one cannot do glue; its file says weld, saw"),
        ("  glue: {of", "  lift: {of: board}\n  glue: {of", "7: bop: no station does lift; name it in bor"),
    ],
)
def test_a_mistake_is_said_at_its_line(old: str, new: str, said: str) -> None:
    assert GOOD.count(old) == 1
    bills, found = check(GOOD.replace(old, new))
    assert [each for each in found if each.startswith(said)], found
    assert bills == Bills()


# --- in a line file ------------------------------------------------------------------------------------

LINE = """\
twinline: line 1
id: row
stations:
  - {station: one.yaml}
  - {station: one.yaml, as: two}
  - {station: one.yaml, as: three}
flow: {source: one, sink: three, within: 60 s}
bom:
  phone: {parts: {board: 1}, length: 150 mm}
  board: {length: 120 mm}
bop:
  weld: {of: board}
  glue: {of: phone, after: [weld]}
  close: {of: phone, after: [glue]}
bor: {one: [weld], two: [glue], three: [close]}
"""


def load(folder: Path, line: str = LINE) -> Line:
    (folder / "one.yaml").write_text(BELT.replace("id: belt\n", "id: one\n"))
    (folder / "line.yaml").write_text(line)
    return load_line(folder / "line.yaml")


def refused(folder: Path, line: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        load(folder, line)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_couplings_and_workpieces_follow_from_the_bills(tmp_path: Path) -> None:
    line = load(tmp_path)
    assert [(str(out), str(into)) for out, into in line.ways] == [("one", "two"), ("two", "three")]
    assert (line.workpiece(1).type, line.workpiece(1).length) == ("board", 120)


def test_couplings_that_are_written_must_serve_the_order(tmp_path: Path) -> None:
    given = "couplings: [{from: one, to: three}]\n"
    said = refused(tmp_path, LINE + given)
    assert (
        "line.yaml:13: bop: no way leads from one, which does weld, to one that does glue; couple them"
        in said
    )
    load(tmp_path, LINE + "couplings: [{from: one, to: two}, {from: two, to: three}]\n")


def test_where_the_order_leaves_a_choice_couplings_are_written(tmp_path: Path) -> None:
    line = LINE.replace("two: [glue], three: [close]", "two: [glue, close], three: [glue, close]")
    assert refused(tmp_path, line)[0].startswith(
        "line.yaml:13: coupling: one already leads to two; an outlet"
    )


def test_without_bills_the_product_is_written(tmp_path: Path) -> None:
    line = LINE[: LINE.index("bom:")].replace("sink: three", "sink: one")
    assert refused(tmp_path, line) == [
        "line.yaml:1: product: it follows from nothing; "
        "write product: {type: phone, length: 150 mm}, or a bom, bop and bor"
    ]


def test_the_product_is_an_item(tmp_path: Path) -> None:
    said = refused(tmp_path, LINE.replace("id: row\n", "id: row\nproduct: {type: plate}\n"))
    assert said == ["line.yaml:1: product: 'plate' is no item of the bom; use phone, board"]

"""The shim in SCL: whole as a text, and its data blocks where TIA Portal puts them (no compiler is here)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shim_bench import station

from gateway.errors import BadInput
from gateway.field.compound import laid_out, read_type
from gateway.field.types import TYPES, DataType
from rig.tags.datablock import Field, declare
from rig.tags.dbsource import read_source
from rig.tags.rows import Listing
from rig.tags.shim import generate
from rig.tags.shimplan import plan
from rig.tags.shimscl import kind

MORE = """\
  name:        {direction: input,  type: "STRING[5]", address: DB1.DBB40, safe: ab}
  row:         {direction: input,  type: "ARRAY[0..3] OF INT", address: DB1.DBW50, safe: 0}
  long:        {direction: input,  type: LREAL, address: DB7.DBL20, safe: 0}
  wait:        {direction: input,  type: TIME, address: DB7.DBD28, safe: 1500}
  echo:        {direction: output, type: DINT, address: DB7.DBD32}
  low:         {direction: input,  type: BOOL, address: M50.3, safe: true}
  small:       {direction: input,  type: USINT, address: MB51, safe: 3}
twin: {}
"""
PAIRS = ("DATA_BLOCK", "FUNCTION_BLOCK", "STRUCT", "IF")


def offsets(text: str, numbers: dict[str, int]) -> dict[str, str]:
    """Address by variable, as the reader of TIA Portal's sources computes them."""
    listing = Listing("shim.scl")
    read_source(text, listing, True, numbers)
    assert listing.problems == []
    return {row.path[-1]: row.cells["address"].text for row in listing.rows}


@pytest.fixture
def text(tmp_path: Path) -> str:
    return generate(plan(station(tmp_path, "s7", ("twin: {}\n", MORE))))


def code(text: str) -> str:
    """Without remarks."""
    return re.sub(r"//.*", "", text)


def test_its_parts_are_closed(text: str) -> None:
    words = re.findall(r"\w+", code(text))
    for opening in PAIRS:
        assert words.count(opening) == words.count(f"END_{opening}") > 0, opening
    openings = [word for word in words if word in ("VAR", "VAR_INPUT", "VAR_OUTPUT")]
    assert len(openings) == words.count("END_VAR") == 3
    assert text.count("(") == text.count(")")
    assert code(text).count("{") == code(text).count("}")
    assert code(text).count('"') % 2 == 0
    for line in code(text[text.index("\nBEGIN\n#") :].partition("END_FUNCTION_BLOCK")[0]).splitlines()[2:]:
        assert not line.strip() or line.strip().endswith((";", "THEN", "ELSE")), line


def test_every_input_passes_once(tmp_path: Path, text: str) -> None:
    made = plan(station(tmp_path, "s7", ("twin: {}\n", MORE)))
    assert len(made.passages) == 11
    for each in made.passages:
        for pattern in (
            rf"^ +real_{each.name} : ",
            rf"^ +use_{each.name} : ",
            rf"#use_{each.name} := #real_{each.name};",
        ):
            assert len(re.findall(pattern, text, re.MULTILINE)) == 1, pattern
        assert text.count(f"#use_{each.name} := ") == 2
        assert text.count(f'use_{each.name} => "{each.program}"') == 1
        assert text.count(f'real_{each.name} := "{each.program}_real"') == each.wired
    assert "#use_low := %M50.3;" in text
    assert "#use_small := %MB51;" in text
    assert f"%MD32 := 16#{made.shim.code:08X};" in text


def test_every_local_name_is_declared(text: str) -> None:
    declared = set(re.findall(r"(\w+)(?=(?:, \w+)* (?:\{[^}]*\} )?: )", code(text)))
    assert set(re.findall(r"#(\w+)", code(text).replace("T#", "").replace("16#", ""))) <= declared


def test_the_blocks_lie_where_the_tags_do(tmp_path: Path, text: str) -> None:
    spec = station(tmp_path, "s7", ("twin: {}\n", MORE))
    found = offsets(text, {"TwinlineDB1": 1, "TwinlineDB7": 7})
    wanted = {
        f"twin_{tag.name.replace('-', '_')}": tag.text
        for tag in spec.inputs
        if tag.text.startswith("DB") and tag.plain.kind != "string" and tag.type.kind != "array"
    }
    wanted |= {"twin_commissioning": wanted.pop("twin_twin_on"), "twin_heartbeat": wanted.pop("twin_beat")}
    wanted["twin_long"] = "DB7.DBD20"
    assert wanted.items() <= found.items()
    assert found["twin_row[0]"] == "DB1.DBW50"
    assert found["echo"] == "DB7.DBD32"


def test_safe_values_are_what_an_input_without_a_terminal_has(text: str) -> None:
    for line in (
        "real_name : String[5] := 'ab';",
        "real_row : Array[0..3] of Int;",
        "real_force : Int := 100;",
        "real_wait : Time := T#1500ms;",
        "real_low : Bool := TRUE;",
        "real_long : LReal := 0.0;",
        "real_command : Word := 16#0;",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            ("DB1.DBD12", "DB1.DBD13"),
            "height at DB1.DBD13 begins at an odd byte; TIA Portal puts it at an even",
        ),
        (
            ("REAL, address: DB1.DBD12", "LREAL, address: MD60"),
            "height at MD60 is a LREAL, which has no address",
        ),
    ],
)
def test_what_scl_cannot_place_is_told(tmp_path: Path, edit: tuple[str, str], said: str) -> None:
    with pytest.raises(BadInput) as raised:
        generate(plan(station(tmp_path, "s7", edit)))
    (problem,) = raised.value.problems
    assert said in str(problem)


# --- data blocks ---------------------------------------------------------------------------------------

KINDS = [laid_out(each, "s7") for each in TYPES.values()]
KINDS += [
    laid_out(read_type(name), "s7") for name in ("STRING[4]", "STRING[5]", "ARRAY[0..2] OF REAL", "INT[3]")
]


@st.composite
def layouts(draw: st.DrawFn) -> list[tuple[DataType, int]]:
    """Types with the bits where they begin, without overlap and where their alignment allows it."""
    found, at = list[tuple[DataType, int]](), 0
    for each in draw(st.lists(st.sampled_from(KINDS), max_size=25)):
        unit = 1 if each.kind == "bool" else 8 if each.bits == 8 else 16
        at += draw(st.integers(0, 90))
        at = -(-at // unit) * unit
        found.append((each, at))
        at += each.bits
        if each.kind in ("string", "array"):
            at = -(-at // 16) * 16 + 16  # so that nothing comes straight after a text of odd length
    return found


@given(layouts())
def test_any_layout_is_declared_so_that_it_comes_out(layout: list[tuple[DataType, int]]) -> None:
    wrong: list[str] = []
    fields = [Field(f"v{n}", kind(each), each, at, "") for n, (each, at) in enumerate(layout)]
    lines = declare(fields, lambda field, what, hint: wrong.append(f"{field} {what}"))
    assert wrong == []
    source = "\n".join(["DATA_BLOCK DB9", "STRUCT", *lines, "END_STRUCT;", "BEGIN", "END_DATA_BLOCK", ""])
    found = offsets(source, {})
    for n, (each, at) in enumerate(layout):
        first = found.get(f"v{n}", found.get(f"v{n}[0]", ""))
        if each.kind == "string":
            continue  # the reader lists no texts, but lays out what follows them
        assert re.sub(r".*\.DB[A-Z]", "", first) == f"{at // 8}" + (
            f".{at % 8}" if each.kind == "bool" else ""
        )


def test_what_follows_a_text_of_odd_length_is_not_guessed() -> None:
    text, byte = laid_out(read_type("STRING[5]"), "s7"), TYPES["BYTE"]
    wrong: list[str] = []
    fields = [Field("a", "String[5]", text, 0, ""), Field("b", "Byte", byte, 64, "")]
    declare(fields, lambda field, what, hint: wrong.append(f"{field.name} {what}"))
    assert wrong == ["b comes straight after a text of odd length"]
    wrong.clear()
    declare([fields[0], fields[1]._replace(at=80)], lambda field, what, hint: wrong.append(what))
    assert wrong == []

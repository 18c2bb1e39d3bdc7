"""Data blocks from their sources and from XML: offsets as TIA Portal computes them, comments, types."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tag_samples import Desk, empty

from rig.tags.dbsource import is_source, read_source
from rig.tags.rows import MAX_ELEMENTS, Listing

PLANT = """\
TYPE "typeMotor"
VERSION : 0.1
   STRUCT
      run : Bool;   // running
      speed { ExternalWritable := 'False'} : Real := 1.5;   // rpm
      ok : Bool;
   END_STRUCT;

END_TYPE

DATA_BLOCK "Plant"
{ S7_Optimized_Access := 'FALSE' }
AUTHOR : somebody
VERSION : 0.1
NON_RETAIN
   STRUCT
      a : Bool;   // erster
      b : Bool;
      c : Byte;
      d : Int := -5;
      e : Bool;
      "my name" : String[20] := 'it''s; // no comment';
      flags : Array[0..9] of Bool;
      g : Byte;
      grid : Array[1..2, 0..2] of Bool;
      m : "typeMotor";
      mm : Array[0..1] of "typeMotor";
      s { S7_SetPoint := 'True'} : Struct   // group
         x : DInt;
         y : LReal;
         z : DTL;
         t : Time := T#5s;
         w : Array[0..2] of Byte;
      END_STRUCT;
      last : Word := 16#FF;
   END_STRUCT;

BEGIN
   d := 7;
   s.x := 3;
END_DATA_BLOCK
"""
# Counted by hand from the rules: BOOL by bits, bytes by bytes, all else from even bytes.
OFFSETS = {
    "Plant.a": "DBX0.0", "Plant.b": "DBX0.1", "Plant.c": "DBB1", "Plant.d": "DBW2", "Plant.e": "DBX4.0",
    "Plant.flags[0]": "DBX28.0", "Plant.flags[8]": "DBX29.0", "Plant.flags[9]": "DBX29.1", "Plant.g": "DBB30",
    "Plant.grid[1,0]": "DBX32.0", "Plant.grid[1,2]": "DBX32.2", "Plant.grid[2,0]": "DBX33.0",
    "Plant.m.run": "DBX34.0", "Plant.m.speed": "DBD36", "Plant.m.ok": "DBX40.0", "Plant.mm[0].run": "DBX42.0",
    "Plant.mm[1].speed": "DBD52", "Plant.mm[1].ok": "DBX56.0", "Plant.s.x": "DBD58", "Plant.s.y": "DBD62",
    "Plant.s.t": "DBD82", "Plant.s.w[0]": "DBB86", "Plant.s.w[2]": "DBB88", "Plant.last": "DBW90",
}  # fmt: skip


def read(text: str, **numbers: int) -> Listing:
    listing = Listing("x.db")
    read_source(text, listing, True, numbers)
    return listing


def offsets(body: str) -> dict[str, str]:
    text = f"DATA_BLOCK DB5\nSTRUCT\n{body}\nEND_STRUCT;\nBEGIN\nEND_DATA_BLOCK\n"
    listing = read(text)
    assert not listing.problems
    return {row.name.removeprefix("DB5."): row.text("address").removeprefix("DB5.") for row in listing.rows}


def test_every_variable_lies_where_tia_portal_puts_it() -> None:
    listing = read(PLANT, Plant=10)
    assert not listing.problems
    found = {row.name: row.text("address").removeprefix("DB10.") for row in listing.rows}
    assert {name: found[name] for name in OFFSETS} == OFFSETS
    assert len(found) == 40


def test_comments_and_lines_belong_to_their_variables() -> None:
    rows = {row.name: row for row in read(PLANT, Plant=10).rows}
    assert (rows["Plant.a"].text("comment"), rows["Plant.a"].line) == ("erster", 17)
    assert (rows["Plant.mm[1].speed"].text("comment"), rows["Plant.mm[1].speed"].line) == ("rpm", 5)
    assert rows["Plant.my name"].text("comment") == ""


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ("a : Bool; b : Byte; c : Bool;", {"a": "DBX0.0", "b": "DBB1", "c": "DBX2.0"}),
        ("a : Byte; b : Byte; c : Int;", {"a": "DBB0", "b": "DBB1", "c": "DBW2"}),
        ("a : Byte; b : DInt; c : Char; d : Word;", {"a": "DBB0", "b": "DBD2", "c": "DBB6", "d": "DBW8"}),
        ("a : Bool; s : Struct x : Bool; END_STRUCT; b : Bool;",
         {"a": "DBX0.0", "s.x": "DBX2.0", "b": "DBX4.0"}),
        ("a : Array[0..2] of Byte; b : Byte;", {"a[0]": "DBB0", "a[2]": "DBB2", "b": "DBB4"}),
        ("a : String; b : Bool;", {"a": "DBB0", "b": "DBX256.0"}),
        ("a : String[3]; b : Byte;", {"a": "DBB0", "b": "DBB5"}),
        ("a : WString[2]; b : Bool;", {"a": "DBB0", "b": "DBX8.0"}),
        ("a : S5Time; b : Date; c : Time_Of_Day; d : Date_And_Time; e : Bool;",
         {"a": "DBB0", "b": "DBB2", "c": "DBB4", "d": "DBB8", "e": "DBX16.0"}),
        ("a, b : Bool; c : Array[-1..1] of Int;",
         {"a": "DBX0.0", "b": "DBX0.1", "c[-1]": "DBW2", "c[1]": "DBW6"}),
        ("a : Array[1..2] of Struct x : Bool; y : Int; END_STRUCT;",
         {"a[1].x": "DBX0.0", "a[1].y": "DBW2", "a[2].x": "DBX4.0", "a[2].y": "DBW6"}),
    ],
)  # fmt: skip
def test_alignment(body: str, places: dict[str, str]) -> None:
    found = offsets(body)
    assert {name: found[name] for name in places} == places


SIZES = {
    "Bool": 1,
    "Byte": 8,
    "SInt": 8,
    "Int": 16,
    "Word": 16,
    "DInt": 32,
    "Real": 32,
    "LReal": 64,
    "Time": 32,
}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(sorted(SIZES)), min_size=1, max_size=20))
def test_no_two_variables_overlap_and_words_are_even(kinds: list[str]) -> None:
    found = offsets(" ".join(f"v{n} : {kind};" for n, kind in enumerate(kinds)))
    end = 0
    for kind, place in zip(kinds, found.values(), strict=True):
        byte, _, bit = place.lstrip("DBXW").partition(".")
        start = int(byte) * 8 + int(bit or 0)
        assert end <= start < end + 16
        assert SIZES[kind] < 16 or start % 16 == 0
        end = start + SIZES[kind]


def test_a_source_becomes_tags_of_a_station(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty())
    done = desk.compare("plant.db", PLANT, numbers={"Plant": 10}, direction="output")
    tags = {each.tag: each.entry for each in done.plan.added}
    assert tags["mm-1-speed"].address == "DB10.DBD52"
    assert tags["a"].title == "Plant.a: erster"
    told = "\n".join(done.lines)
    assert (tags["my-name"].type, tags["my-name"].address) == ("STRING[20]", "DB10.DBB6")
    assert "type DTL cannot be held: Plant.s.z (plant.db:31)" in told
    done.write()
    assert desk.compare("plant.db", PLANT, numbers={"Plant": 10}).plan.differs is False


def test_over_opc_ua_a_block_needs_no_offsets(tmp_path: Path) -> None:
    text = PLANT.replace("'FALSE'", "'TRUE'")
    tags = Desk(tmp_path, empty("opc.tcp://h")).added("plant.db", text, direction="input")
    assert tags["mm-1-speed"].address == 'ns=3;s="Plant"."mm"[1]."speed"'


def test_what_a_block_lacks_is_said_with_its_line(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty())
    assert desk.refused("p.db", PLANT) == [
        "p.db:11: block 'Plant' has no number in its source; say it: --db \"Plant=10\""
    ]
    assert "optimised access" in desk.refused("p.db", PLANT.replace("'FALSE'", "'TRUE'"))[0]
    unknown = PLANT.replace('m : "typeMotor"', 'm : "typePump"')
    assert desk.refused("p.db", unknown, numbers={"": 3})[0].startswith(
        "p.db:26: Plant: m: type TYPEPUMP is not"
    )


def test_all_mistakes_of_a_source_are_said_at_once() -> None:
    listing = read(
        'DATA_BLOCK "A" STRUCT x Int; END_STRUCT; END_DATA_BLOCK\n'
        'DATA_BLOCK "B" STRUCT x : Array[0..N] of Int; END_STRUCT; END_DATA_BLOCK\n'
        'DATA_BLOCK "C" STRUCT x : Int END_STRUCT; END_DATA_BLOCK\n'
        'DATA_BLOCK "D" STRUCT x : Array[9..0] of Int; END_STRUCT; END_DATA_BLOCK\n'
        'DATA_BLOCK "E" STRUCT x : Int;\n'
    )
    assert [(each.line, each.column) for each in listing.problems] == [
        (1, 25),
        (2, 36),
        (3, 31),
        (4, 37),
        (6, 1),
    ]


def test_other_blocks_are_left_out_and_said() -> None:
    listing = read(
        "DATA_BLOCK \"T1\"\n{InstructionName := 'IEC_TIMER';\n LibVersion := '1.0' }\n"
        "IEC_TIMER\nBEGIN\nEND_DATA_BLOCK\n"
        'TYPE "u" STRUCT a : Int; END_STRUCT; END_TYPE\n'
        'DATA_BLOCK DB 7\nTITLE = a "title"\n"u"\nBEGIN\nEND_DATA_BLOCK\n'
        'DATA_BLOCK "I" "FB_Motor" BEGIN END_DATA_BLOCK\n'
        "DATA_BLOCK DB8 STRUCT big : Array[0..9999] of Byte; after : Int; END_STRUCT; BEGIN END_DATA_BLOCK\n"
    )
    assert [(row.name, row.text("address")) for row in listing.rows] == [
        ("DB7.a", "DB7.DBW0"), ("DB8.after", "DB8.DBW10000"),
    ]  # fmt: skip
    assert [each.name for each in listing.left_out] == ["T1", "I", "big"]
    assert f"at most {MAX_ELEMENTS}" in listing.left_out[2].why


def test_a_type_within_itself_ends() -> None:
    listing = read('TYPE "u" STRUCT a : "u"; END_STRUCT; END_TYPE DATA_BLOCK DB1 "u" BEGIN END_DATA_BLOCK')
    assert "within itself" in listing.problems[0].what


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(
            st.sampled_from(
                [
                    "DATA_BLOCK",
                    "TYPE",
                    '"u"',
                    "STRUCT",
                    "END_STRUCT",
                    ";",
                    ":",
                    "Int",
                    "Array",
                    "[",
                    "0",
                    "..",
                    "9",
                    "]",
                    "of",
                    "{",
                    "}",
                    "BEGIN",
                    "x",
                    ",",
                    ":=",
                    "(*",
                    "*/",
                    "//",
                    "\n",
                ]
            ),
            max_size=40,
        ).map(" ".join),
    )
)
def test_garbage_never_breaks_the_reader(text: str) -> None:
    assert isinstance(read(f"DATA_BLOCK {text}"), Listing)


def test_a_table_that_speaks_of_types_is_no_source() -> None:
    assert not is_source("Name;Type;Address\nTYPE;Bool;E0.0\n")
    assert is_source("\ufeff\nDATA_BLOCK DB1\n")


GLOBAL_DB = """<?xml version="1.0" encoding="utf-8"?>
<Document>
  <Engineering version="V17" />
  <SW.Blocks.GlobalDB ID="0">
    <AttributeList>
      <Interface><Sections xmlns="http://www.siemens.com/automation/Openness/SW/Interface/v5">
        <Section Name="Static">
          <Member Name="on" Datatype="Bool"><Comment><MultiLanguageText Lang="de-DE">ein</MultiLanguageText>
            <MultiLanguageText Lang="en-US">switched on</MultiLanguageText></Comment></Member>
          <Member Name="set" Datatype="Struct">
            <Member Name="v" Datatype="Array[0..1] of Real" />
            <Member Name="text" Datatype="String[10]" />
          </Member>
          <Member Name="end" Datatype="Int" />
        </Section></Sections></Interface>
      <MemoryLayout>Standard</MemoryLayout>
      <Name>Data</Name>
      <Number>12</Number>
    </AttributeList>
  </SW.Blocks.GlobalDB>
</Document>
"""


def test_a_block_as_openness_writes_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty())
    tags = desk.added("data.xml", GLOBAL_DB, direction="output")
    assert {name: entry.address for name, entry in tags.items()} == {
        "on": "DB12.DBX0.0", "set-v-0": "DB12.DBD2", "set-v-1": "DB12.DBD6", "set-text": "DB12.DBB10",
        "end": "DB12.DBW22",
    }  # fmt: skip
    assert tags["on"].title == "Data.on: switched on"
    optimised = GLOBAL_DB.replace("Standard", "Optimized")
    assert "optimised access" in desk.refused("data.xml", optimised)[0]

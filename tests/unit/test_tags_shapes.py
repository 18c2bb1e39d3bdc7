"""Lists in the shapes that other programs write: each imports, imports again unchanged, and round-trips."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tag_samples import Desk, empty, workbook

from gateway.field.compound import read_type
from rig.tags.export import exported
from rig.tags.importing import station_tags

DATA = Path(__file__).parent / "data/shapes"
S7, MODBUS, OPCUA = "s7://127.0.0.1/0/1", "modbus://127.0.0.1/1", "opc.tcp://127.0.0.1"


class Shape(NamedTuple):
    """A file, its device, what a person says; tag -> (direction, type, address), and why others are none."""

    name: str
    content: str | bytes
    address: str
    said: dict[str, Any]
    tags: dict[str, tuple[str, str, str]]
    left_out: tuple[str, ...] = ()


# The HMI editor's names of the columns, in a table that is otherwise TIA Portal's.
RUNTIME_NAMES = (DATA / "runtime-names.csv").read_text("utf-8")
# TIA Portal in German, as its CSV comes from Excel: semicolons, UTF-16 with a mark, German mnemonics.
GERMAN = (DATA / "german.csv").read_text("utf-8")
# KEPServerEX: read-only and writable, a column Scaling beside the ranges it speaks of.
KEPWARE = (DATA / "kepware.csv").read_text("utf-8")
# STEP 7's symbol table: quoted (.sdf), and in columns of fixed width (.asc), blocks and timers among it.
SDF = (DATA / "symbols.sdf").read_text("utf-8")
ASC = "".join(
    f"126,{name:<24}{address:<12}{kind:<10}{comment:<80}\n"
    for name, address, kind, comment in (
        ("Start", "E       0.0", "BOOL", "push button"),
        ("Motor", "A       4.0", "BOOL", ""),
        ("State", "MW     10", "INT", ""),
        ("Wait", "T       1", "TIMER", ""),
        ("Conveyor", "FB      1", "FB      1", ""),
    )
)
SYMBOLS = {
    "start": ("input", "BOOL", "DB5.DBX0.0"), "motor": ("output", "BOOL", "%Q4.0"),
    "state": ("output", "INT", "MW10"),
}  # fmt: skip
# One's own names with everything that an id cannot have; three that differ in their letters' case alone.
NAMES = (DATA / "names.csv").read_text("utf-8")
# A data block's source: attributes, instances of timers and counters, structures, arrays, a type after it
# whose END_STRUCT has no semicolon, a section of its own for what is retentive.
BLOCK = (DATA / "block.db").read_text("utf-8")
OFFSETS = {
    "on": ("BOOL", "DBX0.0"), "bits-a-0": ("BOOL", "DBX2.0"), "bits-a-8": ("BOOL", "DBX3.0"),
    "flag": ("BOOL", "DBX20.0"), "after": ("BOOL", "DBX26.0"), "txt": ("STRING[5]", "DBB40"),
    "nest-a": ("BYTE", "DBB48"), "nest-deep-b": ("BOOL", "DBX50.0"), "nest-deep-r": ("REAL", "DBD52"),
    "zones-0-min-temp": ("INT", "DBW56"), "zones-0-ok": ("BOOL", "DBX58.0"),
    "zones-1-min-temp": ("INT", "DBW60"), "zones-1-ok": ("BOOL", "DBX62.0"),
    "grid-1-0": ("INT", "DBW64"), "grid-1-1": ("INT", "DBW66"), "grid-2-0": ("INT", "DBW68"),
    "grid-2-1": ("INT", "DBW70"), "last": ("WORD", "DBW72"), "kept": ("INT", "DBW74"),
}  # fmt: skip
"""By hand: a timer has 16 bytes, an IEC counter of SINT 3, DTL 12; each begins and ends at an even byte."""
UNHELD = ("type TON_TIME cannot be held", "type CTU_SINT cannot be held", "type DTL cannot be held")
NODES = {
    "on": '"Data"."on"', "bits-a-8": '"Data"."bits A"[8]', "zones-1-min-temp": '"Data"."zones"[1]."min temp"',
    "grid-2-1": '"Data"."grid"[2,1]', "nest-deep-r": '"Data"."nest"."deep"."r"', "kept": '"Data"."kept"',
}  # fmt: skip
# The same kind of block from Openness, which writes the members of a type where it is used.
OPENNESS = (DATA / "openness.xml").read_text("utf-8")
# CODESYS 3.5: an enumeration, a pointer, a function block, parts with an access of their own, none at all.
CODESYS = (DATA / "codesys.xml").read_text("utf-8")
VAR = "ns=4;s=|var|Press PLC.App."
# A node set: arrays of one known length are tags, others are not.
NODESET = (DATA / "node-set.xml").read_text("utf-8")
# By hand in Excel: a title, an empty line, two lines of headings with merged cells, blocks, more sheets.
BY_HAND = workbook(
    [
        ["Anlage 4711 E/A-Liste"], [None],
        ["Pos", "Signal", None, "Adresse", "Typ", "Messbereich", None, None, "Bemerkung"],
        [None, "BMK", "Bezeichnung", None, None, "von", "bis", "Einheit", None],
        [1, "-B1", "Tür zu", "E0.0", "BOOL", None, None, None, "Not-Halt"],
        [2, "-B2", "Druck", "EW 64", "INT", 0, 10, "bar", None],
        [None, "Ausgänge"],
        [3, "-Y1", "Ventil", "A4.0", "BOOL", None, None, None, None],
    ],
    merged=("A1:I1", "B3:C3", "F3:G3"),
)  # fmt: skip

SHAPES = {
    "runtime names": Shape("a.csv", RUNTIME_NAMES, S7, {"inputs_at": "DB100"}, {
        "i-top": ("input", "BOOL", "DB100.DBX0.0"), "o-lift": ("output", "BOOL", "%Q0.3"),
        "o-speed": ("output", "REAL", "%QD30"),
    }),
    "german": Shape("a.csv", GERMAN.encode("utf-16"), S7, {"inputs_at": "DB100", "direction": "output"}, {
        "tuer-zu": ("input", "BOOL", "DB100.DBX0.0"), "druck": ("input", "INT", "DB100.DBW64"),
        "ventil-y1": ("output", "BOOL", "%Q4.0"), "sollwert": ("output", "REAL", "%QD20"),
        "merker": ("output", "INT", "MW10"),
    }),
    "kepware": Shape("k.csv", KEPWARE, MODBUS, {}, {
        "drive-hz": ("output", "WORD", "400001"), "drive-fault": ("input", "WORD", "400005"),
        "comm-ok": ("output", "BOOL", "000001"), "level": ("output", "REAL", "300010"),
    }),
    "sdf": Shape("s.sdf", SDF, S7, {"inputs_at": "DB5", "direction": "output"}, SYMBOLS,
                 ("type TIMER cannot be held", "type FB 1 cannot be held")),
    "asc": Shape("s.asc", ASC, S7, {"inputs_at": "DB5", "direction": "output"}, SYMBOLS,
                 ("type TIMER cannot be held", "type FB 1 cannot be held")),
    "names": Shape("n.csv", b"\xef\xbb\xbf" + NAMES.encode(), S7, {"inputs_at": "DB5"}, {
        "desc-e1-2-s1-ms1-cc1-s67001": ("input", "BOOL", "DB5.DBX67.0"),
        "breaker-400-v-s1-ms1-cc1-f09001": ("input", "BOOL", "DB5.DBX9.0"),
        "motor": ("output", "BOOL", "%Q0.0"), "motor-2": ("output", "BOOL", "%Q0.1"),
        "motor-3": ("output", "BOOL", "%Q0.2"), "t1-achse": ("output", "BOOL", "%Q0.3"),
        "aeoeue": ("output", "BOOL", "%Q0.4"), "tag": ("output", "BOOL", "%Q0.5"),
    }),
    "block": Shape("d.db", BLOCK, S7, {"direction": "output", "numbers": {"": 7}},
                   {tag: ("output", kind, f"DB7.{at}") for tag, (kind, at) in OFFSETS.items()}, UNHELD),
    "block by symbol": Shape("d.scl", BLOCK, OPCUA, {"direction": "output"},
                             {t: ("output", OFFSETS[t][0], f"ns=3;s={node}") for t, node in NODES.items()},
                             UNHELD),
    "openness": Shape("o.xml", OPENNESS, S7, {"direction": "output"}, {
        "on": ("output", "BOOL", "DB12.DBX0.0"), "zones-0-min-temp": ("output", "INT", "DB12.DBW18"),
        "zones-1-ok": ("output", "BOOL", "DB12.DBX24.0"), "zone-ok": ("output", "BOOL", "DB12.DBX28.0"),
        "last": ("output", "WORD", "DB12.DBW30"),
    }, ("type TON_TIME cannot be held",)),
    "codesys": Shape("c.xml", CODESYS.replace("utf-8", "utf-16").encode("utf-16"), OPCUA, {}, {
        "gvl-x-in": ("input", "BOOL", f"{VAR}GVL.xIn"), "gvl-x-out": ("output", "BOOL", f"{VAR}GVL.xOut"),
        "gvl-axes-1-pos": ("output", "LREAL", f"{VAR}GVL.axes[1].Pos"),
        "gvl-axes-1-limits-2": ("input", "BOOL", f"{VAR}GVL.axes[1].Limits[2]"),
        "gvl-state": ("output", "INT", f"{VAR}GVL.state"),
        "gvl-text": ("output", "STRING[20]", f"{VAR}GVL.text"),
        "gvl-xin": ("output", "BOOL", f"{VAR}gvl.XIN"),
    }, ("cannot be accessed by clients", "is a pointer", "is a FUNCTION_BLOCK TON")),
    "node set": Shape("n.xml", NODESET, OPCUA, {"namespaces": {1: 4}}, {
        "temps": ("output", "ARRAY[0..3] OF REAL", "ns=4;s=M.Temps"),
        "door": ("input", "BOOL", "ns=4;s=M.Door"),
    }, ("is an array whose length is not in the file", "is an array whose length is not in the file")),
    "by hand": Shape("x.xlsx", BY_HAND, S7, {"inputs_at": "DB3"}, {
        "b1": ("input", "BOOL", "DB3.DBX0.0"), "b2": ("input", "INT", "DB3.DBW64"),
        "y1": ("output", "BOOL", "%Q4.0"),
    }),
}  # fmt: skip


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> Shape:
    return SHAPES[request.param]


@pytest.fixture
def desk(tmp_path: Path, shape: Shape) -> Desk:
    return Desk(tmp_path, empty(shape.address))


def test_each_shape_gives_its_tags_and_says_what_it_leaves_out(desk: Desk, shape: Shape) -> None:
    done = desk.compare(shape.name, shape.content, **shape.said)
    entries = {each.tag: each.entry for each in done.plan.added}
    found = {tag: (e.direction, read_type(e.type).name, e.address) for tag, e in entries.items()}
    whole = shape.name not in ("d.scl", "o.xml", "c.xml", "d.db")
    assert {tag: found.get(tag) for tag in shape.tags} == shape.tags
    if whole:
        assert found.keys() == shape.tags.keys()
    told = [line for line in done.lines if "left out" in line and line.lstrip().startswith("!")]
    assert all(any(reason in line for line in told) for reason in shape.left_out), told
    assert sum(int(line.split("left out ")[1].split(":")[0]) for line in told) == len(shape.left_out)


def test_each_shape_imports_again_without_a_difference(desk: Desk, shape: Shape) -> None:
    desk.merge(shape.name, shape.content, **shape.said)
    before = desk.station.read_bytes()
    again = desk.compare(shape.name, shape.content, **shape.said)
    assert not again.plan.differs
    assert again.after == before
    assert again.remaining == ()


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_each_shape_round_trips_through_an_export(desk: Desk, shape: Shape, ending: str) -> None:
    desk.merge(shape.name, shape.content, **shape.said)
    tags = station_tags(desk.station)
    out = desk.folder / f"out{ending}"
    out.write_bytes(exported(tags, out))
    back = desk.compare(out.name, out.read_bytes())
    assert not back.plan.differs
    assert sorted(back.plan.unchanged) == sorted(tags)


def test_an_order_of_lines_that_changed_keeps_each_name_at_its_tag(tmp_path: Path) -> None:
    """The three motors differ in case alone: what the source calls them is in their titles."""
    desk = Desk(tmp_path, empty(S7))
    desk.merge("n.csv", NAMES, inputs_at="DB5")
    assert station_tags(desk.station)["motor-3"].title == "motor: third"
    heading, *lines = NAMES.splitlines()
    again = desk.compare("n.csv", "\n".join([heading, *reversed(lines)]), inputs_at="DB5")
    assert not again.plan.differs


def test_scaling_that_is_none_or_linear_is_no_range_and_the_ranges_beside_it_are(tmp_path: Path) -> None:
    found = Desk(tmp_path, empty(MODBUS)).added("k.csv", KEPWARE)
    assert found["drive-hz"].unit == "Hz"
    within, raw = found["drive-hz"].range, found["drive-hz"].raw
    assert within is not None
    assert raw is not None
    assert (within.low, within.high, raw.low, raw.high) == (0, 50, 0, 27648)
    assert found["drive-fault"].range is None


def test_every_mistake_is_said_at_once_at_its_cell(tmp_path: Path) -> None:
    text = (
        "Name;Typ;Adresse;Einheit;Min;Max\n"
        "a;Bol;E0.0;;;\nb;Bool;E0.9;;;\nc;Int;EW;;1;0\nd;Real;ED10;bar;0;x\na;Bool;E0.1;;;\n"
    )
    told = Desk(tmp_path, empty(S7)).refused("e.csv", text, inputs_at="DB3")
    assert [line.partition(": ")[0] for line in told] == [
        "e.csv:2:2", "e.csv:3:3", "e.csv:4:3", "e.csv:5:6", "e.csv:6:1",
    ]  # fmt: skip
    assert "did you mean BOOL?" in told[0]
    assert "'a' stands twice; the first is in" in told[4]

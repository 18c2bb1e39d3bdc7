"""Tables of signals: TIA Portal's workbooks, hand-made lists, CSV of every kind, and their mistakes."""

from __future__ import annotations

import contextlib
import datetime
import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from tag_samples import MODBUS, S7, TIA_ENGLISH, TIA_GERMAN, Desk, empty, workbook

from gateway.errors import BadInput
from gateway.field.tags import Range
from rig.tags import workbook as workbooks
from rig.tags.importing import Import
from rig.tags.read import Asked, read_tags
from rig.tags.rows import Listing

TIA = workbook(
    [
        TIA_ENGLISH,
        ("Door_Closed", "Inputs", "Bool", "%I0.0", "safety door", "True", "True", "True", "", ""),
        ("Pressure", "Inputs", "Int", "%IW64", "", "True", "True", "True", "", ""),
        ("Valve_Open", "Outputs", "Bool", "%Q4.1", "", "True", "True", "True", "", ""),
        ("Recipe", "Memory", "WString[20]", "%MB100", "", "True", "True", "True", "", ""),
        ("Motor", "Outputs", '"typeMotor"', "%Q10.0", "", "True", "True", "True", "", ""),
        ("All_Inputs", "Inputs", "Byte", "%IB0", "", "True", "True", "True", "", ""),
        ("Timer", "Memory", "Timer", "%T5", "", "True", "True", "True", "", ""),
        ("Flag", "Memory", "Bool", "%M10.0", "", "True", "True", "True", "", ""),
    ]
)
HAND_MADE = workbook(
    [
        ("I/O-Liste Station 20 – Pressen", None, None, None, None, None, None, None),
        ("Stand: 3.2.2026", None, None, None, None, None, None, None),
        (None,) * 8,
        ("Nr.", "Symbol", "Adresse", "Typ", "Einheit", "Messbereich", "Richtung", "Bemerkung"),
        ("Eingänge", None, None, None, None, None, None, None),
        (1, "Tür zu", "E 0.0", "Bool", None, "ja/nein", "Eingang", "Schutztür"),
        (2, "Druck", "EW 64", "Int", "bar", "0,0 - 10,0", "E", None),
        (3, "Temperatur", "ED 68", "Real", "°C", "-50…+150 °C", "E", "PT100"),
        (4, "Strom", "EW 72", "Int", None, "4…20 mA", "E", None),
        (None,) * 8,
        ("Ausgänge", None, None, None, None, None, None, None),
        (5, "Ventil auf", "A 4.1", "Bool", None, None, None, None),
        (6, "Drehzahl", "AW 80", "Int", "U/min", "0..3000", "A", None),
        (7, "Reserve", None, None, None, None, None, None),
        (8, None, "A 4.7", "Bool", None, None, None, None),
    ],
    title="Liste",
    merged=("A1:H1",),
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A station with an S7 controller whose program reads its inputs from DB100."""
    return InDb100(tmp_path, empty())


class InDb100(Desk):
    def compare(self, name: str, content: str | bytes, take: str = "", **said: Any) -> Import:
        return super().compare(name, content, take, **{"inputs_at": "DB100", **said})


def test_a_tag_table_of_tia_portal(desk: Desk) -> None:
    done = desk.compare("PLCTags.xlsx", TIA)
    tags = {each.tag: each.entry for each in done.plan.added}
    assert list(tags) == ["door-closed", "pressure", "valve-open"]
    door = tags["door-closed"]
    assert (door.direction, door.type, door.address, door.safe) == ("input", "BOOL", "DB100.DBX0.0", "false")
    assert door.title == "Door_Closed: safety door"
    assert (tags["pressure"].type, tags["pressure"].address) == ("INT", "DB100.DBW64")
    assert (tags["valve-open"].direction, tags["valve-open"].safe) == ("output", None)
    told = "\n".join(done.lines)
    for reason in (
        "type WString[20] cannot be held: Recipe (PLCTags.xlsx[PLC Tags]:5)",
        'type "typeMotor" cannot be held: Motor',
        "overlaps door-closed at DB100.DBX0.0",
        "Timer (PLCTags.xlsx[PLC Tags]:8)",
        "has no direction; give --direction input or output, or a column that says it: Flag",
    ):
        assert reason in told


def test_the_same_table_in_german_gives_the_same_tags(desk: Desk, tmp_path: Path) -> None:
    rows = [
        TIA_GERMAN,
        ("Door_Closed", "Eingänge", "Bool", "%E0.0", "safety door", "True"),
        ("Pressure", "Eingänge", "Int", "%EW64", "", "True"),
        ("Valve_Open", "Ausgänge", "Bool", "%A4.1", "", "True"),
    ]
    assert desk.added("g.xlsx", workbook(rows)) == desk.added("e.xlsx", TIA)


def test_memory_gets_the_direction_that_the_person_says(desk: Desk) -> None:
    assert desk.added("t.xlsx", TIA, direction="output", only=("Flag",))["flag"].address == "M10.0"


def test_a_hand_made_list_with_titles_merged_cells_blocks_and_german_addresses(desk: Desk) -> None:
    done = desk.compare("liste.xlsx", HAND_MADE)
    tags = {each.tag: each.entry for each in done.plan.added}
    assert list(tags) == ["tuer-zu", "druck", "temperatur", "strom", "ventil-auf", "drehzahl"]
    assert tags["tuer-zu"].title == "Tür zu: Schutztür"
    assert (tags["druck"].range, tags["druck"].unit) == (Range(0, 10), "bar")
    assert (tags["temperatur"].range, tags["temperatur"].unit) == (Range(-50, 150), "Cel")
    assert (tags["strom"].range, tags["strom"].unit, tags["strom"].safe) == (Range(4, 20), "mA", "4")
    assert (tags["ventil-auf"].direction, tags["ventil-auf"].address) == ("output", "%Q4.1")
    assert (tags["drehzahl"].unit, tags["drehzahl"].range) == ("/min", Range(0, 3000))
    told = "\n".join(done.lines)
    assert "columns not used: Nr." in told
    assert "has no name: A 4.7 (liste.xlsx[Liste]:15)" in told
    assert "has no type and no address: 7 (liste.xlsx[Liste]:14)" in told


def test_an_english_list_as_process_engineers_write_it(desk: Desk) -> None:
    rows = [
        ("Machine 7 I/O list", None, None),
        ("Rev", "B"),
        (),
        (
            "Tag No.",
            "Description",
            "I/O Type",
            "PLC Address",
            "Range Min",
            "Range Max",
            "Eng. Units",
            "Fail-safe",
        ),
        ("101-LT-1", "Tank level", "AI", "%IW64", 0, 100, "%", 0),
        ("101-XV-2", "Inlet valve", "DO", "%Q0.0", None, None, None, None),
        ("101-ZS-2", "Valve open", "DI", "%I0.0", None, None, None, "no"),
    ]
    tags = desk.added("l.xlsx", workbook(rows, merged=("A1:C1",)))
    assert list(tags) == ["t101-lt-1", "t101-xv-2", "t101-zs-2"]
    level = tags["t101-lt-1"]
    assert (level.range, level.unit, level.safe, level.title) == (
        Range(0, 100),
        "%",
        "0",
        "101-LT-1: Tank level",
    )
    assert tags["t101-zs-2"].safe == "false"


def test_a_line_that_names_a_direction_gives_it_to_those_below(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MODBUS)
    text = "Signal;Typ;Adresse\nEingänge;;\nStart;Bool;coil:100\nAusgänge;;\nLampe;Bool;coil:5\n"
    tags = desk.added("l.csv", text)
    assert [(name, entry.direction) for name, entry in tags.items()] == [
        ("start", "input"), ("lampe", "output"),
    ]  # fmt: skip


def test_a_cell_merged_downwards_stands_for_every_line_it_covers(tmp_path: Path) -> None:
    rows = [
        ("Name", "Direction", "Type", "Address"),
        ("a", "input", "Bool", "coil:1"),
        ("b", None, "Bool", "coil:2"),
        ("c", "output", "Bool", "coil:3"),
        ("d", None, "Bool", "coil:4"),
    ]
    tags = Desk(tmp_path, empty("modbus://h/1")).added("m.xlsx", workbook(rows, merged=("B2:B3", "B4:B5")))
    assert [entry.direction for entry in tags.values()] == ["input", "input", "output", "output"]


def test_two_lines_of_headings(tmp_path: Path) -> None:
    rows = [
        ("Signal", "Typ", "Adresse", "Messbereich", None, "Einheit"),
        (None, None, None, "von", "bis", None),
        ("Druck", "Int", "EW 64", 0, 12.5, "bar"),
    ]
    tags = InDb100(tmp_path, empty()).added("m.xlsx", workbook(rows, merged=("D1:E1",)))
    assert tags["druck"].range == Range(0, 12.5)


def test_the_kind_of_signal_says_type_and_direction(desk: Desk) -> None:
    text = "Signalname,Signalart,SPS-Adresse\nB1,DI,E0.0\nY1,DO,A0.0\nP1,AI,EW64\nT1,AE,ED68\n"
    tags = desk.added("l.csv", text)
    assert [(e.direction, e.type) for e in tags.values()] == [
        ("input", "BOOL"), ("output", "BOOL"), ("input", "INT"), ("input", "REAL"),
    ]  # fmt: skip


CONTENT = "Name{0}Datentyp{0}Adresse{0}Kommentar\nTür{0}Bool{0}E0.0{0}Größe\nVentil{0}Bool{0}A0.0{0}\n"


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv_in_any_delimiter_and_encoding(tmp_path: Path, delimiter: str, encoding: str) -> None:
    desk = InDb100(tmp_path, empty())
    tags = desk.added("l.csv", CONTENT.format(delimiter).encode(encoding))
    assert [e.title for e in tags.values()] == ["Tür: Größe", "Ventil"]


def test_excels_own_line_that_names_the_delimiter(desk: Desk) -> None:
    assert list(desk.added("l.csv", "sep=;\r\n" + CONTENT.format(";"))) == ["tuer", "ventil"]


def test_places_stay_right_behind_quoted_cells_of_more_lines(desk: Desk) -> None:
    text = 'Name;Type;Address;Comment\n"a;b";Bool;E0.0;"two\nlines"\nc;Bool;E0.9;\n'
    assert desk.refused("l.csv", text) == [
        "l.csv:4:3: c: 'E0.9' is not an S7 address; write DB1.DBX0.0, DB1.DBW2, %I0.0, %QW4 or M10.2"
    ]


@pytest.mark.parametrize(
    "text",
    [
        '"Motor ein","A      4.0","BOOL","main drive"\n"Not-Aus","E      0.1","BOOL",""\n',  # STEP 7, .sdf
        "E0.1\tNot-Aus\tchain\nA4.0\tMotor ein\tmain drive\n",  # E-CAD
        '"Motor ein","%A4.0","Bool","True","True","False","main drive"\n'
        '"Not-Aus","%E0.1","Bool","True","True","False",""\n',
    ],
)
def test_lists_without_headings_are_known_by_their_addresses(desk: Desk, text: str) -> None:
    tags = desk.added("symbols.sdf", text)
    assert {(name, e.address) for name, e in tags.items()} == {
        ("motor-ein", "%Q4.0"),
        ("not-aus", "DB100.DBX0.1"),
    }
    assert "main drive" in tags["motor-ein"].title


def test_a_siemens_table_for_an_opc_ua_device_is_addressed_by_name(tmp_path: Path) -> None:
    done = Desk(tmp_path, empty("opc.tcp://h")).compare("t.xlsx", TIA, only=("Valve*",))
    assert done.plan.added[0].entry.address == 'ns=3;s="Valve_Open"'


def test_all_that_is_wrong_is_said_at_once_with_line_and_column(desk: Desk) -> None:
    text = (
        "Name;Type;Address;Direction;Unit;Range;Min;Safe\n"
        "a;Bool;E0.9;;;;;\n"
        "b;Bolo;E0.1;;;;;\n"
        "c;Int;EW2;sideways;;;;\n"
        "d;Int;EW4;;;10..0;;\n"
        "a;Bool;E0.2;;;;;\n"
        "e;Int;;;;;;\n"
        "f;Int;E0.3;;;;;\n"
        "g;Int;EW6;;;0..100000;;\n"
        "h;Int;EW8;;;0..10;;99\n"
        "i;Bool;E1.0;;;;;perhaps\n"
        "ok;Bool;E2.0;;;;;\n"
    )
    found = desk.refused("l.csv", text)
    assert [line.split(" ")[0] for line in found] == [
        "l.csv:2:3:", "l.csv:3:2:", "l.csv:4:4:", "l.csv:5:6:", "l.csv:6:1:", "l.csv:7:3:", "l.csv:8:2:",
        "l.csv:9:6:", "l.csv:10:8:", "l.csv:11:8:",
    ]  # fmt: skip
    assert "did you mean BOOL?" in found[1]
    assert "the first is in" in found[4]


def test_in_a_workbook_the_place_names_the_sheet(desk: Desk) -> None:
    rows = [("Title",), (), ("Name", "Type", "Address"), ("a", "Bool", "E0.9")]
    assert desk.refused("l.xlsx", workbook(rows, title="Eingänge"))[0].startswith("l.xlsx[Eingänge]:4:3: a: ")


def test_an_address_that_became_a_date_is_called_one(desk: Desk) -> None:
    rows = [("Name", "Type", "Address"), ("a", "Bool", datetime.date(2026, 4, 1))]
    assert "is a date" in desk.refused("l.xlsx", workbook(rows))[0]


def test_sheets_without_a_list_are_left_out_and_one_can_be_named(tmp_path: Path) -> None:
    book = load_workbook(io.BytesIO(TIA))
    sheets: dict[str, list[tuple[Any, ...]]] = {
        "User Constants": [("Name", "Path", "Data Type", "Value"), ("Max", "t", "Int", 5)],
        "TagTable Properties": [("Path", "BelongsToUnit"), ("Inputs", "")],
    }
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    out = io.BytesIO()
    book.save(out)
    desk = InDb100(tmp_path, empty())
    done = desk.compare("t.xlsx", out.getvalue())
    assert "door-closed" in [each.tag for each in done.plan.added]
    told = "\n".join(done.lines)
    assert "is a sheet without a list of signals: " in told
    assert "[User Constants]" in told
    assert "[TagTable Properties]" in told
    assert "door-closed" in desk.added("t.xlsx", out.getvalue(), sheet="PLC Tags")
    assert "it has PLC Tags, User Constants" in desk.refused("t.xlsx", out.getvalue(), sheet="Tags")[0]


def test_units_and_ranges_that_do_not_fit_are_left_out_and_said(desk: Desk) -> None:
    text = (
        "Name;Type;Address;Unit;Range\n"
        "a;Int;EW0;furlong;0..10\n"
        "b;Int;EW2;bar;4..20 mA\n"
        "c;Int;EW4;mm;0..0,4 m\n"
        "d;Bool;E9.0;;0..5\n"
    )
    done = desk.compare("l.csv", text)
    tags = {each.tag: each.entry for each in done.plan.added}
    assert (tags["a"].unit, tags["a"].range) == ("1", Range(0, 10))
    assert (tags["b"].unit, tags["b"].range) == ("bar", None)
    assert (tags["c"].unit, tags["c"].range) == ("mm", Range(0, 400))
    notes = [line for line in done.lines if line.startswith("note:")]
    assert [line.split("l.csv:")[1].split(": ")[0] for line in notes] == ["2:4", "3:5", "5:5"]


def test_modbus_lists_say_their_counting(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty("modbus://h/1"))
    text = "Name;Registertyp;Register;Datentyp;Richtung\nSpeed;Holding Register;12;UINT;output\n"
    assert "--modbus-base" in desk.refused("l.csv", text)[0]
    assert desk.added("l.csv", text, modbus_base=1)["speed"].address == "hr:11"
    assert desk.added("l.csv", text, modbus_base=0)["speed"].address == "hr:12"
    classic = (
        "Name;Address;Type;Direction\nSpeed;40012;UINT;output\nSeen;10003;BOOL;\nWant;10004;BOOL;input\n"
    )
    done = desk.compare("l.csv", classic)
    assert [each.entry.address for each in done.plan.added] == ["40012", "10003"]
    assert "cannot be written, and an input is written: Want" in "\n".join(done.lines)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"hello\nworld\n", "has no column of names"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "save it as .xlsx"),
        ("a.xlsx", b"PK\x03\x04 broken", "is not an XLSX workbook"),
        ("a.bin", bytes([1, 2, 3, 0, 5, 6, 7, 8]) * 10, "is not a text file"),
        ("a.csv", b"\xff\xfeN\x00a\x00m\x00e\x00\x00", "is not utf-16"),
        ("a.xlsx", workbook([("x", "y")]), "has no sheet with"),
    ],
)
def test_files_that_are_no_lists_say_so(desk: Desk, name: str, content: bytes, says: str) -> None:
    assert says in desk.refused(name, content)[0]


def test_a_zip_that_unpacks_to_too_much_is_not_unpacked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<a/>" + " " * 100_000)
    monkeypatch.setattr(workbooks, "MAX_UNPACKED", 50_000)
    monkeypatch.setattr(workbooks, "load_workbook", lambda *_a, **_k: pytest.fail("was opened"))
    assert "unpacks to more than" in desk.refused("a.xlsx", out.getvalue())[0]


def test_entities_in_a_workbook_are_refused(desk: Desk) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    source, out = zipfile.ZipFile(io.BytesIO(workbook([("Name", "Address"), ("a", "E0.0")]))), io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for item in source.infolist():
            data = source.read(item)
            if item.filename.endswith("sheet1.xml"):
                data = bomb + data.split(b"?>", 1)[-1]
            archive.writestr(item, data)
    assert openpyxl.DEFUSEDXML
    assert "is not an XLSX workbook that can be read" in desk.refused("a.xlsx", out.getvalue())[0]


WORDS = st.sampled_from(
    ["Name", "Type", "Address", "Bool", "E0.0", "%I0.1", "DB1,R4", "a", "0..1", "ja", "", '"', "TYPE x"]
)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(str.encode),
        st.lists(st.lists(WORDS, max_size=6).map(";".join), max_size=8).map("\n".join).map(str.encode),
    )
)
def test_garbage_is_taken_or_refused_and_never_breaks(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_bytes(data)
        with contextlib.suppress(BadInput):
            assert isinstance(read_tags(path, Asked()), Listing)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_tags(tmp_path / "none.csv", Asked())


def test_inputs_at_the_terminals_need_memory_that_the_program_reads(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty())
    done = desk.compare("t.xlsx", TIA)
    assert [each.tag for each in done.plan.added] == ["valve-open"]
    told = "\n".join(done.lines)
    assert "and an input is written: Door_Closed" in told
    assert "--inputs-at DB100" in told
    there = desk.compare("t.xlsx", TIA, inputs_at="M50").plan.added
    assert [each.entry.address for each in there][:2] == ["M50.0", "MW114"]


def test_an_input_that_was_moved_by_hand_stays_where_the_program_reads_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, S7)
    done = desk.compare("t.xlsx", TIA)
    assert not [each for each in done.plan.changed if each.key == "address" and each.tag != "valve-open"]
    assert {(c.tag, c.new) for c in done.plan.changed} == {
        ("valve-open", "%Q4.1"),
        ("valve-open", "Valve_Open"),
        ("pressure", "Pressure"),
    }

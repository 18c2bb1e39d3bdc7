"""An import touches what it changes and nothing else: text, order, comments, what was edited by hand."""

from __future__ import annotations

import difflib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tag_samples import MODBUS, OPCUA, S7, Desk, empty

from gateway.errors import BadInput, Problem
from gateway.field.entries import TagEntry
from gateway.station import load_station
from gateway.yamlfile import parse
from rig.tags.export import exported
from rig.tags.importing import Import, Wanted, load_problems, read_take, station_tags
from rig.tags.splice import scalar

HEAD = "Name;Type;Address;Direction;Range;Unit;Comment\n"


def lines_changed(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


def test_a_changed_address_changes_one_word(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MODBUS)
    after = desk.merge("l.csv", HEAD + "door-closed;Bool;coil:2050;input;;;\n")
    assert lines_changed(MODBUS, after) == [
        "-   door-closed:  {direction: input,  type: BOOL, address: \"coil:2048\", safe: false, "
        "title: safety door}   # by hand",
        "+   door-closed:  {direction: input,  type: BOOL, address: \"coil:2050\", safe: false, "
        "title: safety door}   # by hand",
    ]  # fmt: skip


def test_new_tags_come_last_and_say_what_to_check(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MODBUS)
    after = desk.merge(
        "l.csv", HEAD + "Tür_Auf;Bool;coil:2060;input;;;door: open\nlamp;Bool;coil:9;output;;;\n"
    )
    assert lines_changed(MODBUS, after) == [
        '+   tuer-auf: {direction: input, type: BOOL, address: "coil:2060", safe: false, '
        'title: "Tür_Auf: door: open"}  # check safe',
        '+   lamp: {direction: output, type: BOOL, address: "coil:9"}',
    ]
    assert after.index("lamp:") < after.index("\n# What moves")
    assert load_station(desk.station).tags["tuer-auf"].title == "Tür_Auf: door: open"


def test_what_a_hand_has_edited_stays_unless_the_file_is_told_to_win(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MODBUS)
    text = HEAD + "pressure;Int;hr:1030;input;0..10;mbar;\n"
    done = desk.compare("l.csv", text)
    assert not done.plan.differs
    assert [(each.key, each.old, each.new) for each in done.plan.kept] == [
        ("range", "0..12", "0..10"), ("unit", "bar", "mbar"),
    ]  # fmt: skip
    assert any("range stays 0..12; the file has 0..10 (--take range)" in line for line in done.lines)
    assert "range: 0..10, unit: bar" in desk.merge("l.csv", text, take="range")
    assert "range: 0..10, unit: mbar" in desk.merge("l.csv", text, take="all")


def test_what_is_missing_is_filled_in(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MODBUS)
    after = desk.merge("l.csv", HEAD + "valve-open;Bool;coil:0;output;;;Y1 on block A\n")
    assert 'address: "coil:0", title: Y1 on block A}   # Y1' in after


def test_what_the_file_does_not_mention_stays(tmp_path: Path) -> None:
    done = Desk(tmp_path, MODBUS).compare("l.csv", HEAD + "lamp;Bool;coil:9;output;;;\n")
    assert done.plan.untouched == ["door-closed", "pressure", "valve-open"]
    assert "1 added, 0 changed, 0 unchanged, 3 not in the file (kept), 0 left out" in done.lines[-1]


def test_a_renamed_signal_is_known_by_its_address_and_keeps_its_id(tmp_path: Path) -> None:
    desk = Desk(tmp_path, S7)
    done = desk.compare("l.csv", HEAD + "Y1_Press;Bool;DB2.DBX0.0;output;;;\n")
    assert [(c.tag, c.key, c.new) for c in done.plan.changed] == [("valve-open", "title", "Y1_Press")]


def test_swapped_addresses_follow_the_names(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty("modbus://h/1"))
    desk.merge("l.csv", HEAD + "Lamp_A;Bool;coil:1;output;;;\nLamp_B;Bool;coil:2;output;;;\n")
    done = desk.compare("l.csv", HEAD + "Lamp_A;Bool;coil:2;output;;;\nLamp_B;Bool;coil:1;output;;;\n")
    assert {(c.tag, c.key, c.new) for c in done.plan.changed} == {
        ("lamp-a", "address", "coil:2"), ("lamp-b", "address", "coil:1"),
    }  # fmt: skip


def test_names_that_collide_keep_their_tags_when_the_list_is_shuffled(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty("modbus://h/1"))
    rows = ["Motor-1;Bool;coil:1;output;;;", "Motor_1;Bool;coil:2;output;;;", "motor 1;Bool;coil:3;output;;;"]
    desk.merge("l.csv", HEAD + "\n".join(rows))
    assert {n: e.title for n, e in station_tags(desk.station).items()} == {
        "motor-1": "Motor-1", "motor-1-2": "Motor_1", "motor-1-3": "motor 1",
    }  # fmt: skip
    done = desk.compare("l.csv", HEAD + "MOTOR 1;Bool;coil:4;output;;;\n" + "\n".join(reversed(rows)))
    assert [each.tag for each in done.plan.added] == ["motor-1-4"]
    assert not done.plan.changed


def test_the_same_address_in_another_spelling_is_no_change(tmp_path: Path) -> None:
    desk = Desk(tmp_path, S7)
    assert not desk.compare("l.csv", HEAD + "valve-open;Bool;db2.dbx0.0;output;;;\n").plan.differs


def test_a_guess_never_changes_a_direction(tmp_path: Path) -> None:
    desk = Desk(tmp_path, OPCUA)
    text = "Name,Type,NodeId,Access\nvalve-open,Bool,ns=2;s=P.Valve,ReadWrite\n"
    assert not desk.compare("l.csv", text).plan.differs


def test_a_result_that_would_not_load_is_not_written(tmp_path: Path) -> None:
    text = MODBUS.replace("twin: {}", "manual: door-closed\ntwin: {}")
    desk = Desk(tmp_path, text)
    assert not load_problems(text.encode(), desk.station)
    found = desk.refused("l.csv", HEAD + "door-closed;Bool;coil:2048;output;;;\n")
    assert found[0] == "station.yaml: would not load with these tags; nothing is written"
    assert any("an output has no safe" in line for line in found)


def test_a_station_that_did_not_load_before_may_be_filled(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty("modbus://h/1") + "manual: start\n")
    done = desk.compare("l.csv", HEAD + "lamp;Bool;coil:1;output;;;\n")
    assert "start is not a tag" in str(done.remaining[0])
    done = desk.compare("l.csv", HEAD + "start;Bool;coil:1;input;;;\n")
    assert not done.remaining


def test_a_station_that_cannot_be_read_is_refused_with_all_that_is_wrong(tmp_path: Path) -> None:
    text = MODBUS.replace("range: 0..12", "range: twelve").replace(
        'type: BOOL, address: "coil:0"', "type: BULL"
    )
    found = Desk(tmp_path, text).refused("l.csv", HEAD + "lamp;Bool;coil:1;output;;;\n")
    assert len(found) >= 2
    assert all(line.startswith("station.yaml:") for line in found)


def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MODBUS)
    done = desk.compare("l.csv", HEAD + "lamp;Bool;coil:9;output;;;\n")
    desk.station.write_text(MODBUS + "# saved by an editor\n")
    with pytest.raises(BadInput, match="has changed while"):
        done.write()
    assert desk.text.endswith("# saved by an editor\n")


def test_permissions_links_line_ends_and_the_byte_order_mark_stay(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MODBUS)
    real = tmp_path / "real.yaml"
    real.write_bytes(b"\xef\xbb\xbf" + MODBUS.replace("\n", "\r\n").encode())
    real.chmod(0o640)
    desk.station.unlink()
    desk.station.symlink_to(real)
    desk.merge("l.csv", HEAD + "lamp;Bool;coil:9;output;;;\n")
    data = real.read_bytes()
    assert desk.station.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\r\n") == data.count(b"\n") == MODBUS.count("\n") + 1


BLOCK = """twinline: station 1
id: s
devices: {plc: {address: "modbus://h/1"}}
tags:
    a:
        # what it is
        direction: input
        type: BOOL  # one bit
        address: 'coil:2048'
        safe: false

    # between
    b:
        direction: output
        type: INT
        address: hr:0
        unit: mm
    # the end of the tags
twin: {}
"""
ALIAS = """twinline: station 1
id: s
devices: {plc: {address: "modbus://h/1"}}
tags:
  a: {direction: output, type: &t BOOL, address: "coil:1"}
  b: {direction: output, type: *t, address: "coil:2"}
twin: {}
"""


def test_tags_in_blocks_get_blocks_and_keep_their_indent(tmp_path: Path) -> None:
    desk = Desk(tmp_path, BLOCK)
    after = desk.merge("l.csv", HEAD + "a;Bool;coil:2049;input;;;x\nc;Int;hr:9;input;0..10;bar;\n")
    assert lines_changed(BLOCK, after) == [
        "-         address: 'coil:2048'",
        "+         address: 'coil:2049'",
        "+         title: x",
        "+     c:",
        "+         direction: input",
        "+         type: INT",
        '+         address: "hr:9"',
        "+         range: 0..10",
        "+         unit: bar",
        "+         safe: 0  # check",
    ]
    load_station(desk.station)


def test_an_alias_is_left_to_the_hand(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ALIAS)
    assert "is an alias" in desk.refused("l.csv", HEAD + "b;Int;hr:2;output;;;\n")[0]
    assert "lamp: {" in desk.merge("l.csv", HEAD + "lamp;Bool;coil:3;output;;;\n")


@pytest.mark.parametrize(
    "tags",
    [
        "tags: {}  # none yet\n",
        "tags:\n  a: {direction: output, type: BOOL, address: coil:1}",
        "tags: {a: {direction: output, type: BOOL, address: coil:1}}\n",
        "tags: {\n  a: {direction: output, type: BOOL, address: coil:1},  # first\n}\n",
        "tags:\n  a: {direction: output, type: BOOL,\n      address: coil:1  # here\n  }\n  # end\n",
        "tags:\n  a:\n    direction: output\n    type: BOOL\n    address: coil:1\n    title: |\n      1\n\n",
        "tags:\n  a: {direction: output, type: BOOL, address: coil:1, title: 'it''s: {x}, # y'}   # z: {}\n",
    ],
)
def test_every_way_to_write_tags_takes_new_ones(tmp_path: Path, tags: str) -> None:
    text = f'twinline: station 1\nid: s\ndevices: {{plc: {{address: "modbus://h/1"}}}}\ntwin: {{}}\n{tags}'
    desk = Desk(tmp_path, text)
    before = station_tags(desk.station)
    after = desk.merge("l.csv", HEAD + "lamp;Bool;coil:3;output;;;\nstart;Bool;coil:4;input;;;\n")
    found = station_tags(desk.station)
    assert list(found) == [*before, "lamp", "start"]
    assert all(line in after for line in text.splitlines() if "tags:" not in line and "a:" not in line)
    load_station(desk.station)
    assert not desk.compare("l.csv", HEAD + "lamp;Bool;coil:3;output;;;\n").plan.differs


def test_what_only_a_hand_can_edit_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    text = MODBUS.replace("door-closed:  {", "? door-closed\n  : {")
    found = Desk(tmp_path, text).refused("l.csv", HEAD + "lamp;Bool;coil:3;output;;;\n")
    assert "is written in a way that cannot be merged" in found[0]


def test_tags_that_share_a_byte_with_the_other_direction_are_left_out(tmp_path: Path) -> None:
    done = Desk(tmp_path, S7).compare(
        "l.csv",
        HEAD + "x;Bool;DB1.DBX0.5;output;;;\ny;Bool;DB2.DBX0.5;input;;;\nz;Bool;DB3.DBX0.0;input;;;\n",
    )
    assert [each.tag for each in done.plan.added] == ["z"]
    assert "shares a byte with the input door-closed" in "\n".join(done.lines)


def test_observers_and_jogs_of_a_list_are_checked_at_their_cells(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty("modbus://h/1"))
    text = (
        "name;direction;type;address;observer\n"
        "a;input;BOOL;coil:1;seen.3\nb;input;BOOL;coil:2;nobody\nseen;output;WORD;hr:0;\n"
    )
    assert desk.refused("l.csv", text) == [
        "l.csv:3:5: b: observer nobody is not a tag of this station; declared are a, b, seen"
    ]
    assert desk.added("l.csv", text.replace("nobody", "seen.4"))["b"].observer is not None


def test_fields_to_take_are_named_or_refused() -> None:
    assert "range" in read_take("range, title")
    with pytest.raises(ValueError, match="use direction, type"):
        read_take("rnage")


class One(msgspec.Struct):
    """A file with one key."""

    k: str


@given(st.text(max_size=40))
def test_a_scalar_is_read_back_as_it_was(text: str) -> None:
    if any(ord(char) > 0xD7FF and ord(char) < 0xE000 for char in text):
        return
    problems: list[Problem] = []
    for line in (f"k: {scalar(text)}\n", f"{{k: {scalar(text)}}}\n", f"k: {scalar(text, chr(39))}  # c\n"):
        found = parse(line, "x", One, problems)
        assert problems == []
        assert found is not None
        assert found.k == text


# Round trips: any station's tags, exported and imported again, leave the file as it is.

WORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_characters="\x7f\xa0\xad") | st.just(" "),
    max_size=20,
).map(lambda text: " ".join(text.split()))
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 3) + 0.0)


@st.composite
def stations(draw: st.DrawFn) -> str:
    """A station file with tags of every kind, in flow or block style."""
    lines = []
    block = draw(st.booleans())
    for number in range(draw(st.integers(1, 6))):
        is_input = draw(st.booleans())
        kind = draw(st.sampled_from(["BOOL", "INT", "REAL", "WORD"]))
        place = (2048 if is_input else 0) + number
        register = (1024 if is_input else 0) + 4 * number
        fields = {
            "direction": "input" if is_input else "output",
            "type": kind,
            "address": f"coil:{place}" if kind == "BOOL" else f"hr:{register}",
        }
        if kind in ("INT", "REAL") and draw(st.booleans()):
            low, high = sorted((draw(NUMBERS) % 1000, draw(NUMBERS) % 1000 + 1000))
            fields["range"] = f"{low!r}..{high!r}"
            if draw(st.booleans()):
                fields["unit"] = draw(st.sampled_from(["mm", "bar", "Cel", "%"]))
            if is_input:
                fields["safe"] = repr(high) if kind == "REAL" else str(int(high))
            if draw(st.booleans()):
                fields["raw"] = "0..27648"
        if is_input and "safe" not in fields:
            fields["safe"] = "false" if kind == "BOOL" else draw(st.sampled_from(["0", "1"]))
        if draw(st.booleans()):
            fields["title"] = draw(WORDS)
        name = f"tag-{number}"
        if block:
            lines += [f"  {name}:", *(f"    {key}: {scalar(text)}  # {key}" for key, text in fields.items())]
        else:
            lines.append(
                f"  {name}:   {{" + ",  ".join(f"{k}: {scalar(v)}" for k, v in fields.items()) + "}  # c"
            )
    return (
        'twinline: station 1\nid: s\ndevices: {plc: {address: "modbus://h/1"}}\ntags:\n'
        + "\n".join(lines)
        + "\ntwin: {}\n"
    )


@settings(max_examples=30, deadline=None)
@given(stations(), st.sampled_from([".csv", ".xlsx"]), st.sampled_from(["", "all"]))
def test_export_then_import_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, text: str, suffix: str, take: str
) -> None:
    desk = Desk(tmp_path_factory.mktemp("trip"), text)
    if load_problems(text.encode(), desk.station):
        return
    listed = desk.folder / f"tags{suffix}"
    listed.write_bytes(exported(station_tags(desk.station), listed))
    done = Import(str(listed), desk.station, Wanted(take=read_take(take)))
    assert done.plan.changed == []
    assert done.plan.kept == []
    done.write()
    assert desk.text == text


@settings(max_examples=20, deadline=None)
@given(stations(), st.sampled_from([".csv", ".xlsx"]))
def test_an_exported_list_fills_an_empty_station_with_the_same_tags(
    tmp_path_factory: pytest.TempPathFactory, text: str, suffix: str
) -> None:
    desk = Desk(tmp_path_factory.mktemp("fill"), text)
    if load_problems(text.encode(), desk.station):
        return
    listed = desk.folder / f"tags{suffix}"
    tags = station_tags(desk.station)
    listed.write_bytes(exported(tags, listed))
    desk.station.write_text(empty("modbus://h/1"))
    Import(str(listed), desk.station, Wanted()).write()
    assert bare(station_tags(desk.station)) == bare(tags)
    assert not Import(str(listed), desk.station, Wanted()).plan.differs


def bare(tags: dict[str, TagEntry]) -> dict[str, tuple[object, ...]]:
    return {
        name: tuple(getattr(entry, field) for field in TagEntry.__struct_fields__ if field != "line")
        for name, entry in tags.items()
    }


def test_an_export_refuses_other_endings_and_what_a_workbook_cannot_hold(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MODBUS.replace("title: safety door", 'title: "a\\x01b"'))
    tags = station_tags(desk.station)
    with pytest.raises(BadInput, match=r"neither \.csv nor \.xlsx"):
        exported(tags, tmp_path / "t.pdf")
    with pytest.raises(BadInput, match="export to CSV"):
        exported(tags, tmp_path / "t.xlsx")


def test_another_direction_at_a_tags_address_is_another_signal(tmp_path: Path) -> None:
    done = Desk(tmp_path, S7).compare(
        "l.csv", HEAD + "Lamp;Bool;DB1.DBX0.0;output;;;\nHorn;Bool;DB2.DBX2.0;output;;;\n"
    )
    assert not done.plan.changed
    assert [each.tag for each in done.plan.added] == ["horn"]
    assert "overlaps door-closed at DB1.DBX0.0: Lamp" in "\n".join(done.lines)

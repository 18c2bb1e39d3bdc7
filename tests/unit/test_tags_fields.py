"""Every field that a station's tags can have goes out and comes back; devices count and order as they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from tag_samples import Desk, empty

from gateway.config import find_config
from gateway.field.entries import TagEntry
from gateway.station import load_station
from rig.tags.export import exported
from rig.tags.found import FROM_PLACE, KEYS, placeless
from rig.tags.importing import Import, Wanted, read_take, station_tags

FULL = """\
twinline: station 1
id: full
devices:
  plc: {address: "modbus://h/1", base: 1}
  rio: {role: coupler, address: "modbus://r/1"}
tags:
  level:  {device: plc, direction: output, type: UINT, address: "hr:1", scale: 0.1, offset: -40, unit: Cel}
  curve:  {device: plc, direction: output, type: INT, address: "40003", table: [[0, -40], [4095, 120]]}
  long:   {device: plc, direction: output, type: DINT, address: "hr:5", order: CDAB}
  name:   {device: plc, direction: output, type: "STRING[20]", address: "hr:10", title: "=A1-B2, 'x'"}
  zero:   {device: plc, direction: output, type: REAL, address: "hr:20", range: 0..2}
  weighed: {device: plc, direction: output, type: INT, address: "hr:22", range: -5..20,
            formula: raw * 0.001 + zero, tolerance: {value: 0.25}}
  list:   {device: plc, direction: output, type: "ARRAY[0..3] OF INT", address: "hr:30"}
  start:  {device: plc, direction: input, type: BOOL, address: "coil:2049", safe: FALSE, hold: 50 ms}
  brief:  {device: plc, direction: input, type: BOOL, address: "coil:2050", safe: "0", hold: 1500 us}
  row:    {device: plc, direction: input, type: "INT[3]", address: "hr:1030", safe: "1, 2, 3"}
  torque: {device: plc, direction: input, type: INT, address: "hr:1040", range: 0..5, raw: 0..9, safe: 2.50}
  feed:   {device: plc, direction: input, type: INT, address: "hr:1041", range: 0..20,
            formula: raw * 0.001 + zero, inverse: (value - zero) / 0.001, verify: true, safe: 0}
  gate:   {device: plc, direction: input, type: BOOL, address: "coil:2060", real: "di:9", safe: false}
  stop:   {device: plc, direction: input, type: BOOL, address: "di:4", safety: true}
  wired:  {device: rio, direction: input, type: BOOL, address: "coil:7", safe: false, observer: seen}
  seen:   {device: rio, direction: output, type: BOOL, address: "di:3", jog: start}
twin: {}
"""


def test_the_keys_are_all_that_a_tag_has() -> None:
    assert sorted([*KEYS, *FROM_PLACE]) == sorted(TagEntry.__struct_fields__)


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
@pytest.mark.parametrize("take", ["", "all"])
@pytest.mark.parametrize("device", ["plc", "rio"])
def test_all_fields_go_out_and_come_back_without_a_change(
    tmp_path: Path, suffix: str, take: str, device: str
) -> None:
    desk = Desk(tmp_path, FULL)
    load_station(desk.station)
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(exported(station_tags(desk.station), path))
    done = Import(str(path), desk.station, Wanted(device=device, take=read_take(take)))
    assert not done.plan.differs
    assert done.plan.kept == []
    done.write()
    assert desk.text == FULL


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_all_fields_fill_a_station_that_has_none(tmp_path: Path, suffix: str) -> None:
    desk = Desk(tmp_path, FULL)
    before = {name: placeless(entry) for name, entry in station_tags(desk.station).items()}
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(exported(before, path))
    desk.station.write_text(FULL[: FULL.index("tags:")] + "tags: {}\ntwin: {}\n")
    Import(str(path), desk.station, Wanted()).write()
    after = {name: placeless(entry) for name, entry in station_tags(desk.station).items()}
    load_station(desk.station)
    for name, entry in after.items():
        for key in KEYS:
            assert getattr(entry, key) == getattr(before[name], key)
    assert set(before) - set(after) == {"wired", "seen"}


def test_a_tolerance_is_filled_in_from_a_list_as_a_mapping(tmp_path: Path) -> None:
    text = find_config("stations/glue.yaml").read_text()
    bare = next(line for line in text.splitlines() if line.lstrip().startswith("glue-pressure:"))
    said = bare.replace("}", ", tolerance: {value: 0.5 bar, time: 50 ms}}", 1)
    desk = Desk(tmp_path, text.replace(bare, said))
    load_station(desk.station)
    path = tmp_path / "t.csv"
    path.write_bytes(exported(station_tags(desk.station), path))
    desk.station.write_text(text)
    Import(str(path), desk.station, Wanted()).write()
    assert desk.text == text.replace(bare, said)


@pytest.mark.parametrize(
    ("field", "text", "why"),
    [
        ("tolerance", "half a bar", "is no tolerance; write for example {value: 0.5, time: 50 ms}"),
        ("tolerance", "{}", "is no tolerance"),
        ("tolerance", "{value: 9}", "give 0 to 5"),
        ("tolerance", "{value: 1, safety: true}", "is no tolerance"),
        ("formula", "raw +", "formula"),
        ("formula", "raw * gone", "'gone' is not a tag of this station"),
        ("verify", "perhaps", "is neither true nor false"),
        ("verify", "true", "an output is not written"),
        ("safety", "SIL 2", "is neither true nor false"),
    ],
)
def test_a_cell_that_is_wrong_is_said_with_its_place(tmp_path: Path, field: str, text: str, why: str) -> None:
    listed = f'name,direction,type,address,range,{field}\na,output,INT,hr:0,0..5,"{text}"\n'
    [said] = Desk(tmp_path, empty("modbus://h/1")).refused("l.csv", listed)
    assert said.startswith("l.csv:2:6:")
    assert why in said


def test_a_device_that_counts_from_one_gets_its_own_numbers(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty().replace('"s7://127.0.0.1/0/1"', '"modbus://h/1", base: 1'))
    text = "Name;Registertyp;Register;Datentyp;Richtung\na;Holding Register;12;UINT;output\n"
    assert desk.added("l.csv", text, modbus_base=0)["a"].address == "hr:13"
    assert desk.added("l.csv", text, modbus_base=1)["a"].address == "hr:12"
    assert desk.added("l.csv", "Name;Address;Type;Direction\na;4x0012;UINT;output\n")["a"].address == "hr:12"
    assert "addresses are counted from 1" in desk.refused(
        "l.csv", "Name;Address;Type;Direction\na;hr:0;UINT;output\n"
    )[0]  # fmt: skip
    desk.merge("l.csv", "Name;Address;Type;Direction\na;hr:12;UINT;output\n")
    assert not desk.compare("l.csv", "Name;Address;Type;Direction\na;40012;UINT;output\n").plan.differs


def test_tags_of_other_devices_are_left_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FULL)
    done = desk.compare(
        "l.csv", "Name;Address;Type;Direction\nseen;di:9;BOOL;\nx;coil:9;BOOL;output\n", device="rio"
    )
    assert [(each.tag, each.new) for each in done.plan.changed] == [("seen", "di:9")]
    assert [(each.tag, each.entry.device) for each in done.plan.added] == [("x", "rio")]
    assert "level" in done.plan.untouched


def test_a_text_that_is_an_input_needs_its_safe_value_from_the_list(tmp_path: Path) -> None:
    desk = Desk(tmp_path, empty("modbus://h/1"))
    text = "Name;Address;Type;Direction;Safe\na;hr:0;STRING[8];input;{}\nb;coil:1;BOOL;output;\n"
    assert "needs a safe value" in "\n".join(desk.compare("l.csv", text.format("")).lines)
    assert desk.added("l.csv", text.format("none"))["a"].safe == "none"


def test_a_column_offset_in_a_list_of_a_block_is_no_scaling(tmp_path: Path) -> None:
    text = "Name;Datentyp;Offset;Adresse;Richtung\na;Int;4.0;DB1.DBW4;output\n"
    done = Desk(tmp_path, empty()).compare("l.csv", text)
    assert done.plan.added[0].entry.offset is None
    assert "columns not used: Offset" in "\n".join(done.lines)


def test_a_table_that_is_none_is_said_at_its_cell(tmp_path: Path) -> None:
    text = "name,direction,type,address,table,hold\na,output,INT,hr:0,nonsense,\nb,input,BOOL,coil:1,,soon\n"
    assert [line.split(" ")[0] for line in Desk(tmp_path, empty("modbus://h/1")).refused("l.csv", text)] == [
        "l.csv:2:5:", "l.csv:3:6:",
    ]  # fmt: skip

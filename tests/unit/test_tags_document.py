"""docs/tags.md says what the code does: every table and every example in it is tried."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from gateway.field.addresses import ModbusAddress, Protocol, S7Address, parse_address
from gateway.field.compound import ArrayType, laid_out, read_type
from gateway.field.drivers.opcua import VARIANTS
from gateway.field.entries import TagEntry, compile_tags
from gateway.field.tags import Tag
from gateway.field.types import ORDERS, TYPES, read_order
from gateway.station import Station, load_station

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "tags.md").read_text()


def table(*heading: str) -> list[dict[str, str]]:
    """The rows of the table that begins with these columns, without backquotes."""
    lines = TEXT.splitlines()
    start = next(n for n, line in enumerate(lines) if cells(line)[: len(heading)] == list(heading))
    columns = cells(lines[start])
    rows: list[dict[str, str]] = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(columns, cells(line), strict=True)))
    assert rows
    return rows


def cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]


EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def station(example: str, folder: Path) -> Station:
    """The example, completed to a station file."""
    given = yaml.safe_load(example)
    text = "twinline: station 1\nid: example\ntwin: {}\n" + example
    if "devices" not in given:
        text += 'devices: {plc: {address: "modbus://192.0.2.7/1"}}\n'
    path = folder / "example.yaml"
    path.write_text(text)
    return load_station(path)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_loads(number: int, tmp_path: Path) -> None:
    assert station(EXAMPLES[number], tmp_path).tags


def test_the_keys_are_those_of_a_tag() -> None:
    told = {key.strip(" `") for row in table("key", "is") for key in row["key"].split(",")}
    assert told == set(TagEntry.__struct_encode_fields__) - {"line", "name"}


def test_the_types() -> None:
    rows = table("type", "bits", "OPC UA")
    assert [row["type"] for row in rows] == list(TYPES)
    for row in rows:
        kind = TYPES[row["type"]]
        assert kind.bits == int(row["bits"])
        assert VARIANTS[kind.name].name == row["OPC UA"]
        kind.parse(row["written as"].split("`")[0])


def test_how_long_texts_and_arrays_are() -> None:
    for row in table("type", "Modbus", "S7"):
        written = row["type"]
        if written == "STRING[5][2]":
            written = "ARRAY[0..1] OF STRING[5]"
        count, unit = row["Modbus"].split()
        assert laid_out(read_type(written), "modbus").bits == int(count) * (1 if unit == "coils" else 16)
        count, _ = row["S7"].split()
        assert laid_out(read_type(written), "s7").bits == int(count) * 8


def fits(protocol: Protocol, address: str, kind: str) -> list[str]:
    """What is said about an output of this type there."""
    said: list[str] = []
    entry = TagEntry("output", kind, address, name="t")
    compile_tags([entry], {"plc": protocol}, lambda line, what, hint: said.append(f"{what}; {hint}"))
    return said


def test_modbus_addresses() -> None:
    for row in table("address", "table", "cell"):
        wanted = ModbusAddress(row["table"], int(row["cell"]), int(row["bit"] or -1))  # type: ignore[arg-type]
        assert parse_address("modbus", row["address"]) == wanted
        assert fits("modbus", row["address"], row["for example"]) == []


def test_s7_addresses() -> None:
    for row in table("address", "area", "byte"):
        found = parse_address("s7", row["address"])
        assert isinstance(found, S7Address)
        area = f"{found.area}{found.db}" if found.area == "DB" else found.area
        assert (area, found.byte, found.bit) == (row["area"], int(row["byte"]), int(row["bit"] or -1))
        assert fits("s7", row["address"], row["for example"]) == []


def test_opcua_addresses() -> None:
    for row in table("address", "for example"):
        assert fits("opcua", row["address"], row["for example"]) == []


def test_the_orders() -> None:
    names: dict[str, str] = {}
    for row in table("order", "also called"):
        names |= dict.fromkeys([row["order"]], row["order"])
        names |= {name.strip(" `"): row["order"] for name in row["also called"].split(",")}
        for number, kind in (("16#0102", "UINT"), ("16#01020304", "UDINT"), ("16#0102030405060708", "ULINT")):
            laid = laid_out(TYPES[kind], "modbus", read_order(row["order"]))
            assert laid.pack(laid.parse(number)).hex(" ") == row[number]
    assert {name.upper(): order for name, order in names.items()} == ORDERS


@pytest.fixture
def converted(tmp_path: Path) -> dict[str, Tag]:
    return station(next(example for example in EXAMPLES if "table:" in example), tmp_path).tags


def test_the_conversions(converted: dict[str, Tag]) -> None:
    for row in table("tag", "raw", "value"):
        tag = converted[row["tag"]]
        assert tag.from_device(float(row["raw"])) == pytest.approx(float(row["value"]))
        assert tag.to_device(float(row["value"])) == int(row["raw"])


def test_the_example_speaks_of_base_and_order(converted: dict[str, Tag]) -> None:
    assert converted["force"].address == ModbusAddress("hr", 0)
    assert converted["level"].address == ModbusAddress("hr", 2)
    assert converted["zero"].type.order == "CDAB"
    assert isinstance(converted["torques"].type, ArrayType)

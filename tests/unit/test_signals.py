"""The signal list: every tag once, by device and address, and no text of the station file as markup."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from shim_bench import station

from gateway.errors import BadInput
from gateway.station import Station
from rig.tags.signals import COLUMNS, parts, rendered

NASTY = ("Tür (zu)", "<b>=1+1|*x*\\\\x</b>")


@pytest.fixture
def press(tmp_path: Path) -> Station:
    return station(tmp_path, "s7", NASTY)


def text(press: Station, ending: str) -> str:
    return rendered(press, Path(f"list.{ending}")).decode("utf-8-sig")


def test_each_device_has_its_tags_in_the_order_of_their_addresses(press: Station) -> None:
    (part,) = parts(press)
    assert sorted(each.tag for each in part.signals) == sorted(press.tags)
    found = [each.address for each in part.signals]
    assert found[:9] == [
        "DB1.DBW0", "DB1.DBX4.0", "DB1.DBX4.3", "DB1.DBX6.7", "DB1.DBW10", "DB1.DBD12", "DB1.DBW22",
        "DB2.DBX0.0", "DB2.DBX0.1",
    ]  # fmt: skip


def test_what_a_line_says(press: Station) -> None:
    lines = {each.tag: each for each in parts(press)[0].signals}
    assert lines["force"][2:] == ("", "input", "INT", "0 … 10", "", "1", "", "")
    assert lines["run"][3:] == ("output", "BOOL", "", "", "", "", "command.1")
    assert lines["command"].observer == "seen-command"
    assert lines["door-closed"].safe == "false"


def test_as_csv(press: Station) -> None:
    rows = list(csv.reader(io.StringIO(text(press, "csv"), newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 1 + len(press.tags)
    assert {tuple(row[-3:]) for row in rows[1:]} == {("", "", "")}
    assert [row[3] for row in rows if row[2] == "door-closed"] == ["<b>=1+1|*x*\\x</b>"]


def test_as_markdown_every_line_has_every_cell(press: Station) -> None:
    lines = [line for line in text(press, "md").splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(press.tags)
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert cells == {len(COLUMNS)}
    assert all(line.count("☐") == 2 for line in lines[2:])


def test_as_a_page_to_print(press: Station) -> None:
    page = text(press, "html")
    assert page.count("<tr>") == 1 + len(press.tags)
    assert page.count("☐") == 2 * len(press.tags)
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert press.sha256 in page
    assert "A4" in page
    assert "http" not in page.replace("http-equiv", "")


def test_another_ending_is_told(press: Station) -> None:
    with pytest.raises(BadInput, match=r"list\.xls: is neither \.html, \.md nor \.csv"):
        rendered(press, Path("list.xls"))

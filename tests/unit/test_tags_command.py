"""``twinline tags``: what it prints, asks, writes, and with which exit status it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from tag_samples import MODBUS, S7, TIA_ENGLISH, Desk, workbook
from typer.testing import CliRunner

from gateway.config import shipped
from gateway.errors import BadInput
from rig.tags import commands
from rig.tags.commands import app

LIST = "Name;Type;Address;Direction\nlamp;Bool;coil:9;output\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path, MODBUS)
    desk.put("l.csv", LIST)
    return desk


def run(desk: Desk, *arguments: str, answer: str = "") -> tuple[int, str]:
    """Exit status and what was printed; bad input is 2, as in the command itself."""
    words = [
        str(desk.folder / word) if word and (desk.folder / word).is_file() else word for word in arguments
    ]
    done = CliRunner().invoke(app, words, input=answer)
    if isinstance(done.exception, BadInput):
        return 2, done.output + str(done.exception)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_diff_shows_and_writes_nothing(desk: Desk) -> None:
    status, told = run(desk, "diff", "l.csv", "--into", "station.yaml")
    assert status == 1
    assert "+ lamp: output BOOL coil:9 [l.csv:2]" in told
    assert desk.text == MODBUS


def test_a_dry_run_is_a_diff(desk: Desk) -> None:
    assert run(desk, "import", "l.csv", "--into", "station.yaml", "--dry-run", "--yes")[0] == 1
    assert desk.text == MODBUS


def test_without_a_terminal_it_needs_a_yes(desk: Desk) -> None:
    status, told = run(desk, "import", "l.csv", "--into", "station.yaml")
    assert (status, desk.text) == (2, MODBUS)
    assert "add --yes" in told


def test_with_yes_it_writes_and_then_there_is_no_difference(desk: Desk) -> None:
    status, told = run(desk, "import", "l.csv", "--into", "station.yaml", "--yes")
    assert status == 0
    assert told.rstrip().endswith("station.yaml: written")
    assert run(desk, "diff", "l.csv", "--into", "station.yaml")[0] == 0
    status, told = run(desk, "import", "l.csv", "--into", "station.yaml", "--yes")
    assert (status, "nothing to change" in told) == (0, True)


@pytest.mark.parametrize(
    ("answer", "status", "written"), [("y\n", 0, True), ("n\n", 1, False), ("\n", 1, False)]
)
def test_on_a_terminal_it_asks_after_the_difference(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str, status: int, written: bool
) -> None:
    def confirm(text: str) -> bool:
        typer.echo(text)
        return answer == "y\n"

    monkeypatch.setattr(commands, "_asks", lambda: True)
    monkeypatch.setattr(typer, "confirm", confirm)
    found, told = run(desk, "import", "l.csv", "--into", "station.yaml")
    assert (found, desk.text != MODBUS) == (status, written)
    assert told.index("+ lamp") < told.index("Write ")


def test_what_is_wrong_in_the_list_is_bad_input(desk: Desk) -> None:
    desk.put("l.csv", "Name;Type;Address\na;Bool;E0.9\nb;Bolo;coil:1\n")
    status, told = run(desk, "import", "l.csv", "--into", "station.yaml", "--yes")
    assert status == 2
    assert "l.csv:2:3: a: " in told
    assert "l.csv:3:2: b: " in told


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (("--direction", "sideways"), "write input or output"), (("--db", "x"), "write NAME=10"),
        (("--db", "x=0"), "write NAME=10"), (("--namespace", "1"), "write 1=4"),
        (("--take", "colour"), "no field"),
        (("--inputs-at", "Q0"), "write DB100"), (("--device", "rio"), "declared are plc"),
    ],
)  # fmt: skip
def test_options_that_are_wrong_say_what_is_right(desk: Desk, option: tuple[str, str], says: str) -> None:
    status, told = run(desk, "diff", "l.csv", "--into", "station.yaml", *option)
    assert (status, says in told) == (2, True)


def test_all_wrong_options_are_said_at_once(desk: Desk) -> None:
    _, told = run(
        desk, "diff", "l.csv", "--into", "station.yaml", "--db", "x", "--namespace", "y", "--take", "z"
    )
    assert told.count("--") >= 3


def test_a_station_or_list_that_is_not_there(desk: Desk) -> None:
    assert run(desk, "diff", "none.csv", "--into", "station.yaml")[0] == 2
    status, told = run(desk, "diff", "l.csv", "--into", str(desk.folder / "statoin.yaml"))
    assert (status, "did you mean" in told) == (2, True)


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
@pytest.mark.parametrize("station", ["infeed", "glue", "screw"])
def test_the_shipped_stations_export_and_import_without_a_change(
    tmp_path: Path, station: str, suffix: str
) -> None:
    text = (shipped() / "stations" / f"{station}.yaml").read_text()
    desk = Desk(tmp_path, text)
    assert run(desk, "export", "station.yaml", str(tmp_path / f"t.{suffix}"))[0] == 0
    for take in ("", "all"):
        status, told = run(desk, "import", f"t.{suffix}", "--into", "station.yaml", "--yes", "--take", take)
        assert (status, desk.text == text) == (0, True), told
        assert " 0 added, 0 changed" in told


def test_an_export_does_not_replace_a_list_unasked(desk: Desk) -> None:
    assert run(desk, "export", "station.yaml", str(desk.folder / "l.csv"))[0] == 2
    assert (desk.folder / "l.csv").read_text() == LIST
    assert run(desk, "export", "station.yaml", str(desk.folder / "l.csv"), "--force")[0] == 0
    assert "door-closed" in (desk.folder / "l.csv").read_text()


def test_a_list_that_was_edited_in_a_spreadsheet_comes_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MODBUS)
    run(desk, "export", "station.yaml", str(tmp_path / "t.csv"))
    text = (tmp_path / "t.csv").read_text(encoding="utf-8-sig")
    desk.put("t.csv", text.replace("coil:2048", "coil:2052").replace("0..12", "0..16"))
    status, told = run(desk, "import", "t.csv", "--into", "station.yaml", "--yes", "--take", "range")
    assert status == 0, told
    assert 'address: "coil:2052"' in desk.text
    assert "range: 0..16, unit: bar" in desk.text


def test_a_tia_export_an_edit_by_hand_and_the_next_export(tmp_path: Path) -> None:
    """The life of a list: imported, edited in the station, exported anew by the PLC's engineer."""
    desk = Desk(tmp_path, S7)
    first = [
        TIA_ENGLISH,
        ("Motor_Ein", "t", "Bool", "%Q2.0", "main drive"),
        ("Speed", "t", "Int", "%QW10", ""),
    ]
    desk.put("t.xlsx", workbook(first))
    assert run(desk, "import", "t.xlsx", "--into", "station.yaml", "--yes")[0] == 0
    edited = desk.text.replace(
        "address: \"%QW10\"", "address: \"%QW10\", range: 0..3000, unit: /min"
    ).replace("Motor_Ein: main drive", "the main drive, Motor 1")  # fmt: skip
    assert edited != desk.text
    desk.station.write_text(edited)
    second = [
        TIA_ENGLISH, ("Speed", "t", "Int", "%QW12", ""), first[1], ("Lamp", "t", "Bool", "%Q2.1", ""),
    ]  # fmt: skip
    desk.put("t.xlsx", workbook(second))
    status, told = run(desk, "import", "t.xlsx", "--into", "station.yaml", "--yes")
    assert status == 0, told
    assert "~ speed: address %QW10 -> %QW12" in told
    assert "= motor-ein: title stays the main drive, Motor 1" in told
    lamp = '  lamp: {direction: output, type: BOOL, address: "%Q2.1", title: Lamp}\n'
    assert desk.text == edited.replace("%QW10", "%QW12").replace("\n\n# What", f"\n{lamp}\n# What")


def test_help_is_there_without_the_libraries() -> None:
    code = (
        "import sys; sys.argv = ['twinline', 'tags', '--help']\n"
        "from rig.cli import main\n"
        "try: main()\n"
        "except SystemExit: print({'openpyxl', 'ruamel.yaml', 'snap7', 'asyncua'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.rstrip().endswith("set()")
    assert "import" in done.stdout

"""``twinline line show``: what is counted as what, the relations, a table that fits, and JSON."""

from __future__ import annotations

from pathlib import Path

import msgspec
from typer.testing import CliRunner

from rig.bills import Relation
from rig.cli import app
from rig.line import load_line
from rig.show import WIDTH, LineShown, Signals, count, survey, table

BELT = (Path(__file__).parent / "data" / "cell" / "belt.yaml").read_text()
CONFIG = Path(__file__).parents[2] / "config"
LINE = """\
twinline: line 1
id: row
stations:
  - {station: belt.yaml, as: first}
  - {station: belt.yaml, as: second-station-with-a-long-name}
flow: {source: first, sink: second-station-with-a-long-name, within: 60 s}
bom: {phone: {parts: {screw: 4}}, screw: {}}
bop: {feed: {of: phone}, close: {of: phone, after: [feed]}}
bor: {first: [feed], second-station-with-a-long-name: [close]}
"""


def line(folder: Path) -> Path:
    (folder / "belt.yaml").write_text(BELT)
    (folder / "line.yaml").write_text(LINE)
    return folder / "line.yaml"


def test_each_tag_is_counted_once_and_as_what_it_is(tmp_path: Path) -> None:
    station = load_line(line(tmp_path)).stations["first"].station
    # run; ok, eye and speed; seen; command; ready, rate and next
    assert count(station) == Signals(actuators=1, sensors=3, echoes=1, commands=1, others=3)
    assert sum(msgspec.structs.astuple(count(station))) == len(station.tags)


def test_totals_and_the_average_per_model(tmp_path: Path) -> None:
    shown = survey(load_line(line(tmp_path)))
    assert shown.total == Signals(2, 6, 2, 2, 6)
    assert shown.per_model == 4
    assert shown.stations[0].model == {"belt-conveyor": 1, "photo-eye": 1}
    assert shown.stations[0].leads_to == {"main": "second-station-with-a-long-name"}
    assert Relation("assembly", "screw", "phone", 4) in shown.relations


def test_the_table_fits_and_says_all(tmp_path: Path) -> None:
    said = list(table(survey(load_line(line(tmp_path)))))
    assert max(map(len, said)) <= WIDTH
    text = "\n".join(said)
    assert "2 actuator outputs and 6 sensor inputs: 8 plant signals, 4.0 per model" in text
    for part in ("  first: feed", "  feed -> close", "  4 screw into phone", "second-station-wi..."):
        assert part in text


def test_the_command(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["line", "show", str(line(tmp_path)), "--json"])
    assert shown.exit_code == 0
    assert msgspec.json.decode(shown.stdout, type=LineShown) == survey(load_line(tmp_path / "line.yaml"))
    text = CliRunner().invoke(app, ["line", "show", "lines/starter.yaml"])
    assert text.exit_code == 0
    assert "infeed -> glue" in text.stdout


def test_every_line_that_is_shipped_fits() -> None:
    for path in sorted((CONFIG / "lines").glob("*.yaml")):
        assert max(map(len, table(survey(load_line(path))))) <= WIDTH, path

"""docs/library.md: its examples are right, and it names every word that there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from gateway.controller.compile import compile_program
from gateway.library import entries
from gateway.library.files import load_library
from gateway.library.library import Library
from gateway.library.pattern import RELEASES, STATES, read_pattern
from gateway.station import load_station
from gateway.yamlfile import compose

TEXT = (Path(__file__).parents[2] / "docs" / "library.md").read_text("utf-8")
YAML = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
ST = re.findall(r"```\n(\(\*.*?)```", TEXT, re.DOTALL)


def test_the_library_file_is_right_with_the_pattern_beside_it() -> None:
    library, problems = Library(lambda name: (ST[0], f"{name}.st")), []
    node = compose(YAML[0], "docs/library.md", problems)
    assert node is not None
    library.add(node, "docs/library.md", problems)
    assert library.names == ["stop-gate", "stop-gate-fast"]
    fast = library.group("stop-gate-fast", problems)
    assert not problems
    assert fast is not None
    assert fast.entry.params["travel"].default is not None
    assert fast.entry.params["travel"].default.text == "40"
    pattern = read_pattern(ST[0], "docs/library.md", "StopGate", problems)
    assert pattern is not None
    assert not problems


def test_the_examples_are_what_is_shipped() -> None:
    shipped = load_library().group("stop-gate", [])
    assert shipped is not None
    assert shipped.pattern is not None
    assert ST[0].strip() == shipped.pattern.text.strip()


def test_the_station_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weld.yaml"
    path.write_text(YAML[1], "utf-8")
    station = load_station(path)
    assert compile_program(station.composed).name == "WeldStation"


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("`family`", get_args(entries.Family)),
        ("`function`", get_args(entries.Function)),
        ("`geometry`", entries.Geometry.__struct_fields__),
        ("`pneumatic`", entries.Pneumatic.__struct_fields__),
        ("`duty`", entries.Duty.__struct_fields__),
        ("`shows`", entries.Shows.__struct_fields__),
        ("`monitors`", get_args(entries.While)),
        ("`bench`", [name for name in entries.Bench.__struct_fields__ if name != "present"]),
    ],
)
def test_every_word_stands_in_its_row(heading: str, words: tuple[str, ...]) -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| {heading} |"))
    assert [word for word in words if word not in row] == []


@pytest.mark.parametrize("name", [*RELEASES, *STATES, "Outlet"])
def test_every_name_that_a_program_knows_is_described(name: str) -> None:
    assert re.search(rf"^\| .*`{name}\b", TEXT, re.MULTILINE) or f"`{name} : BOOL`" in TEXT

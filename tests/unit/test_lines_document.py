"""docs/lines.md: the line that it shows, with its bills, is read as it says."""

from __future__ import annotations

import re
from pathlib import Path

from rig.bills import Product
from rig.line import load_line

ROOT = Path(__file__).parents[2]
BELT = (ROOT / "tests/unit/data/cell/belt.yaml").read_text()
PLACES = {
    "weld": ("inlet: one\ninlets: {back: two}\noutlets: {left: one, right: two}\n", ""),
    "test": ("inlet: one\noutlets: {good: one, back: two}\n", "operations: [test, measure]\n"),
    "mend": ("inlet: one\noutlet: one\n", ""),
    "pack": ("inlet: one\noutlet: one\n", ""),
}


def station(name: str) -> str:
    """Two belts with the ways that the document speaks of."""
    places, does = PLACES[name]
    belt = "{kind: belt-conveyor, params: {length: 200 mm, speed: 500 mm/s}, ports: {run: run}}"
    belts = f"  one: {belt}\n  two: {belt}\n"
    text = BELT.replace("id: belt\n", f"id: {name}\n").replace("inlet: belt\noutlet: belt\n", places + does)
    return text.replace("twin:\n", "twin:\n" + belts).replace('502/1"}', f'502/1", program: {name}.st}}')


def test_the_line_of_the_document(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/lines.md").read_text(), re.DOTALL)
    line, bills = (block for block in blocks if "stations:" in block or "bom:" in block)
    for folder in ("lines", "stations"):
        (tmp_path / folder).mkdir()
    for name in PLACES:
        (tmp_path / "stations" / f"{name}.yaml").write_text(station(name))
        (tmp_path / "stations" / f"{name}.st").write_text(f"PROGRAM {name} END_PROGRAM")
    (tmp_path / "lines/phones.yaml").write_text(line + bills)
    read = load_line(tmp_path / "lines/phones.yaml")
    assert len(read.ways) == 7
    assert read.bills.does == {
        "weld": ("solder",),
        "test-1": ("test",),
        "test-2": ("test",),
        "pack": ("close",),
    }
    assert read.product == Product("board", 120.0)

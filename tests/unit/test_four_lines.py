"""The four lines of Leng 2021 (section 5, figure 12): read, counted, and what is said of the case study."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.bills import Kind
from rig.line import Line, load_line
from rig.show import count

LINES = Path(__file__).resolve().parents[2] / "config" / "lines"


def read(name: str) -> Line:
    return load_line(LINES / f"{name}.yaml")


@pytest.mark.parametrize("name", ["chip", "mainboard", "smartphone", "glass"])
def test_each_line_has_more_than_500_signals_and_says_what_its_stations_do(name: str) -> None:
    line = read(name)
    total = sum(count(each.station).plant for each in line.stations.values())
    assert total > 500
    kinds: set[Kind] = {relation.kind for relation in line.bills.relations()}
    assert kinds == {"matching", "membership", "sequence", "assembly"}
    assert {each.station.controller.protocol for each in line.stations.values()} == {"modbus", "opcua", "s7"}


def test_the_smartphone_line_has_the_signals_of_the_paper() -> None:
    line = read("smartphone")
    each = [count(lined.station) for lined in line.stations.values()]
    assert sum(one.actuators for one in each) == 510
    assert sum(one.sensors for one in each) == 577
    assert 29 < (510 + 577) / len(each) < 31
    assert any(way.station == "return-2" and end.station == "rework" for way, end in line.ways)

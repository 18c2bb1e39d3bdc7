"""Of every output that a device shows, in every protocol and role, the statement behind it is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import shipped
from gateway.controller.compile import Program, compile_program
from gateway.controller.devices import VirtualDevices
from gateway.library.pattern import camel
from gateway.station import Station, load_station
from gateway.yamlfile import read_text

STATIONS = sorted((shipped() / "stations").rglob("*.yaml"))


def program_of(station: Station) -> Program:
    path = station.program_path()
    if path is None:
        return compile_program(station.composed, f"{station.id}.st", writers=True, parts=station.parts)
    return compile_program(read_text(path), str(path), writers=True)


def said(file: str, line: int, station: Station) -> str:
    """The statement there."""
    composed = file == f"{station.id}.st"
    text = station.composed if composed else Path(file).read_text(encoding="utf-8")
    return text.splitlines()[line - 1].strip()


@pytest.mark.parametrize("file", STATIONS, ids=lambda path: path.stem)
def test_of_every_output_the_statement_is_found(file: Path) -> None:
    station = load_station(file)
    devices = VirtualDevices(station, program_of(station))
    for scan in range(5):
        devices.scan(1_000_000_000 + scan * station.scan)
    named = 0
    for tag in station.outputs:
        word = tag.type.kind == "bits"
        for bit in range(tag.type.bits) if word else [-1]:
            found = devices.writer(tag.name, bit)
            if found is None:
                continue
            file_name, line, scan = found
            named += 1
            statement = said(file_name, line, station)
            assert 1 <= scan <= 5
            assert ":=" in statement or statement.startswith("END_FOR")
            if file_name == f"{station.id}.st" or not station.composed:
                target, dot, its_bit = statement.split(":=")[0].strip().partition(".")
                assert target.lower() == camel(tag.name).lower(), f"{tag.name}: {statement}"
                assert not dot or its_bit == str(bit), f"{tag.name}.{bit}: {statement}"
    assert named >= len(station.outputs) - 2  # what only manual mode writes may be unwritten yet


def test_of_a_composed_station_the_line_is_in_the_pattern_that_decided() -> None:
    station = next(each for each in map(load_station, STATIONS) if each.composed and "belt" in each.groups)
    devices = VirtualDevices(station, program_of(station))
    devices.scan(1_000_000_000)
    found = devices.writer("belt-run")
    assert found is not None
    file, line, scan = found
    assert Path(file).parent.name == "patterns"
    assert said(file, line, station).startswith("Run := ")
    assert scan == 1

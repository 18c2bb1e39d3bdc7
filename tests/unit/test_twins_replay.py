"""Recordings in files: kept while a twin runs, replayed to compare, refused with another station."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import BadInput
from gateway.station import load_station
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Workpiece
from rig.twins import recorded, replay_file

STATIONS = Path(__file__).resolve().parents[2] / "config" / "stations"
INFEED = STATIONS / "infeed.yaml"
MS = 1_000_000


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    station = load_station(INFEED)
    twin = Twin(station.twin, station.tags)
    with recorded({"infeed": (station, twin)}, tmp_path / "twins"):
        twin.drive("belt-run", True)
        twin.admit("belt", Workpiece("w1", "phone", 120.0))
        twin.advance(2500 * MS)
        twin.inject("belt.trip")
        twin.advance(3000 * MS)
    assert twin.witness is None
    return tmp_path / "twins" / "infeed.jsonl"


def test_what_came_of_it_comes_of_it_again(recording: Path) -> None:
    trace: list[str] = []
    said: list[str] = []
    assert replay_file(recording, INFEED, trace.append, said.append) == 0
    assert said == [f"infeed: 3 inputs, {len(trace)} edges and happenings, as recorded"]
    assert '["edge",2500000000,"drive-ok",false]' in trace


def test_a_recording_that_was_edited_differs(recording: Path) -> None:
    said: list[str] = []
    recording.write_bytes(recording.read_bytes().replace(b"true", b"false"))
    assert replay_file(recording, INFEED, lambda line: None, said.append) == 1
    assert "they differ" in said[0]


def test_one_that_was_cut_off_proves_nothing(recording: Path) -> None:
    said: list[str] = []
    recording.write_bytes(b"".join(recording.read_bytes().splitlines(keepends=True)[:-1]))
    assert replay_file(recording, INFEED, lambda line: None, said.append) == 1
    assert "was cut off" in said[0]


def test_another_station_is_refused(recording: Path) -> None:
    with pytest.raises(BadInput, match="another version of station 'infeed'"):
        replay_file(recording, STATIONS / "glue.yaml", print, print)
    with pytest.raises(BadInput, match="name a recording"):
        replay_file(recording.parent / "none.jsonl", INFEED, print, print)

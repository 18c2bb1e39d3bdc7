"""From what happened to records: values stay off the chain but can be shown, what is loaded is said once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.cell.facts import Given, Held, Made, Taken
from gateway.net.identity import Identity
from gateway.recorder import UNKNOWN, Recorder, salt
from gateway.store.journal import Journal
from ledger.codec import encode
from ledger.records import Forced, LeaseEnded, LeaseGranted, Loaded, Record, opens
from ledger.store import StoreFailed

PROGRAM, STATION = "11" * 32, "22" * 32


class Disk:
    """Where a keeper puts records: accepts them, or fails."""

    def __init__(self) -> None:
        self.genesis = SimpleNamespace(chain="main-x")
        self.records: list[Record] = []
        self.workpieces: list[str] = []
        self.works = True

    def record(self, record: Record) -> Future[int]:
        self.records.append(record)
        accepted: Future[int] = Future()
        if self.works:
            accepted.set_result(len(self.records))
        else:
            accepted.set_exception(StoreFailed("full"))
        return accepted

    def made(self, workpiece: str, time: int) -> None:
        self.workpieces.append(workpiece)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


IDENTITY = Identity.create("belt")


def test_who_what_and_why(journal: Journal) -> None:
    disk = Disk()
    recorder = Recorder(disk, IDENTITY, journal)  # type: ignore[arg-type]
    recorder.note((Taken("anna", 3), Given("anna", 3, "x" * 300), Made("w-1")))
    granted, ended = disk.records
    assert isinstance(granted, LeaseGranted)
    assert (granted.station, granted.operator, granted.token) == ("belt", "anna", 3)
    assert isinstance(ended, LeaseEnded)
    assert (ended.token, ended.why, ended.time) == (3, "x" * 256, granted.time)
    assert disk.workpieces == ["w-1"]


def test_a_forced_value_is_not_in_the_record_and_its_station_can_show_it(journal: Journal) -> None:
    disk = Disk()
    recorder = Recorder(disk, IDENTITY, journal)  # type: ignore[arg-type]
    recorder.note((Held("anna", "command.3", False, False, True), Held("anna", "speed", True, 7, 12.5)))
    first, second = disk.records
    assert isinstance(first, Forced)
    assert isinstance(second, Forced)
    assert (first.tag, first.released, second.tag, second.released) == ("command.3", False, "speed", True)
    for record, old, new in ((first, False, True), (second, 7, 12.5)):
        for which, committed, value in (("old", record.old, old), ("new", record.new, new)):
            proof = salt(IDENTITY, "main-x", record.tag, record.time, which)
            assert opens(committed, proof, encode(value))
            assert not opens(committed, proof, encode(not value))
            assert not opens(
                committed,
                salt(Identity.create("belt"), "main-x", record.tag, record.time, which),
                encode(value),
            )


def test_what_is_loaded_is_recorded_when_it_differs_from_what_was_recorded_last(journal: Journal) -> None:
    disk = Disk()
    recorder = Recorder(disk, IDENTITY, journal)  # type: ignore[arg-type]
    for program in ("", "", PROGRAM, PROGRAM):
        recorder.loaded(program, STATION)
    unknown, known = Loaded("belt", UNKNOWN, b"\x22" * 32), Loaded("belt", b"\x11" * 32, b"\x22" * 32)
    assert disk.records == [unknown, known]
    again = Recorder(disk, IDENTITY, journal)  # type: ignore[arg-type]
    again.loaded(PROGRAM, STATION)
    assert disk.records == [unknown, known]


def test_what_the_disk_did_not_take_is_said_again_by_the_next_life(journal: Journal) -> None:
    disk = Disk()
    disk.works = False
    Recorder(disk, IDENTITY, journal).loaded(PROGRAM, STATION)  # type: ignore[arg-type]
    Recorder(disk, IDENTITY, journal).loaded(PROGRAM, STATION)  # type: ignore[arg-type]
    assert len(disk.records) == 2


def test_a_program_that_is_named_by_no_sha_256_is_recorded_by_its_name(journal: Journal) -> None:
    disk = Disk()
    recorder = Recorder(disk, IDENTITY, journal)  # type: ignore[arg-type]
    recorder.loaded("version 7", STATION)
    recorder.loaded("version 8", STATION)
    first, second = disk.records
    assert isinstance(first, Loaded)
    assert isinstance(second, Loaded)
    assert first.program != second.program != UNKNOWN

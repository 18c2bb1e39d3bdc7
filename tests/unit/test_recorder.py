"""From what happened to records: values stay off the chain but can be shown, what is loaded is said once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway import recorder as recorder_module
from gateway.cell.facts import Given, Held, Made, Taken, Wrote
from gateway.net.identity import Identity
from gateway.recorder import AGAIN_S, GATHER_S, MOST, UNKNOWN, Recorder, salt
from gateway.store.journal import Journal
from ledger.codec import encode
from ledger.records import MAX_TAGS, Forced, LeaseEnded, LeaseGranted, Loaded, Record, Written, opens
from ledger.store import StoreFailed

PROGRAM, STATION = "11" * 32, "22" * 32


class Disk:
    """Where a keeper puts records: accepts them, or fails."""

    def __init__(self) -> None:
        self.genesis = SimpleNamespace(chain="main-x")
        self.records: list[Record] = []
        self.workpieces: list[str] = []
        self.works = True
        self.due: list[Callable[[], None]] = []

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        assert seconds == GATHER_S
        self.due.append(call)

    def pass_time(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()

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
    recorder = Recorder(disk, IDENTITY, journal, disk.later)  # type: ignore[arg-type]
    recorder.note((Taken("anna", 3), Given("anna", 3, "x" * 300), Made("w-1")))
    granted, ended = disk.records
    assert isinstance(granted, LeaseGranted)
    assert (granted.station, granted.operator, granted.token) == ("belt", "anna", 3)
    assert isinstance(ended, LeaseEnded)
    assert (ended.token, ended.why, ended.time) == (3, "x" * 256, granted.time)
    assert disk.workpieces == ["w-1"]


def test_a_forced_value_is_not_in_the_record_and_its_station_can_show_it(journal: Journal) -> None:
    disk = Disk()
    recorder = Recorder(disk, IDENTITY, journal, disk.later)  # type: ignore[arg-type]
    recorder.note((Held("anna", "command.3", False, False, True), Held("anna", "speed", True, 7, 12.5)))
    assert disk.records == []
    disk.pass_time()
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


def test_what_happens_within_a_second_is_handed_over_at_once_and_in_order(journal: Journal) -> None:
    disk = Disk()
    recorder = Recorder(disk, IDENTITY, journal, disk.later)  # type: ignore[arg-type]
    recorder.note((Taken("anna", 3),))
    for number in range(10):
        recorder.note((Held("anna", f"tag-{number}", False, False, True),))
    assert disk.records == []
    assert len(disk.due) == 1
    disk.pass_time()
    assert [type(each) for each in disk.records] == [LeaseGranted, *[Forced] * 10]
    assert [each.tag for each in disk.records if isinstance(each, Forced)] == [f"tag-{n}" for n in range(10)]
    recorder.note((Held("anna", "tag-0", True, True, False),))
    recorder.note((Given("anna", 3, "why"),))  # the end of a lease waits for nothing, nor what was before it
    assert [type(each) for each in disk.records[11:]] == [Forced, LeaseEnded]
    disk.pass_time()
    assert len(disk.records) == 13


def test_no_more_is_gathered_than_there_is_room_for_and_nothing_is_lost_at_the_end(journal: Journal) -> None:
    disk = Disk()
    recorder = Recorder(disk, IDENTITY, journal, disk.later)  # type: ignore[arg-type]
    held = Held("anna", "tag", False, False, True)
    for _ in range(MOST):
        recorder.note((held,))
    assert len(disk.records) == MOST
    recorder.note((held,))
    recorder.flush()
    assert len(disk.records) == MOST + 1


def test_a_burst_of_writes_is_one_record_whose_values_its_station_can_show(journal: Journal) -> None:
    disk = Disk()
    recorder = Recorder(disk, IDENTITY, journal, disk.later)  # type: ignore[arg-type]
    old = {f"tag-{n:02}": 0 for n in range(MAX_TAGS + 2)} | {"row": (0, 0)}
    new = {f"tag-{n:02}": n for n in range(MAX_TAGS + 2)} | {"row": (1, 2)}
    recorder.note((Wrote("anna", 3, 17, 23, 400, old, new),))
    recorder.flush()
    [record] = disk.records
    assert isinstance(record, Written)
    assert (record.station, record.operator, record.token) == ("belt", "anna", 3)
    assert (record.since, record.until, record.writes, record.more) == (17, 23, 400, 3)
    assert record.tags == ("row", *sorted(old)[1:MAX_TAGS])
    for which, committed, values in (("old", record.old, old), ("new", record.new, new)):
        proof = salt(IDENTITY, "main-x", "", 23, which)
        assert opens(committed, proof, encode(sorted(values.items())))
        assert not opens(committed, proof, encode(sorted((values | {"row": (3, 3)}).items())))


def test_what_is_loaded_is_recorded_when_it_differs_from_what_was_recorded_last(journal: Journal) -> None:
    disk = Disk()
    recorder = Recorder(disk, IDENTITY, journal, disk.later)  # type: ignore[arg-type]
    for program in ("", "", PROGRAM, PROGRAM):
        recorder.loaded(program, STATION)
    unknown, known = Loaded("belt", UNKNOWN, b"\x22" * 32), Loaded("belt", b"\x11" * 32, b"\x22" * 32)
    assert disk.records == [unknown, known]
    again = Recorder(disk, IDENTITY, journal, disk.later)  # type: ignore[arg-type]
    again.loaded(PROGRAM, STATION)
    assert disk.records == [unknown, known]


def test_what_the_disk_did_not_take_is_said_again_by_the_next_life(journal: Journal) -> None:
    disk = Disk()
    disk.works = False
    Recorder(disk, IDENTITY, journal, disk.later).loaded(PROGRAM, STATION)  # type: ignore[arg-type]
    Recorder(disk, IDENTITY, journal, disk.later).loaded(PROGRAM, STATION)  # type: ignore[arg-type]
    assert len(disk.records) == 2


def test_what_there_was_no_room_for_is_said_again_in_this_life(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, clock = Disk(), [0.0]
    monkeypatch.setattr(recorder_module.time, "monotonic", lambda: clock[0])
    disk.works = False
    recorder = Recorder(disk, IDENTITY, journal, disk.later)  # type: ignore[arg-type]
    for clock[0], said in ((0.0, 1), (AGAIN_S - 0.1, 1), (AGAIN_S, 2), (AGAIN_S + 1, 2)):
        recorder.loaded(PROGRAM, STATION)
        assert len(disk.records) == said
    recorder.loaded("", STATION)  # another one does not wait for that
    assert len(disk.records) == 3
    disk.works, clock[0] = True, 3 * AGAIN_S
    for _ in range(2):
        recorder.loaded(PROGRAM, STATION)
    assert len(disk.records) == 4


def test_a_program_that_is_named_by_no_sha_256_is_recorded_by_its_name(journal: Journal) -> None:
    disk = Disk()
    recorder = Recorder(disk, IDENTITY, journal, disk.later)  # type: ignore[arg-type]
    recorder.loaded("version 7", STATION)
    recorder.loaded("version 8", STATION)
    first, second = disk.records
    assert isinstance(first, Loaded)
    assert isinstance(second, Loaded)
    assert first.program != second.program != UNKNOWN

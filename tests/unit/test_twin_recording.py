"""Recordings of a twin: what is in them, what is said about damaged ones, where they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import BadInput
from gateway.station import load_station
from gateway.twin.recording import Recorder, Trace, digest, read_recording, replay
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Workpiece

INFEED = load_station(Path(__file__).resolve().parents[2] / "config" / "stations" / "infeed.yaml")
MS = 1_000_000


def run(twin: Twin) -> None:
    """A workpiece comes in, runs up to the stopper and is taken off; the belt jams meanwhile."""
    twin.drive("belt-run", True)
    twin.drive("belt-run", True)  # nothing new
    twin.admit("belt", Workpiece("w1", "phone", 120.0, {"glued": True}, {"bead_mm": 2.5}))
    twin.inject("belt.jam at 300 ms for 200 ms")
    twin.advance(2000 * MS)
    twin.inject("belt.trip")
    twin.edges()  # the drive's fault is seen, though it is over at this instant
    twin.inject("belt.trip", False)
    twin.edges()
    twin.happenings()
    twin.remove("belt", "w1")
    twin.advance(2500 * MS)
    twin.reset()
    twin.advance(3000 * MS)


def recorded(limit: int = 1000) -> bytes:
    twin, lines = Twin(INFEED.twin, INFEED.tags, seed=4), list[bytes]()
    recorder = Recorder(twin, INFEED.id, INFEED.sha256, lines.append, limit)
    run(twin)
    recorder.end()
    recorder.end()
    assert twin.witness is None
    return b"".join(lines)


def test_it_holds_what_was_done_and_only_that() -> None:
    recording = read_recording(recorded(), "run.jsonl")
    assert (recording.head.station, recording.head.sha256) == ("infeed", INFEED.sha256)
    assert (recording.head.seed, recording.head.start) == (4, 0)
    assert [(each.time // MS, each.what, each.name) for each in recording.given if each.what != "look"] == [
        (0, "drive", "belt-run"),
        (0, "admit", "belt"),
        (0, "inject", "belt.jam at 300 ms for 200 ms"),
        (2000, "inject", "belt.trip"),
        (2000, "clear", "belt.trip"),
        (2000, "remove", "belt"),
        (2500, "reset", ""),
    ]
    assert recording.given[1].value == Workpiece("w1", "phone", 120.0, {"glued": True}, {"bead_mm": 2.5})
    assert recording.end is not None
    assert (recording.end.end, recording.end.given) == (3000 * MS, 7)


def test_replaying_gives_the_digest_of_its_end() -> None:
    recording = read_recording(recorded(), "run.jsonl")
    twin = Twin(INFEED.twin, INFEED.tags, recording.head.start, recording.head.seed)
    assert recording.end is not None
    assert digest(replay(recording, twin)) == (recording.end.seen, recording.end.digest)
    assert recording.end.seen > 3
    other = Twin(INFEED.twin, INFEED.tags)
    other.inject("belt.ok.stuck-on")  # another twin
    assert digest(replay(recording, other)) != (recording.end.seen, recording.end.digest)


def test_one_that_was_cut_off_is_replayed_as_far_as_it_goes() -> None:
    lines = recorded().splitlines(keepends=True)
    recording = read_recording(
        b"".join(line for line in lines if b"reset" not in line and b"digest" not in line), "run.jsonl"
    )
    assert recording.end is None
    twin = Twin(INFEED.twin, INFEED.tags)
    trace = list(replay(recording, twin))
    whole = Trace(again := Twin(INFEED.twin, INFEED.tags))
    run(again)
    assert trace == whole.lines[: len(trace)] != []
    assert twin.now == 2500 * MS


def test_a_full_one_ends_and_the_twin_goes_on() -> None:
    recording = read_recording(recorded(limit=3), "run.jsonl")
    assert [each.what for each in recording.given] == ["drive", "admit", "inject", "look"]
    assert recording.end is not None
    assert recording.end.end == 2000 * MS  # when something more was done


def test_a_recording_of_another_station_says_what_is_missing() -> None:
    recording = read_recording(recorded(), "run.jsonl")
    glue = load_station(INFEED_FOLDER / "glue.yaml")
    specs = {name: spec for name, spec in glue.twin.items() if name in ("air", "axis")}
    with pytest.raises(ValueError, match="admit belt: this station has no 'belt'"):
        list(replay(recording, Twin(specs, glue.tags)))


INFEED_FOLDER = Path(INFEED.file).parent
HEAD = recorded().splitlines()[0]


@pytest.mark.parametrize(
    ("data", "line", "wrong"),
    [
        (b"", 1, "there is nothing in it"),
        (b"hello", 1, "malformed"),
        (HEAD.replace(b"recording 1", b"recording 9"), 1, "'recording 9' cannot be read"),
        (HEAD + b'\n[5,"kick","belt"]', 2, "is nothing that is done to a twin"),
        (HEAD + b'\n[5,"drive","belt-run",true]\n[4,"drive","belt-run",false]', 3, "comes too late"),
        (HEAD + b'\n{"end":1,"given":0,"seen":0,"digest":""}\n[4,"reset"]', 3, "comes too late"),
        (HEAD + b'\n[5,"admit","belt",["w1",7]]', 2, "Expected `str`, got `int`"),
        (HEAD + b'\n[5,"drive"', 2, "truncated"),
    ],
)
def test_what_is_no_recording_is_said_at_its_line(data: bytes, line: int, wrong: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_recording(data, "run.jsonl")
    assert [(each.file, each.line) for each in caught.value.problems] == [("run.jsonl", line)]
    assert wrong in caught.value.problems[0].what

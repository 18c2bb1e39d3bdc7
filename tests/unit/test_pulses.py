"""Pulses: each is shown for its hold time at least, or counted; and the twin tells every edge."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from cell_support import BELT, MS, Bench
from hypothesis import given
from hypothesis import strategies as st

from gateway.cell.pulses import Pulses
from gateway.cell.standing import standing
from gateway.errors import BadInput
from gateway.net.messages import AwaitHappenings, Feed, Isolate, Pause, Trace
from gateway.station import load_station
from gateway.twin.twin import Edge, Twin
from gateway.twin.workpiece import Workpiece

STATIONS = Path(__file__).resolve().parents[2] / "config" / "stations"


def shown_over(
    edges: list[int], scans: list[int], hold: int, first: bool = False
) -> tuple[list[tuple[int, bool]], int]:
    """The changes of what is shown (time, level) when one input has ``edges``, and how many were missed."""
    pulses = Pulses({"eye": first}, {"eye": hold})
    level, at, now_shown, missed = first, 0, first, 0
    changes: list[tuple[int, bool]] = []
    for now in scans:
        while at < len(edges) and edges[at] <= now:
            level = not level
            pulses.saw([Edge(edges[at], "eye", level)])
            at += 1
        value = pulses.held(now).get("eye", level)
        assert pulses.held(now).get("eye", level) == value, "asking again changes nothing"
        if value != now_shown:
            changes.append((now, value))
            now_shown = value
        missed += sum(pulses.shown(now).values())
    return changes, missed


gaps = st.lists(st.integers(0, 60), min_size=1, max_size=60)


@given(gaps, st.lists(st.integers(1, 25), min_size=1, max_size=120), st.integers(0, 40), st.booleans())
def test_every_pulse_is_shown_for_its_hold_time_or_counted(
    gaps: list[int], waits: list[int], hold: int, first: bool
) -> None:
    edges = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    scans = [sum(waits[: n + 1]) for n in range(len(waits))]
    end = max(scans[-1], edges[-1])
    scans += [end + 25 * n for n in range(1, 8)]  # then it is left alone
    changes, missed = shown_over(edges, scans, hold, first)
    for (begun, _), (ended, _) in pairwise(changes):
        assert ended - begun >= hold
    nothing = 2 * doubled(edges)
    assert len(edges) - nothing == len(changes) + 2 * missed
    assert not changes or changes[-1][1] == first ^ bool(len(edges) % 2)


def doubled(edges: list[int]) -> int:
    """How many pairs of edges are at one instant."""
    left: list[int] = []
    pairs = 0
    for edge in edges:
        if left and left[-1] == edge:
            left.pop()
            pairs += 1
        else:
            left.append(edge)
    return pairs


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(41, 90)), min_size=1, max_size=20))
def test_pulses_that_leave_time_between_are_all_shown(pulses: list[tuple[int, int]]) -> None:
    edges: list[int] = []
    now = 5
    for length, pause in pulses:
        edges += [now, now + length]
        now += length + pause
    changes, missed = shown_over(edges, list(range(0, now + 100, 10)), hold=20)
    assert missed == 0
    assert [level for _, level in changes] == [True, False] * len(pulses)


def test_a_signal_that_lasts_is_not_delayed() -> None:
    changes, missed = shown_over([15, 75, 130], list(range(0, 200, 10)), hold=20)
    assert changes == [(20, True), (80, False), (130, True)]
    assert missed == 0


@pytest.mark.parametrize("name", ["infeed", "glue", "screw"])
@pytest.mark.parametrize("seed", range(4))
def test_a_twin_tells_every_edge_that_a_close_look_would_see(name: str, seed: int) -> None:
    """Two twins do the same; one is looked at four times a millisecond, the other once in 20 to 200 ms."""
    station = load_station(STATIONS / f"{name}.yaml")
    close, once = (Twin(station.twin, station.tags) for _ in range(2))
    chance = random.Random(seed)
    seen: list[tuple[str, bool]] = []
    told: list[tuple[str, bool]] = []
    levels = dict(close.levels)
    now = 0
    for turn in range(15):
        for twin in (close, once):
            act(twin, random.Random(seed * 100 + turn), turn)
        end = now + chance.randint(20, 200) * MS
        while now < end:
            now = min(now + MS // 4, end)
            close.advance(now)
            for tag, level in close.sense().items():
                if tag in levels and level != levels[tag]:
                    levels[tag] = bool(level)
                    seen.append((tag, bool(level)))
        once.advance(end)
        told += [(tag, level) for _, tag, level in once.edges()]
    assert len(told) >= len(seen)
    for tag in levels:
        assert subsequence(
            [level for name, level in seen if name == tag], [level for name, level in told if name == tag]
        )
        assert once.levels[tag] == levels[tag]


def act(twin: Twin, chance: random.Random, turn: int) -> None:
    for tag in twin.tags.values():
        if tag.direction == "output" and tag.type.kind == "bool":
            twin.drive(tag.name, chance.random() < 0.7)
    part = Workpiece(f"w-{turn}", length=chance.choice((1.0, 30.0, 80.0)))
    if twin.carrier("belt").admits(part):
        twin.admit("belt", part)


def subsequence(part: list[bool], whole: list[bool]) -> bool:
    rest = iter(whole)
    return all(each in rest for each in part)


# --- through a cell --------------------------------------------------------------------------------------


def passing(hold: int, *parts: Workpiece) -> tuple[Trace, Bench, list[int]]:
    """Parts run through the station's eye: the trace, and how long the controller saw each of them, ns."""
    bench = Bench(station=msgspec.structs.replace(BELT, hold=hold))
    token = bench.lease()
    bench.step({"run": True})
    leave = AwaitHappenings(("left", "finished"), len(parts), 2_000 * MS)
    trace = bench.run(token, Isolate(True), Feed("belt", parts), leave, tail=3 * hold)
    changes = [(sample.t, sample.value) for sample in trace.samples if sample.tag == "eye"]
    edges = [t for t, _ in changes]
    assert [level for _, level in changes] == [True, False] * (len(edges) // 2)
    return trace, bench, [left - came for came, left in zip(edges[::2], edges[1::2], strict=True)]


def test_a_part_that_passes_between_two_scans_is_seen() -> None:
    """1.5 mm at 500 mm/s cover the eye for 3 ms; a scan is 10 ms."""
    for shift in range(10):
        parts = [Workpiece(f"p{shift}", length=1.5)]
        trace, bench, seen = passing(20 * MS, *parts)
        assert seen == [20 * MS]
        assert trace.missed == {}
        assert standing(bench.cell, "boot", "ready").missed == {}


def test_parts_too_close_together_are_counted() -> None:
    """They come every 43 ms; an input that keeps a level for 100 ms cannot show them all."""
    parts = [Workpiece(f"p{n}", length=1.5) for n in range(4)]
    trace, bench, seen = passing(100 * MS, *parts)
    assert trace.missed["eye"] > 0
    assert len(seen) + trace.missed["eye"] == len(parts)
    assert all(length >= 100 * MS for length in seen)
    assert standing(bench.cell, "boot", "ready").missed == trace.missed
    again = bench.run(bench.cell.lease.token, Pause(50 * MS))
    assert again.missed == {}


def test_nobody_misses_what_nobody_drives() -> None:
    bench = Bench(station=msgspec.structs.replace(BELT, hold=100 * MS))
    for n in range(4):
        bench.cell.twin.admit("belt", Workpiece(f"p{n}", length=1.5))
        bench.step({"run": True})
        bench.steps(4)
    bench.steps(20)
    assert bench.cell.missed == {}


@pytest.mark.parametrize(("key", "hold"), [("", 20), (", hold: 50 ms", 50), (", hold: 0 ms", 0)])
def test_a_tag_says_how_long(tmp_path: Path, key: str, hold: int) -> None:
    text = Path(BELT.file).read_text()
    changed = text.replace('"coil:101", safe: false', f'"coil:101", safe: false{key}')
    path = tmp_path / "belt.yaml"
    path.write_text(changed)
    station = load_station(path)
    assert (station.hold if station.tags["eye"].hold is None else station.tags["eye"].hold) == hold * MS


def test_only_a_boolean_input_has_a_hold_time(tmp_path: Path) -> None:
    path = tmp_path / "belt.yaml"
    path.write_text(Path(BELT.file).read_text().replace('"coil:1"', '"coil:1", hold: 5 ms'))
    with pytest.raises(BadInput, match="ready: only an input that is a BOOL has hold; leave hold out"):
        load_station(path)

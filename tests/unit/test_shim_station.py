"""The shim in the station file, and what the cell tells it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from cell_support import BELT, COMMAND, MS, SECOND, Bench

from gateway.cell.standing import standing
from gateway.errors import BadInput
from gateway.field.tags import TagRef
from gateway.net.messages import Force, Release, Run
from gateway.shim import LAST_BEAT, is_stamp, passed
from gateway.station import Station, load_station
from rig.tags.shimplan import plan

TAGS = """
  twin-on:     {direction: input,  type: BOOL, address: "coil:2100", safe: false}
  beat:        {direction: input,  type: UINT, address: "hr:1060", safe: 0}
  shim-status: {direction: output, type: WORD, address: "hr:60"}
  shim-stamp:  {direction: output, type: DWORD, address: "hr:62"}
"""
SHIM = "shim: {commissioning: twin-on, heartbeat: beat, status: shim-status, stamp: shim-stamp}\n"


def text(*edits: tuple[str, str]) -> str:
    """The bench's station with a shim, after ``edits``, each of which must apply."""
    found = SHIM + Path(BELT.file).read_text().replace("\ntags:\n", f"\ntags:{TAGS}", 1)
    for old, new in edits:
        assert found.count(old) == 1, old
        found = found.replace(old, new)
    return found


def station(folder: Path, *edits: tuple[str, str]) -> Station:
    path = folder / "belt.yaml"
    path.write_text(text(*edits))
    return load_station(path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(station=station(tmp_path))


def test_a_station_with_a_shim(tmp_path: Path) -> None:
    spec = station(tmp_path)
    shim = spec.shim
    assert shim is not None
    assert (shim.period, shim.watchdog) == (100 * MS, 500 * MS)
    assert is_stamp(shim.code)
    assert {"shim-status", "shim-stamp"} <= spec.echoes
    assert [tag.name for tag in spec.plant_inputs] == [tag.name for tag in BELT.inputs]
    assert [tag.name for tag in passed(spec.writable, "plc", shim)] == [t.name for t in BELT.inputs]
    assert BELT.shim is None
    assert BELT.plant_inputs == BELT.inputs


def test_what_is_never_written_stays_on_its_terminal(tmp_path: Path) -> None:
    """While the shim is active the program would read memory for it that nobody writes."""
    next_tag = '  next:    {direction: input, type: BOOL, address: "coil:102", safe: false}'
    guard = station(tmp_path, (next_tag, next_tag.replace("safe: false", "safety: true")))
    assert [each.tag.name for each in plan(guard).passages] == ["command", "ok", "eye", "speed"]
    only = station(tmp_path, ("\ntwin:\n", "\nwrites: {only: [command, next, twin-on, beat]}\ntwin:\n"))
    assert [each.tag.name for each in plan(only).passages] == ["command", "next"]
    assert len({plan(each).shim.code for each in (guard, only, station(tmp_path))}) == 3


def test_the_stamp_follows_what_the_code_is_made_from(tmp_path: Path) -> None:
    def code(*edits: tuple[str, str]) -> int:
        shim = station(tmp_path, *edits).shim
        assert shim is not None
        return shim.code

    assert code(("id: belt\n", "id: belt\n# a remark\n")) == code()
    changes = [
        ('"hr:1060"', '"hr:1061"'),
        ("type: UINT", "type: WORD"),
        ("shim-stamp}", "shim-stamp, watchdog: 1 s}"),
        (
            "\ntags:\n",
            "\ntags:\n  one-more: {direction: input, type: BOOL, address: 'coil:2200', safe: true}\n",
        ),
        (
            "\ntags:\n",
            "\ntags:\n  one-more: {direction: input, type: BOOL, address: 'coil:2200', safe: false}\n",
        ),
    ]
    codes = {code(change) for change in changes}
    assert len(codes) == len(changes)
    assert code() not in codes


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            ("commissioning: twin-on", "commissioning: command"),
            "commissioning: command is a WORD; name a BOOL",
        ),
        (
            ("commissioning: twin-on", "commissioning: shim-status.3"),
            "shim-status.3 is an output; name an input",
        ),
        (
            ("heartbeat: beat", "heartbeat: beet"),
            "heartbeat: beet is not a tag of this station; did you mean",
        ),
        (("heartbeat: beat", "heartbeat: twin-on"), "heartbeat twin-on is no plain UINT or WORD; declare it"),
        (
            ("status: shim-status", "status: shim-stamp"),
            "status shim-stamp is no plain WORD; declare it as WORD",
        ),
        (("stamp: shim-stamp", "stamp: beat"), "stamp beat is an input; name an output"),
        (
            ('"coil:2100", safe: false', '"coil:2100", safe: true'),
            "twin-on is safe at True; its safe value is 0",
        ),
        (
            ('"hr:1060", safe: 0', '"hr:1060", safe: 0, range: 0..9'),
            "heartbeat beat has a range; leave range",
        ),
        (("shim-stamp}", "shim-stamp, period: 0 s}"), "period is 0; give for example 100 ms"),
        (("shim-stamp}", "shim-stamp, period: 200 ms}"), "shorter than 3 heartbeats; give 600 ms or more"),
        (("shim-stamp}", "shim-stamp, watchdog: 20 ms, period: 1 ms}"), "3 heartbeats; give 30 ms or more"),
    ],
)
def test_a_wrong_shim_is_told(tmp_path: Path, edit: tuple[str, str], said: str) -> None:
    with pytest.raises(BadInput) as raised:
        station(tmp_path, edit)
    told = [str(problem) for problem in raised.value.problems]
    assert any(said in each and each.startswith(f"{tmp_path}/belt.yaml:1: shim: ") for each in told), told


def test_while_the_gate_is_open_the_flag_stands_and_the_heart_beats(bench: Bench) -> None:
    bench.step()
    assert bench.device == {}
    token = bench.lease()
    beats = []
    for _ in range(30):
        bench.step()
        assert bench.device["twin-on"] is True
        beats.append(bench.device["beat"])
    # 300 ms: a beat every 100 ms, one more each time, none skipped.
    steps = sorted(set(beats))
    assert len(steps) in (3, 4)
    assert steps == list(range(int(steps[0]), int(steps[-1]) + 1))
    bench.answer(Release(token))
    bench.step()
    assert (bench.device["twin-on"], bench.device["beat"]) == (False, 0)
    still = dict(bench.device)
    for _ in range(30):
        bench.step()
    assert bench.device == still


def test_the_count_starts_anew_within_a_word(tmp_path: Path) -> None:
    shim = station(tmp_path).shim
    assert shim is not None
    wanted = {"twin-on": False, "beat": 0}
    last = (LAST_BEAT - 1) * shim.period
    assert shim.signs(last, wanted)["beat"] == LAST_BEAT
    assert shim.signs(last + shim.period, wanted)["beat"] == 1  # 0 is no beat


def test_the_flag_may_be_a_bit_of_a_command(tmp_path: Path) -> None:
    spec = station(tmp_path, ("commissioning: twin-on", "commissioning: command.9"))
    bench = Bench(station=spec)
    token = bench.lease()
    bench.step()
    assert bench.device["command"] == 1 << 9
    bench.run(token, Force(COMMAND, 5), keep=True)
    bench.step()
    assert bench.device["command"] == 5 | 1 << 9
    why = bench.refusal(Run(token, (Force(TagRef("command", 9), False),)))
    assert "cannot be forced" in why
    bench.run(token, Force(TagRef("command", 8), True))


@pytest.mark.parametrize("name", ["beat", "twin-on"])
def test_nobody_forces_what_the_shim_is_told(bench: Bench, name: str) -> None:
    token = bench.lease()
    value = 7 if name == "beat" else False
    assert "cannot be forced" in bench.refusal(Run(token, (Force(TagRef(name), value),)))


def test_protected_is_what_the_controller_shows(bench: Bench) -> None:
    shim = bench.station.shim
    assert shim is not None
    assert standing(bench.cell, "b", "ready").protected is False
    bench.step({"shim-stamp": shim.code ^ 1})
    assert standing(bench.cell, "b", "ready").protected is False
    bench.step({"shim-stamp": shim.code})
    assert standing(bench.cell, "b", "ready").protected is True
    assert standing(Bench().cell, "b", "ready").protected is False


@pytest.mark.parametrize(("role", "protected"), [("served", True), ("coupler", False)])
def test_an_input_that_is_not_in_memory_needs_no_shim(tmp_path: Path, role: str, protected: bool) -> None:
    """A master notices that its module is gone; what a coupler does is not known here."""
    spec = station(tmp_path)
    device = msgspec.structs.replace(spec.controller, role=role)
    moved = msgspec.structs.replace(spec, devices={"plc": device}, shim=None)
    assert standing(Bench(station=moved).cell, "b", "ready").protected is protected


def test_a_long_lease_does_not_outlive_its_gateway(bench: Bench) -> None:
    """What is restored after a kill is the safe state: the flag goes down with it."""
    bench.lease(ttl=5 * SECOND)
    bench.step()
    assert bench.device["twin-on"] is True
    bench.restart()
    bench.step()
    bench.step()
    assert bench.device["twin-on"] is False

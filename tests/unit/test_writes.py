"""What a gateway may write: the station file says it, and one gate holds to it whatever is wanted."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from cell_support import COMMAND, MS, NEXT, SAFE, SECOND, W1, Bench
from hypothesis import given
from hypothesis import strategies as st
from test_gate import TAGS
from test_station import GOOD, line_of, load

from gateway.cell.cell import Cell
from gateway.cell.couplings import Neighbours
from gateway.cell.gate import Gate
from gateway.cell.pace import Pace
from gateway.controller.compile import compile_program
from gateway.controller.devices import VirtualDevices
from gateway.errors import BadInput
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import Feed, Force, Pause, Run
from gateway.station import Station, load_station
from gateway.wiring import Wiring
from gateway.writes import RATE
from rig.line import load_line
from rig.session import Session
from rig.show import survey, table
from rig.step import OVERRUN, StepContext, restraints

TWIN = "twin:\n"
NEXT_TAG = '  next:    {direction: input, type: BOOL, address: "coil:102", safe: false}'
EYE_TAG = '  eye:     {direction: input, type: BOOL, address: "coil:101", safe: false}'
ONLY = f"writes: {{only: [command, eye, next], rate: 200/s}}\n\n{TWIN}"
SAFETY = '  next:    {direction: input, type: BOOL, address: "di:7", safety: true}'


def made(folder: Path, *edits: tuple[str, str]) -> Station:
    """The belt after ``edits``."""
    assert load(folder, *edits) == []
    return load_station(folder / "belt.yaml")


def test_a_step_that_does_not_pass_says_what_the_file_keeps_from_the_controller(tmp_path: Path) -> None:
    assert restraints(load_station(GOOD)) == ""
    station = made(tmp_path, (TWIN, ONLY))
    kept = restraints(station)
    assert "only leaves out ok, speed, so the controller does not see what the twin shows there" in kept
    assert "rate lets 200 tags a second through" in kept
    handle = SimpleNamespace(spec=station)
    session = SimpleNamespace(stations={"belt": handle}, missed={}, overwritten={}, early=None)
    step = StepContext(cast(Session, session), "step", "test", "step", "belt")
    assert step.ended("FAIL", "run did not become true").message == f"run did not become true; {kept}"
    assert step.ended("ERROR", f"{OVERRUN} inside a measurement").message.endswith(kept)
    assert step.ended("ERROR", "the broker is gone").message == "the broker is gone"


# --- the station file ----------------------------------------------------------------------------------


def test_left_out_everything_may_be_written() -> None:
    station = load_station(GOOD)
    assert station.writable == station.inputs
    assert station.writes.rate == RATE
    assert station.driven == station.tags


def test_what_may_not_be_written_is_read_and_what_that_cuts_off_is_said(tmp_path: Path) -> None:
    station = made(tmp_path, (TWIN, ONLY))
    assert [tag.name for tag in station.writable] == ["command", "eye", "next"]
    assert station.writes.rate == 200
    assert station.writes.cut_off(station.twin.values()) == {"belt": ("speed", "ok")}
    assert {name for name, tag in station.driven.items() if tag.direction == "output"} == {
        "run", "ready", "seen", "rate", "ok", "speed",
    }  # fmt: skip


def test_a_safety_tag_may_lie_where_nothing_can_be_written(tmp_path: Path) -> None:
    station = made(tmp_path, (NEXT_TAG, SAFETY))
    assert "next" not in [tag.name for tag in station.writable]
    assert station.writes.refuses("next") == "next is a safety tag, which is never written"
    assert station.writes.cut_off(station.twin.values()) == {}


def test_a_survey_of_the_line_says_what_is_never_written(tmp_path: Path) -> None:
    station = made(tmp_path, (TWIN, ONLY.replace(", next]", "]")), (NEXT_TAG, SAFETY))
    (tmp_path / "line.yaml").write_text(
        "twinline: line 1\nid: one\nproduct: {type: part, length: 60 mm}\nstations: [{station: belt.yaml}]\n"
    )
    lines = list(table(survey(load_line(tmp_path / "line.yaml"))))
    at = lines.index("Never written")
    assert lines[at + 1 : at + 3] == ["  belt: next (safety)", "  belt: speed, ok, cut off from belt"]
    assert station.writes.safety == {"next"}


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        (
            [(TWIN, f"writes: {{only: [comand], rate: 0/s}}\n{TWIN}")],
            [
                "writes: only: comand is not a tag of this station; did you mean 'command'?",
                "writes: rate: '0/s' is no rate; write how many tags may be written a second, such as 200/s",
            ],
        ),
        (
            [(TWIN, f"writes: {{only: [comand]}}\n{TWIN}")],
            ["writes: only: comand is not a tag of this station; did you mean 'command'?"],
        ),
        (
            [(TWIN, f"writes: {{only: [command, eye, command]}}\n{TWIN}")],
            ["writes: only: command is named twice; name it once"],
        ),
        (
            [(TWIN, ONLY), (NEXT_TAG, SAFETY)],
            ["writes: only: next is a safety tag, which is never written; leave it out"],
        ),
        (
            [(EYE_TAG, EYE_TAG.replace("safe: false", "safety: true"))],
            [
                "eye is a safety tag, which is never written, and eye.sees would drive it; "
                "leave the port sees out of eye"
            ],
        ),
        (
            [(NEXT_TAG, SAFETY.replace("safety: true", "safety: true, safe: false, verify: true"))],
            [
                "next: a safety tag is never written, so it has no safe; leave safe out",
                "next: a safety tag is never written, so it has no verify; leave verify out",
            ],
        ),
        (
            [("safe: 0, observer: seen}", "safety: true, observer: seen}")],
            [
                "command is a safety tag, which is never written, and manual is a command that is given; "
                "name another input"
            ],
        ),
        (
            [(TWIN, ONLY), ("    place: belt\n", "    place: belt\n    set: {ok: 'true'}\n")],
            [
                "pass: set: ok is not among what may be written; see writes: only in the station file; "
                "leave it out of set"
            ],
        ),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, edits: list[tuple[str, str]], told: list[str]) -> None:
    said = load(tmp_path, *edits)
    assert len(said) == len(told)
    for one, wanted in zip(said, told, strict=True):
        assert one.endswith(wanted), one
    if told[0].startswith("eye"):
        assert said[0].startswith(f"{line_of('eye:')}:")


def test_what_is_wrong_with_writes_is_said_at_its_column(tmp_path: Path) -> None:
    at = line_of(TWIN.strip())
    said = load(tmp_path, (TWIN, f"writes: {{only: [eye, comand, eye], rate: 5/h}}\n{TWIN}"))
    assert [each.split(": ")[0] for each in said] == [f"{at}:22", f"{at}:30", f"{at}:42"]


def test_a_slip_in_only_is_said_once_and_not_where_the_tag_is_needed(tmp_path: Path) -> None:
    setting = ("    place: belt\n", "    place: belt\n    set: {ok: 'true'}\n")
    (said,) = load(tmp_path, (TWIN, f"writes: {{only: [command, okk]}}\n{TWIN}"), setting)
    assert "okk is not a tag of this station; did you mean 'ok'?" in said


SHARED = """twinline: station 1
id: screw
devices:
  plc: {{address: "{address}"}}
{writes}tags:
  one: {{direction: input, type: BOOL, address: "{one}", safe: false}}
  two: {{direction: input, type: BOOL, address: "{two}", {two_is}}}
  three: {{direction: input, type: BOOL, address: "{three}", safe: false}}
twin: {{}}
"""
S7 = {"address": "s7://127.0.0.1:102/0/1", "one": "DB1.DBX0.0", "two": "DB1.DBX0.7", "three": "DB1.DBX1.0"}
REGISTERS = {"address": "modbus://127.0.0.1:502", "one": "hr:5.0", "two": "hr:5.15", "three": "hr:6.0"}


def shared(folder: Path, text: str) -> list[str]:
    """What is wrong with the station file ``text``."""
    (folder / "screw.yaml").write_text(text)
    try:
        load_station(folder / "screw.yaml")
    except BadInput as bad:
        return [str(problem).rpartition("screw.yaml:")[2] for problem in bad.problems]
    return []


@pytest.mark.parametrize(("places", "cell"), [(S7, "byte"), (REGISTERS, "register")])
def test_an_input_that_is_never_written_lies_apart_from_those_that_are(
    tmp_path: Path, places: dict[str, str], cell: str
) -> None:
    """A driver writes whole cells with what it once found beside its inputs."""
    one, two = places["one"], places["two"]
    beside = (
        f"two at {two} shares a {cell} with one at {one} (line 6): writing one would overwrite two, which is "
        f"never written; move one of them to another {cell}"
    )
    safety = SHARED.format(**places, writes="", two_is="safety: true")
    assert shared(tmp_path, safety) == [f"7: {beside}"]
    left_out = SHARED.format(**places, writes="writes: {only: [one, three]}\n", two_is="safe: false")
    assert shared(tmp_path, left_out) == [
        f"8: {beside.replace('line 6', 'line 7')}, or add two to writes: only"
    ]
    assert shared(tmp_path, left_out.replace("[one, three]", "[three]")) == []


def test_what_is_never_written_lies_apart_where_it_is_read(tmp_path: Path) -> None:
    text = SHARED.format(**{**S7, "two": "%I0.3"}, writes="", two_is='safety: true, real: "DB1.DBX0.6"')
    assert [said.partition(":")[0] for said in shared(tmp_path, text)] == ["7"]
    assert shared(tmp_path, text.replace('"DB1.DBX0.6"', '"%I0.3"')) == []


# --- in the cell ---------------------------------------------------------------------------------------


def test_what_is_not_in_the_list_is_never_written_neither_by_twin_nor_force_nor_to_be_safe(
    tmp_path: Path,
) -> None:
    station = made(tmp_path, (TWIN, ONLY))
    bench = Bench(station=station)
    token = bench.lease()
    bench.step({"run": True, "ok": True, "speed": 12})
    bench.run(token, Force(NEXT, True), Feed("belt", (W1,)), Pause(300 * MS), keep=True)
    assert bench.device.keys() == {"command", "eye", "next"}
    assert bench.device["next"] is True
    assert (bench.cell.values["ok"], bench.cell.values["speed"]) == (True, 12)  # as read, not as the twin's
    why = bench.refusal(Run(token, (Force(TagRef("ok"), False),)))
    assert why == "ok is not among what may be written; see writes: only in the station file"
    bench.until(bench.cell.lease.expires + 50 * MS)
    assert bench.device == {name: SAFE[name] for name in bench.device}
    assert bench.cell.values["speed"] == 12


def test_a_virtual_controllers_inputs_that_are_not_written_show_what_it_has(tmp_path: Path) -> None:
    text = """
PROGRAM Own
  VAR ok AT %QX12.4 : BOOL := TRUE; END_VAR
END_PROGRAM
"""
    station = made(tmp_path, (TWIN, ONLY))
    wiring = Wiring(station, "virtual", compile_program(text, "own.st"), lambda: None)
    assert not wiring.lost
    devices = VirtualDevices(station, compile_program(text, "own.st"))
    devices.scan(0)
    assert devices.read().keys() >= {"ok", "speed"}


def test_in_ril_the_list_holds_for_what_is_put_out_to_the_plant_too(tmp_path: Path) -> None:
    for only, actuators in (("command", set()), ("command, run", {"run"})):
        station = made(tmp_path, (TWIN, f"writes: {{only: [{only}]}}\n{TWIN}"))
        cell = Cell(station, Neighbours(), mode="ril")
        assert cell.machine is not None
        assert set(cell.machine.actuators) == actuators
        assert set(cell.gate.inputs) == {"command", *actuators}


def test_a_value_outside_its_range_is_not_written_told_once_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, keep=True)
    bench.cell.gliding.allowed = False
    for speed in (7, math.nan, math.nan, 501, 8, 501):
        monkeypatch.setattr(bench.cell.showing, "wanted", lambda now, speed=speed: {**SAFE, "speed": speed})
        bench.step()
    assert bench.device["speed"] == 8
    assert bench.cell.values["speed"] == 8
    assert bench.cell.gate.times_beyond == {"speed": 3}
    assert [event for event in bench.events if event.startswith("write")] == [
        "write: speed is not written: nan is outside its range, 0..500"
    ]


def test_what_comes_late_for_the_rate_is_told_once_and_makes_the_trace_doubtful(tmp_path: Path) -> None:
    station = made(tmp_path, (TWIN, f"writes: {{rate: 10/s}}\n{TWIN}"))
    bench = Bench(station=station)
    token = bench.lease()
    trace = bench.run(token, Force(COMMAND, 7), Pause(SECOND))
    assert trace.overruns
    assert [event for event in bench.events if event.startswith("write")] == [
        "write: more than 10 writes a second are wanted: some come late"
    ]
    assert [sample.value for sample in trace.samples if sample.tag == "command"] == [7]


# --- the gate ------------------------------------------------------------------------------------------

WANTED = st.fixed_dictionaries(
    {
        "door": st.booleans(),
        "speed": st.one_of(st.integers(-5, 5), st.sampled_from((40_000, -40_000))),
        "command": st.one_of(st.integers(0, 65_535), st.just(-1), st.just(math.nan)),
    }
)
SCANS = st.lists(st.tuples(st.integers(1, 120), WANTED, st.booleans()), min_size=1, max_size=60)


@given(SCANS, st.integers(1, 40))
def test_no_second_sees_more_writes_than_the_rate_nor_a_value_beyond_its_range(
    scans: list[tuple[int, dict[str, Value], bool]], rate: int
) -> None:
    gate = Gate(TAGS, rate=rate)
    gate.open()
    now, written = 0, []
    for after, wanted, glide in scans:
        now += after * MS
        if glide and not gate.waiting:
            changes = {name: value for name, value in wanted.items() if gate.written.get(name) != value}
            out = gate.passing(now, changes)
        else:
            out = gate.writes(now, wanted)
        gate.took(out)
        assert all(TAGS[name].in_range(value) and wanted[name] == value for name, value in out.items())
        written += [now] * len(out)
    for first in written:
        assert sum(first <= at < first + SECOND for at in written) <= rate


@given(SCANS, st.integers(1, 40))
def test_safe_values_wait_for_nothing(scans: list[tuple[int, dict[str, Value], bool]], rate: int) -> None:
    gate = Gate(TAGS, rate=rate)
    gate.open()
    now = 0
    for after, wanted, _ in scans:
        now += after * MS
        gate.took(gate.writes(now, wanted))
    gate.make_safe()
    assert gate.writes(now, {}) == {name: tag.safe for name, tag in TAGS.items()}


@given(
    st.integers(1, 40),
    st.lists(WANTED, min_size=1, max_size=20),
    WANTED.filter(lambda w: w["speed"] in range(-5, 6)),
)
def test_in_the_end_the_newest_value_of_all_is_there(
    rate: int, storm: list[dict[str, Value]], last: dict[str, Value]
) -> None:
    gate = Gate(TAGS, rate=rate, urgent=("command",))
    gate.open()
    device: dict[str, Value] = {}
    now = 0
    for wanted in (*storm, *[last] * 40):
        now += (10 if wanted is not last else 200) * MS
        out = gate.writes(now, wanted)
        device.update(out)
        gate.took(out)
    assert not gate.waiting
    fit = {name: value for name, value in last.items() if name not in gate.beyond}
    assert {name: device[name] for name in fit} == fit


def test_urgent_ones_come_first_and_then_whoever_waits_longest() -> None:
    gate = Gate(TAGS, rate=1, urgent=("command",))
    gate.open()
    order: list[str] = []
    for second in range(5):
        out = gate.writes(second * SECOND, {"door": second < 9, "speed": second, "command": min(second, 1)})
        gate.took(out)
        order += out
    # The command changes in the seconds 0 and 1; the speed in each, and yet the door has its turn.
    assert order == ["command", "command", "door", "speed", "speed"]


@given(st.integers(1, 100), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 30)), max_size=60))
def test_the_pace_never_gives_more_room_than_the_rate(rate: int, asked: list[tuple[int, int]]) -> None:
    pace, now, spent = Pace(rate), 0, []
    for after, wanted in asked:
        now += after * MS
        count = min(wanted, pace.room(now))
        pace.spend(now, count)
        spent += [now] * count
    for first in spent:
        assert sum(first <= at < first + SECOND for at in spent) <= rate

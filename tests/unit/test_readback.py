"""A force that the controller overwrites is told as such, shows what is there, and is not fought for."""

from __future__ import annotations

import pytest
from cell_support import COMMAND, MS, NEXT, Bench

from gateway.cell.gate import Gate
from gateway.cell.readback import ReadBack
from gateway.cell.standing import standing
from gateway.field.entries import TagEntry, compile_tags
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import Force, Free, Pause, Release
from gateway.net.reports import State

SPEED = TagRef("speed")


def state(bench: Bench) -> State:
    return standing(bench.cell, "boot", "ready")


def forces(bench: Bench) -> list[str]:
    return [event for event in bench.events if event.startswith("force")]


def test_a_force_that_holds_is_shown_as_held() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(COMMAND, 7), Force(NEXT, True), Pause(300 * MS), keep=True)
    assert state(bench).forced == {"command": 7, "next": True}
    assert state(bench).overwritten == {}
    assert forces(bench) == ["force: command held at 7", "force: next held at true"]


def test_one_that_is_overwritten_shows_what_is_there_and_is_told_once() -> None:
    bench = Bench()
    token = bench.lease()
    bench.overwrites = {"command": 9}
    trace = bench.run(token, Force(COMMAND, 7), Pause(300 * MS), keep=True)
    assert trace.overwritten == {"command": 9}
    assert [sample.value for sample in trace.samples if sample.tag == "command"] == [7, 9]
    assert bench.cell.values["command"] == 9
    assert (state(bench).forced, state(bench).overwritten) == ({"command": 7}, {"command": 9})
    assert forces(bench)[1:] == ["force: command is forced to 7 and does not hold: overwritten with 9"]
    bench.overwrites = {"command": 10}
    bench.steps(3)
    assert state(bench).overwritten == {"command": 10}
    assert bench.cell.values["command"] == 10
    assert len(forces(bench)) == 2


def test_it_is_not_written_again_before_somebody_forces_anew() -> None:
    bench = Bench()
    token = bench.lease()
    bench.overwrites = {"command": 9}
    bench.run(token, Force(COMMAND, 7), keep=True)
    assert all("command" not in bench.step().writes for _ in range(50))
    bench.overwrites = {}
    assert bench.device["command"] == 9
    bench.run(token, Force(COMMAND, 7), keep=True)
    bench.steps(2)
    assert bench.device["command"] == 7
    assert state(bench).overwritten == {}


def test_what_comes_back_to_what_it_is_forced_to_is_held_again() -> None:
    bench = Bench()
    token = bench.lease()
    bench.overwrites = {"command": 9}
    bench.run(token, Force(COMMAND, 7), keep=True)
    bench.steps(2)
    bench.overwrites = {"command": 7}
    bench.steps(2)
    assert forces(bench)[-1] == "force: command is held at 7 again"
    assert state(bench).overwritten == {}
    assert bench.cell.values["command"] == 7


@pytest.mark.parametrize("how", ["freed", "the lease ends"])
def test_released_the_input_gets_the_twins_value_although_that_was_written_before(how: str) -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(NEXT, False), keep=True)  # as the twin has it, and as is safe
    bench.overwrites = {"next": True}
    bench.steps(3)
    assert state(bench).overwritten == {"next": True}
    bench.overwrites = {}
    if how == "freed":
        bench.run(token, Free(NEXT), keep=True)
    else:
        bench.answer(Release(token))
    bench.steps(2)
    assert bench.device["next"] is False
    assert state(bench).overwritten == {}


def test_of_a_word_only_the_bits_that_are_forced_count() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(TagRef("command", 3), True), Force(TagRef("command", 0), True), keep=True)
    bench.overwrites = {"command": 0b1011}
    bench.steps(3)
    assert state(bench).overwritten == {}
    bench.overwrites = {"command": 0b0011}
    bench.steps(3)
    assert state(bench).overwritten == {"command.3": False}
    assert bench.cell.values["command"] == 0b0011


def test_a_number_holds_where_it_is_as_near_as_the_device_can_have_it() -> None:
    bench = Bench()
    token = bench.lease()
    raw = bench.station.tags["speed"]
    near = raw.from_device(raw.to_device(123.4))
    bench.overwrites = {"speed": near}
    bench.run(token, Force(SPEED, 123.4), Pause(50 * MS), keep=True)
    assert near != 123.4
    assert state(bench).overwritten == {}
    bench.overwrites = {"speed": raw.from_device(int(raw.to_device(123.4)) + 1)}  # type: ignore[arg-type]
    bench.steps(2)
    assert state(bench).overwritten.keys() == {"speed"}


def test_after_a_loss_it_is_written_anew_and_looked_at_anew() -> None:
    bench = Bench()
    token = bench.lease()
    bench.overwrites = {"command": 9}
    bench.run(token, Force(COMMAND, 7), keep=True)
    bench.steps(2)
    bench.overwrites = {}
    bench.link = False
    bench.step()
    bench.link = True
    bench.steps(2)
    assert bench.device["command"] == 7
    bench.steps(2)
    assert state(bench).overwritten == {}


def test_an_element_of_a_row_is_held_against_its_own() -> None:
    entry = TagEntry("input", "INT[3]", "hr:10", safe="0", name="row")
    gate = Gate(compile_tags([entry], {"plc": "modbus"}, print))
    gate.open()
    told: list[str] = []
    back = ReadBack(gate, lambda tag, value: value, told.append)
    gate.hold(TagRef("row", element=1), 5)
    out: dict[str, Value] = gate.writes(0, gate.forced({"row": (0, 0, 0)}))
    gate.took(out)
    assert back.asked == ["row"]
    assert back.look({"row": (1, 5, 2)}) == {}
    assert back.look({"row": (0, 4, 0)}) == {"row": (0, 4, 0)}
    assert told == ["row[1] is forced to 5 and does not hold: overwritten with 4"]

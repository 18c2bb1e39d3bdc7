"""Forces: on the disk before they take effect, taken back as they were, refused where they cannot be."""

from __future__ import annotations

import math

import msgspec
import pytest
from cell_support import COMMAND, MS, NEXT, UNSAFE_OK, Bench

from gateway.cell.standing import standing
from gateway.field.tags import TagRef
from gateway.net.messages import Await, Force, Free, Inject, Pause, Run


def test_a_force_is_on_the_disk_before_it_takes_effect() -> None:
    bench = Bench()
    token = bench.lease()
    bench.disk_works = False
    bench.ask(Run(token, (Force(NEXT, True),), keep=True))
    bench.steps(10)
    assert bench.device["next"] is False
    bench.disk_works = True
    bench.steps(2)
    assert bench.device["next"] is True
    assert bench.disk["force", "next"] == msgspec.msgpack.encode((False, True))


def test_released_an_input_shows_what_the_twin_shows_now() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(TagRef("ok"), False), keep=True)
    bench.step()
    assert bench.device["ok"] is False
    bench.cell.twin.inject("belt.trip")
    bench.run(token, Free(TagRef("ok")))
    bench.step()
    assert bench.device["ok"] is False
    bench.cell.twin.inject("belt.trip", False)
    bench.step()
    assert bench.device["ok"] is True
    assert bench.journalled("force") == set()


def test_one_bit_of_a_word_is_forced_alone() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(TagRef("command", 3), True), Force(TagRef("command", 0), True), keep=True)
    bench.step()
    assert bench.device["command"] == 9
    assert standing(bench.cell, "boot", "ready").forces == ("command.3", "command.0")
    bench.run(token, Free(TagRef("command", 3)))
    bench.step()
    assert bench.device["command"] == 1


def test_a_script_takes_back_what_it_forced_to_what_was_forced_before() -> None:
    bench = Bench()
    token = bench.lease()
    bench.run(token, Force(COMMAND, 5), keep=True)
    bench.run(token, Force(COMMAND, 7), Force(NEXT, True), Force(COMMAND, 8), Pause(20 * MS))
    bench.step()
    assert (bench.device["command"], bench.device["next"]) == (5, False)
    assert bench.journalled("force") == {"command"}


def test_old_values_of_forces_that_never_came_about_are_not_kept() -> None:
    bench = Bench()
    token = bench.lease()
    trace = bench.run(token, Await(NEXT, True, 0, 50 * MS), Force(COMMAND, 5), keep=True)
    assert trace.ended == "limit"
    bench.step()
    assert bench.journalled("force") == set()


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (Force(TagRef("run"), True), "run is no input of belt; only inputs can be forced"),
        (Force(TagRef("nothing"), True), "nothing is not a tag of this station"),
        (Force(TagRef("speed", 3), True), "speed.3: INT has no bit 3"),
        (Force(TagRef("command", 16), True), "command.16: WORD has no bit 16"),
        (Force(TagRef("command", 10**9), True), "WORD has no bit 1000000000"),
        (Force(TagRef("command", 3), 2), "command.3 is one bit; force it to true or false"),
        (Force(NEXT, 1.0), "next is one bit; force it to true or false"),
        (Force(COMMAND, True), "command is a number; True is none"),
        (Force(COMMAND, math.nan), "command is a number; nan is none"),
        (Force(TagRef("speed"), math.inf), "speed is a number; inf is none"),
        (Force(COMMAND, 65536), "65536 is outside the range of command, 0..65535"),
        (Force(TagRef("speed"), 500.5), "500.5 is outside the range of speed, 0..500"),
        (Force(COMMAND, 2.5), "command holds whole numbers, not 2.5"),
        (Free(TagRef("run")), "run is no input of belt"),
        (Await(TagRef("rate", 1), True, 0, 0), "rate.1: REAL has no bit 1"),
        (Inject("belt.tripp"), "a belt-conveyor has the faults jam, trip"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_done(action: object, why: str) -> None:
    bench = Bench()
    token = bench.lease()
    assert why in bench.refusal(Run(token, (Force(NEXT, True), action)))  # type: ignore[arg-type]
    bench.step()
    assert bench.device == UNSAFE_OK
    assert bench.journalled("force") == set()

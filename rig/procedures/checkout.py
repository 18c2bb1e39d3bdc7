"""I/O checkout in manual mode: every output by its jog, every input by its observer, nothing else moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from gateway.field.tags import Tag, TagRef
from gateway.field.types import Value
from gateway.net.messages import Action, Await, Force, Pause
from gateway.scenario import show
from gateway.station import Station
from rig.backend import Script
from rig.procedures.common import (
    ANSWER,
    both_ends,
    check_refusals,
    in_manual,
    in_range,
    nothing_else_moves,
    tolerance,
)
from rig.session import StationHandle
from rig.step import StepContext
from rig.trace import Reading

pytestmark = pytest.mark.phase("checkout")
HOLD = 40_000_000  # how long a value is held to see what else moves


class Follow(NamedTuple):
    """``drive`` goes low, high and low again; ``seen`` follows each time (± ``within`` for a number), and
    nothing else moves but ``also``. ``manual``: in manual mode."""

    drive: TagRef
    seen: TagRef
    ends: tuple[Value, Value]
    within: float
    manual: bool = True
    also: tuple[TagRef, ...] = ()

    @property
    def values(self) -> tuple[Value, Value, Value]:
        """What it is driven to, in order."""
        low, high = self.ends
        return low, high, low

    def before(self, spec: Station) -> list[Action]:
        """What brings the station to where it can be done."""
        actions = in_manual(spec)
        return actions if self.manual else [each for each in actions if not isinstance(each, Force)]

    def script(self, spec: Station) -> Script:
        """All of it: after what comes before, three actions for each value."""
        moves: list[Action] = []
        for value in self.values:
            moves += [Force(self.drive, value), Await(self.seen, value, self.within, ANSWER), Pause(HOLD)]
        return Script((*self.before(spec), *moves))


def of_output(spec: Station, tag: Tag) -> list[Follow]:
    """It follows its jog; none where it has none."""
    if tag.jog is None:
        return []
    ends = both_ends(tag if tag.jog.bit >= 0 else _whole(spec, tag.jog))
    return [Follow(tag.jog, TagRef(tag.name), ends, tolerance(tag))]


def of_input(spec: Station, tag: Tag) -> list[Follow]:
    """Its observer follows it; none where it has none.

    A command word by manual and acknowledge; one that only jogs by one jog, since each is seen by its output;
    any other word by all its bits.
    """
    if tag.observer is None:
        return []
    whole = TagRef(tag.name)
    if tag.type.kind != "bits":
        within = tolerance(tag, _whole(spec, tag.observer))
        return [Follow(whole, tag.observer, both_ends(tag), within)]
    jogs = {each.jog: TagRef(each.name) for each in spec.outputs if each.jog and each.jog.tag == tag.name}
    commands = [ref for ref in (spec.manual, spec.acknowledge) if ref is not None and ref.tag == tag.name]
    found = []
    for ref in commands or list(jogs)[:1]:
        seen = TagRef(tag.observer.tag, ref.bit, tag.observer.element)
        jogged = (jogs[ref],) if ref in jogs else ()
        found.append(Follow(ref, seen, (False, True), 0.0, ref != spec.manual, jogged))
    return found or [Follow(whole, tag.observer, both_ends(tag), 0.0)]


def output_script(station: StationHandle, tag: Tag) -> Script | None:
    """The script that an output's step begins with."""
    return next((each.script(station.spec) for each in of_output(station.spec, tag)), None)


def input_script(station: StationHandle, tag: Tag) -> Script | None:
    """The script that an input's step begins with."""
    return next((each.script(station.spec) for each in of_input(station.spec, tag)), None)


@pytest.mark.ahead.with_args(output_script)
def test_output(output: tuple[StationHandle, Tag], step: StepContext) -> None:
    """Its jog moves it to both ends of its range, and nothing else."""
    station, tag = output
    step.about(tag.name)
    if tag.jog is None:
        pytest.skip("no jog command is declared for it: it cannot be moved alone")
    _same_range(step, tag, _whole(station.spec, tag.jog))
    for follow in of_output(station.spec, tag):
        _follows(step, station, tag, follow)


@pytest.mark.ahead.with_args(input_script)
def test_input(input: tuple[StationHandle, Tag], step: StepContext) -> None:
    """The program sees it, by its observer, at both ends of its range."""
    station, tag = input
    step.about(tag.name)
    if tag.observer is None:
        pytest.skip("no observer is declared for it: reading back would prove the wire to memory only")
    _same_range(step, tag, _whole(station.spec, tag.observer))
    for follow in of_input(station.spec, tag):
        _follows(step, station, tag, follow)


def _whole(spec: Station, ref: TagRef) -> Tag:
    """The tag, or the element of an array, that ``ref`` or its bit lies in."""
    return spec.tags[ref.tag].part(ref)


def _same_range(step: StepContext, tag: Tag, other: Tag) -> None:
    """A number and what drives or shows it span the same range: else one of the two is declared wrongly."""
    if "bool" in (tag.type.kind, other.type.kind) or "bits" in (tag.type.kind, other.type.kind):
        return
    if (tag.range, tag.unit) != (other.range, other.unit):
        shown = [f"{each.name} {each.range.low:g}..{each.range.high:g} {each.unit}" for each in (tag, other)]
        step.fail(f"ranges differ: {shown[0]}, {shown[1]}", tag.name, other.name)


def _follows(step: StepContext, station: StationHandle, tag: Tag, follow: Follow) -> None:
    """Do ``follow``, which is about ``tag``, and hold the station against it."""
    drive, seen = follow.drive, follow.seen
    prepared = len(follow.before(station.spec))
    reading = station.perform(follow.script(station.spec), partial=True)
    trace = reading.trace
    check_refusals(step, station, trace, {tag.name, drive.tag, seen.tag})
    for index, value in enumerate(follow.values):
        forced = prepared + 3 * index
        marks = trace.marks[forced : forced + 3]
        # What it showed before counts for nothing: it must still show the value when that was held a while.
        if len(marks) < 3 or not reading.holds(seen, value, follow.within, marks[2]):
            _explain(step, station, reading, tag, drive, seen, value, marks)
            return
        if not reading.holds(seen, value, follow.within, marks[0]):  # else nothing came about that took time
            late = reading.lateness(marks[0], marks[1])
            step.measure_time(f"{drive} {show(value)} to {seen}", marks[1] - marks[0], high=ANSWER, late=late)
    start = trace.marks[prepared + 2]
    if follow.manual:
        nothing_else_moves(step, station, reading, start, {seen, TagRef(tag.name), *follow.also})
    in_range(step, reading, station.spec.tags[seen.tag])


def _explain(
    step: StepContext,
    station: StationHandle,
    reading: Reading,
    tag: Tag,
    drive: TagRef,
    seen: TagRef,
    value: Value,
    marks: Sequence[int],
) -> None:
    """``seen`` did not follow: say what it did, and what moved in its place."""
    start, end = marks[0], marks[2] if len(marks) > 2 else reading.trace.duration
    step.disturbed += bool(reading.lateness(start, end))
    found = reading.value(seen, end)
    what = "was never seen" if found is None else f"is {show(found)}"
    others = _moved_instead(station, reading, seen, start, end)
    instead = f"; {', '.join(others.values())} moved instead" if others else ""
    step.fail(
        f"{drive} went to {show(value)}, but {seen} {what} after {(end - start) / 1e6:.0f} ms{instead} "
        f"({tag.name} at {tag.text}, line {tag.line} of {station.spec.file})",
        tag.name,
        seen.tag,
        *others,
    )


def _moved_instead(
    station: StationHandle, reading: Reading, seen: TagRef, start: int, end: int
) -> dict[str, str]:
    """What the program moved in place of ``seen``, in words by tag: outputs, and bits of its word that show
    inputs which did not move themselves. What the plant did thereupon is nobody's fault."""
    spec = station.spec
    moved = reading.moved(start, end)
    found = {tag.name: tag.name for tag in spec.outputs if tag.name in moved and tag.name not in spec.echoes}
    found.pop(seen.tag, None)
    if seen.bit < 0 or seen.tag not in moved:
        return found
    shown = {tag.observer: tag.name for tag in spec.inputs if tag.name not in moved}
    for bit in sorted(reading.moved_bits(seen.tag, start) - {seen.bit}):
        if (of := shown.get(TagRef(seen.tag, bit))) is not None:
            found[of] = f"{seen.tag}.{bit}, which shows {of},"
    return found

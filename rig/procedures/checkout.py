"""I/O checkout in manual mode: every output by its jog, every input by its observer, nothing else moves."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from gateway.field.tags import Tag, TagRef
from gateway.field.types import Value
from gateway.net.messages import Action, Await, Force, Pause
from gateway.scenario import show
from rig.procedures.common import ANSWER, both_ends, in_manual, in_range, nothing_else_moves, tolerance
from rig.session import StationHandle, StepContext, check_refusals
from rig.trace import Reading

pytestmark = pytest.mark.phase("checkout")
HOLD = 40_000_000  # how long a value is held to see what else moves


def test_output(output: tuple[StationHandle, Tag], step: StepContext) -> None:
    """Its jog moves it to both ends of its range, and nothing else."""
    station, tag = output
    step.about(tag.name)
    if tag.jog is None:
        pytest.skip("no jog command is declared for it: it cannot be moved alone")
    jog = station.spec.tags[tag.jog.tag].part(tag.jog)
    ends = both_ends(tag if tag.jog.bit >= 0 else jog)
    _same_range(step, tag, jog)
    _follows(step, station, tag, tag.jog, TagRef(tag.name), ends, tolerance(tag))


def test_input(input: tuple[StationHandle, Tag], step: StepContext) -> None:
    """The program sees it, by its observer, at both ends of its range."""
    station, tag = input
    step.about(tag.name)
    if tag.observer is None:
        pytest.skip("no observer is declared for it: reading back would prove the wire to memory only")
    observer = station.spec.tags[tag.observer.tag].part(tag.observer)
    if tag.type.kind == "bits":
        _bits_follow(step, station, tag, tag.observer)
        return
    _same_range(step, tag, observer)
    _follows(
        step, station, tag, TagRef(tag.name), tag.observer, both_ends(tag), tolerance(tag, observer)
    )  # fmt: skip


def _same_range(step: StepContext, tag: Tag, other: Tag) -> None:
    """A number and what drives or shows it span the same range: else one of the two is declared wrongly."""
    if "bool" in (tag.type.kind, other.type.kind) or "bits" in (tag.type.kind, other.type.kind):
        return
    if (tag.range, tag.unit) != (other.range, other.unit):
        shown = [f"{each.name} {each.range.low:g}..{each.range.high:g} {each.unit}" for each in (tag, other)]
        step.fail(f"ranges differ: {shown[0]}, {shown[1]}", tag.name, other.name)


def _bits_follow(step: StepContext, station: StationHandle, tag: Tag, observer: TagRef) -> None:
    """A command word by manual and acknowledge; one that only jogs by one jog, since each is seen by its
    output; any other word by all its bits."""
    spec = station.spec
    jogs = {each.jog: TagRef(each.name) for each in spec.outputs if each.jog and each.jog.tag == tag.name}
    commands = [ref for ref in (spec.manual, spec.acknowledge) if ref is not None and ref.tag == tag.name]
    for ref in commands or list(jogs)[:1]:
        seen = TagRef(observer.tag, ref.bit, observer.element)
        jogged = [jogs[ref]] if ref in jogs else []
        _follows(step, station, tag, ref, seen, (False, True), 0.0, ref != spec.manual, jogged)
    if not commands and not jogs:
        _follows(step, station, tag, TagRef(tag.name), observer, both_ends(tag), 0.0)


def _follows(
    step: StepContext,
    station: StationHandle,
    tag: Tag,
    drive: TagRef,
    seen: TagRef,
    ends: tuple[Value, Value],
    within: float,
    manual: bool = True,
    also: Collection[TagRef] = (),
) -> None:
    """Drive ``drive`` low, high and low again; ``seen`` follows each time, and nothing moves but ``also``."""
    low, high = ends
    prepare = in_manual(station.spec)
    if not manual:
        prepare = [action for action in prepare if not isinstance(action, Force)]
    moves: list[Action] = []
    for value in (low, high, low):
        moves += [Force(drive, value), Await(seen, value, within, ANSWER), Pause(HOLD)]
    reading = station.run(*prepare, *moves, partial=True)
    trace = reading.trace
    check_refusals(step, station, trace, {tag.name, drive.tag, seen.tag})
    for index, value in enumerate((low, high, low)):
        forced = len(prepare) + 3 * index
        marks = trace.marks[forced : forced + 3]
        # What it showed before counts for nothing: it must still show the value when that was held a while.
        if len(marks) < 3 or not reading.holds(seen, value, within, marks[2]):
            _explain(step, station, reading, tag, drive, seen, value, marks)
            return
        if not reading.holds(seen, value, within, marks[0]):  # else nothing came about that took its time
            late = reading.lateness(marks[0], marks[1])
            step.measure_time(f"{drive} {show(value)} to {seen}", marks[1] - marks[0], high=ANSWER, late=late)
    start = trace.marks[len(prepare) + 2]
    if manual:
        nothing_else_moves(step, station, reading, start, {seen, TagRef(tag.name), *also})
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

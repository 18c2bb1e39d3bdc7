"""What built-in procedures share: bringing a station to a known state, and judging ordered steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.field.compound import ArrayType, StringType
from gateway.field.tags import Tag, TagRef
from gateway.field.types import Value
from gateway.net.messages import (
    Action,
    Await,
    AwaitAll,
    Force,
    Free,
    Isolate,
    Pause,
    Reset,
    Target,
    Trace,
)
from gateway.scenario import Expect, Never, show
from gateway.station import Station
from rig.session import StationHandle
from rig.step import StepContext
from rig.trace import Reading

RECOVER = 120_000_000  # for the plant after a fault (air comes back, cylinders return), ns
SETTLE = 60_000_000  # for outputs to fall to what their jogs say, ns
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ANSWER = 500_000_000  # how long a controller may take to react to a command, ns


def in_manual(spec: Station) -> list[Action]:
    """Alone, empty, faultless, in manual mode, at rest."""
    actions: list[Action] = [Isolate(True), Reset()]
    if spec.manual is not None:
        actions.append(Force(spec.manual, True))
    if spec.acknowledge is not None:
        actions += [Force(spec.acknowledge, True), Pause(SETTLE // 2), Free(spec.acknowledge)]
    return [*actions, Pause(SETTLE)]


def in_automatic(spec: Station, isolated: bool) -> list[Action]:
    """Empty, faultless, in automatic mode from its beginning: manual mode is passed through."""
    actions = in_manual(spec)
    if not isolated:
        actions[0] = Isolate(False)
    actions.append(Pause(RECOVER))
    if spec.manual is not None:
        actions.append(Free(spec.manual))
    return [*actions, Pause(SETTLE)]


def awaiting(expect: Expect) -> Await:
    """Wait until ``expect`` is so, or well past its limit."""
    return Await(expect.ref, expect.value, expect.tolerance, _patience(expect))


def becoming(*expects: Expect) -> AwaitAll:
    """Wait until all ``expects`` came about, or well past their limits, so that being late is measured."""
    targets = tuple(Target(each.ref, each.value, each.tolerance) for each in expects)
    return AwaitAll(targets, max(map(_patience, expects)))


def _patience(expect: Expect) -> int:
    return expect.within * 2 + 1_000_000_000


def check_refusals(step: StepContext, station: StationHandle, trace: Trace, tags: Iterable[str]) -> None:
    """What the controller refused of ``tags`` fails the step."""
    for name in tags:
        if name in trace.refused:
            spec = station.spec.tags[name]
            step.fail(f"{name} at {spec.text} (line {spec.line}): {trace.refused[name]}", name)


def tolerance(*tags: Tag) -> float:
    """How far a number may lie beside what it should be: the resolutions on its way."""
    return sum(tag.resolution + 1e-6 * (tag.range.high - tag.range.low) for tag in tags if _has_numbers(tag))


def _has_numbers(tag: Tag) -> bool:
    return tag.plain.kind not in ("bool", "string")


def judge_steps(
    step: StepContext,
    reading: Reading,
    expects: Sequence[Expect],
    start: int,
    each_from_start: bool,
    end: int | None = None,
) -> None:
    """Hold ``expects`` against the trace: each timed from ``start``, or in order from the one before; and
    what is to stay stays, until ``end`` (that of the trace)."""
    before = start
    met: list[tuple[int, Expect]] = []
    for expect in expects:
        step.about(expect.ref.tag)
        at, already = reading.became(expect, before)
        name = str(expect)
        if at is None:
            late = reading.lateness(before, reading.trace.duration)
            waited = (reading.trace.duration - before) / 1e9
            limit = expect.within / 1e9
            step.fail(f"{name}: did not happen within {waited:.2f} s (limit {limit:g} s)", late=late)
        elif already:
            step.fail(f"{name}: was so already before its turn")
        else:
            late = reading.lateness(before, at)
            step.measure_time(name, at - before, expect.after, expect.within, late)
            met.append((at, expect))
        if each_from_start:
            continue
        if at is None or already:
            return
        before = at
    end = reading.trace.duration if end is None else end
    _judge_hold(step, reading, met if each_from_start else met[-1:], end)


def _judge_hold(step: StepContext, reading: Reading, met: Sequence[tuple[int, Expect]], end: int) -> None:
    """What came about stays: for its own hold, or until another value of the same tag was expected."""
    for at, expect in met:
        until = end if expect.hold is None else at + expect.hold
        later = [other for other, each in met if each.ref == expect.ref and other > at]
        ceased = reading.ceased(expect, at)
        if ceased is not None and ceased < min([until, *later]):
            found = reading.value(expect.ref, ceased)
            assert found is not None
            after = (ceased - at) / 1e6
            late = reading.lateness(at, ceased)
            step.fail(f"{expect}: did not stay so, it was {show(found)} {after:.0f} ms later", late=late)


def judge_never(
    step: StepContext,
    reading: Reading,
    nevers: Iterable[Never],
    start: int,
    what: str,
    end: int | None = None,
) -> None:
    """None of ``nevers`` may come about from ``start`` on, when ``what`` happened, to ``end``; one that was
    so then has to cease, and not come again."""
    for never in nevers:
        step.about(never.ref.tag)
        at, already = reading.became(Expect(never.ref, never.value, 0.0, 0, 0), start, end)
        if already:
            late = reading.lateness(start, reading.trace.duration if end is None else end)
            step.fail(f"{never.ref} was {show(never.value)} at the {what}, and stayed so", late=late)
        elif at is not None:
            after = (at - start) / 1e6
            late = reading.lateness(start, at)
            step.fail(f"{never.ref} became {show(never.value)} {after:.0f} ms after the {what}", late=late)


def nothing_else_moves(
    step: StepContext, station: StationHandle, reading: Reading, start: int, allowed: set[TagRef]
) -> None:
    """After ``start`` no output moved but ``allowed`` ones and observers of inputs that moved themselves.

    An input that moved just before ``start`` is seen by its observer just after.
    """
    spec = station.spec
    moved = reading.moved(start)
    stirred = reading.moved(start - SETTLE)
    late = reading.lateness(start - SETTLE, reading.trace.duration)  # an observer may follow by so much
    free = set(allowed)
    if spec.shim is not None:
        free |= {TagRef(name) for name in spec.shim.outputs}
    for tag in spec.inputs:
        if tag.name in stirred and tag.observer is not None:
            free.add(tag.observer)
    for tag in spec.outputs:
        if tag.name not in moved or TagRef(tag.name) in free:
            continue
        for part in sorted(_moved_parts(reading, tag, start) - free):
            step.fail(f"{part} moved too, and nothing should have moved it", tag.name, late=late)


def _moved_parts(reading: Reading, tag: Tag, start: int) -> set[TagRef]:
    """What moved of a tag that did: bits of a word, elements of an array, or just the tag."""
    if tag.type.kind == "bits":
        return {TagRef(tag.name, bit) for bit in reading.moved_bits(tag.name, start)}
    if tag.type.kind == "array":
        return {TagRef(tag.name, -1, index) for index in reading.moved_elements(tag.name, start)}
    return {TagRef(tag.name)}


def in_range(step: StepContext, reading: Reading, tag: Tag) -> None:
    """Every value seen of ``tag`` lies within its range."""
    for sample in reading.trace.samples:
        if sample.tag == tag.name and not tag.in_range(sample.value):
            low, high = tag.range
            step.fail(f"{tag.name} was {show(sample.value)}, outside its range {low:g}..{high:g}", tag.name)
            return


def both_ends(tag: Tag) -> tuple[Value, Value]:
    """The two ends of a tag's range; a text's are nothing and as much as it holds, an array's all at one."""
    kind = tag.plain.kind
    ends: tuple[Value, Value] = (tag.range.low, tag.range.high)
    if kind == "bool":
        ends = (False, True)
    elif isinstance(tag.plain, StringType):
        ends = ("", (LETTERS * tag.plain.characters)[: tag.plain.characters])
    if not isinstance(tag.type, ArrayType):
        return ends
    low, high = ((end,) * tag.type.count for end in ends if not isinstance(end, tuple))
    return low, high

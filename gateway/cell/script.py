"""A running script: stimulus and watch on one clock, done action by action at scan resolution; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from gateway.cell.agreement import Noted
from gateway.cell.quality import Quality
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import (
    MAX_SAMPLES,
    MAX_TRACE,
    Action,
    Await,
    AwaitAll,
    AwaitHappenings,
    Clear,
    Feed,
    Force,
    Free,
    Inject,
    Isolate,
    Pause,
    Place,
    Reset,
    Run,
    Sample,
    Target,
    Trace,
)
from gateway.twin.discrepancy import Discrepancy
from gateway.twin.workpiece import OUT, Happening, Workpiece


class Station(Protocol):
    """What a script does to its station."""

    def force(self, ref: TagRef, value: Value) -> None: ...
    def free(self, ref: TagRef) -> None: ...
    def inject(self, fault: str, active: bool) -> None: ...
    def feed(self, carrier: str, workpieces: tuple[Workpiece, ...]) -> None: ...
    def feeding(self) -> bool: ...
    def reset(self) -> None: ...
    def isolate(self, on: bool) -> None: ...
    def forced(self) -> Mapping[TagRef, Value]: ...
    def faults(self) -> list[str]: ...


class Script:
    """One ``Run`` of ``operator``, as it goes. Times inside are ns of the gateway's monotonic clock.

    ``differs`` are the discrepancies of twin and machine that last when it begins.
    """

    def __init__(
        self,
        operator: str,
        request: int,
        run: Run,
        now: int,
        utc: int,
        values: Mapping[str, Value],
        differs: Collection[Discrepancy] = (),
    ) -> None:
        self.operator, self.request, self.run = operator, request, run
        self.started, self.utc = now, utc
        self.watched = set(run.watch)  # empty: every tag, also one that was not seen yet
        self.initial = {tag: value for tag, value in values.items() if self._watches(tag)}
        self.marks: list[int] = []
        self.samples: list[Sample] = []
        self.happenings: list[Happening] = []
        self.couplings: list[tuple[int, str, int]] = []
        self.overruns: list[tuple[int, int]] = []
        self.refused: dict[str, str] = {}
        self.missed: dict[str, int] = {}
        self.overwritten: dict[str, Value] = {}
        self.qualities: list[tuple[int, str, Quality]] = []
        self.differs = Noted(now, differs)
        self._entries = 0
        self._bytes = sum(_size(tag, value) for tag, value in self.initial.items())
        self.scans = 0
        self.out = 0  # workpieces that came out of the line here, of those that are counted
        self._counted = frozenset(run.counted)
        self.ended = ""
        self._action_began = now
        self._begun = False
        self._before: Mapping[str, Value] = dict(values)  # at the last scan
        self._missing: list[Target] = []  # of what is awaited
        self._tail_until: int | None = None
        self._forced: dict[TagRef, Value | None] = {}  # what was forced before, to give back at the end
        self._injected: list[str] = []

    def sampled(self, now: int, tag: str, value: Value) -> None:
        """``tag`` changed."""
        if self._watches(tag) and self._has_room(tag, value):
            self.samples.append(Sample(now - self.started, tag, value))

    def judged(self, now: int, changes: Mapping[str, Quality]) -> None:
        """The qualities of these tags changed."""
        for tag, quality in changes.items():
            if self._watches(tag) and self._has_room(tag, quality):
                self.qualities.append((now - self.started, tag, quality))

    def happened(self, happening: Happening) -> None:
        """Something happened to a workpiece."""
        if happening.kind in OUT and (not self._counted or happening.workpiece in self._counted):
            self.out += 1
        at = max(0, happening.time - self.started)
        who = happening.component, happening.workpiece, happening.detail
        if self._has_room(happening.kind, *who):
            self.happenings.append(Happening(at, happening.kind, *who))

    def coupled(self, now: int, neighbour: str, latency: int) -> None:
        """A workpiece passed to ``neighbour``."""
        if self._has_room(neighbour, latency):
            self.couplings.append((now - self.started, neighbour, latency))

    def overrun(self, now: int, late: int) -> None:
        """This scan came ``late`` ns after its time."""
        if self._has_room(late):
            self.overruns.append((now - self.started, late))

    def overwrote(self, found: Mapping[TagRef, Value]) -> None:
        """These forces do not hold, and what is there instead."""
        self.overwritten.update((str(ref), value) for ref, value in found.items())

    def _watches(self, tag: str) -> bool:
        return not self.watched or tag in self.watched

    def _has_room(self, *parts: Value) -> bool:
        """Whether one more entry, of an instant and ``parts``, fits; a trace that is full ends the script, so
        that nothing is missing from what it shows."""
        size = _size(0, *parts)
        if self._entries >= MAX_SAMPLES or self._bytes + size > MAX_TRACE:
            self.ended = self.ended or "full"
            return False
        self._entries += 1
        self._bytes += size
        return True

    def progress(self, now: int, values: Mapping[str, Value], station: Station) -> bool:
        """Do all that can be done at this scan; whether the script did anything to the station."""
        acted = False
        while not self.ended and len(self.marks) < len(self.run.actions):
            action = self.run.actions[len(self.marks)]
            if not self._begun:
                self._begun = True
                self._action_began = now
                acted = self._begin(action, station) or acted
            if not self._is_done(action, now, values, station):
                limit = getattr(action, "limit", None)
                if limit is not None and now - self._action_began >= limit:
                    self.ended = "limit"
                break
            self.marks.append(now - self.started)
            self._begun = False
        self._before = values
        if not self.ended and len(self.marks) == len(self.run.actions):
            if self._tail_until is None:
                self._tail_until = now + self.run.tail
            if now >= self._tail_until:
                self.ended = "done"
        return acted

    @property
    def stage(self) -> tuple[int, bool, str]:
        """Another one after each progress."""
        return len(self.marks), self._begun, self.ended

    @property
    def awaited(self) -> frozenset[str]:
        """The tags whose change may let it make progress now."""
        at = len(self.marks)
        action = self.run.actions[at] if at < len(self.run.actions) else None
        if isinstance(action, Await):
            return frozenset((action.ref.tag,))
        return frozenset(t.ref.tag for t in action.targets) if isinstance(action, AwaitAll) else frozenset()

    def due(self) -> int | None:
        """From when on it may make progress while nothing changes; None: never."""
        if self.ended:
            return 0
        if len(self.marks) == len(self.run.actions):
            return self._tail_until or 0
        action = self.run.actions[len(self.marks)]
        if not self._begun:
            return 0
        spans = (getattr(action, name, None) for name in ("limit", "duration"))
        return min((self._action_began + span for span in spans if span is not None), default=None)

    def _begin(self, action: Action, station: Station) -> bool:
        """Start ``action``; whether that changed the station."""
        match action:
            case Force(ref=ref, value=value):
                self._forced.setdefault(ref, station.forced().get(ref))
                station.force(ref, value)
            case Free(ref=ref):
                station.free(ref)
            case Inject(fault=fault):
                if fault not in station.faults():
                    self._injected.append(fault)
                station.inject(fault, True)
            case Clear(fault=fault):
                station.inject(fault, False)
            case Place(carrier=carrier, workpieces=workpieces) | Feed(carrier=carrier, workpieces=workpieces):
                station.feed(carrier, workpieces)
            case Reset():
                station.reset()
                self._forced.clear()
                self._injected.clear()
            case Isolate(on=on):
                station.isolate(on)
            case AwaitAll(targets=targets):
                self._missing = list(targets)
                return False
            case _:
                return False
        return True

    def _is_done(self, action: Action, now: int, values: Mapping[str, Value], station: Station) -> bool:
        match action:
            case Await(ref=ref, value=value, tolerance=tolerance):
                return holds(ref, value, tolerance, values)
            case AwaitAll():
                self._missing = [each for each in self._missing if not self._became(each, values)]
                return not self._missing
            case AwaitHappenings(kinds=kinds, count=count):
                return sum(1 for each in self.happenings if each.kind in kinds) >= count
            case Pause(duration=duration):
                return now - self._action_began >= duration
            case Place():
                return not station.feeding()
            case _:
                return True

    def _became(self, target: Target, values: Mapping[str, Value]) -> bool:
        """Whether it is so now and was not at the scan before."""
        ref, value, tolerance = target.ref, target.value, target.tolerance
        return holds(ref, value, tolerance, values) and not holds(ref, value, tolerance, self._before)

    def undo(self, station: Station) -> None:
        """Take back what the script forced and injected, last first, unless it is to be kept."""
        if self.run.keep:
            return
        for fault in reversed(self._injected):
            station.inject(fault, False)
        for ref, before in reversed(self._forced.items()):
            if before is None:
                station.free(ref)
            else:
                station.force(ref, before)

    def trace(self, now: int, contents: tuple[Workpiece, ...], lost: Mapping[str, str]) -> Trace:
        """What was seen."""
        return Trace(
            utc=self.utc,
            mono=self.started,
            duration=now - self.started,
            scans=self.scans,
            ended=self.ended,
            initial=self.initial,
            samples=tuple(self.samples),
            marks=tuple(self.marks),
            happenings=tuple(self.happenings),
            couplings=tuple(self.couplings),
            overruns=tuple(self.overruns),
            contents=contents,
            refused=self.refused,
            lost=dict(lost),
            missed=self.missed,
            qualities=tuple(self.qualities),
            differs=self.differs.all(),
            overwritten=self.overwritten,
        )


def _size(*parts: Value) -> int:
    """How many bytes of msgpack an array of ``parts`` has at most."""
    size = 1 if len(parts) < 16 else 5
    for part in parts:
        if isinstance(part, str):
            length = len(part) if part.isascii() else len(part.encode())
            size += length + (1 if length < 32 else 5)
        else:
            size += _size(*part) if isinstance(part, tuple) else 9
    return size


def holds(ref: TagRef, value: Value, tolerance: float, values: Mapping[str, Value]) -> bool:
    """Whether ``ref`` is ``value`` (± ``tolerance`` for numbers) in ``values``."""
    if ref.tag not in values:
        return False
    found = ref.of(values[ref.tag])
    if isinstance(value, bool) or isinstance(found, bool):
        return bool(found) == bool(value)
    if isinstance(found, tuple) and isinstance(value, tuple):
        near = (_near(one, other, tolerance) for one, other in zip(found, value, strict=False))
        return len(found) == len(value) and all(near)
    return _near(found, value, tolerance)


def _near(found: Value, value: Value, tolerance: float) -> bool:
    if isinstance(found, int | float) and isinstance(value, int | float):
        return abs(found - value) <= tolerance
    return found == value

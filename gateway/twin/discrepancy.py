"""Where a machine and its twin part: which signal, from when to when, both values, and the suspect; pure.

Leng 2021, section 4.2.1: the middleware tracks the discrepancies between the physical system and its model.
Both get the same outputs; what their sensors show is compared with a tolerance in value and in time:

- a switch that differs for longer than the time tolerance is a discrepancy from the instant it began to;
- so is one that moved and came back on one side alone, however short that was;
- so is a number that is not near any that the other side showed within the time tolerance.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeGuard

import msgspec

from gateway.field.tags import Tag
from gateway.field.types import Value
from gateway.twin.library import ComponentSpec

TIME = 100_000_000  # ns, where nothing else is said: a valve is that late
SHARE = 0.05  # of the range, where nothing else is said


class Tolerance(NamedTuple):
    """``value`` in the tag's unit (nothing for a BOOL), ``time`` in ns."""

    value: float
    time: int


class Discrepancy(msgspec.Struct, frozen=True):
    """``tag`` was ``twin`` in the twin and ``machine`` on the machine when it was found, from ``begin`` to
    ``end`` (ns; None: still). ``suspect`` is the component that is most likely why."""

    tag: str
    begin: int
    end: int | None
    twin: Value
    machine: Value
    suspect: str


class _Signal:
    """One signal on both sides."""

    __slots__ = ("found", "lately", "mover", "since", "twin")

    def __init__(self) -> None:
        self.twin: Value | None = None
        self.lately: deque[tuple[int, float, float]] = deque()  # (time, twin, machine) of a number
        self.since: int | None = None  # since when they differ
        self.mover = ""  # which side moved away
        self.found: Discrepancy | None = None

    def near(self, now: int, twin: float, machine: float, tolerance: Tolerance) -> bool:
        """Whether each is near what the other showed lately: one may be a little late."""
        self.lately.append((now, twin, machine))
        while self.lately[0][0] < now - tolerance.time:
            self.lately.popleft()
        return any(
            abs(a - machine) <= tolerance.value or abs(twin - b) <= tolerance.value for _, a, b in self.lately
        )


class Comparison:
    """Compares the sensors of one station. ``tolerances`` are by tag; others have the usual ones."""

    def __init__(
        self,
        specs: Mapping[str, ComponentSpec],
        tags: Mapping[str, Tag],
        tolerances: Mapping[str, Tolerance] | None = None,
    ) -> None:
        self._owner = {
            tag: spec.name
            for spec in specs.values()
            for port in spec.family.PORTS
            if port.direction == "sensor" and (tag := spec.ports.get(port.name)) is not None
        }
        self._tolerance = {tag: usual(tags[tag]) for tag in self._owner} | dict(tolerances or {})
        self._signals = {tag: _Signal() for tag in self._owner}
        self._upstream = {name: _reachable(name, specs) for name in specs}

    def look(self, now: int, twin: Mapping[str, Value], machine: Mapping[str, Value]) -> list[Discrepancy]:
        """What both sides show at ``now`` (as far as both do); the discrepancies that begin or end."""
        told: list[Discrepancy] = []
        for tag in self._signals.keys() & twin.keys() & machine.keys():
            told += self._compare(tag, now, twin[tag], machine[tag])
        suspects = {each.tag: self._suspect(each.tag) for each in told}
        named = [msgspec.structs.replace(each, suspect=suspects[each.tag]) for each in told]
        for each in named:
            if each.end is None:
                self._signals[each.tag].found = each
        return sorted(named, key=lambda each: (each.begin, each.tag))

    def present(self) -> list[Discrepancy]:
        """The discrepancies that last, as suspected by what is known now."""
        found = [signal.found for signal in self._signals.values() if signal.found is not None]
        return [msgspec.structs.replace(each, suspect=self._suspect(each.tag)) for each in found]

    def forget(self) -> None:
        """Begin anew: one of the sides was not there for a while."""
        self._signals = {tag: _Signal() for tag in self._signals}

    def _compare(self, tag: str, now: int, twin: Value, machine: Value) -> Iterable[Discrepancy]:
        signal, tolerance = self._signals[tag], self._tolerance[tag]
        moved = "twin" if twin != signal.twin else "machine"
        signal.twin = twin
        if _is_number(twin) and _is_number(machine):
            agree, wait = signal.near(now, twin, machine, tolerance), 0
        else:
            agree, wait = twin == machine, tolerance.time
        if agree:
            since, signal.since = signal.since, None
            found, signal.found = signal.found, None
            if found is not None:
                yield msgspec.structs.replace(found, end=now)
            elif since is not None and isinstance(twin, bool) and moved == signal.mover:
                # It came back by itself, so the other side never followed.
                there = not twin
                both = (there, twin) if moved == "twin" else (machine, there)
                yield Discrepancy(tag, since, now, *both, "")
            return
        if signal.since is None:
            signal.since, signal.mover = now, moved
        if signal.found is None and now - signal.since >= wait:
            signal.found = Discrepancy(tag, signal.since, None, twin, machine, "")
            yield signal.found

    def _suspect(self, tag: str) -> str:
        """The component of ``tag``, or the one that it depends on furthest upstream that differs too."""
        differing = {self._owner[each] for each, signal in self._signals.items() if signal.since is not None}
        mine = self._owner[tag]
        above = [each for each in self._upstream[mine] if each in differing]
        for each in above:
            if not self._upstream[each] & differing:
                return each
        return mine


def usual(tag: Tag) -> Tolerance:
    """The tolerance of a signal of which nothing is said."""
    if tag.type.kind == "bool":
        return Tolerance(0.0, TIME)
    return Tolerance(SHARE * (tag.range.high - tag.range.low), TIME)


def _is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _reachable(name: str, specs: Mapping[str, ComponentSpec]) -> set[str]:
    """What ``name`` depends on: the components it is linked to, and theirs."""
    found: set[str] = set()
    ahead = list(specs[name].links.values())
    while ahead:
        other = ahead.pop()
        if other not in found:
            found.add(other)
            ahead += specs[other].links.values()
    return found - {name}

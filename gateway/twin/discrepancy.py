"""Where a machine and its twin part: which signal, from when to when, both values, and the suspect; pure.

Leng 2021, section 4.2.1: the middleware tracks the discrepancies between the physical system and its model.
Both get the same outputs; what their sensors show is compared with a tolerance in value and in time:

- each edge of a switch on one side is to be followed by the same edge on the other within the time tolerance:
  one that is not is a discrepancy from its own instant, until the other side follows or it comes back;
- so a pulse on one side alone is one, however short; it is told when the tolerance is over;
- so is a number that lies, with its tolerance, outside all that the other side showed within the time
  tolerance, on both sides: one may be a little late, and nobody sees what it passes between two looks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeGuard

import msgspec

from gateway.field.tolerance import Tolerance
from gateway.field.types import Value

if TYPE_CHECKING:
    from gateway.field.tags import Tag
    from gateway.twin.library import ComponentSpec


class Discrepancy(msgspec.Struct, frozen=True):
    """``tag`` was ``twin`` in the twin and ``machine`` on the machine when it was found, from ``begin`` to
    ``end`` (ns; None: still). ``suspect`` is the component that is most likely why, ``doubt`` why it may be
    none all the same."""

    tag: str
    begin: int
    end: int | None
    twin: Value
    machine: Value
    suspect: str
    doubt: str = ""


class Switch:
    """A BOOL on both sides: each edge of one is to be followed by the same edge of the other within ``wait``.

    A pulse on one side alone is told where it is no shorter than ``shortest``.
    """

    __slots__ = ("_edges", "_shown", "found", "shortest", "wait")

    def __init__(self, wait: int, shortest: int) -> None:
        self.wait, self.shortest = wait, shortest
        self.found: Discrepancy | None = None
        self._shown: dict[str, bool] = {"twin": False, "machine": False}
        # Edges of the one side that the other has not followed yet: when, whose, and what it became.
        self._edges: deque[tuple[int, str, bool]] = deque()

    @property
    def differs(self) -> bool:
        """Whether the sides are not as one at present."""
        return bool(self._edges)

    def compare(
        self, tag: str, now: int, twin: Value, machine: Value, slack: int = 0
    ) -> Iterable[Discrepancy]:
        """What begins or ends at ``now``, where both show that; ``slack`` is added to ``wait``."""
        for side, value in (("twin", bool(twin)), ("machine", bool(machine))):
            if value != self._shown[side]:
                self._shown[side] = value
                if self._edges and self._edges[0][1] != side:
                    self._edges.popleft()
                    yield from self._end(now)
                else:
                    self._edges.append((now, side, value))
        while self._edges and now - self._edges[0][0] >= self.wait + slack:
            if len(self._edges) == 1:
                if self.found is None:
                    self.found = _parted(tag, *self._edges[0])
                    yield self.found
                return
            # It came back by itself: what the other side does from now on answers later edges.
            went, (back, _, _) = self._edges.popleft(), self._edges.popleft()
            if self.found is None and back - went[0] >= self.shortest:
                self.found = _parted(tag, *went)
            yield from self._end(back)

    def _end(self, at: int) -> Iterable[Discrepancy]:
        if self.found is not None:
            ended, self.found = msgspec.structs.replace(self.found, end=at), None
            yield ended


def _parted(tag: str, at: int, side: str, value: bool) -> Discrepancy:
    """``side`` became ``value`` at ``at``, alone."""
    twin = value if side == "twin" else not value
    return Discrepancy(tag, at, None, twin, not twin, "")


class Number:
    """A number on both sides: one of them is to be within what the other showed lately."""

    __slots__ = ("_lately", "_since", "_within", "differs", "found", "wait")

    def __init__(self, tolerance: Tolerance) -> None:
        self._within, self.wait = tolerance
        self.found: Discrepancy | None = None
        self.differs = False
        self._lately: deque[tuple[int, float, float]] = deque()  # (time, twin, machine)
        self._since = 0  # when both were seen first: of what came before nothing is known

    def compare(
        self, tag: str, now: int, twin: Value, machine: Value, slack: int = 0
    ) -> Iterable[Discrepancy]:
        """What begins or ends at ``now``, where both show that; ``slack`` is added to ``wait``."""
        self.differs = not self._near(now, twin, machine, slack)
        if self.differs and self.found is None:
            self.found = Discrepancy(tag, now, None, twin, machine, "")
            yield self.found
        elif not self.differs and self.found is not None:
            ended, self.found = msgspec.structs.replace(self.found, end=now), None
            yield ended

    def _near(self, now: int, twin: Value, machine: Value, slack: int) -> bool:
        if not (_is_number(twin) and _is_number(machine)):
            return twin == machine
        if not self._lately:
            self._since = now
        self._lately.append((now, twin, machine))
        while self._lately[0][0] < now - self.wait - slack:
            self._lately.popleft()
        within = self._within
        twins, machines = [each[1] for each in self._lately], [each[2] for each in self._lately]
        if now - self._since < self.wait or min(twins) - within <= machine <= max(twins) + within:
            return True
        return min(machines) - within <= twin <= max(machines) + within


class Comparison:
    """Compares the sensors of one station. A pulse on one side alone counts from ``shortest`` ns on: one that
    is shorter may have come between two looks."""

    def __init__(
        self,
        specs: Mapping[str, ComponentSpec],
        tags: Mapping[str, Tag],
        shortest: int = 0,
    ) -> None:
        self._owner = owners(specs)
        self._tags, self._shortest = tags, shortest
        self._signals = {tag: self._signal(tag) for tag in self._owner}
        self._upstream = {name: _reachable(name, specs) for name in specs}

    def look(
        self, now: int, twin: Mapping[str, Value], machine: Mapping[str, Value], slack: int = 0
    ) -> list[Discrepancy]:
        """What both sides show at ``now`` (as far as both do); the discrepancies that begin or end.

        ``slack``: so much later than usual one may be, since nobody had the time to look.
        """
        told: list[Discrepancy] = []
        for tag in self._signals.keys() & twin.keys() & machine.keys():
            told += self._signals[tag].compare(tag, now, twin[tag], machine[tag], slack)
        return sorted(map(self._named, told), key=lambda each: (each.begin, each.tag))

    def present(self) -> list[Discrepancy]:
        """The discrepancies that last, as suspected by what is known now."""
        found = [signal.found for signal in self._signals.values() if signal.found is not None]
        return [self._named(each) for each in found]

    def forget(self) -> None:
        """Begin anew: one of the sides was not there for a while."""
        self._signals = {tag: self._signal(tag) for tag in self._signals}

    def _signal(self, tag: str) -> Switch | Number:
        tolerance = self._tags[tag].tolerance
        if self._tags[tag].type.kind == "bool":
            return Switch(tolerance.time, self._shortest)
        return Number(tolerance)

    def _named(self, found: Discrepancy) -> Discrepancy:
        return msgspec.structs.replace(found, suspect=self._suspect(found.tag))

    def _suspect(self, tag: str) -> str:
        """The component of ``tag``, or the one that it depends on furthest upstream that differs too."""
        differing = {self._owner[each] for each, signal in self._signals.items() if signal.differs}
        mine = self._owner[tag]
        above = [each for each in self._upstream[mine] if each in differing]
        for each in above:
            if not self._upstream[each] & differing:
                return each
        return mine


def owners(specs: Mapping[str, ComponentSpec]) -> dict[str, str]:
    """By tag of a sensor, the component that it belongs to."""
    return {
        tag: spec.name
        for spec in specs.values()
        for port in spec.family.PORTS
        if port.direction == "sensor" and (tag := spec.ports.get(port.name)) is not None
    }


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

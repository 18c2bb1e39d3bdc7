"""Who runs into whom among a twin's bodies: told at the instant at which it happens; pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.twin.component import Component, Surroundings
from gateway.twin.components.bodies import Body
from gateway.twin.envelope import Envelope, overlap_changes
from gateway.twin.motion import Path

OWNER = "bodies:"  # of its events; no component's name has a colon

Pair = tuple[str, str]


class Collisions:
    """Watches every two bodies of which one can move. Those that overlap from the start belong together."""

    def __init__(self, surroundings: Surroundings, components: Iterable[Component]) -> None:
        self._kernel = surroundings.kernel
        self._kernel.handlers[OWNER] = self._on
        self._bodies = {each.name: each for each in components if isinstance(each, Body)}
        self._pairs: list[Pair] = []
        self._overlapping: set[Pair] = set()
        self._next: dict[Pair, int] = {}  # when each pair begins or ceases to overlap
        self._pending: int | None = None
        self._ways: dict[str, tuple[Path, ...]] = {}

    def begin(self) -> None:
        """All bodies have begun: find out who can meet whom."""
        envelopes = self._look()
        for pair in itertools.combinations(self._bodies, 2):
            one, other = envelopes[pair[0]], envelopes[pair[1]]
            moves = any(envelope.slides or envelope.swing for envelope in (one, other))
            if moves and overlap_changes(one, other, self._kernel.now, False) != self._kernel.now:
                self._pairs.append(pair)
        self._expect(self._pairs, envelopes)

    def check(self) -> None:
        """Something may have happened: see whether a body takes another way now."""
        if not self._pairs:
            return
        before, envelopes = self._ways, self._look()
        changed = {
            name
            for name, ways in self._ways.items()
            if any(new is not old for new, old in zip(ways, before[name], strict=True))
        }
        if changed:
            self._expect([pair for pair in self._pairs if not changed.isdisjoint(pair)], envelopes)

    def _look(self) -> dict[str, Envelope]:
        envelopes = {name: body.envelope() for name, body in self._bodies.items()}
        self._ways = {name: tuple(envelope.paths()) for name, envelope in envelopes.items()}
        return envelopes

    def _expect(self, pairs: Iterable[Pair], envelopes: Mapping[str, Envelope]) -> None:
        for pair in pairs:
            one, other = envelopes[pair[0]], envelopes[pair[1]]
            due = overlap_changes(one, other, self._kernel.now, pair in self._overlapping)
            if due is None:
                self._next.pop(pair, None)
            else:
                self._next[pair] = due
        if self._pending is not None:
            self._kernel.cancel(self._pending)
        self._pending = None
        if self._next:
            pair = min(self._next, key=lambda each: (self._next[each], each))
            self._pending = self._kernel.schedule(self._next[pair], OWNER, "meet", pair)

    def _on(self, kind: str, pair: Any) -> None:
        self._pending = None
        one, other = pair
        if pair in self._overlapping:
            self._overlapping.discard(pair)
        else:
            self._overlapping.add(pair)
            self._bodies[one].tell("collided", "", f"with {other}")
        self._expect([pair], {name: self._bodies[name].envelope() for name in pair})

    def snapshot(self) -> dict[str, Any]:
        """What ``restore`` needs; the kernel keeps the event."""
        return {"overlapping": set(self._overlapping), "next": dict(self._next), "pending": self._pending}

    def restore(self, taken: Mapping[str, Any]) -> None:
        """Return to a ``snapshot``, after all components have."""
        self._overlapping, self._next = set(taken["overlapping"]), dict(taken["next"])
        self._pending = taken["pending"]
        self._look()

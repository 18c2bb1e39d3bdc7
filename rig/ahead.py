"""Scripts begun before their steps: while one station is waited for, the others already do what comes next.

Stations that are cut from their neighbours, each on a plant of its own, know nothing of each other, and each
measures on its own clock: what one does is the same whether it runs alone or beside others.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import NamedTuple

from gateway.net.messages import Trace
from rig.backend import Backend, Begun, RigFault, Script


class Early(NamedTuple):
    """A script that was begun, at UTC and monotonic ns of the rig; its ``traces`` where it was waited for."""

    script: Script
    begun: Begun
    utc: int
    mono: int
    traces: Mapping[str, Trace] | None = None


class Ahead:
    """At most one script a station."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._early: dict[str, Early] = {}

    @property
    def stations(self) -> set[str]:
        """Where one was begun and not yet taken."""
        return set(self._early)

    def begin(self, station: str, script: Script) -> None:
        """Begin ``script`` on ``station``, unless one was begun there already. What cannot be begun is met
        again by its step."""
        if station not in self._early:
            with contextlib.suppress(RigFault):
                begun = self._backend.begin({station: script})
                self._early[station] = Early(script, begun, time.time_ns(), time.monotonic_ns())

    def settle(self) -> None:
        """Wait for all that was begun: what is done next has the machine to itself. What came of one is kept
        for its step; one of which nothing came is done anew there."""
        for station, early in list(self._early.items()):
            if early.traces is None:
                del self._early[station]
                with contextlib.suppress(RigFault):
                    self._early[station] = early._replace(traces=self._backend.finish(early.begun))

    def take(self, station: str, script: Script) -> Early | None:
        """``script`` as it was begun on ``station``; None if it was not. Another one that was is waited for,
        and what came of it is nobody's."""
        early = self._early.pop(station, None)
        if early is None or early.script == script:
            return early
        if early.traces is not None:
            return None
        with contextlib.suppress(RigFault):
            self._backend.finish(early.begun)
        return None

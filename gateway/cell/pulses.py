"""No pulse is lost in silence: what is too short for a scan is held long enough, or counted as missed; pure.

The twin knows the instant of every edge; a controller sees an input at its scans alone. So a level that an
input has taken is shown for its hold time at least. What happens meanwhile waits; of more than one pulse
that waits, all but the first come too late and are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.twin.twin import Edge


class _Shown:
    """An input as it is shown: ``level`` since ``since``, and the edges (at most two) not yet shown."""

    __slots__ = ("edges", "hold", "level", "since")

    def __init__(self, level: bool, hold: int) -> None:
        self.level, self.hold = level, hold
        self.since: int | None = None  # None: for ever
        self.edges: list[int] = []

    def due(self, now: int) -> bool:
        """Whether the next edge may be shown."""
        return bool(self.edges) and (self.since is None or now - self.since >= self.hold)


class Pulses:
    """The BOOL inputs of a twin on their way to the controller.

    ``levels`` are what they show at first, ``holds`` how long a level is shown at least, ns. At each scan:
    ``saw`` what the twin did, ``held`` is what differs from it, ``shown`` when that is what is written.
    """

    def __init__(self, levels: Mapping[str, bool], holds: Mapping[str, int]) -> None:
        self._inputs = {tag: _Shown(level, holds[tag]) for tag, level in levels.items()}
        self._waiting: set[str] = set()  # those with edges
        self._missed: dict[str, int] = {}

    def saw(self, edges: Iterable[Edge]) -> None:
        """The twin's edges since the last call, in order of time."""
        for time, tag, level in edges:
            shown = self._inputs[tag]
            assert level != shown.level ^ bool(len(shown.edges) % 2), f"{tag} is {level} already"
            if shown.edges and shown.edges[-1] == time:
                shown.edges.pop()  # there and back at one instant is nothing
                continue
            shown.edges.append(time)
            self._waiting.add(tag)
            if len(shown.edges) == 3:  # the second level lasted too short a time to come after the first
                shown.edges = [time]
                self._missed[tag] = self._missed.get(tag, 0) + 1

    def held(self, now: int) -> dict[str, bool]:
        """The inputs that are shown otherwise than the twin has them at ``now``."""
        found: dict[str, bool] = {}
        for tag in self._waiting:
            shown = self._inputs[tag]
            if len(shown.edges) - shown.due(now) == 1:
                found[tag] = shown.level ^ shown.due(now)
        return found

    def due(self) -> int | None:
        """From when on an edge that waits may be shown; None: none waits."""
        shown = [self._inputs[tag] for tag in self._waiting]
        return min((0 if each.since is None else each.since + each.hold for each in shown), default=None)

    def shown(self, now: int) -> dict[str, int]:
        """This scan is at ``now`` and is done; gives how many pulses were missed since the last, by tag."""
        for tag in list(self._waiting):
            shown = self._inputs[tag]
            if shown.due(now):
                shown.level, shown.since = not shown.level, now
                del shown.edges[0]
            if not shown.edges:
                self._waiting.discard(tag)
        missed, self._missed = self._missed, {}
        return missed

"""The stroke: a way between two ends, 0 and 1, that a part of a component makes at constant speed; pure."""

from __future__ import annotations

import msgspec

from gateway.twin.component import Component
from gateway.twin.motion import SECOND, Path, ramp, still


class Stroke(msgspec.Struct):
    """Where the part is, as a share of the way, and the event at which it will have come to its goal."""

    path: Path
    pending: int | None = None

    def place(self, now: int) -> float:
        """Where it is, 0 to 1."""
        return round(self.path.at(now), 9)

    @property
    def goal(self) -> float:
        """Where it is going, or is."""
        return self.path.segments[-1].value

    def rests(self, now: int, at: float) -> bool:
        """Whether it is at ``at`` and does not leave it."""
        last = self.path.segments[-1]
        return last.value == at and last.start <= now

    def aim(self, owner: Component, goal: float, took: float, kind: str) -> None:
        """Go to ``goal``, the whole way in ``took`` ns (> 0); ``owner`` has the event ``kind`` there."""
        place = self.place(owner.now)
        owner.cancel(self.pending)
        self.pending = None
        self.path = ramp(owner.now, place, goal, SECOND / took)
        if place != goal:
            self.pending = owner.at(self.path.segments[-1].start, kind)


def at_rest(now: int, place: float = 0.0) -> Stroke:
    """A stroke that begins at ``place``."""
    return Stroke(Path((still(now, place),)))

"""A workpiece: one WIP item, with what was done to it; and what happens to it in a twin; pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.field.types import Scalar


class Pose(msgspec.Struct, frozen=True, array_like=True):
    """How a workpiece lies: ``turn`` in deg about the vertical (0 … 360), ``x``, ``y`` mm off its place.

    ``x`` is along the direction of travel, ``y`` to the left of it.
    """

    turn: float = 0.0
    flipped: bool = False
    x: float = 0.0
    y: float = 0.0

    def turned(self, by: float) -> Pose:
        """Turned by ``by`` deg, counterclockwise seen from above."""
        return msgspec.structs.replace(self, turn=(self.turn + by) % 360.0)

    def turned_over(self) -> Pose:
        """With the other side up."""
        return msgspec.structs.replace(self, flipped=not self.flipped)


class Workpiece(msgspec.Struct, frozen=True, array_like=True):
    """``id`` is unique in the line; ``length`` along the direction of travel, mm; the rest goes with it.

    ``done`` is what was done to it, ``measured`` what was found on it (values in the unit the key ends in
    or the component says), ``parts`` what was assembled into it.
    """

    id: str
    type: str = "part"
    length: float = 100.0
    done: dict[str, Scalar] = {}
    measured: dict[str, Scalar] = {}
    pose: Pose = Pose()
    parts: tuple[Workpiece, ...] = ()

    def with_done(self, **results: Scalar) -> Workpiece:
        """The workpiece after ``results`` were added to what was done to it."""
        return msgspec.structs.replace(self, done={**self.done, **results})

    def with_measured(self, **found: Scalar) -> Workpiece:
        """The workpiece after ``found`` was measured on it."""
        return msgspec.structs.replace(self, measured={**self.measured, **found})

    def with_pose(self, pose: Pose) -> Workpiece:
        """The workpiece lying in ``pose``."""
        return msgspec.structs.replace(self, pose=pose)

    def with_part(self, part: Workpiece) -> Workpiece:
        """The workpiece after ``part`` was assembled into it."""
        return msgspec.structs.replace(self, parts=(*self.parts, part))


# entered: into the station; left: over to the neighbour; finished: out of the line's last station, good;
# rejected: taken out as bad; worked: something was done to it; offered: it stands at the outlet;
# collided: it hit what it should not have hit; dropped: it fell off or was taken off on its way, and is
# gone; joined: it became part of another, which the detail names.
Kind = Literal[
    "entered", "offered", "left", "finished", "rejected", "worked", "collided", "dropped", "joined"
]
# After these no station has it any more.
GONE: tuple[Kind, ...] = ("rejected", "dropped", "joined")
# After these it is out of the line.
OUT: tuple[Kind, ...] = ("finished", "rejected", "dropped")


class Happening(msgspec.Struct, frozen=True, array_like=True):
    """``kind`` happened to ``workpiece`` at ``component`` at ``time`` ns of the twin's clock."""

    time: int
    kind: Kind
    component: str
    workpiece: str
    detail: str = ""

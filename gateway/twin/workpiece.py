"""A workpiece: one WIP item, with what was done to it; and what happens to it in a twin; pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.field.types import Scalar


class Workpiece(msgspec.Struct, frozen=True, array_like=True):
    """``id`` is unique in the line; ``length`` along the direction of travel, mm; ``done`` goes with it."""

    id: str
    type: str = "part"
    length: float = 100.0
    done: dict[str, Scalar] = {}

    def with_done(self, **results: Scalar) -> Workpiece:
        """The workpiece after ``results`` were added to what was done to it."""
        return msgspec.structs.replace(self, done={**self.done, **results})


# entered: into the station; left: over to the neighbour; finished: out of the line's last station, good;
# rejected: taken out as bad; worked: something was done to it; offered: it stands at the outlet;
# collided: it hit what it should not have hit.
Kind = Literal["entered", "offered", "left", "finished", "rejected", "worked", "collided"]


class Happening(msgspec.Struct, frozen=True, array_like=True):
    """``kind`` happened to ``workpiece`` at ``component`` at ``time`` ns of the twin's clock."""

    time: int
    kind: Kind
    component: str
    workpiece: str
    detail: str = ""

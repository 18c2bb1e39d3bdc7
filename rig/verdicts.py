"""How a step ends that does not pass: the station is at fault, the rig is, or it is not tested."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.station import Station
from rig.backend import RigFault


class Failed(AssertionError):
    """The station is at fault; ``tags`` are the ones to look at."""

    def __init__(self, message: str, *tags: str) -> None:
        self.tags = tags
        super().__init__(message)


class Unproven(RigFault):
    """A procedure came to its end and measured nothing."""


class NotHere(Exception):
    """What a procedure asks for is not done in the station's mode, and why: its step is SKIPPED."""


class Disturbed(RigFault):
    """A scan overrun spoiled what was measured."""


class ControllerGone(Failed):
    """The station's controller, or another of its devices, went away: the station's fault.

    ``lost`` are the devices by name, with why; none given: the controller.
    """

    def __init__(self, station: Station, lost: Mapping[str, str]) -> None:
        self.station = station.id
        others = {name: why for name, why in lost.items() if station.reached[name].role != "controller"}
        why = "; ".join(reason for name, reason in lost.items() if name not in others)
        what = "the controller closed the connection or fell silent" + (f" ({why})" if why else "")
        if others and len(others) == len(lost):
            what = "; ".join(f"device {name} is lost: {why}" for name, why in others.items())
        super().__init__(f"{station.id}: {what}", station.id, *others)

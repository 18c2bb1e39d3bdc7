"""Identification and distance: code readers that turn a workpiece's id into a number; pure."""

from __future__ import annotations

import re
import zlib
from typing import Any

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Component, Fault, Link, Param, Port
from gateway.twin.components.process import AT, ON, SUPPLIES, Process

CODES = 32_767  # as many as an INT holds


def code_of(workpiece: str) -> int:
    """The number on a workpiece's label, 1 to ``CODES``: what its id ends in, else one made of it all."""
    digits = re.search(r"\d+$", workpiece)
    return ((int(digits[0]) - 1) if digits else zlib.crc32(workpiece.encode())) % CODES + 1


class CodeReader(Process):
    """Triggered, it reads the label of what it looks at after ``time``: a number, or 0 and not read."""

    ABOUT = "code reader"
    PARAMS = (AT, Param("time", "ms", 1, 60_000, 60, "from trigger to result", drawn=True))
    PORTS = (
        Port("trigger", "actuator", about="rising: read"),
        Port("done", "sensor", about="there is a result, until the trigger goes off"),
        Port("read", "sensor", about="a label was read", sees=True),
        Port(
            "code",
            "sensor",
            "int",
            about="last read, 0 for none",
            optional=True,
            low=0,
            high=CODES,
            sees=True,
        ),
    )
    LINKS = (ON, *SUPPLIES)
    FAULTS = (
        Fault("no-read", "labels are not read"),
        Fault("dead", "it does not answer"),
    )
    STATE = ("triggered", "done", "read", "code", "pending")

    def start(self) -> None:
        self.triggered = self.done = self.read = False
        self.code = 0
        self.pending: int | None = None
        self.begin()

    def drive(self, port: str, value: Scalar) -> None:
        rising, self.triggered = bool(value) and not self.triggered, bool(value)
        if not self.triggered:
            self.done = self.read = False
            self.cancel(self.pending)
            self.pending = None
        elif rising and self.supplied and "dead" not in self.faults:
            self.pending = self.after(self.lasts("time"), "read")

    def changed(self) -> None:
        if not self.supplied or "dead" in self.faults:
            self.cancel(self.pending)
            self.pending = None

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        seen = self._carrier.covering(self.params["at"])
        self.done, self.read = True, seen is not None and "no-read" not in self.faults
        self.code = code_of(seen.id) if seen is not None and self.read else 0

    def sense(self, port: str) -> Scalar:
        return {"done": self.done, "read": self.read, "code": self.code}[port]


class DistanceSensor(Component):
    """Shows how far away the nearest thing before it is: a workpiece that covers its place, or the floor."""

    ABOUT = "distance sensor"
    PARAMS = (
        AT,
        Param("near", "mm", 0, 100_000, 50, "to a workpiece"),
        Param("far", "mm", 0, 100_000, 300, "to the floor"),
    )
    PORTS = (Port("distance", "sensor", "real", "mm", sees=True),)
    LINKS = (Link("on", Carrier),)
    FAULTS = (Fault("dirty", "the lens is dirty: it shows the floor"),)

    STATE = ("there",)

    def start(self) -> None:
        self.there = False
        self._carrier = self.link("on", Carrier)
        self._carrier.watch(self.params["at"], self._look)

    def sense(self, port: str) -> Scalar:
        return self.params["near" if self.there and "dirty" not in self.faults else "far"]

    def _look(self) -> None:
        self.there = self._carrier.covering(self.params["at"]) is not None

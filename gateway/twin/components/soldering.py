"""Soldering: a wire fed onto a held workpiece melts if the iron is hot enough; pure."""

from __future__ import annotations

from gateway.field.types import Scalar
from gateway.twin.component import Fault, Link, Param, Port, Word
from gateway.twin.components.heat import HeatZone
from gateway.twin.components.process import AT, ON, SUPPLIES, Process
from gateway.twin.motion import SECOND, Segment, above


class WireFeeder(Process):
    """Fed, the wire comes at ``speed``; what comes while the iron is at ``melts`` or more is solder.

    It leaves ``<result>_wire`` (mm molten) and ``<result>_cold`` (mm that came too cold) on the workpiece.
    """

    ABOUT = "solder wire feeder"
    PARAMS = (
        AT,
        Param("speed", "mm/s", 0.1, 1_000, 10, "of the wire"),
        Param("melts", "Cel", 0, 1_000, 217, "temperature of the iron from which on the wire melts"),
    )
    WORDS = (Word("result", "solder", "what it leaves: <result>_wire and <result>_cold"),)
    PORTS = (
        Port("feed", "actuator"),
        Port("wire", "sensor", about="there is wire", optional=True),
        Port("feeding", "sensor", about="the wire moves (encoder)", optional=True),
    )
    LINKS = (ON, *SUPPLIES, Link("iron", HeatZone))
    FAULTS = (
        Fault("empty", "the spool has run out"),
        Fault("jam", "the wire does not move though it is fed"),
    )
    STATE = ("fed", "moves", "zone", "since", "part", "molten", "cold")

    def start(self) -> None:
        self.fed = False
        self.moves = False
        self.since = self.now  # up to when the wire is counted
        self.part = ""
        self.molten, self.cold = 0.0, 0.0
        self.begin()
        iron = self.link("iron", HeatZone)
        iron.subscribe(self.changed)
        self.zone: Segment = iron.zone

    def drive(self, port: str, value: Scalar) -> None:
        self.fed = bool(value)
        self.changed()

    def sense(self, port: str) -> Scalar:
        return "empty" not in self.faults if port == "wire" else self.moves

    def changed(self) -> None:
        """Count the wire so far, then go on anew; when the feed ends, so does the joint."""
        if self.moves and self.part:
            begin, end = above(self.zone, self.params["melts"], self.since, self.now)
            molten = (end - begin) / SECOND * self.params["speed"]
            self.molten += molten
            self.cold += (self.now - self.since) / SECOND * self.params["speed"] - molten
        self.since, self.zone = self.now, self.link("iron", HeatZone).zone
        self.moves = self.fed and self.supplied and not self.faults
        part = self.below_id() if self.moves else ""
        if part != self.part:
            self._finish()
            self.part, self.molten, self.cold = part, 0.0, 0.0

    def _finish(self) -> None:
        worked = self.standing(self.part) if self.molten or self.cold else None
        if worked is None:
            return
        result = self.words["result"]
        found = {
            key: round(float(worked.done.get(key, 0.0)) + wire, 2)
            for key, wire in ((f"{result}_wire", self.molten), (f"{result}_cold", self.cold))
        }
        self.leave(self.part, f"wire={self.molten:.2f}mm", **found)

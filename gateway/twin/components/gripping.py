"""The pick-and-place unit: a gripper on a slide between two carriers; pure."""

from __future__ import annotations

from typing import Any

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Fault, Link, Param, Port, slow
from gateway.twin.components.hand import Hand
from gateway.twin.components.pneumatics import AirSupply
from gateway.twin.components.stroke import Stroke, at_rest
from gateway.twin.motion import MILLISECOND
from gateway.twin.workpiece import Workpiece


class PickAndPlace(Hand):
    """Lowered over either carrier it takes what stands there when it grips, and puts it down when it opens.

    With one coil for a motion, that is on for one end; where the other coil is driven too, the slide goes by
    whichever is on and stands while none or both are, and the grip keeps its last position. Opened anywhere
    else, or without air where nothing else ``keeps`` the grip, the workpiece drops. Lowered
    with a workpiece onto a place that is taken, or moved along while it is down, it hits something. With
    ``joins``, what is put down becomes part of the workpiece that is held there.
    """

    ABOUT = "pick-and-place unit"
    PARAMS = (
        Param("slide", "ms", 1, 60_000, 500, "time from the one carrier to the other"),
        Param("lower", "ms", 1, 60_000, 300, "time down, and up"),
        Param("close", "ms", 1, 60_000, 100, "time to grip: jaws close, or the vacuum builds up"),
        Param("from-at", "mm", 0, 100_000, 0, "where it takes"),
        Param("onto-at", "mm", 0, 100_000, 0, "where it puts"),
        Param("turn", "deg", -360, 360, 0, "of the workpiece on the way, counterclockwise"),
        Param("keeps", "1", 0, 1, 1, "1: a spring keeps the grip without air; 0: vacuum"),
        Param("joins", "1", 0, 1, 0, "1: what it puts down becomes part of what is there"),
    )
    PORTS = (
        Port("extend", "actuator", about="slide to where it puts"),
        Port("retract", "actuator", about="without it, it slides back while extend is off", optional=True),
        Port("lower", "actuator"),
        Port("grip", "actuator", about="jaws close, or vacuum on"),
        Port("open", "actuator", about="without it, it opens while grip is off", optional=True),
        Port("extended", "sensor", about="end switch", optional=True),
        Port("retracted", "sensor", about="end switch", optional=True),
        Port("lowered", "sensor", about="end switch", optional=True),
        Port("raised", "sensor", about="end switch", optional=True),
        Port("gripped", "sensor", about="it has a workpiece", optional=True, sees=True),
    )
    LINKS = (
        Link("from", Carrier),
        Link("onto", Carrier),
        Link("air", AirSupply, optional=True),
    )
    FAULTS = (
        Fault("slide-stuck", "the slide keeps its place"),
        Fault("lower-stuck", "the vertical stroke keeps its place"),
        slow("slide and stroke take"),
        Fault("weak", "the grip takes hold of nothing"),
        *(fault for fault in Carrier.FAULTS if fault.name == "dropped"),
    )
    STATE = (*Carrier.STATE, "item", "wanted", "gripping", "slide", "stroke", "jaws", "side")

    def start(self) -> None:
        super().start()
        self.item: Workpiece | None = None
        self.wanted = {"extend": False, "lower": False, "grip": False}  # and the other coils, once driven
        self.gripping = False
        self.slide: Stroke = at_rest(self.now)  # 0: over where it takes, 1: over where it puts
        self.stroke: Stroke = at_rest(self.now)  # 0: raised, 1: lowered
        self.jaws: Stroke = at_rest(self.now)  # 0: open, 1: closed
        self.side = 0.0  # the end at which the slide was last
        self._from, self._onto = self.link("from", Carrier), self.link("onto", Carrier)
        if "air" in self.links:
            self.link("air", AirSupply).feeds(self._aim)

    def drive(self, port: str, value: Scalar) -> None:
        self.wanted[port] = bool(value)
        grip, opens = self.wanted["grip"], self.wanted.get("open")
        if opens is None or grip != opens:
            self.gripping = grip
        self._aim()

    def fault_changed(self, fault: str, active: bool) -> None:
        super().fault_changed(fault, active)
        self._aim()

    def on(self, kind: str, argument: Any) -> None:
        if kind == "slid":
            self.slide.pending = None
            self._slid()
        elif kind == "lowered":
            self.stroke.pending = None
            if self.stroke.rests(self.now, 1.0):
                self._meet()
        elif kind == "gripped":
            self.jaws.pending = None
            if self.jaws.rests(self.now, 1.0):
                self._take()

    def sense(self, port: str) -> Scalar:
        if port == "gripped":
            return self.item is not None
        stroke = self.slide if port in ("extended", "retracted") else self.stroke
        return stroke.rests(self.now, float(port in ("extended", "lowered")))

    def held(self, at: float) -> Workpiece | None:
        return self.item

    # --- the three motions -------------------------------------------------------------------------------

    def _powered(self) -> bool:
        return "air" not in self.links or self.link("air", AirSupply).strong

    def _aim(self) -> None:
        """Start each motion towards where it must go now; without air all stands, but a vacuum is gone."""
        factor = self.slowness * MILLISECOND
        powered = self._powered()
        slide, lower = float(self.wanted["extend"]), float(self.wanted["lower"])
        centred = self.wanted.get("retract") == self.wanted["extend"]
        if not powered or centred or "slide-stuck" in self.faults:
            slide = self.slide.place(self.now)
        if not powered or "lower-stuck" in self.faults:
            lower = self.stroke.place(self.now)
        if slide != self.slide.goal:
            self._hits_sideways()
        self.slide.aim(self, slide, self.params["slide"] * factor, "slid")
        self.stroke.aim(self, lower, self.params["lower"] * factor, "lowered")
        self._aim_jaws(powered)

    def _aim_jaws(self, powered: bool) -> None:
        """They open at once, and so let go; they close in their time."""
        keeps = self.params["keeps"] and self.jaws.rests(self.now, 1.0) and not powered
        closes = keeps or (self.gripping and powered)
        if closes:
            self.jaws.aim(self, 1.0, self.params["close"] * MILLISECOND, "gripped")
        elif self.jaws.goal:
            self.cancel(self.jaws.pending)
            self.jaws = at_rest(self.now)
            self._put()

    def _below(self) -> tuple[Carrier, float] | None:
        """The carrier that it is down on, and the place there."""
        if self.stroke.rests(self.now, 1.0):
            if self.slide.rests(self.now, 0.0):
                return self._from, self.params["from-at"]
            if self.slide.rests(self.now, 1.0):
                return self._onto, self.params["onto-at"]
        return None

    def _slid(self) -> None:
        end = self.slide.goal
        if end not in (0.0, 1.0) or end == self.side:
            return
        self.side = end
        if self.item is not None:
            angle = self.params["turn"] * (1 if end else -1)
            self.item = self.item.with_pose(self.item.pose.turned(angle))

    def _hits_sideways(self) -> None:
        """The slide sets out: what is under the lowered gripper is hit."""
        below = self._below()
        if below is not None:
            struck = self.item or below[0].covering(below[1])
            if struck is not None:
                self.tell("collided", struck.id, "moved along while it was down")

    def _meet(self) -> None:
        """It has come down: a workpiece in the gripper and one on the place meet."""
        below = self._below()
        if self.item is None or below is None or self._joins(below[0]):
            return
        there = below[0].covering(below[1])
        if there is not None:
            self.tell("collided", self.item.id, f"put down onto {there.id}")

    def _joins(self, carrier: Carrier) -> bool:
        return bool(self.params["joins"]) and carrier is self._onto

    def _take(self) -> None:
        below = self._below()
        found = None if below is None or "weak" in self.faults else below[0].covering(below[1])
        if self.item is None and below is not None and found is not None:
            self.item = below[0].remove(found.id)
            self.changed()

    def _put(self) -> None:
        item, below = self.item, self._below()
        if item is None:
            return
        other = below[0].held(below[1]) if below is not None else None
        if below is not None and self._joins(below[0]) and other is not None:
            self.item = None
            below[0].replace(other.with_part(item))
            self.tell("joined", item.id, other.id)
            self.tell("worked", other.id, f"part={item.type}")
            self.changed()
        elif below is not None and not self._joins(below[0]) and below[0].admits(item, below[1]):
            self.item = None
            below[0].admit(item, below[1])
            self.changed()
        else:
            self.drop(item.id)

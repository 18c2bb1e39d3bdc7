"""Heat: a zone that a heater warms and a fan cools, and what it does to the workpiece in it; pure.

First order (Newton's law of cooling): the zone goes to its surroundings plus the heater's share of ``rise``
with the time constant ``tau``; a fan makes it lose heat ``cooling`` times as fast. A workpiece follows the
zone with a time constant of its own, in closed form as long as heater and fan stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Component, Fault, Link, Param, Port, Word
from gateway.twin.components.electrics import Power
from gateway.twin.motion import SECOND, Exponential, Path, above


def parts(zone: Exponential, value: float, tau: float) -> tuple[float, float, float]:
    """(forced, free, tau) of what was at ``value`` when ``zone`` began and follows it with ``tau`` ns.

    It is at target + forced exp(-t / zone's tau) + free exp(-t / tau). Equal time constants are taken a
    millionth apart, which is as near to their limit as anything here is measured.
    """
    if abs(tau - zone.tau) < 1e-6 * tau:
        tau *= 1 + 1e-6
    forced = (zone.value - zone.target) * zone.tau / (zone.tau - tau)
    return forced, value - zone.target - forced, tau


def follows(zone: Exponential, value: float, tau: float, now: int) -> float:
    """Where what was at ``value`` when ``zone`` began and follows it with ``tau`` ns is at ``now``."""
    forced, free, tau = parts(zone, value, tau)
    t = now - zone.start
    return zone.target + forced * math.exp(-t / zone.tau) + free * math.exp(-t / tau)


def hottest(zone: Exponential, value: float, tau: float, now: int) -> float:
    """The most that what follows ``zone`` as in ``follows`` had up to ``now``: perhaps where they met."""
    ends = [value, follows(zone, value, tau, now)]
    forced, free, tau = parts(zone, value, tau)
    own = zone.value - zone.target - forced
    if own and free / own > 0:
        t = math.log(free / own) / (1 / tau - 1 / zone.tau)
        if 0 < t < now - zone.start:
            ends.append(follows(zone, value, tau, zone.start + round(t)))
    return max(ends)


class HeatZone(Component):
    """A heated plate, iron, oven or cooling zone, with a limiter that cuts the heater off until it is reset.

    ``heat`` switches the heater, ``power`` sets its share (100 % until it is driven). The workpiece held in
    it gets ``<result>`` (s that the zone was at ``soak`` or more) and ``<result>_peak`` (Cel), counted when
    ``time`` is reached and at each later change.
    """

    ABOUT = "heat zone"
    PARAMS = (
        Param("at", "mm", 0, 100_000, 0, "where on the carrier"),
        Param("ambient", "Cel", -50, 100, 22),
        Param("rise", "Cel", 1, 3_000, 300, "above ambient, at full power in the end"),
        Param("tau", "s", 0.1, 100_000, 60, "time constant"),
        Param("cooling", "1", 1, 100, 4, "how many times as fast it loses heat with the fan on"),
        Param("limit", "Cel", 0, 3_000, 280, "at which the limiter cuts the heater off"),
        Param("soak", "Cel", 0, 3_000, 100, "what counts as heated"),
        Param("time", "s", 0.001, 100_000, 10, "at soak that a workpiece needs"),
        Param("lag", "s", 0.01, 100_000, 20, "time constant of a workpiece in it"),
    )
    WORDS = (Word("result", "heated", "what it leaves"),)
    PORTS = (
        Port("heat", "actuator"),
        Port("power", "actuator", "real", "%", "share of the heater", optional=True, low=0, high=100),
        Port("cool", "actuator", about="fan", optional=True),
        Port("reset", "actuator", about="of the limiter", optional=True),
        Port("temperature", "sensor", "real", "Cel"),
        Port("ok", "sensor", about="the limiter has not cut off", optional=True),
        Port("heating", "sensor", about="the heater draws current", optional=True),
    )
    LINKS = (Link("on", Carrier, optional=True), Link("power", Power, optional=True))
    FAULTS = (
        Fault("heater-broken", "the heater gives nothing"),
        Fault("heater-stuck", "the heater's relay sticks: it heats until the limiter cuts it off"),
        Fault("fan-failed", "the fan does not run"),
    )
    STATE = (
        "inputs",
        "share",
        "zone",
        "tripped",
        "inside",
        "warmth",
        "soaked",
        "peak",
        "limiting",
        "soaking",
    )

    def start(self) -> None:
        self.inputs = {"heat": False, "cool": False}
        self.share = 1.0
        self.zone = self._towards(self.params["ambient"])
        self.tripped = False
        self.inside = ""  # the workpiece in it
        self.warmth, self.soaked, self.peak = 0.0, 0.0, 0.0  # of that workpiece, when the zone's curve began
        self.limiting: int | None = None
        self.soaking: int | None = None
        self._told: list[Callable[[], None]] = []
        if "on" in self.links:
            self.link("on", Carrier).subscribe(self._replan)
        if "power" in self.links:
            self.link("power", Power).feeds(self._replan)

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when ``zone`` has changed."""
        self._told.append(callback)

    def drive(self, port: str, value: Scalar) -> None:
        if port == "power":
            share = min(max(float(value) / 100, 0.0), 1.0)
            if share == self.share:
                return
            self.share = share
        elif port == "reset":
            if not value:
                return
            self.tripped = self.zone.at(self.now) >= self.params["limit"]
        else:
            self.inputs[port] = bool(value)
        self._replan()

    def fault_changed(self, fault: str, active: bool) -> None:
        self._replan()

    def on(self, kind: str, argument: Any) -> None:
        if kind == "limit":
            self.limiting = None
            self.tripped = True
        else:
            self.soaking = None
        self._replan()
        if kind == "soaked":
            self.tell("worked", self.inside, f"{self.words['result']}={self.soaked:.1f}s")

    def sense(self, port: str) -> Scalar:
        if port == "temperature":
            return self.zone.at(self.now)
        return not self.tripped if port == "ok" else self._heats()

    def curve(self, port: str) -> Path | None:
        return Path((self.zone,))

    def _heats(self) -> bool:
        wanted = self.inputs["heat"] or "heater-stuck" in self.faults
        fed = "power" not in self.links or self.link("power", Power).live
        return wanted and fed and not self.tripped and "heater-broken" not in self.faults

    def _towards(self, here: float) -> Exponential:
        cooled = self.inputs["cool"] and "fan-failed" not in self.faults
        loss = self.params["cooling"] if cooled else 1.0
        rise = self.params["rise"] * self.share / loss if self._heats() else 0.0
        tau = self.params["tau"] * SECOND / loss
        return Exponential(self.now, here, self.params["ambient"] + rise, tau)

    def _replan(self) -> None:
        """Heater, fan, limiter or workpiece changed: the zone and the workpiece go on from where they are."""
        self._count()
        self.zone = self._towards(self.zone.at(self.now))
        self.cancel(self.limiting)
        due = None if self.tripped else self.zone.reaches(self.params["limit"], self.now)
        rising = self.zone.target > self.zone.value
        self.limiting = self.at(due, "limit") if due is not None and rising else None
        self.cancel(self.soaking)
        due = self._soaked_at()
        self.soaking = None if due is None else self.at(due, "soaked")
        for callback in self._told:
            callback()

    def _soaked_at(self) -> int | None:
        """When the workpiece will have had its time, if heater and fan stay as they are."""
        left = self.params["time"] - self.soaked
        if not self.inside or left <= 1e-9:
            return None
        hot = self.zone.value >= self.params["soak"]
        begin = self.now if hot else self.zone.reaches(self.params["soak"], self.now)
        if begin is None:
            return None
        due = begin + math.ceil(left * SECOND)
        return due if self.zone.at(due) >= self.params["soak"] else None

    def _count(self) -> None:
        """What the curve up to now has done to the workpiece; then take up the one that is there now."""
        if "on" not in self.links:
            return
        carrier = self.link("on", Carrier)
        if self.inside:
            since, until = above(self.zone, self.params["soak"], self.zone.start, self.now)
            self.soaked += (until - since) / SECOND
            lag = self.params["lag"] * SECOND
            self.peak = max(self.peak, hottest(self.zone, self.warmth, lag, self.now))
            self.warmth = follows(self.zone, self.warmth, lag, self.now)
            self._note(carrier)
        held = carrier.held(self.params["at"])
        inside = "" if held is None else held.id
        if inside != self.inside:
            self.inside, self.soaked = inside, 0.0
            self.warmth = self.peak = self.params["ambient"]

    def _note(self, carrier: Carrier) -> None:
        for each in carrier.contents():
            if each.id == self.inside and self.soaked:
                result = self.words["result"]
                found = {result: round(self.soaked, 2), f"{result}_peak": round(self.peak, 1)}
                carrier.replace(each.with_done(**found))

"""The step that runs: limits declared, values measured against them, and what they amount to.

A step ends in PASS, FAIL (the station is at fault), ERROR (the rig is) or SKIPPED (said why). A limit is
declared before its value is taken. A scan overrun inside a measurement that would not pass makes the step
ERROR, never FAIL: it is tried again, a few times, before that stands.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from gateway.field.tags import read_ref
from gateway.scenario import show
from gateway.station import Station
from gateway.writes import RATE
from rig.record import Measurement, Step, Verdict
from rig.session import Session
from rig.verdicts import Disturbed, Failed, Unproven

ATTEMPTS = 3
OVERRUN = "a scan overrun"  # in why a step is ERROR


class StepContext:
    """The step that runs: its limits, measurements and tags. Procedures get it as ``step``."""

    def __init__(self, session: Session, id: str, phase: str, title: str, station: str) -> None:
        self.session, self.id, self.phase, self.title, self.station = session, id, phase, title, station
        self.started = time.time_ns()
        self._began = time.monotonic_ns()
        self.attempts = 1
        self.again()

    def again(self) -> None:
        """Forget what an earlier attempt measured."""
        self.tags: list[str] = []
        self.measurements: list[Measurement] = []
        self.problems: list[str] = []
        self.disturbed = 0
        self.session.missed.clear()
        self.session.overwritten.clear()
        self.session.early = None

    def about(self, *tags: str) -> None:
        """The step speaks of these tags."""
        self.tags += [tag for tag in tags if tag not in self.tags]

    def measure(
        self,
        name: str,
        value: float | str,
        unit: str = "1",
        low: float | None = None,
        high: float | None = None,
        uncertainty: float = 0.0,
        note: str = "",
    ) -> bool:
        """Hold ``value`` against its limits; False where it is outside, and the step will not pass."""
        inside = isinstance(value, str) or ((low is None or value >= low) and (high is None or value <= high))
        if not isinstance(value, str) and uncertainty:
            sure = low is None or value - uncertainty >= low
            if not (inside and sure):
                self.disturbed += 1
        verdict: Verdict = "PASS" if inside else "FAIL"
        self.measurements.append(Measurement(name, value, unit, low, high, verdict, uncertainty, note))
        if not inside:
            shown = "" if unit == "1" else f" {unit}"
            self.problems.append(f"{name}: {_number(value)}{shown}, limit {_limits(low, high)}{shown}")
        return inside

    def measure_time(
        self, name: str, took: int, low: int | None = None, high: int | None = None, late: int = 0
    ) -> bool:
        """``measure`` for a duration in ns, shown in ms."""

        def milliseconds(ns: int | None) -> float | None:
            return None if ns is None else round(ns / 1e6, 3)

        return self.measure(
            name, round(took / 1e6, 3), "ms", milliseconds(low), milliseconds(high), late / 1e6
        )

    def fail(self, message: str, *tags: str, late: int = 0) -> None:
        """The station is at fault; the step goes on to collect more.

        Where scans were ``late`` (ns, in sum) while that was watched, it may be their doing.
        """
        self.disturbed += bool(late)
        self.problems.append(message)
        self.about(*tags)

    def close(self) -> None:
        """At the end of an attempt: raise what its measurements amount to."""
        for (station, ref), found in self.session.overwritten.items():
            what = f"{station}: {ref} was forced and did not hold: overwritten with {show(found)}"
            self.fail(f"{what}; find out who writes it", read_ref(ref).tag)
        if self.disturbed:
            raise Disturbed(f"{OVERRUN} inside a measurement")
        if self.problems:
            raise Failed("; ".join(self.problems), *self.tags)
        if not self.measurements:
            raise Unproven("it measured nothing, so it proves nothing; use step.measure, or skip and say why")

    def _stations(self) -> Iterable[str]:
        """Those that the step is about."""
        stations = self.session.stations
        return [self.station] if self.station in stations else stations

    def ended(self, verdict: Verdict, message: str = "", tags: Iterable[str] = ()) -> Step:
        """The step as it goes into the record. What was found wrong before something else ended it stays."""
        self.about(*tags)
        before = [problem for problem in self.problems if problem not in message]
        if before:
            message = "; before that: ".join(filter(None, (message, "; ".join(before))))
            verdict = "FAIL" if verdict in ("PASS", "SKIPPED") else verdict
        if verdict == "FAIL" or OVERRUN in message:
            held = [why for name in self._stations() if (why := restraints(self.session.stations[name].spec))]
            message = "; ".join(filter(None, (message, *held)))
        early = self.session.early
        for tag, count in self.session.missed.items():
            self.measure(f"{tag}: pulses missed", count, note="too close together to be shown")
        return Step(
            id=self.id,
            phase=self.phase,
            title=self.title,
            verdict=verdict,
            started=self.started if early is None else early.utc,
            duration=time.monotonic_ns() - (self._began if early is None else early.mono),
            station=self.station,
            tags=tuple(self.tags),
            message=message,
            measurements=tuple(self.measurements),
            attempts=self.attempts,
        )


def restraints(station: Station) -> str:
    """What the station file keeps from its controller, for which a step may not pass; empty: nothing."""
    writes, said = station.writes, []
    if cut := sorted({tag for tags in writes.cut_off(station.twin.values()).values() for tag in tags}):
        said.append(
            f"only leaves out {', '.join(cut)}, so the controller does not see what the twin shows there"
        )
    if writes.rate < RATE:
        said.append(f"rate lets {writes.rate} tags a second through, and what waits for it comes late")
    return f"{station.id}, writes: {'; '.join(said)}" if said else ""


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _limits(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}" if high is not None else "any"
    return f"at least {low:g}" if high is None else f"{low:g}..{high:g}"

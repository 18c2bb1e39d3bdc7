"""What gateways tell of discrepancies, kept by station, and whether they were heard throughout; pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.field.tags import Tag, read_ref
from gateway.net.reports import State
from gateway.twin.discrepancy import Discrepancy
from gateway.units import format_duration

SILENCE = 2_500_000_000  # ns; a gateway that says nothing for so long is gone
MAX_KEPT = 10_000  # of a station; more would say no more


class Differences:
    """Of a line's stations. ``gaps`` say why what was heard of a station may not be all."""

    def __init__(self) -> None:
        self.gaps: dict[str, str] = {}
        self._found: dict[str, dict[tuple[str, int], Discrepancy]] = {}
        self._boots: dict[str, str] = {}

    def add(self, station: str, found: Discrepancy) -> bool:
        """One has begun or ended, or lasts; whether that is new."""
        known = self._found.setdefault(station, {})
        key = (found.tag, found.begin)
        if key in known and (found.end is None or known[key].end is not None):
            return False
        if key not in known and len(known) >= MAX_KEPT:
            self._gap(station, f"there were more than {MAX_KEPT} discrepancies")
            return False
        known[key] = found
        return True

    def of(self, station: str) -> list[Discrepancy]:
        """All of them, in the order in which they began."""
        return sorted(self._found.get(station, {}).values(), key=lambda each: (each.begin, each.tag))

    def hear(self, station: str, state: State, after: int) -> None:
        """Its heartbeat came, ``after`` ns without one."""
        self.silent(station, after)
        if not state.online:
            self._gap(station, "it went offline")
        elif self._boots.setdefault(station, state.boot) != state.boot:
            self._boots[station] = state.boot
            self._gap(station, "it was started anew")

    def silent(self, station: str, took: int) -> None:
        """Nothing was heard of it for so long, ns."""
        if took > SILENCE:
            self._gap(station, f"it was silent for {took / 1e9:.1f} s")

    def deaf(self, why: str) -> None:
        """Nothing can be heard of any of them."""
        for station in self._boots:
            self._gap(station, why)

    def _gap(self, station: str, why: str) -> None:
        self.gaps.setdefault(station, why)


def tag_of(found: Discrepancy, tags: Mapping[str, Tag]) -> Tag | None:
    """At which of ``tags`` it is; None: at none of them, or its name cannot be read."""
    try:
        return tags.get(read_ref(found.tag).tag)
    except ValueError:
        return None


def checked(found: Discrepancy, tags: Mapping[str, Tag]) -> Discrepancy:
    """``found``, in doubt where it is at none of a station's ``tags``: its gateway has another station
    file."""
    if tag_of(found, tags) is not None:
        return found
    doubt = "; ".join(filter(None, (found.doubt, "the station file here has no such tag")))
    return msgspec.structs.replace(found, doubt=doubt)


def tolerated(tag: Tag, scans: int) -> str:
    """How far it might differ, in words: an input from the twin's, an output from the virtual controller's,
    which may be so many ``scans`` later."""
    time = format_duration(tag.tolerance.time) if tag.direction == "input" else f"{scans} scans"
    if not tag.tolerance.value:
        return time
    unit = "" if tag.unit == "1" else f" {tag.unit}"
    return f"\N{PLUS-MINUS SIGN}{tag.tolerance.value:g}{unit}, {time}"

"""The counts and figures that a record adds up to; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rig.record import PHASE_TITLES, PHASES, VERDICTS, Record, Step, Verdict
from rig.report.wording import clean

Counts = dict[Verdict, int]
WORST_FIRST: tuple[Verdict, ...] = ("ERROR", "FAIL", "PASS", "SKIPPED")


def count(steps: Iterable[Step]) -> Counts:
    """How many steps ended in each verdict; every verdict has its entry."""
    counts: Counts = dict.fromkeys(VERDICTS, 0)
    for step in steps:
        counts[step.verdict] += 1
    return counts


def by_phase(record: Record) -> dict[str, list[Step]]:
    """The steps of each phase that has any: the known phases in their order, then others as they came."""
    found: dict[str, list[Step]] = {phase: [] for phase in PHASES}
    for step in record.steps:
        found.setdefault(step.phase, []).append(step)
    return {phase: steps for phase, steps in found.items() if steps}


def by_station(record: Record) -> dict[str, list[Step]]:
    """The steps of each station in the line's order; those of the line as a whole under "", last."""
    found: dict[str, list[Step]] = {identity.station: [] for identity in record.stations}
    for step in record.steps:
        found.setdefault(step.station, []).append(step)
    whole = found.pop("", [])
    return {**found, "": whole} if whole else found


def phase_title(phase: str) -> str:
    """The phase's name as people read it."""
    return PHASE_TITLES.get(phase) or clean(phase)


def span(steps: Sequence[Step]) -> int:
    """From the start of the first step to the end of the last, in ns; 0 of none."""
    if not steps:
        return 0
    return max(step.started + step.duration for step in steps) - min(step.started for step in steps)


def quantile(values: Iterable[int], share: float) -> int:
    """The smallest value that at least ``share`` (0..1] of ``values`` do not exceed; values not empty."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]

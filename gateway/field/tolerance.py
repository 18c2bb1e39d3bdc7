"""How far a signal may differ from what its model shows, in value and in time, and be no discrepancy; pure.

An input is held against the twin, an output against the virtual controller that runs beside the real one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from gateway.field.conversion import Range
from gateway.field.scaling import Bad, told
from gateway.field.types import DataType
from gateway.scalar import Text
from gateway.units import duration, format_duration, quantity

if TYPE_CHECKING:  # entries are read while tags are made
    from gateway.field.entries import TagEntry
    from gateway.field.tags import Complain

TIME = 200_000_000  # ns; a valve and a few scans are that late
LONGEST = 5_000_000_000  # ns; so much of what both showed is looked through at every scan
SENSED, DRIVEN = 0.05, 0.01  # of the range: by how much an input, an output may differ
STATES = ("bits", "int", "time")  # without a unit a state or a count, which is what it is


class ToleranceEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """As the station file has it; what is left out is as usual."""

    value: Text | None = None
    time: Annotated[int, duration] | None = None
    line: int = 0

    def __str__(self) -> str:
        value = "" if self.value is None else f"value: {self.value.text}"
        time = "" if self.time is None else f"time: {format_duration(self.time)}"
        return f"{{{', '.join(filter(None, (value, time)))}}}"


class Tolerance(NamedTuple):
    """``value`` in the tag's unit (nothing for a BOOL); ``time`` in ns, of an input (an output's is counted
    in scans, see ``gateway.controller.beside``)."""

    value: float = 0.0
    time: int = TIME


def usual(kind: DataType, within: Range, unit: str, is_input: bool, converted: bool) -> Tolerance:
    """Of a signal of which nothing is said; ``kind`` is that of an array's elements."""
    if kind.kind in ("bool", "string"):
        return Tolerance()
    if not is_input and unit == "1" and not converted and kind.kind in STATES:
        return Tolerance()
    return Tolerance((SENSED if is_input else DRIVEN) * (within.high - within.low))


def read_tolerance(
    entry: TagEntry, kind: DataType, within: Range, converted: bool, complain: Complain
) -> Tolerance:
    """Of ``entry``, whose values are of ``kind`` (of an array: its elements) and lie ``within``."""
    is_input = entry.direction == "input"
    found, said = usual(kind, within, entry.unit, is_input, converted), entry.tolerance
    if said is None:
        return found

    def bad(what: str, hint: str) -> None:
        complain(said.line, f"{entry.name}: {what}", hint)

    if said.value is None and said.time is None:
        bad("tolerance says nothing", "give value, time or both: {value: 0.5, time: 50 ms}")
    if said.value is not None:
        found = found._replace(value=_value(said.value.text, entry, kind, within, converted, bad))
    if said.time is not None:
        if not is_input:
            bad(
                "tolerance: an output's time is counted in scans",
                "leave time out, and write beside: {within: 5} for the station in the line file",
            )
        elif not 0 < said.time <= LONGEST:
            bad(f"tolerance: time {format_duration(said.time)}", "give more than 0 and at most 5 s")
        found = found._replace(time=said.time)
    return found


def _value(text: str, entry: TagEntry, kind: DataType, within: Range, converted: bool, bad: Bad) -> float:
    if kind.kind in ("bool", "string"):
        bad(f"tolerance: a {kind.name} has none in value", "leave value out")
        return 0.0
    if entry.direction == "output" and kind.kind == "bits" and not converted:
        bad("tolerance: the bits of an output are compared one by one", "leave value out")
        return 0.0
    try:
        value = quantity(text, entry.unit)
    except ValueError as error:
        what, hint = told(error)
        bad(f"tolerance: {what}", hint)
        return 0.0
    span = within.high - within.low
    if not 0 <= value <= span:
        shown = "" if entry.unit == "1" else f" {entry.unit}"
        bad(f"tolerance: value {text}", f"give 0 to {span:g}{shown}, the width of its range")
    return value

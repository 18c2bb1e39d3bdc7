"""Which conversion and which range a tag's entry in the station file asks for; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.field.compound import ArrayType, StringType
from gateway.field.conversion import Conversion, Range, Scale, Span, Table, read_table
from gateway.field.types import DataType

if TYPE_CHECKING:  # entries are read while tags are made
    from gateway.field.entries import TagEntry

Bad = Callable[[str, str], None]


def told(error: ValueError) -> tuple[str, str]:
    """What was wrong, and what would be right."""
    what, _, hint = str(error).partition("; ")
    return what, hint


def read_conversion(entry: TagEntry, kind: DataType, bad: Bad) -> Conversion | None:
    given = [key for key in ("raw", "scale", "table", "formula") if getattr(entry, key) is not None]
    if entry.offset is not None and entry.scale is None:
        given.append("offset")
    if entry.inverse is not None and entry.formula is None:
        bad("inverse without formula", "add formula: the value that a raw number means")
    if not given:
        return None
    plain = kind.element if isinstance(kind, ArrayType) else kind
    if len(given) > 1:
        what = f"{' and '.join(given)} both say how it is converted"
        bad(what, "give one of raw, scale with offset, table, formula")
    elif entry.raw is not None:
        if entry.range is None or plain.kind in ("bool", "string"):
            bad("raw needs a range to map onto, and a type that is a number", "add range: low..high")
        else:
            return Span(entry.raw, entry.range)
    elif plain.kind in ("bool", "string"):
        bad(f"a {plain.name} has no {given[0]}", "leave it out, or give a type that is a number")
    elif entry.formula is not None:
        _check_formula(entry, kind, bad)
    elif entry.table is not None:
        return _table(entry, entry.table, bad)
    elif entry.scale == 0:
        bad("scale is 0: every raw number would be the same value", "give for example scale: 0.1")
    else:
        return Scale(1.0 if entry.scale is None else entry.scale, entry.offset or 0.0)
    return None


def _check_formula(entry: TagEntry, kind: DataType, bad: Bad) -> None:
    if kind.kind == "array":
        bad("an array has no formula", "declare its elements as tags")
    elif entry.range is None:
        bad("a formula needs the range of its values", "add range: low..high")
    elif entry.direction == "input" and entry.inverse is None:
        bad("a formula of an input needs its inverse", "add inverse: what the device holds for value")
    elif entry.direction == "output" and entry.inverse is not None:
        bad("an output has no inverse", "leave inverse out; it belongs to inputs")


def _table(entry: TagEntry, points: tuple[tuple[float, ...], ...], bad: Bad) -> Table | None:
    try:
        table = read_table(points)
    except ValueError as error:
        bad(*told(error))
        return None
    if entry.direction == "input" and not table.is_strict:
        bad(
            "table: an input is written, and some value belongs to more than one raw number",
            "let the values rise, or fall, from point to point",
        )
        return None
    return table


def engineering_range(entry: TagEntry, kind: DataType, conversion: Conversion | None, bad: Bad) -> Range:
    """The range in engineering units; what is not said is what the type holds."""
    holds = Range(kind.low, kind.high)
    if isinstance(kind, StringType) or kind.low == kind.high:
        if entry.range is not None:
            bad(f"a {kind.name} has no range", "leave range out")
        return Range(0, 0)
    if entry.formula is not None and entry.range is not None:
        return entry.range
    if conversion is None or isinstance(conversion, Span):
        key, held = ("range", entry.range) if conversion is None else ("raw", entry.raw)
        if held is not None and not (holds.low <= held.low and held.high <= holds.high):
            bad(
                f"{key} {held.low:g}..{held.high:g} does not fit {kind.name}",
                f"{kind.name} holds {holds.low:g}..{holds.high:g}",
            )
        return entry.range or holds
    real = (kind.element if isinstance(kind, ArrayType) else kind).kind == "real"
    if isinstance(conversion, Table):
        ends = (min(conversion.values), max(conversion.values))
    else:
        ends = (
            (holds.low, holds.high) if real else (conversion.value(holds.low), conversion.value(holds.high))
        )
    possible = Range(min(ends), max(ends))
    if entry.range is None:
        return possible
    if not real and not (possible.low <= entry.range.low and entry.range.high <= possible.high):
        low, high = entry.range
        bad(
            f"range {low:g}..{high:g} cannot be reached by its conversion",
            f"it gives {possible.low:g}..{possible.high:g}",
        )
    return entry.range

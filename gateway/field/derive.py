"""Checks a station's formulas when its file is read: names, no circle, and that an inverse is one; pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from gateway.checked import wrong_of
from gateway.field.formula import Formula
from gateway.field.types import Value

if TYPE_CHECKING:  # tags are checked while they are made
    from gateway.field.tags import Tag

POINTS = 33  # over the range, where an inverse is tried
JOINTLY = 3  # operands beyond so many are varied together
Complain = Callable[[int, str, str], None]


def check_formulas(tags: dict[str, Tag], complain: Complain) -> None:
    """Complain about formulas that cannot be, and note each one's step in its tag."""
    derived = [tag for tag in tags.values() if tag.formula is not None and tag.is_number]
    sound = [tag for tag in derived if _names_fit(tag, tags, complain)]
    order = in_order(sound)
    for tag in sound:
        if tag not in order:
            complain(tag.line, f"{tag.name}: its formula leads back to itself", "break the circle")
    for tag in order:
        assert tag.formula is not None
        known = list(_operands(tag, tags))
        step = _step(tag, tag.formula, known)
        tags[tag.name] = msgspec.structs.replace(tag, step=step)
        if tag.inverse is not None:
            _check_inverse(tag, tag.formula, tag.inverse, known, complain)


def operands(tag: Tag) -> frozenset[str]:
    """The tags that the tag's formula and inverse speak of."""
    names = (tag.formula.names if tag.formula else frozenset()) | (
        tag.inverse.names if tag.inverse else set()
    )
    return names - {"raw", "value"}


def in_order(tags: Iterable[Tag]) -> list[Tag]:
    """Tags with formulas, each after those it speaks of; without those in a circle."""
    left = {tag.name: tag for tag in tags}
    ordered: list[Tag] = []
    while ready := [tag for tag in left.values() if not operands(tag) & left.keys()]:
        ordered += ready
        for tag in ready:
            del left[tag.name]
    return ordered


def _names_fit(tag: Tag, tags: Mapping[str, Tag], complain: Complain) -> bool:
    fits = True
    for key, formula, own in (("formula", tag.formula, "raw"), ("inverse", tag.inverse, "value")):
        for name in sorted(formula.names if formula else ()):
            other = tags.get(name)
            if name == own:
                continue
            if name in wrong_of(tags):
                fits = False
                continue
            if other is None:
                parts = name.split("-")
                hint = (
                    f"a difference has spaces: {' - '.join(parts)}"
                    if len(parts) > 1
                    else f"use {own} or a tag"
                )
                complain(tag.line, f"{tag.name}: {key}: {name!r} is not a tag of this station", hint)
            elif not (other.is_number or other.type.kind == "bool"):
                complain(
                    tag.line, f"{tag.name}: {key}: {name} is a {other.type.name}", "name a number or a BOOL"
                )
            else:
                continue
            fits = False
    return fits


def _operands(tag: Tag, tags: Mapping[str, Tag]) -> Iterable[dict[str, float]]:
    """Values of the operands: the ends and the middle of each one's range."""
    names = sorted(operands(tag))
    ranges = [tags[name].range for name in names]
    thirds = [(low, low / 2 + high / 2, high) for low, high in ranges]
    if len(names) <= JOINTLY:
        return (dict(zip(names, values, strict=True)) for values in itertools.product(*thirds))
    return (dict(zip(names, values, strict=True)) for values in zip(*thirds, strict=True))


def _step(tag: Tag, formula: Formula, known: list[dict[str, float]]) -> float:
    """The largest change of the value over one raw unit, as far as it is tried."""
    if tag.type.kind == "real":
        return 0.0
    low, high = tag.type.low, tag.type.high
    raws = [round(low + (high - 1 - low) * at / (POINTS - 1)) for at in range(POINTS)]
    steps = [
        abs(formula.of(others | {"raw": raw + 1}) - formula.of(others | {"raw": raw}))
        for others in known
        for raw in raws
    ]
    return max((step for step in steps if math.isfinite(step)), default=0.0)


def _check_inverse(
    tag: Tag, formula: Formula, inverse: Formula, known: list[dict[str, float]], complain: Complain
) -> None:
    low, high = tag.range
    for others in known:
        for at in range(POINTS):
            value = low + (high - low) * at / (POINTS - 1)
            raw = inverse.of(others | {"value": value})
            back = near = math.nan
            if math.isfinite(raw):
                held = _number(tag.type.hold(raw))
                back = formula.of(others | {"raw": held})
                sides = [formula.of(others | {"raw": held + by}) for by in (-1, 1)]
                near = 1e-6 * (high - low) + (
                    0 if tag.type.kind == "real" else max(abs(side - back) for side in sides)
                )
            if not abs(back - value) <= near:
                where = "".join(f", {name} {number:g}" for name, number in others.items())
                means = f"{value:g} is held as raw {raw:g}, which means {back:g}{where}"
                complain(
                    tag.line, f"{tag.name}: inverse is none: {means}", "correct formula, inverse or range"
                )
                return


def _number(value: Value) -> float:
    assert not isinstance(value, str | tuple), f"{value!r} is no number"
    return value

"""From what a device holds to engineering units and back: two points, scale and offset, or a table; pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec


class Range(NamedTuple):
    """The closed interval [low, high]."""

    low: float
    high: float


def read_range(text: str) -> Range:
    """Read ``low..high``; ValueError says what was wrong and what would be right."""
    low, _, high = text.partition("..")
    try:
        found = Range(float(low), float(high))
    except ValueError:
        raise ValueError(f"{text!r} is not a range; write for example 0..400") from None
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        raise ValueError(f"{text!r} has no end; write for example 0..400")
    if not found.low < found.high:
        raise ValueError(f"{text!r}: the first number must be the smaller; write for example 0..400")
    return found


class Span(msgspec.Struct, frozen=True):
    """``raw`` lies linearly on ``range``: both ends meet exactly."""

    raw: Range
    range: Range

    def value(self, raw: float) -> float:
        """The engineering value of ``raw``."""
        share = (raw - self.raw.low) / (self.raw.high - self.raw.low)
        return self.range.low + share * (self.range.high - self.range.low)

    def held(self, value: float) -> float:
        """What the device holds for ``value``, not yet rounded."""
        share = (value - self.range.low) / (self.range.high - self.range.low)
        return self.raw.low + share * (self.raw.high - self.raw.low)

    @property
    def step(self) -> float:
        """The largest change of the value over one raw unit."""
        return (self.range.high - self.range.low) / (self.raw.high - self.raw.low)


class Scale(msgspec.Struct, frozen=True):
    """The value is ``raw * factor + offset``; ``factor`` is not 0."""

    factor: float
    offset: float

    def value(self, raw: float) -> float:
        """The engineering value of ``raw``."""
        return raw * self.factor + self.offset

    def held(self, value: float) -> float:
        """What the device holds for ``value``, not yet rounded."""
        return (value - self.offset) / self.factor

    @property
    def step(self) -> float:
        """The change of the value over one raw unit."""
        return abs(self.factor)


class Table(msgspec.Struct, frozen=True):
    """Straight between points, and on past the first and last as between the nearest two.

    ``raws`` rise; where an input is written, ``values`` rise or fall throughout.
    """

    raws: tuple[float, ...]
    values: tuple[float, ...]

    def value(self, raw: float) -> float:
        """The engineering value of ``raw``."""
        return _between(self.raws, self.values, raw)

    def held(self, value: float) -> float:
        """What the device holds for ``value``, not yet rounded."""
        if self.values[0] < self.values[-1]:
            return _between(self.values, self.raws, value)
        return _between(self.values[::-1], self.raws[::-1], value)

    @property
    def step(self) -> float:
        """The largest change of the value over one raw unit."""
        points = list(zip(self.raws, self.values, strict=True))
        return max(abs((to - from_) / (right - left)) for (left, from_), (right, to) in pairwise(points))

    @property
    def is_strict(self) -> bool:
        """Whether every value belongs to one raw number."""
        rises = [right > left for left, right in pairwise(self.values)]
        falls = [right < left for left, right in pairwise(self.values)]
        return all(rises) or all(falls)


Conversion = Span | Scale | Table


def read_table(points: Sequence[Sequence[float]]) -> Table:
    """A table of [raw, value] pairs; ValueError("what was wrong; what would be right")."""
    if len(points) < 2 or any(len(point) != 2 for point in points):
        raise ValueError(
            "table needs two or more points of a raw number and a value; [[0, -40], [4095, 120]]"
        )
    raws, values = tuple(point[0] for point in points), tuple(point[1] for point in points)
    for left, right in pairwise(raws):
        if right <= left:
            raise ValueError(f"table: raw {right:g} comes after {left:g}; order the points by rising raw")
    return Table(raws, values)


def _between(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    at = min(max(bisect_right(xs, x), 1), len(xs) - 1)
    left, right = xs[at - 1], xs[at]
    if x == right:
        return ys[at]
    return ys[at - 1] + (ys[at] - ys[at - 1]) * (x - left) / (right - left)

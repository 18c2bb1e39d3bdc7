"""The space that a part takes up: a box that moves with paths; when two of them come to overlap; pure.

Along a straight way a box moves exactly. A box that turns takes up, from each change of its course to the
next, the box around all that it sweeps on the way. Everything is in mm and deg, times in ns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from gateway.twin.component import Component
from gateway.twin.motion import SECOND, Exponential, Path, Segment

DEEP = 1e-6  # mm; what only touches does not overlap
SHORT = 2e-9  # s
AXES = ("x", "y", "z")
Quadratic = tuple[float, float, float]  # a t² + b t + c, t in s


class Guided(Component):
    """Base of what moves something along one way."""

    def way(self) -> Path:
        """Where it is, in mm or deg, or as a share of its stroke: the same object until it changes."""
        raise NotImplementedError


class Box(NamedTuple):
    """A box with its sides along the axes, from ``low`` to ``high`` (x, y, z)."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]


class Slide(NamedTuple):
    """It moves along ``axis`` (0 to 2) by ``path`` times ``scale``, mm."""

    axis: int
    path: Path
    scale: float


class Swing(NamedTuple):
    """It turns by ``path`` times ``scale``, deg counterclockwise about the vertical through ``x``, ``y``."""

    path: Path
    x: float
    y: float
    scale: float = 1.0


class Envelope(NamedTuple):
    """``box`` where every path is 0. It turns first, and slides as it is turned."""

    box: Box
    slides: tuple[Slide, ...] = ()
    swing: Swing | None = None

    def paths(self) -> Iterator[Path]:
        """All that it moves with."""
        yield from (slide.path for slide in self.slides)
        if self.swing is not None:
            yield self.swing.path

    def between(self, begin: int, end: int | None) -> tuple[list[Quadratic], list[Quadratic]]:
        """(low, high) of each axis from ``begin`` until ``end`` (None: for ever), where no path changes
        its course; t counts from ``begin``."""
        box = self.box
        if self.swing is not None:
            segment = self.swing.path.segment(begin)
            turns = sorted(self.swing.scale * each for each in extent(segment, begin, end))
            box = swept(box, self.swing.x, self.swing.y, *turns)
        low, high = ([(0.0, 0.0, each) for each in side] for side in box)
        for axis, path, scale in self.slides:
            segment = path.segment(begin)
            if isinstance(segment, Exponential):  # takes up all of its way at once
                ways = sorted(scale * each for each in extent(segment, begin, end))
                first, last = ((0.0, 0.0, way) for way in ways)
            else:
                course = segment.acceleration / 2, segment.speed_at(begin), segment.at(begin)
                first = last = (scale * course[0], scale * course[1], scale * course[2])
            low[axis] = _plus(low[axis], first)
            high[axis] = _plus(high[axis], last)
        return low, high


def extent(segment: Segment, begin: int, end: int | None) -> tuple[float, float]:
    """The smallest and the largest value from ``begin`` until ``end`` (None: for ever)."""
    found = [segment.at(begin)]
    if end is not None:
        found.append(segment.at(end))
    elif isinstance(segment, Exponential):
        found.append(segment.target)
    elif segment.acceleration or segment.speed_at(begin):
        found.append(math.copysign(math.inf, segment.acceleration or segment.speed_at(begin)))
    if not isinstance(segment, Exponential) and segment.acceleration:
        turns = begin - round(segment.speed_at(begin) / segment.acceleration * SECOND)
        if begin < turns and (end is None or turns < end):
            found.append(segment.at(turns))
    return min(found), max(found)


def swept(box: Box, x: float, y: float, first: float, last: float) -> Box:
    """The box around ``box`` as it turns from ``first`` to ``last`` deg about the vertical through x, y."""
    xs: list[float] = []
    ys: list[float] = []
    if last - first >= 360.0:  # once round is all
        first, last = 0.0, 360.0
    for corner in itertools.product((box.low[0], box.high[0]), (box.low[1], box.high[1])):
        radius = math.hypot(corner[0] - x, corner[1] - y)
        at = math.degrees(math.atan2(corner[1] - y, corner[0] - x))
        quarters = range(math.ceil((at + first) / 90), math.floor((at + last) / 90) + 1)
        for angle in (at + first, at + last, *(90.0 * quarter for quarter in quarters)):
            xs.append(x + radius * math.cos(math.radians(angle)))
            ys.append(y + radius * math.sin(math.radians(angle)))
    return Box((min(xs), min(ys), box.low[2]), (max(xs), max(ys), box.high[2]))


def overlap_changes(one: Envelope, other: Envelope, since: int, overlapping: bool) -> int | None:
    """The first instant from ``since`` on after which it is no longer true that they are ``overlapping``.

    None: it stays so, as far as their paths say.
    """
    starts = {segment.start for each in (one, other) for path in each.paths() for segment in path.segments}
    courses: list[int | None] = [since, *sorted(start for start in starts if start > since), None]
    for begin, end in itertools.pairwise(courses):
        assert begin is not None
        seconds = math.inf if end is None else (end - begin) / SECOND
        gaps = _gaps(one, other, begin, end)
        roots = sorted({root for gap in gaps for root in _roots(gap) if 0 < root < seconds})
        for first, last in itertools.pairwise([0.0, *roots, seconds]):
            if last - first < SHORT:  # within what times are rounded by
                continue
            middle = first + 1.0 if last == math.inf else (first + last) / 2
            if all(_at(gap, middle) < 0 for gap in gaps) != overlapping:
                return begin + math.ceil(first * SECOND)
    return None


def _gaps(one: Envelope, other: Envelope, begin: int, end: int | None) -> list[Quadratic]:
    """What is less than 0 on every axis, both ways, exactly where they overlap."""
    lows, highs = one.between(begin, end)
    others_low, others_high = other.between(begin, end)
    pairs = [*zip(lows, others_high, strict=True), *zip(others_low, highs, strict=True)]
    return [(low[0] - high[0], low[1] - high[1], low[2] - high[2] + DEEP) for low, high in pairs]


def _plus(one: Quadratic, other: Quadratic) -> Quadratic:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _at(quadratic: Quadratic, t: float) -> float:
    a, b, c = quadratic
    return (a * t + b) * t + c


def _roots(quadratic: Quadratic) -> tuple[float, ...]:
    a, b, c = quadratic
    if a == 0:
        return (-c / b,) if b else ()
    discriminant = b * b - 4 * a * c
    if discriminant < 0:
        return ()
    q = -(b + math.copysign(math.sqrt(discriminant), b)) / 2  # no cancellation
    return (q / a, c / q) if q else (0.0,)

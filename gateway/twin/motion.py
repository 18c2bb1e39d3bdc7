"""How a quantity moves: closed-form segments, when they reach a level, and profiles made of them; pure.

Times are ns, quantities in any unit, speeds per second. A segment is valid from its ``start`` on; a path
is a row of segments, each valid until the next one starts. Nothing is integrated: a value is computed
when it is read, and a crossing is computed when it is asked for, rounded up to the nanosecond.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import msgspec

SETTLED = 12  # time constants, after which an exponential is at its target: 6e-6 of the way are left
SECOND = 1_000_000_000
MILLISECOND = 1_000_000


class Polynomial(msgspec.Struct, frozen=True):
    """Constant, linear or quadratic: ``value + speed t + acceleration t² / 2``."""

    start: int
    value: float
    speed: float = 0.0
    acceleration: float = 0.0

    def at(self, now: int) -> float:
        """The value at ``now``."""
        t = (now - self.start) / SECOND
        return self.value + (self.speed + self.acceleration * t / 2) * t

    def speed_at(self, now: int) -> float:
        """The speed at ``now``, per second."""
        return self.speed + self.acceleration * (now - self.start) / SECOND

    def rests(self, now: int) -> bool:
        """Whether its value stays as it is from ``now`` on."""
        return not (self.speed or self.acceleration)

    def reaches(self, level: float, since: int) -> int | None:
        """The first instant from ``since`` on at which it has reached ``level``; None if it never does."""
        away = level - self.at(since)
        found = first_root(self.acceleration / 2, self.speed_at(since), -away)
        return None if found is None else since + math.ceil(found * SECOND)


class Exponential(msgspec.Struct, frozen=True):
    """From ``value`` towards ``target``, by 63 % of what is left in every ``tau`` ns, until it is settled."""

    start: int
    value: float
    target: float
    tau: float

    def at(self, now: int) -> float:
        """The value at ``now``."""
        gone = self._gone(now)
        return self.target if gone >= SETTLED else self.target + (self.value - self.target) * math.exp(-gone)

    def _gone(self, now: int) -> float:
        return (now - self.start) / self.tau

    def speed_at(self, now: int) -> float:
        """The speed at ``now``, per second."""
        return (self.target - self.at(now)) * SECOND / self.tau

    def rests(self, now: int) -> bool:
        """Whether its value stays as it is from ``now`` on."""
        return self.value == self.target or self._gone(now) >= SETTLED

    def reaches(self, level: float, since: int) -> int | None:
        """The first instant from ``since`` on at which it has reached ``level``; None if it never does."""
        here = self.at(since)
        if here == level:
            return since
        if (level - here) * (self.target - level) <= 0:  # behind it, or the target itself, never reached
            return None
        due = since + math.ceil(self.tau * math.log((self.target - here) / (self.target - level)))
        return min(due, self.start + math.ceil(SETTLED * self.tau))


Segment = Polynomial | Exponential


class Path(msgspec.Struct, frozen=True):
    """``segments`` in order of their start; the last one holds for ever."""

    segments: tuple[Segment, ...]

    def segment(self, now: int) -> Segment:
        """The one valid at ``now``."""
        segments = self.segments
        if segments[-1].start <= now:  # as a rule
            return segments[-1]
        return next((each for each in reversed(segments) if each.start <= now), segments[0])

    def at(self, now: int) -> float:
        """The value at ``now``."""
        return self.segment(now).at(now)

    def speed_at(self, now: int) -> float:
        """The speed at ``now``, per second."""
        return self.segment(now).speed_at(now)

    def rests(self, now: int) -> bool:
        """Whether its value stays as it is from ``now`` on."""
        last = self.segments[-1]
        return last.start <= now and last.rests(now)

    def reaches(self, level: float, since: int) -> int | None:
        """The first instant from ``since`` on at which it has reached ``level``; None if it never does."""
        ends = [each.start for each in self.segments[1:]]
        for each, end in itertools.zip_longest(self.segments, ends):
            if end is not None and end <= since:
                continue
            found = each.reaches(level, max(since, each.start))
            if found is not None and (end is None or found <= end):
                return found
        return None

    def travel(self, now: int) -> float:
        """The way covered from the first segment's start to ``now``; no segment turns back midway."""
        ends = [each.start for each in self.segments[1:]]
        way = 0.0
        for each, end in itertools.zip_longest(self.segments, ends):
            until = now if end is None else min(end, now)
            way += abs(each.at(until) - each.value) if until > each.start else 0.0
        return way


def still(now: int, value: float) -> Polynomial:
    """It stays at ``value``."""
    return Polynomial(now, value)


def ramp(now: int, value: float, target: float, speed: float) -> Path:
    """At constant ``speed`` (> 0) to ``target``, and rest there."""
    if value == target:
        return Path((still(now, target),))
    end = now + math.ceil(abs(target - value) / speed * SECOND)
    return Path((Polynomial(now, value, math.copysign(speed, target - value)), Polynomial(end, target)))


class Limits(msgspec.Struct, frozen=True):
    """How hard a mover can gain speed and lose it, forwards and backwards, per s²; all > 0."""

    forwards: float
    forwards_braking: float
    backwards: float
    backwards_braking: float

    def towards(self, way: float) -> tuple[float, float]:
        """(gaining, braking) of a move in the direction of ``way``."""
        if way >= 0:
            return self.forwards, self.forwards_braking
        return self.backwards, self.backwards_braking


def alike(acceleration: float) -> Limits:
    """``acceleration`` in every direction."""
    return Limits(acceleration, acceleration, acceleration, acceleration)


def trapezoid(
    now: int, value: float, moving: float, target: float, speed: float, acceleration: float | Limits
) -> Path:
    """To ``target`` and rest there, from ``value`` at ``moving`` per second (|moving| ≤ ``speed``).

    Brakes first where it moves away from the target or could not stop before it.
    """
    limits = acceleration if isinstance(acceleration, Limits) else alike(acceleration)
    legs: list[tuple[float, float]] = []  # (acceleration, seconds)
    _, halting = limits.towards(moving)
    stops_at = value + moving * abs(moving) / (2 * halting)
    if (moving and (target - stops_at) * moving < 0) or moving * (target - value) < 0:
        legs.append((-math.copysign(halting, moving), abs(moving) / halting))
        way, initial = target - stops_at, 0.0
    else:
        way, initial = target - value, abs(moving)
    sense = math.copysign(1.0, way)
    gaining, braking = limits.towards(way)
    peak2 = (2 * gaining * braking * abs(way) + braking * initial**2) / (gaining + braking)
    peak = max(min(speed, math.sqrt(max(peak2, 0.0))), initial)
    ramps = (peak**2 - initial**2) / (2 * gaining) + peak**2 / (2 * braking)
    legs.append((sense * gaining, (peak - initial) / gaining))
    legs.append((0.0, max(abs(way) - ramps, 0.0) / peak if peak else 0.0))
    legs.append((-sense * braking, peak / braking))
    return _joined(now, value, moving, legs, target)


def halt(now: int, value: float, moving: float, limits: Limits) -> Path:
    """Brake to rest as hard as ``limits`` allow."""
    braking = limits.towards(moving)[1]
    target = value + moving * abs(moving) / (2 * braking)
    return _joined(now, value, moving, [(-math.copysign(braking, moving), abs(moving) / braking)], target)


def coast(
    now: int, value: float, moving: float, pull: float, friction: float, low: float, high: float
) -> Path:
    """Nothing drives it: ``pull`` (signed) and ``friction`` (≥ 0), per s², until it rests or meets an end.

    It comes to rest where friction is no less than the pull; else it turns, and goes on to the end that
    the pull leads to, where it stops dead.
    """
    segments: list[Segment] = []
    if moving:
        braking = pull - math.copysign(friction, moving)
        segments.append(Polynomial(now, value, moving, braking))
        if braking * moving < 0:
            seconds = -moving / braking
            now, value = now + math.ceil(seconds * SECOND), value + moving * seconds / 2
            moving = 0.0
    if not moving and abs(pull) > friction:
        segments.append(Polynomial(now, value, 0.0, pull - math.copysign(friction, pull)))
    elif not moving:
        segments.append(still(now, value))
    return _between(Path(tuple(segments)), low, high)


def _between(path: Path, low: float, high: float) -> Path:
    """``path`` until it meets ``low`` or ``high``, and rest there."""
    begin = path.segments[0]
    heads = begin.speed_at(begin.start) or _pull(begin)
    if not heads:
        return path
    if (begin.value <= low and heads < 0) or (begin.value >= high and heads > 0):
        return Path((still(begin.start, begin.value),))
    met = [
        (due, end)
        for end in (low, high)
        if (due := path.reaches(end, begin.start + (begin.value == end))) is not None
    ]
    if not met:
        return path
    due, end = min(met)
    return Path((*(each for each in path.segments if each.start < due), still(due, end)))


def _pull(segment: Segment) -> float:
    return segment.acceleration if isinstance(segment, Polynomial) else 0.0


def lag(path: Path, gain: float, initial: float, now: int, since: int | None = None) -> float:
    """How far what follows ``path`` with ``gain`` (per s) trails behind it at ``now``.

    It solves e' = v - gain e with e = ``initial`` at ``since``, or where the path begins. So does a position
    controller, and a sensor with a first-order lag of 1 / ``gain``. Behind what rests, it settles.
    """
    error, last = initial, path.segments[-1]
    if last.rests(now) and gain * (now - max(last.start, since or last.start)) >= SETTLED * SECOND:
        return 0.0
    for each, following in itertools.zip_longest(path.segments, path.segments[1:]):
        start = each.start if since is None else max(each.start, since)
        until = now if following is None else min(following.start, now)
        if until <= start:
            continue
        seconds = (until - start) / SECOND
        if isinstance(each, Exponential):
            error = _lag_exponential(each.speed_at(start), SECOND / each.tau, gain, error, seconds)
        else:
            first = (each.speed_at(start) - each.acceleration / gain) / gain  # what it would settle to
            error = first + each.acceleration / gain * seconds + (error - first) * math.exp(-gain * seconds)
        if following is not None and following.start == until:
            error += following.value - each.at(until)  # where the path jumps
    return error


def _lag_exponential(moving: float, rate: float, gain: float, error: float, seconds: float) -> float:
    """As ``lag`` behind what moves with ``moving`` now, falling at ``rate`` (per s)."""
    own = math.exp(-gain * seconds)
    if abs(rate - gain) * seconds < 1e-6:  # both exponentials are as one
        return (error + moving * seconds) * own
    return error * own + moving * (math.exp(-rate * seconds) - own) / (gain - rate)


def _joined(
    now: int, value: float, moving: float, legs: Sequence[tuple[float, float]], target: float
) -> Path:
    """Segments for ``legs``, each taking over where the one before ends; then rest at ``target``.

    A leg begins where exact time would have it and is then moved on to the next whole nanosecond, so
    that rounding does not add up.
    """
    segments: list[Segment] = []
    elapsed, rounded = 0.0, 0
    for acceleration, seconds in legs:
        late = rounded / SECOND - elapsed
        elapsed += seconds
        end = math.ceil(elapsed * SECOND)
        if end > rounded:
            begin = value + (moving + acceleration * late / 2) * late
            segments.append(Polynomial(now + rounded, begin, moving + acceleration * late, acceleration))
            rounded = end
        value += (moving + acceleration * seconds / 2) * seconds
        moving += acceleration * seconds
    return Path((*segments, Polynomial(now + rounded, target)))


def scaled(path: Path, factor: float) -> Path:
    """``factor`` times what ``path`` gives."""
    return Path(tuple(_times(each, factor) for each in path.segments))


def _times(each: Segment, factor: float) -> Segment:
    if isinstance(each, Exponential):
        return Exponential(each.start, each.value * factor, each.target * factor, each.tau)
    return Polynomial(each.start, each.value * factor, each.speed * factor, each.acceleration * factor)


def plus(path: Path, constant: float) -> Path:
    """``path`` with ``constant`` added."""
    return Path(
        tuple(
            Exponential(each.start, each.value + constant, each.target + constant, each.tau)
            if isinstance(each, Exponential)
            else Polynomial(each.start, each.value + constant, each.speed, each.acceleration)
            for each in path.segments
        )
    )


def squared(path: Path) -> Path:
    """The square of a path of constant speeds."""
    return Path(
        tuple(
            Polynomial(each.start, each.value**2, 2 * each.value * speed, 2 * speed**2)
            for each in path.segments
            for speed in (each.speed_at(each.start),)
        )
    )


def speeds(path: Path) -> Path:
    """The speed of a path of polynomials."""
    return Path(
        tuple(Polynomial(each.start, each.speed_at(each.start), _pull(each)) for each in path.segments)
    )


def beyond(path: Path, level: float) -> Path:
    """By how much a path of constant speeds lies above ``level``, else 0."""
    segments: list[Segment] = []
    ends = [each.start for each in path.segments[1:]]
    for each, end in itertools.zip_longest(path.segments, ends):
        begin, speed = each.value - level, each.speed_at(each.start)
        segments.append(Polynomial(each.start, max(begin, 0.0), speed if begin > 0 else 0.0))
        crossing = each.reaches(level, each.start) if begin and begin * speed < 0 else None
        if crossing is not None and (end is None or crossing < end):
            segments.append(Polynomial(crossing, 0.0, max(speed, 0.0)))
        elif not begin:
            segments[-1] = Polynomial(each.start, 0.0, max(speed, 0.0))
    return Path(tuple(segments))


def integral(segment: Segment, since: int, until: int) -> float:
    """The integral of ``segment`` over time, in its unit times seconds."""
    seconds = (until - since) / SECOND
    if isinstance(segment, Exponential):
        gone = (segment.at(since) - segment.at(until)) * segment.tau / SECOND
        return segment.target * seconds + gone
    here, speed = segment.at(since), segment.speed_at(since)
    return (here + (speed / 2 + segment.acceleration * seconds / 6) * seconds) * seconds


def above(segment: Segment, level: float, since: int, until: int) -> tuple[int, int]:
    """From when until when a ``segment`` that only rises or only falls is at ``level`` or more; since = until
    where it never is."""
    first, last = segment.at(since) >= level, segment.at(until) >= level
    if first == last:
        return (since, until) if first else (until, until)
    crossing = segment.reaches(level, since)
    border = until if crossing is None else min(crossing, until)
    return (since, border) if first else (border, until)


def first_root(a: float, b: float, c: float) -> float | None:
    """The smallest t ≥ 0 with a t² + b t + c = 0, or None."""
    if c == 0:
        return 0.0
    if a == 0:
        return -c / b if b and -c / b > 0 else None
    discriminant = b * b - 4 * a * c
    if discriminant < 0:
        return None
    q = -(b + math.copysign(math.sqrt(discriminant), b)) / 2  # no cancellation
    roots = [root for root in (q / a, c / q if q else math.inf) if 0 < root < math.inf]
    return min(roots, default=None)

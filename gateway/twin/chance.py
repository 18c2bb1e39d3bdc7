"""Seeded chance: a stream of random numbers per name, and noise as a function of time; pure.

The generator is splitmix64 (Steele, Lea, Flood 2014): its state is one number, so that it is stored with
the twin, and its output function also serves as a hash for what must not depend on how often it is read.
"""

from __future__ import annotations

import hashlib
import math
import re

import msgspec

from gateway.units import quantity

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15  # 2^64 by the golden ratio


def mixed(number: int) -> int:
    """64 bits that depend on every bit of ``number``."""
    number &= _MASK
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & _MASK
    return number ^ (number >> 31)


def seeded(seed: int, name: str) -> int:
    """The first state of the stream ``name`` under ``seed``: unlike that of any other name."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest())


def _unit(bits: int) -> float:
    """A number strictly between 0 and 1."""
    return ((bits >> 11) + 0.5) * 2**-53


class Stream:
    """Random numbers one after another; ``state`` is all there is to store. Nothing is raised."""

    __slots__ = ("state",)

    def __init__(self, state: int) -> None:
        self.state = state

    def random(self) -> float:
        """Uniform, strictly between 0 and 1."""
        self.state = (self.state + _STEP) & _MASK
        return _unit(mixed(self.state))

    def below(self, count: int) -> int:
        """One of 0 … ``count`` - 1, each as likely."""
        return int(self.random() * count)

    def uniform(self, low: float, high: float) -> float:
        """Uniform between ``low`` and ``high``."""
        return low + (high - low) * self.random()

    def normal(self, mean: float, deviation: float) -> float:
        """Normal with standard ``deviation`` (Box and Muller, one of the pair)."""
        radius = math.sqrt(-2 * math.log(self.random()))
        return mean + deviation * radius * math.cos(2 * math.pi * self.random())

    def exponential(self, mean: float) -> float:
        """Exponential with ``mean``."""
        return -mean * math.log(self.random())

    def triangular(self, low: float, mode: float, high: float) -> float:
        """Triangular on ``low`` … ``high`` with its peak at ``mode``."""
        drawn, width = self.random(), high - low
        if drawn * width <= mode - low:
            return low + math.sqrt(drawn * width * (mode - low))
        return high - math.sqrt((1 - drawn) * width * (high - mode))

    def weibull(self, scale: float, shape: float) -> float:
        """Weibull: ``shape`` below 1 fails early, 1 by chance, above 1 by wear."""
        return float(scale * (-math.log(self.random())) ** (1 / shape))


def noise(key: int, instant: int) -> float:
    """Standard normal, the same whenever it is asked for ``instant``; ``key`` from ``seeded``."""
    bits = mixed(key + instant * _STEP)
    radius = math.sqrt(-2 * math.log(_unit(bits)))
    return radius * math.cos(2 * math.pi * _unit(mixed(bits + _STEP)))


SHAPES: dict[str, tuple[str, ...]] = {
    "constant": ("value",),
    "uniform": ("low", "high"),
    "normal": ("mean", "deviation"),
    "exponential": ("mean",),
    "triangular": ("low", "mode", "high"),
    "weibull": ("scale", "shape"),
}
LARGEST = 1e9  # of the numbers of a distribution
_PLAIN = {"shape"}  # numbers without a unit
_NUMBER = re.compile(r"([-+.\d][-+.\deE_]*)\s*([^\s\d+.-]\S*)?\s*")


class Distribution(msgspec.Struct, frozen=True):
    """What a quantity is drawn from: ``numbers`` are those that ``SHAPES`` names for the ``shape``."""

    shape: str
    numbers: tuple[float, ...]

    @property
    def mean(self) -> float:
        """What is drawn on average."""
        match self.shape, self.numbers:
            case "uniform" | "triangular", numbers:
                return sum(numbers) / len(numbers)
            case "weibull", (scale, shape):
                return scale * math.gamma(1 + 1 / shape)
        return self.numbers[0]

    def draw(self, stream: Stream) -> float:
        """A value, in the unit that it was read in."""
        match self.shape, self.numbers:
            case "uniform", (low, high):
                return stream.uniform(low, high)
            case "normal", (mean, deviation):
                return stream.normal(mean, deviation)
            case "exponential", (mean,):
                return stream.exponential(mean)
            case "triangular", (low, mode, high):
                return stream.triangular(low, mode, high)
            case "weibull", (scale, shape):
                return stream.weibull(scale, shape)
        return self.numbers[0]


def is_distribution(text: str) -> bool:
    """Whether ``text`` names a shape: it is meant to be drawn from."""
    return text.split(" ", 1)[0] in SHAPES


def read_distribution(text: str, unit: str) -> Distribution:
    """Read ``30 s``, ``exponential 30 min`` or ``triangular 10 s 20 s 60 s`` in ``unit``, each ≥ 0.

    ValueError says what was wrong and what would be right.
    """
    head, _, rest = text.strip().partition(" ")
    shape, rest = (head, rest) if head in SHAPES else ("constant", text.strip())
    names = SHAPES[shape]
    found = _NUMBER.findall(rest)
    wanted = f"{'' if shape == 'constant' else shape + ' '}{' '.join(f'<{name}>' for name in names)}"
    if len(found) != len(names) or _NUMBER.sub("", rest).strip():
        raise ValueError(f"{text!r} is no distribution; write {wanted!r}, or one of {', '.join(SHAPES)}")
    numbers = tuple(
        quantity(f"{number} {given}", "1" if name in _PLAIN else unit)
        for (number, given), name in zip(found, names, strict=True)
    )
    ordered = shape not in ("uniform", "triangular") or list(numbers) == sorted(numbers)
    if min(numbers) < 0 or max(numbers) > LARGEST or not ordered:
        raise ValueError(f"{text!r} cannot be drawn from; give {wanted!r}, 0 to {LARGEST:g}, that rise")
    if shape == "weibull" and not 0.1 <= numbers[1] <= 100:
        raise ValueError(f"{text!r} has a shape of {numbers[1]:g}; give 0.1 to 100")
    return Distribution(shape, numbers)

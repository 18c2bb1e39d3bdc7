"""The chain behind a real sensor: first-order lag, seeded noise, resolution; pure.

The lag is solved in closed form along the path of what is measured, and the noise is a function of time.
So a reading is the same however often, and whenever, somebody reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.twin.chance import noise, seeded
from gateway.twin.component import Component, Param, Port
from gateway.twin.motion import MILLISECOND, Path, lag, still

SAMPLE = MILLISECOND  # what a converter reads, and so the noise, holds this long, ns


def chain_params(ports: Iterable[Port]) -> dict[str, Param]:
    """The parameters that real sensor ports have, by name: ``<port>.lag``, ``.noise``, ``.resolution``."""
    declared: list[Param] = []
    for port in ports:
        if port.direction == "sensor" and port.kind == "real":
            declared += [
                Param(f"{port.name}.lag", "ms", 0, 600_000, 0, "63 % of a step are seen after it"),
                Param(f"{port.name}.noise", port.unit, 0, 1e9, 0, "standard deviation"),
                Param(f"{port.name}.resolution", port.unit, 0, 1e9, 0, "the smallest step"),
            ]
    return {param.name: param for param in declared}


class Signal:
    """How the sensor ``port`` of ``component`` is read."""

    __slots__ = (
        "_behind",
        "_component",
        "_gain",
        "_key",
        "_path",
        "_port",
        "_since",
        "deviation",
        "resolution",
    )

    def __init__(self, component: Component, port: str, params: Mapping[str, float]) -> None:
        self._component, self._port = component, port
        self._key = seeded(component.surroundings.seed, f"{component.name}.{port}")
        constant = params.get(f"{port}.lag", 0.0)  # ms
        self._gain = 1000 / constant if constant else 0.0  # per s
        self.deviation = params.get(f"{port}.noise", 0.0)
        self.resolution = params.get(f"{port}.resolution", 0.0)
        self._path: Path | None = None  # what is measured, since ``_since``; None: not begun, or no lag
        self._since = 0
        self._behind = 0.0  # how far the reading was behind it then

    @property
    def lags(self) -> bool:
        """Whether ``track`` must be called whenever something has happened."""
        return bool(self._gain)

    def track(self, now: int) -> None:
        """Something may have happened at ``now``: follow what is measured on its new path."""
        path = self._component.curve(self._port)
        if path is None:  # constant between events
            value = float(self._component.sense(self._port))
            if self._path is not None and self._path.at(now) == value:
                return
            path = Path((still(now, value),))
        if path == self._path:
            return
        shown = path.at(now) if self._path is None else self._lagging(now)
        self._behind = path.at(now) - shown
        self._path, self._since = path, now

    def shows(self, value: float, now: int, further: float = 0.0) -> float:
        """What is read where ``value`` is; ``further`` is the deviation of noise that a fault adds."""
        if self._path is not None:
            value += self._lagging(now) - self._path.at(now)
        deviation = math.hypot(self.deviation, further) if further else self.deviation
        if deviation:
            value += deviation * noise(self._key, (now - self._component.surroundings.begun) // SAMPLE)
        return round(value / self.resolution) * self.resolution if self.resolution else value

    def steady(self, now: int) -> bool:
        """Whether it reads the same for as long as what it measures stays as it is."""
        if self.deviation:
            return False
        return self._path is None or (self._path.rests(now) and self._lagging(now) == self._path.at(now))

    def _lagging(self, now: int) -> float:
        assert self._path is not None
        return self._path.at(now) - lag(self._path, self._gain, self._behind, now, self._since)

    def snapshot(self) -> tuple[Any, ...]:
        """What ``restore`` needs."""
        return self._path, self._since, self._behind

    def restore(self, taken: tuple[Any, ...]) -> None:
        """Return to a ``snapshot``."""
        self._path, self._since, self._behind = taken

"""Quantities as people write them ("250 mm/s"), in units of UCUM; pure.

A number without a unit is in the unit the field declares; a number with one is
converted, and a unit of another kind is an error that names both.
"""

from __future__ import annotations

import math
import re

# unit -> (kind, factor to the kind's base unit). Celsius is kept apart: it has an offset.
UNITS: dict[str, tuple[str, float]] = {
    "1": ("number", 1.0),
    "%": ("number", 0.01),
    "ns": ("time", 1e-9),
    "us": ("time", 1e-6),
    "ms": ("time", 1e-3),
    "s": ("time", 1.0),
    "min": ("time", 60.0),
    "h": ("time", 3600.0),
    "um": ("length", 1e-6),
    "mm": ("length", 1e-3),
    "cm": ("length", 1e-2),
    "m": ("length", 1.0),
    "mm/s": ("speed", 1e-3),
    "m/s": ("speed", 1.0),
    "m/min": ("speed", 1 / 60),
    "mm/s2": ("acceleration", 1e-3),
    "m/s2": ("acceleration", 1.0),
    "Pa": ("pressure", 1.0),
    "kPa": ("pressure", 1e3),
    "bar": ("pressure", 1e5),
    "mbar": ("pressure", 1e2),
    "N": ("force", 1.0),
    "kN": ("force", 1e3),
    "N.m": ("torque", 1.0),
    "N.mm": ("torque", 1e-3),
    "deg": ("angle", 1.0),
    "deg/s": ("angular speed", 1.0),
    "deg/s2": ("angular acceleration", 1.0),
    "/s": ("rate", 1.0),
    "/min": ("frequency", 1 / 60),
    "Hz": ("frequency", 1.0),
    "g": ("mass", 1e-3),
    "kg": ("mass", 1.0),
    "kg.m2": ("inertia", 1.0),
    "N.s/m": ("resistance to speed", 1.0),
    "N.m.s/rad": ("resistance to turning", 1.0),
    "N/mm": ("stiffness", 1e3),
    "N/mm2": ("stress", 1e6),
    "mL": ("volume", 1e-3),
    "L": ("volume", 1.0),
    "mL/s": ("flow", 1e-3),
    "L/min": ("flow", 1 / 60),
    "mV": ("voltage", 1e-3),
    "V": ("voltage", 1.0),
    "mA": ("current", 1e-3),
    "A": ("current", 1.0),
    "mOhm": ("resistance", 1e-3),
    "Ohm": ("resistance", 1.0),
    "W": ("power", 1.0),
    "kW": ("power", 1e3),
    "J": ("energy", 1.0),
    "kJ": ("energy", 1e3),
    "Cel": ("temperature", 1.0),
}
LONGEST = 1_000_000  # s
_BARE = re.compile(r"\s*[-+\d._eE]+\s*\Z")
_QUANTITY = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S*)\s*\Z")


def quantity(text: str, unit: str) -> float:
    """Read ``text`` as a number of ``unit``; ValueError says what was wrong and what would be right."""
    match = _QUANTITY.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number with a unit; write for example {_example(unit)!r}")
    number, written = float(match[1].replace("_", "")), match[2] or unit
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is too large; write for example {_example(unit)!r}")
    if written == unit:
        return number
    if written not in UNITS:
        raise ValueError(f"unit {written!r} is not known; write {_example(unit)!r}")
    kind, factor = UNITS[written]
    if unit not in UNITS or UNITS[unit][0] != kind:
        raise ValueError(
            f"{text!r} is a {kind}; a quantity in {unit} is wanted, for example {_example(unit)!r}"
        )
    return number * factor / UNITS[unit][1]


def duration(text: str, usual: str = "ms") -> int:
    """Read a time such as ``10 ms`` or ``1.5 s`` as integer nanoseconds, 0 to ``LONGEST``; a bare number
    other than 0 is refused, with the ``usual`` unit as what would be right."""
    if _BARE.match(text) and text.strip() != "0":
        raise ValueError(f"{text!r} has no unit; write for example '{text.strip()} {usual}'")
    seconds = quantity(text, "s")
    if not 0 <= seconds <= LONGEST:
        raise ValueError(f"{text!r} is no time that can be waited for; write 0 to {LONGEST} s")
    return round(seconds * 1_000_000_000)


def format_duration(ns: int) -> str:
    """Nanoseconds as people read them: ``12.3 ms``, ``1.25 s``."""
    if abs(ns) >= 1_000_000_000:
        return f"{ns / 1e9:.4g} s"
    if abs(ns) >= 1_000_000 or ns == 0:
        return f"{ns / 1e6:.4g} ms"
    return f"{ns / 1e3:.4g} us"


def _example(unit: str) -> str:
    return "10" if unit == "1" else f"10 {unit}"

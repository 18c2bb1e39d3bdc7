"""A value that a person sees on the machine, and the types and orders in which raw bytes hold it; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.field.addresses import Address, Protocol, parse_address
from gateway.field.types import TYPES, DataType, Order, arrange

WORDS: tuple[Order, ...] = ("ABCD", "CDAB", "BADC", "DCBA")
ORDERS: dict[int, tuple[Order, ...]] = {1: WORDS[:1], 2: ("ABCD", "BADC"), 4: WORDS, 8: WORDS}
"""The orders to try, by bytes of the value."""
FACTORS = (1, 10, 100, 1000)
"""A whole number may hold tenths, hundredths or thousandths of what is shown."""
_PREFIX = re.compile(r"/\d+\Z")  # what is after that colon is the name of a browse path's last element


class Expectation(NamedTuple):
    """``value`` (true is 1) is shown with ``places`` decimals for ``address``; ``type`` where it is known."""

    text: str
    address: Address
    value: float
    places: int
    type: DataType | None


class Reading(NamedTuple):
    """``value`` is held as ``type`` in ``order``; what is shown is that divided by ``factor``."""

    type: str
    order: str
    factor: int
    value: float


def read_expectation(protocol: Protocol, text: str) -> Expectation:
    """Read ``hr:100=12.5`` or ``hr:100:REAL=12.5``; ValueError("what; what would be right")."""
    where, equals, shown = text.rpartition("=")
    address, _, name = where.rpartition(":")
    typed = address and not _PREFIX.search(address)
    kind = TYPES.get(name.strip().upper()) if typed else None
    if not equals:
        raise ValueError(f"{text!r} names no value; write for example hr:100=12.5 or hr:100:REAL=12.5")
    shown = shown.strip()
    if shown.lower() in ("true", "false"):
        value = float(shown.lower() == "true")
    else:
        try:
            value = float(shown)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ValueError(f"{text!r}: {shown!r} is not a value; write a number, true or false")
    places = len(shown.lower().partition("e")[0].partition(".")[2])
    at = parse_address(protocol, address if kind else where)
    return Expectation(text, at, value, places, kind)


def bits(held: int, wanted: Expectation) -> list[Reading]:
    """How the lowest bit of ``held`` is the value."""
    bit = bool(held & 1)
    return [Reading("BOOL", "-", 1, bit)] if bit == bool(wanted.value) else []


def readings(raw: bytes, wanted: Expectation, sizes: Sequence[int]) -> list[Reading]:
    """How the first bytes of ``raw`` may hold the value; without a factor and in the usual order first.

    Numbers of ``sizes`` (bytes) are tried, or the type that is expected.
    """
    numbers = [kind for kind in TYPES.values() if kind.kind in ("int", "real") and kind.bits // 8 in sizes]
    found: list[tuple[int, int, Reading]] = []
    for kind in [wanted.type] if wanted.type else numbers:
        data = raw[: kind.bits // 8]
        if len(data) * 8 != kind.bits:
            continue  # the device has no more, or it is a BOOL
        for usual, order in enumerate(ORDERS[len(data)]):
            value = kind.unpack(arrange(data, order))
            if not isinstance(value, int | float):
                continue
            found += [
                (factor, usual, Reading(kind.name, order, factor, value))
                for factor in _factors(value, kind, wanted)
            ]
    return [reading for _, _, reading in sorted(found, key=lambda each: each[:2])]


def _factors(value: float, kind: DataType, wanted: Expectation) -> Iterator[int]:
    """A REAL is shown rounded; a whole number is held as it is, or as so many parts."""
    if kind.kind == "real":
        if math.isfinite(value) and abs(value - wanted.value) <= 0.5 * 10**-wanted.places * (1 + 1e-6):
            yield 1
        return
    for factor in FACTORS[: 1 if wanted.value == 0 else None]:
        if value == round(wanted.value * factor, 6):
            yield factor

"""Cells of tag lists read into values: numbers, ranges, units, truth; ValueError("what; hint"); pure."""

from __future__ import annotations

import math
import re

from gateway.field.tags import Range
from gateway.field.tolerance import ToleranceEntry
from gateway.scalar import Text
from gateway.units import UNITS, duration, quantity
from rig.tags.words import TRUTHS, UNIT_WORDS, plain

_NUMBER = r"[+\-−]?(?:\d[\d'’. ,\u00a0\u202f]*\d|\d)(?:[eE][+-]?\d+)?|[+\-−]?[.,]\d+"
_RANGE = re.compile(
    rf"\s*\[?\s*(?:von|from|ab)?\s*({_NUMBER})\s*([^\d\s.,;:…\-–—~][^\d\s]*?|)\s*"
    rf"(?:\.{{2,3}}|…|-|–|—|~|;|:|/|\bbis\b|\bto\b|÷)\s*({_NUMBER})\s*([^\d\]][^\]]*?|)\s*\]?\s*\Z",
    re.IGNORECASE,
)
_SINGLE = re.compile(rf"\s*({_NUMBER})\s*(.*?)\s*\Z")
_SPACE = re.compile(r"[\s'’\u00a0\u202f]")
_THOUSAND = re.compile(r"[+-]?[1-9]\d{0,2}[.,]000\Z")
_TOLERANCE = re.compile(r"\{?\s*(?:value:\s*([^\s:,{}][^:,{}#]*?))?\s*,?\s*(?:time:\s*([^:,{}#]+?))?\s*\}?\Z")
LONGEST = 80  # characters of a number, a range or a tolerance


def number(text: str) -> float:
    """``2.5``, ``2,5``, ``1.234,5``, ``1 234.5``, ``27'648``; a lone comma or point is the decimal one.

    ValueError for what is no number, and for ``1.000``, which is one here and a thousand there.
    """
    compact = _SPACE.sub("", text).replace("−", "-") if len(text) <= LONGEST else ""
    if _THOUSAND.match(compact):
        raise ValueError(f"{text!r} may be {compact[:-4]} or a thousand times that; write it without .000")
    for group, point in ((",", "."), (".", ",")):
        if _grouped(group, point).match(compact):
            compact = compact.replace(group, "")
    try:
        value = float(compact.replace(",", "."))
    except ValueError:
        raise ValueError(f"{text!r} is not a number; write for example 2.5 or 2,5") from None
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is too large; write a number that can be held")
    return value


def _grouped(group: str, point: str) -> re.Pattern[str]:
    """Groups of three digits, then a decimal part or a second group: what cannot be read in two ways."""
    three = rf"\{group}\d{{3}}"
    return re.compile(rf"[+-]?\d{{1,3}}(?:(?:{three})+\{point}\d+|(?:{three}){{2,}})\Z")


def unit(text: str) -> str:
    """The unit in our spelling; ValueError where it is none of ours."""
    word = " ".join(text.split())
    if word in UNITS:
        return word
    known = UNIT_WORDS.get(word.casefold())
    if known is None:
        known = next((name for name in UNITS if name.casefold() == word.casefold() and len(name) > 2), None)
    if known is None:
        raise ValueError(f"unit {text!r} is not known; use a UCUM unit such as mm, bar, N.m, Cel")
    return known


def span(text: str) -> tuple[Range, str]:
    """A range and the unit written with it: ``0-10``, ``-5..5``, ``4…20 mA``, ``0,5 bis 2,5 bar``."""
    match = _RANGE.match(text) if len(text) <= LONGEST else None
    if match is None:
        raise ValueError(f"{text!r} is not a range; write for example 0..400")
    found = Range(number(match[1]), number(match[3]))
    if not found.low < found.high:
        raise ValueError(f"{text!r}: the first number must be the smaller; write for example 0..400")
    return found, match[4] or match[2]


def bound(text: str) -> tuple[float, str]:
    """A number and the unit written with it: ``10``, ``10,5 bar``."""
    match = _SINGLE.match(text) if len(text) <= LONGEST else None
    if match is None:
        raise ValueError(f"{text!r} is not a number; write for example 2.5 or 2,5")
    return number(match[1]), match[2]


def in_unit(found: Range, written: str, wanted: str) -> Range:
    """``found`` in ``wanted`` where it was written in ``written``; ValueError where that is another kind."""
    if written == wanted:
        return found
    return Range(quantity(f"{found.low!r} {written}", wanted), quantity(f"{found.high!r} {written}", wanted))


def truth(text: str) -> bool | None:
    """``ja``, ``off``, ``1`` …; None where it is no truth value."""
    return TRUTHS.get(plain(text))


def yes(text: str) -> bool:
    """``ja``, ``false`` …; ValueError for what is no truth value."""
    found = truth(text)
    if found is None:
        raise ValueError(f"{text!r} is neither true nor false; write one of them")
    return found


def tolerance(text: str) -> ToleranceEntry:
    """``{value: 0.5, time: 50 ms}``, one of them or both; ValueError for another text."""
    match = _TOLERANCE.match(text.strip()) if len(text) <= LONGEST else None
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is no tolerance; write for example {{value: 0.5, time: 50 ms}}")
    value, time = match.groups()
    return ToleranceEntry(Text(value, 0) if value else None, duration(time) if time else None)


def is_states(text: str) -> bool:
    """Whether a range of a BOOL only names its states: ``0/1``, ``ja/nein``, ``0..1``."""
    parts = [part for part in re.split(r"\.\.+|…|[/|\-–;,]|\s+", text) if part]
    return len(parts) == 2 and {truth(part) for part in parts} == {True, False}

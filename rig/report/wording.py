"""How numbers, times, limits and outcomes are written for people; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from rig.acl import NO_ACL
from rig.record import Measurement, Record

PRINTED_UNITS = {
    "1": "",
    "us": "µs",
    "Cel": "°C",
    "deg": "°",
    "deg/s": "°/s",
    "N.m": "N·m",
    "N.mm": "N·mm",
    "mm/s2": "mm/s²",
    "m/s2": "m/s²",
}
MODES = {
    "virtual": "programs and machines in one process, under a virtual clock",
    "hil": "hardware in the loop: controllers over their protocols, machines by their twins",
    "ril": "reality in the loop: virtual controllers on real machines",
    "shadow": "real controllers on real machines, the twins beside them",
    "mixed": "stations of several modes: each has its own",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Control characters (tab and newline apart), surrogates and non-characters: XML forbids most of them,
# and a terminal would obey the rest.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """``text`` with every character that XML forbids or a terminal obeys written out, as in ``\\x1b``."""
    return _UNPRINTABLE.sub(lambda found: _escape(found[0]), text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """``text`` cleaned and on one line."""
    return " ".join(clean(text).split())


def number(value: float, *beside: float | None) -> str:
    """``value`` in 6 significant digits, or as many more as keep it on its side of the limits ``beside``."""
    for digits in (6, 9, 12, 17):
        text = _significant(value, digits)
        shown = float(text)
        if all((shown < x, shown > x) == (value < x, value > x) for x in beside if x is not None):
            break
    return text


def unit(code: str) -> str:
    """A unit of UCUM as it is printed; "" for a pure number."""
    return PRINTED_UNITS.get(code, code)


def with_unit(text: str, code: str) -> str:
    """``text`` and its unit, on one line."""
    return f"{text} {unit(code)}".rstrip()


def measured(measurement: Measurement) -> str:
    """Value with uncertainty and unit: ``212 ± 10 ms``."""
    value = measurement.value
    if isinstance(value, str):
        return clean(value)
    text = number(value, measurement.low, measurement.high)
    if measurement.uncertainty:
        text = f"{text} ± {number(measurement.uncertainty)}"
    return with_unit(text, measurement.unit)


def limits(measurement: Measurement) -> str:
    """The limits with unit: ``1.8 … 2.4 N·m``, ``≤ 100 ms``, ``= 3``; "" without limits."""
    low, high = measurement.low, measurement.high
    if low is not None and high is not None:
        text = f"= {_limit(low)}" if low == high else f"{_limit(low)} … {_limit(high)}"
    elif high is not None:
        text = f"≤ {_limit(high)}"
    elif low is not None:
        text = f"≥ {_limit(low)}"
    else:
        return ""
    return with_unit(text, measurement.unit)


def duration(ns: int) -> str:
    """A span in the unit that suits it: ``850 µs``, ``12.3 ms``, ``2 min 03 s``, ``1 h 02 min``."""
    if ns < 0:
        return "-" + duration(-ns)
    seconds = ns / 1e9
    if round(seconds) >= 3600:
        minutes = round(seconds / 60)
        return f"{minutes // 60} h {minutes % 60:02} min"
    if seconds >= 59.95:
        return f"{round(seconds) // 60} min {round(seconds) % 60:02} s"
    if ns < 1000:
        return f"{ns} ns" if ns else "0 s"
    for size, name in ((1e3, "µs"), (1e6, "ms")):
        if float(text := f"{ns / size:.3g}") < 1000:  # as rounded: 999.7 ms is 1 s
            return f"{text} {name}"
    return f"{seconds:.3g} s"


def clock(ns: int) -> str:
    """A running time: ``0:31``, ``1:02:03``."""
    minutes, seconds = divmod(ns // 1_000_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def utc(ns: int) -> str:
    """A recorded time, to the second: ``2026-01-02 03:04:05 UTC``."""
    return f"{_moment(ns):%Y-%m-%d %H:%M:%S} UTC"


def iso(ns: int) -> str:
    """A recorded time in ISO 8601, to the millisecond: ``2026-01-02T03:04:05.678Z``."""
    return _moment(ns).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def percent(part: float, whole: float = 1.0) -> str:
    """``part`` of ``whole``, rounded towards zero so that only all of it reads 100 %; "–" of nothing."""
    return f"{int(100 * part / whole + 1e-9)} %" if whole else "–"


def mode(name: str) -> str:
    """What a mode means; "" where it is not known."""
    return MODES.get(name, "")


def broker(name: str) -> str:
    """What whoever reads the verdicts is to know of the line's broker; "" where that is nothing."""
    if name.startswith("mqtt://"):
        return "the broker is reached without TLS: who is on its way, or on that machine, may hear everything"
    return NO_ACL if name == "embedded" else ""


def host(facts: Mapping[str, str]) -> str:
    """What a computer is, but for its name."""
    said = {**facts, "python": f"Python {facts['python']}"} if facts.get("python") else dict(facts)
    if number := facts.get("processors"):
        said["processors"] = f"{number} processor{'' if number == '1' else 's'}"
    return ", ".join(value for key, value in said.items() if key != "name" and value)


def outcome(record: Record) -> str:
    """One sentence that says what the session's verdict means."""
    verdicts = [step.verdict for step in record.steps]
    total, failed, errors = len(verdicts), verdicts.count("FAIL"), verdicts.count("ERROR")
    skipped = verdicts.count("SKIPPED")
    parts = []
    if not record.complete:
        parts.append(_cut_short(total - skipped, max(record.planned, total)))
    if errors:
        parts.append(
            f"In {errors} of {_steps(total)} the rig could not measure: nothing is said of the line there."
        )
    if failed:
        parts.append(f"{failed} of {_steps(total)} failed: the station is at fault.")
    if not parts and total == skipped:
        return "No step was carried out: nothing was proven."
    if not parts:
        passed = f"{total - skipped} of {_steps(total)} passed" if skipped else f"All {_steps(total)} passed"
        parts.append(f"{passed}; {skipped} skipped." if skipped else f"{passed}.")
    return " ".join(parts)


def _cut_short(carried_out: int, planned: int) -> str:
    if not carried_out:
        return "The session was cut short before its first step."
    were = "was" if carried_out == 1 else "were"
    return f"The session was cut short: {carried_out} of {_steps(planned)} {were} carried out."


def _steps(count: int) -> str:
    return f"{count} step" if count == 1 else f"{count} steps"


def _moment(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1000)


def _limit(value: float) -> str:
    return _significant(value, 12)


def _significant(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    if "e+" in text and abs(value) < 1e15:
        text = f"{value:.0f}"
    return "0" if text == "-0" else text


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"

"""The clock: against those of who is heard on the line, and the files that were written before; pure."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from gateway.local.checks.finding import Finding, ok, unseen, wrong
from gateway.local.checks.line import Voice

TOLERANCE = 2_000_000_000  # ns: what a busy broker may hold back is less, what spoils a certificate is more
_SET = "see 'timedatectl': switch NTP on, or set the time with 'date -s'; then start the gateway again"


def clock(now: int, newest: int, voices: Mapping[str, Voice], shown: str) -> Finding:
    """``now`` is this clock's UTC, ns, and ``shown`` the same for a person; ``newest`` is that of the newest
    file which the gateway wrote; ``voices`` are of the others."""
    live = {node: voice.ahead for node, voice in voices.items() if voice.live}
    off = {node: ahead for node, ahead in live.items() if abs(ahead) > TOLERANCE}
    # What a broker kept was said in the past: a clock that is behind it is wrong, or its sender's was.
    future = {node: voice.ahead for node, voice in voices.items() if voice.ahead > TOLERANCE}
    if live:
        return _among(live, off, shown)
    if newest - now > TOLERANCE:
        what = f"the clock says {shown}, and its own files are {_long(newest - now)} younger than that"
        return wrong("clock", what, _SET)
    if future:
        node, ahead = next(iter(future.items()))
        return wrong("clock", f"the clock says {shown}; {node} said something {_long(ahead)} later", _SET)
    return unseen("clock", f"it says {shown}; nobody is heard to compare it with", "compare it with a watch")


def _among(live: Mapping[str, int], off: Mapping[str, int], shown: str) -> Finding:
    """Where most differ from this clock alike, it is this one; else it is theirs."""
    if not off:
        return ok("clock", f"it says {shown}, as do {', '.join(sorted(live))}")
    middle = round(median(live.values()))
    if len(off) * 2 > len(live) and len(live) > 1 and abs(middle) > TOLERANCE:
        where = "behind" if middle > 0 else "ahead of"
        others = f"the clocks of {', '.join(sorted(off))}"
        return wrong("clock", f"it says {shown}, {_long(abs(middle))} {where} {others}", _SET)
    node, ahead = next(iter(sorted(off.items())))
    where = "behind" if ahead > 0 else "ahead of"
    what = f"it says {shown}, {_long(abs(ahead))} {where} the clock of {node}"
    return wrong("clock", what, f"compare both with a watch; of the wrong one {_SET}")


def _long(ns: int) -> str:
    seconds = round(ns / 1e9)
    if seconds < 120:
        return f"{seconds} s"
    minutes, days = round(seconds / 60), round(seconds / 86_400)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 48 * 60 else f"{days} days"

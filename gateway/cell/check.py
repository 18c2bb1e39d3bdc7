"""Why a script cannot be done on a station: said before anything of it is done, never by a crash; pure."""

from __future__ import annotations

import math
from collections.abc import Collection

from gateway.field.compound import ArrayType
from gateway.field.referring import check_ref
from gateway.field.tags import Tag, TagRef
from gateway.field.types import Value
from gateway.net.messages import (
    MAX_ACTIONS,
    Action,
    Await,
    AwaitAll,
    Clear,
    Feed,
    Force,
    Free,
    Inject,
    Pause,
    Place,
    Reset,
    Run,
    Waiting,
)
from gateway.scenario import carries, show
from gateway.station import Mode, Station
from gateway.twin.faults import check_fault
from gateway.twin.workpiece import Workpiece

MAX_FEEDING = 1_000
MAX_ID = 128
MAX_LENGTH = 100_000.0
MAX_WATCH = 3_600_000_000_000  # ns; nobody's lease ends a script that has none
MAX_WAIT = 7 * 24 * MAX_WATCH  # ns


def refuses(run: Run, station: Station, mode: Mode, here: Collection[str]) -> str:
    """Why ``run`` cannot be done on ``station`` in its ``mode``, which holds the workpieces ``here``; empty
    if it can."""
    if len(run.actions) > MAX_ACTIONS:
        return f"{len(run.actions)} actions are too many; {MAX_ACTIONS} at most"
    if why := _refuses_times(run):
        return why
    for tag in run.watch:
        if tag not in station.tags:
            return f"{tag} is no tag of {station.id}"
    known = set(here)
    for action in run.actions:
        if isinstance(action, Inject) and mode == "ril":
            return f"{station.id}: the plant is real, no fault can be injected into it"
        why = _refuses_action(action, station)
        if why:
            return why
        if isinstance(action, Reset):
            known.clear()
        elif isinstance(action, Place | Feed):
            for workpiece in action.workpieces:
                why = refuses_workpiece(workpiece, known)
                if why:
                    return why
                known.add(workpiece.id)
                if len(known) > MAX_FEEDING:
                    return f"more than {MAX_FEEDING} workpieces in one station are too many"
    return ""


def refuses_watch(run: Run) -> str:
    """Why ``run`` cannot be done without a lease; empty if it can: it only waits, and not without end."""
    if not all(isinstance(action, Waiting) for action in run.actions):
        return "in shadow mode nothing is written: a script only waits (await, pause)"
    if why := _refuses_times(run):
        return why
    if sum(_times(run)) > MAX_WATCH:
        return f"a script without a lease takes at most {MAX_WATCH / 3.6e12:g} h"
    return ""


def _times(run: Run) -> list[int]:
    """How long it waits at most, ns: each of its actions, and after the last."""
    found = [each.duration if isinstance(each, Pause) else getattr(each, "limit", 0) for each in run.actions]
    return [*found, run.tail]


def _refuses_times(run: Run) -> str:
    for time in _times(run):
        if not 0 <= time <= MAX_WAIT:
            return f"a script waits 0 to {MAX_WAIT // MAX_WATCH} h at a time, not {time / 3.6e12:g} h"
    return ""


def refuses_workpiece(workpiece: Workpiece, here: Collection[str]) -> str:
    """Why ``workpiece`` cannot come into a station that holds ``here``; empty if it can."""
    if not 0 < len(workpiece.id) <= MAX_ID or not workpiece.id.isprintable():
        return f"{workpiece.id[:MAX_ID]!r} is no workpiece's id; use 1 to {MAX_ID} printable characters"
    if not 0 < workpiece.length <= MAX_LENGTH:
        return f"{workpiece.id} is {workpiece.length:g} mm long; 0 to {MAX_LENGTH:g} mm is possible"
    if workpiece.id in here:
        return f"{workpiece.id} is here already; an id is unique in the line"
    return ""


def _refuses_action(action: Action, station: Station) -> str:
    match action:
        case Force(ref=ref, value=value):
            return (
                _refuses_input(ref, station)
                or _refuses_sign(ref, station)
                or _refuses_value(ref, value, station)
            )
        case Free(ref=ref):
            return _refuses_input(ref, station)
        case Await(ref=ref):
            return _refuses_ref(ref, station)
        case AwaitAll(targets=targets):
            if len(targets) > MAX_ACTIONS:
                return f"{len(targets)} targets are too many; {MAX_ACTIONS} at most"
            return next(filter(None, (_refuses_ref(each.ref, station) for each in targets)), "")
        case Inject(fault=fault) | Clear(fault=fault):
            return check_fault(fault, station.twin, station.tags)
        case Place(carrier=carrier) | Feed(carrier=carrier) if not carries(carrier, station.twin):
            return f"{carrier} is no carrier of {station.id}"
        case _:
            return ""


def _refuses_ref(ref: TagRef, station: Station) -> str:
    wrong: list[str] = []
    check_ref(ref, station.tags, 0, "", lambda _, what, hint: wrong.append(f"{what.strip()}; {hint}"))
    return wrong[0] if wrong else ""


def _refuses_input(ref: TagRef, station: Station) -> str:
    if ref.tag in station.tags and station.tags[ref.tag].direction != "input":
        return f"{ref} is no input of {station.id}; only inputs can be forced"
    if why := station.writes.refuses(ref.tag):
        return why
    return _refuses_ref(ref, station)


def _refuses_sign(ref: TagRef, station: Station) -> str:
    if station.shim is not None and station.shim.refuses(ref):
        return f"{ref} tells the shim that the gateway is alive; it cannot be forced"
    return ""


def _refuses_value(ref: TagRef, value: Value, station: Station) -> str:
    """A force holds exactly what was asked: nothing is clipped or rounded in silence."""
    tag = station.tags[ref.tag].part(ref)
    if ref.bit >= 0 or tag.type.kind == "bool":
        return "" if isinstance(value, bool) else f"{ref} is one bit; force it to true or false"
    if isinstance(tag.type, ArrayType):
        return _refuses_row(ref, value, tag.type.count, station)
    if not tag.is_number:
        return _refuses_text(ref, value, tag)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"{ref} is a number; {value} is none"
    if not tag.in_range(value):
        return f"{show(value)} is outside the range of {ref}, {tag.range.low:g}..{tag.range.high:g}"
    if tag.is_whole and value != round(value):
        return f"{ref} holds whole numbers, not {show(value)}"
    return ""


def _refuses_row(ref: TagRef, value: Value, count: int, station: Station) -> str:
    if not isinstance(value, tuple) or len(value) != count:
        return f"{ref} has {count} elements; {show(value)} is not as many"
    wrong = (_refuses_value(TagRef(ref.tag, -1, n), each, station) for n, each in enumerate(value))
    return next(filter(None, wrong), "")


def _refuses_text(ref: TagRef, value: Value, tag: Tag) -> str:
    try:
        fits = isinstance(value, str) and tag.parse(value) == value
    except ValueError:
        fits = False
    return "" if fits else f"{show(value)} is no value of {ref}, {tag.type.name}"

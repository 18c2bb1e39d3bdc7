"""pytest's items in the session's words: phase, station, step id, verdict; and what is wrong with a file."""

from __future__ import annotations

import inspect
import os
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway.errors import Problem
from gateway.field.tags import Tag
from gateway.scenario import Scenario
from gateway.station import Station
from rig.backend import RigFault, Script
from rig.line import Line
from rig.record import PHASES, Verdict
from rig.session import Session
from rig.step import StepContext
from rig.verdicts import Failed, NotHere

ABOUT = ("station", "device", "output", "input", "sequence", "interlock", "machine", "beside")
WATCHING = "agreement"  # the phase in which stations are watched beside one another
SESSION = pytest.StashKey[Session]()
STEP = pytest.StashKey[StepContext]()
AT_ONCE = 12  # scripts begun ahead


def things(line: Line, about: str) -> list[tuple[str, str]]:
    """Every ``about`` of the line, as (station, name)."""
    pairs = []
    for name, lined in line.stations.items():
        spec = lined.station
        names = {
            "station": [""],
            "device": [device.name for device in lined.devices.values() if device.role != "controller"],
            "output": [tag.name for tag in spec.outputs if tag.name not in spec.echoes],
            "input": [tag.name for tag in spec.plant_inputs],
            "sequence": list(spec.sequences),
            "interlock": list(spec.interlocks),
            "machine": [""] if lined.mode in ("ril", "shadow") else [],
            "beside": [""] if lined.accompanied else [],
        }[about]
        pairs += [(name, thing) for thing in names]
    return pairs


def phase_of(item: pytest.Item) -> str:
    """The phase that its marker names; ``procedures`` for a person's own."""
    marker = item.get_closest_marker("phase")
    name = str(marker.args[0]) if marker is not None and marker.args else ""
    return name if name in PHASES else "procedures"


def station_of(item: pytest.Item) -> str:
    """The station that it is about; empty where it is about the line."""
    callspec = getattr(item, "callspec", None)
    for about in ABOUT:
        if callspec is not None and about in callspec.params:
            return str(callspec.params[about][0])
    return ""


def about_nothing(item: pytest.Item) -> bool:
    """Whether it stands for a procedure that the line has nothing for."""
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return any(about in params and not isinstance(params[about], tuple) for about in ABOUT)


def step_id(item: pytest.Item) -> str:
    """``checkout/input[infeed.air-ok]``; with the file's name where it is a person's own."""
    name, phase = item.name.removeprefix("test_"), phase_of(item)
    return f"{phase}/{item.path.stem}/{name}" if phase == "procedures" else f"{phase}/{name}"


def title_of(item: pytest.Item, line: Line) -> str:
    """What it is about, with its scenario's own title, else the first line of its docstring."""
    first = (inspect.getdoc(getattr(item, "obj", None)) or item.name).splitlines()[0].rstrip(".")
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return first
    for about in ("output", "input"):
        if about in callspec.params:
            station, name = callspec.params[about]
            tag = line.stations[station].station.tags[name]
            return f"{callspec.id}{tag.title and f', {tag.title}'}: {first}"
    for about, scenarios in (("sequence", "sequences"), ("interlock", "interlocks")):
        if about in callspec.params:
            station, name = callspec.params[about]
            first = getattr(line.stations[station].station, scenarios)[name].title
    return f"{callspec.id}: {first}"


def turns_of(items: list[pytest.Item]) -> dict[pytest.Item, int]:
    """Stations take turns where their scripts can be begun ahead: each item's number at its own station."""
    found: dict[pytest.Item, int] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for item in items:
        place = (phase_of(item), station_of(item))
        found[item] = counts[place]
        counts[place] += item.get_closest_marker("ahead") is not None
    return found


def scripts_ahead(
    item: pytest.Item, items: list[pytest.Item], session: Session
) -> Iterator[tuple[str, Script]]:
    """While ``item`` runs, the next script of each other station in its phase that has a plant of its own; of
    so many at once that the one process that plays virtual stations keeps its pace."""
    room = AT_ONCE - len(session.ahead.stations)
    if item.get_closest_marker("ahead") is None:
        return
    seen = {station_of(item), *session.gone, *session.away, *session.ahead.stations}
    after = items.index(item) + 1
    for other in items[after : after + len(session.stations)]:  # they take turns
        marker, name = other.get_closest_marker("ahead"), station_of(other)
        if room <= 0 or phase_of(other) != phase_of(item):
            return
        if marker is None or name in seen:
            continue
        seen.add(name)
        station = session.stations[name]
        if station.lined.mode in ("hil", "virtual") or phase_of(item) == WATCHING:
            script: Script | None = marker.args[0](station, _thing(other, station.spec))
            if script is not None:
                room -= 1
                yield name, script


def _thing(item: pytest.Item, spec: Station) -> Scenario | Tag | None:
    """What an item is about whose script can be begun ahead; None: its station."""
    params = item.callspec.params  # type: ignore[attr-defined]  # it is about something
    if "machine" in params:
        return None
    tables: dict[str, Mapping[str, Scenario | Tag]] = {
        "sequence": spec.sequences,
        "interlock": spec.interlocks,
        "output": spec.tags,
        "input": spec.tags,
    }
    return next(tables[about][params[about][1]] for about in tables if about in params)


def judge(raised: BaseException | None, path: Path) -> tuple[Verdict, str, tuple[str, ...]]:
    """Verdict, message and tags of what a procedure of the file ``path`` ended with."""
    match raised:
        case None:
            return "PASS", "", ()
        case pytest.skip.Exception() | NotHere():
            return "SKIPPED", str(raised), ()
        case Failed():
            return "FAIL", str(raised), raised.tags
        case AssertionError() | pytest.fail.Exception():
            return "FAIL", str(raised) or f"assertion failed at {_place(raised, path)}", ()
        case RigFault():
            return "ERROR", str(raised), ()
        case _:
            return "ERROR", f"{type(raised).__name__}: {raised} (at {_place(raised, path)})", ()


def unreadable(raised: BaseException, path: Path) -> Problem:
    """Why pytest could not collect the procedures in ``path``."""
    cause = raised.__cause__
    if isinstance(cause, SyntaxError):
        return Problem(_short(cause.filename or path), cause.lineno or 0, cause.offset or 0, cause.msg)
    if isinstance(cause, ImportError) and cause.name:
        raised = cause
    if isinstance(raised, pytest.Collector.CollectError):
        return Problem(_short(path), 0, 0, " ".join(str(raised).split()))
    return Problem(_short(path), _line(raised, path), 0, f"{type(raised).__name__}: {raised}")


def unmet(item: pytest.Item) -> list[Problem]:
    """What a procedure asks for that nothing gives."""
    if not isinstance(item, pytest.Function):
        return []
    info = item._fixtureinfo
    given = {*info.name2fixturedefs, "request"}
    path, line, _ = item.location
    return [
        Problem(path, (line or 0) + 1, 0, f"{item.originalname} asks for {name!r}, which nothing gives",
                "it may have " + ", ".join((*ABOUT, "session", "step")) + ", and fixtures of its own")
        for name in info.argnames if name not in given
    ]  # fmt: skip


def _place(raised: BaseException, path: Path) -> str:
    return f"{_short(path)}:{_line(raised, path)}"


def _line(raised: BaseException, path: Path) -> int:
    """Where in ``path`` it was raised, or what led there; 0 if nothing did."""
    frames = traceback.extract_tb(raised.__traceback__)
    return next((f.lineno or 0 for f in reversed(frames) if f.filename == str(path)), 0)


def _short(path: str | Path) -> str:
    """The path as a person would write it from here."""
    shown = os.path.relpath(path)
    return str(path) if shown.startswith("..") else shown

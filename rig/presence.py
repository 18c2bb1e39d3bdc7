"""Which gateways have come to a line, and whether each is the one that the line wants; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, NamedTuple

from gateway.belonging import UNHEARD
from gateway.net.reports import About, State
from rig.line import Line, LineStation

Standing = Literal["there", "absent", "gone", "other", "barred", "stranger"]


class Seen(NamedTuple):
    """What was heard from a gateway: what it says of its station, and its last state."""

    about: About | None = None
    state: State | None = None


class Presence(NamedTuple):
    """A station of the line, or a gateway that came to it.

    there: it runs and has the line's station file; absent: never heard of; gone: it was here, and to its
    neighbours it is a closed door; other: it has another version of the file; barred: the line's chain has
    revoked it, or knows it by another key; stranger: of no such station.
    """

    station: str
    standing: Standing
    text: str


def presences(line: Line, seen: Mapping[str, Seen], library: Collection[str] = ()) -> Iterator[Presence]:
    """Every station of ``line``, then whoever else came; ``library`` are the groups known here."""
    for name, lined in line.stations.items():
        yield _wanted(name, lined, seen.get(name, Seen()))
    for name in sorted(seen.keys() - line.stations.keys()):
        found = seen[name]
        if found.about is not None and found.state is not None and found.state.online:
            yield Presence(name, "stranger", _stranger(line, found.about, library))


def _wanted(name: str, lined: LineStation, found: Seen) -> Presence:
    if found.state is None:
        return Presence(name, "absent", "no gateway was heard of")
    if not found.state.online:
        return Presence(name, "gone", "its gateway is offline: a closed door to its neighbours")
    if found.about is None:
        return Presence(name, "other", "its gateway says nothing of its station; update it")
    about = found.about
    if about.station_sha256 != lined.station.sha256:
        return Presence(name, "other", f"another version of {lined.station.file}: {_what(about)}")
    if UNHEARD in found.state.problem:
        return Presence(name, "barred", found.state.problem)
    problem = f"; {found.state.problem}" if found.state.problem else ""
    return Presence(name, "there", f"{_what(about)}, controller {found.state.link}{problem}")


def _stranger(line: Line, about: About, library: Collection[str]) -> str:
    """What it is, and how it could join."""
    fits = [name for name, each in line.stations.items() if each.station.sha256 == about.station_sha256]
    if fits:
        return f"{_what(about)}; it has the file of {', '.join(fits)}: to join, add it to the line by as:"
    unknown = sorted(set(about.groups.values()) - set(library))
    if unknown:
        return f"{_what(about)}; to join, first add to the library here: {', '.join(unknown)}"
    return f"{_what(about)}; no station of the line has that file: to join, add it to the line"


def _what(about: About) -> str:
    groups = f", groups {', '.join(sorted(set(about.groups.values())))}" if about.groups else ""
    return f"{about.title}: {about.outputs} outputs, {about.inputs} inputs{groups}"

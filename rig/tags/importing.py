"""An import from end to end: read, compare, show, merge, prove that the result loads, write."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import msgspec

from gateway.errors import BadInput, Problem
from gateway.field.entries import Dialect, TagEntry
from gateway.field.security import Access
from gateway.field.tags import Direction
from gateway.station import StationEntry, load_station
from gateway.store.atomic import write_atomically
from gateway.yamlfile import parse, read_text
from rig.tags.browse import OBJECTS, browse
from rig.tags.found import KEYS, Target, placeless
from rig.tags.merge import DECIDED_BY_FILE, Plan, check_references, plan_import
from rig.tags.reach import Reach, access_of, notes
from rig.tags.read import Asked, chosen, read_tags
from rig.tags.rows import Listing
from rig.tags.settle import settle
from rig.tags.show import difference, left_out
from rig.tags.splice import spliced

_BOM = b"\xef\xbb\xbf"


class Wanted(msgspec.Struct, frozen=True):
    """What a person asks of an import, beside the source and the station."""

    device: str | None = None
    direction: Direction | None = None
    modbus_base: int | None = None
    inputs_at: str | None = None
    take: frozenset[str] = DECIDED_BY_FILE
    under: str = OBJECTS
    asked: Asked = Asked()
    reach: Reach = Reach()


class Import:
    """One import, compared and not yet written.

    ``lines`` show the difference; ``remaining`` is what keeps the station from loading afterwards, where it
    did not load before. BadInput with all that is wrong in either file.
    """

    def __init__(self, source: str, station: Path, wanted: Wanted) -> None:
        self.station = station
        self.before = station.read_bytes() if station.is_file() else b""
        text = read_text(station)
        entry = _entry(text, station)
        target = _target(entry, station, wanted)
        device, access = entry.devices[target.device], None
        if is_browsed(source):
            access = access_of(wanted.reach, device, entry.id, station)
        listing = _listing(source, wanted, target, access)
        self.plan = _plan(entry.tags, listing, target, wanted)
        merged = spliced(text, self.plan, str(station))
        if not _says(merged, station, self.plan):
            hint = "write each tag on a line of its own, as name: {…}"
            raise BadInput([Problem(str(station), 0, 0, "is written in a way that cannot be merged", hint)])
        self.after = (_BOM if self.before.startswith(_BOM) else b"") + merged.encode()
        if not self.plan.differs:
            self.after = self.before
        self.remaining = self._load()
        self.lines = [*difference(self.plan, listing, str(station)), *_advice(self.plan, target)]
        self.lines += notes(source, wanted.reach, device) if is_browsed(source) else []

    def _load(self) -> tuple[Problem, ...]:
        after = load_problems(self.after, self.station)
        if after and not load_problems(self.before, self.station):
            what = "would not load with these tags; nothing is written"
            raise BadInput([Problem(str(self.station), 0, 0, what), *after])
        return after

    def write(self) -> None:
        """Replace the station file, whole or not at all; BadInput where it has changed since it was read."""
        path = self.station.resolve()
        if path.read_bytes() != self.before:
            what = "has changed while the difference was shown; nothing is written"
            raise BadInput([Problem(str(self.station), 0, 0, what, "import again")])
        write_atomically(path, self.after, stat.S_IMODE(path.stat().st_mode))


def load_problems(data: bytes, station: Path) -> tuple[Problem, ...]:
    """What keeps a station file with these bytes from loading; its messages name ``station``."""
    with tempfile.TemporaryDirectory(prefix="twinline-") as folder:
        trial = Path(folder) / station.name
        trial.write_bytes(data)
        try:
            load_station(trial)
        except BadInput as bad:
            return tuple(
                msgspec.structs.replace(each, file=str(station)) if each.file == str(trial) else each
                for each in bad.problems
            )
    return ()


def station_tags(station: Path) -> dict[str, TagEntry]:
    """The tags of a station file as they are written; BadInput where it cannot be read."""
    return _entry(read_text(station), station).tags


def _entry(text: str, station: Path) -> StationEntry:
    problems: list[Problem] = []
    entry = parse(text, str(station), StationEntry, problems)
    if problems or entry is None:
        raise BadInput(problems)
    return entry


def _says(text: str, station: Path, plan: Plan) -> bool:
    """Whether a station file's text has exactly the tags of the plan."""
    try:
        return _bare(_entry(text, station).tags) == _bare(plan.entries)
    except BadInput:
        return False


def _bare(tags: dict[str, TagEntry]) -> dict[str, TagEntry]:
    return {name: placeless(entry) for name, entry in tags.items()}


def _target(entry: StationEntry, station: Path, wanted: Wanted) -> Target:
    """The device that was named, else the controller."""
    controllers = [name for name, each in entry.devices.items() if each.role == "controller"]
    device = wanted.device or next(iter(controllers), "")
    devices = {
        name: each for name, each in entry.devices.items() if each.role != "plant"
    }  # no tag lies there
    if device not in devices:
        declared = ", ".join(devices) or "none"
        what = f"has no device {device!r}" if device else "has no controller"
        raise BadInput([Problem(str(station), 0, 0, what, f"give --device; declared are {declared}")])
    protocols = {name: each.protocol for name, each in devices.items()}
    dialects = {
        name: Dialect(each.base, each.order or "ABCD", each.role == "served")
        for name, each in devices.items()
    }
    return Target(device, protocols, dialects, wanted.direction, wanted.modbus_base, wanted.inputs_at)


def _listing(source: str, wanted: Wanted, target: Target, access: Access | None) -> Listing:
    if is_browsed(source):
        listing = Listing(source)
        browse(source, wanted.under, listing, access)
        return chosen(listing, wanted.asked.only)
    asked = msgspec.structs.replace(wanted.asked, offsets=target.protocol != "opcua")
    return read_tags(Path(source), asked)


def is_browsed(source: str) -> bool:
    """Whether it is a server, not a file."""
    return source.startswith("opc.tcp://")


def _plan(tags: dict[str, TagEntry], listing: Listing, target: Target, wanted: Wanted) -> Plan:
    found = settle(listing, target)
    plan = plan_import(tags, found, target, wanted.take, listing)
    if not listing.problems:
        check_references(plan, target, listing)
    if listing.problems:
        raise BadInput(listing.problems)
    if not plan.added and len(plan.untouched) == len(tags):
        reasons = [Problem("", 0, 0, line) for line in left_out(listing.left_out)]
        raise BadInput([Problem(listing.file, 0, 0, "has nothing to import"), *reasons])
    return plan


def _advice(plan: Plan, target: Target) -> list[str]:
    if not plan.wired or target.protocol != "s7":
        return []
    return [
        "note: inputs at %I are left out; if the program reads them from a data block laid out like %I, "
        "say where it is: --inputs-at DB100"
    ]


def read_take(text: str) -> frozenset[str]:
    """The fields where the file wins, from ``range,title`` or ``all``; ValueError for what is no field."""
    words = {word.strip() for word in text.split(",") if word.strip()}
    if words == {"all"}:
        return frozenset(KEYS)
    if unknown := sorted(words - set(KEYS)):
        raise ValueError(f"--take {unknown[0]!r} is no field; use {', '.join(KEYS)} or all")
    return DECIDED_BY_FILE | words

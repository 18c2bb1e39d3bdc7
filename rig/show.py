"""What a line is made of: stations, modes, devices, models, signals by what they are, and its bills."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from gateway.station import Station
from rig.bills import Relation
from rig.line import Line, LineStation

WIDTH = 100


class Signals(msgspec.Struct, frozen=True):
    """A station's tags, each counted once.

    ``actuators`` and ``sensors`` are the plant's: bound to ports of components. ``echoes`` are outputs that
    show what was written, ``commands`` inputs that a person gives, ``others`` the rest: lamps, hand-over.
    """

    actuators: int = 0
    sensors: int = 0
    echoes: int = 0
    commands: int = 0
    others: int = 0

    @property
    def plant(self) -> int:
        """Signals to and from the machine."""
        return self.actuators + self.sensors


class DeviceShown(msgspec.Struct, frozen=True):
    """A device as the line has it."""

    name: str
    role: str
    protocol: str
    address: str


class StationShown(msgspec.Struct, frozen=True):
    """A station of the line; ``model`` counts its components by kind, ``groups`` are the library's.
    ``cut_off`` are the tags that components show and nobody may write, ``safety`` the tags that are never."""

    station: str
    title: str
    mode: str
    file: str
    devices: tuple[DeviceShown, ...]
    model: dict[str, int]
    groups: dict[str, str]
    does: tuple[str, ...]
    leads_to: dict[str, str]
    signals: Signals
    cut_off: dict[str, tuple[str, ...]] = {}
    safety: tuple[str, ...] = ()


class LineShown(msgspec.Struct, frozen=True):
    """A whole line; ``per_model`` is the average of plant signals over the stations' models."""

    line: str
    title: str
    stations: tuple[StationShown, ...]
    total: Signals
    per_model: float
    relations: tuple[Relation, ...]


def survey(line: Line) -> LineShown:
    """Count and list what ``line`` has."""
    shown = tuple(_station(line, name, each) for name, each in line.stations.items())
    total = _sum(each.signals for each in shown)
    models = sum(1 for each in shown if each.model)
    return LineShown(
        line.id, line.title, shown, total, total.plant / max(models, 1), tuple(line.bills.relations())
    )


def count(station: Station) -> Signals:
    """The station's tags by what they are."""
    actuators: set[str] = set()
    sensors: set[str] = set()
    for spec in station.twin.values():
        for port in spec.family.PORTS:
            if port.name in spec.ports:
                (actuators if port.direction == "actuator" else sensors).add(spec.ports[port.name])
    plant = actuators | sensors
    echoes, commands = station.echoes - plant, station.commands - plant
    others = station.tags.keys() - plant - echoes - commands
    return Signals(len(actuators), len(sensors), len(echoes), len(commands), len(others))


def _station(line: Line, name: str, lined: LineStation) -> StationShown:
    station = lined.station
    return StationShown(
        name,
        station.title,
        lined.mode,
        station.file,
        tuple(DeviceShown(d.name, d.role, d.protocol, d.address) for d in lined.devices.values()),
        dict(sorted(Counter(spec.kind for spec in station.twin.values()).items())),
        dict(station.groups),
        line.bills.does.get(name, ()),
        {out.place: str(into) for out, into in line.ways if out.station == name},
        count(station),
        station.writes.cut_off(station.twin.values()),
        tuple(sorted(station.writes.safety)),
    )


def _sum(signals: Iterable[Signals]) -> Signals:
    rows = [msgspec.structs.astuple(each) for each in signals]
    return Signals(*(sum(column) for column in zip(*rows, strict=True))) if rows else Signals()


# --- as text -----------------------------------------------------------------------------------------------

HEADS = ("Station", "Mode", "Devices", "Parts", "Actuators", "Sensors", "Echoes", "Commands", "Others")


def table(shown: LineShown) -> Iterator[str]:
    """A line for each station, the totals, what leads where, and the relations of the bills."""
    yield _cut(f"{shown.title} ({shown.line})")
    yield ""
    rows = [HEADS, *(_row(each) for each in shown.stations), ("all", *_totals(shown))]
    numbers = range(3, len(HEADS))
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEADS))]
    widths[0] = min(widths[0], 20)
    # What the other columns leave; the shorter it is, the more of the devices is cut off.
    widths[2] = min(widths[2], WIDTH - sum(widths) + widths[2] - 2 * (len(HEADS) - 1))
    for place, row in enumerate(rows):
        if place in (1, len(rows) - 1):
            yield "-" * (sum(widths) + 2 * (len(widths) - 1))
        cells = (
            row[n].rjust(widths[n]) if n in numbers else _cut(row[n], widths[n]).ljust(widths[n])
            for n in range(len(row))
        )
        yield "  ".join(cells).rstrip()
    total = shown.total
    yield ""
    yield (
        f"{total.actuators} actuator outputs and {total.sensors} sensor inputs: {total.plant} plant signals, "
        f"{shown.per_model:.1f} per model"
    )
    yield from _listed("Never written", _unwritten(shown))
    yield from _listed("Workpieces pass", _ways(shown))
    for kind, (heading, form) in RELATIONS.items():
        some = [each for each in shown.relations if each.kind == kind]
        yield from _listed(heading, [form.format(**each._asdict()) for each in some])


def _row(each: StationShown) -> tuple[str, ...]:
    spoken = Counter(device.protocol for device in each.devices)
    devices = ", ".join(name if many == 1 else f"{many} {name}" for name, many in spoken.items())
    counts = (sum(each.model.values()), *msgspec.structs.astuple(each.signals))
    return (each.station, each.mode, devices, *map(str, counts))


def _totals(shown: LineShown) -> tuple[str, ...]:
    parts = sum(sum(each.model.values()) for each in shown.stations)
    devices = sum(len(each.devices) for each in shown.stations)
    counts = (parts, *msgspec.structs.astuple(shown.total))
    return (f"{len(shown.stations)} stations", f"{devices} devices", *map(str, counts))


def _unwritten(shown: LineShown) -> list[str]:
    return [
        *(f"{each.station}: {', '.join(each.safety)} (safety)" for each in shown.stations if each.safety),
        *(
            f"{each.station}: {', '.join(tags)}, cut off from {component}"
            for each in shown.stations
            for component, tags in each.cut_off.items()
        ),
    ]


def _ways(shown: LineShown) -> list[str]:
    return [
        f"{each.station}{'' if outlet == 'main' else f'.{outlet}'} -> {into}"
        for each in shown.stations
        for outlet, into in each.leads_to.items()
    ]


RELATIONS = {
    "matching": ("Stations do", "{source}: {target}"),
    "membership": ("Operations are on", "{source}: {target}"),
    "sequence": ("Operations follow", "{source} -> {target}"),
    "assembly": ("Items are assembled", "{number} {source} into {target}"),
}


def _listed(heading: str, some: Sequence[str]) -> Iterator[str]:
    """``some`` below its heading; nothing where there is none."""
    if some:
        yield from ("", heading, *(_cut(f"  {each}") for each in some))


def _cut(text: str, width: int = WIDTH) -> str:
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."

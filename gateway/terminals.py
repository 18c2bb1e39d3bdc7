"""The terminals of a station's plant: which of its tags are wired, and where they lie on a real plant; pure.

A plant behind a Modbus remote I/O module has its sensors where a module has inputs and its actuators where it
has outputs, in the order of the station file:

    sensors    BOOL: di:0, di:1, …     numbers: ir:0, ir:2, …
    actuators  BOOL: coil:0, coil:1, … numbers: hr:0, hr:2, …

Numbers are in the tag's unit: REAL, or DINT where only whole numbers can be; two registers each, high word
first unless the device says another ``order``. Tags that no component is wired to (commands, echoes,
neighbours) are no terminals.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.field.entries import Dialect, TagEntry, compile_tags
from gateway.field.tags import Tag
from gateway.station import Station

DEVICE = "plant"  # where the station file names none
REGISTERS = 2


def terminals(station: Station) -> dict[str, Tag]:
    """As the plant's own module sees them: it is polled, so sensors are inputs of whoever controls it."""
    return _compiled(station, _entries(station, mirrored=False), served=True)


def mirrored(station: Station) -> dict[str, Tag]:
    """As a gateway sees them that stands where the controller stands: it reads sensors, so these are what the
    device puts out, and writes actuators, with false and 0 as their safe values."""
    return _compiled(station, _entries(station, mirrored=True), served=False)


def _entries(station: Station, mirrored: bool) -> Iterator[TagEntry]:
    wired = {tag for spec in station.twin.values() for tag in spec.ports.values()}
    free = {"di": 0, "ir": 0, "coil": 0, "hr": 0}
    for tag in station.tags.values():
        if tag.name not in wired:
            continue
        sensor, boolean = tag.direction == "input", tag.type.kind == "bool"
        table = ("di" if boolean else "ir") if sensor else ("coil" if boolean else "hr")
        kind = "BOOL" if boolean else "DINT" if tag.is_whole else "REAL"
        address = f"{table}:{free[table]}"
        free[table] += 1 if boolean else REGISTERS
        is_input = sensor != mirrored
        yield TagEntry(
            direction="input" if is_input else "output",
            type=kind,
            address=address,
            device=_device(station),
            range=None if boolean else tag.range,
            unit=tag.unit,
            safe=("false" if boolean else _nearest_to_zero(tag)) if is_input else None,
            title=tag.title,
            line=tag.line,
            name=tag.name,
        )


def _nearest_to_zero(tag: Tag) -> str:
    low, high = tag.range
    nearest = min(max(0.0, low), high)
    return f"{nearest:.0f}" if tag.is_whole else repr(float(nearest))


def _device(station: Station) -> str:
    return DEVICE if station.plant is None else station.plant.name


def _compiled(station: Station, entries: Iterator[TagEntry], served: bool) -> dict[str, Tag]:
    def complain(line: int, what: str, hint: str) -> None:
        raise AssertionError(f"line {line}: {what}; {hint}")

    device, order = _device(station), (station.plant and station.plant.order) or "ABCD"
    dialect = Dialect(order=order, served=served)
    return compile_tags(list(entries), {device: "modbus"}, complain, {device: dialect})

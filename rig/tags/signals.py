"""The signal list of a station: every tag by device and address, to print and tick off."""

from __future__ import annotations

import csv
import io
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from jinja2 import Template

from gateway.errors import BadInput, Problem
from gateway.field.tags import Tag
from gateway.scenario import show
from gateway.station import Device, Station
from rig.report.page import environment, look
from rig.report.wording import number, one_line, unit

COLUMNS = (
    "Device", "Address", "Tag", "Title", "Direction", "Type", "Range", "Unit", "Safe", "Observer", "Jog",
    "Wired", "Checked", "Initials",
)  # fmt: skip


class Signal(NamedTuple):
    """One line of the list, as it is written."""

    address: str
    tag: str
    title: str
    direction: str
    type: str
    range: str
    unit: str
    safe: str
    observer: str
    jog: str


class Part(NamedTuple):
    """The signals of one device, by address."""

    device: Device
    signals: tuple[Signal, ...]


def parts(station: Station) -> list[Part]:
    """The station's devices in the file's order, each with its tags in the order of their addresses."""
    return [
        Part(device, tuple(map(_signal, sorted(_of(station, name), key=lambda tag: tag.address))))
        for name, device in station.devices.items()
    ]


def _of(station: Station, device: str) -> list[Tag]:
    return [tag for tag in station.tags.values() if tag.device == device]


def _signal(tag: Tag) -> Signal:
    low, high = tag.range
    limited = tag.plain.kind not in ("bool", "string") and (low, high) != (tag.plain.low, tag.plain.high)
    return Signal(
        address=tag.text,
        tag=tag.name,
        title=one_line(tag.title),
        direction=tag.direction,
        type=tag.type.name,
        range=f"{number(low)} … {number(high)}" if limited else "",
        unit=unit(tag.unit),
        safe=show(tag.safe) if tag.direction == "input" else "",
        observer=str(tag.observer or ""),
        jog=str(tag.jog or ""),
    )


def rendered(station: Station, path: Path) -> bytes:
    """The list as HTML, Markdown or CSV, by the ending of ``path``; BadInput for another ending."""
    makers = {".html": _html, ".htm": _html, ".md": _markdown, ".csv": _csv}
    make = makers.get(path.suffix.lower())
    if make is None:
        raise BadInput([Problem(str(path), 0, 0, "is neither .html, .md nor .csv", "name it so")])
    text = make(station)
    return text.encode("utf-8-sig" if make is _csv else "utf-8")  # the mark by which Excel knows UTF-8


def _csv(station: Station) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for part in parts(station):
        writer.writerows([part.device.name, *each, "", "", ""] for each in part.signals)
    return out.getvalue()


def _markdown(station: Station) -> str:
    lines = [
        f"# {_cell(station.title)}: signals",
        "",
        f"Station {station.id}, file hash `{station.sha256[:12]}`.",
    ]
    for part in parts(station):
        lines += ["", f"## {part.device.name}: {_cell(part.device.address)}", ""]
        lines += ["| " + " | ".join(COLUMNS[1:]) + " |", "|" + " --- |" * len(COLUMNS[1:])]
        for each in part.signals:
            lines.append("| " + " | ".join([*map(_cell, each), "☐", "☐", ""]) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text that stays in its cell and is no markup."""
    marked = one_line(text).replace("\\", "\\\\")
    for letter in "|*_`<[":
        marked = marked.replace(letter, f"\\{letter}")
    return marked


def _html(station: Station) -> str:
    more = files("rig.tags").joinpath("signals.css").read_text(encoding="utf-8")
    foot = f"Station {station.id}, station file {station.sha256[:12]}"
    return _template().render(station=station, parts=parts(station), **look(foot, more))


@cache
def _template() -> Template:
    return environment("rig.tags").get_template("signals.html.j2")

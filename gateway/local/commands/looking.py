"""Commands that look at the station: status, tags, watch, trace, plc, twin."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

from cmd2 import with_annotated
from cmd2.annotated import Argument, Option

from gateway.field.types import Value
from gateway.local.client import Client
from gateway.local.commands.options import Commands, Json, TagNames, shell_of
from gateway.local.messages import (
    AskDevices,
    AskStatus,
    AskTwin,
    Change,
    Devices,
    DeviceShown,
    Event,
    Status,
    TagShown,
    TwinShown,
    Witnessed,
)
from gateway.local.sockets import connections
from gateway.local.table import hanging, pairs, table, times
from gateway.units import duration, format_duration

MOST_WATCHED = 20  # lines that fit a terminal
_MARKS = {
    "*": "is forced",
    "#": "is forced in vain: something overwrites it",
    "!": "is bad: the last value known",
    "?": "is uncertain: the device doubts it",
}


class Looking(Commands):
    """Of the station."""

    DEFAULT_CATEGORY = "Station"

    @with_annotated
    def do_status(self, json: Json = False) -> None:
        """How the gateway is: its station, mode, link, lease, forces, faults and what is wrong."""
        shell = shell_of(self)
        if not shell.config.station:
            witness = shell.ask(AskStatus(), Witnessed)
            shell.tell(witness, pairs(list(_witnessed(witness)), shell.width), json)
            return
        status = shell.ask(AskStatus(), Status)
        shell.tell(status, pairs(list(_status(status)), shell.width), json)

    @with_annotated
    def do_tags(
        self,
        filter: Annotated[str | None, Argument(nargs="?", help_text="Part of a name, device or address.")],
        json: Json = False,
    ) -> None:
        """All tags: * is forced, # forced in vain, ? uncertain, ! bad (the last value known)."""
        shell = shell_of(self)
        wanted = (filter or "").lower()
        found = [
            tag
            for tag in shell.tags()
            if any(wanted in text.lower() for text in (tag.name, tag.device, tag.address, tag.title))
        ]
        names = ("tag", "dir", "value", "unit", "type", "address")
        rows = [_row(tag) for tag in found]
        shell.tell(found, [*table(names, rows, shell.width), *_legend(found)], json)
        if not found:
            shell.fail(f"no tag has {filter!r} in its name, device or address")

    @with_annotated
    def do_watch(self, *tags: TagNames) -> None:
        """Show tags live until Ctrl-C: in place on a terminal, else a line for each change."""
        shell = shell_of(self)
        if not 0 < len(tags) <= MOST_WATCHED:
            shell.fail(f"name 1 to {MOST_WATCHED} tags", "trace takes more")
            return
        shell.check_station()
        if not shell.knows(tags):
            return
        live = shell.stdout.isatty()
        shown: dict[str, str] = {}
        screen = _Screen(shell.stdout)
        try:
            with Client(shell.folder) as client:
                for part in client.follow(tuple(tags)):
                    for change in part.changes:
                        text = (
                            f"{clock(change.utc)}  {change.tag:<{max(map(len, tags))}}  {show(change.value)}"
                        )
                        if not live:
                            shell.say(text)
                        shown[change.tag] = text[: shell.width - 1]
                    if live and part.changes:
                        screen.draw(shown.values())
        except KeyboardInterrupt:
            return

    @with_annotated
    def do_trace(
        self,
        *tags: TagNames,
        for_: Annotated[str, Option("--for", metavar="TIME", help_text="How long, such as 10s.")] = "10 s",
        json: Json = False,
    ) -> None:
        """Every change of tags with its time, as CSV; > FILE keeps it."""
        shell = shell_of(self)
        try:
            span = duration(for_)
        except ValueError as error:
            shell.fail(f"--for: {error}", status=2)
            return
        if not tags:
            shell.fail("name the tags", "'tags' shows them")
            return
        shell.check_station()
        if not shell.knows(tags):
            return
        missed, changes = 0, []
        if not json:
            shell.say("utc,tag,value")
        for change in _trace(shell.folder, tuple(tags), span):
            if isinstance(change, int):
                missed += change
            elif json:
                changes.append(change)
            else:
                shell.say(_csv(change))
        if json:
            shell.tell(changes, (), json)
        if missed:
            shell.fail(f"{missed} changes came faster than they could be told", "trace fewer tags")

    @with_annotated
    def do_plc(self, json: Json = False) -> None:
        """The devices: connected or why not, round trips, slots held, what they refuse and what to do."""
        shell = shell_of(self)
        devices = shell.ask(AskDevices(), Devices)
        shell.tell(devices, _devices(devices, shell.width), json)
        if not all(each.ready for each in devices.devices):
            shell.fail("not every device is connected", "selftest looks for the cause")

    @with_annotated
    def do_twin(self, json: Json = False) -> None:
        """The twin: its components, workpieces, the faults that are in, and what happened last."""
        shell = shell_of(self)
        twin = shell.ask(AskTwin(), TwinShown)
        shell.tell(twin, _twin(twin, shell.width), json)


def show(value: Value) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(show, value))}]"
    return str(value)


def _row(tag: TagShown) -> tuple[str, ...]:
    direction = "in" if tag.direction == "input" else "out"
    unit = "" if tag.unit == "1" else tag.unit  # the unit of what has none
    return tag.name, direction, show(tag.value) + _mark(tag), unit, tag.type, tag.address


def _mark(tag: TagShown) -> str:
    if tag.overwritten or tag.forced:
        return "#" if tag.overwritten else "*"
    return {"bad": "!", "uncertain": "?"}.get(tag.quality, "")


def _legend(tags: Iterable[TagShown]) -> Iterator[str]:
    """What the marks mean that stand at ``tags``."""
    marks = {_mark(tag) for tag in tags}
    for mark, meaning in _MARKS.items():
        if mark in marks:
            yield f"{mark} {meaning}"


def _status(status: Status) -> Iterator[tuple[str, str]]:
    state = status.state
    yield "station", f"{status.station} ({status.title}) of line {status.line}, mode {status.mode}"
    yield "gateway", f"version {status.version}, runs for {_long(status.uptime)}, process {status.pid}"
    yield "barred", status.barred
    yield "devices", "all connected" if not status.lost else ""
    for name, why in status.lost.items():
        yield f"device {name}", why
    yield "brokers", _brokers(status.brokers)
    held = f"held by {state.holder} since {clock(state.since)[:8]}"
    yield "lease", held if state.holder else "nobody holds it: nothing is written"
    yield "forces", ", ".join(f"{ref} at {show(value)}" for ref, value in state.forced.items())
    for ref, value in state.overwritten.items():
        yield "overwritten", f"{ref} does not hold, it is {show(value)}: find out who writes it"
    yield "never written", ", ".join(status.unwritten)
    yield "out of range", ", ".join(f"{tag} {count} values" for tag, count in state.beyond.items())
    yield "writes", "some come late: see writes: rate" if state.late else ""
    yield "faults", ", ".join(state.faults)
    alone = "inputs fall back by themselves" if state.protected else "unprotected: inputs stay as they are"
    yield "if it dies", alone
    yield "scans", f"every {format_duration(status.scan)}, {state.overruns} came late"
    yield "missed", ", ".join(f"{tag} {count} pulses" for tag, count in state.missed.items())
    yield "problem", "" if status.lost else state.problem


def _brokers(brokers: Mapping[str, bool]) -> str:
    up = sum(brokers.values())
    why = "" if up == len(brokers) else "; net says why"
    return f"{up} of {len(brokers)} up{why}" if brokers else "none"


def _witnessed(witness: Witnessed) -> Iterator[tuple[str, str]]:
    yield "witness", f"{witness.node} of line {witness.line}; it has no station"
    yield "gateway", f"version {witness.version}, runs for {_long(witness.uptime)}, process {witness.pid}"
    yield "brokers", _brokers(witness.brokers)
    yield from witness.chain.items()


def _devices(devices: Devices, width: int) -> Iterator[str]:
    for each in devices.devices:
        yield from pairs(list(_device(each)), width)
        for tag, why in each.refused:
            yield from hanging("  refused  ", why if tag in why else f"{tag}: {why}", width)
    yield from _events(devices.events, width)


def _device(each: DeviceShown) -> Iterator[tuple[str, str]]:
    yield f"{each.name}", f"{each.role} at {each.address}: {each.state}"
    yield "  problem", each.problem
    yield "  is", each.who
    if each.requests:
        trips = f"{each.mean / 1e6:.2f} ms on average, {each.slowest / 1e6:.2f} ms at most"
        yield "  answers", f"{trips}; {each.requests} requests, {each.errors} errors"
    yield "  lost", times(each.losses) if each.losses else ""
    held = connections(each.address)
    if held is not None and each.role != "served":
        yield (
            "  slots",
            f"{held} held by this machine" + ("; one is enough: what else connects?" * (held > 1)),
        )


def _twin(twin: TwinShown, width: int) -> Iterator[str]:
    rows = [
        (
            each.name,
            each.kind,
            ", ".join(each.workpieces),
            " ".join(f"{p}={t}" for p, t in each.ports.items()),
        )
        for each in twin.components
    ]
    yield from table(("component", "kind", "workpieces", "ports"), rows, width)
    yield ""
    yield from hanging("faults in: ", ", ".join(twin.faults) or "none", width)
    yield from _events(twin.events, width)


def _events(events: Iterable[Event], width: int) -> Iterator[str]:
    for n, event in enumerate(events):
        if n == 0:
            yield ""
        yield from hanging(f"{clock(event.utc)[:8]}  {event.kind:<9}  ", event.text, width)


def _trace(folder: Path, tags: tuple[str, ...], span: int) -> Iterator[Change | int]:
    """Changes within ``span`` ns, and how many were missed where some were; until Ctrl-C."""
    end = time.monotonic_ns() + span
    try:
        with Client(folder) as client:
            for part in client.follow(tags):
                yield from part.changes
                if part.missed:
                    yield part.missed
                if time.monotonic_ns() >= end:
                    return
    except KeyboardInterrupt:
        return


def _csv(change: Change) -> str:
    line = io.StringIO()
    when = datetime.fromtimestamp(change.utc // 1_000_000_000, UTC)
    stamp = f"{when:%Y-%m-%dT%H:%M:%S}.{change.utc % 1_000_000_000 // 1_000_000:03}Z"
    csv.writer(line, lineterminator="").writerow((stamp, change.tag, show(change.value)))
    return line.getvalue()


class _Screen:
    """Lines that are drawn again in place: back up over what is there, then each to its end."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._drawn = out, 0

    def draw(self, lines: Iterable[str]) -> None:
        shown = list(lines)
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._out.write(up + "".join(f"\r{line}\x1b[K\n" for line in shown))
        self._out.flush()
        self._drawn = len(shown)


def clock(utc: int) -> str:
    """The time of day, local, to the millisecond."""
    when = datetime.fromtimestamp(utc // 1_000_000_000)
    return f"{when:%H:%M:%S}.{utc % 1_000_000_000 // 1_000_000:03}"


def _long(ns: int) -> str:
    minutes, seconds = divmod(ns // 1_000_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"

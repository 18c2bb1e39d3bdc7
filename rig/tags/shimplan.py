"""What a station's shim passes on, under which names, and its logic, the same in every language; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gateway.controller.lexer import KEYWORDS
from gateway.errors import BadInput, Problem
from gateway.field.tags import Tag
from gateway.field.types import TYPES
from gateway.shim import ACTIVE, PULSE, Shim, passed
from gateway.station import Station
from gateway.units import format_duration
from rig.report.wording import one_line

BLOCK = "TwinlineShim"
EXAMPLE = "shim: {commissioning: twin-on, heartbeat: beat, status: shim-status, stamp: shim-stamp}"
_DASHES = re.compile(r"-+")
_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)


class Passage(NamedTuple):
    """An input on its way to the program: ``name`` in the shim, ``program`` in the program (proposed).

    ``wired`` is false for commands of a person at the rig, which have no terminal.
    """

    tag: Tag
    name: str
    program: str
    wired: bool


class Plan(NamedTuple):
    """Everything that the code is made from."""

    station: Station
    shim: Shim
    passages: tuple[Passage, ...]


def plan(station: Station) -> Plan:
    """What the shim of ``station`` passes on; BadInput where it has none, or nothing to pass on."""
    shim = station.shim
    if shim is None:
        raise BadInput([Problem(station.file, 0, 0, "declares no shim", f"add for example {EXAMPLE}")])
    tags = passed(station.writable, station.controller.name, shim)
    if not tags:
        what = f"no input in the memory of {station.controller.name} is written"
        raise BadInput([Problem(station.file, 0, 0, f"{what}: a shim has nothing to pass on")])
    names, programs = set[str](), {f"{BLOCK}1".lower()}
    passages = []
    for tag in tags:
        name = _unused(_DASHES.sub("_", tag.name).strip("_"), names)
        program = _unused("".join(part.capitalize() for part in tag.name.split("-")), programs)
        passages.append(Passage(tag, name, program, tag.name not in station.commands))
    return Plan(station, shim, tuple(passages))


def is_name(text: str) -> bool:
    """Whether ``text`` can name a variable in either language."""
    return bool(_NAME.match(text)) and text.upper() not in KEYWORDS and text.upper() not in TYPES


def _unused(name: str, taken: set[str]) -> str:
    """``name``, or with a number behind it; names differ by more than their case."""
    if not is_name(name):
        name += "_value"
    found, number = name, 1
    while found.lower() in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found.lower())
    return found


def remark(tag: Tag) -> str:
    """The end of a line about ``tag``."""
    return one_line(f"// {tag.name}, {tag.text}" + (f": {tag.title}" if tag.title else ""))


def literal(tag: Tag) -> str:
    """The tag's safe value as the program holds it, as both languages write it; "" for an array, and where
    a formula says what the program holds."""
    if tag.formula is not None:
        return ""
    value = tag.to_device(tag.safe)
    if isinstance(value, tuple):
        return ""
    if isinstance(value, str):
        return "'" + "".join(_letter(letter) for letter in value) + "'"
    if tag.type.kind == "bool":
        return "TRUE" if value else "FALSE"
    if tag.type.kind == "bits":
        return f"16#{int(value):X}"
    if tag.type.kind == "time":
        return f"T#{int(value)}ms"
    return repr(float(value)) if tag.type.kind == "real" else str(int(value))


def _letter(letter: str) -> str:
    if letter in "$'":
        return f"${letter}"
    return letter if letter.isprintable() and letter.isascii() else f"${ord(letter):02X}"


def logic(plan: Plan, mark: str, commissioning: str, heartbeat: str, twin: Mapping[str, str]) -> list[str]:
    """The statements up to the status. ``mark`` begins a local name; ``twin`` has the twin's value by tag."""
    v = mark
    watchdog = -(-plan.shim.watchdog // 1_000_000)
    none = "16#0" if plan.station.tags[plan.shim.heartbeat].type.kind == "bits" else "0"

    def choose(source: Callable[[Passage], str]) -> list[str]:
        return [f"    {v}use_{each.name} := {source(each)};" for each in plan.passages]

    return [
        f"{v}beat := {heartbeat};",
        "// A first count may come before the values, or late, from a gateway that was held up meanwhile.",
        f"{v}fresh := {v}beat <> {v}last;",
        f"{v}last := {v}beat;",
        f"{v}watchdog(IN := NOT {v}fresh, PT := T#{watchdog}ms);",
        f"IF {v}beat = {none} OR {v}watchdog.Q THEN",
        f"    {v}alive := FALSE;",
        f"    {v}counted := FALSE;",
        f"ELSIF {v}fresh THEN",
        f"    {v}alive := {v}counted;",
        f"    {v}counted := TRUE;",
        "END_IF;",
        f"{v}active := {commissioning} AND {v}alive;",
        "",
        f"IF {v}active THEN",
        *choose(lambda each: twin[each.tag.name]),
        "ELSE",
        *choose(lambda each: f"{v}real_{each.name}"),
        "END_IF;",
        "",
        f"{v}second(IN := NOT {v}second.Q, PT := T#1s);  // shows that the shim is called",
        f"IF {v}second.Q THEN",
        f"    {v}pulse := NOT {v}pulse;",
        "END_IF;",
        f"{v}status := 16#0;",
        f"IF {v}active THEN",
        f"    {v}status := {v}status OR 16#{1 << ACTIVE:X};",
        "END_IF;",
        f"IF {v}pulse THEN",
        f"    {v}status := {v}status OR 16#{1 << PULSE:X};",
        "END_IF;",
    ]


def heading(plan: Plan, put_in: Sequence[str], take_out: Sequence[str]) -> list[str]:
    """What a person must know who opens the file."""
    station, shim = plan.station, plan.shim
    after, file = format_duration(shim.watchdog), station.file.replace("\\", "/").rpartition("/")[2]
    return [
        one_line(f"// Shim of station {station.id}, made from {file}; stamp {stamp(plan)}."),
        "//",
        f"// While the gateway holds {shim.commissioning} true and counts {shim.heartbeat} up, the program",
        "// reads the twin's values in place of its terminals. It is back on them in the scan in which the",
        f"// flag falls, and {after} after the last count, whatever has become of the gateway.",
        "//",
        "// Before you put it in:",
        "//   - Leave safety inputs (emergency stop, guards, light curtains) wired and out of the shim.",
        "//   - Outputs go on reaching the terminals: take air, drives and heaters off, or lock them out.",
        "// To put it in:",
        *(f"//   {number}. {line}" for number, line in enumerate(put_in, 1)),
        "// To take it out:",
        *(f"//   {number}. {line}" for number, line in enumerate(take_out, 1)),
        f"//   {len(take_out) + 1}. Compile, load, and ask: twinline tags shim --check {one_line(file)}",
        "",
    ]


def stamp(plan: Plan) -> str:
    """The stamp as both languages write it."""
    return f"16#{plan.shim.code:08X}"

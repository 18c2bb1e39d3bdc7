"""A library file as written; pure. docs/library.md says what each key means."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from gateway.scalar import Text
from gateway.yamlfile import Id

FORMAT = "library 1"

Family = Literal[
    "transport", "lifting", "turning", "storage", "gripping", "axes", "robots", "pressing", "screwing",
    "dispensing", "laminating", "welding", "soldering", "heat", "machining", "inspection", "testing",
    "identification", "pneumatics", "power", "safety", "panel", "marking", "cleaning",
]  # fmt: skip
Function = Literal[
    "apply", "assemble", "buffer", "cancel", "clamp", "clean", "convey", "cool", "cut", "dispense",
    "divert", "drill", "drive", "enclose", "feed", "flip", "grip", "guard", "heat", "hold", "identify",
    "illuminate", "index", "inspect", "join", "label", "laminate", "lift", "load", "lock", "mark",
    "measure", "merge", "mill", "move", "operate", "pick", "place", "position", "press", "print",
    "protect", "rotate", "sense", "separate", "show", "signal", "solder", "stop", "store", "supply",
    "switch", "test", "transfer", "turn", "unload", "weigh", "weld",
]  # fmt: skip
Freedom = Literal["x", "y", "z", "a", "b", "c"]
While = Literal["any", "take", "work", "home", "give"]


def _optional(text: str) -> tuple[str, bool]:
    return text.removesuffix(" or none"), text.endswith(" or none")


LinkWord = Annotated[tuple[str, bool], _optional]


class Geometry(msgspec.Struct, frozen=True, rename="kebab"):
    """Dimension 1: how large it is and what it can move."""

    size: list[str] = []
    freedom: list[Freedom] = []
    limits: dict[str, str] = {}
    mass: str = ""
    reach: str = ""


class Pneumatic(msgspec.Struct, frozen=True, rename="kebab"):
    """Dimension 4, where there is air."""

    valve: str = ""
    pressure: str = ""
    bore: str = ""
    flow: str = ""
    vacuum: str = ""


class Interface(msgspec.Struct, frozen=True, rename="kebab"):
    """How it joins another: by its mechanics, and by how the two agree on a hand-over."""

    mechanical: str = "any"
    handshake: Literal["any", "none", "ready-take"] = "any"

    def misfit(self, other: Interface) -> str:
        """Why ``other`` cannot stand behind this one; empty if it can. What is ``any`` fits everything."""
        for what, one, two in (
            ("", self.mechanical, other.mechanical),
            ("handshake ", self.handshake, other.handshake),
        ):
            if "any" not in (one, two) and one != two:
                return f"{what}{one} does not fit {what}{two}"
        return ""


class ParamEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """What a station may set."""

    unit: str = "1"
    default: Text | None = None
    about: str = ""
    line: int = 0
    name: str = ""


class PartEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """Dimension 5: a component of the twin."""

    kind: str
    params: dict[str, Text] = {}
    links: dict[str, Text] = {}
    title: str = ""
    line: int = 0
    name: str = ""


class PortEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """A port of a part, under the group's own name for it."""

    of: Text
    range: Text | None = None
    safe: Text | None = None
    title: str = ""
    line: int = 0


class Duty(msgspec.Struct, frozen=True, rename="kebab"):
    """The longest times in the pattern's hands."""

    work: str = "2 s"
    home: str = "2 s"
    take: str = "5 s"
    give: str = "5 s"


class Edge(msgspec.Struct, frozen=True, rename="kebab"):
    """A number that a port comes to."""

    to: Text
    tolerance: Text | None = None


class Shows(msgspec.Struct, frozen=True, rename="kebab"):
    """What can be seen of the group, in order; ``take`` is what is on while the station is empty."""

    take: dict[str, Text | Edge] = {}
    placed: dict[str, Text | Edge] = {}
    work: dict[str, Text | Edge] = {}
    home: dict[str, Text | Edge] = {}
    give: dict[str, Text | Edge] = {}


class MonitorEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """A fault that the pattern notices."""

    fault: str
    within: str
    while_: While = msgspec.field(name="while", default="any")
    after: str = "0 s"
    title: str = ""
    line: int = 0


class ExpectTest(msgspec.Struct, frozen=True, rename="kebab"):
    """One thing done to the twin of a group, or expected of it."""

    set: dict[str, Text] = {}
    place: str | None = None
    inject: str | None = None
    clear: str | None = None
    wait: str | None = None
    expect: dict[str, Text | Edge] = {}
    after: str = "0 s"
    within: str = "0 s"
    line: int = 0


class HomeStep(msgspec.Struct, frozen=True, rename="kebab"):
    """These groups go home."""

    home: list[Id]
    line: int = 0


class UseEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """A group of a station."""

    use: Text
    params: dict[str, Text] = {}
    links: dict[str, Text] = {}
    program: dict[str, Text] = {}
    duty: dict[str, Text] = {}
    lock: list[Id] = []
    title: str = ""
    line: int = 0
    name: str = ""


class Bench(msgspec.Struct, frozen=True, rename="kebab"):
    """The fragment of a station in which a group is tried."""

    groups: dict[Id, UseEntry] = {}
    cycle: list[list[Id] | HomeStep] = []
    quality: str | None = None
    inlet: str | None = None
    outlet: str | None = None
    inlets: dict[Id, str] = {}
    outlets: dict[Id, str] = {}


class GroupEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """A group, after what it extends was merged in."""

    title: str
    family: Family
    function: list[Function]
    parts: dict[Id, PartEntry]
    geometry: Geometry = Geometry()
    pneumatic: Pneumatic | None = None
    interface: Interface = Interface()
    params: dict[Id, ParamEntry] = {}
    links: dict[Id, LinkWord] = {}
    ports: dict[Id, Text | PortEntry] = {}
    pattern: str | None = None
    program: dict[str, Text] = {}
    duty: Duty = Duty()
    shows: Shows = Shows()
    monitors: list[MonitorEntry] = []
    bench: Bench = Bench()
    test: list[ExpectTest] = []
    extends: str | None = None
    abstract: bool = False
    line: int = 0
    name: str = ""

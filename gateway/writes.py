"""What a station's gateway may write, and how much of it: allow-list, safety tags, rate; pure.

What it may not write it reads instead: the input shows what the controller has there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from gateway.checked import wrong_of
from gateway.field.tags import Tag, TagRef
from gateway.scalar import Text
from gateway.scenario import Scenario
from gateway.shim import Shim
from gateway.twin.library import ComponentSpec

RATE = 10_000  # tag writes a second, where the station file does not say
LOW, HIGH = 1, 1_000_000
_RATE = re.compile(r"(\d{1,9})\s*/\s*s")


class Pointing(Protocol):
    """As ``Complain``, and with the column where that is known."""

    def __call__(self, line: int, what: str, hint: str, column: int = 0) -> None: ...


class WritesEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """``writes:`` as the station file has it; ``only`` left out: all that are no safety tags."""

    only: list[Text] | None = None
    rate: Text | None = None
    line: int = 0


class Writes(msgspec.Struct, frozen=True):
    """``only`` these tags are written, None: all but those of ``safety``; ``rate`` of them a second at most.

    It holds for a controller's inputs, and for the outputs that are put out to a real plant (RIL).
    """

    only: frozenset[str] | None = None
    safety: frozenset[str] = frozenset()
    rate: int = RATE

    def refuses(self, tag: str) -> str:
        """Why ``tag`` is never written; empty if it may be."""
        if tag in self.safety:
            return f"{tag} is a safety tag, which is never written"
        if self.only is not None and tag not in self.only:
            return f"{tag} is not among what may be written; see writes: only in the station file"
        return ""

    def kept(self, tags: Mapping[str, Tag]) -> dict[str, Tag]:
        """Those of ``tags`` that may be written."""
        return {name: tag for name, tag in tags.items() if not self.refuses(name)}

    def cut_off(self, twin: Iterable[ComponentSpec]) -> dict[str, tuple[str, ...]]:
        """What the twin would show and is not written: by component, its tags."""
        found = {
            spec.name: tuple(tag for _, tag in _shown(spec) if self.refuses(tag) and tag not in self.safety)
            for spec in twin
        }
        return {name: tags for name, tags in found.items() if tags}


def _shown(spec: ComponentSpec) -> list[tuple[str, str]]:
    """The ports of ``spec`` at which it shows something to the controller, and the tags there."""
    sensors = [port.name for port in spec.family.PORTS if port.direction == "sensor"]
    return [(port, spec.ports[port]) for port in sensors if port in spec.ports]


def compile_writes(
    entry: WritesEntry | None,
    tags: Mapping[str, Tag],
    twin: Mapping[str, ComponentSpec],
    shim: Shim | None,
    commands: Mapping[str, TagRef],
    scenarios: Iterable[Scenario],
    complain: Pointing,
) -> Writes:
    """Check ``entry`` against the station, whose ``commands`` are refs to inputs by what they are for."""
    safety = frozenset(tag.name for tag in tags.values() if tag.safety)
    for spec in twin.values():
        for port, tag in _shown(spec):
            if tag in safety:
                what = f"{tag} is a safety tag, which is never written, and {spec.name}.{port} would drive it"
                complain(tags[tag].line, what, f"leave the port {port} out of {spec.name}")
    writes = Writes(_only(entry, tags, safety, complain), safety, _rate(entry, complain))

    for name, ref in commands.items():
        if ref.tag in safety:
            what = f"{ref.tag} is a safety tag, which is never written, and {name} is a command that is given"
            complain(tags[ref.tag].line, what, "name another input")
    for scenario in scenarios:
        for ref, _ in scenario.set:
            if why := writes.refuses(ref.tag):
                complain(scenario.line, f"{scenario.name}: set: {why}", "leave it out of set")
    if shim is not None:
        for tag in sorted({shim.commissioning.tag, shim.heartbeat}):
            if why := writes.refuses(tag):
                line = tags[tag].line if tag in safety or entry is None else entry.line
                complain(line, f"shim: {why}", "the shim needs it: add it to only, without safety")
    return writes


def _only(
    entry: WritesEntry | None, tags: Mapping[str, Tag], safety: frozenset[str], complain: Pointing
) -> frozenset[str] | None:
    if entry is None or entry.only is None:
        return None
    named: set[str] = set()
    for name, line, column in entry.only:

        def bad(what: str, hint: str, line: int = line, column: int = column) -> None:
            complain(line, f"writes: only: {what}", hint, column)

        if name in wrong_of(tags):
            continue
        if name in named:
            bad(f"{name} is named twice", "name it once")
        elif name not in tags:
            near = difflib.get_close_matches(name, tags, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else "name inputs of the station"
            named.update(near)  # what is meant may be written: nothing is said of where that is needed
            bad(f"{name} is not a tag of this station", hint)
        elif name in safety:
            bad(f"{name} is a safety tag, which is never written", "leave it out")
        named.add(name)
    return frozenset(named)


def _rate(entry: WritesEntry | None, complain: Pointing) -> int:
    if entry is None or entry.rate is None:
        return RATE
    found = _RATE.fullmatch(entry.rate.text)
    if found is None or not LOW <= int(found[1]) <= HIGH:
        what = f"writes: rate: {entry.rate.text!r} is no rate"
        hint = "write how many tags may be written a second, such as 200/s"
        complain(entry.rate.line, what, hint, entry.rate.column)
        return RATE
    return int(found[1])

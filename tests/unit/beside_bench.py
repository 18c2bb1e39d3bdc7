"""A line in virtual time whose controllers are seen late and unevenly, each with a virtual one beside it."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache

from starter_harness import CONFIG

from gateway.controller.beside import Beside, Parting
from gateway.controller.compile import Program, compile_program
from gateway.controller.devices import VirtualDevices
from gateway.field.types import Value
from gateway.station import Station
from gateway.yamlfile import read_text
from rig.line import Line
from rig.open import compile_all
from rig.session import Session
from rig.virtual import VirtualBackend


class Seen(VirtualDevices):
    """The real controller of a station as its gateway sees it: what is written arrives up to ``slow`` reads
    later, and what is read is as old. ``beside`` runs with it."""

    def __init__(
        self,
        station: Station,
        program: Program,
        beside: Beside,
        now: Callable[[], int],
        chance: random.Random,
        slow: int,
    ) -> None:
        super().__init__(station, program)
        self.beside, self.partings, self._clock = beside, list[Parting](), now
        self._chance, self._slow = chance, slow
        self._coming: deque[dict[str, Value]] = deque([{}] * slow)
        self._going: deque[dict[str, Value]] = deque()
        self._written: dict[str, Value] = {}

    def read(self) -> dict[str, Value]:
        """One scan of the gateway begins."""
        while self._going and (len(self._going) > self._slow or self._chance.random() < 0.5):
            super().write(self._going.popleft())
        self._coming.append(super().read())
        image: dict[str, Value] = {}
        while len(self._coming) > self._slow or (self._coming and self._chance.random() < 0.5):
            image |= self._coming.popleft()
        now = self._clock()
        self.beside.scan(now, self._written)
        self._written = {}
        self.partings += self.beside.look(now, image)
        return image

    def write(self, values: Mapping[str, Value]) -> None:
        """One scan of the gateway ends."""
        self._written |= values
        self._going.append(dict(values))


@cache
def noting(station: str, text: str) -> Program:
    """The station's unchanged program, compiled to be run beside."""
    return compile_program(text, f"{station}.st", writers=True)


def text_of(line: Line, station: str) -> str:
    """The program of a station."""
    lined = line.stations[station]
    return lined.station.composed if lined.program is None else read_text(lined.program)


def program_beside(line: Line, station: str) -> Program:
    """As a gateway compiles it."""
    text, spec = text_of(line, station), line.stations[station].station
    if spec.composed == text:
        return compile_program(text, f"{station}.st", writers=True, parts=spec.parts)
    return noting(station, text)


class BesideLine(VirtualBackend):
    """``changed`` are the programs that the real controllers run in place of their own."""

    def __init__(
        self,
        line: Line,
        changed: Mapping[str, str] | None = None,
        seed: int = 0,
        slow: int = 1,
        scans: int = 3,
    ) -> None:
        programs, problems = compile_all(line)
        assert not problems
        real = {name: compile_program((changed or {}).get(name, text_of(line, name))) for name in programs}
        super().__init__(line, real, every_scan=True)
        chance = random.Random(seed)
        self.seen: dict[str, Seen] = {}
        for name, each in self.stations.items():
            spec = line.stations[name].station
            beside = Beside(spec, program_beside(line, name), scans)
            self.seen[name] = Seen(spec, real[name], beside, lambda: self.time, chance, slow)
            each.devices = self.seen[name]
            self.hold(name)
        self.session = Session(line, self, real)

    @property
    def partings(self) -> list[tuple[str, Parting]]:
        """All, in order, with their stations."""
        found = [(name, each) for name, seen in self.seen.items() for each in seen.partings]
        return sorted(found, key=lambda each: each[1].begin)


def line_number(station: str, statement: str) -> int:
    """The line of the one ``statement`` of a station's program."""
    lines = (CONFIG / "programs" / f"{station}.st").read_text(encoding="utf-8").splitlines()
    found = [n for n, line in enumerate(lines, 1) if line.strip().startswith(statement)]
    assert len(found) == 1, f"{statement!r} stands in lines {found}"
    return found[0]

"""Drives a device that is addressed memory (Modbus, S7): reads blocks, writes runs, finds refused tags."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from gateway.errors import ConnectionLost, DeviceRefused, ProtocolViolation
from gateway.field.drivers.base import Identity, Statistics, TagsRefused, find_refused
from gateway.field.drivers.blocks import GAP_BITS, Area, Block, Latch, plan
from gateway.field.drivers.image import InputImage, Run
from gateway.field.drivers.stream import Measure, Stream
from gateway.field.tags import Tag
from gateway.field.types import Value

ASK_AGAIN = 8
"""A device that went away when asked who it is, is asked again after so many connections."""

RETRY_EVERY = 256
"""One refused output is tried again every so many reads, for a program may have been loaded since."""


class MemoryDriver(ABC):
    """A driver but for its protocol: how to shake hands, and how to fetch and store cells."""

    protocol: str
    measure: Measure

    def __init__(
        self,
        endpoint: tuple[str, int],
        tags: Mapping[str, Tag],
        timeout_ns: int,
        initial: Mapping[str, Value],
        gap_bits: int = GAP_BITS,
    ) -> None:
        self.lost = asyncio.Event()
        self.lost.set()
        self.statistics = Statistics()
        self.refused: dict[str, DeviceRefused] = {}
        self.uncertain: set[str] = set()  # memory has no doubts
        self.times: dict[str, int] = {}  # and no clock
        self.stream: Stream | None = None
        self._endpoint, self._timeout, self._gap = endpoint, timeout_ns, gap_bits
        self._tags = tags
        self._outputs = [tag for tag in tags.values() if tag.direction == "output"]
        self._image = InputImage([tag for tag in tags.values() if tag.direction == "input"], initial)
        self._latch = Latch([])
        self._strange: list[Run] = []  # cells that are shared with bits not yet known
        self._reads = 0
        self._unasked = 0  # connections still to be made without asking who is there

    @abstractmethod
    async def shake_hands(self) -> None:
        """What the protocol wants said on a fresh connection."""

    @abstractmethod
    async def identify(self) -> Identity:
        """Ask the device who it is; what it refuses to say is left empty."""

    @abstractmethod
    def read_limit(self, area: Area) -> int:
        """How many cells of ``area`` one request reads at most."""

    @abstractmethod
    def write_limit(self, area: Area) -> int:
        """How many cells of ``area`` one request writes at most."""

    @abstractmethod
    async def fetch(self, area: Area, first: int, cells: int) -> bytes:
        """Read cells; DeviceRefused with the code when the device says no."""

    @abstractmethod
    async def store(self, area: Area, first: int, cells: int, data: bytes) -> None:
        """Write cells; DeviceRefused with the code when the device says no."""

    @abstractmethod
    def advice(self, code: str, names: str) -> str:
        """What to change when the device refuses ``names`` with ``code``."""

    def farewell(self) -> bytes:
        """What the protocol says before it closes."""
        return b""

    async def connect(self) -> Identity:
        await self.close()
        try:
            await self.open()
            identity = await self._introduce()
            self.refused.clear()
            self._latch = Latch(plan(self._outputs, self.read_limit, self._gap))
            self._image.forget()
            self._strange = self._image.shared()
            for _ in range(len(self._strange)):
                await self._adopt_one()
        except BaseException:
            await self.close()
            raise
        return identity

    async def open(self) -> None:
        """Connect and shake hands without asking who is there; raises as ``connect``."""
        self.stream = await Stream.open(
            self._endpoint, type(self).measure, self._timeout, self.lost, self.statistics
        )
        await self.shake_hands()

    async def _introduce(self) -> Identity:
        """Who is there. Some devices fall silent or close over the question: they get rest from it."""
        if self._unasked == 0:
            try:
                return await self.identify()
            except ConnectionLost:
                self._unasked = ASK_AGAIN
                await self.close()
                await self.open()
        self._unasked -= 1
        for block in plan(self._tags.values(), self.read_limit, gap_bits=0)[:1]:
            with contextlib.suppress(DeviceRefused):  # that is an answer, too
                await self.fetch(block.area, block.first, block.cells)
        return Identity(self.protocol)

    async def _adopt_one(self) -> None:
        """Take over the bits beside our inputs in one shared cell; until then those inputs are refused."""
        run = self._strange.pop(0)
        try:
            self._image.adopt(run, await self.fetch(run.area, run.first, run.cells))
        except DeviceRefused as refusal:
            self._strange.append(run)
            self._refuse([(tag, refusal) for tag in run.tags])
        else:
            for tag in run.tags:
                self.refused.pop(tag.name, None)

    async def read(self) -> Mapping[str, Value]:
        self._connection()
        changes: dict[str, Value] = {}
        refused: list[tuple[Tag, DeviceRefused]] = []
        blocks = list(self._latch.blocks)
        self._reads += 1
        if self._reads % RETRY_EVERY == 0:
            blocks += self._second_chance()
        while blocks:
            block = blocks.pop(0)
            try:
                raw = await self.fetch(block.area, block.first, block.cells)
            except DeviceRefused as refusal:
                parts, tags, refusal = await self._divide(block, refusal)
                self._latch.replace(block, parts)
                blocks[:0] = parts
                refused += [(tag, refusal) for tag in tags]
                continue
            changes |= self._latch.take(block, raw)
            for field in block.fields if self.refused else ():
                self.refused.pop(field.tag.name, None)
        fresh = [(tag, error) for tag, error in refused if tag.name not in self.refused]
        self._refuse(refused)
        if fresh:
            raise self._named([tag for tag, _ in fresh], fresh[0][1], changes)
        return changes

    def _second_chance(self) -> list[Block]:
        """A block for one refused output; it joins the others for good if it is served now."""
        for name in self.refused:
            if self._tags[name].direction == "output":
                [block] = plan([self._tags[name]], self.read_limit)
                self._latch.blocks.append(block)
                return [block]
        return []

    async def _divide(
        self, block: Block, refusal: DeviceRefused
    ) -> tuple[list[Block], list[Tag], DeviceRefused]:
        """What to read instead of a refused block, and its tags that are at fault.

        No tag is at fault when the device refuses a gap, or the length: then halves are read.
        """
        if len(block.tags) == 1:
            return [], list(block.tags), refusal

        async def attempt(tags: Sequence[Tag]) -> None:
            for part in plan(tags, self.read_limit, gap_bits=0):
                await self.fetch(part.area, part.first, part.cells)

        bad, last = await find_refused(block.tags, attempt)
        half = len(block.tags) // 2
        stretches = _between(block.tags, bad) if bad else [block.tags[:half], block.tags[half:]]
        parts = [part for tags in stretches for part in plan(tags, self.read_limit, self._gap)]
        return parts, bad, last or refusal

    async def write(self, values: Mapping[str, Value]) -> None:
        if self._strange:
            await self._adopt_one()
        strange = {tag.name for run in self._strange for tag in run.tags}
        standing = [name for name in self.refused if name in values and name not in strange]
        fresh = {n: v for n, v in values.items() if n not in self.refused} if self.refused else values
        runs = self._image.stage(fresh, self.write_limit)
        refused = [(self._tags[name], self.refused[name]) for name in strange & values.keys()]
        for run in runs:
            try:
                await self._put(run)
            except DeviceRefused as refusal:
                refused += await self._put_singly(run, values, refusal)
            else:
                for tag in run.tags if self.refused else ():
                    self.refused.pop(tag.name, None)
        refused += await self._put_standing(standing, values)
        self._refuse(refused)
        if refused:
            raise self._named([tag for tag, _ in refused], refused[-1][1])

    async def _put_standing(
        self, standing: list[str], values: Mapping[str, Value]
    ) -> list[tuple[Tag, DeviceRefused]]:
        """Try again what was refused before, each alone, until one still is; what is left, that one last."""
        for index, name in enumerate(standing):
            try:
                for run in self._image.stage({name: values[name]}, self.write_limit):
                    await self._put(run)
            except DeviceRefused as refusal:
                passed_over = [(self._tags[each], self.refused[each]) for each in standing[index + 1 :]]
                return [*passed_over, (self._tags[name], refusal)]
            self.refused.pop(name)
        return []

    async def _put(self, run: Run) -> None:
        await self.store(run.area, run.first, run.cells, run.data)
        self._image.commit(run)

    async def _put_singly(
        self, run: Run, values: Mapping[str, Value], refusal: DeviceRefused
    ) -> list[tuple[Tag, DeviceRefused]]:
        """Write what can be written of a refused run; the tags at fault."""
        if len(run.tags) == 1:
            return [(run.tags[0], refusal)]

        async def attempt(tags: Sequence[Tag]) -> None:
            for part in self._image.stage({tag.name: values[tag.name] for tag in tags}, self.write_limit):
                await self._put(part)

        bad, last = await find_refused(run.tags, attempt)
        return [(tag, last or refusal) for tag in bad]

    async def read_back(self, names: Iterable[str]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        latch = Latch(plan([self._tags[name] for name in names], self.read_limit, gap_bits=0))
        for block in latch.blocks:
            try:
                found |= latch.take(block, await self.fetch(block.area, block.first, block.cells))
            except DeviceRefused as refusal:
                parts, bad, last = await self._divide(block, refusal)
                if bad:
                    raise self._named(bad, last) from None
                for part in parts:
                    found |= latch.take(part, await self.fetch(part.area, part.first, part.cells))
        return found

    def _refuse(self, refused: Sequence[tuple[Tag, DeviceRefused]]) -> None:
        """Keep what the device said to each; last in line for another try."""
        for tag, error in refused:
            self.refused.pop(tag.name, None)
            self.refused[tag.name] = self._named([tag], error)

    def _named(
        self, tags: Sequence[Tag], refusal: DeviceRefused, values: Mapping[str, Value] | None = None
    ) -> TagsRefused:
        names = ", ".join(tag.name for tag in tags)
        return TagsRefused(refusal.code, tags, self.advice(refusal.code, names), values)

    async def exchange(self, frame: bytes) -> bytes:
        """Send a frame and return its answer; ConnectionLost when not connected."""
        return await self._connection().request(frame)

    def _connection(self) -> Stream:
        if self.stream is None:
            raise ConnectionLost(f"{self._endpoint[0]}:{self._endpoint[1]} is not connected")
        return self.stream

    def violated(self, what: str) -> ProtocolViolation:
        """End the connection over ``what`` the device answered; the exception to raise."""
        return self._connection().violated(what)

    async def close(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            await stream.close(self.farewell())


def _between(tags: Sequence[Tag], bad: Sequence[Tag]) -> list[list[Tag]]:
    """The stretches of ``tags`` that ``bad`` ones leave."""
    stretches: list[list[Tag]] = [[]]
    for tag in tags:
        if tag in bad:
            stretches.append([])
        else:
            stretches[-1].append(tag)
    return stretches

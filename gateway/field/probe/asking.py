"""Asks a device that is addressed memory, one read at a time, within bounds; never writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gateway.errors import ConnectionLost, DeviceRefused
from gateway.field.drivers.blocks import Area
from gateway.field.drivers.memory import MemoryDriver

REQUESTS = 600
LOSSES = 3

SILENT = "no answer"
"""In place of a refusal's code: the device went away over the question."""

_Result = TypeVar("_Result")
_Driver = TypeVar("_Driver", bound=MemoryDriver)


class Stopped(Exception):
    """The probe's own bound is reached; what was found until then stands."""


class Asking(Generic[_Driver]):
    """Reads through ``driver``, which is connected anew when the device falls silent or hangs up.

    After ``LOSSES`` losses, or ``REQUESTS`` requests on the connections, Stopped is raised.
    ``refusals`` counts what the device said, by code; ``loss`` is how the last connection ended.
    """

    def __init__(self, driver: _Driver) -> None:
        self.driver = driver
        self.refusals: Counter[str] = Counter()
        self.loss = ""
        self._losses = 0

    async def read(self, area: Area, first: int, cells: int = 1) -> bytes | str:
        """The cells' bytes; or, as text, the code with which the device refuses them."""
        return await self.ask(lambda: self.driver.fetch(area, first, cells))

    async def read_some(self, area: Area, first: int, counts: Sequence[int]) -> bytes | str:
        """The first of so many cells that can be read at once; else the last refusal."""
        answer: bytes | str = SILENT
        for cells in counts:
            answer = await self.read(area, first, cells)
            if isinstance(answer, bytes):
                break
        return answer

    async def ask(self, question: Callable[[], Awaitable[_Result]]) -> _Result | str:
        """The answer to ``question``, or the code of its refusal; SILENT where the device went away."""
        if self.driver.statistics.requests >= REQUESTS:
            raise Stopped(f"stopped after {REQUESTS} requests")
        try:
            return await question()
        except DeviceRefused as refusal:
            self.refusals[refusal.code] += 1
            return refusal.code
        except ConnectionLost as loss:
            self._losses += 1
            self.loss = str(loss)
            await self.driver.close()
            if self._losses > LOSSES:
                raise Stopped(f"stopped after {self._losses} lost connections; {loss}") from None
            await self.driver.open()
            return SILENT

    def answers(self, area: Area) -> Callable[[int], Awaitable[bool]]:
        """Whether one cell of ``area`` can be read."""

        async def answers(at: int) -> bool:
            return isinstance(await self.read(area, at), bytes)

        return answers

    def accepts(self, area: Area, first: int) -> Callable[[int], Awaitable[bool]]:
        """Whether so many cells from ``first`` can be read at once."""

        async def accepts(cells: int) -> bool:
            return isinstance(await self.read(area, first, cells), bytes)

        return accepts

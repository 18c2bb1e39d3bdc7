"""A running gateway takes its trust file anew when it is told to: whole, or not at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from gateway.errors import BadInput
from gateway.net.identity import Trust

log = logging.getLogger(__name__)


class TrustFile:
    """That of the gateway that goes by ``trust``; ``above`` lets what the line's chain has decided stand
    above what the file says."""

    def __init__(self, path: Path, trust: Trust, above: Callable[[Trust], None]) -> None:
        self.path, self.problem = path, ""
        self._trust, self._above = trust, above
        self._taking = asyncio.Lock()  # what was asked for last is read last

    async def take(self) -> None:
        """Know whom the file names now; where something is wrong in it, ``problem`` says so, and whom it
        named before is known on."""
        async with self._taking:
            await self._take()

    async def _take(self) -> None:
        try:
            found = await asyncio.to_thread(Trust.load, self.path)
        except BadInput as bad:
            self.problem = f"the trust file is not taken, the one before holds: {bad.problems[0]}"
            for each in bad.problems:
                log.error("the trust file is not taken, the one before holds: %s", each)
            return
        self.problem = ""
        self._above(found)
        changed = self._trust.become(found)
        log.info("the trust file is taken; changed: %s", ", ".join(changed) or "nobody")

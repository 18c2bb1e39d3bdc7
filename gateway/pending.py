"""Records that wait for the chain's disk: put from any thread, handed over in their order, never too many."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from ledger.records import Record
from ledger.store import StoreFailed

log = logging.getLogger(__name__)

MAX_PENDING = 1_024
LOOK_S = 0.01  # between two looks whether none waits any more


class Pending:
    """``call`` has a function called on the loop on which they are handed over. ``lost`` counts those for
    which there was no room, or that nobody took before the end."""

    def __init__(self, call: Callable[[Callable[[], None]], None]) -> None:
        self.lost = 0
        self._call = call
        self._waiting: deque[tuple[Record, Future[int]]] = deque()
        self._guard = threading.Lock()
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, record: Record) -> Future[int]:
        """Let ``record`` wait; what comes of it. From any thread; never blocks."""
        accepted: Future[int] = Future()
        with self._guard:
            full = len(self._waiting) >= MAX_PENDING
            self.lost += full
            if not full:
                self._waiting.append((record, accepted))
        if full:
            accepted.set_exception(StoreFailed(f"{MAX_PENDING} records wait for the disk already"))
        else:
            self._call(self._wake.set)
        return accepted

    async def hand_over(self, submit: Callable[[Record], Awaitable[int]]) -> None:
        """Give ``submit`` what waits, one after the other, until cancelled or it fails: what it did not take
        then stays first. What it refuses by a ValueError nobody would take."""
        while True:
            self._wake.clear()
            while self._waiting:
                record, accepted = self._waiting[0]
                try:
                    seq = await submit(record)
                except ValueError as error:  # outside the record's own bounds
                    log.error("%s is not recorded: %s", type(record).__name__, error)
                    accepted.set_exception(error)
                else:
                    accepted.set_result(seq)
                with self._guard:
                    self._waiting.popleft()
            await self._wake.wait()

    async def emptied(self) -> None:
        """Return once none waits."""
        while self._waiting:
            await asyncio.sleep(LOOK_S)

    def end(self, why: Exception) -> None:
        """Nobody hands them over any more: what waits is lost, ``why`` is told to who waits for it."""
        if self._waiting:
            kinds = Counter(type(record).__name__ for record, _ in self._waiting)
            told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            log.error("the chain has ended before it had recorded what waited: %s", told)
        with self._guard:
            self.lost += len(self._waiting)
        for _, accepted in self._waiting:
            accepted.set_exception(why)

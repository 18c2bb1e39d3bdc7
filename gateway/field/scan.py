"""One device's scan and connection life: connects, backs off, never gives up; reads, writes, counts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Literal
from urllib.parse import urlsplit

from gateway.errors import ConnectionLost, DeviceRefused, GatewayError
from gateway.field.drivers.base import Identity, TagsRefused, not_held, open_driver
from gateway.field.security import Access, is_loopback
from gateway.field.tags import Tag
from gateway.field.types import Value
from gateway.reach import cut_off

log = logging.getLogger(__name__)

MAX_UNFORESEEN = 8  # errors of a driver that are told with their traces
LinkState = Literal["closed", "connecting", "ready", "backing off", "closing"]
LinkEvent = Literal["open", "connected", "lost", "retry", "close", "ended"]

TRANSITIONS: dict[tuple[LinkState, LinkEvent], LinkState] = {
    ("closed", "open"): "connecting",
    ("connecting", "connected"): "ready",
    ("connecting", "lost"): "backing off",
    ("connecting", "close"): "closing",
    ("ready", "lost"): "backing off",
    ("ready", "close"): "closing",
    ("backing off", "retry"): "connecting",
    ("backing off", "close"): "closing",
    ("closing", "ended"): "closed",
}
"""Every pair that may happen; the slot at the device is free again before a back-off begins."""


class Backoff:
    """How long to wait before each further try: doubles from ``first`` to ``longest`` (ns), without end."""

    def __init__(self, first: int = 100_000_000, longest: int = 2_000_000_000) -> None:
        self._first, self._longest = first, longest
        self._next = first

    def wait(self) -> int:
        """The next pause, ns."""
        pause, self._next = self._next, min(self._next * 2, self._longest)
        return pause

    def reset(self) -> None:
        """The device has answered a read: begin anew."""
        self._next = self._first


class DeviceLink:
    """Owns a driver. ``run`` keeps it connected; ``read`` and ``write`` are called once a scan.

    ``identity`` is what the device said at the last connection, ``problem`` why there is none ("" while
    ready), ``losses`` how many connections ended. ``changed(state)`` is called at each change of ``state``.
    ``access`` is the security by which alone it is reached. ``unheld`` are the tags that the device took when
    it was last written to, and does not hold.
    """

    def __init__(
        self,
        address: str,
        tags: Mapping[str, Tag],
        timeout_ns: int,
        backoff: Backoff | None = None,
        changed: Callable[[LinkState], None] | None = None,
        access: Access | None = None,
    ) -> None:
        self.driver = open_driver(address, tags, timeout_ns, access=access)
        self._address = address
        self._verified = {tag.name: tag for tag in tags.values() if tag.verify}
        self.state: LinkState = "closed"
        self.losses = 0
        self._unforeseen: set[str] = set()  # that was logged
        self.unheld: frozenset[str] = frozenset()
        self.identity: Identity | None = None
        self.problem = "not connected yet"
        self._backoff = backoff or Backoff()
        self._changed = changed
        self._life: asyncio.Task[object] | None = None

    @property
    def ready(self) -> bool:
        """Whether the device can be read and written now."""
        return self.state == "ready" and not self.driver.lost.is_set()

    @property
    def slowest_ns(self) -> int:
        """How long an answer took at most."""
        return self.driver.statistics.slowest_ns

    @property
    def times(self) -> Mapping[str, int]:
        """When the device says that the outputs took the values last told, UTC ns, as far as it says."""
        return self.driver.times

    @property
    def uncertain(self) -> set[str]:
        """The outputs whose value the device itself doubts."""
        return self.driver.uncertain

    @property
    def refused(self) -> dict[str, str]:
        """The tags that the device does not serve at present, and what is to be done about each."""
        return {name: str(error) for name, error in self.driver.refused.items()}

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost, until cancelled or closed."""
        assert self._life is None, "a link lives once at a time"
        self._life = asyncio.current_task()
        self._move("open")
        try:
            while True:
                if await self._connect():
                    await self.driver.lost.wait()
                    self.losses += 1
                    self.problem = self.problem or "the device closed the connection"
                await self.driver.close()
                self._move("lost")
                await asyncio.sleep(self._backoff.wait() / 1e9)
                self._move("retry")
        finally:
            self._move("close")
            await self.driver.close()
            self._move("ended")
            self.problem = "closed"
            self._life = None

    async def read(self) -> dict[str, Value]:
        """The outputs that changed (engineering values); none when the connection is lost.

        What the device newly refuses is in ``refused``, and hides nothing of the other tags.
        """
        changes: Mapping[str, Value] = {}
        try:
            changes = await self.driver.read()
        except TagsRefused as refusal:
            changes = refusal.values
        except Exception as error:
            self._failed(error)
            return {}
        self._backoff.reset()
        return dict(changes)

    async def write(self, values: Mapping[str, Value]) -> dict[str, str] | None:
        """Write inputs; by tag what the device refused or does not hold, or None when the connection is lost.

        After None it is not known which of ``values`` the device holds.
        """
        self.unheld = frozenset()
        try:
            await self.driver.write(values)
        except TagsRefused as refusal:
            return {name: str(self.driver.refused.get(name, refusal)) for name in refusal.tags}
        except DeviceRefused as refusal:
            return dict.fromkeys(values, str(refusal))
        except Exception as error:
            self._failed(error)
            return None
        told = await self._not_held({n: value for n, value in values.items() if n in self._verified})
        self.unheld = frozenset(told or ())
        return told

    async def _not_held(self, written: Mapping[str, Value]) -> dict[str, str] | None:
        """Which of the ``written`` values the device took and does not hold; None when it is lost."""
        if not written:
            return {}
        try:
            held = await self.read_back(written)
        except DeviceRefused as refusal:
            return dict.fromkeys(written, str(refusal))
        except GatewayError:
            return None
        told: dict[str, str] = {}
        for name, value in written.items():
            if why := not_held(self._verified[name], value, held[name]):
                told[name] = why
        return told

    async def read_back(self, names: Iterable[str]) -> dict[str, Value]:
        """What the device holds at these tags; raises GatewayError, with the refused tags by name."""
        if not self.ready:
            raise ConnectionLost(self.problem or "the connection is lost")
        try:
            return await self.driver.read_back(names)
        except GatewayError as error:
            self._failed(error)
            raise
        except Exception as error:
            self._failed(error)
            raise ConnectionLost(self.problem) from error

    async def close(self) -> None:
        """End ``run`` and free the connection's slot at the device; bounded, and harmless twice."""
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait((self._life,))
        await self.driver.close()

    async def _connect(self) -> bool:
        try:
            self.identity = await self.driver.connect()
        except ConnectionLost as error:
            self._failed(await self._explained(error))
            return False
        except Exception as error:
            self._failed(error)
            return False
        self.problem = ""
        self._move("connected")
        return True

    async def _explained(self, error: ConnectionLost) -> ConnectionLost:
        """``error``, or what is known to be broken on the way. Apart: a name may take its time."""
        if is_loopback(urlsplit(self._address).hostname or ""):
            return error
        why = await asyncio.to_thread(cut_off, self._address)
        return ConnectionLost(why) if why else error

    def _failed(self, error: Exception) -> None:
        """What a driver did not foresee in its device's data ends that connection, and no more."""
        if isinstance(error, GatewayError):
            self.problem = str(error)
            return
        what = f"{type(error).__name__}: {error}"
        self.problem = f"the connection is given up, its driver failed: {what}"
        self.driver.lost.set()
        if what not in self._unforeseen and len(self._unforeseen) < MAX_UNFORESEEN:
            self._unforeseen.add(what)
            log.error("%s", self.problem, exc_info=error)

    def _move(self, event: LinkEvent) -> None:
        self.state = TRANSITIONS[self.state, event]
        if self._changed is not None:
            self._changed(self.state)

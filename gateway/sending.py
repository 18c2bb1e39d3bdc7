"""What a gateway sends of its scans: in order, and nothing before the journal has what it speaks of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.cell.scan import Outputs
from gateway.net import topics
from gateway.net.bus import Bus
from gateway.net.messages import Body, Coupled, Coupling, ReplyBody, encode
from gateway.net.reports import Differs
from gateway.recorder import Recorder
from gateway.store.journal import Change, Delete, Journal, JournalFailed, Put

log = logging.getLogger("gateway")

MAX_OUTBOX = 1024
DISK_WITHIN = 5.0


class Sending:
    """Of the gateway ``node`` on ``line``, through ``bus``. ``answer`` takes replies to whoever asked,
    ``happened`` what is worth keeping, ``recorder`` what the line's chain is to record, where there is one;
    ``ring`` tells that the journal has more, ``couple`` makes of a message what goes to a neighbour.

    ``persisted`` is the last ticket that the journal has, ``problem`` says why it has no more.
    """

    def __init__(
        self,
        line: str,
        node: str,
        bus: Bus,
        journal: Journal,
        recorder: Recorder | None,
        answer: Callable[[str, int, ReplyBody], None],
        happened: Callable[[str, str], None],
        ring: Callable[[], None],
        couple: Callable[[str, Coupling], Coupled],
    ) -> None:
        self._line, self._node, self._bus = line, node, bus
        self._journal, self._recorder = journal, recorder
        self._answer, self._happened, self._ring, self._couple = answer, happened, ring, couple
        self._outbox: asyncio.Queue[Outputs | None] = asyncio.Queue(MAX_OUTBOX)
        self._within: asyncio.Timeout | None = None  # while the disk is asked
        self.persisted = 0
        self.problem = ""

    def put(self, out: Outputs) -> None:
        """Send what a scan has to say, when its turn comes. Where no more may wait, the journal failed."""
        if self.problem:
            return  # the journal has failed, and nothing is sent without it
        if out.journal or out.replies or out.couple or out.events or out.differs or out.facts:
            self._put(out)

    def end(self) -> None:
        """Nothing more is put: ``run`` ends when all is sent."""
        self._put(None)

    def _put(self, out: Outputs | None) -> None:
        try:
            self._outbox.put_nowait(out)
        except asyncio.QueueFull:
            waits = f"{self._journal.path}: the disk does not answer, and {MAX_OUTBOX} scans wait for it"
            self.problem = self.problem or waits
            if self._within is not None:
                self._within.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Send until the ``end``; JournalFailed."""
        while (out := await self._outbox.get()) is not None:
            if out.journal:
                await self._keep(out)
            self._send(out)

    async def _keep(self, out: Outputs) -> None:
        kept: list[Change] = [
            Delete(change.table, change.key)
            if change.data is None
            else Put(change.table, change.key, change.data)
            for change in out.journal
        ]
        try:
            async with asyncio.timeout(DISK_WITHIN) as self._within:
                await asyncio.get_running_loop().run_in_executor(None, self._journal.apply, kept)
        except TimeoutError:
            hangs = f"{self._journal.path}: the disk does not answer, for {DISK_WITHIN:g} s"
            self.problem = self.problem or hangs
            raise JournalFailed(self.problem) from None
        except JournalFailed as failed:
            self.problem = str(failed)
            raise
        finally:
            self._within = None
        if self.problem:  # some of what was to be sent is lost, though the disk is back
            raise JournalFailed(self.problem)
        self.persisted = max(self.persisted, out.ticket)
        self._ring()

    def _send(self, out: Outputs) -> None:
        if self._recorder is not None:
            self._recorder.note(out.facts)
        for operator, request, body in out.replies:
            self._answer(operator, request, body)
        for neighbour, message in out.couple:
            topic = topics.couple(self._line, self._node, neighbour)
            self._publish(topic, "couple", self._couple(neighbour, message), 0, sign=True)
        events = topics.event(self._line, self._node)
        for event in out.events:
            log.info("%s: %s", event.kind, event.text)
            self._happened(event.kind, event.text)
            self._publish(events, "event", event, 0)
        for found in out.differs:
            self._publish(events, "event", Differs(found), 1, sign=True)

    def _publish(self, topic: str, kind: str, body: Body, qos: int, sign: bool = False) -> None:
        """What cannot be a message is a line in the log, and no reason to send nothing more."""
        try:
            self._bus.publish(topic, kind, encode(body), qos=qos, sign=sign)
        except ValueError as error:  # too large, or a text that is none
            log.error("%s: %s is not sent: %s", topic, type(body).__name__, error)

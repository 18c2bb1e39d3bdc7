"""What comes over the bus for a station: the commands of operators, answered, and what neighbours tell."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable

import msgspec

from gateway.cell.scan import Asked
from gateway.local.access import OPERATOR
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.messages import (
    Ask,
    Command,
    Coupling,
    Identified,
    Identify,
    Refused,
    Reply,
    ReplyBody,
    decode,
    encode,
)

log = logging.getLogger("gateway")
MAX_ASKED = 256  # that wait for the scan


class Hearing:
    """Of the gateway of ``station`` on ``line``, through ``bus``: what is heard waits for the scan, which
    ``ring`` wakes. ``who`` says who this is. All of it on the loop."""

    def __init__(
        self, line: str, station: str, bus: Bus, who: Callable[[], Identified], ring: Callable[[], None]
    ) -> None:
        self._line, self._station, self._bus = line, station, bus
        self._who, self._ring = who, ring
        self._asked: deque[Asked] = deque()
        self._coupled: deque[tuple[str, Coupling]] = deque()
        self._received: dict[tuple[str, int], int] = {}

    def start(self) -> None:
        """Hear; before the bus is started."""
        self._bus.subscribe(topics.command(self._line, self._station, topics.ANY), self._on_command)
        self._bus.subscribe(topics.couple(self._line, topics.ANY, self._station), self._on_coupling)

    @property
    def anything(self) -> bool:
        """Whether something waits for the scan."""
        return bool(self._asked or self._coupled)

    def take(self) -> tuple[tuple[Asked, ...], tuple[tuple[str, Coupling], ...]]:
        """What waits, which waits no longer: commands, and what each neighbour said."""
        asked, coupled = tuple(self._asked), tuple(self._coupled)
        self._asked.clear()
        self._coupled.clear()
        return asked, coupled

    def ask(self, operator: str, request: int, command: Command) -> bool:
        """Hand ``command`` to the cell at its next scan; False where too many wait already."""
        if len(self._asked) >= MAX_ASKED:
            return False
        self._asked.append(Asked(operator, request, command))
        self._ring()
        return True

    def reply(self, operator: str, request: int, body: ReplyBody) -> None:
        """Answer ``operator``; who asked with 0 wants no answer."""
        received = self._received.pop((operator, request), time.time_ns())
        if request == 0:
            return
        reply = Reply(request, body, received, time.time_ns())
        topic = topics.reply(self._line, self._station, operator)
        self._bus.publish(topic, "reply", encode(reply), qos=1, sign=True)

    def _on_command(self, delivery: Delivery) -> None:
        """Who is asked who it is answers at once; the rest waits for the scan."""
        received = time.time_ns()
        operator = delivery.envelope.sender
        if operator.startswith(OPERATOR):
            log.warning("%s asks over the bus, under a name that is a local shell's", operator)
            return
        try:
            ask = decode(delivery.envelope.body, Ask)
        except msgspec.MsgspecError as error:
            log.warning("%s sent a command that does not decode: %s", operator, error)
            return
        self._received[operator, ask.request] = received
        if delivery.verified is not True:
            self.reply(operator, ask.request, Refused("the command is not signed by a key known here"))
        elif isinstance(ask.command, Identify):
            self.reply(operator, ask.request, self._who())
        elif not self.ask(operator, ask.request, ask.command):
            self.reply(operator, ask.request, Refused("too many commands wait"))

    def _on_coupling(self, delivery: Delivery) -> None:
        if delivery.verified is not True or len(self._coupled) >= MAX_ASKED:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            self._coupled.append((delivery.envelope.sender, decode(delivery.envelope.body, Coupling)))
            self._ring()

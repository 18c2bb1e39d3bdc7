"""What comes over the bus for a station: the commands of operators, answered, and what neighbours tell.

A command is looked at twice. On the network's thread, where its signature costs more to check than all the
rest, it is let go if nobody known could have signed it, or too many come. On the loop it is admitted or
refused. Whoever is not proved to be known gets no answer. Of all stations the neighbours alone are heard, and
of them no more than signatures can be checked beside the commands.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Collection

import msgspec

from gateway.cell.admission import EACH, WHOLE, Admission, Cause
from gateway.cell.freshness import Freshness
from gateway.cell.rates import Rates
from gateway.cell.scan import Asked
from gateway.local.access import OPERATOR
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.duplicates import Arrival, Duplicates
from gateway.net.envelope import Envelope
from gateway.net.identity import Trust
from gateway.net.messages import (
    Ask,
    Coupled,
    Coupling,
    Identified,
    Identify,
    Moment,
    Refused,
    Reply,
    ReplyBody,
    decode,
    encode,
)
from gateway.refusals import Refusals

log = logging.getLogger("gateway")

MAX_ASKED = 256  # commands that wait for the scan
MAX_OWN = 64  # of them of one operator, or messages of one neighbour
LOOKED_AT = 2  # times as many commands have their signature checked as are admitted: those are answered
COUPLED = 1_200  # messages a second of one neighbour that are looked at; one that scans every ms says less
SMALL = 16_384  # bytes of a command that counts as one; a larger one counts as several


class Hearing:
    """Of the gateway of ``station`` on ``line`` in its life ``boot``, beside ``neighbours``, over ``bus``.

    What is heard waits for the scan, which ``ring`` wakes. ``who`` says who this is, ``holder`` who holds the
    lease. All of it on the loop, but for what screens.
    """

    def __init__(
        self,
        line: str,
        station: str,
        boot: str,
        bus: Bus,
        trust: Trust,
        who: Callable[[], Identified],
        holder: Callable[[], str],
        ring: Callable[[], None],
        neighbours: Collection[str],
    ) -> None:
        self._line, self._station, self._bus, self._trust = line, station, bus, trust
        self._who, self._holder, self._ring = who, holder, ring
        self._admission = Admission(boot)
        self._refusals = Refusals()
        self._looked_at = Rates(LOOKED_AT * EACH, LOOKED_AT * WHOLE)
        self._neighbours, self._coupling = sorted(neighbours), Rates(COUPLED, COUPLED)
        self._came: dict[str, Duplicates] = {url: Duplicates() for url in bus.brokers}
        self._freshness = Freshness(boot)
        self._asked: deque[Asked] = deque()
        self._coupled: deque[tuple[str, Coupling]] = deque()
        self._received: dict[tuple[str, int], int] = {}

    def start(self) -> None:
        """Hear; before the bus is started."""
        commands = topics.command(self._line, self._station, topics.ANY)
        self._bus.subscribe(commands, self._on_command, screen=self._screen)
        for neighbour in self._neighbours:
            coupling = topics.couple(self._line, neighbour, self._station)
            self._bus.subscribe(coupling, self._on_coupling, screen=self._screen_coupling)

    # --- for the scan ------------------------------------------------------------------------------------

    @property
    def anything(self) -> bool:
        """Whether something waits for the scan."""
        return bool(self._asked or self._coupled)

    @property
    def refused(self) -> dict[str, int]:
        """How many commands were refused, by cause."""
        foreign = self._bus.counters.wrong_sender
        return self._refusals.counts() | ({"foreign topic": foreign} if foreign else {})

    def take(self) -> tuple[tuple[Asked, ...], tuple[tuple[str, Coupling], ...]]:
        """What waits, which waits no longer: commands, and what each neighbour said."""
        asked, coupled = tuple(self._asked), tuple(self._coupled)
        self._asked.clear()
        self._coupled.clear()
        return asked, coupled

    def ask(self, asked: Asked) -> bool:
        """Hand it to the cell at its next scan; False where too many wait already."""
        own = sum(each.operator == asked.operator for each in self._asked)
        if len(self._asked) >= MAX_ASKED or own >= MAX_OWN:
            return False
        self._asked.append(asked)
        self._ring()
        return True

    def dismiss(self, operator: str) -> None:
        """What ``operator`` asked, and still waits, is not done."""
        dropped = [each for each in self._asked if each.operator == operator]
        self._asked = deque(each for each in self._asked if each.operator != operator)
        for each in dropped:
            self.reply(operator, each.request, Refused(f"{operator} may not command here any more"))

    def couple(self, neighbour: str, message: Coupling) -> Coupled:
        """``message`` as it goes to ``neighbour``, which knows by it that it is said now."""
        return self._freshness.couple(neighbour, message)

    def disagree(self, operator: str, why: str) -> None:
        """What ``operator`` asked, over the bus or at the local shell, the cell has refused."""
        self._refusals.note(operator, "by the cell", why)

    def reply(self, operator: str, request: int, body: ReplyBody) -> None:
        """Answer ``operator``; who asked with 0 wants no answer, and who may see nothing here gets none."""
        received = self._received.pop((operator, request), time.time_ns())
        known = self._trust.public_bytes(operator) is not None
        if request == 0 or not known:
            return
        if not self._trust.may(operator, "viewer") and not isinstance(body, Refused):
            return
        try:
            self._answer(operator, Reply(request, body, received, time.time_ns()))
        except ValueError as error:
            log.error("the answer to request %d of %s is not sent: %s", request, operator, error)
            why = Refused(f"it was done; what it saw is lost: {error}")
            self._answer(operator, Reply(request, why, received, time.time_ns()))

    def _answer(self, operator: str, reply: Reply) -> None:
        """ValueError where it is larger than a message may be."""
        topic = topics.reply(self._line, self._station, operator)
        self._bus.publish(topic, "reply", encode(reply), qos=1, sign=True)

    # --- what comes --------------------------------------------------------------------------------------

    def _screen(self, broker: str, envelope: Envelope, seen: Arrival) -> bool:
        """On the network's thread: whether a command is worth a look at its signature."""
        sender = envelope.sender
        if sender.startswith(OPERATOR):
            return self._drop(sender, "unknown", "it asks over the bus, under a name that is a local shell's")
        if self._trust.public_bytes(sender) is None:
            return self._drop(sender, "unknown", "no key of that name is trusted here")
        if not envelope.sig:
            return self._drop(sender, "unsigned", "the command is not signed")
        # Each broker brings a copy; what one of them brings again was sent again.
        again = self._came[broker].admit(sender, envelope.boot, envelope.seq)
        if seen is not Arrival.NEW:
            if again is not Arrival.NEW:
                self._refusals.note(sender, "replayed", "the command came before")
            return True  # the bus lets it go
        cost = 1 + len(envelope.body) // SMALL
        if not self._looked_at.take(time.monotonic_ns(), sender, sender == self._holder(), cost):
            return self._drop(sender, "too many", "more commands come than can be looked at")
        return True

    def _screen_coupling(self, _broker: str, envelope: Envelope, seen: Arrival) -> bool:
        """As ``_screen``; each neighbour for itself, so that none keeps another from being heard."""
        sender = envelope.sender
        if not envelope.sig or self._trust.public_bytes(sender) is None:
            return False
        cost = 1 + len(envelope.body) // SMALL
        if seen is Arrival.NEW and not self._coupling.take(time.monotonic_ns(), sender, True, cost):
            return self._drop(sender, "too many", "more comes of this neighbour than can be looked at")
        return True

    def _drop(self, sender: str, cause: Cause, why: str) -> bool:
        self._refusals.note(sender, cause, why)
        return False

    def _on_command(self, delivery: Delivery) -> None:
        """Who is asked who it is answers at once; the rest waits for the scan."""
        received, now = time.time_ns(), time.monotonic_ns()
        envelope = delivery.envelope
        operator = envelope.sender
        if delivery.verified is not True:
            self._drop(operator, "forged", "the command is not signed with its key, for this station")
            return
        try:
            ask = decode(envelope.body, Ask)
        except msgspec.MsgspecError as error:
            self._drop(operator, "unreadable", f"the command does not decode: {error}")
            return
        self._received[operator, ask.request] = received
        roles = self._trust.roles(operator)
        refusal = self._admission.refuses(
            now, operator, envelope.boot, envelope.seq, ask, roles, self._holder()
        )
        if refusal is not None:
            self._refusals.note(operator, *refusal)
            self.reply(operator, ask.request, Refused(refusal.why))
        elif isinstance(ask.command, Identify):
            self.reply(operator, ask.request, self._who())
        elif not self.ask(Asked(operator, ask.request, ask.command, roles)):
            self._drop(operator, "too many", "too many commands wait")
            self.reply(operator, ask.request, Refused("too many commands wait"))

    def _on_coupling(self, delivery: Delivery) -> None:
        sender = delivery.envelope.sender
        own = sum(each == sender for each, _ in self._coupled)
        if delivery.verified is not True or len(self._coupled) >= MAX_ASKED or own >= MAX_OWN:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            coupled: Coupled = decode(delivery.envelope.body, Coupled)
            said = Moment(delivery.envelope.boot.hex(), delivery.envelope.mono_ns)
            if self._freshness.takes(time.monotonic_ns(), sender, said, coupled):
                self._coupled.append((sender, coupled.message))
                self._ring()

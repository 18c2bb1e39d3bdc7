"""What a rig hears of a line's gateways: states, answers and discrepancies, and whether a broker is there."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.messages import Reply, decode
from gateway.net.reports import About, Differs, State
from gateway.twin.discrepancy import Discrepancy
from rig.clocks import GatewayClock
from rig.differences import Differences


class Heard(NamedTuple):
    """A station's last state, when it came (monotonic ns), and since when its lease has had that holder."""

    state: State
    at: int
    since: int


class Asked(NamedTuple):
    """A command that is to be answered: by which station, and when it was sent (monotonic ns)."""

    station: str
    at: int


class Answer(NamedTuple):
    """To a command: when it came (UTC, ns), and from which life of the gateway."""

    reply: Reply
    came: int
    boot: str


class Hearing:
    """By ``operator`` on ``bus``: every gateway of ``line``, and of the line's ``stations`` also answers and
    events. What does not verify is not heard.

    The bus calls on its own threads. So all that is here is used under ``condition``, which tells of what is
    new; but for ``differed``, which is called with each discrepancy that begins or ends.
    """

    def __init__(self, line: str, operator: str, stations: Iterable[str], bus: Bus) -> None:
        self.condition = threading.Condition()
        self.states: dict[str, Heard] = {}
        self.about: dict[str, About] = {}
        self.clocks: dict[str, GatewayClock] = {}
        self.differences = Differences()
        self.differed: Callable[[str, Discrepancy], None] = lambda station, found: None
        self.asked: dict[int, Asked] = {}  # whose answers are heard, by request
        self.answers: dict[int, Answer] = {}
        self.deaf: int | None = None  # since when no broker is there, monotonic ns
        self._bus = bus
        bus.subscribe(topics.state(line, topics.ANY), self._on_state)
        bus.subscribe(topics.about(line, topics.ANY), self._on_about)
        for station in stations:
            bus.subscribe(topics.reply(line, station, operator), self._on_reply)
            bus.subscribe(topics.event(line, station), self._on_event)

    def broker_changed(self) -> None:
        """A broker of the bus has come or gone."""
        with self.condition:
            up = any(self._bus.brokers.values())
            self.deaf = None if up else self.deaf or time.monotonic_ns()
            if not up:
                self.differences.deaf("no broker was there")
            if up:  # what was missed while it was away is not silence
                now = time.monotonic_ns()
                self.states = {name: heard._replace(at=now) for name, heard in self.states.items()}
            self.condition.notify_all()

    def last(self, station: str) -> Heard | None:
        """Its state as it was last heard."""
        with self.condition:
            return self.states.get(station)

    def life(self, station: str) -> str:
        """Of the gateway, as it was last proven by an answer; empty before the first."""
        with self.condition:
            clock = self.clocks.get(station)
            return "" if clock is None else clock.boot

    def forced(self, station: str) -> tuple[str, ...]:
        """What is forced there, by whomever."""
        last = self.last(station)
        return () if last is None or not last.state.online else last.state.forces

    def answered(self, requests: Iterable[int]) -> bool:
        """Whether one of them is, and its answer not taken yet."""
        with self.condition:
            return any(request in self.answers for request in requests)

    def take(self, request: int) -> Answer:
        """The answer to one that is answered; it is kept no longer."""
        with self.condition:
            return self.answers.pop(request)

    def expect_no_more(self, requests: Iterable[int]) -> None:
        """What answers these from now on is not heard."""
        with self.condition:
            for request in requests:
                self.asked.pop(request, None)

    def _on_state(self, delivery: Delivery) -> None:
        if delivery.verified is not True:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            state = decode(delivery.envelope.body, State)
            with self.condition:
                sender = delivery.envelope.sender
                before = self.states.get(sender)
                if not state.online and before is not None and before.state.boot != state.boot:
                    return  # the last will of an earlier life
                now = time.monotonic_ns()
                clock = self.clocks.get(sender)
                if clock is not None and clock.boot == delivery.envelope.boot.hex():
                    clock.heard(delivery.envelope.mono_ns, now)
                again = before is not None and before.state.holder == state.holder
                self.states[sender] = Heard(state, now, before.since if before and again else now)
                self.differences.hear(sender, state, 0 if before is None else now - before.at)
                new = [each for each in state.differs if self.differences.add(sender, each)]
                self.condition.notify_all()
            for each in new:
                self.differed(sender, each)

    def _on_event(self, delivery: Delivery) -> None:
        if delivery.verified is not True:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            found = decode(delivery.envelope.body, Differs).found
            with self.condition:
                new = self.differences.add(delivery.envelope.sender, found)
            if new:
                self.differed(delivery.envelope.sender, found)

    def _on_about(self, delivery: Delivery) -> None:
        if delivery.verified is not True:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            about = decode(delivery.envelope.body, About)
            with self.condition:
                self.about[delivery.envelope.sender] = about
                self.condition.notify_all()

    def _on_reply(self, delivery: Delivery) -> None:
        came, here = time.time_ns(), time.monotonic_ns()
        if delivery.verified is not True:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            reply, sealed = decode(delivery.envelope.body, Reply), delivery.envelope
            boot = sealed.boot.hex()
            with self.condition:
                asked = self.asked.get(reply.request)
                if asked is None or asked.station != sealed.sender:
                    return
                # An answer proves which life the gateway lives: nobody knew the question by its number.
                clock = self.clocks.get(asked.station)
                if clock is None or clock.boot != boot:
                    self.clocks[asked.station] = GatewayClock(boot, sealed.mono_ns, asked.at, here)
                else:
                    clock.answered(sealed.mono_ns, asked.at, here)
                self.answers[reply.request] = Answer(reply, came, boot)
                self.condition.notify_all()

"""Gateways reached over the bus: commands out, replies and heartbeats in, the leases kept alive."""

from __future__ import annotations

import contextlib
import math
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import msgspec

from gateway.cell.admission import EACH
from gateway.cell.rates import Rates
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.identity import Identity, Trust
from gateway.net.messages import (
    IN_STEP,
    Abort,
    Acquire,
    Ask,
    Command,
    Identified,
    Identify,
    Leased,
    Refused,
    Release,
    Renew,
    Reply,
    Run,
    Trace,
    decode,
    encode,
)
from gateway.net.reports import About, Differs, State
from gateway.pki.credentials import TlsFiles
from gateway.twin.discrepancy import Discrepancy
from rig.backend import (
    LEASE_RENEW,
    LEASE_TTL,
    Backend,
    Begun,
    BrokerGone,
    GatewayGone,
    LeaseLost,
    RigFault,
    RoundTrip,
    Script,
)
from rig.clocks import GatewayClock
from rig.differences import SILENCE, Differences
from rig.presence import Seen

ANSWER = 3_000_000_000  # for a command that is done at once; for as long it may be begun
BROKER_GRACE = 2_000_000_000  # a broker may come back within
PINGS = 5
RELEASED = 1.5  # s, for heartbeats to say that nothing is forced any more
PACE = EACH * 3 // 4  # commands a second to a gateway, which refuses what is more than it takes


class Heard(NamedTuple):
    """A station's last state, when it came (monotonic ns), and since when its lease has had that holder."""

    state: State
    at: int
    since: int


class Answer(NamedTuple):
    """To a command: when it came (UTC, ns), and from which life of the gateway."""

    reply: Reply
    came: int
    boot: str


class _Asked(NamedTuple):
    station: str
    at: int  # monotonic ns


class _Held(NamedTuple):
    """A lease: its token means something to the life of the gateway that granted it."""

    token: int
    boot: str


class BusBackend(Backend):
    """The gateways of ``stations`` on ``line``, through ``brokers``, as ``operator``.

    Those ``watched`` are in shadow: they give no lease, and scripts on them only wait. With ``breaks`` a
    lease that somebody holds is broken, where the operator is a commissioner.
    """

    mode = "hil"

    def __init__(
        self,
        line: str,
        stations: list[str],
        brokers: list[str],
        identity: Identity,
        trust: Trust,
        watched: Collection[str] = (),
        tls: TlsFiles | None = None,
        breaks: bool = False,
    ) -> None:
        self.line, self.operator = line, identity.node
        self._condition = threading.Condition()
        self._session = secrets.token_hex(8)
        self._pending: dict[int, _Asked] = {}
        self._replies: dict[int, Answer] = {}
        self._heard: dict[str, Heard] = {}
        self._boots: dict[str, str] = {}
        self._clocks: dict[str, GatewayClock] = {}
        self._held: dict[str, _Held] = {}
        # Replies go to the operator: another rig of the same one hears them too, and must not mistake them.
        self._request = secrets.randbits(62)
        count = max(1, len(stations))
        self._rates = Rates(PACE, PACE * count, senders=count)
        self._broker_lost: int | None = None
        self.watched = frozenset(watched)
        self._differed: Callable[[str, Discrepancy], None] = lambda station, found: None
        self._differences = Differences()
        self._stations, self._breaks = tuple(stations), breaks
        self._left: dict[str, tuple[str, ...]] = {}  # what was forced at the end, by station
        self._closing = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name="lease", daemon=True)
        self.bus = Bus(
            identity.node, brokers, identity=identity, trust=trust, on_state=self._broker_changed, tls=tls
        )
        self._about: dict[str, About] = {}
        self.bus.subscribe(topics.state(line, topics.ANY), self._on_state)
        self.bus.subscribe(topics.about(line, topics.ANY), self._on_about)
        for station in stations:
            self.bus.subscribe(topics.reply(line, station, self.operator), self._on_reply)
            self.bus.subscribe(topics.event(line, station), self._on_event)

    def start(self, timeout: int = 10_000_000_000) -> None:
        """Connect; BrokerGone if no broker answers in time."""
        self.bus.start()
        if not self.bus.wait_ready(timeout / 1e9):
            why = [f"{url}: {text}" for url, text in self.bus.problems.items()]
            raise BrokerGone("no broker answers at " + ", ".join(why or self.bus.brokers))
        self._renewer.start()

    def now(self) -> int:
        """UTC, ns."""
        return time.time_ns()

    def seen(self, stations: Collection[str] = (), limit: int = 0) -> dict[str, Seen]:
        """Every gateway that was heard of on this line, also one that the line does not know; waits until
        all of ``stations`` are, at most ``limit`` ns."""
        wanted = set(stations)
        with self._condition:
            self._condition.wait_for(lambda: wanted <= self._heard.keys() & self._about.keys(), limit / 1e9)
            names = self._heard.keys() | self._about.keys()
            states = {name: heard.state for name, heard in self._heard.items()}
            return {name: Seen(self._about.get(name), states.get(name)) for name in names}

    def identify(self, station: str) -> tuple[Identified, RoundTrip]:
        """Ask several times; the quickest answer knows the gateway's clock best."""
        best: tuple[int, Identified, RoundTrip] | None = None
        for _ in range(PINGS):
            asked = time.time_ns()
            reply, came, _ = self._call(station, Identify())
            if not isinstance(reply.body, Identified):
                raise GatewayGone(station, _why(reply.body))
            there = reply.sent - reply.received
            took = came - asked - there
            offset = ((reply.received - asked) + (reply.sent - came)) // 2
            if best is None or took < best[0]:
                best = took, reply.body, RoundTrip(took, offset, max(took // 2, 1))
        assert best is not None
        self._boots[station] = best[1].boot
        return best[1], best[2]

    def hold(self, station: str) -> None:
        """Acquire the lease; a thread renews it until ``close``."""
        assert station not in self.watched, f"{station} is watched, and nothing is written there"
        acquire = Acquire(LEASE_TTL, self._breaks)
        life = self._life(station, acquire)
        answer = self._call(station, acquire)
        if isinstance(answer.reply.body, Refused) and answer.boot != life:
            answer = self._call(station, acquire)  # it has restarted, and says so only now
        if not isinstance(answer.reply.body, Leased):
            raise RigFault(f"{station} grants no lease: {_why(answer.reply.body)}")
        self._held[station] = _Held(answer.reply.body.token, answer.boot)

    def begin(self, scripts: Mapping[str, Script]) -> Begun:
        """Begin scripts on several stations at once."""
        return Begun(
            scripts,
            {name: self._ask(name, Run(self._token(name), *script)) for name, script in scripts.items()},
        )

    def finish(self, begun: Begun, out: int = 0) -> dict[str, Trace]:
        """Wait for scripts to end; with ``out`` until so many workpieces are out."""
        requests, limit = begun.requests, begun.limit
        names = {request: name for name, request in requests.items()}
        try:
            if out:
                self._wait(list(names), names, limit, lambda: self._come_out(names) >= out)
                for name, request in requests.items():
                    with self._condition:
                        running = request not in self._replies
                    if running:
                        self._ask(name, Abort(self._token(name)), reply=False)
            self._wait(list(names), names, limit)
        except BaseException:
            for name in requests:
                with contextlib.suppress(RigFault):
                    self._ask(name, Abort(self._token(name)), reply=False)
            raise
        finally:
            with self._condition:
                for request in names:
                    self._pending.pop(request, None)
        traces: dict[str, Trace] = {}
        for name, request in requests.items():
            with self._condition:
                body = self._replies.pop(request).reply.body
            if not isinstance(body, Trace):
                raise self._not_run(name, body)
            traces[name] = body
        return traces

    def _not_run(self, station: str, body: object) -> RigFault:
        """Why a script got no trace: for want of the lease, or something else."""
        watched = station in self.watched
        renewed = None if watched else self._call(station, Renew(self._token(station))).reply.body
        if isinstance(renewed, Refused):
            return LeaseLost(station, renewed.why)
        return RigFault(f"{station} does not run the script: {_why(body)}")

    def close(self) -> None:
        """Give the leases back, as far as gateways answer, and disconnect."""
        self._closing.set()
        requests = []
        for station, held in self._held.items():
            with contextlib.suppress(RigFault):
                requests.append((station, self._ask(station, Release(held.token))))
        for station, request in requests:
            with contextlib.suppress(RigFault):
                self._wait([request], {request: station}, 1_000_000_000)
        self._held.clear()
        self._await_release()
        if self._renewer.is_alive():
            self._renewer.join(2.0)
        self.bus.close()

    def _await_release(self) -> None:
        """What was forced under our leases is so no more with the next heartbeats; what is then, stays."""
        with self._condition:
            if self._broker_lost is None:
                self._condition.wait_for(lambda: not any(map(self._forced, self._stations)), RELEASED)
            self._left = {name: self._forced(name) for name in self._stations}

    def _forced(self, station: str) -> tuple[str, ...]:
        heard = self._heard.get(station)
        return () if heard is None or not heard.state.online else heard.state.forces

    def left(self, station: str) -> tuple[str, ...]:
        """As its gateway has told."""
        return self._left.get(station, ())

    def differences(self, station: str) -> list[Discrepancy]:
        """As the gateway has told them; times in UTC."""
        with self._condition:
            return self._differences.of(station)

    def listen(self, differed: Callable[[str, Discrepancy], None]) -> None:
        """It is called on the bus's own thread."""
        self._differed = differed

    def uncompared(self, station: str) -> str:
        """As its gateway last said."""
        with self._condition:
            heard = self._heard.get(station)
        state = None if heard is None else heard.state
        return "" if state is None or state.beside in ("", IN_STEP) else state.beside

    def unheard(self, station: str) -> str:
        """When the gateway was not heard since it was first."""
        with self._condition:
            heard = self._heard.get(station)
            if heard is None:
                return "it was never heard"
            self._differences.silent(station, time.monotonic_ns() - heard.at)
            return self._differences.gaps.get(station, "")

    # --- asking --------------------------------------------------------------------------------------

    def _token(self, station: str) -> int:
        if station in self.watched:
            return 0
        if station not in self._held:
            raise RigFault(f"{station}: no lease is held")
        return self._held[station].token

    def _ask(self, station: str, command: Command, reply: bool = True) -> int:
        """Its number, 0 for no reply; BrokerGone, and GatewayGone where it has yet to say who it is."""
        boot = "" if isinstance(command, Identify) else self._life(station, command)
        self._pace(station)
        with self._condition:
            here = time.monotonic_ns()
            until = self._clocks[station].now(here) + _good(command) if boot else 0
            self._request += 1
            request = self._request if reply else 0
            if reply:
                self._pending[request] = _Asked(station, here)
        body = encode(Ask(request, command, self._session, boot, until))
        topic = topics.command(self.line, station, self.operator)
        # A command of no use later (a renewal) is not kept for a broker that is away.
        if not self.bus.publish(topic, "ask", body, qos=1 if reply else 0, sign=True) and reply:
            raise BrokerGone("no broker takes messages")
        return request

    def _pace(self, station: str) -> None:
        """Wait until the gateway will hear one more; most often that is now."""
        while True:
            with self._condition:
                if self._rates.take(time.monotonic_ns(), station):
                    return
            self._closing.wait(1 / PACE)

    def _life(self, station: str, command: Command) -> str:
        """For which life of the gateway ``command`` is: that which granted the lease, else the last known."""
        held = self._held.get(station)
        if held is not None and not isinstance(command, Acquire):
            return held.boot
        with self._condition:
            clock = self._clocks.get(station)
        if clock is not None:
            return clock.boot
        return self._call(station, Identify()).boot

    def _call(self, station: str, command: Command) -> Answer:
        request = self._ask(station, command)
        try:
            self._wait([request], {request: station}, ANSWER)
        finally:
            with self._condition:
                self._pending.pop(request, None)
        with self._condition:
            return self._replies.pop(request)

    def _come_out(self, scripts: Mapping[int, str]) -> float:
        """Workpieces that came out of the line since these began; no end of them once one has ended."""
        if not scripts.keys().isdisjoint(self._replies):
            return math.inf
        states = (self._heard[name].state for name in scripts.values() if name in self._heard)
        return sum(state.out for state in states if state.script in scripts)

    def _wait(
        self,
        requests: list[int],
        names: Mapping[int, str],
        limit: int,
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Until all have answered, or it is ``over``."""
        deadline = time.monotonic_ns() + limit
        with self._condition:
            while missing := [request for request in requests if request not in self._replies]:
                if over():
                    return
                now = time.monotonic_ns()
                self._check_broker(now)
                for request in missing:
                    self._check_gateway(names[request], now)
                    self._check_lease(request, names[request], now)
                if now > deadline:
                    station = names[missing[0]]
                    raise GatewayGone(station, f"no answer within {limit / 1e9:g} s")
                self._condition.wait(0.05)

    def _check_broker(self, now: int) -> None:
        if self._broker_lost is not None and now - self._broker_lost > BROKER_GRACE:
            raise BrokerGone("the broker is gone: " + ", ".join(self.bus.brokers))

    def _check_gateway(self, station: str, now: int) -> None:
        heard = self._heard.get(station)
        if heard is None or self._broker_lost is not None:
            return
        if not heard.state.online:
            raise GatewayGone(station, "went offline")
        if now - heard.at > SILENCE:
            raise GatewayGone(station, f"silent for {(now - heard.at) / 1e9:.1f} s")
        if self._boots.get(station, heard.state.boot) != heard.state.boot:
            raise GatewayGone(station, "restarted in the middle of the session")

    def _check_lease(self, request: int, station: str, now: int) -> None:
        """A gateway answers nobody who is revoked: that the lease is gone is seen in its state alone."""
        asked, heard = self._pending.get(request), self._heard.get(station)
        if asked is None or heard is None or station not in self._held:
            return
        if heard.state.holder != self.operator and now - max(asked.at, heard.since) > SILENCE:
            what = f"does not have {self.operator} hold the lease, and answers nothing: is it revoked?"
            raise GatewayGone(station, what)

    def _renew(self) -> None:
        while not self._closing.wait(LEASE_RENEW / 1e9):
            for station, held in list(self._held.items()):
                with contextlib.suppress(RigFault):
                    self._ask(station, Renew(held.token), reply=False)

    # --- hearing -------------------------------------------------------------------------------------

    def _broker_changed(self, _broker: str, _up: bool) -> None:
        with self._condition:
            up = any(self.bus.brokers.values())
            self._broker_lost = None if up else self._broker_lost or time.monotonic_ns()
            if not up:
                self._differences.deaf("no broker was there")
            if up:  # what was missed while it was away is not silence
                now = time.monotonic_ns()
                self._heard = {name: heard._replace(at=now) for name, heard in self._heard.items()}
            self._condition.notify_all()

    def _on_state(self, delivery: Delivery) -> None:
        if delivery.verified is not True:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            state = decode(delivery.envelope.body, State)
            with self._condition:
                sender = delivery.envelope.sender
                before = self._heard.get(sender)
                if not state.online and before is not None and before.state.boot != state.boot:
                    return  # the last will of an earlier life
                now = time.monotonic_ns()
                clock = self._clocks.get(sender)
                if clock is not None and clock.boot == delivery.envelope.boot.hex():
                    clock.heard(delivery.envelope.mono_ns, now)
                again = before is not None and before.state.holder == state.holder
                self._heard[sender] = Heard(state, now, before.since if before and again else now)
                self._differences.hear(sender, state, 0 if before is None else now - before.at)
                new = [each for each in state.differs if self._differences.add(sender, each)]
                self._condition.notify_all()
            for each in new:
                self._differed(sender, each)

    def _on_event(self, delivery: Delivery) -> None:
        if delivery.verified is not True:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            found = decode(delivery.envelope.body, Differs).found
            with self._condition:
                new = self._differences.add(delivery.envelope.sender, found)
            if new:
                self._differed(delivery.envelope.sender, found)

    def _on_about(self, delivery: Delivery) -> None:
        if delivery.verified is not True:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            about = decode(delivery.envelope.body, About)
            with self._condition:
                self._about[delivery.envelope.sender] = about
                self._condition.notify_all()

    def _on_reply(self, delivery: Delivery) -> None:
        came, here = time.time_ns(), time.monotonic_ns()
        if delivery.verified is not True:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            reply, sealed = decode(delivery.envelope.body, Reply), delivery.envelope
            boot = sealed.boot.hex()
            with self._condition:
                asked = self._pending.get(reply.request)
                if asked is None or asked.station != sealed.sender:
                    return
                # An answer proves which life the gateway lives: nobody knew the question by its number.
                clock = self._clocks.get(asked.station)
                if clock is None or clock.boot != boot:
                    self._clocks[asked.station] = GatewayClock(boot, sealed.mono_ns, asked.at, here)
                else:
                    clock.answered(sealed.mono_ns, asked.at, here)
                self._replies[reply.request] = Answer(reply, came, boot)
                self._condition.notify_all()


def _good(command: Command) -> int:
    """For how long a command is to be taken: who renews a lease does it again before that."""
    return LEASE_TTL if isinstance(command, Renew) else ANSWER


def _why(body: object) -> str:
    """Why it was not done, in words."""
    return body.why if isinstance(body, Refused) else f"it answered {body}"

"""Gateways reached over the bus: commands out, their answers awaited, the leases kept alive."""

from __future__ import annotations

import contextlib
import math
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from gateway.cell.admission import EACH
from gateway.cell.rates import Rates
from gateway.net import topics
from gateway.net.bus import Bus
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
    Run,
    Trace,
    encode,
)
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
from rig.differences import SILENCE
from rig.hearing import Answer, Asked, Hearing
from rig.presence import Seen

ANSWER = 3_000_000_000  # for a command that is done at once; for as long it may be begun
BROKER_GRACE = 2_000_000_000  # a broker may come back within
PINGS = 5
RELEASED = 1.5  # s, for heartbeats to say that nothing is forced any more
PACE = EACH * 3 // 4  # commands a second to a gateway, which refuses what is more than it takes


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
        self._session = secrets.token_hex(8)
        self._boots: dict[str, str] = {}
        self._held: dict[str, _Held] = {}
        # Replies go to the operator: another rig of the same one hears them too, and must not mistake them.
        self._request = secrets.randbits(62)
        count = max(1, len(stations))
        self._rates = Rates(PACE, PACE * count, senders=count)
        self.watched = frozenset(watched)
        self._stations, self._breaks = tuple(stations), breaks
        self._left: dict[str, tuple[str, ...]] = {}  # what was forced at the end, by station
        self._closing = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name="lease", daemon=True)
        self.bus = Bus(
            identity.node, brokers, identity=identity, trust=trust, tls=tls,
            on_state=lambda *_: self._heard.broker_changed(),
        )  # fmt: skip
        self._heard = Hearing(line, self.operator, stations, self.bus)

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
        heard = self._heard
        with heard.condition:
            heard.condition.wait_for(lambda: wanted <= heard.states.keys() & heard.about.keys(), limit / 1e9)
            names = heard.states.keys() | heard.about.keys()
            states = {name: last.state for name, last in heard.states.items()}
            return {name: Seen(heard.about.get(name), states.get(name)) for name in names}

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
        """Begin scripts on several stations at once; where one station cannot be asked, those of the others
        end."""
        requests: dict[str, int] = {}
        try:
            for name, script in scripts.items():
                requests[name] = self._ask(name, Run(self._token(name), *script))
        except BaseException:
            self._abort(requests)
            self._heard.expect_no_more(requests.values())
            raise
        return Begun(scripts, requests)

    def finish(self, begun: Begun, out: int = 0) -> dict[str, Trace]:
        """Wait for scripts to end; with ``out`` until so many workpieces are out."""
        requests, limit = begun.requests, begun.limit
        names = {request: name for name, request in requests.items()}
        try:
            if out:
                self._wait(list(names), names, limit, lambda: self._come_out(names) >= out)
                for name, request in requests.items():
                    if not self._heard.answered([request]):
                        self._ask(name, Abort(self._token(name)), reply=False)
            self._wait(list(names), names, limit)
        except BaseException:
            self._abort(requests)
            raise
        finally:
            self._heard.expect_no_more(names)
        traces: dict[str, Trace] = {}
        for name, request in requests.items():
            body = self._heard.take(request).reply.body
            if not isinstance(body, Trace):
                raise self._not_run(name, body)
            traces[name] = body
        return traces

    def _abort(self, stations: Iterable[str]) -> None:
        """End the scripts that run there, as far as that can be said."""
        for name in stations:
            with contextlib.suppress(RigFault):
                self._ask(name, Abort(self._token(name)), reply=False)

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
        heard = self._heard
        with heard.condition:
            if heard.deaf is None:
                heard.condition.wait_for(lambda: not any(map(heard.forced, self._stations)), RELEASED)
            self._left = {name: heard.forced(name) for name in self._stations}

    def left(self, station: str) -> tuple[str, ...]:
        """As its gateway has told."""
        return self._left.get(station, ())

    def differences(self, station: str) -> list[Discrepancy]:
        """As the gateway has told them; times in UTC."""
        with self._heard.condition:
            return self._heard.differences.of(station)

    def listen(self, differed: Callable[[str, Discrepancy], None]) -> None:
        """It is called on the bus's own thread."""
        self._heard.differed = differed

    def uncompared(self, station: str) -> str:
        """As its gateway last said."""
        last = self._heard.last(station)
        return "" if last is None or last.state.beside in ("", IN_STEP) else last.state.beside

    def unheard(self, station: str) -> str:
        """When the gateway was not heard since it was first."""
        heard = self._heard
        with heard.condition:
            last = heard.last(station)
            if last is None:
                return "it was never heard"
            heard.differences.silent(station, time.monotonic_ns() - last.at)
            return heard.differences.gaps.get(station, "")

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
        with self._heard.condition:
            here = time.monotonic_ns()
            until = self._heard.clocks[station].now(here) + _good(command) if boot else 0
            self._request += 1
            request = self._request if reply else 0
            if reply:
                self._heard.asked[request] = Asked(station, here)
        body = encode(Ask(request, command, self._session, boot, until))
        topic = topics.command(self.line, station, self.operator)
        # A command of no use later (a renewal) is not kept for a broker that is away.
        if not self.bus.publish(topic, "ask", body, qos=1 if reply else 0, sign=True) and reply:
            raise BrokerGone("no broker takes messages")
        return request

    def _pace(self, station: str) -> None:
        """Wait until the gateway will hear one more; most often that is now."""
        while True:
            with self._heard.condition:
                if self._rates.take(time.monotonic_ns(), station):
                    return
            self._closing.wait(1 / PACE)

    def _life(self, station: str, command: Command) -> str:
        """For which life of the gateway ``command`` is: that which granted the lease, else the last known."""
        held = self._held.get(station)
        if held is not None and not isinstance(command, Acquire):
            return held.boot
        return self._heard.life(station) or self._call(station, Identify()).boot

    def _call(self, station: str, command: Command) -> Answer:
        request = self._ask(station, command)
        try:
            self._wait([request], {request: station}, ANSWER)
        finally:
            self._heard.expect_no_more([request])
        return self._heard.take(request)

    def _come_out(self, scripts: Mapping[int, str]) -> float:
        """Workpieces that came out of the line since these began; no end of them once one has ended."""
        if self._heard.answered(scripts):
            return math.inf
        states = (last.state for last in map(self._heard.last, scripts.values()) if last is not None)
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
        with self._heard.condition:
            while missing := [request for request in requests if not self._heard.answered([request])]:
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
                self._heard.condition.wait(0.05)

    def _check_broker(self, now: int) -> None:
        if self._heard.deaf is not None and now - self._heard.deaf > BROKER_GRACE:
            raise BrokerGone("the broker is gone: " + ", ".join(self.bus.brokers))

    def _check_gateway(self, station: str, now: int) -> None:
        last = self._heard.last(station)
        if last is None or self._heard.deaf is not None:
            return
        if not last.state.online:
            raise GatewayGone(station, "went offline")
        if now - last.at > SILENCE:
            raise GatewayGone(station, f"silent for {(now - last.at) / 1e9:.1f} s")
        if self._boots.get(station, last.state.boot) != last.state.boot:
            raise GatewayGone(station, "restarted in the middle of the session")

    def _check_lease(self, request: int, station: str, now: int) -> None:
        """A gateway answers nobody who is revoked: that the lease is gone is seen in its state alone."""
        asked, last = self._heard.asked.get(request), self._heard.last(station)
        if asked is None or last is None or station not in self._held:
            return
        if last.state.holder != self.operator and now - max(asked.at, last.since) > SILENCE:
            what = f"does not have {self.operator} hold the lease, and answers nothing: is it revoked?"
            raise GatewayGone(station, what)

    def _renew(self) -> None:
        while not self._closing.wait(LEASE_RENEW / 1e9):
            for station, held in list(self._held.items()):
                with contextlib.suppress(RigFault):
                    self._ask(station, Renew(held.token), reply=False)


def _good(command: Command) -> int:
    """For how long a command is to be taken: who renews a lease does it again before that."""
    return LEASE_TTL if isinstance(command, Renew) else ANSWER


def _why(body: object) -> str:
    """Why it was not done, in words."""
    return body.why if isinstance(body, Refused) else f"it answered {body}"

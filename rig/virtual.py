"""A whole line in one process under the virtual clock: real cells, real programs, no sockets."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from gateway.cell.cell import Asked, Cell, Inputs, Outputs
from gateway.controller.compile import Program
from gateway.controller.mapping import Loopback
from gateway.controller.runtime import VirtualController
from gateway.errors import DeviceRefused
from gateway.field.types import Value
from gateway.net.messages import (
    Abort,
    Acquire,
    Command,
    Coupling,
    Identified,
    Leased,
    Refused,
    Renew,
    ReplyBody,
    Run,
    Trace,
)
from rig.backend import LEASE_RENEW, LEASE_TTL, SLACK, GatewayGone, RigFault, RoundTrip, Script
from rig.line import Line, LineStation

OPERATOR = "rig"


class VirtualStation:
    """A station's cell with its program, joined through the protocol's address mapping."""

    def __init__(self, lined: LineStation, program: Program, now: int) -> None:
        self.station = lined.station
        self.controller = VirtualController(program)
        self.cell = Cell(lined.station, lined.neighbours, now, epoch=lined.station.id)
        self.loopback = Loopback(
            lined.station.controller.protocol, self.controller.program, self.controller.memory
        )
        self.asked: list[Asked] = []
        self.coupled: list[tuple[str, Coupling]] = []
        self._ticket = 0
        self._refused: dict[str, str] = {}
        self._image: dict[str, Value] = {}

    def scan(self, now: int) -> None:
        """One scan of the controller."""
        self.controller.scan(now)

    def step(self, now: int) -> Outputs:
        """One scan of the gateway: read, step the cell, write."""
        asked, self.asked = tuple(self.asked), []
        coupled, self.coupled = tuple(self.coupled), []
        image = self._read()
        seen = Inputs(image, True, 0, now, self._ticket, asked, coupled, self._refused)
        out = self.cell.step(now, seen)
        self._ticket = out.ticket
        for name, value in out.writes.items():
            tag = self.station.tags[name]
            try:
                self.loopback.write(tag.address, tag.type, tag.to_device(value))
            except DeviceRefused as refused:
                self._refused[name] = str(refused)
            else:
                self._refused.pop(name, None)
        # A refused write is told once and not tried again until the value changes, as on the wire.
        self.cell.took(out.writes)
        return out

    def _read(self) -> dict[str, Value]:
        changed: dict[str, Value] = {}
        for tag in self.station.outputs:
            try:
                value = tag.from_device(self.loopback.read(tag.address, tag.type))
            except DeviceRefused as refused:
                self._refused[tag.name] = str(refused)
                continue
            if tag.name not in self._image or self._image[tag.name] != value:
                self._image[tag.name] = changed[tag.name] = value
        return changed


class VirtualBackend:
    """Drives all stations of ``line``; ``programs`` are the compiled programs by station."""

    mode = "virtual"

    def __init__(self, line: Line, programs: Mapping[str, Program]) -> None:
        self.time = 0
        self.scans = 0
        self.stations = {
            name: VirtualStation(lined, programs[name], 0) for name, lined in line.stations.items()
        }
        self._request = 0
        self._replies: dict[int, ReplyBody] = {}
        self._tokens: dict[str, int] = {}
        self._renew_at = 0
        # The controller scans at its period, the gateway half a period later: never in step with it.
        self._due: list[tuple[int, int, str, str]] = []
        for order, (name, each) in enumerate(self.stations.items()):
            heapq.heappush(self._due, (0, order, "scan", name))
            heapq.heappush(self._due, (each.station.scan // 2, order, "step", name))

    def now(self) -> int:
        """The virtual clock, ns."""
        return self.time

    def identify(self, station: str) -> tuple[Identified, RoundTrip]:
        """Nothing is connected in this mode."""
        raise RigFault(f"{station}: no connection in virtual mode")

    def hold(self, station: str) -> None:
        """Acquire the lease; renewed in virtual time."""
        reply = self._wait([self._ask(station, Acquire(LEASE_TTL))], SLACK)[0]
        if not isinstance(reply, Leased):
            raise RigFault(f"{station}: no lease: {reply}")
        self._tokens[station] = reply.token

    def run(self, scripts: Mapping[str, Script], until: str = "") -> dict[str, Trace]:
        """Run scripts on several stations at once; when ``until``'s ends, the others are aborted."""
        requests = {
            name: self._ask(
                name, Run(self._tokens[name], script.actions, script.watch, script.tail, script.keep)
            )
            for name, script in scripts.items()
        }
        limit = max(script.limit for script in scripts.values()) + SLACK
        if until:
            first = self._wait([requests[until]], limit)[0]
            self._replies[requests[until]] = first
            for name, request in requests.items():
                if request not in self._replies:
                    self._ask(name, Abort(self._tokens[name]))
        replies = self._wait(list(requests.values()), limit)
        traces: dict[str, Trace] = {}
        for name, reply in zip(requests, replies, strict=True):
            if not isinstance(reply, Trace):
                raise RigFault(f"{name}: {reply.why if isinstance(reply, Refused) else reply}")
            traces[name] = reply
        return traces

    def close(self) -> None:
        """Nothing is left running."""

    def _ask(self, station: str, command: Command) -> int:
        self._request += 1
        self.stations[station].asked.append(Asked(OPERATOR, self._request, command))
        return self._request

    def _wait(self, requests: list[int], limit: int) -> list[ReplyBody]:
        deadline = self.time + limit
        while not all(request in self._replies for request in requests):
            if self.time > deadline:
                raise GatewayGone("virtual", f"no answer within {limit / 1e9:g} s")
            self._next()
        return [self._replies.pop(request) for request in requests]

    def _next(self) -> None:
        """The next scan of any controller or gateway."""
        at, order, what, name = heapq.heappop(self._due)
        each = self.stations[name]
        heapq.heappush(self._due, (at + each.station.scan, order, what, name))
        self.time = at
        if at >= self._renew_at:
            self._renew_at = at + LEASE_RENEW
            for station, token in self._tokens.items():
                self.stations[station].asked.append(Asked(OPERATOR, 0, Renew(token)))
        if what == "scan":
            self.scans += 1
            each.scan(at)
            return
        out = each.step(at)
        for _, request, body in out.replies:
            if request:
                self._replies[request] = body
        for neighbour, message in out.couple:
            if neighbour in self.stations:
                self.stations[neighbour].coupled.append((name, message))

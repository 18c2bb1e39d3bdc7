"""A whole line in one process under the virtual clock: real cells, real programs, no sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.cell.cell import Asked, Cell, Inputs, Outputs
from gateway.controller.compile import Program
from gateway.controller.devices import VirtualDevices
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
from rig.backend import (
    LEASE_RENEW,
    LEASE_TTL,
    SLACK,
    Backend,
    Begun,
    GatewayGone,
    RigFault,
    RoundTrip,
    Script,
)
from rig.line import Line, LineStation
from rig.schedule import Schedule

OPERATOR = "rig"
RENEW = ("", "renew")  # of all leases


class VirtualStation:
    """A station's cell with its program, joined through the address mapping of each device's protocol."""

    def __init__(self, lined: LineStation, program: Program, now: int, seed: int) -> None:
        self.station = lined.station
        self.cell = Cell(lined.station, lined.neighbours, now, epoch=lined.station.id, seed=seed)
        self.devices = VirtualDevices(lined.station, program)
        self.asked: list[Asked] = []
        self.coupled: list[tuple[str, Coupling]] = []
        self._ticket = 0
        self._stepped: int | None = None

    def step(self, now: int) -> Outputs:
        """One scan of the gateway: read, step the cell, write."""
        asked, self.asked = tuple(self.asked), []
        coupled, self.coupled = tuple(self.coupled), []
        idle = 0 if self._stepped is None else (now - self._stepped) // self.station.scan - 1
        self._stepped = now
        image = self.devices.read()
        held = self.devices.read_back(self.cell.read_back.asked)
        refused = self.devices.refused
        seen = Inputs(image, True, 0, now, self._ticket, asked, coupled, refused, idle=idle, held=held)
        out = self.cell.step(now, seen)
        self._ticket = out.ticket
        self.devices.write(out.writes)
        self.cell.took(out.writes)
        return out


class VirtualBackend(Backend):
    """Drives all stations of ``line``; ``programs`` are the compiled programs by station.

    The controller scans at its period, the gateway half a period later: never in step with it. Scans that
    can change nothing are left out, and others done in part, unless ``every_scan``; what happens is the same.
    """

    mode = "virtual"

    def __init__(self, line: Line, programs: Mapping[str, Program], every_scan: bool = False) -> None:
        self.scans = 0  # of controllers, that were done
        self.stations = {
            name: VirtualStation(lined, programs[name], 0, line.seed) for name, lined in line.stations.items()
        }
        self._every_scan = every_scan
        self._request = 0
        self._replies: dict[int, ReplyBody] = {}
        self._tokens: dict[str, int] = {}
        self._came_out: dict[str, int] = {}  # of the line, since the scripts that run began, by station
        self._schedule = Schedule()
        for name, each in self.stations.items():
            each.cell.gliding.allowed = not every_scan
            self._schedule.add((name, "scan"), 0, each.station.scan)
            self._schedule.add((name, "step"), each.station.scan // 2, each.station.scan)
        self._schedule.add(RENEW, 0, LEASE_RENEW)

    @property
    def time(self) -> int:
        """The virtual clock, ns."""
        return self._schedule.now

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

    def begin(self, scripts: Mapping[str, Script]) -> Begun:
        """Begin scripts on several stations at once."""
        return Begun(
            scripts,
            {name: self._ask(name, Run(self._tokens[name], *script)) for name, script in scripts.items()},
        )

    def finish(self, begun: Begun, out: int = 0) -> dict[str, Trace]:
        """Wait for scripts to end; with ``out`` until so many workpieces are out."""
        requests, limit = begun.requests, begun.limit
        asked = set(requests.values())
        if out:
            self._until(limit, lambda: self._out() >= out or not self._replies.keys().isdisjoint(asked))
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
        self._tell(station, Asked(OPERATOR, self._request, command))
        return self._request

    def _wait(self, requests: list[int], limit: int) -> list[ReplyBody]:
        self._until(limit, lambda: all(request in self._replies for request in requests))
        return [self._replies.pop(request) for request in requests]

    def _until(self, limit: int, over: Callable[[], bool]) -> None:
        deadline = self.time + limit
        while not over():
            if self.time > deadline:
                raise GatewayGone("virtual", f"no answer within {limit / 1e9:g} s")
            self._next()

    def _out(self) -> int:
        """Workpieces that came out of the line since the scripts began."""
        return sum(self._came_out.values())

    def _next(self) -> None:
        """The next scan of any controller or gateway that may do anything, or the renewal of the leases."""
        job = self._schedule.next()
        name, what = job
        if job == RENEW:
            for station, token in self._tokens.items():
                self._tell(station, Asked(OPERATOR, 0, Renew(token)))
            self._schedule.again(job, 0)
        elif what == "scan":
            self._scan(name)
        else:
            self._step(name)

    def _scan(self, name: str) -> None:
        self.scans += 1
        devices = self.stations[name].devices
        if devices.scan(self.time):
            self._schedule.wake((name, "step"))
        self._schedule.again((name, "scan"), 0 if self._every_scan else devices.due())

    def _step(self, name: str) -> None:
        each = self.stations[name]
        out = each.step(self.time)
        script = each.cell.script
        self._came_out[name] = 0 if script is None else script.out
        if out.writes:
            self._schedule.again((name, "scan"), each.devices.due())
        for _, request, body in out.replies:
            if request:
                self._replies[request] = body
        for neighbour, message in out.couple:
            if neighbour in self.stations:
                self.stations[neighbour].coupled.append((name, message))
                self._schedule.wake((neighbour, "step"))
        self._schedule.again((name, "step"), 0 if self._every_scan else each.cell.due())

    def _tell(self, station: str, asked: Asked) -> None:
        self.stations[station].asked.append(asked)
        self._schedule.wake((station, "step"))

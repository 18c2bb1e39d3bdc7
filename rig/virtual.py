"""A whole line in one process under the virtual clock: real cells, real programs, no sockets."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Mapping

from gateway.cell.cell import Asked, Cell, Inputs, Outputs
from gateway.controller.compile import Program
from gateway.controller.couplers import coupler_view
from gateway.controller.mapping import Direct, Loopback
from gateway.controller.modules import Polled, ranges
from gateway.controller.runtime import VirtualController
from gateway.errors import DeviceRefused
from gateway.field.drivers.base import not_held
from gateway.field.served import left_out
from gateway.field.serving.tables import Tables
from gateway.field.serving.variables import Variables
from gateway.field.tags import Tag
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
from gateway.station import Station
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

OPERATOR = "rig"


class VirtualDevices:
    """A station's devices around its virtual controller, as servers without a wire."""

    def __init__(self, station: Station, controller: VirtualController) -> None:
        program, memory = controller.program, controller.memory
        modules = [*station.having("coupler"), *station.having("served")]
        where = dict(zip([each.name for each in modules], ranges(each.at for each in modules), strict=True))
        main = station.controller
        self._clients: dict[str, Direct] = {main.name: Loopback(main.protocol, program, memory)}
        for each in station.having("coupler"):
            view = coupler_view(each.protocol, program, memory, where[each.name])
            self._clients[each.name] = Direct(view)
        self._images: dict[str, Tables | Variables] = {}
        self._polled: list[tuple[Polled, Tables | Variables]] = []
        self._outputs: dict[str, Value] = {}  # of served devices
        self._polls = 0
        for each in station.having("served"):
            tags = [tag for tag in station.tags.values() if tag.device == each.name]
            kind = Tables if each.protocol == "modbus" else Variables
            image = self._images[each.name] = kind(tags, lambda: None)
            polled = Polled(program, memory, each.protocol, where[each.name])
            self._polled.append((polled, image))

    @property
    def left_out(self) -> dict[str, str]:
        """The tags of served devices that the controller leaves out."""
        if self._polls == 0:
            return {}
        return {n: left_out(tag) for image in self._images.values() for n, tag in image.unpolled.items()}

    def poll_inputs(self) -> None:
        """The controller reads the modules that it polls."""
        for polled, image in self._polled:
            read = [tag for tag in polled.tags.values() if tag.direction == "output"]
            if isinstance(image, Variables):
                image.asked(tag.text for tag in read)
            for tag in read:
                with contextlib.suppress(DeviceRefused):  # not declared: it stays as it is
                    polled.take({tag.name: Direct(image).read(tag.address, tag.type)})

    def poll_outputs(self) -> None:
        """The controller writes the modules that it polls."""
        for polled, image in self._polled:
            for name, value in polled.give().items():
                tag = polled.tags[name]
                with contextlib.suppress(DeviceRefused):
                    Direct(image).write(tag.address, tag.type, value)
        self._polls += 1

    def write(self, tag: Tag, value: Value) -> str:
        """The gateway writes an input; what it then finds wrong there ("": nothing). DeviceRefused."""
        if tag.device in self._images:
            self._images[tag.device].put({tag.name: value})
            return ""
        client = self._clients[tag.device]
        client.write(tag.address, tag.type, tag.to_device(value))
        if not tag.verify:
            return ""
        return not_held(tag, value, tag.from_device(client.read(tag.address, tag.type)))

    def read(self, tag: Tag) -> Value:
        """The gateway reads an output; DeviceRefused."""
        if tag.device in self._images:
            self._outputs |= self._images[tag.device].changes()
            return self._outputs[tag.name]
        return tag.from_device(self._clients[tag.device].read(tag.address, tag.type))


class VirtualStation:
    """A station's cell with its program, joined through the address mapping of each device's protocol."""

    def __init__(self, lined: LineStation, program: Program, now: int) -> None:
        self.station = lined.station
        self.controller = VirtualController(program)
        self.cell = Cell(lined.station, lined.neighbours, now, epoch=lined.station.id)
        self.devices = VirtualDevices(lined.station, self.controller)
        self.asked: list[Asked] = []
        self.coupled: list[tuple[str, Coupling]] = []
        self._ticket = 0
        self._refused: dict[str, str] = {}
        self._image: dict[str, Value] = {}

    def scan(self, now: int) -> None:
        """One scan of the controller, between reading and writing the modules that it polls."""
        self.devices.poll_inputs()
        self.controller.scan(now)
        self.devices.poll_outputs()

    def step(self, now: int) -> Outputs:
        """One scan of the gateway: read, step the cell, write."""
        asked, self.asked = tuple(self.asked), []
        coupled, self.coupled = tuple(self.coupled), []
        image = self._read()
        refused = self._refused | self.devices.left_out
        seen = Inputs(image, True, 0, now, self._ticket, asked, coupled, refused)
        out = self.cell.step(now, seen)
        self._ticket = out.ticket
        for name, value in out.writes.items():
            try:
                wrong = self.devices.write(self.station.tags[name], value)
            except DeviceRefused as refused:
                wrong = str(refused)
            if wrong:
                self._refused[name] = wrong
            else:
                self._refused.pop(name, None)
        # A refused write is told once and not tried again until the value changes, as on the wire.
        self.cell.took(out.writes)
        return out

    def _read(self) -> dict[str, Value]:
        changed: dict[str, Value] = {}
        for tag in self.station.outputs:
            try:
                value = self.devices.read(tag)
            except DeviceRefused as refused:
                self._refused[tag.name] = str(refused)
                continue
            if tag.name not in self._image or self._image[tag.name] != value:
                self._image[tag.name] = changed[tag.name] = value
        return changed


class VirtualBackend(Backend):
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
        self.stations[station].asked.append(Asked(OPERATOR, self._request, command))
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
        scripts = (each.cell.script for each in self.stations.values())
        return sum(script.out for script in scripts if script is not None)

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

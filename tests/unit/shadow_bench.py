"""A real machine and its controller, played under a virtual clock, with a cell in shadow beside them."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from gateway.cell.cell import Asked, Cell, Inputs, Outputs
from gateway.cell.couplings import Neighbours
from gateway.controller.compile import compile_program
from gateway.controller.devices import VirtualDevices
from gateway.field.types import Value
from gateway.net.messages import Action, Command, Coupling, Pause, ReplyBody, Run, Trace
from gateway.station import Station, load_station
from gateway.twin.discrepancy import Discrepancy
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Workpiece

MS = 1_000_000
SECOND = 1_000 * MS
CONFIG = Path(__file__).resolve().parents[2] / "config"


def station(name: str) -> Station:
    return load_station(CONFIG / "stations" / f"{name}.yaml")


class Shadow:
    """``delay`` ns pass until the gateway sees what the controller has and puts out, at 10 ms scans.

    The machine takes workpieces of ``length`` by itself, and gives away what stands at its outlet.
    """

    def __init__(
        self, name: str, neighbours: Neighbours | None = None, delay: int = 20 * MS, length: float = 150.0
    ) -> None:
        self.station = station(name)
        path = self.station.program_path()
        text = self.station.composed if path is None else path.read_text()
        program = compile_program(text, str(path or self.station.file))
        self.controller = VirtualDevices(self.station, program)
        self.machine = Twin(self.station.twin, self.station.tags)
        self.neighbours = neighbours or Neighbours(product=("phone", length))
        self.now = 0
        self.delay, self.length = delay, length
        self.fed = 0
        self.taken: list[str] = []  # of the machine
        self._waiting: deque[Workpiece] = deque()
        self._seen: deque[tuple[int, dict[str, Value], dict[str, Value]]] = deque()
        self._sensors: dict[str, Value] = {}
        self.disk: dict[tuple[str, str], bytes] = {}
        self.told: list[Discrepancy] = []
        self.sent: list[tuple[str, Coupling]] = []
        self.writes: dict[str, Value] = {}
        self.replies: dict[int, ReplyBody] = {}
        self._asked: list[Asked] = []
        self._coupled: list[tuple[str, Coupling]] = []
        self._ticket = self._request = 0
        self.link = True
        self.extra: dict[str, Value] = {}  # what others drive of the real controller's inputs
        self._noticed = 0  # when whoever takes from the machine can take again
        self.cell = self._made()

    def _made(self) -> Cell:
        return Cell(self.station, self.neighbours, self.now, dict(self.disk), "mine", "shadow")

    def kill(self) -> None:
        """The gateway is gone and begins anew; machine and controller go on."""
        self._sensors = {}
        self._ticket = 0
        self.cell = self._made()

    def feed(self, count: int = 1) -> None:
        """Real workpieces come to the machine."""
        for _ in range(count):
            self.fed += 1
            self._waiting.append(Workpiece(f"real-{self.fed}", "phone", self.length))

    def hears(self, sender: str, message: Coupling) -> None:
        self._coupled.append((sender, message))

    def ask(self, command: Command, operator: str = "rig") -> int:
        self._request += 1
        self._asked.append(Asked(operator, self._request, command))
        return self._request

    def watch(self, took: int, *actions: Action) -> Trace:
        number = self.ask(Run(0, (*actions, Pause(took))))
        while number not in self.replies:
            self.step()
        trace = self.replies[number]
        assert isinstance(trace, Trace), trace
        return trace

    def run(self, until: int) -> None:
        while self.now < until:
            self.step()

    def step(self) -> Outputs:
        """10 ms: the machine, its controller, then the gateway."""
        self.now += 10 * MS
        self.machine.advance(self.now)
        self._pass()
        self.controller.write({**self.machine.sense(), **self.extra})
        self.controller.scan(self.now)
        for tag, value in self.controller.read().items():
            self.machine.drive(tag, value)
            self._put(tag, value)
        return self._gateway()

    def _put(self, tag: str, value: Value) -> None:
        self._seen.append((self.now + self.delay, {tag: value}, {}))

    def _pass(self) -> None:
        inlet, outlet = self.station.inlet, self.station.outlet
        assert inlet is not None
        assert outlet is not None
        if self._waiting and self.machine.carrier(inlet).admits(self._waiting[0]):
            self.machine.admit(inlet, self._waiting.popleft())
        if (done := self.machine.carrier(outlet).waiting()) is not None:
            self.taken.append(self.machine.remove(outlet, done.id).id)
            self._noticed = self.now + 200 * MS
        readies = {*self.station.handshake.readies.values(), "next-ready"} & self.station.tags.keys()
        self.extra.update(dict.fromkeys(readies, self.now >= self._noticed))

    def _gateway(self) -> Outputs:
        self._seen.append((self.now + self.delay, {}, {**self.machine.sense(), **self.extra}))
        image: dict[str, Value] = {}
        sensed: dict[str, Value] = {}
        while self._seen and self._seen[0][0] <= self.now:
            _, outputs, inputs = self._seen.popleft()
            image |= outputs
            sensed |= inputs
        changed = {tag: value for tag, value in sensed.items() if self._sensors.get(tag) != value}
        self._sensors |= changed
        asked, self._asked = tuple(self._asked), []
        coupled, self._coupled = tuple(self._coupled), []
        seen = Inputs(
            image,
            self.link,
            0,
            SECOND + self.now,
            self._ticket,
            asked,
            coupled,
            machine=changed if self.link else {},
        )
        out = self.cell.step(self.now, seen)
        self._ticket = out.ticket
        for change in out.journal:
            if change.data is None:
                self.disk.pop((change.table, change.key), None)
            else:
                self.disk[change.table, change.key] = change.data
        self.told += out.differs
        self.sent += out.couple
        self.writes |= out.writes | out.actuate
        self.replies |= {number: body for _, number, body in out.replies}
        return out

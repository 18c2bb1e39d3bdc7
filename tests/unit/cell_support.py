"""A real cell on a bench: a controller that holds what is written, a disk, and a hand that asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from gateway.cell.cell import Asked, Cell, Inputs, Outputs
from gateway.cell.couplings import Neighbours
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import (
    Accept,
    Acquire,
    Action,
    Command,
    Coupling,
    Force,
    Leased,
    Offer,
    Refused,
    ReplyBody,
    Run,
    Signals,
    Trace,
)
from gateway.station import Station, load_station
from gateway.twin.workpiece import Workpiece

MS = 1_000_000
SECOND = 1_000 * MS
BELT = load_station(Path(__file__).parent / "data" / "cell" / "belt.yaml")
SAFE: dict[str, Value] = {tag.name: tag.safe for tag in BELT.inputs}
UNSAFE_OK = {**SAFE, "ok": True}  # the twin's drive is healthy: the one input that is not safe by itself
COMMAND, NEXT = TagRef("command"), TagRef("next")
W1, W2, W3 = (Workpiece(f"w-{n}", length=60.0) for n in (1, 2, 3))


class Bench:
    """A cell that is stepped every 10 ms. ``disk_works`` false: nothing is persisted any more;
    ``overwrites`` is what somebody else writes to the device after each scan."""

    def __init__(
        self,
        neighbours: Neighbours | None = None,
        stored: Mapping[tuple[str, str], bytes] | None = None,
        now: int = 0,
        station: Station = BELT,
    ) -> None:
        self.neighbours = neighbours or Neighbours()
        self.station = station
        self.now = now
        self.disk: dict[tuple[str, str], bytes] = dict(stored or {})
        self.disk_works = True
        self.link = True
        self.refused: dict[str, str] = {}
        self.device: dict[str, Value] = {}
        self.overwrites: dict[str, Value] = {}
        self.replies: dict[int, ReplyBody] = {}
        self.events: list[str] = []
        self.sent: list[tuple[str, Coupling]] = []
        self._waiting: list[Outputs] = []
        self._persisted = 0
        self._request = 0
        self._asked: list[Asked] = []
        self.cell = Cell(station, self.neighbours, now, dict(self.disk), "epoch")

    def restart(self, down: int = 500 * MS) -> None:
        """Kill the process and start it again; the controller and the disk keep what they hold."""
        self.now += down
        self._persisted = 0
        self._waiting.clear()
        self._asked.clear()
        self.cell = Cell(self.station, self.neighbours, self.now, dict(self.disk), "epoch")

    def step(
        self,
        image: Mapping[str, Value] | None = None,
        *,
        late: int = 0,
        coupled: Iterable[tuple[str, Coupling]] = (),
        after: int = 10 * MS,
    ) -> Outputs:
        """The next scan."""
        self.now += after
        asked, self._asked = tuple(self._asked), []
        held = {tag: self.device[tag] for tag in self.cell.read_back.asked} if self.link else {}
        out = self.cell.step(
            self.now,
            Inputs(
                image or {},
                self.link,
                late,
                0,
                self._persisted,
                asked,
                tuple(coupled),
                self.refused,
                held=held,
            ),
        )
        self._waiting.append(out)
        while self.disk_works and self._waiting:
            self._persist(self._waiting.pop(0))
        if out.writes:
            taken = {tag: value for tag, value in out.writes.items() if tag not in self.refused}
            self.device.update(taken)
            self.cell.took(taken, out.writes.keys() - taken.keys())
        self.device.update(self.overwrites)
        return out

    def _persist(self, out: Outputs) -> None:
        for change in out.journal:
            if change.data is None:
                self.disk.pop((change.table, change.key), None)
            else:
                self.disk[change.table, change.key] = change.data
        self._persisted = out.ticket
        for _, request, body in out.replies:
            assert request not in self.replies, "a request is answered once"
            self.replies[request] = body
        self.events += [f"{event.kind}: {event.text}" for event in out.events]
        self.sent += out.couple

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step()

    def until(self, time: int) -> None:
        """Scan on up to ``time`` ns, that instant not included."""
        while self.now + 10 * MS < time:
            self.step()

    # --- asking ------------------------------------------------------------------------------------------

    def ask(self, command: Command, operator: str = "anna", roles: Iterable[str] = ()) -> int:
        """Ask at the next scan; the number under which ``replies`` has the answer."""
        self._request += 1
        self._asked.append(Asked(operator, self._request, command, frozenset(roles)))
        return self._request

    def answer(self, command: Command, operator: str = "anna") -> ReplyBody:
        """Ask, and scan until the answer is there."""
        request = self.ask(command, operator)
        for _ in range(1_000):
            self.step()
            if request in self.replies:
                return self.replies[request]
        raise AssertionError(f"no answer to {command}")

    def lease(self, operator: str = "anna", ttl: int = SECOND) -> int:
        """The token of a lease that is granted."""
        answer = self.answer(Acquire(ttl), operator)
        assert isinstance(answer, Leased), answer
        return answer.token

    def run(self, token: int, *actions: Action, tail: int = 0, keep: bool = False) -> Trace:
        """The trace of a script that runs at once."""
        answer = self.answer(Run(token, actions, (), tail, keep))
        assert isinstance(answer, Trace), answer
        return answer

    def refusal(self, command: Command, operator: str = "anna") -> str:
        answer = self.answer(command, operator)
        assert isinstance(answer, Refused), answer
        return answer.why

    # --- looking -------------------------------------------------------------------------------------------

    def journalled(self, table: str) -> set[str]:
        return {key for name, key in self.disk if name == table}

    def standing(self) -> list[str]:
        return [workpiece.id for _, workpiece in self.cell.twin.contents()]

    def offers(self) -> list[Offer]:
        found = [message for _, message in self.sent if isinstance(message, Offer)]
        self.sent.clear()
        return found

    def accepts(self) -> list[Accept]:
        found = [message for _, message in self.sent if isinstance(message, Accept)]
        self.sent.clear()
        return found


def hello(epoch: str = "", **values: Value) -> Signals:
    """A neighbour's heartbeat."""
    return Signals(dict(values), epoch)


def stored(table: str, key: str, value: object) -> dict[tuple[str, str], bytes]:
    """One journal entry."""
    return {(table, key): msgspec.msgpack.encode(value)}


def driving(bench: Bench) -> int:
    """A lease with a force that is kept."""
    token = bench.lease()
    bench.run(token, Force(NEXT, True), keep=True)
    bench.step()
    assert bench.device == {**UNSAFE_OK, "next": True}
    return token

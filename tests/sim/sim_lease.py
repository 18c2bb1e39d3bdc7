"""Two operators at one real cell, over a bad network, with kills of the gateway and of its connection.

An operator who holds the lease forces ``command`` to the number of its token, so that what the controller
holds tells who wrote it. A breach of what must always hold raises ``Violation``.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random

from gateway.cell.cell import Asked, Cell, Inputs, Outputs
from gateway.cell.couplings import Neighbours
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import Acquire, Command, Done, Force, Leased, Refused, Release, Renew, Run
from gateway.station import load_station

MS = 1_000_000
GRACE = 100 * MS
BELT = load_station(Path(__file__).parent.parent / "unit" / "data" / "cell" / "belt.yaml")
SAFE: dict[str, Value] = {tag.name: tag.safe for tag in BELT.inputs}


class Violation(Exception):
    """Something that must always hold does not."""


class Operator:
    """Someone at a desk, who knows only what answers say."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.token = 0
        self.asleep = 0  # until then


class LeaseWorld:
    """One gateway, its controller, two operators."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.drop = self.random.choice((0.0, 0.2, 0.5))
        self.delay = self.random.choice((5 * MS, 80 * MS, 400 * MS))
        self.kill = self.random.choice((0.0, 0.05, 0.15))
        self.calm = False
        self.now = self.random.choice((0, 10**15))
        self.operators = {name: Operator(name) for name in ("anna", "bert")}
        self.disk: dict[tuple[str, str], bytes] = {}
        self.device = dict(SAFE)
        self.cell: Cell | None = None
        self.link, self.link_since = True, self.now
        self.granted: list[tuple[int, str]] = []
        self.alive_until = self.now  # the lease, as the answers say
        self.booted = self.now
        self._asked: list[Asked] = []
        self._commands: dict[int, Command] = {}
        self._ttl = 0
        self._events: list[tuple[int, int, str, object]] = []
        self._count = 0
        self._boot(None)
        for kind in ("scan", "operate", "chaos"):
            self._at(self.now, kind, None)

    def run(self, chaos: int = 8_000 * MS, healing: int = 3_000 * MS) -> None:
        """Bad weather, then good: somebody gets the lease again, and writes."""
        self._until(self.now + chaos)
        self.calm, self.drop, self.delay, self.link = True, 0.0, 5 * MS, True
        if self.cell is None:
            self._boot(None)
        for operator in self.operators.values():
            operator.asleep = 0
        end = self.now + healing
        self._until(end, lambda: bool(self.granted) and self.device["command"] == self.granted[-1][0])
        if self.now >= end:
            raise Violation(f"nobody wrote within {healing / 1e9:g} s of good weather")

    def _at(self, time: int, kind: str, what: object) -> None:
        self._count += 1
        heapq.heappush(self._events, (time, self._count, kind, what))

    def _until(self, end: int, done: Callable[[], bool] = lambda: False) -> None:
        while not done():
            if self._events[0][0] > end:
                self.now = end
                return
            self.now, _, kind, what = heapq.heappop(self._events)
            getattr(self, f"_{kind}")(what)

    # --- the gateway ------------------------------------------------------------------------------------

    def _boot(self, _: object) -> None:
        if self.cell is None:
            self.cell = Cell(BELT, Neighbours(), self.now, dict(self.disk), "epoch")
            self.outbox: deque[Outputs] = deque()
            self.persisted = 0
            self.booted = self.now
            self._asked.clear()

    def _die(self) -> None:
        self.cell = None
        self._at(self.now + self.random.randint(0, 1_000) * MS, "boot", None)

    def _scan(self, _: object) -> None:
        self._at(self.now + self.random.randint(5, 30) * MS, "scan", None)
        if self.cell is None:
            return
        asked, self._asked = tuple(self._asked), []
        out = self.cell.step(self.now, Inputs({}, self.link, persisted=self.persisted, asked=asked))
        self._hear_answers(out)
        if out.journal or out.replies:
            self.outbox.append(out)
        if self._dies():
            return
        self.device.update(out.writes)
        if self._dies():
            return
        self.cell.took(out.writes)
        self._check()
        self._flush()

    def _dies(self) -> bool:
        if not self.calm and self.random.random() < self.kill / 20:
            self._die()
            return True
        return False

    def _flush(self) -> None:
        for _ in range(8 if self.calm else self.random.choice((0, 0, 1, 2))):
            if not self.outbox or self._dies():
                return
            out = self.outbox.popleft()
            for change in out.journal:
                if change.data is None:
                    self.disk.pop((change.table, change.key), None)
                else:
                    self.disk[change.table, change.key] = change.data
            if out.journal:
                self.persisted = max(self.persisted, out.ticket)
            for operator, request, body in out.replies:
                self._send("answer", (operator, request, body))

    def _hear_answers(self, out: Outputs) -> None:
        """What the gateway has granted at this scan, whether the answer arrives or not."""
        for operator, request, body in out.replies:
            command = self._commands.get(request)
            if isinstance(body, Leased):
                if self.granted and body.token <= self.granted[-1][0]:
                    raise Violation(f"token {body.token} was granted after {self.granted[-1]}")
                self.granted.append((body.token, operator))
                self._ttl = body.ttl
                self.alive_until = self.now + body.ttl
            elif isinstance(body, Done) and isinstance(command, Renew):
                self.alive_until = self.now + self._ttl
            elif isinstance(body, Done) and isinstance(command, Release):
                self.alive_until = self.now

    # --- the operators and their network ------------------------------------------------------------------

    def _operate(self, _: object) -> None:
        self._at(self.now + 50 * MS, "operate", None)
        random = self.random
        for operator in self.operators.values():
            if operator.asleep > self.now:
                continue
            if not self.calm and random.random() < 0.02:
                operator.asleep = self.now + random.randint(300, 3_000) * MS
            if not operator.token:
                if random.random() < 0.3:
                    self._ask(operator, Acquire(random.choice((200, 500, 1_000)) * MS))
                continue
            self._ask(operator, Renew(operator.token))
            if random.random() < 0.3:
                force = Force(TagRef("command"), operator.token)
                self._ask(operator, Run(operator.token, (force,), keep=random.random() < 0.7))
            if random.random() < 0.02:
                self._ask(operator, Release(operator.token))

    def _ask(self, operator: Operator, command: Command) -> None:
        self._count += 1
        self._commands[self._count] = command
        self._send("command", Asked(operator.name, self._count, command))

    def _send(self, kind: str, what: object) -> None:
        if self.random.random() < self.drop:
            return
        for _ in range(2 if not self.calm and self.random.random() < 0.1 else 1):
            self._at(self.now + self.random.randint(MS, self.delay), kind, what)

    def _command(self, asked: Asked) -> None:
        if self.cell is not None:
            self._asked.append(asked)

    def _answer(self, what: tuple[str, int, object]) -> None:
        operator, body = self.operators[what[0]], what[2]
        if isinstance(body, Leased):
            operator.token = max(operator.token, body.token)
        elif isinstance(body, Refused) and isinstance(self._commands[what[1]], Renew):
            operator.token = 0

    def _chaos(self, _: object) -> None:
        self._at(self.now + self.random.randint(50, 300) * MS, "chaos", None)
        if self.calm:
            return
        if self.cell is not None and self.random.random() < self.kill:
            self._die()
        if self.random.random() < (0.1 if self.link else 0.5):
            self.link, self.link_since = not self.link, self.now

    # --- what must always hold --------------------------------------------------------------------------

    def _check(self) -> None:
        """After each scan of a gateway that lives."""
        token = self.granted[-1][0] if self.granted else 0
        if self.link and self.device["command"] not in (0, token):
            raise Violation(f"command {self.device['command']} was written, the token is {token}")
        if self.device == SAFE:
            return
        if ("gate", "open") not in self.disk:
            raise Violation(f"{self.device} is not safe, and the disk does not know that the gate is open")
        if self.device["command"] and ("force", "command") not in self.disk and self._forcing():
            raise Violation("command is forced, and the disk does not know")
        deadline = max(self.alive_until, self.booted, self.link_since) + GRACE
        if self.link and self.now > deadline:
            raise Violation(
                f"not safe {(self.now - deadline + GRACE) / 1e6:.0f} ms after the lease: {self.device}"
            )

    def _forcing(self) -> bool:
        return self.cell is not None and bool(self.cell.gate.forces)

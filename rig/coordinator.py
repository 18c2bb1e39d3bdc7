"""The cloud layer in small: plans each workpiece's operations from the bill of process, has them inspected.

As dispatcher it plans, before the flow, who is to do what and how long that takes; each station's gateway
completes what it has done; the inspector, of another owner, passes what the rig measured to be good, or fails
it. Workload, and with it a member's share of the blocks, follows from all three. A line does not wait for any
of it: a plan that cannot be recorded is a note at the session's end.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.store.atomic import write_atomically
from gateway.twin.workpiece import GONE, Workpiece
from ledger.codec import HASH_BYTES
from ledger.records import Completion, Inspection, Requirement, commit
from rig.bills import Bills
from rig.chain import NotFinal, RigChain
from rig.trace import Reading

INSPECTIONS = "inspections.json"
FORMAT = "inspections 1"
SECOND = 1_000_000_000
TOLD = 5.0  # s, for what is completed to become final
LOOK = 0.1
WHAT = "time in station"  # what is inspected of each operation


class Operation(NamedTuple):
    """Number ``number`` of the bill of process, which ``station`` alone does in ``takes`` ns."""

    number: int
    name: str
    station: str
    takes: int


class Inspected(msgspec.Struct, frozen=True):
    """An inspection with what opens its commitment: the chain has SHA-256 of ``salt`` (hex) and ``value``."""

    task: str
    operation: int
    feature: str
    station: str
    passed: bool
    data: str
    value: str
    salt: str


class Inspections(msgspec.Struct, frozen=True):
    """``inspections.json``: what the chain commits to, in words."""

    inspections: tuple[Inspected, ...]
    format: str = FORMAT


def planned(bills: Bills, source: str) -> list[Operation]:
    """The operations on what comes in at ``source``, in the bill's order: those that have a time and that
    one station alone does."""
    reached = set(bills.does.get(source, ()))
    while more := {name for name, each in bills.operations.items() if reached & set(each.after)} - reached:
        reached |= more
    found = []
    for number, (name, each) in enumerate(bills.operations.items(), 1):
        stations = bills.stations_for(name)
        if name in reached and each.takes and len(stations) == 1:
            found.append(Operation(number, name, stations[0], each.takes))
    return found


class Coordinator:
    """Of one session on ``chain``."""

    def __init__(self, chain: RigChain, bills: Bills) -> None:
        self._chain, self._bills = chain, bills
        # A workpiece is a task of the chain, which may outlive many sessions.
        self.run = f"w{time.time_ns() // SECOND:x}"
        self._operations: list[Operation] = []
        self._tasks: list[str] = []
        self._due: list[Inspected] = []

    def plan(self, workpieces: Sequence[Workpiece], source: str, within: int) -> None:
        """Plan every operation on ``workpieces``, which come in at ``source`` and are done ``within`` ns."""
        enrolled = {party.node for party in self._chain.genesis.parties}
        self._operations = [each for each in planned(self._bills, source) if each.station in enrolled]
        self._due = []
        self._tasks = [workpiece.id for workpiece in workpieces]
        now = time.time_ns()
        self._chain.submit_all(
            Requirement(task.id, each.number, task.type, each.station, each.takes, now + within, now)
            for task in workpieces
            for each in self._operations
        )

    def measured(self, readings: Mapping[str, Reading]) -> None:
        """What the rig saw of the flow: an operation is good where its station gave the workpiece on, and no
        station took it out."""
        gone = {
            each.workpiece
            for reading in readings.values()
            for each in reading.trace.happenings
            if each.kind in GONE and each.kind != "joined"
        }
        for operation in self._operations:
            stays = dict(_stays(readings[operation.station])) if operation.station in readings else {}
            self._due += [
                Inspected(
                    task=task,
                    operation=operation.number,
                    feature=operation.name,
                    station=operation.station,
                    passed=task not in gone,
                    data=WHAT,
                    value=f"{stays[task] / 1e6:.3f} ms",
                    salt=secrets.token_hex(HASH_BYTES),
                )
                for task in self._tasks
                if task in stays
            ]

    def inspect(self, folder: Path) -> None:
        """Record the inspections, wait until they are final, and keep in ``folder`` what opens them.

        NotFinal says what is not final; OSError."""
        if not self._due:
            return
        kept = msgspec.json.encode(Inspections(tuple(self._due)))
        write_atomically(folder / INSPECTIONS, msgspec.json.format(kept, indent=2) + b"\n")
        waiting = self._await_completed()
        last = self._chain.submit_all(map(_inspection, self._due), self._chain.inspector)
        assert last is not None
        self._chain.settle(last)
        if waiting:
            raise NotFinal(f"{waiting} of {len(self._due)} operations were not completed on the chain")

    def _await_completed(self) -> int:
        """Wait for a while until what is to be inspected is completed; how much is not, whose inspection then
        means nothing."""
        deadline = time.monotonic() + TOLD
        wanted = {(each.task, each.operation) for each in self._due}
        while True:
            self._chain.follow()
            wanted -= {
                (each.record.task, each.record.operation)
                for each in self._chain.decided
                if isinstance(each.record, Completion)
            }
            if not wanted or time.monotonic() > deadline:
                return len(wanted)
            time.sleep(LOOK)


def _inspection(each: Inspected) -> Inspection:
    """As the chain has it."""
    value = commit(bytes.fromhex(each.salt), each.value.encode())
    return Inspection(each.task, each.operation, each.feature, value, each.passed, each.data)


def _stays(reading: Reading) -> Iterator[tuple[str, int]]:
    """How long each workpiece that the station gave on was in it, ns."""
    entered: dict[str, int] = {}
    for each in sorted(reading.trace.happenings, key=lambda each: each.time):
        if each.kind == "entered":
            entered[each.workpiece] = each.time
        elif each.kind in ("left", "finished") and each.workpiece in entered:
            yield each.workpiece, each.time - entered[each.workpiece]

"""The cell: a station's twin, write gate, lease, forces and watches behind one ``step``; pure.

The agent calls ``step`` once a scan with what it read and received, and does what comes out: first the
journal, then writes, replies and coupling messages. Nothing here knows a clock, a socket or a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from gateway.cell.couplings import Couplings, Neighbours, Stored, load
from gateway.cell.gate import Gate
from gateway.cell.lease import Lease
from gateway.cell.script import Script
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import (
    MAX_ACTIONS,
    Abort,
    Acquire,
    Action,
    Await,
    Command,
    Coupling,
    Done,
    Feed,
    Force,
    Free,
    Inject,
    Leased,
    Place,
    Refused,
    Release,
    Renew,
    ReplyBody,
    Run,
    State,
    StationEvent,
)
from gateway.station import Station
from gateway.twin.component import Carrier
from gateway.twin.twin import Twin, check_fault
from gateway.twin.workpiece import Happening, Kind, Workpiece

MAX_FEEDING = 1_000


class Change(NamedTuple):
    """A journal entry to write, or to delete (``data`` None)."""

    table: str
    key: str
    data: bytes | None


class Asked(NamedTuple):
    """A command with who asked and the number of the request."""

    operator: str
    request: int
    command: Command


class Inputs(NamedTuple):
    """What the agent saw since the last step. ``image`` are the outputs that changed, ``late`` is how late
    this scan is (ns; 0 within a scan), ``persisted`` the last journal ticket on the disk, ``refused`` what
    the device refuses at present, by tag."""

    image: Mapping[str, Value] = {}
    link: bool = True
    late: int = 0
    utc: int = 0
    persisted: int = 0
    asked: tuple[Asked, ...] = ()
    coupled: tuple[tuple[str, Coupling], ...] = ()
    refused: Mapping[str, str] = {}


class Outputs:
    """What the agent is to do: journal first (then report ``ticket`` as persisted), then the rest."""

    __slots__ = ("couple", "events", "journal", "replies", "ticket", "writes")

    def __init__(self) -> None:
        self.journal: list[Change] = []
        self.ticket = 0
        self.writes: dict[str, Value] = {}
        self.replies: list[tuple[str, int, ReplyBody]] = []
        self.couple: list[tuple[str, Coupling]] = []
        self.events: list[StationEvent] = []


class Cell:
    """One station's decisions. ``stored`` is the journal as found; ``epoch`` names the journal itself."""

    def __init__(
        self,
        station: Station,
        neighbours: Neighbours,
        now: int = 0,
        stored: Stored | None = None,
        epoch: str = "",
    ) -> None:
        self.station = station
        stored = stored or {}
        inputs = {tag.name: tag for tag in station.inputs}
        self.twin = Twin(station.twin, station.tags, now)
        self.gate = Gate(inputs)
        self.lease = Lease(load(stored, "lease", "token", 0))
        self.values: dict[str, Value] = {tag.name: tag.safe for tag in inputs.values()}
        self.script: Script | None = None
        self.overruns = 0
        self.link = False
        self._waiting: tuple[Asked, int] | None = None  # a command until its ticket is persisted
        self._ticket = 0
        self._out = Outputs()
        self._now = now
        self.couplings = Couplings(
            station, neighbours, self.twin, stored, epoch, self._journal, self._happened
        )
        self._restore(stored)

    def _restore(self, stored: Stored) -> None:
        """After a kill: inputs go to their safe values; workpieces reappear at the re-entry point."""
        if ("gate", "open") in stored:
            self.gate.make_safe()
            forces = sorted(key for table, key in stored if table == "force")
            self._event(
                "safe", "restarted while driving: safe state; forces ended: " + (", ".join(forces) or "none")
            )
            self._journal("gate", "open", None)
            for key in forces:
                self._journal("force", key, None)
        for (table, _), data in sorted(stored.items()):
            if table == "workpiece" and self.station.reentry is not None:
                workpiece = msgspec.msgpack.decode(data, type=Workpiece)
                self.couplings.feeding.append((self.station.reentry, workpiece))
                self._event("workpiece", f"{workpiece.id} reappears at {self.station.reentry}")

    # --- one scan ----------------------------------------------------------------------------------

    def step(self, now: int, seen: Inputs) -> Outputs:
        """One scan at ``now`` ns (never before the last): take ``seen``, say what to do."""
        self._now = now
        self.twin.advance(now)
        self._see(seen)
        if self.lease.expired(now):
            self._end_lease(f"lease of {self.lease.holder} ran out")
        for sender, message in seen.coupled:
            passed = self.couplings.hear(now, sender, message)
            if passed is not None and self.script is not None:
                self.script.coupled(now, *passed)
        for asked in seen.asked:
            self._take(asked)
        self._admit_waiting(seen.persisted, seen.utc)
        self.couplings.move(now)
        wanted = self._wanted()
        if self.script is not None:
            self.script.scans += 1
            if self.script.progress(now, self.values | wanted, self):
                self.couplings.move(now)
                wanted = self._wanted()
        self._show(wanted)
        self._tell_happenings()
        self._finish_script()
        out, self._out = self._out, Outputs()
        if self.link:
            out.writes = self.gate.writes(wanted)
        out.couple = self.couplings.tell(now, self.values if self.link else None)
        out.ticket = self._ticket
        return out

    def took(self, writes: Mapping[str, Value]) -> None:
        """The device has taken ``writes``."""
        before = self.gate.state
        self.gate.took(writes)
        if before == "safing" and self.gate.state == "closed":
            self._event("safe", "the safe state is driven")
            self._journal("gate", "open", None)

    def shut(self) -> None:
        """The gateway ends: as if the lease had."""
        if self.lease.holder is not None:
            self._end_lease("the gateway ends")

    def state(self, boot: str, link: str, problem: str = "") -> State:
        """The heartbeat."""
        return State(
            online=True,
            boot=boot,
            link=link,
            holder=self.lease.holder or "",
            forces=tuple(str(ref) for ref in self.gate.forces),
            faults=tuple(self.twin.active_faults()),
            overruns=self.overruns,
            problem=problem,
        )

    def _see(self, seen: Inputs) -> None:
        if self.link and not seen.link:
            self.gate.forget()
            self._event("link", "the controller is not connected")
            if self.script is not None:
                self.script.ended = "link"
        elif seen.link and not self.link:
            self._event("link", "the controller is connected")
        self.link = seen.link
        if seen.late:
            self.overruns += 1
            if self.script is not None:
                self.script.overrun(self._now, seen.late)
        if self.script is not None:
            self.script.refused.update(seen.refused)
        for tag, value in seen.image.items():
            self._change(tag, value)
            self.twin.drive(tag, value)

    def _change(self, tag: str, value: Value) -> None:
        if tag not in self.values or self.values[tag] != value:
            self.values[tag] = value
            if self.script is not None:
                self.script.sampled(self._now, tag, value)

    def _wanted(self) -> dict[str, Value]:
        """Every input's value: safe, then signals of neighbours, then the twin, then forces."""
        wanted = self.gate.safe
        wanted.update(self.couplings.signals(self._now))
        wanted.update(self.twin.sense())
        return self.gate.forced(wanted)

    def _show(self, wanted: Mapping[str, Value]) -> None:
        """Inputs count as changed when they are written."""
        if self.gate.state == "open":
            for tag, value in wanted.items():
                self._change(tag, value)

    # --- commands ----------------------------------------------------------------------------------

    def _take(self, asked: Asked) -> None:
        operator, command = asked.operator, asked.command
        match command:
            case Acquire(ttl=ttl):
                granted = self.lease.acquire(self._now, operator, ttl)
                if isinstance(granted, str):
                    self._answer(asked, Refused(granted))
                    return
                self._end_script("a new lease was granted")
                self._journal("lease", "token", msgspec.msgpack.encode(granted))
                self._journal("gate", "open", msgspec.msgpack.encode(granted))
                self._wait(asked)
            case Renew(token=token):
                why = self.lease.renew(self._now, operator, token)
                self._answer(asked, Refused(why) if why else Done())
            case Release(token=token):
                why = self.lease.refuses(operator, token)
                if not why:
                    self._end_lease(f"{operator} gave the lease back")
                self._answer(asked, Refused(why) if why else Done())
            case Run(token=token):
                why = self.lease.refuses(operator, token) or self._refuses(command)
                if why:
                    self._answer(asked, Refused(why))
                    return
                for action in command.actions:
                    if isinstance(action, Force):
                        old = self.values.get(action.ref.tag, False)
                        self._journal("force", str(action.ref), msgspec.msgpack.encode(old))
                self._wait(asked)
            case Abort(token=token):
                why = self.lease.refuses(operator, token)
                if not why:
                    self._end_script("aborted")
                self._answer(asked, Refused(why) if why else Done())

    def _refuses(self, run: Run) -> str:
        """Why ``run`` cannot be done here; empty if it can."""
        if self.script is not None or self._waiting is not None:
            return "a script is running; abort it first"
        if len(run.actions) > MAX_ACTIONS:
            return f"{len(run.actions)} actions are too many; {MAX_ACTIONS} at most"
        for tag in run.watch:
            if tag not in self.station.tags:
                return f"{tag} is no tag of {self.station.id}"
        for action in run.actions:
            why = self._refuses_action(action)
            if why:
                return why
        return ""

    def _refuses_action(self, action: Action) -> str:
        match action:
            case Force(ref=ref) | Free(ref=ref):
                if ref.tag not in self.gate.inputs:
                    return f"{ref} is no input of {self.station.id}; only inputs can be forced"
            case Await(ref=ref):
                if ref.tag not in self.station.tags:
                    return f"{ref} is no tag of {self.station.id}"
            case Inject(fault=fault):
                return check_fault(fault, self.station.twin, self.station.tags)
            case Place(carrier=carrier, workpieces=workpieces) | Feed(carrier=carrier, workpieces=workpieces):
                if not isinstance(self.twin.components.get(carrier), Carrier):
                    return f"{carrier} is no carrier of {self.station.id}"
                if len(workpieces) + len(self.couplings.feeding) > MAX_FEEDING:
                    return f"{len(workpieces)} workpieces are too many; {MAX_FEEDING} at most"
            case _:
                pass
        return ""

    def _wait(self, asked: Asked) -> None:
        """Go on with ``asked`` once what was journalled for it is on the disk."""
        self._waiting = (asked, self._ticket)

    def _admit_waiting(self, persisted: int, utc: int) -> None:
        if self._waiting is None or persisted < self._waiting[1]:
            return
        asked, _ = self._waiting
        self._waiting = None
        command = asked.command
        why = "" if self.lease.holder == asked.operator else "the lease ran out"
        if why:
            self._answer(asked, Refused(why))
        elif isinstance(command, Acquire):
            self.gate.open()
            self.gate.forget()
            self._event("lease", f"{asked.operator} holds the lease, token {self.lease.token}")
            self._answer(asked, Leased(self.lease.token, self.lease.ttl))
        elif isinstance(command, Run):
            self.script = Script(asked.operator, asked.request, command, self._now, utc, self.values)
            if not self.link:
                self.script.ended = "link"

    def _answer(self, asked: Asked, body: ReplyBody) -> None:
        self._out.replies.append((asked.operator, asked.request, body))

    def _end_lease(self, why: str) -> None:
        self._event("lease", why)
        self._end_script("lease")
        self.lease.release()
        for fault in self.twin.active_faults():
            self.twin.inject(fault, False)
        self._free_all()
        self.couplings.isolated = False
        self.couplings.feeding.clear()
        if self.gate.state == "open":
            self.gate.make_safe()
        for name, value in self.gate.safe.items():
            self._change(name, value)

    def _end_script(self, how: str) -> None:
        if self.script is not None:
            self.script.ended = self.script.ended or how
            self._finish_script()

    def _finish_script(self) -> None:
        script = self.script
        if script is None or not script.ended:
            return
        self.script = None
        script.undo(self)
        contents = tuple(workpiece for _, workpiece in self.twin.contents())
        trace = script.trace(self._now, contents)
        self._out.replies.append((script.operator, script.request, trace))

    # --- what a script does to the station (script.Station) ------------------------------------------

    def force(self, ref: TagRef, value: Value) -> None:
        """Hold ``ref`` at ``value``; its old value is journalled already."""
        self.gate.forces[ref] = value
        self._event("force", f"{ref} held at {value}")

    def free(self, ref: TagRef) -> None:
        """End a force."""
        if self.gate.forces.pop(ref, None) is not None:
            self._journal("force", str(ref), None)
            self._event("force", f"{ref} freed")

    def forced(self) -> set[TagRef]:
        """What is forced now."""
        return set(self.gate.forces)

    def inject(self, fault: str, active: bool) -> None:
        """Begin or end a fault in the twin."""
        self.twin.inject(fault, active)

    def faults(self) -> list[str]:
        """The faults in force now."""
        return self.twin.active_faults()

    def feed(self, carrier: str, workpieces: tuple[Workpiece, ...]) -> None:
        """Put ``workpieces`` onto ``carrier``, each as soon as there is room."""
        self.couplings.feeding += [(carrier, workpiece) for workpiece in workpieces]

    def feeding(self) -> bool:
        """Whether workpieces still wait to be put on."""
        return bool(self.couplings.feeding)

    def reset(self) -> None:
        """No faults, no workpieces, no forces."""
        self.couplings.reset()
        self._free_all()

    def isolate(self, on: bool) -> None:
        """Cut the station from its neighbours, or couple it again."""
        self.couplings.isolated = on

    def _free_all(self) -> None:
        for ref in list(self.gate.forces):
            self.free(ref)

    # --- records -------------------------------------------------------------------------------------

    def _journal(self, table: str, key: str, data: bytes | None) -> None:
        if not self._out.journal:
            self._ticket += 1
        self._out.journal.append(Change(table, key, data))

    def _happened(self, kind: Kind, component: str, workpiece: str, detail: str) -> None:
        happening = Happening(self._now, kind, component, workpiece, detail)
        self.twin.surroundings.happenings.append(happening)

    def _tell_happenings(self) -> None:
        for happening in self.twin.happenings():
            if happening.kind == "rejected":
                self._journal("workpiece", happening.workpiece, None)
            if self.script is not None:
                self.script.happened(happening)
            self._event("workpiece", f"{happening.workpiece} {happening.kind} {happening.detail}".rstrip())

    def _event(self, kind: str, text: str) -> None:
        self._out.events.append(StationEvent(kind, text))

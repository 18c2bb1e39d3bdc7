"""The cell: a station's twin, write gate, lease, forces and watches behind one ``step``; pure.

The agent calls ``step`` once a scan with what it read and received, and does what comes out: first the
journal, then writes, replies and coupling messages. Nothing here knows a clock, a socket or a file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from gateway.cell.check import refuses
from gateway.cell.couplings import Couplings, Neighbours, Stored, load
from gateway.cell.formulas import Formulas
from gateway.cell.gate import Gate
from gateway.cell.lease import Lease
from gateway.cell.pulses import Pulses
from gateway.cell.quality import Qualities
from gateway.cell.scan import Asked, Change, Inputs, Outputs
from gateway.cell.script import Script
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import (
    Abort,
    Acquire,
    Done,
    Force,
    Leased,
    Refused,
    Release,
    Renew,
    ReplyBody,
    Run,
    State,
    StationEvent,
)
from gateway.station import Station
from gateway.twin.twin import Twin
from gateway.twin.workpiece import GONE, Happening, Kind, Workpiece

EARLY = 1_000  # ns: by so much carriers, which allow for rounding, may be ahead of their events


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
        self.lease = Lease(load(stored, "lease", "token", 0))
        self.values: dict[str, Value] = {tag.name: tag.safe for tag in inputs.values()}
        self.formulas = Formulas(station.tags, self.values)
        self.gate = Gate(inputs, self.formulas.written)
        self.script: Script | None = None
        self.pulses = Pulses(
            self.twin.levels,
            {tag.name: station.hold if tag.hold is None else tag.hold for tag in inputs.values()},
        )
        self.missed: dict[str, int] = {}
        self.qualities = Qualities(station.tags.values())
        self.overruns = 0
        self.lost: dict[str, str] = dict.fromkeys(station.devices, "")
        self._waiting: tuple[Asked, int] | None = None  # a command until its ticket is persisted
        self._kept: set[TagRef] = set()  # forces whose old value is journalled
        self._driven_safe = False  # to be told
        self._ended = False
        self._ticket = 0
        self._out = Outputs()
        self._now = now
        self._quiet = False  # the last step found nothing to do
        self.couplings = Couplings(
            station, neighbours, self.twin, stored, epoch, self._journal, self._happened
        )
        self._restore(stored)

    def _restore(self, stored: Stored) -> None:
        """After a kill: inputs go to their safe values; workpieces reappear at the re-entry point.

        That the gate was open stays journalled until the safe values are driven: a second kill before
        that changes nothing.
        """
        if ("gate", "open") in stored:
            self.gate.make_safe()
            forces = sorted(key for table, key in stored if table == "force")
            self._event(
                "safe", "restarted while driving: safe state; forces ended: " + (", ".join(forces) or "none")
            )
            for key in forces:
                self._journal("force", key, None)
        for text in self.couplings.recover(stored):
            self._event("workpiece", text)

    # --- one scan ----------------------------------------------------------------------------------

    def step(self, now: int, seen: Inputs) -> Outputs:
        """One scan at ``now`` ns (never before the last): take ``seen``, say what to do."""
        self._now = now
        before = self._stage
        happened = self.twin.advance(now)
        if self.script is not None:
            self.script.scans += seen.idle
        self._see(seen)
        if self.lease.expired(now):
            self._end_lease(f"lease of {self.lease.holder} ran out")
        for sender, message in seen.coupled:
            passed = self.couplings.hear(now, sender, message)
            if passed is not None and self.script is not None:
                self.script.coupled(now, *passed)
        for asked in seen.asked:
            self._take(asked, seen.utc)
        self._admit_waiting(seen.persisted, seen.utc)
        self.couplings.move(now)
        wanted = self._wanted()
        if self.script is not None:
            self.script.scans += 1
            if self.script.progress(now, self.values | wanted, self):
                self.couplings.move(now)
                wanted = self._wanted()
        self._show(wanted)
        self._count_missed()
        self._tell_happenings()
        self._finish_script()
        self._forget_forces()
        out, self._out = self._out, Outputs()
        out.writes = self._reachable(self.gate.writes(wanted))
        out.couple = self.couplings.tell(now, self.values if self.link else None)
        out.ticket = self._ticket
        self._quiet = not happened and seen.quiet and out.quiet and self._stage == before
        return out

    def due(self) -> int | None:
        """From when on a step may do anything, ns, if until then nothing is read or received; None: never.

        In the past: the next one may. Each step that does something is followed by one that finds nothing to
        do, so that after it only time can change anything, at instants that are known. Steps before that may
        be left out; the next one is told how many.
        """
        if not self._quiet or self._out.journal or self._out.events or self._driven_safe or self._waiting:
            return self._now
        event = self.twin.due()
        dues = [
            None if event is None else event - EARLY,
            self.lease.expires if self.lease.holder is not None else None,
            self.couplings.due(self._now),
            self.pulses.due(),
            self.script.due() if self.script is not None else None,
            self.station.shim.next_sign(self._now) if self.station.shim is not None else None,
        ]
        return min((due for due in dues if due is not None), default=None)

    @property
    def _stage(self) -> tuple[Script | None, object]:
        return self.script, None if self.script is None else self.script.stage

    @property
    def link(self) -> bool:
        """Whether every device is connected."""
        return not self.lost

    @property
    def driving(self) -> bool:
        """Whether a device that is connected still has to be brought to its safe values."""
        return self.gate.state == "safing" and bool(self._reachable(self.gate.writes({})))

    def _reachable(self, writes: dict[str, Value]) -> dict[str, Value]:
        if not self.lost:
            return writes
        return {n: value for n, value in writes.items() if self.station.tags[n].device not in self.lost}

    def took(self, writes: Mapping[str, Value]) -> None:
        """The device has taken ``writes``."""
        before = self.gate.state
        self.gate.took(writes)
        if before == "safing" and self.gate.state == "closed":
            self._driven_safe = True
            if self.lease.holder is None:  # else a new lease waits for the disk, and keeps the entry
                self._journal("gate", "open", None)

    def shut(self) -> None:
        """The gateway ends: as if the lease had, and nobody gets another."""
        self._ended = True
        if self.lease.holder is not None:
            self._end_lease("the gateway ends")

    def state(self, boot: str, link: str, problem: str = "") -> State:
        """The heartbeat."""
        return State(
            online=True,
            boot=boot,
            link=link,
            holder=self.lease.holder or "",
            protected=self.protected,
            forces=tuple(str(ref) for ref in self.gate.forces),
            faults=tuple(self.twin.active_faults()),
            overruns=self.overruns,
            problem=problem or self.couplings.problem,
            missed=self.missed,
            script=self.script.request if self.script is not None else 0,
            out=self.script.out if self.script is not None else 0,
        )

    @property
    def protected(self) -> bool:
        """Whether no input stays as it is when the gateway dies.

        Those in the controller's memory do, unless this station's shim was last seen there; a coupler's do,
        as far as is known here; a master notices that what the gateway serves is gone.
        """
        roles = {self.station.devices[tag.device].role for tag in self.station.inputs}
        shim = self.station.shim
        shielded = shim is not None and self.values.get(shim.stamp) == shim.code
        return "coupler" not in roles and (shielded or "controller" not in roles)

    def _see(self, seen: Inputs) -> None:
        self._see_devices(seen.lost or ({} if seen.link else dict.fromkeys(self.station.devices, "")))
        self._judge(seen)
        if self._driven_safe:
            self._driven_safe = False
            missing = sorted(set(seen.refused) & set(self.gate.inputs))
            but = f", but for what the controller refuses: {', '.join(missing)}" if missing else ""
            self._event("safe", f"the safe state is driven{but}")
        if seen.late:
            self.overruns += 1
            if self.script is not None:
                self.script.overrun(self._now, seen.late)
        if self.script is not None:
            self.script.refused.update(seen.refused)
        for tag, value in self.formulas.read(seen.image).items():
            self._change(tag, value)
            if not isinstance(value, float) or math.isfinite(value):  # NaN is shown, but moves nothing
                self.twin.drive(tag, value)

    def _see_devices(self, lost: Mapping[str, str]) -> None:
        """One that is lost ends the script; the others are written on, to their safe values if need be."""
        for name, device in self.station.devices.items():
            if (name in lost) == (name in self.lost):
                continue
            what = "the controller" if device.role == "controller" else f"device {name}"
            if name not in lost:
                self._event("link", f"{what} is connected")
                continue
            self.gate.forget(name)
            self._event("link", f"{what} is not connected" + (f": {lost[name]}" if lost[name] else ""))
            if self.script is not None:
                self.script.ended = "link"
        self.lost = dict(lost)

    def _judge(self, seen: Inputs) -> None:
        changes = self.qualities.see(self.lost, seen.refused, seen.uncertain)
        if changes:
            self._out.quality.update(changes)
            if self.script is not None:
                self.script.judged(self._now, changes)

    def _change(self, tag: str, value: Value) -> None:
        old = self.values.get(tag)
        both_nan = old != old and value != value  # NaN is no change from NaN, though it never equals it
        if old is None or (old != value and not both_nan):
            self.values[tag] = value
            self._out.changed[tag] = value
            if self.script is not None:
                self.script.sampled(self._now, tag, value)

    def _wanted(self) -> dict[str, Value]:
        """Every input's value: safe, signals of neighbours, the twin, forces, what the shim is told."""
        wanted = self.gate.safe
        wanted.update(self.couplings.signals(self._now))
        wanted.update(self.twin.sense())
        self.pulses.saw(self.twin.edges())
        wanted.update(self.pulses.held(self._now))
        wanted = self.gate.forced(wanted)
        if self.station.shim is not None:
            wanted.update(self.station.shim.signs(self._now, wanted))
        return wanted

    def _show(self, wanted: Mapping[str, Value]) -> None:
        """Inputs count as changed when they are written."""
        if self.gate.state == "open":
            for tag, value in wanted.items():
                self._change(tag, value)

    def _count_missed(self) -> None:
        """Pulses that nobody was to see are not missed."""
        missed = self.pulses.shown(self._now)
        if self.gate.state != "open" or not missed:
            return
        for counts in (self.missed, self.script.missed if self.script is not None else {}):
            for tag, count in missed.items():
                counts[tag] = counts.get(tag, 0) + count

    # --- commands ----------------------------------------------------------------------------------

    def _take(self, asked: Asked, utc: int) -> None:
        operator, command = asked.operator, asked.command
        match command:
            case Acquire(ttl=ttl):
                held = self.lease.holder is not None
                granted = "the gateway ends" if self._ended else self.lease.acquire(self._now, operator, ttl)
                if isinstance(granted, str):
                    self._answer(asked, Refused(granted))
                    return
                if held:
                    self._let_go("a new lease was granted", "lease")
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
                        self._kept.add(action.ref)
                self._wait(asked)
            case Abort(token=token):
                why = self.lease.refuses(operator, token)
                if not why:
                    self._abort(utc)
                self._answer(asked, Refused(why) if why else Done())

    def _refuses(self, run: Run) -> str:
        """Why ``run`` cannot be done here now; empty if it can."""
        if self._waiting is not None:
            return "a command is being journalled; wait for its answer first"
        if self.script is not None:
            return "a script is running; abort it first"
        coming = [workpiece for _, workpiece in self.couplings.feeding]
        return refuses(run, self.station, {each.id for each in (*self.couplings.contents(), *coming)})

    def _wait(self, asked: Asked) -> None:
        """Go on with ``asked`` once what was journalled for it is on the disk."""
        assert self._waiting is None, f"{self._waiting} waits already"
        self._waiting = (asked, self._ticket)

    def _admit_waiting(self, persisted: int, utc: int) -> None:
        if self._waiting is None or persisted < self._waiting[1]:
            return
        asked, _ = self._waiting
        self._waiting = None
        if isinstance(asked.command, Acquire):
            self.gate.open()
            self._event("lease", f"{asked.operator} holds the lease, token {self.lease.token}")
            self._answer(asked, Leased(self.lease.token, self.lease.ttl))
        elif isinstance(asked.command, Run):
            self._begin(asked, asked.command, utc)

    def _begin(self, asked: Asked, run: Run, utc: int) -> None:
        self.script = Script(asked.operator, asked.request, run, self._now, utc, self.values)
        self.script.judged(self._now, self.qualities.now)
        if not self.link:
            self.script.ended = "link"

    def _abort(self, utc: int) -> None:
        """End the script that runs, or that waits for the disk: it gets its trace either way."""
        asked = self._waiting[0] if self._waiting is not None else None
        if asked is not None and isinstance(asked.command, Run):
            self._waiting = None
            self._begin(asked, asked.command, utc)
        self._end_script("aborted")

    def _answer(self, asked: Asked, body: ReplyBody) -> None:
        self._out.replies.append((asked.operator, asked.request, body))

    def _end_lease(self, why: str) -> None:
        self._let_go(why, "lease")
        self.lease.release()

    def _let_go(self, why: str, ended: str) -> None:
        """Whatever the lease's holder did here ends, and the safe state is driven."""
        self._event("lease", why)
        if self._waiting is not None:
            self._answer(self._waiting[0], Refused(why))
            self._waiting = None
        self._end_script(ended)
        for fault in self.twin.active_faults():
            self.twin.inject(fault, False)
        self._free_all()
        self.couplings.isolated = False
        self.couplings.feeding.clear()
        if self.gate.state == "open":
            self.gate.make_safe()
        elif self.gate.state == "closed":
            self._journal("gate", "open", None)  # it never opened
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
        trace = script.trace(self._now, self.couplings.contents(), self.lost)
        self._out.replies.append((script.operator, script.request, trace))

    # --- what a script does to the station (script.Station) ------------------------------------------

    def force(self, ref: TagRef, value: Value) -> None:
        """Hold ``ref`` at ``value``; its old value is journalled already."""
        self.gate.forces[ref] = value
        self._event("force", f"{ref} held at {value}")

    def free(self, ref: TagRef) -> None:
        """End a force."""
        if self.gate.forces.pop(ref, None) is not None:
            self._event("force", f"{ref} freed")

    def forced(self) -> Mapping[TagRef, Value]:
        """What is forced now, and to what."""
        return self.gate.forces

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

    def _forget_forces(self) -> None:
        """The old values of forces that are over, or never came about, need not be kept."""
        if not self._kept:
            return
        running = self.script.run if self.script is not None else None
        waiting = self._waiting[0].command if self._waiting is not None else None
        needed = set(self.gate.forces)
        for run in (running, waiting):
            if isinstance(run, Run):
                needed |= {action.ref for action in run.actions if isinstance(action, Force)}
        for ref in sorted(self._kept - needed):
            self._journal("force", str(ref), None)
        self._kept &= needed

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
            if happening.kind in GONE:
                self._journal("workpiece", happening.workpiece, None)
            if self.script is not None:
                self.script.happened(happening)
            who = happening.workpiece or happening.component
            self._event("workpiece", f"{who} {happening.kind} {happening.detail}".rstrip())

    def _event(self, kind: str, text: str) -> None:
        self._out.events.append(StationEvent(kind, text))


__all__ = ["Asked", "Cell", "Change", "Inputs", "Outputs"]

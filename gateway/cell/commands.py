"""What operators ask of a station: its lease, and what the holder does by it; pure.

What a command needs on the disk is journalled first, and the command waits for that.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import NamedTuple

import msgspec

from gateway.cell.burst import Burst
from gateway.cell.check import refuses, refuses_watch
from gateway.cell.couplings import Couplings
from gateway.cell.facts import Given, Held, Taken
from gateway.cell.gate import Gate
from gateway.cell.lease import Lease
from gateway.cell.quality import Qualities
from gateway.cell.scan import Asked, Telling
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
    Run,
)
from gateway.net.roles import holds
from gateway.scenario import show
from gateway.station import Mode, Station
from gateway.twin.discrepancy import Discrepancy
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Workpiece


class Kept(NamedTuple):
    """A force as the journal has it: what was there before it, and what it is held at."""

    old: Value
    new: Value


class Commands:
    """Of one station; ``lease`` is as the journal left it. ``values`` are what its tags are known to be, and
    ``change`` is told when an input becomes something else."""

    def __init__(
        self,
        station: Station,
        mode: Mode,
        twin: Twin,
        gate: Gate,
        couplings: Couplings,
        lease: Lease,
        values: Mapping[str, Value],
        qualities: Qualities,
        telling: Telling,
        change: Callable[[str, Value], None],
    ) -> None:
        self.station, self.mode = station, mode
        self.twin, self.gate, self.couplings = twin, gate, couplings
        self.lease = lease
        self.script: Script | None = None
        self.lasting: Callable[[], list[Discrepancy]] = list  # where twin and machine do not agree now
        self.values, self.qualities = values, qualities
        self.lost: Mapping[str, str] = {}  # devices that are not connected, and why
        self._telling, self._change = telling, change
        self._waiting: tuple[Asked, int] | None = None  # a command until its ticket is persisted
        self._kept: set[TagRef] = set()  # forces whose old value is journalled
        self.burst = Burst(gate.safe)
        self._leased: Taken | None = None  # the lease as it was told
        self._wrote = Taken("", 0)  # under which was written last
        self._burst_ended = False  # and is not told yet
        self._freed: dict[TagRef, tuple[str, Value]] = {}  # forces that ended in this scan, and whose
        self._ended = ""  # why nobody gets the lease any more
        self._now = 0

    @property
    def waiting(self) -> bool:
        """Whether a command waits for the disk."""
        return self._waiting is not None

    @property
    def stage(self) -> tuple[Script | None, object]:
        """What differs once the script has gone on, or is another."""
        return self.script, None if self.script is None else self.script.stage

    def begin(self, now: int, lost: Mapping[str, str]) -> None:
        """A scan at ``now`` begins with these devices lost; the lease may have run out."""
        self._now, self.lost = now, lost
        if self.lease.expired(now):
            self._end_lease(f"lease of {self.lease.holder} ran out")

    def end(self) -> None:
        """The scan is done."""
        self._tell_freed()
        self._finish_script()
        self._forget_forces()

    def shut(self, why: str) -> None:
        """As if the lease had ended, and nobody gets another."""
        self._ended = why
        if self.lease.holder is not None:
            self._end_lease(why)

    def reopen(self, why: str) -> None:
        """The lease may be had again, unless it is shut for something else than ``why``."""
        if self._ended == why:
            self._ended = ""

    def dismiss(self, operator: str, why: str) -> None:
        """``operator`` may command nothing any more."""
        if self.lease.holder == operator:
            self._end_lease(why)
        elif self.script is not None and self.script.operator == operator:
            self._end_script("aborted")  # in shadow

    def take(self, asked: Asked, utc: int) -> None:
        """An operator asks."""
        operator, command = asked.operator, asked.command
        match command:
            case Acquire() if self.mode == "shadow":
                why = "in shadow mode nothing is written, so there is no lease; watch without one"
                self._telling.reply(asked.operator, asked.request, Refused(why))
            case Acquire():
                self._acquire(asked, command, utc)
            case Renew(token=token):
                why = self.lease.renew(self._now, operator, token)
                self._telling.reply(asked.operator, asked.request, Refused(why) if why else Done())
            case Release(token=token):
                why = self.lease.refuses(operator, token)
                if not why:
                    self._end_lease(f"{operator} gave the lease back")
                self._telling.reply(asked.operator, asked.request, Refused(why) if why else Done())
            case Run(token=token):
                why = self._refuses_token(operator, token) or self._refuses(asked, command)
                if why:
                    self._telling.reply(asked.operator, asked.request, Refused(why))
                    return
                for action in command.actions:
                    if isinstance(action, Force):
                        kept = Kept(self._value(action.ref), action.value)
                        self._telling.journal("force", str(action.ref), msgspec.msgpack.encode(kept))
                        self._kept.add(action.ref)
                self._wait(asked)
            case Abort(token=token):
                why = self._refuses_token(operator, token) or self._refuses_others(operator)
                if not why:
                    self._abort(utc)
                self._telling.reply(asked.operator, asked.request, Refused(why) if why else Done())

    def _acquire(self, asked: Asked, command: Acquire, utc: int) -> None:
        operator, holder = asked.operator, self.lease.holder
        granted: int | str
        if self._ended:
            granted = self._ended
        elif command.breaks and holder not in (None, operator) and not holds(asked.roles, "commissioner"):
            granted = f"only a commissioner breaks a lease; {self.lease.held(self._now)}"
        else:
            granted = self.lease.acquire(self._now, operator, command.ttl, utc, command.breaks)
        if isinstance(granted, str):
            self._telling.reply(operator, asked.request, Refused(granted))
            return
        if holder is not None:
            broken = f"{operator} broke the lease of {holder}"
            self._let_go("a new lease was granted" if holder == operator else broken, "lease")
        self._telling.journal("lease", "token", msgspec.msgpack.encode(granted))
        self._telling.journal("lease", "holder", msgspec.msgpack.encode(operator))
        self._telling.journal("gate", "open", msgspec.msgpack.encode(granted))
        self._wait(asked)

    def _refuses_token(self, operator: str, token: int) -> str:
        """Why ``operator`` may not command by ``token``; in shadow, where no lease is, 0 is everybody's."""
        if self.mode == "shadow" and token == 0:
            return self._ended
        return self.lease.refuses(operator, token)

    def _refuses_others(self, operator: str) -> str:
        """In shadow, why ``operator`` cannot end the script that runs: it is another's."""
        script = self.script
        if self.mode == "shadow" and script is not None and script.operator != operator:
            return f"{script.operator} watches with this script"
        return ""

    def _refuses(self, asked: Asked, run: Run) -> str:
        """Why ``run`` cannot be done here now; empty if it can."""
        if self._waiting is not None:
            return "a command is being journalled; wait for its answer first"
        if self.mode == "shadow" and (why := refuses_watch(run) or self._refuses_others(asked.operator)):
            return why
        if self.mode == "shadow":
            self._end_script("aborted")  # nobody's lease does when its rig is gone
        if self.script is not None:
            return "a script is running; abort it first"
        coming = [workpiece for _, workpiece in self.couplings.feeding]
        return refuses(
            run, self.station, self.mode, {each.id for each in (*self.couplings.contents(), *coming)}
        )

    def _wait(self, asked: Asked) -> None:
        """Go on with ``asked`` once what was journalled for it is on the disk."""
        assert self._waiting is None, f"{self._waiting} waits already"
        self._waiting = (asked, self._telling.ticket)

    def admit(self, persisted: int, utc: int) -> None:
        """Go on with what waited for the disk, where that has ``persisted``."""
        if self._waiting is None or persisted < self._waiting[1]:
            return
        asked, _ = self._waiting
        self._waiting = None
        if isinstance(asked.command, Acquire):
            self.gate.open()
            self.burst.begin()
            self._leased = self._wrote = Taken(asked.operator, self.lease.token)
            self._telling.fact(self._leased)
            self._telling.event("lease", f"{asked.operator} holds the lease, token {self.lease.token}")
            self._telling.reply(asked.operator, asked.request, Leased(self.lease.token, self.lease.ttl))
        elif isinstance(asked.command, Run):
            self._begin(asked, asked.command, utc)

    def _begin(self, asked: Asked, run: Run, utc: int) -> None:
        lasting = self.lasting()
        self.script = Script(asked.operator, asked.request, run, self._now, utc, self.values, lasting)
        self.script.judged(self._now, self.qualities.now)
        self.script.overwrote(self.gate.overwritten)
        if self.lost:
            self.script.ended = "link"

    def _abort(self, utc: int) -> None:
        """End the script that runs, or that waits for the disk: it gets its trace either way."""
        asked = self._waiting[0] if self._waiting is not None else None
        if asked is not None and isinstance(asked.command, Run):
            self._waiting = None
            self._begin(asked, asked.command, utc)
        self._end_script("aborted")

    def _end_lease(self, why: str) -> None:
        self._let_go(why, "lease")
        self._telling.journal("lease", "holder", None)
        self.lease.release()

    def _let_go(self, why: str, ended: str) -> None:
        """Whatever the lease's holder did here ends, and the safe state is driven."""
        self._telling.event("lease", why)
        if self._waiting is not None:
            self._telling.reply(self._waiting[0].operator, self._waiting[0].request, Refused(why))
            self._waiting = None
        self._end_script(ended)
        for fault in self.twin.active_faults():
            self.twin.inject(fault, False)
        self._free_all()
        self._tell_burst()
        if self._leased is not None:
            self._telling.fact(Given(*self._leased, why))
            self._leased = None
        self.couplings.isolated = False
        self.couplings.feeding.clear()
        if self.gate.state == "open":
            self.gate.make_safe()
        elif self.gate.state == "closed":
            self._telling.journal("gate", "open", None)  # it never opened
        for tag in self.station.writable:
            self._change(tag.name, tag.safe)

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
        self._tell_burst()
        trace = script.trace(self._now, self.couplings.contents(), self.lost)
        self._telling.reply(script.operator, script.request, trace)

    def took(self, taken: Container[str]) -> None:
        """The devices have taken what was written to these tags; meanwhile script or lease may have ended."""
        self.burst.took(taken)
        if self._burst_ended:
            self._tell_burst()

    def _tell_burst(self) -> None:
        """Now, or as soon as it is known what the devices have taken."""
        self._burst_ended = self.burst.asked
        if not self._burst_ended and (wrote := self.burst.tell(*self._wrote)) is not None:
            self._telling.fact(wrote)

    # --- what a script does to the station (script.Station) ------------------------------------------

    def force(self, ref: TagRef, value: Value) -> None:
        """Hold ``ref`` at ``value``; its old value is journalled already."""
        self._tell_force(ref, value)
        self.gate.hold(ref, value)
        self._telling.event("force", f"{ref} held at {show(value)}")

    def free(self, ref: TagRef) -> None:
        """End a force."""
        held = self.gate.free(ref)
        if held is not None:
            self._freed[ref] = self._operator, held
            self._telling.event("force", f"{ref} freed")

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

    def _tell_force(self, ref: TagRef, value: Value) -> None:
        """A force that ends and begins anew in one scan has only changed."""
        _, old = self._freed.pop(ref, ("", self.gate.forces.get(ref)))
        self._telling.fact(
            Held(self._operator, str(ref), False, self._value(ref) if old is None else old, value)
        )

    def _tell_freed(self) -> None:
        """Now that the scan has given them the values that they have without a force."""
        for ref, (operator, held) in self._freed.items():
            self._telling.fact(Held(operator, str(ref), True, held, self._value(ref)))
        self._freed.clear()

    def _value(self, ref: TagRef) -> Value:
        return ref.of(self.values[ref.tag])

    @property
    def _operator(self) -> str:
        assert self._leased is not None, "nobody forces without a lease"
        return self._leased.operator

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
            self._telling.journal("force", str(ref), None)
        self._kept &= needed

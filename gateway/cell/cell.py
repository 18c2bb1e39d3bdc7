"""The cell: a station's twin, write gate, couplings and commands behind one ``step``; pure.

The agent calls ``step`` once a scan with what it read and received, and does what comes out: first the
journal, then writes, replies and coupling messages. Nothing here knows a clock, a socket or a file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gateway.cell.agreement import Agreement, shifted
from gateway.cell.arrivals import before, doors
from gateway.cell.commands import Commands
from gateway.cell.companion import Companion
from gateway.cell.connected import Connected
from gateway.cell.couplings import Couplings, Neighbours, Stored, load
from gateway.cell.differences import Differences
from gateway.cell.facts import Made
from gateway.cell.formulas import Formulas
from gateway.cell.gate import Gate
from gateway.cell.gliding import Gliding
from gateway.cell.lease import Lease
from gateway.cell.machine import Machine, is_finite
from gateway.cell.passing import Passing
from gateway.cell.quality import Qualities
from gateway.cell.readback import ReadBack
from gateway.cell.restart import restore
from gateway.cell.safing import Safing
from gateway.cell.scan import Asked, Change, Inputs, Outputs, Telling
from gateway.cell.script import Script
from gateway.cell.showing import Showing
from gateway.cell.withheld import Withheld
from gateway.controller.beside import Beside
from gateway.field.tags import Tag
from gateway.field.types import Value
from gateway.station import Mode, Station
from gateway.twin.chance import seeded
from gateway.twin.discrepancy import Discrepancy
from gateway.twin.twin import Twin
from gateway.twin.workpiece import GONE, Happening, Kind

EARLY = 1_000  # ns: by so much carriers, which allow for rounding, may be ahead of their events


class Cell:
    """One station's decisions. ``stored`` is the journal as found; ``epoch`` names the journal itself.

    ``mode`` says which of controller and plant is real: a real plant is ``machine``, beside the twin.
    """

    def __init__(
        self,
        station: Station,
        neighbours: Neighbours,
        now: int = 0,
        stored: Stored | None = None,
        epoch: str = "",
        mode: Mode = "hil",
        beside: Beside | None = None,
        seed: int = 0,
    ) -> None:
        self.station, self.mode, self._seed = station, mode, seed
        self.companion = None if beside is None else Companion(beside)
        stored = stored or {}
        inputs = {tag.name: tag for tag in station.inputs}
        self.twin = self._model(now)
        self.machine: Machine | None = None
        self.agreement: Agreement | None = None
        if mode in ("ril", "shadow"):
            self.machine = Machine(station, self._model(now) if mode == "ril" else None)
            apart = before(station, doors(station, self.twin)) if mode == "shadow" else self.machine.composed
            self.agreement = Agreement(station, apart)
        self.values: dict[str, Value] = {tag.name: tag.safe for tag in inputs.values()}
        self.formulas = Formulas(self._read_as(), self.values)
        actuators = self.machine.actuators if self.machine is not None else {}
        writable = {tag.name: tag for tag in station.writable}
        self._cut = mode != "shadow" and len(writable) < len(inputs)  # some inputs are read, not written
        self.gate = Gate(
            {} if mode == "shadow" else {**writable, **actuators},
            self.formulas.written,
            station.writes.rate,
            station.shim.inputs if station.shim is not None else (),
            actuators,
        )
        self.missed: dict[str, int] = {}
        sensors = self.machine.sensors if self.machine is not None else {}
        self.qualities = Qualities({**station.tags, **sensors}.values())
        self.overruns = 0
        self._behind: Mapping[str, Value] = {}  # what the twin gets with the next scan, in shadow
        self._telling = Telling()
        self.connected = Connected(
            station.reached if mode == "ril" else station.devices,
            lambda text: self._telling.event("link", text),
        )
        self._now = now
        self._quiet = False  # the last step found nothing to do
        self._inputs = inputs.keys()
        coupled = Passing if mode == "shadow" else Couplings
        self.couplings = coupled(
            station, neighbours, self.twin, stored, epoch, self._telling.journal, self._happened
        )
        self.lease = Lease(load(stored, "lease", "token", 0))
        self.commands = Commands(
            station, mode, self.twin, self.gate, self.couplings, self.lease, self.values, self.qualities,
            self._telling, self._change,
        )  # fmt: skip
        self.showing = Showing(station, self.twin, self.machine, self.couplings, self.gate)
        self.read_back = ReadBack(
            self.gate, self.formulas.value, lambda text: self._telling.event("force", text)
        )
        self.withheld = Withheld(self.gate, lambda text: self._telling.event("write", text))
        self.safing = Safing(self.gate, lambda text: self._telling.event("safe", text))
        self.differences = Differences(
            self.twin, self.machine, self.agreement, self.companion, self._tell_differs
        )
        self.commands.lasting = self.differences.present
        self.gliding = Gliding(
            self.commands, self.read_back, self.formulas, self._telling, self._change, self._due
        )
        restore(stored, mode, self.gate, self.lease, self.couplings, self._telling)

    def _read_as(self) -> Mapping[str, Tag]:
        """The tags as their devices are asked for them."""
        return self.station.observed if self.mode == "shadow" else self.station.driven

    def _model(self, now: int) -> Twin:
        return Twin(self.station.twin, self.station.tags, now, seeded(self._seed, self.station.id))

    # --- one scan ----------------------------------------------------------------------------------

    def step(self, now: int, seen: Inputs) -> Outputs:
        """One scan at ``now`` ns (never before the last): take ``seen``, say what to do."""
        self._now = now
        self.differences.accompany(now, seen, self.mode == "shadow", self.gate.state != "closed")
        if self.gliding.goes_on(now, seen):
            out = self.gliding.scan(now, seen)
            self._quiet = seen.quiet and out.quiet
            return out
        stage = self.commands.stage
        happened = self.twin.advance(now)
        if self.script is not None:
            self.script.scans += seen.idle
        self._see(seen)
        self.commands.begin(now, self.connected.lost)
        for sender, message in seen.coupled:
            passed = self.couplings.hear(now, sender, message)
            if passed is not None and self.script is not None:
                self.script.coupled(now, *passed)
        for asked in seen.asked:
            self.commands.take(asked, seen.utc)
        self.commands.admit(seen.persisted, seen.utc)
        self._drive()
        self.differences.compare(now, self.connected.all, seen.late)
        self.couplings.move(now)
        wanted = self._wanted()
        if self.script is not None:
            self.script.scans += 1
            if self.script.progress(now, self.values | wanted, self.commands):
                self.couplings.move(now)
                wanted = self._wanted()
        writes = self._pass(wanted)
        self._show(wanted, writes)
        if writes and self.gate.state == "open":
            values = wanted if self.machine is None else {**self.machine.driven, **wanted}
            self.commands.burst.ask(seen.utc, {tag: values[tag] for tag in writes})
        self._count_missed()
        self.safing.look(seen.refused, self.connected.lost)
        self._tell_happenings()
        self.commands.end()
        out = self._telling.collect()
        self._put_out(out, writes)
        out.couple = self.couplings.tell(now, self.values if self.connected.all else None)
        still = not happened and self.commands.stage == stage
        self._quiet = still and seen.quiet and out.quiet
        # A machine must be asked to be known.
        self.gliding.look(now, seen, still and out.calm and self.machine is None)
        return out

    def due(self) -> int | None:
        """From when on a step may do anything, ns, if until then nothing is read or received; None: never.

        In the past: the next one may. Each step that does something is followed by one that finds nothing to
        do, so that after it only time can change anything, at instants that are known. Steps before that may
        be left out; the next one is told how many. A machine must be asked to be known: then none is.
        """
        held = self._telling.anything or self.safing.driven or self.commands.waiting
        behind = self.gate.waiting or self.gate.refused
        if not self._quiet or held or behind or self.machine is not None:
            return self._now
        due, beats = self._due(self.twin.due()), self.couplings.signalling.beats
        return min((each for each in (due, beats) if each is not None), default=None)

    def _due(self, event: int | None) -> int | None:
        """``due``, where the twin's next event is at ``event``, but for what neighbours are told anyway."""
        dues = [
            None if event is None else event - EARLY,
            self.lease.expires if self.lease.holder is not None else None,
            self.couplings.due(self._now),
            self.showing.due(),
            self.script.due() if self.script is not None else None,
            self.station.shim.next_sign(self._now) if self.station.shim is not None else None,
        ]
        return min((due for due in dues if due is not None), default=None)

    @property
    def script(self) -> Script | None:
        """The one that runs."""
        return self.commands.script

    @property
    def driving(self) -> bool:
        """Whether a device that is connected still has to be brought to its safe values."""
        return self.gate.state == "safing" and bool(self.gate.undriven(self.connected.lost))

    def _wanted(self) -> dict[str, Value]:
        """What the inputs are to show, as far as they may be written; in shadow none may."""
        if self.mode == "shadow":
            return {}
        wanted = self.showing.wanted(self._now)
        return {tag: wanted[tag] for tag in wanted if tag in self.gate.inputs} if self._cut else wanted

    def _pass(self, wanted: Mapping[str, Value]) -> dict[str, Value]:
        """What passes the gate of what the controller's inputs and the machine's actuators are to be."""
        machine = self.machine
        if machine is None:
            return self.gate.writes(self._now, wanted, self.connected.lost)
        return self.gate.writes(self._now, {**wanted, **machine.driven}, self.connected.lost)

    def _put_out(self, out: Outputs, writes: dict[str, Value]) -> None:
        if self.machine is None:
            out.writes = writes
            return
        if self.machine.device is not None and self.machine.stale(self._now):
            writes = {**self.gate.again(self.machine.actuators.keys()), **writes}
        for name, value in writes.items():
            (out.actuate if name in self.machine.actuators else out.writes)[name] = value

    def took(self, writes: Mapping[str, Value], refused: Collection[str] = ()) -> None:
        """Of what the last step had to be written, the devices have taken ``writes``, and not what they
        ``refused``; of the rest it is not known."""
        state = self.gate.state
        if refused:
            self.gate.refuse(refused, self._now)
        self.gate.took(writes)
        self.commands.took(writes)
        if self.companion is not None:
            self.companion.gave(writes)
        if state == "safing" and self.gate.state == "closed":
            self.safing.driven = True
            if self.lease.holder is None:  # else a new lease waits for the disk, and keeps the entry
                self._telling.journal("gate", "open", None)

    def keep(self, table: str, key: str, data: bytes) -> None:
        """Journal something else with the next scan, in its turn."""
        self._telling.journal(table, key, data)

    def shut(self, why: str = "the gateway ends") -> None:
        """As if the lease had ended, and nobody gets another."""
        self.gliding.end()
        self.commands.shut(why)

    def reopen(self, why: str) -> None:
        """What it was shut for is no more; if it was shut for something else, it stays so."""
        self.commands.reopen(why)

    def dismiss(self, operator: str, why: str) -> None:
        """``operator`` may hold no lease any more: it ends, if it is theirs."""
        self.gliding.end()
        self.commands.dismiss(operator, why)

    def _see(self, seen: Inputs) -> None:
        self._see_devices(seen)
        self._judge(seen)
        self.safing.end(seen.refused)
        if seen.late:
            self.overruns += 1
            if self.script is not None:
                self.script.overrun(self._now, seen.late)
        if self.script is not None:
            self.script.refused.update(seen.refused)
        shadow = self.mode == "shadow"
        read = self.formulas.read(seen.image if self.mode == "ril" else {**seen.image, **seen.machine})
        if self.machine is not None:
            shown = {tag: read[tag] for tag in self._inputs & read.keys()} if shadow else seen.machine
            self.machine.see(self.connected.lost, shown)
        for tag, value in read.items():
            self._change(tag, value)
        if seen.held:
            self._look_back(seen.held)
        if self.mode != "ril":
            self._drive_twin({tag: value for tag, value in read.items() if tag not in self._inputs})

    def _look_back(self, held: Mapping[str, Value]) -> None:
        """What is found at a forced input shows there, whatever it is forced to."""
        for tag, value in self.read_back.look(held).items():
            self._change(tag, value)
        if self.script is not None:
            self.script.overwrote(self.gate.overwritten)

    def _drive_twin(self, outputs: Mapping[str, Value]) -> None:
        """The twin gets what the controller puts out.

        In shadow it does so a scan later: devices are asked for one thing after another, and what the
        controller does about a workpiece may be read before the sensor that saw it come.
        """
        if isinstance(self.couplings, Passing) and self.machine is not None:
            self.couplings.see(self._now, self.machine.values)
            outputs, self._behind = self._behind, outputs
        for tag, value in outputs.items():
            if is_finite(value):  # NaN is shown, but moves nothing
                self.twin.drive(tag, value)

    def _drive(self) -> None:
        """In RIL the twin gets what the machine gets: what the controller puts out passes the gate first."""
        if self.mode == "ril" and self.machine is not None:
            for tag, value in self.machine.follow(self._now, self.values, self.gate.state == "open").items():
                self.twin.drive(tag, value)

    def _tell_differs(self, told: Collection[Discrepancy], utc: int) -> None:
        self._telling.out.differs += [shifted(each, utc) for each in told]
        if self.script is not None:
            self.script.differs.note(told)

    def _see_devices(self, seen: Inputs) -> None:
        """One that is lost ends the script; the others are written on, to their safe values if need be."""
        gone = self.connected.see(seen.link, seen.lost)
        for name in gone:
            self.gate.forget(name)
        if gone and self.script is not None:
            self.script.ended = "link"

    def _judge(self, seen: Inputs) -> None:
        changes = self.qualities.see(self.connected.lost, seen.refused, seen.uncertain)
        if changes:
            self._telling.out.quality.update(changes)
            if self.script is not None:
                self.script.judged(self._now, changes)

    def _change(self, tag: str, value: Value) -> None:
        old = self.values.get(tag)
        both_nan = old != old and value != value  # NaN is no change from NaN, though it never equals it
        if old is None or (old != value and not both_nan):
            self.values[tag] = value
            self._telling.out.changed[tag] = value
            if self.script is not None:
                self.script.sampled(self._now, tag, value)

    def _show(self, wanted: Mapping[str, Value], writes: Mapping[str, Value]) -> None:
        """Inputs count as changed when they are written, and are what is found there while a force of theirs
        does not hold."""
        gate = self.gate
        if gate.state == "open":
            values = self.values
            apart = {*gate.waiting, *gate.beyond, *(ref.tag for ref in gate.overwritten)} - writes.keys()
            for tag, value in wanted.items():
                if values[tag] != value and tag not in apart:
                    self._change(tag, value)

    def _count_missed(self) -> None:
        late = self.withheld.look(self._now)
        if late and self.script is not None:
            self.script.overrun(self._now, late)
        missed = self.showing.missed(self._now)
        for tag in self.withheld.pulses():
            missed[tag] = missed.get(tag, 0) + 1
        for tag, count in missed.items():
            for counts in (self.missed, self.script.missed if self.script is not None else {}):
                counts[tag] = counts.get(tag, 0) + count

    # --- records -------------------------------------------------------------------------------------

    def _happened(self, kind: Kind, component: str, workpiece: str, detail: str) -> None:
        happening = Happening(self._now, kind, component, workpiece, detail)
        self.twin.surroundings.happenings.append(happening)

    def _tell_happenings(self) -> None:
        for happening in self.twin.happenings():
            if happening.kind in GONE:
                self.couplings.gone(happening.workpiece)
            elif happening.kind in ("left", "finished"):
                self._telling.fact(Made(happening.workpiece))
            if self.script is not None:
                self.script.happened(happening)
            who = happening.workpiece or happening.component
            self._telling.event("workpiece", f"{who} {happening.kind} {happening.detail}".rstrip())


__all__ = ["Asked", "Cell", "Change", "Inputs", "Outputs"]

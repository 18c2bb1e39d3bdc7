"""A virtual controller beside the real one: where their outputs part, and which statement says so; pure.

It runs the program on the values that the real controller reads, and its outputs are compared with the real
ones: each edge is to be followed by the same edge of the other within the tolerance, each number to be near
what the other showed within it. The tolerance counts in scans, as long as the longest of the last minute
really was: a busy machine makes it longer, and no parting.

What a program remembers cannot be seen from outside. So nothing is said until the two are **in step**: for a
while they agreed. Where nothing moves for so long, they are at **rest**: then a fresh run of the program on
the present inputs is held against the real outputs, and takes the place of the one that runs if fewer outputs
differ from it; so also after a parting, when the memories may differ. What has not come into step in half a
minute is compared from its next rest on as it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from gateway.controller.compile import Program
from gateway.controller.devices import VirtualDevices
from gateway.field.compound import ArrayType
from gateway.field.tags import Tag, TagRef, read_ref
from gateway.field.tolerance import Tolerance
from gateway.field.types import Value
from gateway.station import Station
from gateway.twin.discrepancy import Discrepancy, Number, Switch

REST = 500_000_000  # ns; what does not move for so long rests
CYCLE = 5_000_000_000  # ns; two in the middle of different steps may look the same for less
GRACE = 30_000_000_000  # ns, to come into step
MINUTE = 60_000_000_000
MOST_BEHIND = 50  # scans that are made up for after a gap
FRESH, AT_ONCE = 50, 5  # scans of a fresh run in all, and of it in one scan of ours
WITHIN = 3  # scans, by which one may be later than the other
LEAST, MOST = 2, 100  # of them: to be read and to be run takes each of the two one


class Parting(msgspec.Struct, frozen=True):
    """The output ``tag`` (or a bit of it) was ``virtual`` there and ``real`` here from ``begin`` to ``end``
    (ns; None: still).

    ``file`` and ``line`` are the statement that wrote the virtual one last, in ``scan``; empty and 0 where no
    one did. ``after`` is the output that parted first since the two were in step, if that is another.
    ``late`` (ns): so long nobody looked, around that one, at what the real controller read; it may have read
    what the virtual one has not.
    """

    tag: str
    begin: int
    end: int | None
    virtual: Value
    real: Value
    scan: int
    file: str
    line: int
    after: str = ""
    late: int = 0

    @property
    def statement(self) -> str:
        """``Glue.st:120 in scan 4711``."""
        name = self.file.replace("\\", "/").rpartition("/")[2]
        return f"{name}:{self.line} in scan {self.scan}" if name else "no statement wrote it"


class _Wrote(NamedTuple):
    """Since when the virtual output is what it is, and by which statement."""

    at: int
    file: str
    line: int
    scan: int


class _Gap(NamedTuple):
    """A scan that came ``took`` ns after the one before."""

    at: int
    took: int


class Beside:
    """``program`` (compiled with writers) beside the controller of ``station``.

    Once a scan: ``scan`` with the inputs that the real controller got since the last, then ``look`` with what
    of its outputs changed. ``lost`` when it is not there. ``within``: by so many scans one may be later than
    the other. ``early``: it runs before all inputs are known, those at the program's initial values, as a
    controller to which nobody has written; else from then on.
    """

    def __init__(self, station: Station, program: Program, within: int = WITHIN, early: bool = True) -> None:
        self._station, self._program, self._scans = station, program, within
        self._devices = VirtualDevices(station, program)
        own = station.shim.inputs if station.shim is not None else frozenset[str]()
        self._unknown = {tag.name for tag in station.inputs} - own  # never read by the real one yet
        self._early = self._runs = early
        self._agreeing = REST if early else CYCLE  # for how long they agree who are in step
        self._inputs: dict[str, Value] = {}
        self._real: dict[str, Value] = {}
        self._virtual: dict[str, Value] = {}
        self._at: int | None = None  # the last scan
        self._gaps: deque[tuple[int, int]] = deque()  # of scans that were late: when, and how long they took
        self._longest = station.scan
        self._unseen = _Gap(-CYCLE, 0)  # the last scan that was so late that the real one read unseen
        self._late = 0  # around when the first output parted
        self._fresh: VirtualDevices | None = None  # with ``_left`` scans to run, from ``_from`` on
        self._left = self._from = 0
        self._begin_anew(0)

    def _begin_anew(self, now: int) -> None:
        """Nothing is known of how the two stand."""
        self.in_step = False
        self._compare_anew()
        self._wrote: dict[TagRef, deque[_Wrote]] = {}
        self._first = ""
        self._moved = self._differed = self._known = now
        self._tried = False
        self._fresh, self._left = None, 0

    def _compare_anew(self) -> None:
        """Forget what parted."""
        self._signals: dict[TagRef, Switch | Number] = {}
        for tag in self._station.outputs:
            for ref in _refs(tag):
                self._signals[ref] = self._signal(ref, tag)
        self._switches = [ref for ref, signal in self._signals.items() if isinstance(signal, Switch)]
        self._open: dict[TagRef, Parting] = {}
        self._begun: set[TagRef] = set()  # of them, those that nobody was told of yet
        self._anew = True  # compare all, changed or not

    def _signal(self, ref: TagRef, tag: Tag) -> Switch | Number:
        wait = self._scans * self._longest
        if tag.plain.kind == "bool" or ref.bit >= 0:
            return Switch(wait, wait)
        return Number(Tolerance(tag.tolerance.value, wait))

    # --- the virtual controller ------------------------------------------------------------------------

    def scan(self, now: int, inputs: Mapping[str, Value]) -> None:
        """One scan at ``now`` ns (later than the last); the real one has got ``inputs`` since that.

        Scans that were left out meanwhile are made up for, so that timers run as on the real one.
        """
        period = self._station.scan
        self._inputs.update(inputs)
        if self._unknown:
            self._unknown -= inputs.keys()
            self._moved = self._differed = self._known = now
        if not self._runs:
            if self._unknown:
                return
            self._runs, inputs = True, self._inputs
        if self._at is not None:
            self._lengths(now, now - self._at)
            if not self._early and now - self._at >= 2 * period:
                self._unseen = _Gap(now, now - self._at)
            behind = min((now - self._at - period // 2) // period, MOST_BEHIND)
            # In shadow nobody knows what the real one read meanwhile.
            for missed in range(behind if self._early else 0, 0, -1):
                self._run(self._devices, now - missed * period)
        if inputs:
            self._devices.write(inputs)
            self._fresh, self._tried = None, False
        self._run(self._devices, now)
        self._at = now

    def _run(self, devices: VirtualDevices, now: int) -> None:
        due = devices.due()
        if due is not None and due <= now:
            devices.scan(now)

    def _lengths(self, now: int, took: int) -> None:
        """Keep how long the longest scan of the last minute took, and the tolerance by it."""
        period, gaps = self._station.scan, self._gaps
        while gaps and gaps[0][0] < now - MINUTE:
            gaps.popleft()
        if 2 * took > 3 * period:
            while gaps and gaps[-1][1] <= took:
                gaps.pop()
            gaps.append((now, took))
        longest = gaps[0][1] if gaps else period
        if longest != self._longest:
            self._longest = longest
            for signal in self._signals.values():
                signal.wait = self._scans * longest
                if isinstance(signal, Switch):
                    signal.shortest = signal.wait

    # --- comparing -------------------------------------------------------------------------------------

    def look(self, now: int, outputs: Mapping[str, Value]) -> list[Parting]:
        """The real outputs that changed until ``now`` (at first all); the partings that begin or end."""
        before = self._real | {}
        self._real.update(outputs)
        real = [name for name in outputs if name not in before or before[name] != outputs[name]]
        moved = self._devices.read()
        self._virtual.update(moved)
        changed = {*real, *moved}
        if self._unknown:
            return []
        switched = [ref for ref in self._switches if ref.tag in changed]
        if switched:
            self._moved, self._fresh, self._tried = now, None, False
        for ref in switched:
            if ref.tag in moved:
                self._note(now, ref)
        told: list[Parting] = []
        for ref, signal in self._signals.items():
            if self._anew or ref.tag in changed or signal.differs or isinstance(signal, Number):
                told += self._compare(now, ref)
        self._anew = False
        if self.in_step:
            self._rest(now)
        else:
            self._get_in_step(now, bool(told))
            told = list(self._open.values()) if self.in_step else []
        return [self._followed(each) for each in sorted(told, key=_order)]

    def _followed(self, told: Parting) -> Parting:
        """With what parted first before it, if it is new."""
        ref = read_ref(told.tag)
        if ref not in self._begun:
            return told
        self._begun.discard(ref)
        if not self._first:
            self._first = told.tag
            self._late = self._unseen.took if abs(told.begin - self._unseen.at) < CYCLE else 0
        after = "" if self._first == told.tag else self._first
        told = msgspec.structs.replace(told, after=after, late=self._late)
        if told.end is None:
            self._open[ref] = told
        return told

    def lost(self, now: int) -> list[Parting]:
        """The real controller is not there, or nobody knows what it reads: the partings that end so.

        It is to be in step again before anything else is said.
        """
        ended = [msgspec.structs.replace(each, end=now) for each in self.present]
        self._unknown |= self._inputs.keys()
        self._real.clear()
        self._begin_anew(now)
        return ended

    @property
    def unknown(self) -> list[str]:
        """The inputs of which nobody has said yet what the real controller reads there."""
        return sorted(self._unknown)

    @property
    def present(self) -> list[Parting]:
        """The partings that last, the oldest first; none before the two are in step, when nothing is told."""
        return sorted(self._open.values(), key=_order) if self.in_step else []

    def _compare(self, now: int, ref: TagRef) -> list[Parting]:
        virtual, real = self._virtual.get(ref.tag), self._real.get(ref.tag)
        if virtual is None or real is None:  # one of them does not serve it
            return []
        found = self._signals[ref].compare(str(ref), now, ref.of(virtual), ref.of(real))
        return [self._parting(ref, each) for each in found]

    def _parting(self, ref: TagRef, found: Discrepancy) -> Parting:
        known = self._open.pop(ref, None)
        if known is None:
            file, line, scan = self._statement(ref, found.begin)
            self._begun.add(ref)
            known = Parting(found.tag, found.begin, None, found.twin, found.machine, scan, file, line)
        if found.end is None:
            self._open[ref] = known
            return known
        return msgspec.structs.replace(known, end=found.end)

    def _note(self, now: int, ref: TagRef) -> None:
        """Keep who made the virtual output what it is: later it may be another."""
        wrote = self._wrote.setdefault(ref, deque(maxlen=4))
        wrote.append(_Wrote(now, *self._writer(ref)))

    def _statement(self, ref: TagRef, at: int) -> tuple[str, int, int]:
        """That which wrote the virtual output last at ``at``: file, line and scan."""
        wrote = self._wrote.get(ref) or deque[_Wrote]()
        for each in reversed(wrote):
            if each.at <= at:
                last = each is wrote[-1]
                return self._writer(ref) if last and each.at < at else (each.file, each.line, each.scan)
        return self._writer(ref)

    def _writer(self, ref: TagRef) -> tuple[str, int, int]:
        controller = self._devices.controller
        if controller.fault is not None:
            return (*self._program.place(controller.fault.line), controller.scans)
        return self._devices.writer(ref.tag, ref.bit) or ("", 0, 0)

    # --- in step ---------------------------------------------------------------------------------------

    def _differing(self, virtual: Mapping[str, Value]) -> int:
        """How many switches are not as the real ones."""
        return sum(
            ref.of(virtual[ref.tag]) != ref.of(self._real[ref.tag])
            for ref in self._switches
            if ref.tag in virtual and ref.tag in self._real
        )

    def _get_in_step(self, now: int, parted: bool) -> None:
        """In step are two that agreed for a while; at rest it is tried to begin anew."""
        if parted or self._open:
            self._differed = now
        # A difference is not known as one before the tolerance is over.
        self.in_step = now - self._differed >= self._agreeing + self._scans * self._longest
        if self.in_step or now - self._moved < REST:
            return
        if not self._tried:
            self._try_fresh(now)
        else:
            self.in_step = now - self._known >= GRACE

    def _rest(self, now: int) -> None:
        """Where nothing moves, what lasts may be of an old parting."""
        if now - self._moved < REST:
            return
        if not self._open:
            self._first = ""
        elif not self._tried:
            self._try_fresh(now)

    def _try_fresh(self, now: int) -> None:
        """Run the program anew on the present inputs, a few scans at once, until it rests; then choose."""
        period = self._station.scan
        if self._fresh is None:
            self._fresh, self._left = VirtualDevices(self._station, self._program), FRESH
            self._fresh.write(self._inputs)
            self._from = now - (FRESH + 1) * period
        for _ in range(AT_ONCE):
            self._run(self._fresh, self._from + (FRESH - self._left) * period)
            self._left -= 1
        if self._left > 0 and self._fresh.due() is not None:
            return
        fresh, self._fresh, self._tried = self._fresh, None, True
        shown = fresh.read()
        if self._differing(shown) < self._differing(self._virtual):
            self._devices, self._virtual, self._first, self._anew = fresh, shown, "", True
            self._wrote.clear()
            if not self.in_step:
                self._compare_anew()


def _order(parting: Parting) -> tuple[int, str]:
    return parting.begin, parting.tag


def _refs(tag: Tag) -> list[TagRef]:
    """Its parts that are compared one by one: bits of a word, elements of an array; no text."""
    if tag.plain.kind == "string":
        return []
    if isinstance(tag.type, ArrayType):
        return [TagRef(tag.name, element=n) for n in range(tag.type.count)]
    if tag.type.kind == "bits" and tag.conversion is None and tag.formula is None:
        return [TagRef(tag.name, bit) for bit in range(tag.type.bits)]
    return [TagRef(tag.name)]

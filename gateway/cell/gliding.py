"""A scan in which nothing but numbers moves: it does the little that it must, and leaves the rest; pure."""

from __future__ import annotations

from collections.abc import Callable

from gateway.cell.commands import Commands
from gateway.cell.formulas import Formulas
from gateway.cell.readback import ReadBack
from gateway.cell.scan import Inputs, Outputs, Telling
from gateway.field.types import Value

FOREVER = 3_600_000_000_000  # ns; a scan looks at everything at least so often


class Gliding:
    """Of the cell whose ``commands`` these are. ``change`` is told what a tag is now; ``due`` says from when
    on the cell has more to do if its twin's next event is at an instant (None: it has none), None: never.

    Not ``allowed``, each scan is done whole; what happens is the same.
    """

    def __init__(
        self,
        commands: Commands,
        read_back: ReadBack,
        formulas: Formulas,
        telling: Telling,
        change: Callable[[str, Value], None],
        due: Callable[[int | None], int | None],
    ) -> None:
        self.allowed = True
        self._commands, self._read_back, self._formulas = commands, read_back, formulas
        self._telling, self._change, self._due = telling, change, due
        self._twin, self._gate, self._couplings = commands.twin, commands.gate, commands.couplings
        self._signalling = commands.couplings.signalling
        station = commands.station
        self._ranks = {tag.name: rank for rank, tag in enumerate(station.inputs)}
        told = {
            *station.handshake.takes.values(),
            *(tag for tags in self._couplings.neighbours.tell.values() for tag in tags),
        }
        self._echoes = {tag.name for tag in station.outputs} - self._twin.actuated - told
        self._until: int | None = None  # when something else than numbers, and echoes, can change

    def end(self) -> None:
        """There is more to do than to let numbers move."""
        self._until = None

    def goes_on(self, now: int, seen: Inputs) -> bool:
        """Whether ``scan`` does all that this scan has to do."""
        if self._until is None or now >= self._until or self._twin.touched:
            return False
        return self._may(seen) and all(self._signalling.still_there(now, *each) for each in seen.coupled)

    def look(self, now: int, seen: Inputs, calm: bool) -> None:
        """A whole scan is done, which was ``calm`` or not: from here on it may go on by itself."""
        self._until = self._ends(now) if calm and self._may(seen) else None

    def _may(self, seen: Inputs) -> bool:
        """Whether nothing but echoes of inputs was seen, and the script waits for none of them."""
        echoed = self._echoes >= seen.image.keys() and not seen.machine
        echoed = echoed and self._read_back.expected(seen.held)
        return seen.calm and echoed and self._awaited.isdisjoint(seen.image)

    def _ends(self, now: int) -> int | None:
        gate = self._gate
        behind = bool(gate.waiting or gate.beyond or gate.refused)
        if behind or self._commands.waiting or gate.state == "safing":
            return None
        if not self.allowed or self._formulas.any:
            return None
        forced = {ref.tag for ref in gate.forces}
        if not (self._awaited | forced).isdisjoint(self._twin.moving()):
            return None
        due = self._due(self._twin.kernel.next_time())
        return now + FOREVER if due is None else due

    @property
    def _awaited(self) -> frozenset[str]:
        script = self._commands.script
        return script.awaited if script is not None else frozenset()

    def _rank(self, shown: tuple[str, Value]) -> int:
        """In the order in which a whole scan notes changes."""
        return self._ranks[shown[0]]

    def scan(self, now: int, seen: Inputs) -> Outputs:
        """What a whole scan does of all while nothing but numbers can change."""
        commands, values = self._commands, self._commands.values
        script = commands.script
        if script is not None:
            script.scans += 1 + seen.idle
        for tag, value in seen.image.items():
            self._change(tag, value)
        for sender, message in seen.coupled:
            self._couplings.hear(now, sender, message)
        if seen.asked:
            commands.begin(now, {})
            for asked in seen.asked:
                commands.take(asked, seen.utc)
        self._twin.advance(now)
        writes: dict[str, Value] = {}
        if self._gate.state == "open":
            moved = {tag: value for tag, value in self._twin.glide() if values[tag] != value}
            writes = self._gate.passing(now, dict(sorted(moved.items(), key=self._rank)))
            for tag, value in writes.items():
                self._change(tag, value)
            commands.burst.ask(seen.utc, writes)
            if len(writes) < len(moved):
                self.end()  # what was left has its turn in a whole scan
        out = self._telling.collect()
        out.writes = writes
        beats = self._signalling.beats
        if beats is not None and now >= beats:
            out.couple = self._couplings.tell(now, values)
        return out

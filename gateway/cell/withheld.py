"""What the write gate holds back, in words: each tag once for each lease; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.cell.gate import Gate
from gateway.scenario import show


class Withheld:
    """Of ``gate``; ``tell`` gets the words."""

    def __init__(self, gate: Gate, tell: Callable[[str], None]) -> None:
        self._gate, self._tell = gate, tell
        self._told: set[str] = set()

    def look(self, now: int) -> int:
        """After the gate has passed what was wanted at ``now`` ns; for how long something has waited, 0 where
        nothing does."""
        gate = self._gate
        if gate.state != "open":
            self._told.clear()
            return 0
        for tag in gate.beyond.keys() - self._told:
            self._told.add(tag)
            low, high = gate.inputs[tag].range
            beyond = f"{show(gate.beyond[tag])} is outside its range, {low:g}..{high:g}"
            self._tell(f"{tag} is not written: {beyond}")
        if not gate.waiting:
            return 0
        if "" not in self._told:
            self._told.add("")
            self._tell(f"more than {gate.rate} writes a second are wanted: some come late")
        return max(1, now - min(gate.waiting.values()))

    def pulses(self) -> Iterator[str]:
        """The BOOL inputs of which a pulse was over before it could be written."""
        return (tag for tag in self._gate.dropped if self._gate.inputs[tag].type.kind == "bool")

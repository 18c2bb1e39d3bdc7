"""Reading a trace: when did what become what, and what else moved; pure."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.cell.script import holds
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import Trace
from gateway.scenario import Expect

BEFORE = -1  # what was so when the trace began was so before it


class Reading:
    """Questions to a ``Trace``; all times are ns since its start."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._changes: dict[str, list[tuple[int, Value]]] = {
            tag: [(BEFORE, value)] for tag, value in trace.initial.items()
        }
        for sample in trace.samples:
            self._changes.setdefault(sample.tag, []).append((sample.t, sample.value))

    def value(self, ref: TagRef, t: int | None = None) -> Value | None:
        """What ``ref`` was at ``t`` (at the end, if not given); None if it was never seen."""
        last: Value | None = None
        for at, value in self._changes.get(ref.tag, ()):
            if t is not None and at > t:
                break
            last = value
        return None if last is None else ref.of(last)

    def holds(self, ref: TagRef, value: Value, tolerance: float, t: int) -> bool:
        """Whether ``ref`` is ``value`` (± ``tolerance`` for numbers) at ``t``."""
        found = self.value(TagRef(ref.tag), t)
        return found is not None and holds(ref, value, tolerance, {ref.tag: found})

    def became(self, expect: Expect, start: int, end: int | None = None) -> tuple[int | None, bool]:
        """(when ``expect`` first became so at or after ``start``, False); (``start``, True) if it was so
        before and did not cease to be; (None, False) if it did not become so up to ``end``."""
        held = False
        for at, value in self._changes.get(expect.ref.tag, ()):
            if end is not None and at > end:
                break
            now = holds(expect.ref, expect.value, expect.tolerance, {expect.ref.tag: value})
            if at < start:
                held = now
            elif now:
                return (start, True) if held else (at, False)
            else:
                held = False
        return (start, True) if held else (None, False)

    def ceased(self, expect: Expect, start: int) -> int | None:
        """When ``expect``, which was so at ``start``, first was so no longer; None if it stayed."""
        for at, value in self._changes.get(expect.ref.tag, ()):
            if at > start and not holds(expect.ref, expect.value, expect.tolerance, {expect.ref.tag: value}):
                return at
        return None

    def moved(self, start: int, end: int | None = None) -> set[str]:
        """The tags whose value changed after ``start`` and not after ``end``."""
        return {
            sample.tag
            for sample in self.trace.samples
            if sample.t > start and (end is None or sample.t <= end)
        }

    def moved_bits(self, tag: str, start: int) -> set[int]:
        """The bits of a word that changed after ``start``."""
        bits: set[int] = set()
        before = self.value(TagRef(tag), start)
        for at, value in self._changes.get(tag, ()):
            if at > start and isinstance(value, int) and isinstance(before, int):
                changed = value ^ before
                bits |= {bit for bit in range(changed.bit_length()) if changed >> bit & 1}
        return bits

    def moved_elements(self, tag: str, start: int) -> set[int]:
        """The elements of an array that changed after ``start``, from 0."""
        before = self.value(TagRef(tag), start)
        found: set[int] = set()
        for at, value in self._changes.get(tag, ()):
            if at > start and isinstance(value, tuple) and isinstance(before, tuple):
                found |= {
                    index for index, pair in enumerate(zip(value, before, strict=True)) if pair[0] != pair[1]
                }
        return found

    def lateness(self, start: int, end: int) -> int:
        """How late scans were, in sum, between two instants: the measurement's uncertainty."""
        return sum(late for at, late in self.trace.overruns if start <= at <= end + late)

    def count(self, kinds: Iterable[str]) -> dict[str, int]:
        """Per workpiece, how often one of ``kinds`` happened to it."""
        counts: dict[str, int] = {}
        for each in self.trace.happenings:
            if each.kind in kinds:
                counts[each.workpiece] = counts.get(each.workpiece, 0) + 1
        return counts

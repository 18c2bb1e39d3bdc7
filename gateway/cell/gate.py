"""The write gate: the only way to a controller's inputs and to a real plant's actuators, with forces; pure.

Closed (nobody holds a lease) it lets nothing through. Open, it lets the wanted values through that lie in
their tags' ranges, so many a second: one that has to wait is written with its newest value. When the lease is
lost it drives the safe values, which wait for nothing, until the device has taken them all, then closes. What
a device refuses is tried again, less and less often.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping
from typing import Literal, NamedTuple

from gateway.cell.pace import Pace
from gateway.field.tags import Tag, TagRef
from gateway.field.types import Value
from gateway.writes import RATE

Turned = Callable[[Mapping[str, Value]], Mapping[str, Value]]
GateState = Literal["closed", "open", "safing"]
SOON, LATE = 100_000_000, 1_000_000_000  # ns: when a refused value is tried again, first and at last


class Refusal(NamedTuple):
    """A device did not take ``value``: the same one is tried again at ``due`` (ns), after a ``pause``."""

    value: Value
    due: int
    pause: int


class Gate:
    """Wanted values in, what to write out. ``inputs`` are the tags that may be written, by name; ``turned``
    makes what their drivers take of the values, where that is something else (left out: nowhere). ``rate`` is
    how many are written a second at most; those ``urgent`` come first, and those of ``resting`` that go to
    their safe values.

    After each time: ``waiting`` are the tags whose values wait for the rate, and since when; ``beyond`` are
    those whose wanted value cannot be written, and that value; ``dropped`` are those that waited with a
    value which is wanted no more. ``times_beyond`` counts such values by tag since the gate is there.
    ``overwritten`` are the forces that were found not to hold, and what is there instead. ``refused`` is what
    devices did not take.
    """

    def __init__(
        self,
        inputs: Mapping[str, Tag],
        turned: Turned = lambda values: values,
        rate: int = RATE,
        urgent: Collection[str] = (),
        resting: Collection[str] = (),
    ) -> None:
        self.inputs, self._turned = inputs, turned
        self.rate, self._pace = rate, Pace(rate)
        self._urgent, self._resting = frozenset(urgent), frozenset(resting)
        self.state: GateState = "closed"
        self.forces: dict[TagRef, Value] = {}
        self.overwritten: dict[TagRef, Value] = {}
        self.written: dict[str, Value] = {}
        self.waiting: dict[str, int] = {}
        self.beyond: dict[str, Value] = {}
        self.dropped: list[str] = []
        self.refused: dict[str, Refusal] = {}
        self.times_beyond: dict[str, int] = {}
        self._fitting: dict[str, Value] = {}  # what was last found to lie in its range
        self._safe: dict[str, Value] = {name: tag.safe for name, tag in inputs.items()}
        self._asked: Mapping[str, Value] = {}  # what the devices were last given

    @property
    def safe(self) -> dict[str, Value]:
        """The safe value of all that it guards."""
        return self._safe.copy()

    def open(self) -> None:
        """A lease is held, and that is journalled. Everything is written anew."""
        self.state = "open"
        self.written.clear()
        self.refused.clear()

    def make_safe(self) -> None:
        """The lease is gone: forces end, the safe values are driven."""
        self.forces.clear()
        self.overwritten.clear()
        self.written.clear()
        self.waiting.clear()
        self.beyond.clear()
        self.refused.clear()
        self.state = "safing"

    def hold(self, ref: TagRef, value: Value) -> None:
        """Force ``ref``; one that did not hold is tried once more."""
        self._rewrite(ref)
        self.forces[ref] = value

    def free(self, ref: TagRef) -> Value | None:
        """End the force of ``ref``; what it was held at, None if it was not."""
        self._rewrite(ref)
        return self.forces.pop(ref, None)

    def _rewrite(self, ref: TagRef) -> None:
        """The device is not known to hold what was written to it, where something else was found."""
        if self.overwritten.pop(ref, None) is not None:
            self.written.pop(ref.tag, None)

    def forced(self, values: dict[str, Value]) -> dict[str, Value]:
        """``values`` with the forces laid over them."""
        for ref, value in self.forces.items():
            values[ref.tag] = ref.into(values[ref.tag], value)
        return values

    def writes(self, now: int, wanted: Mapping[str, Value], lost: Container[str] = ()) -> dict[str, Value]:
        """What to write at ``now`` ns: wanted or safe values that the device does not hold yet, but for
        those of devices that are ``lost``."""
        if self.state == "closed":
            return {}
        if self.state == "safing":
            self._asked = self._due(now, self._new(self._turned(self._safe), lost))
            return self._asked
        changes = self._due(now, self._new(self._turned(self._in_range(wanted)), lost))
        return self._paced(now, changes)

    def passing(self, now: int, changes: Mapping[str, Value]) -> dict[str, Value]:
        """Of ``changes``, which no device holds yet, what to write at ``now``; while it is open and nothing
        waits, and none of the values is turned."""
        assert self.state == "open"
        assert not self.waiting
        return self._paced(now, self._in_range(changes))

    def again(self, names: Collection[str]) -> dict[str, Value]:
        """What the devices hold at ``names``, to be written once more with what was last asked of them: it
        changes nothing, so it is beside the rate."""
        held = {name: self.written[name] for name in names if name in self.written}
        repeated = {name: value for name, value in held.items() if name not in self._asked}
        self._asked = {**self._asked, **repeated}
        return repeated

    def undriven(self, lost: Container[str] = ()) -> list[str]:
        """The tags that are not known to hold their safe values, but for those of devices that are ``lost``;
        those too for which there is nothing to write at present: see ``unknown``."""
        new = self._new(self._turned(self._safe), lost)
        return [*new, *(name for name in self.unknown() if self.inputs[name].device not in lost)]

    def unknown(self) -> list[str]:
        """The tags whose safe values make no number to be written at present."""
        turned = self._turned(self._safe)
        return [] if len(turned) == len(self._safe) else [name for name in self._safe if name not in turned]

    def _new(self, values: Mapping[str, Value], lost: Container[str]) -> dict[str, Value]:
        written = self.written
        new = {name: value for name, value in values.items() if name not in written or written[name] != value}
        if lost:
            return {name: value for name, value in new.items() if self.inputs[name].device not in lost}
        return new

    def _due(self, now: int, changes: dict[str, Value]) -> dict[str, Value]:
        """``changes`` without those that were refused a short while ago."""
        if not self.refused:
            return changes
        return {
            name: value
            for name, value in changes.items()
            if not (self._is_refused(name, value) and now < self.refused[name].due)
        }

    def _is_refused(self, name: str, value: Value) -> bool:
        return name in self.refused and self.refused[name].value == value

    def _in_range(self, wanted: Mapping[str, Value]) -> dict[str, Value]:
        """Of what is ``wanted``, the values that may be written here at all."""
        fitting, fit = self._fitting, {}
        for name, value in wanted.items():
            tag = self.inputs.get(name)
            if tag is None:
                continue
            if name not in fitting or fitting[name] != value:
                if not tag.in_range(value):  # nor is NaN
                    self._is_beyond(name, value)
                    continue
                fitting[name] = value
            self.beyond.pop(name, None)
            fit[name] = value
        return fit

    def _is_beyond(self, name: str, value: Value) -> None:
        # NaN is never equal to itself, and yet no other value.
        if name not in self.beyond or str(self.beyond[name]) != str(value):
            self.times_beyond[name] = self.times_beyond.get(name, 0) + 1
        self.beyond[name] = value

    def _paced(self, now: int, changes: dict[str, Value]) -> dict[str, Value]:
        """As many of ``changes`` as the rate has room for: urgent ones, then those that wait longest."""
        room = self._pace.room(now)
        waited, self.waiting = self.waiting, {}
        self.dropped = [name for name in waited if name not in changes] if waited else []
        if len(changes) > room and self.refused:  # who is tried once more keeps nobody else waiting
            changes = {n: value for n, value in changes.items() if not self._is_refused(n, value)}
        if len(changes) > room:
            first = [name for name, value in changes.items() if self._is_urgent(name, value)]
            then = [name for name in waited if name in changes]
            names = list(dict.fromkeys([*first, *then, *changes]))
            self.waiting = {name: waited.get(name, now) for name in names[room:]}
            changes = {name: changes[name] for name in names[:room]}
        self._pace.spend(now, len(changes))
        self._asked = changes
        return changes

    def _is_urgent(self, name: str, value: Value) -> bool:
        return name in self._urgent or (name in self._resting and value == self._safe[name])

    def refuse(self, names: Collection[str], now: int) -> None:
        """Of what was last written, the devices do not take ``names``, as is known at ``now`` ns."""
        for name in names:
            value, before = self._asked[name], self.refused.get(name)
            pause = SOON if before is None or before.value != value else min(2 * before.pause, LATE)
            self.refused[name] = Refusal(value, now + pause, pause)
            self.written.pop(name, None)

    def took(self, values: Mapping[str, Value]) -> None:
        """The device has taken ``values``."""
        self.written.update(values)
        for name in values if self.refused else ():
            self.refused.pop(name, None)
        # What was under way when the lease went may come in here after the safe values were wanted.
        if self.state == "safing" and not self.undriven():
            self.state = "closed"
            self.written.clear()

    def forget(self, device: str | None = None) -> None:
        """What ``device`` (not given: any) holds is not known any more: the connection was lost."""
        kept = {name for name, tag in self.inputs.items() if device is not None and tag.device != device}
        self.written = {name: value for name, value in self.written.items() if name in kept}
        self.refused = {name: refusal for name, refusal in self.refused.items() if name in kept}

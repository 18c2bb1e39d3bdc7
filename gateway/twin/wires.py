"""The wire between a component's port and the controller, with its faults; the same for all; pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.field.tags import Tag
from gateway.field.types import Scalar
from gateway.twin.component import Component
from gateway.twin.motion import SECOND
from gateway.twin.signal import Signal

SENSOR_FAULTS = {
    "stuck-on": "the sensor shows true whatever happens (BOOL)",
    "stuck-off": "the sensor shows false whatever happens (BOOL)",
    "stuck": "the sensor keeps the value it has at this moment",
    "broken-wire": "no signal arrives: false, or the raw zero of an analog input",
    "short-circuit": "full signal arrives: true, or the upper end of an analog input",
    "offset": "the value is wrong by so much; 5 % of the range (numbers)",
    "drift": "the value goes wrong by so much in every second; 1 % of the range (numbers)",
    "noise": "the value is noisy with this standard deviation; 1 % of the range (numbers)",
}
ACTUATOR_FAULTS = {
    "stuck": "the actuator keeps the value it has at this moment",
    "broken-wire": "no signal arrives: false, or the raw zero of an analog output",
    "short-circuit": "full signal arrives: true, or the upper end of an analog output",
}
_SHARE = {"offset": 0.05, "drift": 0.01, "noise": 0.01}  # of the range, where no size was given
_ON_OFF = ("stuck-on", "stuck-off")


def fits(fault: str, tag: Tag) -> bool:
    """Whether ``fault`` makes sense on ``tag``: a number is not on or off, and a BOOL does not drift."""
    if tag.type.kind == "bool":
        return fault not in _SHARE
    return fault not in _ON_OFF


def usual_size(fault: str, tag: Tag) -> float | None:
    """How large ``fault`` is where nobody says, in the tag's unit; None: it has no size."""
    share = _SHARE.get(fault)
    return None if share is None else share * (tag.range.high - tag.range.low)


def arrives(fault: str, tag: Tag, held: Scalar) -> Scalar:
    """What arrives over a wire with ``fault``; ``held`` is the value that arrived when it began."""
    boolean = tag.type.kind == "bool"
    if fault == "stuck":
        return held
    if fault in ("stuck-on", "short-circuit"):
        return True if boolean else tag.range.high
    if tag.formula is not None:
        return tag.range.low
    nothing = False if boolean else tag.from_device(0)
    assert not isinstance(nothing, str | tuple), f"{tag.name} is wired to no port"
    return nothing


class Broken(NamedTuple):
    """A fault of a wire: the value that arrived when it began, when that was, and how large it is."""

    held: Scalar
    since: int
    size: float


class Wire:
    """What sensor and actuator wires share. Of faults that exclude each other the last one shows."""

    __slots__ = ("component", "faults", "port", "tag")

    def __init__(self, tag: Tag, component: Component, port: str) -> None:
        self.tag, self.component, self.port = tag, component, port
        self.faults: dict[str, Broken] = {}

    def arriving(self) -> Scalar:
        """What arrives now."""
        raise NotImplementedError

    def begin(self, fault: str, size: float | None) -> None:
        """``fault`` begins; without a size it has its usual one."""
        usual = usual_size(fault, self.tag) or 0.0
        self.faults.pop(fault, None)  # so that it is the last one
        self.faults[fault] = Broken(self.arriving(), self.component.now, usual if size is None else size)
        self.changed()

    def end(self, fault: str) -> None:
        """``fault`` ends, if it had begun; others stay."""
        if self.faults.pop(fault, None) is not None:
            self.changed()

    def changed(self) -> None:
        """Other faults are in force."""

    def snapshot(self) -> tuple[Any, ...]:
        """What ``restore`` needs."""
        raise NotImplementedError

    def restore(self, taken: tuple[Any, ...]) -> None:
        """Return to a ``snapshot``."""
        raise NotImplementedError

    def _cut(self) -> Scalar | None:
        """What arrives whatever is at the other end; None: no fault cuts it off."""
        for fault in reversed(self.faults):
            if fault not in _SHARE:
                return arrives(fault, self.tag, self.faults[fault].held)
        return None


class SensorWire(Wire):
    """From a sensor port to a controller's input; ``signal`` is how a real one is read."""

    __slots__ = ("high", "low", "signal")

    def __init__(self, tag: Tag, component: Component, port: str, signal: Signal | None) -> None:
        super().__init__(tag, component, port)
        self.signal = signal
        self.low, self.high = tag.range

    def arriving(self) -> Scalar:
        """What the input shows now, held within the tag's range."""
        if self.faults and (cut := self._cut()) is not None:
            return cut
        value = self.component.sense(self.port)
        if isinstance(value, bool):
            return value
        further, whole = 0.0, isinstance(value, int)
        for fault, (_, since, size) in self.faults.items():
            if fault == "noise":
                further = size
            elif fault == "offset":
                value += size
            else:
                value += size * (self.component.now - since) / SECOND
        if self.signal is not None:
            value = self.signal.shows(value, self.component.now, further)
        if value < self.low or value > self.high:
            limit = self.low if value < self.low else self.high
            return int(limit) if whole else limit
        return round(value) if whole else value

    def steady(self) -> bool:
        """Whether the number stays as it is until the next event or change of an actuator."""
        if self.faults:
            if self._cut() is not None:
                return True
            if self.faults.keys() & {"noise", "drift"}:
                return False
        follows = self.signal is None or self.signal.steady(self.component.now)
        return follows and self.component.steady(self.port)

    def snapshot(self) -> tuple[Any, ...]:
        return dict(self.faults), None if self.signal is None else self.signal.snapshot()

    def restore(self, taken: tuple[Any, ...]) -> None:
        self.faults = dict(taken[0])
        if self.signal is not None:
            self.signal.restore(taken[1])


class ActuatorWire(Wire):
    """From a controller's output to an actuator port; ``value`` is what the controller last put out."""

    __slots__ = ("_given", "value")

    def __init__(self, tag: Tag, component: Component, port: str) -> None:
        super().__init__(tag, component, port)
        self.value: Scalar = False
        self._given: Scalar = False

    def arriving(self) -> Scalar:
        """What the component is given."""
        cut = self._cut() if self.faults else None
        return self.value if cut is None else cut

    def drive(self, value: Scalar) -> None:
        """The controller puts out ``value``, which is another one than before."""
        self.value = value
        if self.faults:
            self.changed()
        else:
            self._given = value
            self.component.drive(self.port, value)

    def changed(self) -> None:
        arriving = self.arriving()
        if arriving != self._given:
            self._given = arriving
            self.component.drive(self.port, arriving)

    def snapshot(self) -> tuple[Any, ...]:
        return self.value, self._given, dict(self.faults)

    def restore(self, taken: tuple[Any, ...]) -> None:
        self.value, self._given = taken[:2]
        self.faults = dict(taken[2])

"""A component: a function group of the library with parameters, reacting to signals and own events; pure.

A component declares what it has: ``PARAMS`` with unit and limits, ``WORDS`` (parameters that are names),
``PORTS`` that bind to tags (an *actuator* port takes a controller's output, a *sensor* port gives a
controller's input), ``LINKS`` to other components, and ``FAULTS`` that can be injected. It never polls:
``drive`` tells it that an actuator changed, ``on`` that an event it scheduled has come, and ``sense`` asks
what a sensor port shows now, so an analog value is computed when it is read.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import msgspec

from gateway.field.types import Scalar
from gateway.twin.chance import Distribution, Stream, seeded
from gateway.twin.kernel import Kernel
from gateway.twin.motion import MILLISECOND, SECOND, Exponential, Path, Polynomial, Segment
from gateway.twin.workpiece import Happening, Kind

if TYPE_CHECKING:  # it is one of these
    from gateway.twin.carrier import Carrier

Linked = TypeVar("Linked", bound="Component")


class Param(msgspec.Struct, frozen=True):
    """A parameter: ``unit`` (UCUM), limits, and ``default`` (None: it must be given).

    ``drawn``: it is a time that can be given as a distribution, and is drawn anew whenever it is needed.
    """

    name: str
    unit: str
    low: float
    high: float
    default: float | None = None
    about: str = ""
    drawn: bool = False


class Word(msgspec.Struct, frozen=True):
    """A parameter that is a name and no number, such as the result that a process leaves.

    In the station file it stands among the other parameters: a small letter, then also digits and ``_``.
    """

    name: str
    default: str
    about: str = ""


class Port(msgspec.Struct, frozen=True):
    """A signal to or from the controller. ``kind`` is bool, or real or int in ``unit``.

    ``low`` and ``high`` are the range of a number where the component knows it, ``safe`` what an input
    takes when nobody drives it. ``sees``: what the sensor shows depends on workpieces.
    """

    name: str
    direction: Literal["actuator", "sensor"]
    kind: Literal["bool", "real", "int"] = "bool"
    unit: str = "1"
    about: str = ""
    optional: bool = False
    low: float | None = None
    high: float | None = None
    safe: Scalar = False
    sees: bool = False


class Link(msgspec.Struct, frozen=True):
    """A named relation to another component, which must be an instance of ``family``."""

    name: str
    family: type[Component]
    optional: bool = False


class Fault(msgspec.Struct, frozen=True):
    """A fault that can be injected; ``about`` says what a person would see at the machine.

    ``size`` is how large it is, where that can be said, such as how much slower it moves.
    """

    name: str
    about: str
    size: Param | None = None


def slow(what: str) -> Fault:
    """The fault of ``what`` that takes longer than it should; see ``Component.slowness``."""
    about = f"{what} three times as long, or as many times as is said"
    return Fault("slow", about, Param("factor", "1", 1, 1_000, 3, "times as long"))


class Surroundings:
    """What a component sees of its twin: the kernel's time and queue, chance, and a place for happenings."""

    __slots__ = ("begun", "happenings", "kernel", "seed", "seen", "streams")

    def __init__(self, kernel: Kernel, seed: int = 0) -> None:
        self.kernel = kernel
        self.begun = kernel.now
        self.seed = seed
        self.streams: dict[str, Stream] = {}
        self.happenings: list[Happening] = []
        self.seen: Callable[[Happening], None] | None = None  # who is told of each at once

    def random(self, name: str) -> Stream:
        """The stream of random numbers of ``name``; it goes on where it was, also after a restore."""
        stream = self.streams.get(name)
        if stream is None:
            stream = self.streams[name] = Stream(seeded(self.seed, name))
        return stream

    def restore_chance(self, states: Mapping[str, int]) -> None:
        """Let each stream go on from where it was; others begin anew. Streams that are kept stay in use."""
        for name in self.streams.keys() - states.keys():
            self.streams[name].state = seeded(self.seed, name)
        for name, state in states.items():
            self.random(name).state = state


class Component:
    """Base of all components. ``STATE`` names the attributes that a snapshot keeps, besides ``faults``."""

    ABOUT: ClassVar[str] = ""
    PARAMS: ClassVar[tuple[Param, ...]] = ()
    WORDS: ClassVar[tuple[Word, ...]] = ()
    PORTS: ClassVar[tuple[Port, ...]] = ()
    LINKS: ClassVar[tuple[Link, ...]] = ()
    FAULTS: ClassVar[tuple[Fault, ...]] = ()
    STATE: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        name: str,
        surroundings: Surroundings,
        params: Mapping[str, float],
        links: Mapping[str, Component],
        words: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.surroundings = surroundings
        self.params = dict(params)
        self.words = {word.name: (words or {}).get(word.name, word.default) for word in self.WORDS}
        self.links = dict(links)
        self.faults: set[str] = set()
        self.drawn: dict[str, Distribution] = {}  # parameters that are drawn, by name
        self.sizes: dict[str, float] = {}  # of faults in force, in the unit that each declares

    # What a component implements.

    def start(self) -> None:
        """The twin begins, or is reset: take the initial state. All components exist by now."""

    def drive(self, port: str, value: Scalar) -> None:
        """The actuator ``port`` changed to ``value``."""
        raise AssertionError(f"{self.name} has no actuator {port}")

    def on(self, kind: str, argument: Any) -> None:
        """An event of this component has come."""
        raise AssertionError(f"{self.name} has no event {kind}")

    def sense(self, port: str) -> Scalar:
        """What the sensor ``port`` shows now."""
        raise AssertionError(f"{self.name} has no sensor {port}")

    def watched(self, port: str) -> tuple[Carrier, float] | None:
        """The carrier, and the place on it, mm: the sensor ``port`` is on while a workpiece covers that.

        None: it shows something else.
        """
        return None

    def curve(self, port: str) -> Path | None:
        """How what the real sensor ``port`` shows moves, until the next event or change of an actuator.

        A sensor with a lag follows it exactly. None: it is constant in between.
        """
        return None

    def steady(self, port: str) -> bool:
        """Whether the number that the sensor ``port`` shows stays as it is until the next event, or change of
        an actuator. Without a curve it does when nothing moves, here and in what this is linked to."""
        path = self.curve(port)
        return self._stands(set()) if path is None else path.rests(self.now)

    def fault_changed(self, fault: str, active: bool) -> None:
        """``fault`` was injected or cleared; ``self.faults`` already says so."""

    # What a component uses.

    @property
    def now(self) -> int:
        """The twin's time, ns."""
        return self.surroundings.kernel.now

    @property
    def slowness(self) -> float:
        """How many times longer it takes than it should."""
        return self.sizes.get("slow", 1.0)

    def at(self, time: int, kind: str, argument: Any = None, priority: int = 0) -> int:
        """Schedule an own event at ``time``; gives a handle for ``cancel``."""
        return self.surroundings.kernel.schedule(time, self.name, kind, argument, priority)

    def after(self, delay: int, kind: str, argument: Any = None, priority: int = 0) -> int:
        """Schedule an own event ``delay`` ns from now."""
        return self.at(self.now + delay, kind, argument, priority)

    def lasts(self, time: str) -> int:
        """The parameter ``time`` (in ms or s) this time, ns: drawn, within its limits, where it is drawn."""
        param = next(each for each in self.PARAMS if each.name == time)
        value = self.params[time]
        if time in self.drawn:
            value = self.drawn[time].draw(self.surroundings.random(f"{self.name}.{time}"))
            value = min(max(value, param.low), param.high)
        return round(value * (SECOND if param.unit == "s" else MILLISECOND))

    def cancel(self, handle: int | None) -> None:
        """Cancel an own event that has not come yet; None is nothing to cancel."""
        if handle is not None:
            self.surroundings.kernel.cancel(handle)

    def link(self, name: str, family: type[Linked]) -> Linked:
        """The linked component ``name``; ``family`` is the one declared in ``LINKS``."""
        other = self.links[name]
        assert isinstance(other, family)
        return other

    def tell(self, kind: Kind, workpiece: str, detail: str = "") -> None:
        """Say what happened to a workpiece here."""
        happening = Happening(self.now, kind, self.name, workpiece, detail)
        self.surroundings.happenings.append(happening)
        if self.surroundings.seen is not None:
            self.surroundings.seen(happening)

    def _stands(self, asked: set[str]) -> bool:
        """Whether every quantity in the state of this component and of what it is linked to rests."""
        asked.add(self.name)
        now = self.now
        for key in self.STATE:
            value = getattr(self, key)
            if type(value) not in _PLAIN and not all(each.rests(now) for each in _quantities(value)):
                return False
        return all(other._stands(asked) for other in self.links.values() if other.name not in asked)

    def snapshot(self) -> dict[str, Any]:
        """The attributes named in ``STATE`` and the faults in force; plain data, copied."""
        kept = {"faults": set(self.faults), "sizes": dict(self.sizes)}
        return kept | {key: copy.deepcopy(getattr(self, key)) for key in self.STATE}

    def restore(self, taken: Mapping[str, Any]) -> None:
        """Return to a ``snapshot``."""
        for key, value in taken.items():
            setattr(self, key, copy.deepcopy(value))


_PLAIN = frozenset((bool, int, float, str, type(None)))


def _quantities(value: object) -> Iterator[Path | Segment]:
    """What moves in an attribute's ``value``, also within collections and structs."""
    if isinstance(value, Path | Polynomial | Exponential):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _quantities(getattr(value, name))
    elif isinstance(value, list | tuple | dict):
        for each in value.values() if isinstance(value, dict) else value:
            if not isinstance(each, Component):
                yield from _quantities(each)

"""What a station is expected to do, with limits declared before anything is measured; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from gateway.checked import wrong_of
from gateway.field.referring import check_ref
from gateway.field.tags import Complain, Ref, Tag, TagRef, read_ref
from gateway.field.types import Value
from gateway.scalar import Text
from gateway.twin.carrier import Carrier
from gateway.twin.faults import check_fault
from gateway.twin.library import ComponentSpec
from gateway.units import duration
from gateway.yamlfile import boolean

Duration = Annotated[int, duration]
HOLD = 200_000_000  # ns, where a scenario does not say


class ExpectEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """``tag`` becomes a value within a time, and not before another."""

    tag: Ref
    becomes: Text
    within: Duration
    after: Duration = 0
    tolerance: float | None = None
    hold: Duration | None = None
    line: int = 0


class NeverEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """``tag`` must not be ``becomes`` (after the fault, where one is injected)."""

    tag: Ref
    becomes: Text
    line: int = 0


class ScenarioEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """A sequence or an interlock as the station file has it; see ``Scenario``."""

    title: str
    steps: list[ExpectEntry]
    set: dict[str, Text] = {}
    place: str | None = None
    inject: list[Text] = []
    expect: list[ExpectEntry] = []
    never: list[NeverEntry] = []
    hold: Duration = HOLD
    recover: list[ExpectEntry] = []
    mode: Literal["automatic", "manual"] = "automatic"
    line: int = 0
    name: str = ""


class Expect(msgspec.Struct, frozen=True):
    """``ref`` becomes ``value`` (within ± ``tolerance`` for a number) between ``after`` and ``within`` ns.

    ``hold`` is how long it stays so at least; None: to the end of the scenario.
    """

    ref: TagRef
    value: Value
    tolerance: float
    after: int
    within: int
    hold: int | None = None

    def __str__(self) -> str:
        return f"{self.ref} becomes {show(self.value)}"


class Never(msgspec.Struct, frozen=True):
    """``ref`` is never ``value``."""

    ref: TagRef
    value: Value


class Scenario(msgspec.Struct, frozen=True):
    """A thing the station does, with limits declared before it is measured.

    ``set`` holds inputs for its time; ``place`` puts a workpiece onto that carrier's inlet; ``steps``
    follow in order, each timed from the one before. An interlock then injects ``inject`` and expects
    ``expect``, each timed from the injection, in whatever order they come. For ``hold`` ns more it is
    watched: what was expected (of a sequence the last step) stays. ``never`` must not occur in all that time
    (after the injection, if any).

    Where there is a ``recover``, the faults then go away, what was expected stays until it is acknowledged,
    and each of ``recover`` follows, timed from the acknowledgement, and stays for ``hold``. ``mode`` is the
    one in which all this is done.
    """

    name: str
    title: str
    set: tuple[tuple[TagRef, Value], ...]
    place: str | None
    steps: tuple[Expect, ...]
    inject: tuple[str, ...]
    expect: tuple[Expect, ...]
    never: tuple[Never, ...]
    line: int
    hold: int = HOLD
    recover: tuple[Expect, ...] = ()
    mode: Literal["automatic", "manual"] = "automatic"

    @property
    def tail(self) -> int:
        """How long to watch on after all came about, ns."""
        return max([self.hold, *(each.hold or 0 for each in (*self.steps[-1:], *self.expect, *self.recover))])


def show(value: Value) -> str:
    """A value as people read it."""
    if isinstance(value, tuple):
        return f"[{', '.join(show(each) for each in value)}]"
    if isinstance(value, str):
        return repr(value)
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


class Checker:
    """Checks scenarios against the station's tags and twin; ``manual`` and ``acknowledge`` are its own."""

    def __init__(
        self,
        tags: Mapping[str, Tag],
        twin: Mapping[str, ComponentSpec],
        complain: Complain,
        manual: TagRef | None = None,
        acknowledge: TagRef | None = None,
    ) -> None:
        self.tags, self.twin, self.complain = tags, twin, complain
        self.manual, self.acknowledge = manual, acknowledge

    def check(self, entry: ScenarioEntry, interlock: bool) -> Scenario:
        where = entry.name
        if interlock and not (entry.inject and entry.expect):
            self.complain(entry.line, f"{where}: an interlock needs inject and expect", "add what is missing")
        if not interlock and not entry.steps:
            self.complain(entry.line, f"{where}: a sequence needs steps", "say what becomes what, in order")
        if not interlock and (entry.inject or entry.expect or entry.recover):
            self.complain(entry.line, f"{where}: a sequence injects nothing", "put it under interlocks")
        if entry.place is not None and not carries(entry.place, self.twin):
            self.complain(
                entry.line, f"{where}: place {entry.place!r} is no carrier", "name one, such as a belt"
            )
        if entry.recover and self.acknowledge is None:
            hint = "name the input that acknowledges, such as acknowledge: command.1"
            self.complain(entry.line, f"{where}: recover: the station has no acknowledge", hint)
        if entry.mode == "manual" and self.manual is None:
            hint = "name the input that chooses it, such as manual: command.0"
            self.complain(entry.line, f"{where}: mode: the station has no manual mode", hint)
        for fault in entry.inject:
            what, _, hint = check_fault(fault.text, self.twin, self.tags).partition("; ")
            if what:
                self.complain(fault.line, f"{where}: inject {what}", hint)
        held: list[tuple[TagRef, Value]] = []
        for name, text in entry.set.items():
            try:
                ref = read_ref(name)
            except ValueError as error:
                what, _, hint = str(error).partition("; ")
                self.complain(text.line, f"{where}: set {what}", hint)
                continue
            held.append((ref, self.held(ref, text, f"{where}: set")))
        return Scenario(
            entry.name, entry.title, tuple(held), entry.place,
            tuple(self.expect(each, where) for each in entry.steps),
            tuple(each.text for each in entry.inject),
            tuple(self.expect(each, where) for each in entry.expect),
            tuple(Never(n.tag, self.value(n.tag, n.becomes, f"{where}: never")) for n in entry.never),
            entry.line, entry.hold, tuple(self.expect(each, where) for each in entry.recover), entry.mode,
        )  # fmt: skip

    def held(self, ref: TagRef, text: Text, where: str) -> Value:
        """A value that an input is to be held at."""
        value = self.value(ref, text, where)
        tag = self.tags.get(ref.tag)
        if tag is None:
            return value
        if tag.direction != "input":
            self.complain(text.line, f"{where} {ref} is an output", "only inputs can be held")
        elif not isinstance(value, bool) and not tag.part(ref).in_range(value):
            self.complain(
                text.line,
                f"{where} {ref}: {text.text} is outside its range",
                f"give {tag.range.low:g}..{tag.range.high:g}",
            )
        return value

    def expect(self, entry: ExpectEntry, where: str) -> Expect:
        value = self.value(entry.tag, entry.becomes, where)
        if entry.after > entry.within:
            self.complain(entry.line, f"{where}: {entry.tag}: after is later than within", "swap them")
        tolerance = entry.tolerance
        if tolerance is not None and tolerance < 0:
            self.complain(entry.line, f"{where}: {entry.tag}: tolerance {tolerance:g}", "give 0 or more")
        if tolerance is None:
            tag = self.tags.get(entry.tag.tag)
            tolerance = tag.resolution if tag is not None and not isinstance(value, bool) else 0.0
        return Expect(entry.tag, value, tolerance, entry.after, entry.within, entry.hold)

    def value(self, ref: TagRef, text: Text, where: str) -> Value:
        tag = check_ref(ref, self.tags, text.line, where, self.complain)
        if tag is None:
            return False
        try:
            if ref.bit >= 0:
                return boolean(text.text)
            return tag.part(ref).parse(text.text)
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            self.complain(text.line, f"{where}: {ref}: {what}", hint)
            return False


def carries(name: str, twin: Mapping[str, ComponentSpec]) -> bool:
    """Whether ``name`` is a component that workpieces stand on; one that is wrong itself is taken for it."""
    return name in wrong_of(twin) or (name in twin and issubclass(twin[name].family, Carrier))

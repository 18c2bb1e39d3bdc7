"""The write gate: nothing out when closed, everything when open, exactly the safe values when it closes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.cell.gate import Gate
from gateway.field.addresses import parse_address
from gateway.field.tags import Range, Tag, TagRef
from gateway.field.types import TYPES, Value

SAFE: dict[str, Value] = {"door": True, "speed": 3, "command": 0}


def tag(name: str, kind: str, index: int) -> Tag:
    held = TYPES[kind]
    return Tag(
        name, "plc", "input", held, parse_address("modbus", f"hr:{index}"), f"hr:{index}",
        Range(held.low, held.high), None, "1", SAFE[name], None, None, "", index + 1,
    )  # fmt: skip


TAGS = {
    each.name: each for each in (tag("door", "BOOL", 0), tag("speed", "INT", 1), tag("command", "WORD", 2))
}
WANTED = st.fixed_dictionaries(
    {"door": st.booleans(), "speed": st.integers(-5, 5), "command": st.integers(0, 65535)}
)


def test_what_the_device_holds_is_not_written_again() -> None:
    gate = Gate(TAGS)
    gate.open()
    first = gate.writes(0, {**SAFE, "speed": 7})
    assert first == {**SAFE, "speed": 7}
    gate.took(first)
    assert gate.writes(0, {**SAFE, "speed": 7}) == {}
    assert gate.writes(0, {**SAFE, "speed": 8}) == {"speed": 8}
    gate.forget()
    assert gate.writes(0, {**SAFE, "speed": 7}) == first


def test_values_under_way_when_the_lease_went_do_not_pass_for_safe_ones() -> None:
    gate = Gate(TAGS)
    gate.open()
    under_way = gate.writes(0, {"door": False, "speed": 7, "command": 9})
    gate.make_safe()
    gate.took(under_way)
    assert gate.state == "safing"
    assert gate.writes(0, under_way) == SAFE
    gate.took(SAFE)
    assert gate.state == "closed"


def test_part_of_the_safe_values_is_not_the_safe_state() -> None:
    gate = Gate(TAGS)
    gate.open()
    gate.make_safe()
    gate.took({"door": True, "speed": 3})
    assert gate.state == "safing"
    assert gate.writes(0, {}) == {"command": 0}


def test_a_station_without_inputs_is_safe_at_once() -> None:
    gate = Gate({})
    gate.open()
    gate.make_safe()
    gate.took({})
    assert gate.state == "closed"


@given(WANTED, st.integers(0, 65535), st.integers(0, 15), st.booleans())
def test_forces_lie_over_what_is_wanted(wanted: dict[str, Any], whole: int, bit: int, part: bool) -> None:
    gate = Gate(TAGS)
    gate.forces[TagRef("command")] = whole
    gate.forces[TagRef("command", bit)] = part
    gate.forces[TagRef("door")] = False
    forced = gate.forced(dict(wanted))
    assert forced["speed"] == wanted["speed"]
    assert forced["door"] is False
    assert bool(forced["command"] >> bit & 1) is part
    assert forced["command"] & ~(1 << bit) == whole & ~(1 << bit)


class Gates(RuleBasedStateMachine):
    """The gate with a device whose connection comes and goes, and which takes writes whole or not at all."""

    @initialize()
    def start(self) -> None:
        self.gate = Gate(TAGS)
        self.device: dict[str, Value] = {}
        self.under_way: dict[str, Value] = {}
        self.drove: set[str] = set()

    @rule()
    def open(self) -> None:
        self.gate.open()

    @rule(ref=st.sampled_from([TagRef("speed"), TagRef("command", 3), TagRef("door")]), value=st.booleans())
    @precondition(lambda self: self.gate.state == "open")
    def force(self, ref: TagRef, value: bool) -> None:
        self.gate.forces[ref] = value

    @rule()
    @precondition(lambda self: self.gate.state == "open")
    def lose_the_lease(self) -> None:
        self.gate.make_safe()

    @rule()
    def lose_the_connection(self) -> None:
        self.device.clear()
        self.under_way = {}
        self.gate.forget()

    @rule(wanted=WANTED)
    @precondition(lambda self: not self.under_way)
    def send(self, wanted: dict[str, Value]) -> None:
        state = self.gate.state
        self.under_way = self.gate.writes(0, self.gate.forced(wanted))
        if state == "closed":
            assert self.under_way == {}
        if state == "safing":
            assert self.under_way.items() <= SAFE.items()

    @rule()
    def arrive(self) -> None:
        before, state = dict(self.device), self.gate.state
        self.device.update(self.under_way)
        self.gate.took(self.under_way)
        self.under_way = {}
        if state == "closed":
            assert self.device == before or self.gate.state == "closed"
        if state == "safing" and self.gate.state == "closed":
            assert self.device == SAFE

    @invariant()
    def no_force_outlives_the_lease(self) -> None:
        if hasattr(self, "gate") and self.gate.state != "open":
            assert not self.gate.forces


TestGates = Gates.TestCase

"""The write gate: nothing out when closed, everything when open, exactly the safe values when it closes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.cell.gate import Gate
from gateway.field.addresses import parse_address
from gateway.field.tags import Range, Tag, TagRef
from gateway.field.types import TYPES, Value

MS, SECOND = 1_000_000, 1_000_000_000
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


def test_a_refused_safe_value_keeps_it_safing_and_is_tried_again_less_and_less_often() -> None:
    gate = Gate(TAGS)
    gate.open()
    gate.make_safe()
    tried = []
    for now in range(0, 4 * SECOND, 10 * MS):
        writes = gate.writes(now, {})
        if "speed" in writes:
            tried.append(now // MS)
            gate.refuse(["speed"], now)
        gate.took({name: value for name, value in writes.items() if name != "speed"})
        assert gate.state == "safing"
        assert gate.undriven() == ["speed"]
    assert tried == [0, 100, 300, 700, 1500, 2500, 3500]
    assert gate.undriven({"plc"}) == []
    gate.took(gate.writes(4_500 * MS, {}))
    assert gate.state == "closed"


def test_open_a_refused_value_is_tried_again_and_another_one_at_once() -> None:
    gate = Gate(TAGS)
    gate.open()
    gate.took(gate.writes(0, SAFE))
    wanted = {**SAFE, "speed": 7}
    assert gate.writes(10 * MS, wanted) == {"speed": 7}
    gate.refuse(["speed"], 10 * MS)
    assert gate.writes(100 * MS, wanted) == {}
    assert gate.writes(100 * MS, {**wanted, "speed": 8}) == {"speed": 8}
    assert gate.writes(110 * MS, SAFE) == {"speed": 3}, "what the device holds now is not known"
    assert gate.writes(110 * MS, wanted) == {"speed": 7}
    gate.took({"speed": 7})
    assert not gate.refused
    assert gate.writes(SECOND, wanted) == {}


def test_what_is_tried_again_keeps_nobody_waiting_for_the_rate() -> None:
    gate = Gate(TAGS, rate=10)  # one at a time
    gate.open()
    for now, name in enumerate(SAFE):
        assert gate.writes(now * 100 * MS, {name: SAFE[name]})
        gate.took({name: SAFE[name]}) if name != "speed" else gate.refuse(["speed"], now * 100 * MS)
    assert gate.writes(SECOND, {**SAFE, "command": 9}) == {"command": 9}
    assert not gate.waiting
    gate.took({"command": 9})
    assert gate.writes(2 * SECOND, {**SAFE, "command": 9}) == {"speed": 3}


def test_a_safe_value_that_makes_no_number_now_keeps_it_safing() -> None:
    known: set[str] = set()

    def turned(values: Mapping[str, Value]) -> Mapping[str, Value]:
        return {name: value for name, value in values.items() if name != "speed" or known}

    gate = Gate(TAGS, turned)
    gate.make_safe()
    gate.took(gate.writes(0, {}))
    assert (gate.state, gate.undriven(), gate.unknown()) == ("safing", ["speed"], ["speed"])
    known.add("zero")
    assert gate.writes(0, {}) == {"speed": 3}
    gate.took({"speed": 3})
    assert gate.state == "closed"


def test_what_goes_to_rest_comes_first_and_what_is_written_once_more_is_beside_the_rate() -> None:
    gate = Gate(TAGS, rate=10, resting=("speed",))
    gate.open()
    for now, name in enumerate(SAFE):
        gate.took(gate.writes(now * 100 * MS, {name: 1}))
    assert gate.again(["speed", "door"]) == {"speed": 1, "door": 1}
    assert gate.writes(SECOND, {"door": 0, "command": 5, "speed": 3}) == {"speed": 3}
    gate.took({"speed": 3})
    assert gate.waiting.keys() == {"door", "command"}
    assert gate.again(["speed"]) == {}, "it is written just now"
    assert gate.writes(2 * SECOND, {"door": 0, "command": 5, "speed": 4}) == {"door": 0}


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
        self.now = 0
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
        self.under_way = self.gate.writes(self.now, self.gate.forced(wanted))
        if state == "closed":
            assert self.under_way == {}
        if state == "safing":
            assert self.under_way.items() <= SAFE.items()

    @rule(after=st.integers(0, 2_000), refused=st.sets(st.sampled_from(sorted(SAFE))))
    def arrive(self, after: int, refused: set[str]) -> None:
        before, state = dict(self.device), self.gate.state
        taken = {name: value for name, value in self.under_way.items() if name not in refused}
        self.device.update(taken)
        self.gate.refuse(self.under_way.keys() - taken.keys(), self.now)
        self.gate.took(taken)
        self.under_way = {}
        self.now += after * MS
        if state == "closed":
            assert self.device == before or self.gate.state == "closed"
        if state == "safing" and self.gate.state == "closed":
            assert self.device == SAFE

    @invariant()
    def no_force_outlives_the_lease(self) -> None:
        if hasattr(self, "gate") and self.gate.state != "open":
            assert not self.gate.forces


TestGates = Gates.TestCase

"""What of two controllers' outputs is a parting: pulses, numbers, late scans, losses, drifted memories."""

from __future__ import annotations

from collections.abc import Mapping

from beside_bench import line_number
from starter_harness import line, source

from gateway.controller.beside import CYCLE, GRACE, REST, Beside, Parting
from gateway.controller.compile import compile_program
from gateway.controller.devices import VirtualDevices
from gateway.field.types import Value
from gateway.station import Station


class Hand:
    """The glue station's program beside one that runs the same, or another."""

    def __init__(self, changed: str = "", scans: int = 3) -> None:
        self.station: Station = line().stations["glue"].station
        self.period = self.station.scan
        self.beside = Beside(self.station, compile_program(source("glue"), "glue.st", writers=True), scans)
        self.real = VirtualDevices(self.station, compile_program(changed or source("glue")))
        self.now = 1_000_000_000
        self.told: list[Parting] = []
        self.shown: dict[str, Value] = {}
        self.inputs: dict[str, Value] = {tag.name: tag.safe for tag in self.station.inputs}
        self.inputs |= {"lift-down": True, "door-closed": True, "air-ok": True}
        self.written: dict[str, Value] = {}

    def scans(self, count: int, over: Mapping[str, Value] | None = None, **inputs: Value) -> list[Parting]:
        """What is told in ``count`` scans with ``inputs``; ``over`` is what the real one shows in place."""
        self.inputs |= {name.replace("_", "-"): value for name, value in inputs.items()}
        told: list[Parting] = []
        for _ in range(count):
            self.now += self.period
            changed = {n: value for n, value in self.inputs.items() if self.written.get(n) != value}
            self.beside.scan(self.now, changed)
            self.real.write(changed)
            self.written |= changed
            told += self.beside.look(self.now, self.shown | dict(over or {}))
            self.real.scan(self.now)
            self.shown |= self.real.read()
        self.told += told
        return told

    def in_step(self) -> Hand:
        self.scans(REST // self.period + 5)
        assert self.beside.in_step
        assert not self.told
        return self


def test_nothing_is_said_before_every_input_is_known() -> None:
    hand = Hand()
    del hand.inputs["door-closed"]
    hand.scans(300, over={"take": True})
    assert not hand.beside.in_step
    assert hand.scans(300, over={"take": True}, door_closed=True) == []  # not in step yet
    told = hand.scans(GRACE // hand.period, over={"take": True})
    assert [each.tag for each in told] == ["take"]


def test_a_pulse_that_both_show_is_none_and_one_of_one_side_alone_is() -> None:
    hand = Hand().in_step()
    hand.scans(20, command=1)  # manual
    hand.scans(4, command=1 | 1 << 4)
    assert hand.scans(20, command=1) == []
    hand.scans(4, over={"belt-run": True})
    told = hand.scans(20)
    assert [(each.tag, each.virtual, each.real) for each in told] == [("belt-run", False, True)]
    assert told[0].end == told[0].begin + 4 * hand.period
    assert told[0].line == line_number("glue", "BeltRun := Command.4")


def test_a_pulse_shorter_than_the_tolerance_may_be_missed_by_one_side() -> None:
    hand = Hand().in_step()
    hand.scans(2, over={"lamp-fault": True})
    assert hand.scans(20) == []


def test_a_parting_is_told_when_it_begins_and_when_it_ends() -> None:
    hand = Hand().in_step()
    begun = hand.scans(10, over={"lift-raise": True})
    assert [(each.tag, each.virtual, each.real, each.end) for each in begun] == [
        ("lift-raise", False, True, None)
    ]
    assert hand.beside.present == begun
    ended = hand.scans(10)
    assert [(each.tag, each.begin) for each in ended] == [("lift-raise", begun[0].begin)]
    assert ended[0].end is not None
    assert hand.beside.present == []


def test_numbers_part_by_more_than_a_hundredth_of_their_range() -> None:
    hand = Hand().in_step()
    assert hand.scans(10, over={"axis-target": 3.9}) == []
    assert [each.tag for each in hand.scans(10, over={"axis-target": 4.1})] == ["axis-target"]


def test_a_scan_that_came_late_makes_the_tolerance_longer_for_a_minute() -> None:
    hand = Hand().in_step()
    hand.now += 20 * hand.period  # nothing ran
    hand.scans(1)
    assert hand.scans(50, over={"lift-raise": True}) == []
    hand.scans(100)
    hand.scans(60_000_000_000 // hand.period)
    assert [each.tag for each in hand.scans(10, over={"lift-raise": True})] == ["lift-raise"]


def test_scans_that_were_left_out_are_made_up_for() -> None:
    hand = Hand().in_step()
    hand.scans(5, part_present=True)  # LIFTING: a fault after 600 ms
    real = hand.real
    for _ in range(30):  # the gateway stands still, the controller goes on
        hand.now += hand.period
        real.scan(hand.now)
    hand.scans(60)
    assert hand.shown["lamp-fault"] is True
    assert hand.told == []


def test_after_a_loss_nothing_is_said_until_they_are_in_step_again() -> None:
    hand = Hand().in_step()
    hand.scans(10, over={"lift-raise": True})
    ended = hand.beside.lost(hand.now)
    assert [(each.tag, each.end) for each in ended] == [("lift-raise", hand.now)]
    assert not hand.beside.in_step
    hand.written.clear()  # what is connected anew is written anew
    assert hand.scans(20, over={"lift-raise": True}) == []
    told = hand.scans(GRACE // hand.period, over={"lift-raise": True})
    assert [each.tag for each in told] == ["lift-raise"]


def test_what_differs_before_they_are_in_step_is_told_by_nothing() -> None:
    hand = Hand()
    hand.scans(100, over={"take": False})
    assert hand.told == []
    assert not hand.beside.in_step
    assert hand.beside.present == []  # what the heartbeat says
    assert hand.beside.lost(hand.now) == []


def test_where_memories_drifted_apart_a_fresh_run_takes_over_at_rest() -> None:
    hand = Hand().in_step()
    # Only the virtual one hears that a part came, and lifts it.
    hand.now += hand.period
    hand.beside.scan(hand.now, {"part-present": True})
    hand.beside.look(hand.now, {})
    hand.now += hand.period
    hand.beside.scan(hand.now, {"part-present": False})
    hand.beside.look(hand.now, {})
    hand.scans(20)
    assert {each.tag for each in hand.beside.present} >= {"lift-raise", "take"}
    hand.scans(2 * REST // hand.period)
    assert hand.beside.present == []
    assert hand.beside.in_step
    assert hand.scans(100, command=1) == []


def test_a_program_that_faults_names_the_line_of_the_fault() -> None:
    wrong = "State := 1 / State;"
    text = source("glue").replace("SeenCommand := Command;", wrong)
    hand = Hand()
    hand.beside = Beside(hand.station, compile_program(text, "glue.st", writers=True))
    told = hand.scans((GRACE + 2 * REST) // hand.period)
    assert {each.tag for each in told} >= {"take", "belt-run"}
    assert {(each.file, each.line) for each in told} == {("glue.st", text.splitlines().index(wrong) + 1)}


def test_in_shadow_it_begins_with_what_the_real_one_reads() -> None:
    hand = Hand()
    hand.beside = Beside(hand.station, compile_program(source("glue"), "glue.st", writers=True), early=False)
    hand.real.write(hand.inputs)  # it has been at work for long
    for _ in range(100):
        hand.now += hand.period
        hand.beside.scan(hand.now, {})  # nothing was read yet
        assert hand.beside.look(hand.now, {}) == []
        hand.real.scan(hand.now)
    hand.shown |= hand.real.read()
    assert hand.shown["take"] is True
    hand.scans((CYCLE - REST) // hand.period)
    assert not hand.beside.in_step  # they may look the same by accident
    hand.scans(2 * REST // hand.period)
    assert hand.beside.in_step
    assert hand.told == []


def test_a_long_tolerance_does_not_hide_that_they_are_not_in_step() -> None:
    hand = Hand()
    hand.scans(5, over={"lift-raise": True})
    hand.now += 40 * hand.period  # one late scan: the tolerance is longer than what counts as rest
    assert hand.scans(3 * REST // hand.period, over={"lift-raise": True}) == []
    assert not hand.beside.in_step
    hand.scans(5 * REST // hand.period)
    assert hand.beside.in_step
    assert hand.told == []


def in_shadow() -> Hand:
    """In step, in shadow."""
    hand = Hand()
    hand.beside = Beside(hand.station, compile_program(source("glue"), "glue.st", writers=True), early=False)
    hand.scans((CYCLE + REST) // hand.period)
    assert hand.beside.in_step
    return hand


def test_in_shadow_what_parts_around_a_late_scan_is_in_doubt_and_so_is_what_follows() -> None:
    hand = in_shadow()
    hand.now += 4 * hand.period  # nobody looked
    hand.scans(20)
    hand.scans(30, over={"lift-raise": True})
    hand.scans(30, over={"lift-raise": True, "lamp-fault": True})
    assert [(each.tag, each.after, each.late) for each in hand.told] == [
        ("lift-raise", "", 5 * hand.period),
        ("lamp-fault", "lift-raise", 5 * hand.period),
    ]
    ended = hand.scans(20)
    assert [each.late for each in ended] == [5 * hand.period] * 2


def test_what_parts_long_after_a_late_scan_is_in_no_doubt() -> None:
    hand = in_shadow()
    hand.now += 4 * hand.period
    hand.scans((CYCLE + REST) // hand.period)
    told = hand.scans(30, over={"lift-raise": True})
    assert [(each.tag, each.late) for each in told] == [("lift-raise", 0)]


def test_where_the_gateway_writes_what_is_read_a_late_scan_leaves_no_doubt() -> None:
    hand = Hand().in_step()
    hand.now += 4 * hand.period
    hand.scans(20)
    told = hand.scans(30, over={"lift-raise": True})
    assert [(each.tag, each.late) for each in told] == [("lift-raise", 0)]

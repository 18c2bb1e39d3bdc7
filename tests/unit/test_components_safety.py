"""Doors, stops, curtains, relay and panel: what each shows, and that the relay cuts the power it gives."""

from __future__ import annotations

import pytest
from twin_bench import Bench

from gateway.twin.component import Component
from gateway.twin.components.drives import LinearAxis
from gateway.twin.components.panel import Button, Lamp, OperatorPanel, Selector, StackLight
from gateway.twin.components.safety import (
    Door,
    EmergencyStop,
    LightCurtain,
    LockedDoor,
    SafetyRelay,
    TwoHand,
)


def test_a_locked_door_opens_only_unlocked() -> None:
    bench = Bench()
    door = bench.add(LockedDoor, {"bolt": 60})
    bench.fault(door, "open")
    assert (door.sense("closed"), door.sense("locked")) == (True, True)
    door.drive("unlock", True)
    bench.to(59)
    assert door.sense("locked") is True
    bench.to(61)
    assert (door.sense("closed"), door.sense("locked")) == (False, False)  # still pulled at
    door.drive("unlock", False)
    bench.to(500)
    assert door.sense("locked") is False  # an open door cannot lock
    bench.fault(door, "open", False)
    bench.to(559)
    assert (door.sense("closed"), door.sense("locked")) == (True, False)
    bench.to(561)
    assert door.sense("locked") is True


def test_force_opens_a_locked_door_and_a_stuck_bolt_keeps_its_place() -> None:
    bench = Bench()
    door = bench.add(LockedDoor)
    bench.fault(door, "forced")
    assert (door.sense("closed"), door.sense("locked"), door.safe) == (False, False, False)
    other = bench.add(LockedDoor)
    bench.fault(other, "bolt-stuck")
    other.drive("unlock", True)
    bench.to(1_000)
    assert other.sense("locked") is True


def test_an_emergency_stop_has_two_channels() -> None:
    bench = Bench()
    stop = bench.add(EmergencyStop)
    assert (stop.sense("ok"), stop.sense("ok-2")) == (True, True)
    bench.fault(stop, "channel")
    assert (stop.sense("ok"), stop.sense("ok-2"), stop.safe) == (False, True, False)
    bench.fault(stop, "pressed")
    assert (stop.sense("ok"), stop.sense("ok-2")) == (False, False)


def test_a_muted_curtain_may_be_interrupted() -> None:
    bench = Bench()
    curtain = bench.add(LightCurtain)
    bench.fault(curtain, "interrupted")
    assert curtain.sense("free") is False
    curtain.drive("mute", True)
    assert curtain.sense("free") is True
    bench.fault(curtain, "soiled")
    assert (curtain.sense("free"), curtain.sense("dirty")) == (True, True)


def test_two_hands_press_one_button_each() -> None:
    bench = Bench()
    hands = bench.add(TwoHand)
    bench.fault(hands, "press-left")
    assert (hands.sense("left"), hands.sense("right")) == (True, False)


@pytest.mark.parametrize(
    ("family", "fault"),
    [(EmergencyStop, "pressed"), (EmergencyStop, "channel"), (Door, "open"), (LightCurtain, "interrupted")],
)
def test_a_relay_drops_out_in_its_time_and_waits_for_its_reset(family: type[Component], fault: str) -> None:
    bench = Bench()
    guard = bench.add(family)
    relay = bench.add(SafetyRelay, {"drop-out": 15}, watches=guard)
    axis = bench.add(LinearAxis, {"speed": 500, "acceleration": 5_000, "high": 400}, power=relay)
    axis.drive("enable", True)
    axis.drive("target", 300.0)
    assert relay.sense("ok") is True
    bench.to(100)
    bench.fault(guard, fault)
    bench.to(101)
    bench.fault(guard, fault, False)  # a short opening counts
    bench.to(114)
    assert relay.sense("ok") is True
    bench.to(116)
    assert (relay.sense("ok"), axis.sense("ready")) == (False, False)
    bench.fault(guard, fault)
    relay.drive("reset", True)
    assert relay.sense("ok") is False
    bench.fault(guard, fault, False)
    bench.to(5_000)
    assert relay.sense("ok") is False  # the reset must rise when all is safe
    relay.drive("reset", False)
    relay.drive("reset", True)
    assert (relay.sense("ok"), axis.sense("ready")) == (True, True)
    bench.to(9_000)
    assert axis.sense("in-position") is True


def test_a_self_resetting_relay_comes_back_and_a_failed_one_does_not() -> None:
    bench = Bench()
    stop, door = bench.add(EmergencyStop), bench.add(Door)
    links: dict[str, Component] = {"watches": stop, "watches-2": door}
    relay = bench.add(SafetyRelay, {"self-resetting": 1}, **links)
    bench.fault(stop, "pressed")
    bench.fault(door, "open")
    bench.to(100)
    bench.fault(stop, "pressed", False)
    assert relay.sense("ok") is False
    bench.fault(door, "open", False)
    assert relay.sense("ok") is True
    bench.fault(relay, "failed")
    bench.to(200)
    relay.drive("reset", True)
    assert relay.sense("ok") is False


def test_buttons_selectors_and_lamps() -> None:
    bench = Bench()
    button, selector, lamp = bench.add(Button), bench.add(Selector), bench.add(Lamp)
    assert button.sense("pressed") is False
    bench.fault(button, "press")
    assert button.sense("pressed") is True
    assert (selector.sense("automatic"), selector.sense("manual")) == (True, False)
    bench.fault(selector, "turn")
    assert (selector.sense("automatic"), selector.sense("manual")) == (False, True)
    bench.fault(selector, "between")
    assert (selector.sense("automatic"), selector.sense("manual")) == (False, False)
    lamp.drive("on", True)
    assert lamp.sense("lit") is True
    bench.fault(lamp, "broken")
    assert lamp.sense("lit") is False


def test_a_panel_says_the_recipe_and_keeps_what_it_shows() -> None:
    bench = Bench()
    panel, light = bench.add(OperatorPanel, {"recipe": 7}), bench.add(StackLight)
    panel.drive("message", 12)
    light.drive("red", True)
    light.drive("green", True)
    light.drive("green", False)
    assert (panel.sense("recipe"), panel.shown, light.lit) == (7, {"message": 12}, {"red"})
    bench.fault(panel, "wrong-recipe")
    assert panel.sense("recipe") == 8

"""The safe state in words: what stands in its way is told once, and when it is driven."""

from __future__ import annotations

from cell_support import BELT

from gateway.cell.gate import Gate
from gateway.cell.safing import Safing


def test_what_is_refused_is_told_once_for_each_time_that_the_safe_state_is_driven() -> None:
    told: list[str] = []
    gate = Gate({tag.name: tag for tag in BELT.inputs})
    safing, first = Safing(gate, told.append), "not driven yet, and tried again: ok is refused: read-only"
    for _ in range(2):
        gate.open()
        safing.look({"ok": "read-only"}, {})
        assert not told, "it is not being driven"
        gate.make_safe()
        gate.writes(0, {})
        gate.refuse(["ok"], 0)
        for _ in range(2):
            safing.look({"ok": "read-only"}, {})
        assert told == [first]
        told.clear()
    gate.writes(1, {})
    gate.refuse(["next"], 1)
    safing.look({"ok": "read-only"}, {})
    assert told == ["not driven yet, and tried again: next is refused; ok is refused: read-only"]


def test_that_it_is_driven_is_told_once_with_what_is_refused() -> None:
    told: list[str] = []
    safing = Safing(Gate({tag.name: tag for tag in BELT.inputs}), told.append)
    safing.end({"next": ""})
    assert not told
    safing.driven = True
    safing.end({"next": "", "no-input": ""})
    safing.end({})
    assert told == ["the safe state is driven, but for what the controller refuses: next"]

"""Which devices are connected: said as that changes, and nothing else."""

from __future__ import annotations

import msgspec
from cell_support import BELT

from gateway.cell.connected import Connected
from gateway.station import Device

PLC = BELT.controller
DEVICES: dict[str, Device] = {PLC.name: PLC, "io": msgspec.structs.replace(PLC, name="io", role="coupler")}


def test_a_device_that_comes_or_goes_is_told_once_with_the_reason() -> None:
    told: list[str] = []
    connected = Connected(DEVICES, told.append)
    assert connected.lost.keys() == DEVICES.keys(), "nothing was heard of any"
    assert connected.see(True, {}) == []
    assert connected.all
    assert told == ["the controller is connected", "device io is connected"]
    told.clear()
    assert connected.see(True, {"io": "no answer"}) == ["io"]
    assert connected.see(True, {"io": "still none"}) == []
    assert told == ["device io is not connected: no answer"]
    assert not connected.all


def test_without_a_link_all_are_lost() -> None:
    connected = Connected(DEVICES, lambda text: None)
    connected.see(True, {})
    assert connected.see(False, {}) == list(DEVICES)
    assert connected.lost == dict.fromkeys(DEVICES, "")

"""A virtual controller wired to a real plant: sensors come to the addresses of tags, outputs to actuators."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.controller.compile import compile_program
from gateway.controller.mapping import Loopback
from gateway.controller.runtime import VirtualController
from gateway.controller.wires import TAKES, TURN, Wires
from gateway.station import Station, load_station
from gateway.terminals import mirrored

STATIONS = Path(__file__).resolve().parents[2] / "config" / "stations"


def wired(name: str, *following: str) -> tuple[Station, VirtualController, Wires]:
    station = load_station(STATIONS / f"{name}.yaml")
    path = station.program_path()
    assert path is not None
    controller = VirtualController(compile_program(path.read_text(), str(path)))
    return station, controller, Wires(station, controller.program, controller.memory, following)


@pytest.mark.parametrize("name", ["infeed", "glue", "screw", "mixed"])
def test_every_terminal_has_a_wire_or_it_is_said_why(name: str) -> None:
    station, _, wires = wired(name)
    named = {text.partition(":")[0] for text in wires.unserved}
    assert wires.tags.keys() | named == mirrored(station).keys()
    assert all("module that the gateway is" in text for text in wires.unserved)
    assert bool(wires.unserved) == bool(station.having("served"))


def test_the_program_sees_a_sensor_and_drives_an_actuator() -> None:
    station, controller, wires = wired("infeed", "next-ready")
    now = 0

    def scans(count: int) -> None:
        nonlocal now
        for _ in range(count):
            now += 10_000_000
            wires.follow(now + TAKES)
            controller.scan(now)

    wires.take({"air-ok": True, "drive-ok": True, "stop-closed": True, "belt-speed": 250.0})
    scans(50)
    seen = Loopback("modbus", controller.program, controller.memory)
    speed = station.tags["belt-speed"]
    assert speed.from_device(seen.read(speed.address, speed.type)) == pytest.approx(250, abs=0.1)
    assert wires.give()["belt-run"] is True
    wires.clear()
    scans(2)
    assert wires.give()["belt-run"] is False, "the program sees the loss of air and drive"


def test_the_next_machine_takes_everything_and_has_no_room_for_a_moment() -> None:
    station, controller, wires = wired("infeed", "next-ready")
    tag = station.tags["next-ready"]
    client = Loopback("modbus", controller.program, controller.memory)
    shown = []
    for now in range(0, 2 * TURN, TAKES // 2):
        wires.follow(now)
        shown.append(client.read(tag.address, tag.type))
    assert shown.count(False) == 4
    assert shown[:3] == [False, False, True]

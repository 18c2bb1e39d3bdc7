"""A gateway in shadow before the servers of all three protocols: it reads everything, and never writes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.cell.cell import Asked, Cell, Inputs
from gateway.cell.couplings import Neighbours
from gateway.controller import mapping
from gateway.controller.compile import compile_program
from gateway.controller.runtime import VirtualController
from gateway.controller.servers import build
from gateway.controller.servers.addresses import read_address
from gateway.field.devices import Devices
from gateway.field.serving import Server
from gateway.field.tags import TagRef
from gateway.net.messages import Acquire, Command, Force, Pause, Refused, Reset, Run, Trace
from gateway.station import Station, load_station
from gateway.wiring import Wiring

STATIONS = Path(__file__).resolve().parents[2] / "config" / "stations"
ASKED: tuple[Command, ...] = (
    Acquire(10**9),
    Run(0, (Force(TagRef("command"), 1), Reset())),
    Run(1, (Force(TagRef("command"), 1),)),
    Run(0, (Pause(200_000_000),)),
)
URLS = {"infeed": "modbus://127.0.0.1:0/1", "glue": "opc.tcp://127.0.0.1:0", "screw": "s7://127.0.0.1:0/0/1"}


class Recorder:
    """A server's view of the controller's memory; ``written`` is every call that would change it."""

    def __init__(self, view: Any) -> None:
        self._view = view
        self.written: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("write"):
            self.written.append(name)
        return getattr(self._view, name)


def in_the_clear(station: Station) -> Station:
    """Its controller asks for no security: who would be written to is the same."""
    plain = {name: msgspec.structs.replace(each, security=None) for name, each in station.devices.items()}
    return msgspec.structs.replace(station, devices=plain)


async def shadow(of: Station, controller: VirtualController, views: list[Recorder]) -> Trace:
    """Serve ``controller``, put a gateway in shadow before it, and ask that for what it must not do.

    Then one in HIL, whose first write ``views`` are to see.
    """
    server = build.make_server(read_address(URLS[of.id]), controller)
    station = of.moved({of.controller.name: await server.start()})
    try:
        async with asyncio.timeout(60):
            trace = await asked(station, controller, server)
            assert [view.written for view in views] == [[]]
            await write(station)
            assert views[0].written, "it would have been seen"
    finally:
        await server.stop()
    return trace


async def asked(station: Station, controller: VirtualController, server: Server) -> Trace:
    """What a watch brings, among commands that are refused."""
    wiring = Wiring(station, "shadow", None, lambda: None)
    life = asyncio.create_task(wiring.run())
    cell = Cell(station, Neighbours(), time.monotonic_ns(), mode="shadow")
    asked = tuple(Asked("rig", number, command) for number, command in enumerate(ASKED, 1))
    replies: dict[int, object] = {}
    try:
        while len(replies) < len(ASKED):
            controller.scan(time.monotonic_ns())
            server.publish()
            read, lost = await wiring.read(), wiring.lost
            some, asked = ((), asked) if lost else (asked, ())
            now, utc = time.monotonic_ns(), time.time_ns()
            seen = Inputs(read.outputs, not lost, utc=utc, asked=some, lost=lost, machine=read.machine)
            out = cell.step(now, seen)
            assert not out.writes
            assert not out.actuate
            replies |= {number: body for _, number, body in out.replies}
            await asyncio.sleep(0.01)
    finally:
        life.cancel()
        await asyncio.wait((life,))
        await wiring.close()
    *refused, trace = (replies[number] for number in sorted(replies))
    assert all(isinstance(each, Refused) for each in refused)
    assert isinstance(trace, Trace)
    return trace


async def write(station: Station) -> None:
    """As a gateway in HIL would."""
    devices = Devices(station.devices, station.tags)
    life = asyncio.create_task(devices.run())
    try:
        while devices.lost:
            await asyncio.sleep(0.01)
        taken, refused = await devices.write({"command": 0})
        assert (taken, refused) == ({"command": 0}, {})
    finally:
        life.cancel()
        await asyncio.wait((life,))
        await devices.close()


@pytest.mark.parametrize("name", list(URLS))
def test_nothing_is_written_and_all_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    views: list[Recorder] = []

    def recorded(*given: Any) -> Recorder:
        views.append(Recorder(mapping.view_of(*given)))
        return views[-1]

    monkeypatch.setattr(build, "view_of", recorded)
    station = in_the_clear(load_station(STATIONS / f"{name}.yaml"))
    path = station.program_path()
    assert path is not None
    controller = VirtualController(compile_program(path.read_text(), str(path)))
    trace = asyncio.run(shadow(station, controller, views))
    assert trace.ended == "done"
    assert set(trace.initial) == set(station.tags)
    assert trace.qualities == (), "all of it is read, and good"

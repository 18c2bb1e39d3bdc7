"""A running OPC UA server is browsed: each variable with its type, its direction from what may be written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.server.server import Server
from serve_support import STILL, serving

from gateway.config import shipped
from gateway.errors import BadInput
from gateway.station import load_station
from rig.tags.importing import Import, Wanted, station_tags
from rig.tags.read import Asked

EMPTY = 'twinline: station 1\nid: new\ndevices: {plc: {address: "opc.tcp://127.0.0.1"}}\ntags: {}\ntwin: {}\n'


def station(folder: Path, text: str = EMPTY) -> Path:
    path = folder / "station.yaml"
    path.write_text(text)
    return path


def test_the_variables_of_a_virtual_controller(tmp_path: Path) -> None:
    path = station(tmp_path)
    with serving(STILL, "opc.tcp") as (port, _):
        url = f"opc.tcp://127.0.0.1:{port}"
        done = Import(url, path, Wanted(asked=Asked(only=("Still.*",))))
        done.write()
        again = Import(url, path, Wanted(asked=Asked(only=("Still.*",))))
    found = {each.entry.address: each.entry for each in done.plan.added}
    assert (found["ns=2;s=Still.m_bool"].direction, found["ns=2;s=Still.m_bool"].type) == ("input", "BOOL")
    assert (found["ns=2;s=Still.lamp"].direction, found["ns=2;s=Still.lamp"].type) == ("output", "BOOL")
    assert found["ns=2;s=Still.m_lreal"].type == "LREAL"
    assert len(found) == 18
    assert not again.plan.differs
    assert load_station(path).tags


def test_a_shipped_station_is_found_as_it_is_declared(tmp_path: Path) -> None:
    """The directions that are guessed from the rights are those that the engineer wrote."""
    written = station_tags(shipped() / "stations" / "glue.yaml")
    path = station(tmp_path)
    with serving((shipped() / "programs" / "glue.st").read_text(), "opc.tcp") as (port, _):
        done = Import(f"opc.tcp://127.0.0.1:{port}", path, Wanted(asked=Asked(only=("Glue.*",))))
    found = {each.entry.address: each.entry for each in done.plan.added}
    for entry in written.values():
        assert found[entry.address].direction == entry.direction
        if entry.type != "WORD":  # a UInt16 at the server is a WORD or a UINT
            assert found[entry.address].type == entry.type


async def _plant() -> Server:
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    space = await server.register_namespace("urn:plant")
    machine = await server.nodes.objects.add_object(ua.NodeId.from_string(f"ns={space};s=M"), "Machine")
    pressure = await machine.add_variable(ua.NodeId.from_string(f"ns={space};s=Pressure"), "Pressure", 1.0)
    unit = ua.EUInformation(DisplayName=ua.LocalizedText("bar"))
    await pressure.add_property(0, "EURange", ua.Range(0.0, 12.5))
    await pressure.add_property(0, "EngineeringUnits", unit)
    await machine.add_variable(ua.NodeId.from_string(f"ns={space};s=List"), "List", [1, 2, 3])
    door = await machine.add_variable(ua.NodeId.from_string(f"ns={space};s=Door"), "Door", False)
    await door.set_writable()
    drive = await machine.add_object(ua.NodeId.from_string(f"ns={space};s=Drive"), "Drive")
    for number in range(1100):  # more than a server answers at once
        await drive.add_variable(
            ua.NodeId.from_string(f"ns={space};s=v{number}"),
            f"v{number}",
            ua.Variant(0, ua.VariantType.Int16),
        )
    return server


@pytest.fixture(scope="module")
def plant() -> Iterator[str]:
    """A server of the library's own, in a thread; its address."""
    started, end = threading.Event(), asyncio.Event()
    address: list[str] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await _plant()
        async with server:
            listener: Any = server.bserver
            port = listener._server.sockets[0].getsockname()[1]
            address.append(f"opc.tcp://127.0.0.1:{port}")
            started.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(60)
    yield address[0]
    loop.call_soon_threadsafe(end.set)
    thread.join(30)
    loop.close()


def test_ranges_units_arrays_and_many_variables(tmp_path: Path, plant: str) -> None:
    done = Import(plant, station(tmp_path), Wanted(asked=Asked(only=("Machine.*",))))
    tags = {each.tag: each.entry for each in done.plan.added}
    assert (tags["pressure"].unit, tags["pressure"].direction) == ("bar", "output")
    assert tags["pressure"].range == (0.0, 12.5)
    assert tags["door"].direction == "input"
    assert sum(name.startswith("drive-v") for name in tags) == 1100
    assert "is an array: Machine.List" in "\n".join(done.lines)


def test_browsing_can_begin_lower(tmp_path: Path, plant: str) -> None:
    done = Import(plant, station(tmp_path), Wanted(under="ns=2;s=Drive"))
    assert [each.tag for each in done.plan.added][:2] == ["v0", "v1"]
    assert len(done.plan.added) == 1100


@pytest.mark.parametrize("under", ["ns=2;s=Nothing", "nonsense"])
def test_where_there_is_nothing_it_says_so(tmp_path: Path, plant: str, under: str) -> None:
    with pytest.raises(BadInput, match=r"nothing to import|cannot be browsed"):
        Import(plant, station(tmp_path), Wanted(under=under))


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be browsed"):
        Import("opc.tcp://127.0.0.1:9", station(tmp_path), Wanted())

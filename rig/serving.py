"""What of a line is served on this machine, and that no two are at one address; pure."""

from __future__ import annotations

from gateway.errors import Problem
from gateway.station import Device, Station
from rig.line import Line, LineStation


def served(each: LineStation, station: Station) -> dict[str, Device]:
    """The devices of ``station``, as ``each`` has it, that are served on this machine: those of the gateway
    itself, and with ``serve`` what is real."""
    devices = station.reached if each.mode == "shadow" else station.devices
    if each.mode == "ril":
        devices = {name: device for name, device in station.reached.items() if device is station.plant}
    return {name: device for name, device in devices.items() if each.serve or device.role == "served"}


def called(station: str, device: Device) -> str:
    """A device as people speak of it."""
    return f"{station}'s {'controller' if device.role == 'controller' else f'device {device.name}'}"


def collisions(line: Line) -> list[Problem]:
    """Whose address is another's too, as the files have it; at the station's place in the line file."""
    found: list[Problem] = []
    listening: dict[tuple[str, int], str] = {}
    for name, each in line.stations.items():
        if each.mode == "virtual":
            continue
        for device in served(each, each.station).values():
            what = called(name, device)
            other = listening.setdefault(device.endpoint, what)
            if other != what:
                said = f"{what} is to be served at {device.address}, where {other} is"
                hint = f"give it another one, addresses: {{{device.name}: ...}}, or choose --ports auto"
                found.append(Problem(line.file, each.line, 0, said, hint))
    return found

"""What a gateway says of its station when it comes to a line, and of its devices when it is asked; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gateway.field.drivers.base import Identity
from gateway.net.messages import DeviceFound, Identified
from gateway.net.reports import About
from gateway.station import Device, Mode, Station


class Linked(Protocol):
    """What is known of the connection to a device."""

    @property
    def identity(self) -> Identity | None: ...
    @property
    def ready(self) -> bool: ...
    @property
    def state(self) -> str: ...
    @property
    def problem(self) -> str: ...
    @property
    def losses(self) -> int: ...
    @property
    def slowest_ns(self) -> int: ...


def about(station: Station, boot: str, version: str) -> About:
    """Of ``station`` as its file has it, by the gateway's boot id and version."""
    inlets, outlets = station.handshake.inlets, station.handshake.outlets
    return About(
        station=station.id,
        boot=boot,
        gateway_version=version,
        station_sha256=station.sha256,
        title=station.title,
        groups=dict(station.groups),
        inlets={name: inlets[name].mechanical if name in inlets else "any" for name in station.inlets},
        outlets={name: outlets[name].mechanical if name in outlets else "any" for name in station.outlets},
        operations=station.operations,
        outputs=len(station.outputs),
        inputs=len(station.inputs),
    )


def identified(
    station: Station, mode: Mode, links: Mapping[str, Linked], boot: str, version: str
) -> Identified:
    """Who is there: the gateway of ``station``, its controller, and each device behind ``links``."""
    controller = station.controller
    link = links[controller.name]
    found = link.identity or Identity("")
    return Identified(
        station=station.id,
        gateway_version=version,
        boot=boot,
        station_sha256=station.sha256,
        protocol=controller.protocol,
        address=controller.address,
        link=link.state,
        vendor=found.vendor,
        product=found.product,
        version=found.version,
        program=found.program,
        program_sha256=found.program_sha256,
        problem=link.problem,
        details=found.details,
        devices={name: _found(station.reached[name], each) for name, each in links.items()},
        mode=mode,
    )


def _found(device: Device, link: Linked) -> DeviceFound:
    who = link.identity or Identity("")
    return DeviceFound(
        device.role,
        device.protocol,
        device.address,
        link.ready,
        link.problem,
        who.vendor,
        who.product,
        who.version,
        link.losses,
        link.slowest_ns,
    )

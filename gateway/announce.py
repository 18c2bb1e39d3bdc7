"""What a gateway says of its station when it comes to a line, so that the line can know it; pure."""

from __future__ import annotations

from gateway.net.messages import About
from gateway.station import Station


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

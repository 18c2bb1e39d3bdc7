"""Certificates for OPC UA with security on this machine: of the gateway, and of what is served in its place.

A virtual controller and its gateway get theirs from the authority of the run. Before a real controller the
gateway shows the certificate that ``twinline probe`` made here, since a person has to trust it over there.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from gateway.field.security import Access
from gateway.net.identity import Identity
from gateway.pki.credentials import OPCUA
from gateway.station import Device, Station
from rig.backend import RigFault
from rig.line import LineStation
from rig.pki.admission import admit
from rig.pki.authority import Authority


def is_secured(station: Station) -> bool:
    """Whether any of its devices is reached with security."""
    return any(device.secured for device in station.devices.values())


def needs_certificate(each: LineStation) -> bool:
    """Whether the gateway of a station has a device to show a certificate to, in its mode."""
    return not each.played and is_secured(each.station)


def served_hosts(station: Station) -> list[str]:
    """By which the gateway is reached where it serves devices over OPC UA with security."""
    return sorted({each.endpoint[0] for each in station.having("served") if each.secured})


def kept_certificate() -> Path:
    """The folder with this machine's own certificate, made where there is none; RigFault."""
    from gateway.field.probe.opcua_security import credentials, default_folder

    folder = default_folder()
    try:
        credentials(folder, datetime.now(UTC))
    except OSError as error:
        raise RigFault(f"cannot keep a certificate in {folder}: {error.strerror}") from None
    except ValueError as error:
        raise RigFault(str(error)) from None
    return folder


def serve_options(authority: Authority, folder: Path, station: Station) -> list[str]:
    """What a virtual controller is told so that it serves, and polls the gateway, as ``station`` asks; its
    credentials are made in ``folder``. RigFault where its devices ask for different things."""
    devices = [station.controller, *station.having("coupler"), *station.having("served")]
    served = [device for device in devices if device.protocol == "opcua"]
    if len({_asked(device) for device in served}) > 1:
        names = " and ".join(device.name for device in served)
        raise RigFault(
            f"{station.id}: one process serves or polls {names}; give them the same security, user and "
            "password-file"
        )
    name = f"{station.id[:18]}-plc-{secrets.token_hex(4)}"  # no other node of the line is called so
    hosts = sorted({device.endpoint[0] for device in served})
    node, now = Identity.create(name), time.time_ns()
    admit(authority, folder, node, "controller", now=now, hosts=hosts, opcua=True)
    access: Access = station.accesses(str(folder / OPCUA))[served[0].name]
    options = ["--security", str(access.security), "--certificates", access.folder]
    if access.user:
        options += ["--user", access.user]
        file, variable = access.password_file, access.variable
        options += ["--password-file", file] if file else ["--password-variable", variable]
    return options


def _asked(device: Device) -> tuple[str, str, str]:
    file = device.password_file
    return str(device.security), device.user, "" if file is None else file.text

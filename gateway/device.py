"""A device of the station file: where it is, how an input reaches the program there, and its security."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from gateway.checked import wrong_of
from gateway.field.addresses import Protocol
from gateway.field.security import ENCRYPT, OPEN, Security, is_loopback, read_security
from gateway.field.tags import Complain
from gateway.field.types import Order, read_order
from gateway.scalar import Text
from gateway.scenario import Duration

MODULE_BYTES = 256  # of %I and of %Q, for all modules of a virtual controller
SCHEMES: dict[str, Protocol] = {"modbus": "modbus", "opc.tcp": "opcua", "s7": "s7"}
DEFAULT_PORTS: dict[Protocol, int] = {"modbus": 502, "opcua": 4840, "s7": 102}


def address(text: str) -> str:
    """``text``, if it is the address of a device; ValueError("what was wrong; what would be right")."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(
            f"{text!r} is not a device's address; "
            "write modbus://host:port/unit, opc.tcp://host:port or s7://host:port/rack/slot"
        )
    return text


def _base(text: str) -> int:
    if text not in ("0", "1"):
        raise ValueError(f"{text!r} is no base; write 0 or 1, the number of the first coil or register")
    return int(text)


class Device(msgspec.Struct, frozen=True, rename="kebab"):
    """Something the gateway connects to, or is.

    ``role`` says how an input reaches the program. ``controller``: memory or a variable that the program
    reads. ``coupler``: wires, from a remote I/O module to the controller's terminals. ``served``: the gateway
    is the remote I/O module, a server that the controller polls. ``plant``: the remote I/O module of the real
    plant, which the gateway polls in the controller's place (``gateway.terminals``). ``base`` is the number
    of its first register or coil, ``order`` that of the bytes of its numbers (Modbus).

    ``security`` is how it is reached over OPC UA, or served (``OPEN``: without, and that is meant; None:
    nothing is said), ``user`` who logs in there, by the password in the file ``password_file`` beside the
    station file, else in the environment (docs/opcua.md).

    For a virtual controller: ``program`` is the Structured Text program that it runs, beside the station
    file; the I/O of a coupler or served device begins at byte ``at`` of its %I and %Q.
    """

    address: Annotated[str, address]
    role: Literal["controller", "coupler", "served", "plant"] = "controller"
    program: Text | None = None
    at: int = 0
    timeout: Duration = 500_000_000
    base: Annotated[int, _base] = 0
    order: Annotated[Order, read_order] | None = None
    security: Annotated[Security, read_security] | None = None
    user: str = ""
    password_file: Text | None = None
    line: int = 0
    name: str = ""

    @property
    def secured(self) -> bool:
        """Whether nothing is spoken with it that is not signed."""
        return self.security is not None and self.security != OPEN

    @property
    def exposed(self) -> bool:
        """Whether it is reached over a network by OPC UA without security, and nobody says that it may."""
        said = self.security is not None or self.protocol != "opcua"
        return not said and not is_loopback(self.endpoint[0])

    @property
    def protection(self) -> str:
        """How it is protected on its way over OPC UA, in words; "": another protocol, which has nothing."""
        if self.protocol != "opcua":
            return ""
        if self.secured:
            return f"{self.security}" + (f", user {self.user}" if self.user else "")
        if self.exposed:
            return "none: not signed, not encrypted; give security: in the station file"
        return "none, as the station file says" if self.security is not None else "none, on this machine"

    @property
    def protocol(self) -> Protocol:
        """Which protocol the address speaks."""
        return SCHEMES[urlsplit(self.address).scheme]

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.address)
        return parts.hostname or "", parts.port or DEFAULT_PORTS[self.protocol]

    def at_port(self, port: int) -> Device:
        """The same device at another port."""
        parts = urlsplit(self.address)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        moved = parts._replace(netloc=f"{host}:{port}").geturl()
        return msgspec.structs.replace(self, address=moved)


def check_devices(
    devices: Mapping[str, Device], controllers: Collection[str], line: int, complain: Complain
) -> None:
    """Complain about what does not go together; ``line`` is that of ``devices:``."""
    if len(controllers) > 1 or not (controllers or wrong_of(devices)):
        complain(line, "devices: a station has one controller", "give the others role: coupler or served")
    plants = [name for name, device in devices.items() if device.role == "plant"]
    if len(plants) > 1:
        complain(devices[plants[1]].line, f"{plants[1]}: {plants[0]} is the plant already", "declare one")
    virtual = any(devices[name].program is not None for name in controllers)
    begins: dict[int, Device] = {}
    for device in devices.values():

        def bad(what: str, hint: str, device: Device = device) -> None:
            complain(device.line, f"{device.name}{what}", hint)

        if device.timeout == 0:
            bad(": timeout is 0", "give for example 200 ms")
        if device.protocol != "modbus" and (device.base or device.order):
            bad(": base and order are Modbus'", "leave them out")
        _check_security(device, bad)
        if device.role == "controller":
            if device.at:
                bad(": a controller has no at", "leave at out")
            continue
        if device.program is not None:
            bad(f": a {device.role} device runs no program", "leave program out")
        if device.role == "plant":
            if device.protocol != "modbus" or device.base or device.at:
                bad(
                    ": a plant is reached by a Modbus module",
                    "write {address: modbus://host:port/unit, role: plant}",
                )
            continue
        if device.role == "served" and device.protocol == "s7":
            bad(
                f": the gateway cannot be an I/O device at {device.address}",
                "write modbus://host:port/unit or opc.tcp://host:port",
            )
        if not 0 <= device.at < MODULE_BYTES or device.at % 2:
            bad(f": at {device.at} is no word of %I and %Q", f"give an even byte, 0 to {MODULE_BYTES - 2}")
        other = begins.setdefault(device.at, device)
        if virtual and other is not device:
            bad(f" begins at byte {device.at}, as {other.name} (line {other.line})", "give each its own at")


def _check_security(device: Device, bad: Callable[[str, str], None]) -> None:
    """A password travels encrypted alone, and over nothing but OPC UA."""
    if device.protocol != "opcua":
        if device.security is not None or device.user or device.password_file is not None:
            bad(": security, user and password-file are OPC UA's", "leave them out")
        return
    if device.role == "served" and device.exposed:
        hint = f"write security: Basic256Sha256/{ENCRYPT}, or security: None where that is meant"
        bad(": the gateway would serve it over a network, not signed and not encrypted", hint)
    if device.user and (device.security is None or device.security.mode != ENCRYPT):
        hint = f"write security: Basic256Sha256/{ENCRYPT}, or leave user out"
        bad(": a user's password goes over an encrypted connection alone", hint)
    if device.password_file is not None and not device.user:
        bad(": password-file without a user", "give user, or leave password-file out")

"""The way to a host, as far as this machine's own interfaces, routes and neighbours show it (Linux)."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from gateway.field.security import is_loopback
from gateway.routes import Way, silent, way

NET = Path("/sys/class/net")
ROUTES, NEIGHBOURS = Path("/proc/net/route"), Path("/proc/net/arp")
_PLUG = "plug the cable in at both ends; look at the lamps beside the socket, and whether the other end is on"


class Reach(NamedTuple):
    """How the way is, in words; of one that is ``broken``, what to ``do``. ``unknown``: not looked at."""

    standing: Literal["whole", "broken", "unknown"]
    text: str
    do: str = ""


def reach(host: str, whose: str = "it") -> Reach:
    """Whether the interface that leads to ``host`` has a link; ``whose`` address that is, for what to do.

    Bounded by the resolver, where ``host`` is a name.
    """
    try:
        address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0]
    except (OSError, UnicodeError):
        unplugged = dark()
        if unplugged:
            return _no_link(unplugged[0])
        do = "write the address as numbers, or correct the name or this gateway's name server"
        return Reach("broken", f"{host} is not to be found: no such host name", do)
    ip = ipaddress.ip_address(address)
    if ip.is_loopback or _is_own(str(ip)):
        return Reach("whole", "it is on this machine")
    if ip.version == 6:
        return Reach("unknown", f"{ip} is an IPv6 address; the way there is not looked at")
    if not ROUTES.exists():
        return Reach("unknown", "this system does not show its ways")
    found = _way(str(ip))
    if found is None:
        unplugged = dark()
        if unplugged:
            return _no_link(unplugged[0])
        have = ", ".join(_interfaces()) or "none"
        do = f"give the gateway an address in the network of {ip}, or correct the address of {whose}"
        text = f"no way leads to {ip}: no interface (there are: {have}) is in its network"
        return Reach("broken", text, do)
    return link(found.interface)


def link(interface: str, net: Path = NET) -> Reach:
    """Whether ``interface`` is on and has a link."""
    try:
        carrier = (net / interface / "carrier").read_text().strip()
    except FileNotFoundError:
        return Reach("unknown", f"{interface} has gone")
    except OSError:  # the kernel says so of an interface that is switched off
        return Reach("broken", f"{interface} is switched off", f"switch it on: ip link set {interface} up")
    if carrier != "1":
        return _no_link(interface)
    return Reach("whole", f"{interface} has a link{_speed(net / interface)}")


def unreached(host: str) -> str:
    """Why nobody can be reached at ``host``; "" where nothing here tells: it may be off, or a firewall be
    between. As ``reach``, it may wait for the resolver."""
    if is_loopback(host):
        return ""
    found = reach(host)
    return found.text if found.standing == "broken" else _nobody_there(host)


def cut_off(url: str) -> str:
    """``unreached`` of a device's address, as a sentence."""
    host = urlsplit(url).hostname or ""
    why = unreached(host)
    return f"{host} is not reached: {why}" if why else ""


def dark(net: Path = NET) -> list[str]:
    """The interfaces that are switched on and have no link."""
    found = []
    for name in _interfaces(net):
        with contextlib.suppress(OSError):
            if (net / name / "carrier").read_text().strip() == "0":
                found.append(name)
    return found


def _nobody_there(host: str) -> str:
    """Said where ``host`` was asked for in this machine's own network and nobody has it."""
    with contextlib.suppress(OSError, ValueError):
        address = str(ipaddress.IPv4Address(socket.gethostbyname(host)))
        found = _way(address)
        if found and not found.through and silent(NEIGHBOURS.read_text(), address):
            return f"nobody on {found.interface} has the address {host}"
    return ""


def _no_link(interface: str) -> Reach:
    return Reach("broken", f"{interface} has no link: its cable is unplugged", _PLUG)


def _way(address: str) -> Way | None:
    return way(ROUTES.read_text(), address)


def _is_own(address: str) -> bool:
    """Whether the address is one of this machine's: then it can be bound."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _interfaces(net: Path = NET) -> list[str]:
    return sorted(path.name for path in net.iterdir() if path.name != "lo") if net.is_dir() else []


def _speed(folder: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        speed = int((folder / "speed").read_text())
        if speed > 0:
            return f" ({speed} Mbit/s)"
    return ""

"""The cable: whether the interface that leads to a device or broker has a link."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from pathlib import Path

from gateway.local.checks.finding import Finding, ok, unseen, wrong
from gateway.local.checks.routes import Way, silent, way

NET = Path("/sys/class/net")
ROUTES, NEIGHBOURS = Path("/proc/net/route"), Path("/proc/net/arp")
_PLUG = "plug the cable in at both ends; look at the lamps beside the socket, and whether the other end is on"


def cable(what: str, host: str) -> Finding:
    """The way to ``host`` of ``what`` (a device or broker)."""
    check = f"cable {what}"
    try:
        address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0]
    except OSError:
        unplugged = dark()
        if unplugged:
            return _no_link(check, unplugged[0])
        do = "write the address as numbers, or correct the name or this gateway's name server"
        return wrong(check, f"{host} is not to be found: no such host name", do)
    ip = ipaddress.ip_address(address)
    if ip.is_loopback or _is_own(str(ip)):
        return ok(check, "it is on this machine")
    if ip.version == 6:
        return unseen(check, f"{ip} is an IPv6 address; the way there is not looked at")
    found = _way(str(ip))
    if found is None:
        unplugged = dark()
        if unplugged:
            return _no_link(check, unplugged[0])
        have = ", ".join(_interfaces()) or "none"
        do = f"give the gateway an address in the network of {ip}, or correct the address of {what}"
        return wrong(check, f"no way leads to {ip}: no interface (there are: {have}) is in its network", do)
    return link(check, found.interface)


def link(check: str, interface: str, net: Path = NET) -> Finding:
    """Whether ``interface`` is on and has a link."""
    try:
        carrier = (net / interface / "carrier").read_text().strip()
    except FileNotFoundError:
        return unseen(check, f"{interface} has gone")
    except OSError:  # the kernel says so of an interface that is switched off
        return wrong(check, f"{interface} is switched off", f"switch it on: ip link set {interface} up")
    if carrier != "1":
        return _no_link(check, interface)
    return ok(check, f"{interface} has a link{_speed(net / interface)}")


def nobody_there(host: str) -> str:
    """Where ``host`` was asked for in the gateway's own network and nobody has it: on which interface."""
    with contextlib.suppress(OSError, ValueError):
        address = str(ipaddress.IPv4Address(socket.gethostbyname(host)))
        found = _way(address)
        if found and not found.through and silent(NEIGHBOURS.read_text(), address):
            return found.interface
    return ""


def dark(net: Path = NET) -> list[str]:
    """The interfaces that are switched on and have no link."""
    found = []
    for name in _interfaces(net):
        with contextlib.suppress(OSError):
            if (net / name / "carrier").read_text().strip() == "0":
                found.append(name)
    return found


def _no_link(check: str, interface: str) -> Finding:
    return wrong(check, f"{interface} has no link: its cable is unplugged", _PLUG)


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

"""How many connections this machine holds to a device, as the kernel counts them: its slots there."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from pathlib import Path
from urllib.parse import urlsplit

from gateway.device import DEFAULT_PORTS, SCHEMES

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"


def connections(address: str) -> int | None:
    """To the device at ``address``; None where it cannot be told."""
    url = urlsplit(address)
    port = url.port or DEFAULT_PORTS[SCHEMES[url.scheme]]
    try:
        host = socket.getaddrinfo(url.hostname, port, type=socket.SOCK_STREAM)[0][4][0]
        wanted = f"{_kernels(str(host))}:{port:04X}"
        tables = [path.read_text() for path in TABLES if path.exists()]
    except (OSError, ValueError):
        return None
    return count(tables, wanted) if tables else None


def count(tables: list[str], remote: str) -> int:
    """Established connections to ``remote``, an address and port as the kernel's ``tables`` write them."""
    found = 0
    for text in tables:
        for line in text.splitlines()[1:]:
            with contextlib.suppress(IndexError):
                fields = line.split()
                found += fields[2] == remote and fields[3] == _ESTABLISHED
    return found


def _kernels(host: str) -> str:
    """An address in words of four bytes, each with its lowest byte first."""
    packed = ipaddress.ip_address(host).packed
    return "".join(packed[at : at + 4][::-1].hex().upper() for at in range(0, len(packed), 4))

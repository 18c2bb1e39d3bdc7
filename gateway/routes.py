"""Which interface leads to an address, by the kernel's tables as it shows them; pure."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

_UP, _GATEWAY = 1, 2
_COMPLETE = 2


class Way(NamedTuple):
    """The ``interface``, and who passes things on from there ("": nobody, the address is in its network)."""

    interface: str
    through: str


def way(routes: str, address: str) -> Way | None:
    """The way to the IPv4 ``address`` by ``routes`` (/proc/net/route); None where there is none."""
    wanted, best, found = int(ipaddress.IPv4Address(address)), -1, None
    for line in routes.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        destination, gateway, mask = (_number(fields[n]) for n in (1, 2, 7))
        flags = int(fields[3], 16)
        if flags & _UP and wanted & mask == destination and mask > best:
            through = str(ipaddress.IPv4Address(gateway)) if flags & _GATEWAY else ""
            best, found = mask, Way(fields[0], through)
    return found


def silent(neighbours: str, address: str) -> bool:
    """Whether ``address`` was asked for on its network and nobody answered (/proc/net/arp)."""
    for line in neighbours.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 3 and fields[0] == address:
            return not int(fields[2], 16) & _COMPLETE
    return False


def _number(text: str) -> int:
    """The kernel shows addresses as numbers of this machine, which is little-endian."""
    return int.from_bytes(bytes.fromhex(text), "little")

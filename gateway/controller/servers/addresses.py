"""Where a virtual controller and its I/O modules are served or polled, as options name it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.controller.mapping import SERVED_BYTES
from gateway.station import Station

EXAMPLES = "modbus://127.0.0.1:15021/1, opc.tcp://127.0.0.1:14840 or s7://127.0.0.1:10102/0/1"
_PORTS = {"modbus": 502, "opc.tcp": 4840, "s7": 102}


class ServeAddress(NamedTuple):
    """Where to serve: ``numbers`` are the Modbus unit, or S7's rack and slot."""

    scheme: str
    host: str
    port: int
    numbers: tuple[int, ...]

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return "/".join((f"{self.scheme}://{host}:{self.port}", *map(str, self.numbers)))


class Module(NamedTuple):
    """An I/O module of the controller; its I/O begins at byte ``at`` of %I and %Q."""

    address: ServeAddress
    at: int


class Plant(NamedTuple):
    """A real plant that is wired to the controller, and the station that it is the plant of; ``following``
    are its inputs from a next machine."""

    address: ServeAddress
    station: Station
    following: tuple[str, ...] = ()


class Modules(NamedTuple):
    """The controller's I/O modules: those wired to it and those it polls; and where its ``plant`` is."""

    couplers: tuple[Module, ...] = ()
    polled: tuple[Module, ...] = ()
    plant: Plant | None = None


def read_address(text: str) -> ServeAddress:
    """Read ``modbus://host:port/unit``, ``opc.tcp://host:port`` or ``s7://host:port/rack/slot``.

    Raises ValueError("what was wrong; what would be right").
    """
    wrong = ValueError(f"{text!r} is not an address to serve at; write for example {EXAMPLES}")
    try:
        url = urlsplit(text)
        numbers = tuple(int(part) for part in url.path.strip("/").split("/") if part)
        port = url.port
    except ValueError:
        raise wrong from None
    if url.scheme not in _PORTS or not url.hostname or url.query or url.fragment:
        raise wrong
    defaults = {"modbus": (1,), "opc.tcp": (), "s7": (0, 1)}[url.scheme]
    limits = {"modbus": (247,), "opc.tcp": (), "s7": (7, 31)}[url.scheme]
    numbers = numbers or defaults
    if len(numbers) != len(limits) or any(
        not 0 <= n <= most for n, most in zip(numbers, limits, strict=True)
    ):
        raise wrong
    return ServeAddress(url.scheme, url.hostname, _PORTS[url.scheme] if port is None else port, numbers)


def read_module(text: str, schemes: tuple[str, ...]) -> Module:
    """Read ``URL?at=byte`` (0 when left out); ValueError as ``read_address``."""
    url, query, at = text.partition("?at=")
    address = read_address(url)
    if address.scheme not in schemes:
        raise ValueError(f"{text!r}: this is done over {' and '.join(schemes)} alone")
    if query and not (at.isascii() and at.isdecimal() and len(at) < 4 and int(at) < SERVED_BYTES):
        raise ValueError(f"{text!r}: ?at= is no byte of %I and %Q; give 0 to {SERVED_BYTES - 2}, even")
    byte = int(at) if query else 0
    if byte % 2:
        raise ValueError(f"{text!r}: a module begins at a word; give an even byte")
    return Module(address, byte)

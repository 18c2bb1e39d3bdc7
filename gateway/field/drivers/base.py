"""What every driver does: connect, read what changed, write inputs, close; and which driver a URL means."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

import msgspec

from gateway.errors import DeviceRefused
from gateway.field.security import Access
from gateway.field.tags import Tag
from gateway.field.types import Value

_SCHEMES = {"modbus": ("modbus", 502), "opc.tcp": ("opcua", 4840), "s7": ("s7", 102)}  # module, usual port

PROBES = 64
"""At most so many requests find out which tags of a refused request are at fault."""


class Identity(msgspec.Struct, frozen=True):
    """What the device says it is; what it does not say is empty. ``details`` are as the protocol has them."""

    protocol: str
    vendor: str = ""
    product: str = ""
    version: str = ""
    program: str = ""
    program_sha256: str = ""
    details: dict[str, str] = {}


class Statistics(msgspec.Struct):
    """Counted over all connections of a driver; ``slowest_ns`` is how long an answer took at most, and
    ``spent_ns`` all ``answers`` together."""

    requests: int = 0
    errors: int = 0
    slowest_ns: int = 0
    answers: int = 0
    spent_ns: int = 0

    def took(self, spent_ns: int) -> None:
        """Another answer has come."""
        self.answers += 1
        self.spent_ns += spent_ns
        self.slowest_ns = max(self.slowest_ns, spent_ns)

    @property
    def mean_ns(self) -> int:
        """How long an answer took on average; 0 before the first."""
        return self.spent_ns // max(1, self.answers)


class TagsRefused(DeviceRefused):
    """The device refused some ``tags`` by name; ``values`` are the changes that the same read brought."""

    def __init__(
        self, code: str, tags: Sequence[Tag], change: str, values: Mapping[str, Value] | None = None
    ) -> None:
        self.tags = tuple(tag.name for tag in tags)
        self.values = values or {}
        super().__init__(code, ", ".join(f"{tag.name} at {tag.text}" for tag in tags), change)


def not_held(tag: Tag, written: Value, found: Value) -> str:
    """Why the device does not hold at ``tag`` what it took (engineering values); "" where it does."""
    if tag.type.pack(tag.to_device(found)) == tag.type.pack(tag.to_device(written)):
        return ""
    return f"{tag.name} at {tag.text}: written was {written}, held is {found}; find out who overwrites it"


class Driver(Protocol):
    """One connection to one device, for the tags of a station that are on it.

    After ConnectionLost or ProtocolViolation the connection is gone and ``lost`` is set; ``connect``
    makes a new one. One task drives it at a time; a second one waits for its turn.
    """

    times: dict[str, int]
    """When the device says that the outputs took the values last told, UTC ns, as far as it says."""
    uncertain: set[str]
    """The outputs whose value the device itself doubts."""
    lost: asyncio.Event
    """Set while there is no connection, and within 50 ms of the peer's closing it."""
    statistics: Statistics

    @property
    def refused(self) -> Mapping[str, DeviceRefused]:
        """The tags that the device does not serve at present, and what it said to each."""

    async def connect(self) -> Identity:
        """Connect and ask who is there; ConnectionLost, DeviceRefused or ProtocolViolation."""

    async def read(self) -> Mapping[str, Value]:
        """Engineering values of the output tags that changed since the last read (at first all).

        TagsRefused when tags are newly refused; they then stay in ``refused``, the others are read on.
        """

    async def write(self, values: Mapping[str, Value]) -> None:
        """Write engineering ``values`` to these inputs, and to nothing else.

        TagsRefused names those that the device did not take; the others are written.
        """

    async def read_back(self, names: Iterable[str]) -> dict[str, Value]:
        """What the device holds at these tags (engineering values); TagsRefused as ``write``."""

    async def close(self) -> None:
        """End the connection and free its slot at the controller; bounded, and harmless twice."""


async def find_refused(
    tags: Sequence[Tag], attempt: Callable[[Sequence[Tag]], Awaitable[None]]
) -> tuple[list[Tag], DeviceRefused | None]:
    """Which of ``tags`` are at fault that ``attempt`` refuses them together; with the last refusal.

    Found by halving; past ``PROBES`` attempts what is left is named unproven. Empty when each half alone
    is accepted.
    """
    found: list[Tag] = []
    refusal: DeviceRefused | None = None
    suspects, probes = [list(tags)], 0
    while suspects:
        group = suspects.pop()
        parts = [group[: len(group) // 2], group[len(group) // 2 :]] if len(group) > 1 else [group]
        for part in filter(None, parts):
            if probes == PROBES:
                found += part
                continue
            probes += 1
            try:
                await attempt(part)
            except DeviceRefused as error:
                refusal = error
                if len(part) == 1:
                    found += part
                else:
                    suspects.append(part)
    return sorted(found, key=list(tags).index), refusal


Opener = Callable[
    [SplitResult, tuple[str, int], Mapping[str, Tag], int, Mapping[str, Value], Access | None], Driver
]


def open_driver(
    address: str,
    tags: Mapping[str, Tag],
    timeout_ns: int,
    initial: Mapping[str, Value] | None = None,
    access: Access | None = None,
) -> Driver:
    """The driver for ``address``, not yet connected; its protocol's library is imported only now.

    ``initial`` is what the inputs are taken to hold before the first write (left out: their safe values).
    With ``access``, which OPC UA alone has, it is reached so and in no other way.
    ValueError("what; hint") for an address that names no device.
    """
    url = urlsplit(address)
    try:
        module, usual = _SCHEMES[url.scheme]
        port = usual if url.port is None else url.port
    except (KeyError, ValueError):
        module, port = "", 0
    if not url.hostname or not port:
        raise ValueError(
            f"{address!r} is not a device's address; "
            "write modbus://host:port/unit, opc.tcp://host:port or s7://host:port/rack/slot"
        )
    if access is not None and module != "opcua":
        raise ValueError(f"{address!r} has no security; leave it out, or write opc.tcp://host:port")
    holds = {tag.name: tag.safe for tag in tags.values() if tag.direction == "input"} | {**(initial or {})}
    opener: Opener = importlib.import_module(f"gateway.field.drivers.{module}").open_url
    return opener(url, (url.hostname, port), tags, timeout_ns, holds, access)

"""The devices of one station as one: read together, written each its own tags, each with its own life."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Protocol

from gateway.errors import GatewayError
from gateway.field.drivers.base import Identity
from gateway.field.scan import DeviceLink, LinkState
from gateway.field.security import Access
from gateway.field.served import ServedLink
from gateway.field.tags import Tag
from gateway.field.types import Value
from gateway.station import Device


class Link(Protocol):
    """One device: DeviceLink and ServedLink alike."""

    @property
    def identity(self) -> Identity | None:
        """What the device said it is."""
        ...

    @property
    def ready(self) -> bool:
        """Whether it can be read and written now."""
        ...

    @property
    def state(self) -> LinkState:
        """Where its life stands."""
        ...

    @property
    def problem(self) -> str:
        """Why it is not ready; empty while it is."""
        ...

    @property
    def losses(self) -> int:
        """How many connections ended, or how often the controller ceased to poll."""
        ...

    @property
    def slowest_ns(self) -> int:
        """How long an answer took at most; 0 where the device is asked nothing."""
        ...

    @property
    def refused(self) -> dict[str, str]:
        """What the device does not serve, by tag."""
        ...

    @property
    def uncertain(self) -> set[str]:
        """The outputs whose value the device itself doubts."""
        ...

    @property
    def times(self) -> Mapping[str, int]:
        """When the device says that the outputs took the values last told, UTC ns, as far as it says."""
        ...

    async def run(self) -> None:
        """Its life, until cancelled or closed."""
        ...

    async def read(self) -> dict[str, Value]:
        """The outputs that changed."""
        ...

    async def write(self, values: Mapping[str, Value]) -> dict[str, str] | None:
        """Write inputs; what was refused, or None when the device is lost."""
        ...

    async def close(self) -> None:
        """End its life."""
        ...


class Devices:
    """The links to ``devices``, each with its share of ``tags``; ``access`` is of those with security."""

    def __init__(
        self,
        devices: Mapping[str, Device],
        tags: Mapping[str, Tag],
        access: Mapping[str, Access] | None = None,
    ) -> None:
        secured = access or {}
        self.links: dict[str, Link] = {}
        for name, device in devices.items():
            mine = {tag.name: tag for tag in tags.values() if tag.device == name}
            how = secured.get(name)
            if device.role == "served":
                self.links[name] = ServedLink(device.address, mine, device.timeout, how, device.exposed)
            else:
                self.links[name] = DeviceLink(device.address, mine, device.timeout, access=how)
        self._device = {tag.name: tag.device for tag in tags.values()}

    @property
    def lost(self) -> dict[str, str]:
        """The devices that are not ready, and why."""
        return {
            name: link.problem or "the connection was lost"
            for name, link in self.links.items()
            if not link.ready
        }

    @property
    def state(self) -> str:
        """That of the first device that is not ready, else ``ready``."""
        return next((link.state for link in self.links.values() if not link.ready), "ready")

    @property
    def problem(self) -> str:
        """Why devices are not ready; empty while all are."""
        told = self.lost
        if len(self.links) == 1:
            return next(iter(told.values()), "")
        return "; ".join(f"{name}: {why}" for name, why in told.items())

    @property
    def refused(self) -> dict[str, str]:
        """What the devices do not serve at present, by tag."""
        return {tag: why for link in self.links.values() for tag, why in link.refused.items()}

    @property
    def uncertain(self) -> set[str]:
        """The outputs whose value a device itself doubts."""
        return set().union(*(link.uncertain for link in self.links.values()))

    def times(self, tags: Iterable[str]) -> dict[str, int]:
        """When their devices say that ``tags`` took the values last told, UTC ns, as far as they say."""
        found = ((tag, self.links[self._device[tag]].times.get(tag)) for tag in tags)
        return {tag: time for tag, time in found if time is not None}

    async def run(self) -> None:
        """Keep every device connected, until cancelled."""
        await asyncio.gather(*(link.run() for link in self.links.values()))

    async def read(self) -> dict[str, Value]:
        """The outputs that changed on devices that are ready."""
        ready = [link for link in self.links.values() if link.ready]
        if len(ready) == 1:
            return await ready[0].read()
        images = await asyncio.gather(*(link.read() for link in ready))
        return {tag: value for image in images for tag, value in image.items()}

    async def write(self, values: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, str]]:
        """Write inputs; gives what its device has taken, and by tag what a device refused, or took and does
        not hold.

        What is in neither is not known to be held anywhere: its device was lost.
        """
        shares: dict[str, dict[str, Value]] = {}
        for tag, value in values.items():
            shares.setdefault(self._device[tag], {})[tag] = value
        answers = await asyncio.gather(*(self.links[name].write(share) for name, share in shares.items()))
        taken: dict[str, Value] = {}
        refused: dict[str, str] = {}
        for (name, share), answer in zip(shares.items(), answers, strict=True):
            if answer is None:
                continue
            link = self.links[name]
            unheld = link.unheld if isinstance(link, DeviceLink) else frozenset[str]()
            taken |= {tag: v for tag, v in share.items() if tag not in answer or tag in unheld}
            refused |= answer
        return taken, refused

    async def read_back(self, tags: Iterable[str]) -> dict[str, Value]:
        """What devices hold at these inputs, as far as they say; what is served here nobody else writes."""
        shares: dict[str, list[str]] = {}
        for tag in tags:
            shares.setdefault(self._device[tag], []).append(tag)
        found: dict[str, Value] = {}
        for name, share in shares.items():
            link = self.links[name]
            if isinstance(link, DeviceLink):
                with contextlib.suppress(GatewayError):  # told where the link is, or where tags are refused
                    found |= await link.read_back(share)
        return found

    async def close(self) -> None:
        """End every device's life; bounded, and harmless twice."""
        await asyncio.gather(*(link.close() for link in self.links.values()))

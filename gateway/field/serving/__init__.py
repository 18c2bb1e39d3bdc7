"""Servers: each puts one protocol before a view of memory, a controller's or that of a served device."""

from __future__ import annotations

from typing import Protocol


class Server(Protocol):
    """What is driven on a loop. Requests and scans never run inside one another."""

    @property
    def clients(self) -> int:
        """How many are connected."""
        ...

    async def start(self) -> int:
        """Accept connections; the port, also where 0 asked for any. Raises OSError."""
        ...

    def publish(self) -> None:
        """The memory may have changed: tell clients."""
        ...

    async def stop(self) -> None:
        """Close every connection and the port."""
        ...

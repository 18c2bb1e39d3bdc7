"""The servers of a virtual controller: each puts one protocol before a memory view."""

from __future__ import annotations

from typing import Protocol


class Server(Protocol):
    """What serve.py drives. Requests and scans run on one loop and never inside one another."""

    async def start(self) -> int:
        """Accept connections; the port, also where 0 asked for any. Raises OSError."""
        ...

    def publish(self) -> None:
        """A scan has ended: tell clients what it changed."""
        ...

    async def stop(self) -> None:
        """Close every connection and the port."""
        ...

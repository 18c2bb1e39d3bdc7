"""The floor under a driver: a connection on the same loop that sends given bytes and waits for so many."""

from __future__ import annotations

import asyncio


class Raw(asyncio.Protocol):
    """No time-out, no check, no decoding: what the socket and the loop cost."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._got = bytearray()
        self._size = 0
        self._answer: asyncio.Future[bytes] | None = None

    @classmethod
    async def open(cls, port: int) -> Raw:
        """Connect to ``port`` of this machine."""
        _, raw = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return raw

    async def ask(self, frame: bytes, size: int) -> bytes:
        """The ``size`` bytes that answer ``frame``."""
        assert self._transport is not None
        self._size, self._answer = size, self._loop.create_future()
        self._transport.write(frame)
        return await self._answer

    def close(self) -> None:
        """End the connection."""
        assert self._transport is not None
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is one, but no subclass

    def data_received(self, data: bytes) -> None:
        self._got += data
        if len(self._got) >= self._size and self._answer is not None:
            answer, self._got = bytes(self._got), bytearray()
            self._answer.set_result(answer)

"""A bounded TCP server for protocols of framed requests and answers, shared by Modbus and S7.

A request is answered inside the callback that brought it, so it sees the memory of one moment: a scan
comes before or after it, never in between. Pipelined requests are answered in order.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

MAX_CONNECTIONS = 32
_REQUESTS_AT_ONCE = 64  # then the loop has its turn, so that no client delays a scan for long


class Hangup(Exception):
    """The peer broke the protocol, or is not wanted: close the connection."""


class Session(Protocol):
    """One connection's protocol state, without its socket."""

    def frame_size(self, buffer: bytearray) -> int:
        """Bytes of the first frame, 0 while its head is incomplete; Hangup."""
        ...

    def answer(self, frame: bytes) -> bytes:
        """The answer to one whole frame, empty for none; Hangup."""
        ...


class TcpServer:
    """Listens on (host, port); ``session`` makes a new one for each of at most MAX_CONNECTIONS."""

    def __init__(self, host: str, port: int, session: Callable[[], Session]) -> None:
        self.host, self.port, self.session = host, port, session
        self.connections: set[_Connection] = set()
        self.turned_away = 0
        self._listener: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Connection(self), self.host, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self.port

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self.connections)

    @property
    def sessions(self) -> list[Session]:
        """Of those who are connected."""
        return [connection.session for connection in self.connections]

    def publish(self) -> None:
        """Nothing to do: these clients read the memory itself."""

    async def stop(self) -> None:
        """Close the port, then every connection."""
        if self._listener is not None:
            self._listener.close()
        for connection in tuple(self.connections):
            connection.transport.abort()
        if self._listener is not None:
            await self._listener.wait_closed()


class _Connection(asyncio.Protocol):
    def __init__(self, server: TcpServer) -> None:
        self._server = server
        self.session = server.session()
        self._buffer = bytearray()
        self._reading = True
        self._writable = True
        self._working = False  # the rest of the buffer has a turn of its own coming

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if len(self._server.connections) >= MAX_CONNECTIONS:
            self._server.turned_away += 1
            self.transport.abort()
            return
        # A peer that vanished must give its slot back.
        sock: socket.socket = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)

    def pause_writing(self) -> None:
        self._writable = False
        self._read_on()

    def resume_writing(self) -> None:
        self._writable = True
        self._read_on()

    def _read_on(self) -> None:
        """Read only while answers get away and the buffer is worked off, so both stay bounded."""
        wanted = self._writable and not self._working
        if wanted != self._reading and not self.transport.is_closing():
            self._reading = wanted
            (self.transport.resume_reading if wanted else self.transport.pause_reading)()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._working:
            self._work()

    def _work(self) -> None:
        """Answer what is whole; what is too much for one turn waits for the next, unread meanwhile."""
        self._working = False
        if self.transport.is_closing():
            return
        answers = []
        try:
            for _ in range(_REQUESTS_AT_ONCE):
                size = self.session.frame_size(self._buffer)
                if size == 0 or len(self._buffer) < size:
                    break
                frame = bytes(self._buffer[:size])
                del self._buffer[:size]
                answers.append(self.session.answer(frame))
            else:
                self._working = True
        except Hangup:
            self.transport.write(b"".join(answers))
            self.transport.close()
            return
        self.transport.write(b"".join(answers))
        self._read_on()
        if self._working:
            asyncio.get_running_loop().call_soon(self._work)

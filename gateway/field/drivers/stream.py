"""One TCP connection that carries one request at a time; what is late, torn or unasked ends it.

The public clients of pymodbus and python-snap7 cannot do this: they skip an answer with a wrong number and
wait on, keep a caller waiting when the peer has gone, or do not notice a peer that closes while nothing is
in flight. Their encoders and decoders are used; this carries the frames.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import socket
import time
from collections.abc import Callable
from typing import cast

from gateway.errors import ConnectionLost, GatewayError, ProtocolViolation
from gateway.field.drivers.base import Statistics

UNSERVED = "nothing listens at that port"  # so the host itself is there
_CODE = re.compile(r"\[Errno (\d+)\]")
Measure = Callable[[bytes | bytearray], int]
"""The length of the frame that the bytes begin with, 0 while that is not known yet; ValueError says what
is wrong with them."""


def plain(peer: str, error: OSError) -> str:
    """In plain words why there is no connection to ``peer``."""
    if isinstance(error, socket.gaierror):
        return f"{peer} is not to be found: no such host name"
    # Of a host with several addresses asyncio tells all failures in one text, and no number.
    codes = {error.errno} if error.errno else {int(code) for code in _CODE.findall(str(error))}
    if codes == {errno.ECONNREFUSED}:
        return f"{peer} refuses the connection: {UNSERVED}"
    if errno.EHOSTUNREACH in codes:
        return f"{peer} is not reached: nobody answers at that address"
    if errno.ENETUNREACH in codes:
        return f"{peer} is not reached: no way leads to that network"
    text = str(error.strerror or error)
    if codes and "Connect call failed" in text:
        text = ", ".join(os.strerror(code) for code in sorted(codes))
    return f"{peer}: {text}"


class Stream(asyncio.Protocol):
    """A connection to ``peer`` (host:port, for messages). ``lost`` is set when it has ended."""

    def __init__(
        self, peer: str, measure: Measure, timeout_ns: int, lost: asyncio.Event, statistics: Statistics
    ) -> None:
        self._peer, self._measure, self._timeout = peer, measure, timeout_ns / 1e9
        self._lost, self._statistics = lost, statistics
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()
        self._torn = b""  # an answer as far as it has come
        self._answer: asyncio.Future[bytes] | None = None
        self._ended: GatewayError | None = None
        self._transport: asyncio.Transport | None = None
        self._gone = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    @classmethod
    async def open(
        cls,
        endpoint: tuple[str, int],
        measure: Measure,
        timeout_ns: int,
        lost: asyncio.Event,
        statistics: Statistics,
    ) -> Stream:
        """Connect to ``endpoint`` (host, port); ConnectionLost when nobody is there in time."""
        peer = f"{endpoint[0]}:{endpoint[1]}"
        try:
            async with asyncio.timeout(timeout_ns / 1e9):
                _, stream = await asyncio.get_running_loop().create_connection(
                    lambda: cls(peer, measure, timeout_ns, lost, statistics), *endpoint
                )
        except TimeoutError:
            raise ConnectionLost(
                f"{peer} does not answer within {timeout_ns / 1e6:g} ms: it is off, or a firewall is between"
            ) from None
        except OSError as error:
            raise ConnectionLost(plain(peer, error)) from None
        return stream

    async def request(self, frame: bytes) -> bytes:
        """Send ``frame`` and return the one frame that answers.

        ConnectionLost when the peer closes or is silent for the time-out, ProtocolViolation when what
        comes is no frame; after either, and when cancelled, the connection is gone.
        """
        async with self._turn:
            if self._ended is not None or self._transport is None:
                raise ConnectionLost(str(self._ended or f"{self._peer} is not connected"))
            self._answer = self._loop.create_future()
            statistics = self._statistics
            statistics.requests += 1
            begun = time.monotonic_ns()
            self._due = self._loop.time() + self._timeout
            if self._timer is None:
                self._timer = self._loop.call_at(self._due, self._silent)
            try:
                self._transport.write(frame)
                answer = await self._answer
            except GatewayError:
                statistics.errors += 1
                raise
            except asyncio.CancelledError:
                self._end(ConnectionLost(f"{self._peer}: a request was abandoned"))
                raise
            finally:
                self._answer = None
            statistics.took(time.monotonic_ns() - begun)
            return answer

    def violated(self, what: str) -> ProtocolViolation:
        """End the connection over ``what`` the peer sent; the exception to raise."""
        error = ProtocolViolation(f"{self._peer}: {what}")
        self._statistics.errors += 1
        self._end(error)
        return error

    async def close(self, farewell: bytes = b"") -> None:
        """Send ``farewell`` and close; within the time-out, whatever the peer does."""
        transport = self._transport
        if transport is None:
            return
        if farewell and not transport.is_closing():
            transport.write(farewell)
        self._ended = self._ended or ConnectionLost(f"{self._peer}: closed")
        transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                await asyncio.shield(self._gone)
        transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but no subclass
        self._lost.clear()

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.violated(f"{len(data)} bytes that nobody asked for")
            return
        whole = self._torn + data if self._torn else data
        try:
            length = self._measure(whole)
        except ValueError as error:
            self._end(ProtocolViolation(f"{self._peer}: {error}"))
            return
        if length == len(whole):
            self._torn = b""
            self._answer.set_result(whole)
        elif 0 < length < len(whole):
            surplus = len(whole) - length
            self._end(ProtocolViolation(f"{self._peer}: {surplus} bytes more than one answer"))
        else:
            self._torn = whole

    def connection_lost(self, error: Exception | None) -> None:
        self._end(ConnectionLost(f"{self._peer} closed the connection" + (f" ({error})" if error else "")))
        if not self._gone.done():
            self._gone.set_result(None)

    def _silent(self) -> None:
        """One timer serves many requests: what it meets may be younger than the one it was set for."""
        self._timer = None
        if self._answer is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._silent)
            return
        self._end(ConnectionLost(f"{self._peer} is silent for {self._timeout * 1e3:g} ms"))

    def _end(self, error: GatewayError) -> None:
        """Drop the connection; the first reason is the one that is told."""
        if self._ended is None:
            self._ended = error
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(self._ended)
        self._lost.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

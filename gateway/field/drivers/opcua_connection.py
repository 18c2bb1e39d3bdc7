"""One OPC UA session over asyncua: connects within a bound, says in our errors what went wrong, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState
from asyncua.ua.status_codes import get_name_and_doc
from asyncua.ua.uaerrors import UaStatusCodeError
from cryptography.exceptions import InvalidSignature

from gateway.errors import ConnectionLost, DeviceRefused, GatewayError, ProtocolViolation
from gateway.field.drivers.base import Statistics
from gateway.field.drivers.stream import plain
from gateway.field.opcua.channel import Securing, Unsecured
from gateway.field.security import Access

# What goes wrong reaches the caller as an exception; the library's log would say it a second time.
logging.getLogger("asyncua").setLevel(logging.CRITICAL)

CONNECT_STEPS = 5
"""Connecting takes so many time-outs at most: socket, hello, channel, session, activation."""

_GONE = ("BadSession", "BadSecureChannel", "BadConnection", "BadServerHalted", "BadShutdown", "BadTcp")
_Result = TypeVar("_Result")


class Connection:
    """The session with the server at ``url``; ``lost`` is set while there is none."""

    def __init__(self, url: str, timeout_ns: int, access: Access | None = None) -> None:
        self.lost = asyncio.Event()
        self.lost.set()
        self.statistics = Statistics()
        self._url, self._timeout = url, timeout_ns / 1e9
        self._client: Client | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._securing = None if access is None else Securing(url, access)

    async def open(self) -> Client:
        """Connect; ConnectionLost, DeviceRefused or ProtocolViolation. The caller closes, also then."""
        self._client = client = self._make_client()
        if self._securing is not None:
            endpoints = await self.call(self._bounded(client.connect_and_get_server_endpoints()))
            abort(client)  # one connection at a time
            self._client = client = self._make_client()
            # It reads and keeps certificates: the scan waits for no disk.
            await asyncio.to_thread(self._securing.prepare, client, endpoints)
        try:
            await self.call(self._bounded(client.connect()))
        except (DeviceRefused, ConnectionLost) as error:
            raise await asyncio.to_thread(self._advised, error) from None
        assert client.uaclient.protocol is not None
        client.uaclient.protocol.timeout = self._timeout
        self.lost.clear()
        self._watcher = asyncio.create_task(self._watch(client))
        return client

    def _make_client(self) -> Client:
        # Health is what the scan sees: the library's own probe would only come between.
        return Client(self._url, CONNECT_STEPS * self._timeout, watchdog_intervall=86_400)

    def _bounded(self, work: Coroutine[Any, Any, _Result]) -> Coroutine[Any, Any, _Result]:
        return apart(work, CONNECT_STEPS * self._timeout)

    def _advised(self, error: DeviceRefused | ConnectionLost) -> GatewayError:
        """``error``, with what it asks for where the connection is a secured one."""
        if self._securing is None or isinstance(error, Unsecured):
            return error
        if isinstance(error, DeviceRefused):
            return DeviceRefused(error.code, error.where, self._securing.advise(error.code) or error.change)
        return ConnectionLost(f"{error}; {self._securing.advise('')}")

    async def _watch(self, client: Client) -> None:
        async with client.subscribe_state() as states:
            await states.wait_for_state(UaClientState.DISCONNECTED)
        self.lost.set()

    @property
    def client(self) -> Client:
        """The library's client; ConnectionLost when there is no connection."""
        if self._client is None or self.lost.is_set():
            raise ConnectionLost(f"{self._url} is not connected")
        return self._client

    async def call(self, service: Awaitable[_Result]) -> _Result:
        """The result of a request, or one of our errors; after all but DeviceRefused it is over."""
        self.statistics.requests += 1
        begun = time.monotonic_ns()
        try:
            result = await service
        except UaStatusCodeError as error:
            name, _ = get_name_and_doc(error.code)
            if name.startswith(_GONE):
                raise self.drop(ConnectionLost(f"{self._url}: {name}")) from None
            self.statistics.errors += 1
            raise DeviceRefused(name, self._url, "see the server's diagnosis") from None
        except TimeoutError:
            raise self.drop(ConnectionLost(f"{self._url} is silent for {self._timeout * 1e3:g} ms")) from None
        except OSError as error:
            raise self.drop(ConnectionLost(plain(self._url, error))) from None
        except GatewayError as error:
            raise self.drop(error) from None
        except InvalidSignature:
            what = "signs with another key than its certificate's"
            raise self.drop(ProtocolViolation(f"{self._url}: {what}")) from None
        except asyncio.CancelledError:
            self.drop(ConnectionLost("abandoned"))  # its answer must not meet the next request
            raise
        except Exception as error:
            raise self.drop(ProtocolViolation(f"{self._url}: cannot read its answer: {error}")) from None
        if not self.lost.is_set():  # connecting is no answer
            self.statistics.took(time.monotonic_ns() - begun)
        return result

    def drop(self, error: GatewayError) -> GatewayError:
        """End the connection at once, however far it had come."""
        self.statistics.errors += 1
        self.lost.set()
        if self._client is not None:
            abort(self._client)
        return error

    async def close(self) -> None:
        """End the session and free its slot at the server; bounded, and harmless twice."""
        client, self._client = self._client, None
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
        if client is None:
            return
        try:
            with contextlib.suppress(Exception):
                await apart(client.disconnect(), self._timeout)
        finally:
            abort(client)
            self.lost.set()


async def apart(work: Coroutine[Any, Any, _Result], seconds: float) -> _Result:
    """Do ``work`` in a task of its own; TimeoutError past the bound.

    The library swallows cancellations in places: one that is meant for us must not go that way.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task,), timeout=seconds)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


def abort(client: Client) -> None:
    """Close the socket; the library's own way leaves it open when it believes itself disconnected."""
    protocol: Any = client.uaclient.protocol
    if protocol is not None and protocol.transport is not None:
        protocol.transport.abort()

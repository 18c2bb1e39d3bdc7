"""A bounded OPC UA conversation: hello, then the library's client with our time-outs and errors."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import get_name_and_doc
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from gateway.errors import ConnectionLost, DeviceRefused, ProtocolViolation
from gateway.field.addresses import OpcUaAddress
from gateway.field.drivers.base import Statistics
from gateway.field.drivers.opcua_connection import abort, apart
from gateway.field.drivers.opcua_paths import resolve
from gateway.field.drivers.stream import Stream, plain
from gateway.field.opcua.folder import read_trusted
from gateway.field.probe.opcua_security import Wanted, advise, choose, credentials, secure
from gateway.field.probe.report import Report

_HELLO = struct.Struct("<4sI5I")  # "HELF", size, version 0, receive and send buffer, message size, chunks
_CONNECTING = 3  # questions in one call: hello, channel, the question itself
_Result = TypeVar("_Result")

Answer = ua.Variant | str
"""A value; or the name of the status that stands for one."""


async def hello(timeout_ns: int, report: Report) -> None:
    """Say hello on a connection of its own: what is no OPC UA is known by its first bytes."""
    url, statistics = urlsplit(report.url), Statistics()
    assert url.hostname is not None
    endpoint = url.hostname, url.port or 4840
    stream = await Stream.open(endpoint, _measure, timeout_ns, asyncio.Event(), statistics)
    try:
        asked = report.url.encode()
        head = _HELLO.pack(b"HELF", 32 + len(asked), 0, 65536, 65536, 0, 0)
        answer = await stream.request(head + struct.pack("<I", len(asked)) + asked)
    finally:
        await stream.close()
        report.count(statistics.requests, statistics.slowest_ns)
    if answer[:3] == b"ERR":
        code = int.from_bytes(answer[8:12], "little")
        raise DeviceRefused(get_name_and_doc(code)[0], report.url, "check the address's host and path")
    _, _, _, receives, sends, message, chunks = _HELLO.unpack_from(answer)
    report.add("limits", what="bytes a message", value=message or "no limit")
    report.add("limits", what="bytes a chunk, to and from the server", value=f"{receives}, {sends}")
    report.add("limits", what="chunks a message", value=chunks or "no limit")


def _measure(data: bytes | bytearray) -> int:
    if len(data) < 8:
        return 0
    kind, size = struct.unpack_from("<4sI", data)
    if kind not in (b"ACKF", b"ERRF") or not (28 if kind == b"ACKF" else 16) <= size <= 8192:
        raise ValueError(f"no OPC UA message: {bytes(data[:8])!r}")
    return int(size)


class Session:
    """The library's client, each of whose calls ends within the time-out and with our errors."""

    def __init__(self, report: Report, timeout_ns: int) -> None:
        self._report, self._timeout = report, timeout_ns / 1e9
        self.client = self._make_client()
        self.most = 1

    def _make_client(self) -> Client:
        return Client(self._report.url, self._timeout, watchdog_intervall=86_400)

    async def begin(self) -> None:
        """Begin a session for the anonymous user on the connection there is."""
        await self.call(self.client.create_session())
        await self.call(self.client.activate_session())

    async def begin_secured(self, endpoints: Sequence[ua.EndpointDescription], wanted: Wanted) -> bool:
        """Begin one on a new connection as ``wanted``; where not, the report says why and what to do."""
        report = self._report
        endpoint = choose(endpoints, wanted)
        if endpoint is None:
            report.reason = f"no session: no endpoint has {wanted.security.policy} in the mode asked for"
            report.advice.append("ask with --security for one of the endpoints that are shown")
            return False
        if all(token.TokenType != ua.UserTokenType.Anonymous for token in endpoint.UserIdentityTokens or ()):
            report.reason = f"no session: the endpoint with {wanted.security.policy} takes no anonymous user"
            report.advice.append("allow the anonymous user to read, in the server's settings")
            return False
        await self.close()  # one connection at a time
        self.client = self._make_client()
        try:
            own, trusted = credentials(wanted.folder, datetime.now(UTC)), read_trusted(wanted.folder)
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            report.reason = f"no session: {what}"
            report.advice.append(hint)
            return False
        try:
            secure(self.client, endpoint, wanted, own, trusted, report)
        except (ValueError, TypeError) as error:  # of a server's key that is no RSA key, or no certificate
            raise ProtocolViolation(f"{report.url}: cannot use the server's certificate: {error}") from None
        try:
            await self.call(self.client.connect_sessionless())
            await self.begin()
        except (DeviceRefused, ConnectionLost) as error:
            report.reason = f"no session: {error}"
            advice = advise(error.code if isinstance(error, DeviceRefused) else "", wanted, own)
            report.advice += [advice] if advice else []
            return False
        return True

    async def find(self, address: OpcUaAddress) -> tuple[ua.NodeId | None, str]:
        """The node at ``address``, or None and what is wrong with it or missing on the way."""
        if not address.path:
            try:
                return ua.NodeId.from_string(address.node), ""
            except (UaError, ValueError) as error:
                return None, f"{address.node!r} is not a node id ({error}); write ns=2;s=Name"

        async def translate(paths: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
            found: list[ua.BrowsePathResult] = await self.call(
                self.client.uaclient.translate_browsepaths_to_nodeids(paths)
            )
            if len(found) != len(paths):
                raise ProtocolViolation(f"answered {len(found)} paths, asked were {len(paths)}")
            return found

        nodes, missing = await resolve({"": address.path}, translate, 1)
        return nodes.get(""), missing.get("", "")

    async def call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        url, begun = self._report.url, time.monotonic_ns()
        try:
            return await apart(work, _CONNECTING * self._timeout)
        except UaStatusCodeError as error:
            name, doc = get_name_and_doc(error.code)
            raise DeviceRefused(name, url, doc) from None
        except TimeoutError:
            raise ConnectionLost(f"{url} is silent for {self._timeout:g} s") from None
        except OSError as error:
            raise ConnectionLost(plain(url, error)) from None
        except Exception as error:  # the library raises many kinds over bytes that make no sense
            raise ProtocolViolation(f"{url}: cannot read its answer: {error}") from None
        finally:
            self._report.count(1, time.monotonic_ns() - begun)

    async def read(self, nodes: Sequence[ua.NodeId]) -> list[Answer]:
        """What the nodes hold; in requests of ``most`` nodes."""
        found: list[Answer] = []
        for first in range(0, len(nodes), self.most):
            part = list(nodes[first : first + self.most])
            answers: list[ua.DataValue] = await self.call(
                self.client.uaclient.read_attributes(part, AttributeIds.Value)
            )
            if len(answers) != len(part):
                raise ProtocolViolation(f"answered {len(answers)} nodes, asked were {len(part)}")
            for answer in answers:
                code = answer.StatusCode
                good = code is None or code.is_good()
                found.append(answer.Value or ua.Variant() if good or code is None else code.name)
        return found

    async def close(self) -> None:
        try:
            with contextlib.suppress(Exception):  # whatever it was, the connection ends
                await apart(self.client.disconnect(), self._timeout)
        finally:
            abort(self.client)

"""A bounded OPC UA conversation: hello, then the library's client with our time-outs and errors."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import get_name_and_doc
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.errors import ConnectionLost, DeviceRefused, ProtocolViolation
from gateway.field.drivers.base import Statistics
from gateway.field.drivers.opcua import abort, apart
from gateway.field.drivers.stream import Stream, plain
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
        report.requests += statistics.requests
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
        self.client = Client(report.url, self._timeout, watchdog_intervall=86_400)
        self.most = 1

    async def call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        self._report.requests += 1
        url = self._report.url
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

"""Messages on a stream: four bytes of length, then msgpack; what is longer than may be is not read."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import msgspec

from gateway.local.messages import MAX_ANSWER, MAX_REQUEST, Answer, Request
from gateway.net.messages import Body, decode, encode

_HEAD = struct.Struct(">I")


class Broken(Exception):
    """What came is no message of this protocol."""


def frame(body: Body) -> bytes:
    """``body`` as it goes over the stream."""
    data = encode(body)
    return _HEAD.pack(len(data)) + data


def _size(head: bytes, most: int) -> int:
    (size,) = _HEAD.unpack(head)
    if size > most:
        raise Broken(f"a message of {size} bytes; {most} may be")
    return int(size)


def _decoded(data: bytes, wanted: Any) -> Any:
    try:
        return decode(data, wanted)
    except msgspec.MsgspecError as error:
        raise Broken(str(error)) from None


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request, None at the stream's end; Broken where it is none."""
    try:
        size = _size(await reader.readexactly(_HEAD.size), MAX_REQUEST)
        data = await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    request: Request = _decoded(data, Request)
    return request


def read_answer(stream: socket.socket) -> Answer | None:
    """The next answer, None at the stream's end; Broken where it is none, OSError where it does not come."""
    head = _exactly(stream, _HEAD.size)
    data = None if head is None else _exactly(stream, _size(head, MAX_ANSWER))
    answer: Answer | None = None if data is None else _decoded(data, Answer)
    return answer


def _exactly(stream: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        try:
            part = stream.recv(count - len(parts))
        except ConnectionResetError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)

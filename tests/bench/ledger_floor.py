"""What a decision cannot do without, measured bare: two syncs, three hops over the broker, the signatures.

A proposal, a prevote and a precommit each go from one client to the others; a vote is on disk before it is
said; a quorum of each is verified. No protocol that votes twice over this broker and this disk is faster.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec

from gateway.net.identity import Identity
from gateway.net.link import broker_address
from ledger import codec
from ledger.votes import quorum

TIMES = 200
VOTE = bytes(240)  # as long as a vote in its envelope
TOPIC = b"bench/floor"


class Floor(msgspec.Struct):
    """Each part, ms, in the middle of many."""

    sync: float
    hop: float
    sign: float
    verify: float
    checked: int
    """Signatures that a node checks: the proposal's and two quorums'. Each signs three times at most."""
    total: float
    """From a proposal to its decision at the least."""


def floor(folder: Path, url: str, members: int) -> Floor:
    """Measured on the disk of ``folder`` and the broker at ``url``, with nothing else running."""
    identity = Identity.create("floor")
    signature = identity.sign("bench", VOTE)
    sync, hop = _sync(folder), _hop(url)
    sign = _timed(lambda: identity.sign("bench", VOTE))
    verify = _timed(lambda: codec.verify(identity.public_bytes, "bench", VOTE, signature))
    checked = 1 + 2 * quorum(members)
    return Floor(sync, hop, sign, verify, checked, 2 * sync + 3 * hop + 3 * sign + checked * verify)


def _timed(call: Callable[[], object]) -> float:
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return median(took) * 1e3


def _sync(folder: Path) -> float:
    """A write of a few hundred bytes at the end of a file, and fdatasync."""
    path = folder / "floor"
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:

        def once() -> None:
            os.write(file, VOTE)
            os.fdatasync(file)

        return _timed(once)
    finally:
        os.close(file)
        path.unlink()


def _hop(url: str) -> float:
    """From one plain socket through the broker to another, QoS 0."""
    with _client(url, b"floor-a") as sender, _client(url, b"floor-b") as receiver:
        subscribe = b"\x00\x01" + struct.pack(">H", len(TOPIC)) + TOPIC + b"\x00"
        receiver.sendall(b"\x82" + bytes([len(subscribe)]) + subscribe)
        _exactly(receiver, 5)
        body = struct.pack(">H", len(TOPIC)) + TOPIC + VOTE
        packet = b"\x30" + bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + body

        def once() -> None:
            sender.sendall(packet)
            _exactly(receiver, len(packet))

        return _timed(once)


def _client(url: str, name: bytes) -> socket.socket:
    client = socket.create_connection(broker_address(url)[:2], timeout=5.0)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connect = b"\x00\x04MQTT\x04\x02\x00\x3c" + struct.pack(">H", len(name)) + name
    client.sendall(b"\x10" + bytes([len(connect)]) + connect)
    _exactly(client, 4)
    return client


def _exactly(client: socket.socket, count: int) -> None:
    while count:
        data = client.recv(count)
        if not data:
            raise ConnectionError("the broker closed the connection")
        count -= len(data)

"""Why there is no connection, in plain words: as the event loops of Python tell it, and the kernel."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

import pytest

from gateway.field.drivers.stream import plain
from rig.ports import free_ports


def failed(code: int) -> OSError:
    """As asyncio's own event loop raises it."""
    return OSError(code, "Connect call failed ('10.0.0.9', 502)")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (failed(errno.ECONNREFUSED), "refuses the connection"),
        (OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)), "refuses the connection"),
        (failed(errno.EHOSTUNREACH), "is not reached: nobody answers at that address"),
        (failed(errno.ENETUNREACH), "is not reached: no way leads to that network"),
        (failed(errno.EACCES), "Permission denied"),
        (OSError(f"Multiple exceptions: {failed(111)}, {failed(111)}"), "refuses the connection"),
        (OSError(f"Multiple exceptions: {failed(113)}, {failed(111)}"), "nobody answers at that address"),
        (socket.gaierror(-2, "Name or service not known"), "no such host name"),
        (OSError(1, "[SSL] certificate verify failed"), "certificate verify failed"),
        (OSError("something else"), "something else"),
    ],
)
def test_in_plain_words(error: OSError, said: str) -> None:
    text = plain("10.0.0.9:502", error)
    assert text.startswith("10.0.0.9:502")
    assert said in text
    assert ("refuses" in said) == ("refuses" in text)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_where_nothing_listens_refuses(host: str) -> None:
    (port,) = free_ports(1)

    async def connect() -> None:
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)

    with pytest.raises(OSError, match=r"Connect call failed|refused") as refused:
        asyncio.run(connect())
    assert "refuses the connection" in plain(f"{host}:{port}", refused.value)

"""Ports on loopback for what is started on this machine.

They lie below those that systems give to outgoing connections, so that no client gets one between the choice
and its use, and each process walks from a place of its own, so that two that start at once do not meet.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket

_FIRST, _SPAN, _STRIDE = 20_000, 12_000, 97
_walk = itertools.count()


def free_ports(count: int) -> list[int]:
    """``count`` different ports that nobody uses now; RuntimeError if there are not as many."""
    start = os.getpid() * _STRIDE
    candidates = (_FIRST + (start + next(_walk)) % _SPAN for _ in range(_SPAN))
    found = list(itertools.islice((port for port in candidates if not taken("127.0.0.1", port)), count))
    if len(found) < count:
        raise RuntimeError(f"no {count} free ports from {_FIRST} to {_FIRST + _SPAN - 1}")
    return found


def taken(host: str, port: int) -> str:
    """Why nothing can be served there; empty if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        return f"port {port} is in use" if in_use else error.strerror or str(error)
    return ""

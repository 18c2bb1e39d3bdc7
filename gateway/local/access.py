"""Who may use the shell: the user that the agent runs as, root, and members of one group if that is given."""

from __future__ import annotations

import contextlib
import socket
import string
import struct
from typing import NamedTuple

from gateway.errors import BadInput, Problem

_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_PEER_GROUPS = 59  # SO_PEERGROUPS, which Python does not name
_MOST_GROUPS = 256  # as many as Python lets be asked for
ROOT = 0
OPERATOR = "local-"
"""What the ids of shells begin with, and those of no operator on the bus."""
_LETTERS = frozenset(string.ascii_lowercase + string.digits)


class Peer(NamedTuple):
    """The process at the other end, as the kernel says: its user and all its groups."""

    pid: int
    uid: int
    groups: frozenset[int]


def peer_of(stream: socket.socket) -> Peer:
    """Of a connected Unix socket; OSError where the kernel does not say."""
    raw = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    more = b""
    with contextlib.suppress(OSError):  # in more groups than that: its first one counts
        more = stream.getsockopt(socket.SOL_SOCKET, _PEER_GROUPS, 4 * _MOST_GROUPS)
    return Peer(pid, uid, frozenset((gid, *struct.unpack(f"={len(more) // 4}I", more))))


def called(peer: Peer, number: int) -> str:
    """As whom the shell ``number`` of this user writes: an id, as of every operator, and nobody else's."""
    name = "".join(letter if letter in _LETTERS else "-" for letter in user(peer.uid).lower())
    return f"{OPERATOR}{name[:12]}-{number % 10**12}"


def refuses(peer: Peer, own: int, group: int | None) -> str:
    """Why ``peer`` may not use the shell of an agent that runs as user ``own``; empty if it may."""
    if peer.uid in (ROOT, own) or (group is not None and group in peer.groups):
        return ""
    others = "" if group is None else f", or a member of group {_group(group)}"
    return f"user {user(peer.uid)} may not: it takes {user(own)} or root{others}"


def group_id(name: str) -> int | None:
    """The group's id, None for no name; BadInput where there is no such group."""
    if not name:
        return None
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        hint = "make it with groupadd, or leave group out"
        raise BadInput([Problem("", 0, 0, f"group: there is no group {name!r} here", hint)]) from None


def user(uid: int) -> str:
    """The user's name, or its number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)

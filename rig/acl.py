"""Who may say and hear what at a line's broker: the least that each identity needs, as topics; pure.

The name in a client's certificate is the ``node``. Every topic has its sender in it, so one rule for what a
node may write is also what keeps all others from writing it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.net import topics
from gateway.net.roles import Role, holds
from gateway.net.topics import ALL, ANY
from gateway.pki.enrolment import SERVERS, Kind

NO_ACL = "the embedded broker has no access lists: who is admitted to the line may say and hear everything"


class Admitted(NamedTuple):
    """A node of the line, with what decides on its rights."""

    node: str
    kind: Kind
    roles: tuple[Role, ...] = ()


class Rights(NamedTuple):
    """Patterns of topics (``+`` stands for any one part)."""

    writes: tuple[str, ...]
    reads: tuple[str, ...]


def rights(line: str, admitted: Admitted) -> Rights:
    """What ``admitted`` needs on ``line``; nothing for who serves, which is no client."""
    node, kind, roles = admitted
    if kind in SERVERS:
        return Rights((), ())
    writes = [topics.chain(line, node), topics.pool(ANY, ANY, node)]
    reads = [topics.pool(ANY, ALL, ANY), topics.pool(ANY, topics.to(node), ANY)]
    if kind == "gateway":
        own = (topics.state, topics.about, topics.image, topics.event)
        writes += [each(line, node) for each in own]
        writes += [topics.reply(line, node, ANY), topics.couple(line, node, ANY)]
        reads += [topics.command(line, node, ANY), topics.couple(line, ANY, node)]
        reads += [topics.state(line, ANY), topics.about(line, ANY)]
    elif kind != "witness" and holds(roles, "viewer"):
        reports = (topics.state, topics.about, topics.chain, topics.image, topics.event)
        # Who may only look may still ask a gateway who it is; it knows the roles, and weighs each command.
        writes.append(topics.command(line, ANY, node))
        reads += [each(line, ANY) for each in reports]
        reads += [topics.reply(line, ANY, node), topics.pool(ANY, ANY, ANY)]
    return Rights(tuple(writes), tuple(reads))


def matches(pattern: str, topic: str) -> bool:
    """Whether ``topic`` fits ``pattern``."""
    wanted, found = pattern.split("/"), topic.split("/")
    return len(wanted) == len(found) and all(w in (ANY, f) for w, f in zip(wanted, found, strict=True))


def mosquitto_acl(line: str, admitted: Iterable[Admitted]) -> str:
    """The ``acl_file`` of mosquitto; whoever is not in it may do nothing."""
    parts = [f"# Line {line}: made by twinline, made again at each change of who belongs to it."]
    for each in sorted(admitted):
        allowed = rights(line, each)
        if allowed.writes:
            parts += ["", f"user {each.node}"]
            parts += [f"topic write {topic}" for topic in allowed.writes]
            parts += [f"topic read {topic}" for topic in allowed.reads]
    return "\n".join(parts) + "\n"

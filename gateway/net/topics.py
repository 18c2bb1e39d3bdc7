"""The topics, and what a topic says by itself: who may send on it, and whether it may be retained.

``ANY`` in place of an id gives the pattern to subscribe to.
"""

from __future__ import annotations

import re

ANY = "+"
ALL = "all"  # the kind of what a pool's nodes all hear
_ID = r"[a-z][a-z0-9-]{0,31}"
_STATION = rf"tl/1/line/{_ID}/st"
_SENDERS = tuple(
    re.compile(pattern + r"\Z")
    for pattern in (
        rf"{_STATION}/(?P<sender>{_ID})/(?:state|about|chain|image|event|reply/{_ID})",
        rf"{_STATION}/{_ID}/cmd/(?P<sender>{_ID})",
        rf"tl/1/line/{_ID}/couple/(?P<sender>{_ID})/{_ID}",
        rf"tl/1/pool/{_ID}/{_ID}/(?P<sender>{_ID})",
    )
)
_RETAINED = re.compile(rf"(?:{_STATION}/{_ID}/(?:state|about|chain)|tl/1/pool/.+)\Z")


def state(line: str, station: str) -> str:
    """Whether the station is there and how it is: retained, and the topic of the last will."""
    return _join("tl/1/line", line, "st", station, "state")


def about(line: str, station: str) -> str:
    """What the station is, as its gateway says: retained."""
    return _join("tl/1/line", line, "st", station, "about")


def chain(line: str, node: str) -> str:
    """How the line's chain is, as the gateway or witness ``node`` has it: retained."""
    return _join("tl/1/line", line, "st", node, "chain")


def image(line: str, station: str) -> str:
    """Changes of the station's process image, with key frames."""
    return _join("tl/1/line", line, "st", station, "image")


def event(line: str, station: str) -> str:
    """What happened at the station, each once."""
    return _join("tl/1/line", line, "st", station, "event")


def command(line: str, station: str, operator: str) -> str:
    """What ``operator`` asks of the station."""
    return _join("tl/1/line", line, "st", station, "cmd", operator)


def reply(line: str, station: str, requester: str) -> str:
    """What the station answers to ``requester``."""
    return _join("tl/1/line", line, "st", station, "reply", requester)


def couple(line: str, sender: str, receiver: str) -> str:
    """The coupling from station ``sender`` to station ``receiver``: signals and workpiece hand-overs."""
    return _join("tl/1/line", line, "couple", sender, receiver)


def pool(chain: str, kind: str, node: str) -> str:
    """What ``node`` says about a pool's chain."""
    return _join("tl/1/pool", chain, kind, node)


def to(node: str) -> str:
    """The kind of what in a pool only ``node`` hears. An id has 32 characters at most, and so has this."""
    return f"to-{node}"[:32]


def topic_sender(topic: str) -> str | None:
    """The node that alone may send on ``topic``; None for a topic that does not say."""
    for pattern in _SENDERS:
        if match := pattern.match(topic):
            return match["sender"]
    return None


def retainable(topic: str) -> bool:
    """Whether a broker may keep the last message: what stations and pools are, no command or hand-over."""
    return _RETAINED.match(topic) is not None


def _join(root: str, *parts: str) -> str:
    for part in parts:
        if part != ANY and not re.fullmatch(_ID, part):
            raise ValueError(f"{part!r} cannot stand in a topic; an id or ANY is wanted")
    return "/".join((root, *parts))

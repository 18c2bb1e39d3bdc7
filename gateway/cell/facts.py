"""What happened at a station that its line's chain is to record, in plain values; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from gateway.field.types import Value


class Taken(NamedTuple):
    """``operator`` holds the lease ``token``."""

    operator: str
    token: int


class Given(NamedTuple):
    """The lease ``token`` of ``operator`` has ended: ``why``."""

    operator: str
    token: int
    why: str


class Held(NamedTuple):
    """``operator`` holds ``ref`` at ``new``, or holds it no longer (``released``); it was ``old`` before."""

    operator: str
    ref: str
    released: bool
    old: Value
    new: Value


class Wrote(NamedTuple):
    """Under the lease ``token`` of ``operator`` so many ``writes`` were made from ``since`` to ``until`` (UTC
    ns), to the tags of ``old`` and ``new``: what these were before and are after."""

    operator: str
    token: int
    since: int
    until: int
    writes: int
    old: Mapping[str, Value]
    new: Mapping[str, Value]


class Made(NamedTuple):
    """``workpiece`` has left the station good."""

    workpiece: str


Fact: TypeAlias = Taken | Given | Held | Wrote | Made

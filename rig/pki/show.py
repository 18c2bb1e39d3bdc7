"""What an authority knows, as ``twinline pki list`` shows it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.local.table import table as rows
from gateway.pki import certificates
from gateway.pki.certificates import DAY, moment
from rig.pki.desk import Desk

SOON = 90  # days: less is said


class Node(msgspec.Struct, frozen=True):
    """A node's last enrolment. ``state`` is enrolled, ended or revoked; ``public`` its ledger key."""

    node: str
    kind: str
    roles: tuple[str, ...]
    owner: str
    until: str
    days: int
    state: str
    why: str
    public: str


class Open(msgspec.Struct, frozen=True):
    """A token that was not used yet."""

    node: str
    kind: str
    until: str


class Shown(msgspec.Struct, frozen=True):
    """All of it; ``root`` is the SHA-256 of the root, ``days`` what is left to the issuing authority."""

    line: str
    root: str
    days: int
    nodes: tuple[Node, ...]
    tokens: tuple[Open, ...]


def survey(desk: Desk, now: int) -> Shown:
    """What ``desk`` knows ``now`` (UTC ns)."""
    nodes = []
    for each in desk.listed():
        said = each.answer.enrolment.enrolment
        days = (said.before - now) // DAY
        state = "enrolled" if each.revoked is None and days >= 0 else "ended"
        nodes.append(
            Node(
                said.node,
                said.kind,
                said.roles,
                said.owner,
                _day(said.before),
                days,
                state if each.revoked is None else "revoked",
                "" if each.revoked is None else f"{_day(each.revoked)}: {each.why}",
                said.public.hex(),
            )
        )
    tokens = tuple(
        Open(place.node, place.kind, f"{moment(until):%Y-%m-%d %H:%M:%S} UTC")
        for place, until in desk.invited()
    )
    authority = desk.authority
    left = certificates.days_left(authority.issuing, now)
    return Shown(authority.line, authority.root_hex, left, tuple(nodes), tokens)


def table(shown: Shown) -> Iterator[str]:
    """As lines of text."""
    yield f"line {shown.line}; root {shown.root}"
    yield f"the issuing authority has {shown.days} days left" + (
        "; twinline pki reissue" if shown.days < SOON else ""
    )
    found = [
        (
            each.node,
            each.kind,
            ", ".join(each.roles),
            each.owner,
            # In one column, the last, which is wrapped where it is too long, and never cut.
            f"{each.state} {each.why or 'until ' + each.until}",
        )
        for each in shown.nodes
    ]
    if found:
        yield from rows(("node", "kind", "roles", "owner", "state"), found)
    for each in shown.tokens:
        yield f"open: a token for {each.node} as {each.kind}, until {each.until}"


def _day(ns: int) -> str:
    return f"{moment(ns):%Y-%m-%d}"

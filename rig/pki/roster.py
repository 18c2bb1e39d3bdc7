"""Who of a line is enrolled already, wherever its keys are, and who is not yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.errors import BadInput, Problem
from gateway.net.roles import Role
from gateway.pki.certificates import moment
from gateway.pki.enrolment import Kind
from rig.pki.authority import Authority
from rig.pki.registry import Registry


class Member(NamedTuple):
    """A node as it is enrolled: its Ed25519 key (32 bytes), what it may, and whose it is."""

    public: bytes
    roles: tuple[Role, ...]
    owner: str


def roster(authority: Authority, wanted: Mapping[str, Kind], now: int) -> dict[str, Member]:
    """Each node of ``wanted``, which is enrolled as that kind ``now`` (UTC ns); BadInput says who is not, all
    at once, and what to do."""
    registry = Registry(authority.folder)
    try:
        last = {each.place.node: each for each in registry.issued()}
    finally:
        registry.close()
    problems: list[Problem] = []
    found: dict[str, Member] = {}
    for node, kind in wanted.items():
        held = last.get(node)
        how = f"twinline pki enroll {node} --as {kind} --pki {authority.folder}"
        if held is None or held.revoked is not None:
            state = "is not enrolled yet" if held is None else f"is revoked ({held.why})"
            problems.append(_problem(authority.folder, f"{node} {state}", how))
            continue
        said = held.answer.enrolment.enrolment
        if said.before < now:
            ended = f"the enrolment of {node} ended on {moment(said.before):%Y-%m-%d}"
            problems.append(_problem(authority.folder, ended, f"renew it at {node}, or: {how}"))
        elif said.kind != kind:
            what = f"{node} is enrolled as {said.kind}, and the line needs a {kind}"
            problems.append(_problem(authority.folder, what, "choose another id, or revoke it first"))
        else:
            found[node] = Member(said.public, said.roles, said.owner)
    if problems:
        raise BadInput(problems)
    return found


def _problem(folder: Path, what: str, hint: str) -> Problem:
    return Problem(str(folder), 0, 0, what, hint)

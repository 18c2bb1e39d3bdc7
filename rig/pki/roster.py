"""Who of a line is enrolled already, wherever its keys are, and who is not yet."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import BadInput, Problem
from gateway.net.identity import Trust
from gateway.pki.certificates import moment
from gateway.pki.enrolment import SERVERS, Kind
from rig.pki.authority import Authority
from rig.pki.registry import Issued, Registry


def roster(authority: Authority, wanted: Mapping[str, Kind], now: int) -> Trust:
    """Whom a line's nodes are to know ``now`` (UTC ns): all that are enrolled but brokers and controllers,
    which say nothing of their own, and no revoked key.

    BadInput says who of ``wanted`` is not enrolled, or as another kind, all at once, and what to do.
    """
    issued = _issued(authority)
    last = {each.place.node: each for each in issued}
    problems = [
        Problem(str(authority.folder), 0, 0, *wrong)
        for node, kind in wanted.items()
        if (wrong := _wrong(authority, last.get(node), node, kind, now))
    ]
    if problems:
        raise BadInput(problems)
    trust = Trust()
    for public, node in {each.public: each.place.node for each in issued if each.burnt}.items():
        trust.add(node, public)
        trust.revoke(node)
    for each in last.values():
        said = each.answer.enrolment.enrolment
        if each.revoked is None and said.before >= now and said.kind not in SERVERS:
            trust.add(said.node, said.public, said.roles, said.owner)
    return trust


def broker_at(authority: Authority, host: str, now: int) -> str:
    """The broker that is enrolled for ``host``; BadInput where there is none."""
    for each in reversed(_issued(authority)):
        said = each.answer.enrolment.enrolment
        if each.revoked is None and said.kind == "broker" and host in each.place.hosts and said.before >= now:
            return said.node
    hint = f"twinline pki enroll broker --as broker --host {host} --pki {authority.folder}"
    raise BadInput([Problem(str(authority.folder), 0, 0, f"no broker is enrolled for {host}", hint)])


def _issued(authority: Authority) -> list[Issued]:
    registry = Registry(authority.folder)
    try:
        return registry.issued()
    finally:
        registry.close()


def _wrong(
    authority: Authority, held: Issued | None, node: str, kind: Kind, now: int
) -> tuple[str, str] | None:
    """What is wrong with a node of the line as it is enrolled, and what to do."""
    how = f"twinline pki enroll {node} --as {kind} --pki {authority.folder}"
    if held is None:
        return f"{node} is not enrolled yet", how
    if held.revoked is not None:
        return f"{node} is revoked ({held.why})", how
    said = held.answer.enrolment.enrolment
    if said.before < now:
        return (
            f"the enrolment of {node} ended on {moment(said.before):%Y-%m-%d}",
            f"renew it there, or: {how}",
        )
    if said.kind != kind:
        what = f"{node} is enrolled as {said.kind}, and the line needs a {kind}"
        return what, "choose another id, or revoke it first"
    return None

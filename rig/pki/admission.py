"""A node of this machine is enrolled where what it has serves no more; else it keeps its credentials.

It is remembered in the authority's registry, as if it had been let in from elsewhere: it can be listed,
renewed and revoked.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from gateway.errors import BadInput, Problem
from gateway.net.identity import Identity
from gateway.net.roles import Role
from gateway.pki import certificates
from gateway.pki.credentials import KEY, OPCUA, TLS, OpcuaFiles, TlsFiles, enrolled, install, take_lists
from gateway.pki.enrolment import Kind, Signed
from gateway.pki.keys import make_keys, make_request
from rig.pki.authority import Authority
from rig.pki.desk import Desk, Refused
from rig.pki.registry import Place, Registry

SOON = 30 * certificates.DAY  # what ends earlier is made anew


def admit(
    authority: Authority,
    folder: Path,
    identity: Identity,
    kind: Kind,
    *,
    now: int,
    owner: str = "",
    roles: Collection[Role] = (),
    hosts: Collection[str] = (),
    opcua: bool = False,
) -> Signed:
    """Credentials of ``identity`` in ``folder``; ``now`` is UTC ns. BadInput, OSError, ValueError.

    ``opcua`` adds a key and certificate for OPC UA, for the kinds that have one.
    """
    place = Place(identity.node, kind, owner or authority.owner, tuple(sorted(roles)), tuple(sorted(hosts)))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / KEY).exists():
        identity.save(folder / KEY)
    make_keys(folder, identity.node, opcua)
    registry = Registry(authority.folder)
    try:
        held = enrolled(folder)
        if held is not None and _serves(held, authority, folder, registry, place, now):
            take_lists(folder, authority.lists)
            return held
        renews = held.enrolment.serial if held is not None and _same(held, registry, place) else None
        desk, request = Desk(authority, registry, lambda: now), make_request(folder, renews=renews)
        answer = desk.renew(request) if renews is not None else desk.enrol_by_hand(request, place)
    finally:
        registry.close()
    if isinstance(answer, Refused):
        raise BadInput([Problem(str(folder), 0, 0, answer.what, answer.hint)])
    made = install(folder, answer, certificates.fingerprint(authority.root), now)
    take_lists(folder, authority.lists)
    return made


def _serves(
    held: Signed, authority: Authority, folder: Path, registry: Registry, place: Place, now: int
) -> bool:
    """Whether what is there can stay."""
    ours = certificates.read_certificates(TlsFiles.of(folder / TLS).ca)[0] == authority.root
    files = OpcuaFiles.of(folder / OPCUA)
    whole = files.certificate.exists() or not files.key.exists()
    return ours and whole and held.enrolment.before - now > SOON and _same(held, registry, place)


def _same(held: Signed, registry: Registry, place: Place) -> bool:
    """Whether it was issued here, for this place, and last, and is not revoked."""
    issued = registry.issued(place.node)
    last = issued[-1] if issued else None
    return last is not None and (last.answer.enrolment, last.place, last.revoked) == (held, place, None)

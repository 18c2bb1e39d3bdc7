"""A node on the machine of its authority: its folder of credentials, made without anything that travels."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from gateway.net.identity import Identity
from gateway.net.roles import Role
from gateway.pki import certificates
from gateway.pki.credentials import KEY, install, take_lists
from gateway.pki.enrolment import Kind, Signed
from gateway.pki.keys import make_keys, make_request
from gateway.pki.requests import read_request
from ledger.codec import Malformed
from rig.pki.authority import Authority


def enrol_here(
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
    """Make ``folder`` the credentials of ``identity``, by the same steps as over the network; OSError.

    ``opcua`` adds a key and certificate for OPC UA. What is asked of ``authority.issue`` holds here, too.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / KEY).exists():
        identity.save(folder / KEY)
    make_keys(folder, identity.node, opcua)
    read = read_request(make_request(folder))
    assert not isinstance(read, Malformed), "it is ours"
    _, request = read
    answer = authority.issue(
        request.node,
        kind,
        request.public,
        certificates.requested(request.tls),
        None if request.opcua is None else certificates.requested(request.opcua),
        now=now,
        owner=owner,
        roles=roles,
        hosts=hosts,
    )
    made = install(folder, answer, certificates.fingerprint(authority.root), now)
    take_lists(folder, authority.lists)
    return made

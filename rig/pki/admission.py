"""Credentials made beside the authority: for a line that runs on this machine, and for folders to be carried.

A gateway that stands elsewhere makes its keys there, and asks for the rest (docs/pki.md).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from gateway.net.identity import Identity
from gateway.pki import certificates, credentials
from gateway.pki.credentials import TLS, TlsFiles
from gateway.pki.enrolment import Kind, Role
from gateway.pki.keys import make_keys
from rig.pki.authority import Authority


def admit(
    authority: Authority,
    folder: Path,
    node: str,
    kind: Kind,
    *,
    now: int,
    owner: str = "",
    roles: Collection[Role] = (),
    hosts: Collection[str] = (),
) -> Identity:
    """The identity of ``node``, with keys and certificates in ``folder``; those that are there stay.

    ``now`` is UTC ns. Raises BadInput, OSError, ValueError as the parts it calls.
    """
    identity = make_keys(folder, node, opcua=False)
    if credentials.enrolled(folder) is None:
        key = certificates.read_key(TlsFiles.of(folder / TLS).key).public_key()
        assert isinstance(key, EllipticCurvePublicKey), "ours for TLS are"
        answer = authority.issue(
            node, kind, identity.public_bytes, key, now=now, owner=owner, roles=roles, hosts=hosts
        )
        credentials.install(folder, answer, certificates.fingerprint(authority.root), now)
    return identity

"""A node of this machine is enrolled where what it has serves no more; else it keeps its credentials."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cryptography import x509

from gateway.net.identity import Identity
from gateway.net.roles import Role
from gateway.pki import certificates
from gateway.pki.credentials import TLS, TlsFiles, enrolled
from gateway.pki.enrolment import Kind
from rig.pki.authority import Authority
from rig.pki.here import enrol_here

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
) -> None:
    """Credentials of ``identity`` in ``folder``; ``now`` is UTC ns. BadInput, OSError, ValueError."""
    held = enrolled(folder)
    if held is not None:
        said, files = held.enrolment, TlsFiles.of(folder / TLS)
        same = (said.line, said.kind, said.node, said.public, set(said.roles)) == (
            authority.line, kind, identity.node, identity.public_bytes, set(roles),
        )  # fmt: skip
        ours = certificates.read_certificates(files.ca)[0] == authority.root
        leaf = certificates.read_certificates(files.certificate)[0]
        if same and ours and said.before - now > SOON and set(hosts) <= _hosts(leaf):
            return
    enrol_here(authority, folder, identity, kind, now=now, owner=owner, roles=roles, hosts=hosts)


def _hosts(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(each.value) for each in names if isinstance(each, x509.DNSName | x509.IPAddress)}

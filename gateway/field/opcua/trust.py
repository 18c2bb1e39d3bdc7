"""Whether the certificate of an OPC UA application is to be trusted: it is listed, or an authority's.

What is listed is trusted by itself: a person has looked at it. Any other must be issued, directly or over the
certificates sent with it, by an authority that is known here, and name the host that was asked for.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from gateway.pki.certificates import UNREADABLE, read_der
from gateway.pki.revocation import is_revoked, taken_back

DEPTH = 4
"""At most so many authorities one above the other."""
SHORTEST_KEY, LONGEST_KEY = 2048, 4096  # bits of an RSA key, by every policy spoken here
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_SOUND = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
SERVES, ASKS = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


class Trusted(NamedTuple):
    """Whom this side trusts: certificates by themselves (DER), and authorities with what they revoked."""

    listed: frozenset[bytes] = frozenset()
    authorities: tuple[x509.Certificate, ...] = ()
    revoked: tuple[x509.CertificateRevocationList, ...] = ()


class Peer(NamedTuple):
    """Who the other side says it is: its application's URI, what it does (``SERVES`` or ``ASKS``), and the
    host by which it was reached ("": not by one)."""

    uri: str
    use: ObjectIdentifier
    host: str = ""


class Fault(NamedTuple):
    """Why not: OPC UA's status, and in words."""

    code: str
    what: str


def split(chain: bytes) -> list[bytes]:
    """The DER certificates that stand one after the other in ``chain``, the leaf first; at most ``DEPTH``."""
    found: list[bytes] = []
    while chain and len(found) < DEPTH:
        if len(chain) < 4 or chain[0] != 0x30:
            return [*found, chain]
        many = chain[1] & 0x7F if chain[1] & 0x80 else 0
        size = 2 + many + (int.from_bytes(chain[2 : 2 + many], "big") if many else chain[1])
        found.append(chain[:size])
        chain = chain[size:]
    return found


def judge(chain: bytes, trusted: Trusted, peer: Peer, now: datetime) -> Fault | None:
    """What is wrong with the first certificate of ``chain`` (DER); None: it is to be trusted ``now``."""
    try:
        first, *sent = split(chain) or [b""]
        leaf, above = read_der(first), [read_der(each) for each in sent]
    except ValueError as error:
        return Fault("BadCertificateInvalid", f"cannot be read: {error}")
    if (fault := _own(leaf, peer, now)) is not None:
        return fault
    fault = _path(leaf, above, trusted, now)
    if first in trusted.listed:
        return fault if fault is not None and fault.code == "BadCertificateRevoked" else None
    if fault is None and peer.host and not names_host(leaf, peer.host):
        named = ", ".join(hosts(leaf)) or "none"
        what = f"is not that of {peer.host}; the hosts it names: {named}"
        return Fault("BadCertificateHostNameInvalid", what)
    return fault


def _own(leaf: x509.Certificate, peer: Peer, now: datetime) -> Fault | None:
    """What is wrong with the certificate itself, whoever issued it."""
    if why := _time(leaf, now):
        return Fault("BadCertificateTimeInvalid", why)
    key, uses, uris = leaf.public_key(), _extension(leaf, x509.ExtendedKeyUsage), uris_of(leaf)
    if not isinstance(key, RSAPublicKey) or not SHORTEST_KEY <= key.key_size <= LONGEST_KEY:
        return Fault("BadCertificateInvalid", f"has no RSA key of {SHORTEST_KEY} to {LONGEST_KEY} bits")
    if not isinstance(leaf.signature_hash_algorithm, _SOUND):
        return Fault("BadCertificateInvalid", "is signed by a hash that is broken")
    if uses is not None and peer.use not in uses:
        role = "a server" if peer.use == SERVES else "a client"
        return Fault("BadCertificateUseNotAllowed", f"is not made for {role}")
    if peer.uri not in uris:
        said = ", ".join(uris) or "none"
        return Fault("BadCertificateUriInvalid", f"names the application {said}, and it says {peer.uri}")
    return None


def _path(
    leaf: x509.Certificate, sent: Sequence[x509.Certificate], trusted: Trusted, now: datetime
) -> Fault | None:
    """Whether an authority that is known stands above ``leaf``."""
    child, between = leaf, 0
    for _ in range(DEPTH):
        known = next((each for each in trusted.authorities if _issued(each, child, between)), None)
        issuer = known or next((each for each in sent if _issued(each, child, between)), None)
        if issuer is None:
            break
        if why := _time(issuer, now):
            return Fault("BadCertificateIssuerTimeInvalid", f"is of an authority that {why}")
        if is_revoked(child, issuer, trusted.revoked):
            return Fault("BadCertificateRevoked", "is revoked by its authority")
        if known is not None:
            if not taken_back(known, trusted.authorities, trusted.revoked):
                return None
            return Fault("BadCertificateRevoked", "is of an authority that is revoked itself")
        child, between = issuer, between + 1
    return Fault("BadCertificateUntrusted", "is not among the trusted ones, and of no authority known here")


def _issued(issuer: x509.Certificate, child: x509.Certificate, between: int) -> bool:
    """Whether ``issuer`` is an authority that signed ``child``, ``between`` authorities above the leaf."""
    try:
        limits = _extension(issuer, x509.BasicConstraints)
        usage = _extension(issuer, x509.KeyUsage)
        if limits is None or not limits.ca or (usage is not None and not usage.key_cert_sign):
            return False
        if limits.path_length is not None and between > limits.path_length:
            return False
        if not isinstance(child.signature_hash_algorithm, _SOUND):
            return False
        child.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def _time(certificate: x509.Certificate, now: datetime) -> str:
    """Why it is not valid ``now`` (UTC)."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begins:
        return f"is valid from {begins:%Y-%m-%d %H:%M} UTC on, and it is {now:%Y-%m-%d %H:%M} here"
    return f"ran out on {ends:%Y-%m-%d}" if now > ends else ""


def names_host(certificate: x509.Certificate, host: str) -> bool:
    """Whether ``certificate`` names ``host``, a name or an address."""
    return host.lower().rstrip(".") in hosts(certificate) or _address(host) in hosts(certificate)


def _address(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def hosts(certificate: x509.Certificate) -> list[str]:
    """The names and addresses of hosts in ``certificate``."""
    names = _extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return []
    told = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    return told + [str(address) for address in names.get_values_for_type(x509.IPAddress)]


def uris_of(certificate: x509.Certificate) -> list[str]:
    """The applications that ``certificate`` names."""
    names = _extension(certificate, x509.SubjectAlternativeName)
    return [] if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)


def thumbprint(der: bytes) -> str:
    """By which people and servers know a certificate: SHA-1, as OPC UA has it."""
    digest = hashes.Hash(hashes.SHA1())
    digest.update(der)
    return digest.finalize().hex()


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None

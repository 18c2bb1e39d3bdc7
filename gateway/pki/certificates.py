"""X.509 as a line uses it: keys, requests, whom a certificate names, and whether it holds up to the root.

Times are UTC nanoseconds; X.509 itself knows whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import BadInput, Problem
from gateway.private import exposed

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey
PublicKey = EllipticCurvePublicKey | RSAPublicKey

OPCUA_BITS = 2048
SERVES, ASKS = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
DAY = 86_400 * 10**9  # ns
EARLIER = DAY // 288  # five minutes that a certificate begins before it is issued: clocks set by hand differ
UNREADABLE = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip
"""What the library raises at a certificate, a request or a list that is not sound."""
_URN = "urn:twinline:line:"


class Subject(NamedTuple):
    """Whom a certificate names: a node of a line, and as what (``gateway``, ``broker``, ``root``, ...)."""

    line: str
    kind: str
    node: str

    @property
    def uri(self) -> str:
        """As it stands in the certificate's subject alternative name."""
        return f"{_URN}{self.line}:{self.kind}:{self.node}"


def application_uri(line: str, node: str) -> str:
    """The ApplicationUri of a node's OPC UA client."""
    return f"urn:twinline:{line}:{node}"


def subject_of(certificate: x509.Certificate) -> Subject | None:
    """Whom it names, None where it is no certificate of a line."""
    for uri in _uris(certificate):
        if uri.startswith(_URN) and len(parts := uri.removeprefix(_URN).split(":")) == 3:
            return Subject(*parts)
    return None


def owner_of(certificate: x509.Certificate) -> str:
    """The organisation it names; empty where it names none."""
    found = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(found[0].value) if found else ""


def _uris(certificate: x509.Certificate) -> Iterable[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def new_tls_key() -> EllipticCurvePrivateKey:
    """A new key for TLS: EC P-256, which any gateway signs with in under a millisecond."""
    return generate_private_key(SECP256R1())


def new_opcua_key() -> RSAPrivateKey:
    """A new key for OPC UA, whose policies know RSA alone."""
    return generate_rsa(65537, OPCUA_BITS)


def key_pem(key: PrivateKey) -> bytes:
    """The private key as PKCS 8 PEM, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_key(path: Path) -> PrivateKey:
    """The private key that ``key_pem`` wrote; BadInput, also where others can read it."""
    try:
        problems = exposed(path)
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise BadInput([Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")]) from None
    except UNREADABLE:
        hint = "restore it, or enrol this node anew"
        raise BadInput([Problem(str(path), 0, 0, "holds no readable private key", hint)]) from None
    if problems:
        raise BadInput(problems)
    if not isinstance(key, PrivateKey):
        raise BadInput([Problem(str(path), 0, 0, "is neither an EC nor an RSA key", "enrol this node anew")])
    return key


def request(key: PrivateKey, node: str) -> bytes:
    """A certificate signing request (DER). The authority takes the key from it and nothing else."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.DER)


def requested(data: bytes) -> PublicKey:
    """The key of a request, whose asker holds the private one; ValueError where not, or of another kind."""
    try:
        asked = x509.load_der_x509_csr(data)
        holds, key = asked.is_signature_valid, asked.public_key()
    except (*UNREADABLE, InvalidSignature) as error:
        raise ValueError(f"no certificate signing request: {error}") from None
    if not holds:
        raise ValueError("the request is not signed with the key that it names")
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    if isinstance(key, RSAPublicKey) and OPCUA_BITS <= key.key_size <= 2 * OPCUA_BITS:
        return key
    raise ValueError("the request is for a key that is not used here; EC P-256 or RSA of 2048 to 4096 bits")


def public_der(key: PublicKey) -> bytes:
    """The public key as SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Every certificate of a PEM file, in its order; BadInput where there is none."""
    try:
        return certificates(path.read_bytes())
    except OSError as error:
        problem = Problem(str(path), 0, 0, f"cannot be read: {error.strerror}", "enrol this node")
    except ValueError as error:
        problem = Problem(str(path), 0, 0, str(error), "restore it, or enrol this node anew")
    raise BadInput([problem])


def certificates(pem: bytes) -> list[x509.Certificate]:
    """Every certificate in ``pem``, in its order; ValueError where there is none, or one as ``read_der``."""
    try:
        return [_whole(each) for each in x509.load_pem_x509_certificates(pem)]
    except UNREADABLE:
        raise ValueError("holds no readable certificate") from None


def read_der(data: bytes) -> x509.Certificate:
    """The certificate in ``data``, of which all can be read, whoever made it; ValueError where that is not
    so."""
    try:
        return _whole(x509.load_der_x509_certificate(data))
    except UNREADABLE as error:
        raise ValueError(str(error)) from None


def _whole(certificate: x509.Certificate) -> x509.Certificate:
    """``certificate``, which decodes its parts when they are asked for: here, and not where they are used."""
    parts = ("subject", "issuer", "extensions", "not_valid_before_utc", "not_valid_after_utc")
    for part in (*parts, "signature_hash_algorithm"):
        getattr(certificate, part)
    certificate.public_key()
    return certificate


def der(certificate: x509.Certificate) -> bytes:
    """The certificate's own bytes."""
    return certificate.public_bytes(Encoding.DER)


def pem(*some: x509.Certificate) -> bytes:
    """Certificates as PEM, one after the other."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in some)


def fingerprint(certificate: x509.Certificate) -> bytes:
    """SHA-256 (32 bytes) of the certificate."""
    return certificate.fingerprint(hashes.SHA256())


def begins(certificate: x509.Certificate) -> int:
    """From when it is valid, UTC ns."""
    return int(certificate.not_valid_before_utc.timestamp()) * 10**9


def ends(certificate: x509.Certificate) -> int:
    """Until when it is valid, UTC ns."""
    return int(certificate.not_valid_after_utc.timestamp()) * 10**9


def days_left(certificate: x509.Certificate, now: int) -> int:
    """Whole days until it ends; negative once it has."""
    return (ends(certificate) - now) // DAY


def moment(ns: int) -> datetime:
    """UTC ns as X.509 and people write it, to the second."""
    return datetime.fromtimestamp(ns // 10**9, UTC)


def invalid_now(certificate: x509.Certificate, now: int, name: str = "the certificate") -> str:
    """What is wrong with its time, and what to do; empty where it is valid ``now`` (UTC ns)."""
    today = f"this machine's clock says {moment(now):%Y-%m-%d %H:%M:%S} UTC"
    if now < begins(certificate):
        since = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC"
        return f"{name} is valid from {since} on, and {today}; set this clock, or the authority's"
    if now > ends(certificate):
        until = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
        return f"{name} was valid until {until}, and {today}; renew it, or set this clock"
    return ""


def check(
    leaf: x509.Certificate,
    issuing: x509.Certificate,
    root: x509.Certificate,
    now: int,
    purpose: x509.ObjectIdentifier,
) -> str:
    """Why ``leaf`` does not hold up to ``root`` for ``purpose`` (SERVES, ASKS) ``now``; empty: it does."""
    if why := _issued(issuing, root, "the issuing authority"):
        return why
    if why := _issued(leaf, issuing, "the certificate"):
        return why
    if _is_authority(leaf) or not _is_authority(issuing) or not _is_authority(root):
        return "an authority's certificate stands where a node's should, or the other way round"
    for each, name in ((leaf, ""), (issuing, "the issuing authority's certificate"), (root, "the root's")):
        if why := invalid_now(each, now, name or "the certificate"):
            return why
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return "the certificate does not say what it is for"
    if purpose not in usage:
        wanted = "serve" if purpose == SERVES else "ask"
        return f"the certificate is not one to {wanted} with"
    ours, theirs = subject_of(root), subject_of(leaf)
    if theirs is not None and ours is not None and theirs.line != ours.line:
        return f"the certificate is of line {theirs.line}, the authority of {ours.line}"
    return ""


def _issued(certificate: x509.Certificate, by: x509.Certificate, what: str) -> str:
    try:
        certificate.verify_directly_issued_by(by)
    except (*UNREADABLE, InvalidSignature):
        return f"{what} is another authority's"
    return ""


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False

"""Lists of the revoked: whom they name, and whether they are overdue.

A list that is overdue still holds for those whom it names: a certificate that was taken back does not come
back because nobody brought a newer list, and a plant does not stand still for that either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.pki.certificates import UNREADABLE

List = x509.CertificateRevocationList
MOST_BYTES = 256 * 1024
"""Of all lists of one line; an entry takes 40, and one whose certificate has ended is left out."""
_BEGIN = b"-----BEGIN X509 CRL-----"


def read_lists(data: bytes) -> list[List]:
    """Those in ``data``, PEM (one after the other) or DER (one); ValueError where there is none."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"has more than {MOST_BYTES} bytes")
    try:
        if _BEGIN not in data:
            return [x509.load_der_x509_crl(data)]
        return [x509.load_pem_x509_crl(_BEGIN + part) for part in data.split(_BEGIN)[1:]]
    except UNREADABLE:
        raise ValueError("holds no readable list of revoked certificates") from None


def lists_pem(lists: Iterable[List]) -> bytes:
    """They as PEM, one after the other."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in lists)


def is_of(found: List, authority: x509.Certificate) -> bool:
    """Whether ``authority`` signed it."""
    if found.issuer != authority.subject:
        return False
    try:
        return found.is_signature_valid(authority.public_key())  # type: ignore[arg-type]  # its key signs
    except UNREADABLE:
        return False


def is_revoked(child: x509.Certificate, issuer: x509.Certificate, lists: Sequence[List]) -> bool:
    """Whether a list of ``issuer`` names ``child``, which it issued."""
    return any(
        each.get_revoked_certificate_by_serial_number(child.serial_number) is not None
        for each in lists
        if is_of(each, issuer)
    )


def taken_back(
    leaf: x509.Certificate, authorities: Sequence[x509.Certificate], lists: Sequence[List]
) -> bool:
    """Whether ``leaf`` is revoked, or one of ``authorities`` above it."""
    child = leaf
    for _ in range(len(authorities)):
        issuer = next((each for each in authorities if _issued(each, child)), None)
        if issuer is None or issuer == child:
            return False
        if is_revoked(child, issuer, lists):
            return True
        child = issuer
    return False


def overdue(lists: Sequence[List], now: datetime) -> str:
    """Which of them should have been followed by another before ``now`` (UTC), in words; empty: none."""
    late = [each for each in lists if each.next_update_utc is not None and each.next_update_utc < now]
    return "; ".join(
        f"the list of the revoked of {name_of(each)} ran out on {each.next_update_utc:%Y-%m-%d}"
        for each in late
    )


def name_of(found: List) -> str:
    """The common name of the authority whose list it is."""
    names = found.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else found.issuer.rfc4514_string()


def _issued(issuer: x509.Certificate, child: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True

"""Whom an OPC UA certificate is trusted for: every way in which one may be wrong, alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.field.opcua.trust import ASKS, SERVES, Fault, Peer, Trusted, judge, split
from gateway.pki.certificates import read_der

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PRESS = Peer("urn:press", SERVES, "press.example")
KEY, OTHER = (generate_private_key(65537, 2048) for _ in range(2))


def made(
    name: str = "press",
    by: tuple[str, RSAPrivateKey] | None = None,
    key: RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY,
    uri: str = "urn:press",
    hosts: tuple[str, ...] = ("press.example", "10.0.0.7"),
    use: x509.ObjectIdentifier | None = SERVES,
    ca: bool = False,
    length: int | None = None,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + DAY,
    serial: int = 7,
) -> bytes:
    """A certificate, by the authority ``by`` or its own."""
    issuer, signer = by or (name, KEY)
    alternatives: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
    for host in hosts:
        numeric = host[0].isdigit()
        alternatives.append(x509.IPAddress(ip_address(host)) if numeric else x509.DNSName(host))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName(alternatives), False)
        .add_extension(x509.BasicConstraints(ca, length if ca else None), True)
    )
    if use is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)


def read(*some: bytes) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_der_x509_certificate(each) for each in some)


ROOT = made("root", use=None, ca=True, length=1, key=OTHER, by=("root", OTHER))
ISSUING = made("issuing", ("root", OTHER), ca=True, length=0, use=None)
BY = ("issuing", KEY)
LINE = Trusted(authorities=read(ROOT, ISSUING))


def code(fault: Fault | None) -> str:
    return "" if fault is None else fault.code


def test_a_certificate_in_the_list_is_trusted_and_no_other() -> None:
    listed = made()
    assert judge(listed, Trusted(frozenset({listed})), PRESS, NOW) is None
    assert code(judge(made(serial=8), Trusted(frozenset({listed})), PRESS, NOW)) == "BadCertificateUntrusted"
    assert code(judge(listed, Trusted(), PRESS, NOW)) == "BadCertificateUntrusted"


def test_what_is_listed_may_be_reached_by_any_name() -> None:
    listed = made(hosts=())
    assert judge(listed, Trusted(frozenset({listed})), PRESS, NOW) is None


@pytest.mark.parametrize("host", ["press.example", "PRESS.example.", "10.0.0.7"])
def test_an_authoritys_is_trusted_for_the_hosts_it_names(host: str) -> None:
    assert judge(made(by=BY), LINE, PRESS._replace(host=host), NOW) is None


@pytest.mark.parametrize("host", ["glue.example", "10.0.0.8", "example", "press.example.evil"])
def test_and_for_no_other_host(host: str) -> None:
    fault = judge(made(by=BY), LINE, PRESS._replace(host=host), NOW)
    assert code(fault) == "BadCertificateHostNameInvalid"
    assert "press.example, 10.0.0.7" in (fault.what if fault else "")


def test_a_client_is_reached_by_no_host() -> None:
    assert judge(made(by=BY, use=ASKS, hosts=()), LINE, Peer("urn:press", ASKS), NOW) is None


def test_authorities_sent_with_it_lead_up_to_one_that_is_known() -> None:
    leaf, only_root = made(by=BY), Trusted(authorities=read(ROOT))
    assert judge(leaf + ISSUING, only_root, PRESS, NOW) is None
    assert code(judge(leaf, only_root, PRESS, NOW)) == "BadCertificateUntrusted"
    assert split(leaf + ISSUING) == [leaf, ISSUING]


def test_nobody_is_an_authority_by_saying_so() -> None:
    """A leaf signs another, a stranger calls itself issuing, and an authority stands below where none may."""
    leaf = made(by=BY)
    below = made("under", by=("press", KEY))
    assert code(judge(below + leaf, LINE, PRESS, NOW)) == "BadCertificateUntrusted"
    forged = made("press", by=("issuing", OTHER))
    assert code(judge(forged, LINE, PRESS, NOW)) == "BadCertificateUntrusted"
    third = made("third", BY, ca=True, use=None)
    assert code(judge(made(by=("third", KEY)) + third, LINE, PRESS, NOW)) == "BadCertificateUntrusted"


def test_an_endless_chain_ends() -> None:
    circle = made("round", use=None, ca=True)
    assert code(judge(made(by=("round", KEY)) + 9 * circle, LINE, PRESS, NOW)) == "BadCertificateUntrusted"


@pytest.mark.parametrize(
    ("certificate", "wanted"),
    [
        (made(by=BY, ends=NOW - timedelta(seconds=1)), "BadCertificateTimeInvalid"),
        (made(by=BY, begins=NOW + timedelta(seconds=1)), "BadCertificateTimeInvalid"),
        (made(by=BY, uri="urn:glue"), "BadCertificateUriInvalid"),
        (made(by=BY, use=ASKS), "BadCertificateUseNotAllowed"),
        (made(by=BY, key=ec.generate_private_key(ec.SECP256R1())), "BadCertificateInvalid"),
        (made(by=BY, key=generate_private_key(65537, 1024)), "BadCertificateInvalid"),
        (b"", "BadCertificateInvalid"),
        (b"0\x82\xff\xff" + bytes(40), "BadCertificateInvalid"),
        (made(by=BY)[:-9], "BadCertificateInvalid"),
    ],
    ids=["expired", "early", "uri", "use", "ec", "short", "none", "nonsense", "cut"],
)
def test_what_is_wrong_with_it_is_said_even_where_it_is_listed(certificate: bytes, wanted: str) -> None:
    assert code(judge(certificate, LINE, PRESS, NOW)) == wanted
    assert code(judge(certificate, Trusted(frozenset({certificate})), PRESS, NOW)) == wanted


def test_an_authority_that_has_ended_issues_nothing_any_more() -> None:
    ended = made("issuing", ("root", OTHER), ca=True, length=0, use=None, ends=NOW - DAY)
    trusted = Trusted(authorities=read(ended))
    assert code(judge(made(by=BY), trusted, PRESS, NOW)) == "BadCertificateIssuerTimeInvalid"


def revocation(
    serial: int, signer: RSAPrivateKey, of: bytes = ISSUING, next_update: datetime = NOW + DAY
) -> x509.CertificateRevocationList:
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - 3 * DAY).build()
    builder = x509.CertificateRevocationListBuilder().issuer_name(read(of)[0].subject)
    return builder.last_update(NOW - 3 * DAY).next_update(next_update).add_revoked_certificate(entry).sign(
        signer, hashes.SHA256()
    )  # fmt: skip


def test_what_is_revoked_is_not_trusted_and_only_the_authority_revokes() -> None:
    leaf = made(by=BY, serial=7)
    gone = LINE._replace(revoked=(revocation(7, KEY),))
    assert code(judge(leaf, gone, PRESS, NOW)) == "BadCertificateRevoked"
    listed = gone._replace(listed=frozenset({leaf}))
    assert code(judge(leaf, listed, PRESS, NOW)) == "BadCertificateRevoked"
    assert judge(made(by=BY, serial=8), gone, PRESS, NOW) is None
    assert judge(leaf, LINE._replace(revoked=(revocation(7, OTHER),)), PRESS, NOW) is None


def test_an_authority_that_its_root_revoked_issues_nothing_any_more() -> None:
    """Though it is known here, and to be trusted by itself."""
    leaf = made(by=BY)
    gone = LINE._replace(revoked=(revocation(7, OTHER, ROOT),))
    assert code(judge(leaf, gone, PRESS, NOW)) == "BadCertificateRevoked"
    assert judge(leaf, LINE._replace(revoked=(revocation(8, OTHER, ROOT),)), PRESS, NOW) is None
    assert judge(leaf, LINE._replace(revoked=(revocation(7, KEY, ROOT),)), PRESS, NOW) is None


def test_a_list_that_is_overdue_holds_for_whom_it_names_and_for_nobody_else() -> None:
    late = LINE._replace(revoked=(revocation(7, KEY, next_update=NOW - DAY),))
    assert code(judge(made(by=BY, serial=7), late, PRESS, NOW)) == "BadCertificateRevoked"
    assert judge(made(by=BY, serial=8), late, PRESS, NOW) is None


# DER as nobody makes it, in a certificate that is sound: what names an extension, a version, an algorithm.
UNSOUND = {
    "an extension twice": ("0603551d25", "0603551d11"),
    "no version": ("a003020102", "a003020105"),
    "no known hash": ("2a864886f70d01010b", "2a864886f70d010163"),
    "no known key": ("06092a864886f70d0101010500", "06092a864886f70d0101630500"),
    "a name of no known kind": ("860975726e3a7072657373", "830975726e3a7072657373"),
}


@pytest.mark.parametrize("what", UNSOUND)
@pytest.mark.parametrize("above", [False, True])
def test_a_certificate_that_is_not_sound_is_not_trusted_and_raises_nothing(what: str, above: bool) -> None:
    was, now = (bytes.fromhex(each) for each in UNSOUND[what])
    unsound = made().replace(was, now)
    assert unsound != made()
    chain = made(by=BY) + unsound if above else unsound
    assert code(judge(chain, Trusted(), PRESS, NOW)) == "BadCertificateInvalid"
    with pytest.raises(ValueError, match=r"."):
        read_der(unsound)

"""A line's authority: a root that signs the issuing authority and nothing else, and what that one issues."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Collection
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.errors import BadInput, Problem
from gateway.net.roles import Role
from gateway.pki import certificates, enrolment
from gateway.pki.certificates import ASKS, DAY, EARLIER, SERVES, PublicKey, Subject
from gateway.pki.enrolment import SERIAL_BYTES, SERVERS, Enrolment, Kind
from gateway.pki.requests import Answer
from gateway.store.atomic import write_atomically
from gateway.yamlfile import identifier
from rig.pki import registry
from rig.pki.sealed import seal, unseal

ROOT, ROOT_KEY = registry.ROOT, "root.key.pem"
ISSUING, ISSUING_KEY = "issuing.pem", "issuing.key.pem"
CRL, ROOT_CRL = "revoked.crl.pem", "root.crl.pem"
BITS = 3072
ROOT_LASTS, ISSUING_LASTS, LEAF_LASTS = 3652 * DAY, 730 * DAY, 365 * DAY


class Authority:
    """The issuing authority of a line, in ``folder``; ``root`` and ``issuing`` are its certificates.

    Make it by ``create``, find it again by ``open``. Times are UTC ns.
    """

    def __init__(
        self, folder: Path, root: x509.Certificate, issuing: x509.Certificate, key: RSAPrivateKey
    ) -> None:
        self.folder, self.root, self.issuing, self._key = folder, root, issuing, key
        subject = certificates.subject_of(root)
        assert subject is not None, "the root names the line"
        self.line = subject.line
        self.owner = certificates.owner_of(root)

    @property
    def root_hex(self) -> str:
        """The SHA-256 of the root's certificate, as people compare it."""
        return certificates.fingerprint(self.root).hex()

    @classmethod
    def create(
        cls, folder: Path, line: str, passphrase: str | None, *, now: int, owner: str = ""
    ) -> Authority:
        """A new one; BadInput where ``folder`` has one, ValueError if ``line`` is no id, OSError.

        Without a passphrase the root's key is forgotten at once: for a line that lasts one session.
        """
        if (folder / ROOT).exists():
            hint = "choose another folder; this line's nodes trust the one that is there"
            raise BadInput([Problem(str(folder), 0, 0, "holds an authority already", hint)])
        owner = owner or identifier(line)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        top = generate_private_key(65537, BITS)
        subject = Subject(identifier(line), "root", "root")
        root = _authority(subject, owner, top, None, top, now, now + ROOT_LASTS)
        if passphrase is not None:
            write_atomically(folder / ROOT_KEY, seal(top, passphrase), 0o600)
        made = cls._issue_issuing(folder, root, top, owner, now)
        made.revoke((), now=now)
        registry.Registry(folder).close()
        write_atomically(folder / ROOT, certificates.pem(root))  # last: from here on there is an authority
        return made

    @classmethod
    def open(cls, folder: Path) -> Authority:
        """The one in ``folder``; needs no passphrase, since the root's key stays shut. BadInput."""
        if not (folder / ROOT).exists():
            hint = f"make one: twinline pki init {folder} --line LINE"
            raise BadInput([Problem(str(folder), 0, 0, "holds no authority", hint)])
        (root,) = certificates.read_certificates(folder / ROOT)[:1]
        (issuing,) = certificates.read_certificates(folder / ISSUING)[:1]
        key = certificates.read_key(folder / ISSUING_KEY)
        if not isinstance(key, RSAPrivateKey) or key.public_key() != issuing.public_key():
            what, hint = "is not the key of the issuing certificate beside it", "restore both files"
            raise BadInput([Problem(str(folder / ISSUING_KEY), 0, 0, what, hint)])
        return cls(folder, root, issuing, key)

    @classmethod
    def renew(cls, folder: Path, passphrase: str, *, now: int) -> Authority:
        """A new issuing authority under the root that is there, for when the old one's years end; with lists
        of the revoked that last as long as it does.

        BadInput where the root's key cannot be opened; what the old one issued holds while its time lasts.
        """
        old = cls.open(folder)
        try:
            top = unseal((folder / ROOT_KEY).read_bytes(), passphrase)
        except FileNotFoundError:
            what, hint = "is not here", "bring it back from where it is locked away, for this command"
            raise BadInput([Problem(str(folder / ROOT_KEY), 0, 0, what, hint)]) from None
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            raise BadInput([Problem(str(folder / ROOT_KEY), 0, 0, what, hint)]) from None
        made = cls._issue_issuing(folder, old.root, top, old.owner, now, old._key)
        made.revoke(old._revoked(), now=now)
        return made

    @classmethod
    def _issue_issuing(
        cls,
        folder: Path,
        root: x509.Certificate,
        top: RSAPrivateKey,
        owner: str,
        now: int,
        key: RSAPrivateKey | None = None,
    ) -> Authority:
        """One with ``key`` (else a new one): with the same key, what was issued holds under it, too."""
        held = certificates.subject_of(root)
        assert held is not None
        if key is None:
            key = generate_private_key(65537, BITS)
            write_atomically(folder / ISSUING_KEY, certificates.key_pem(key), 0o600)
        until = min(now + ISSUING_LASTS, certificates.ends(root))
        subject = Subject(held.line, "issuing", "issuing")
        issuing = _authority(subject, owner, key, root, top, now, until)
        write_atomically(folder / ISSUING, certificates.pem(issuing))
        write_atomically(folder / ROOT_CRL, _list_of(root, top, (), now, until))
        return cls(folder, root, issuing, key)

    def issue(
        self,
        node: str,
        kind: Kind,
        public: bytes,
        tls: PublicKey,
        opcua: PublicKey | None = None,
        *,
        now: int,
        owner: str = "",
        roles: Collection[Role] = (),
        hosts: Collection[str] = (),
        lasts: int = LEAF_LASTS,
    ) -> Answer:
        """Certificates for the keys of ``node``, bound together with ``public``, its Ed25519 key (32 bytes).

        ``hosts`` are names and addresses: of a broker, by which clients reach it; of others, for OPC UA.
        Raises ValueError if ``node`` is no id, or who serves has no host.
        """
        subject = Subject(self.line, kind, identifier(node))
        check_hosts(kind, hosts)
        owner, before = owner or self.owner, now + lasts
        reached = hosts if kind == "broker" else ()  # a controller is reached over OPC UA alone
        usage = SERVES if kind in SERVERS else ASKS
        certificate = self._leaf(subject, owner, tls, now, before, subject.uri, reached, usage)
        own = None
        if opcua is not None:
            uri = certificates.application_uri(self.line, node)
            own = self._leaf(subject, owner, opcua, now, before, uri, hosts or (node,), SERVES, ASKS)
        said = Enrolment(
            1,
            self.line,
            node,
            kind,
            owner,
            tuple(sorted(roles)),
            public,
            certificates.fingerprint(certificate),
            None if own is None else certificates.fingerprint(own),
            secrets.token_bytes(SERIAL_BYTES),
            certificates.begins(certificate),
            certificates.ends(certificate),
        )
        return Answer(
            enrolment.sign(self._key, said),
            certificates.der(certificate),
            None if own is None else certificates.der(own),
            certificates.der(self.issuing),
            certificates.der(self.root),
        )

    def serving(self, key: PublicKey, hosts: Collection[str], *, now: int) -> x509.Certificate:
        """The certificate by which the authority itself is reached."""
        subject = Subject(self.line, "authority", "authority")
        return self._leaf(subject, self.owner, key, now, now + LEAF_LASTS, subject.uri, hosts, SERVES)

    def revoke(self, serials: Collection[tuple[int, int]], *, now: int) -> None:
        """Write the list of revoked certificates: of each, its serial and since when (UTC ns). OSError.

        It names no next one before the issuing authority ends: a broker refuses everybody once its list is
        overdue, and a line must not stand still because nobody carried a new list of nothing.
        """
        made = _list_of(self.issuing, self._key, serials, now, certificates.ends(self.issuing))
        write_atomically(self.folder / CRL, made)

    @property
    def lists(self) -> bytes:
        """The lists of the revoked (PEM), its own and the root's, as nodes and brokers want them."""
        paths = (self.folder / CRL, self.folder / ROOT_CRL)
        return b"".join(path.read_bytes() for path in paths if path.exists())

    def _revoked(self) -> list[tuple[int, int]]:
        """What its list has: serials, and since when (UTC ns)."""
        try:
            held = x509.load_pem_x509_crl((self.folder / CRL).read_bytes())
        except FileNotFoundError:
            return []
        return [(each.serial_number, int(each.revocation_date_utc.timestamp()) * 10**9) for each in held]

    def _leaf(
        self,
        subject: Subject,
        owner: str,
        key: PublicKey,
        now: int,
        before: int,
        uri: str,
        hosts: Collection[str],
        *usages: x509.ObjectIdentifier,
    ) -> x509.Certificate:
        """For a node; its only name in the line is ``uri``."""
        before = min(before, certificates.ends(self.issuing))
        names = [x509.UniformResourceIdentifier(uri), *map(_host, hosts)]
        rsa = isinstance(key, RSAPublicKey)  # OPC UA encrypts to the key, TLS only signs with it
        return (
            _builder(subject.node, owner, key, now - EARLIER, before)
            .issuer_name(self.issuing.subject)
            .add_extension(x509.SubjectAlternativeName(names), False)
            .add_extension(x509.ExtendedKeyUsage(usages), False)
            .add_extension(_usage(digital_signature=True, others=rsa), True)
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(_key_id(self._key), False)
            .sign(self._key, hashes.SHA256())
        )


def check_hosts(kind: str, hosts: Collection[str]) -> None:
    """ValueError where a node that serves says nothing of where."""
    if kind in SERVERS and not hosts:
        raise ValueError(f"a {kind} needs the names by which it is reached; give --host")


def _authority(
    subject: Subject,
    owner: str,
    key: RSAPrivateKey,
    above: x509.Certificate | None,
    signer: RSAPrivateKey,
    now: int,
    before: int,
) -> x509.Certificate:
    """The root's (``above`` is None) or the issuing authority's."""
    name = f"{subject.line} {subject.kind}"
    builder = _builder(name, owner, key.public_key(), now - EARLIER, before)
    names = [x509.UniformResourceIdentifier(subject.uri)]
    return (
        builder.issuer_name(_name(name, owner) if above is None else above.subject)
        .add_extension(x509.SubjectAlternativeName(names), False)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True, digital_signature=above is not None), True)
        .add_extension(x509.BasicConstraints(True, 1 if above is None else 0), True)
        .add_extension(_key_id(signer), False)
        .sign(signer, hashes.SHA256())
    )


def _list_of(
    authority: x509.Certificate,
    key: RSAPrivateKey,
    serials: Collection[tuple[int, int]],
    now: int,
    until: int,
) -> bytes:
    """What ``authority``, whose ``key`` it is, revoked; PEM. It names no next list before ``until``."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(certificates.moment(now - EARLIER))
        .next_update(certificates.moment(until))
        .add_extension(x509.CRLNumber(now // 10**6), False)
        .add_extension(_key_id(key), False)
    )
    for serial, since in sorted(serials):
        entry = x509.RevokedCertificateBuilder().serial_number(serial)
        builder = builder.add_revoked_certificate(entry.revocation_date(certificates.moment(since)).build())
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _builder(name: str, owner: str, key: PublicKey, after: int, before: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name, owner))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(certificates.moment(after))
        .not_valid_after(certificates.moment(before))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )


def _name(name: str, owner: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, owner),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _usage(
    digital_signature: bool = False, others: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=others,
        key_encipherment=others,
        data_encipherment=others,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _key_id(signer: RSAPrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())

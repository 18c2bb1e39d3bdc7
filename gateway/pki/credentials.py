"""A node's folder of credentials: three private keys made here, which never leave it, and what they prove.

``key.pem`` (Ed25519), ``tls/`` (key.pem, cert.pem, ca.pem, revoked.pem), ``opcua/`` (key.pem, cert.der,
trusted/, ca/) and ``enrolment.json``. A whole answer of the authority is written down before it is put in
place, so that a kill in between is finished by ``finish``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import BadInput, Problem
from gateway.net.identity import Identity
from gateway.pki import certificates, enrolment, revocation
from gateway.pki.certificates import ASKS, SERVES
from gateway.pki.enrolment import Signed
from gateway.pki.requests import Answer, read_answer
from gateway.store.atomic import write_atomically
from ledger import codec
from ledger.codec import Malformed

KEY, ENROLMENT, TLS, OPCUA = "key.pem", "enrolment.json", "tls", "opcua"
NEXT = "next.pem"  # a new key, beside the one that is in use until its certificate is there
_ANSWER = "answer.next"


class TlsFiles(NamedTuple):
    """For a TLS context: the authority's certificates, our own with those above it, and its key."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def of(cls, folder: Path) -> TlsFiles:
        """Those in ``folder``, the ``tls`` of a folder of credentials."""
        return cls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")

    @property
    def revoked(self) -> Path:
        """The authorities' lists of the revoked; it is not there before any was brought."""
        return self.ca.with_name("revoked.pem")


class OpcuaFiles(NamedTuple):
    """For OPC UA: our certificate and key, certificates trusted one by one, and those of authorities."""

    certificate: Path
    key: Path
    trusted: Path
    ca: Path

    @classmethod
    def of(cls, folder: Path) -> OpcuaFiles:
        """Those in ``folder``, the ``opcua`` of a folder of credentials."""
        return cls(folder / "cert.der", folder / "key.pem", folder / "trusted", folder / "ca")


def enrolled(folder: Path) -> Signed | None:
    """The enrolment in ``folder``, None where there is none yet; BadInput."""
    path = folder / ENROLMENT
    try:
        return enrolment.read_enrolment(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        hint = "restore it, or enrol this node anew"
        raise BadInput([Problem(str(path), 0, 0, f"no enrolment: {error}", hint)]) from None


def install(folder: Path, answer: Answer, root: bytes, now: int, lists: Sequence[bytes] = ()) -> Signed:
    """Put ``answer`` in place, once it holds up to the root with the SHA-256 ``root``; BadInput, OSError.

    It must be for the keys in ``folder``, the next ones where there are such; ``lists`` of the revoked (DER)
    that came with it be of its authorities.
    """
    if why := _refused(folder, answer, root, now):
        what, _, hint = why.partition("; ")
        hint = hint or "ask again, with a token of this line's authority"
        raise BadInput([Problem(str(folder), 0, 0, f"the authority's answer is refused: {what}", hint)])
    above = [certificates.read_der(each) for each in (answer.issuing, answer.root)]
    for each in lists:
        check_lists(each, above, "the answer")
    write_atomically(folder / _ANSWER, codec.encode(answer), 0o600)
    finish(folder)
    for each in lists:
        take_lists(folder, each)
    return answer.enrolment


def finish(folder: Path) -> bool:
    """Put in place what a kill left half so; whether there was anything. OSError."""
    try:
        answer = read_answer((folder / _ANSWER).read_bytes())
    except FileNotFoundError:
        return False
    assert not isinstance(answer, Malformed), "what is there was written whole"
    tls, opcua = TlsFiles.of(folder / TLS), OpcuaFiles.of(folder / OPCUA)
    issuing, root = (certificates.read_der(each) for each in (answer.issuing, answer.root))
    leaf = certificates.read_der(answer.tls)
    write_atomically(tls.ca, certificates.pem(root, issuing))
    _take_next(tls.key)
    write_atomically(tls.certificate, certificates.pem(leaf, issuing))
    if answer.opcua is not None:
        for trust in (opcua.trusted, opcua.ca):
            trust.mkdir(exist_ok=True)
        for each in (root, issuing):
            _trust(opcua.ca, each)
        _take_next(opcua.key)
        write_atomically(opcua.certificate, answer.opcua)
    write_atomically(folder / ENROLMENT, enrolment.enrolment_bytes(answer.enrolment))
    (folder / _ANSWER).unlink(missing_ok=True)
    return True


def read_revoked(files: TlsFiles) -> list[revocation.List]:
    """The lists that were brought; BadInput where they cannot be read."""
    try:
        return revocation.read_lists(files.revoked.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        hint = "delete it; python -m gateway.enroll --renew brings it anew (docs/pki.md)"
        raise BadInput([Problem(str(files.revoked), 0, 0, str(error), hint)]) from None


def take_lists(folder: Path, data: bytes, name: str = "revoked") -> list[revocation.List]:
    """Put lists of the revoked (PEM or DER, from ``name``) in place; those that are there then.

    They are the line's, and none follows a later one: BadInput. OSError.
    """
    tls, opcua = TlsFiles.of(folder / TLS), OpcuaFiles.of(folder / OPCUA)
    authorities = certificates.read_certificates(tls.ca)
    held = {each.issuer: each for each in read_revoked(tls) if _is_of(each, authorities)}
    for each in check_lists(data, authorities, name):
        before = held.get(each.issuer)
        if before is None or before.last_update_utc <= each.last_update_utc:
            held[each.issuer] = each
    kept = list(held.values())
    write_atomically(tls.revoked, revocation.lists_pem(kept))
    if opcua.ca.exists():
        for each in kept:
            write_atomically(opcua.ca / _list_name(each), each.public_bytes(Encoding.DER))
    return kept


def check_lists(data: bytes, authorities: Sequence[x509.Certificate], name: str) -> list[revocation.List]:
    """The lists in ``data``, from ``name``; BadInput where one is not of ``authorities``."""
    try:
        found = revocation.read_lists(data)
    except ValueError as error:
        hint = "bring what twinline pki wrote: revoked.crl.pem, root.crl.pem"
        raise BadInput([Problem(name, 0, 0, str(error), hint)]) from None
    for each in found:
        if not _is_of(each, authorities):
            what = f"the list of {revocation.name_of(each)} is not signed by this line's authority"
            raise BadInput([Problem(name, 0, 0, what, "bring that of the authority of this line")])
    return found


def _is_of(found: revocation.List, authorities: Sequence[x509.Certificate]) -> bool:
    return any(revocation.is_of(found, authority) for authority in authorities)


def _list_name(found: revocation.List) -> str:
    """Of its file; a later one of the same authority takes its place."""
    return f"{codec.digest(found.issuer.public_bytes()).hex()[:16]}.crl"


def next_key(key: Path) -> Path:
    """Where the key that is to follow ``key`` waits for its certificate."""
    return key.with_name(NEXT)


def asked_key(key: Path) -> Path:
    """The key that certificates are asked for: the next one, where there is one."""
    return following if (following := next_key(key)).exists() else key


def _trust(folder: Path, authority: x509.Certificate) -> None:
    """Trust ``authority``, and no more the certificate that it had before; others are a person's."""
    name = f"{certificates.fingerprint(authority).hex()[:16]}.der"
    write_atomically(folder / name, certificates.der(authority))
    for path in folder.glob("*.der"):
        with contextlib.suppress(ValueError):
            held = certificates.read_der(path.read_bytes())
            subject = certificates.subject_of(held)
            if path.name != name and subject is not None and subject == certificates.subject_of(authority):
                path.unlink()


def _take_next(key: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        next_key(key).replace(key)


def _refused(folder: Path, answer: Answer, root: bytes, now: int) -> str:
    """Why ``answer`` is not put in place."""
    try:
        issuing, top, leaf = (
            certificates.read_der(each) for each in (answer.issuing, answer.root, answer.tls)
        )
        own = None if answer.opcua is None else certificates.read_der(answer.opcua)
    except ValueError as error:
        return f"it holds no readable certificate ({error})"
    if certificates.fingerprint(top) != root:
        return "its root is another than the token names; check that the address is that of your authority"
    said = answer.enrolment.enrolment
    purpose = SERVES if said.kind in enrolment.SERVERS else ASKS
    if why := enrolment.check(answer.enrolment, issuing, top):
        return why
    if why := certificates.check(leaf, issuing, top, now, purpose):
        return why
    if certificates.subject_of(leaf) != (said.line, said.kind, said.node):
        return "certificate and enrolment name different nodes"
    keys = [(leaf, said.tls, TlsFiles.of(folder / TLS).key)]
    if own is not None:
        keys.append((own, said.opcua or b"", OpcuaFiles.of(folder / OPCUA).key))
        if why := certificates.check(own, issuing, top, now, ASKS):
            return why
    elif said.opcua is not None:
        return "the certificate for OPC UA is missing"
    for certificate, bound, key in keys:
        if certificates.fingerprint(certificate) != bound:
            return "certificate and enrolment do not belong together"
        held = certificates.public_der(certificates.read_key(asked_key(key)).public_key())
        public = certificate.public_key()
        if not isinstance(public, certificates.PublicKey) or certificates.public_der(public) != held:
            return f"its certificate is for another key than {asked_key(key)}"
    identity = Identity.load(folder / KEY)
    if (identity.node, identity.public_bytes) != (said.node, said.public):
        return f"it is for another node, or another key, than {folder / KEY}"
    return ""

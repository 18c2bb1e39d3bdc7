"""The folder with what a node needs for secured OPC UA: its own certificate, whom it trusts, a password.

``cert.der`` and ``key.pem`` are its own, ``trusted/*.der`` the certificates that a person trusts, ``ca/`` the
authorities (``*.der``) and what they revoked (``*.crl``); what was not trusted is put into ``rejected``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.field.opcua.trust import Trusted, thumbprint, uris_of
from gateway.field.security import Access
from gateway.pki import revocation
from gateway.pki.certificates import UNREADABLE, read_der
from gateway.pki.credentials import OpcuaFiles
from gateway.pki.revocation import read_lists
from gateway.private import exposed
from gateway.store.atomic import write_atomically

REJECTED = "rejected"
MOST_FILES = 256  # in one list
MOST_REJECTED = 20
MOST_BYTES = 64 * 1024
_NEW = "have a certificate made: docs/opcua.md, own certificate"


class Own(NamedTuple):
    """This side's certificate, its key, and the application's URI that it names."""

    certificate: x509.Certificate
    der: bytes
    key: RSAPrivateKey
    uri: str


def read_own(folder: Path, now: datetime) -> Own:
    """What is in ``folder`` and valid ``now``; ValueError("what was wrong; what would be right")."""
    files = OpcuaFiles.of(folder)
    path = files.certificate
    der, pem = _read(path, _NEW), _read(files.key, _NEW)
    for problem in exposed(files.key):
        raise ValueError(str(problem))
    try:
        certificate = read_der(der)
        # It is ours: to prove it prime at each connection would hold up the scan.
        key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
        uris = uris_of(certificate)
    except UNREADABLE as error:
        raise ValueError(f"{path} or {files.key.name} cannot be read: {error}; {_NEW}") from None
    if not isinstance(key, RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError(f"{files.key}: is not the RSA key of {path}; {_NEW}")
    if not uris:
        raise ValueError(f"{path}: names no application's URI; {_NEW}")
    if now < certificate.not_valid_before_utc:
        begins = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise ValueError(f"{path}: is valid from {begins} on; set this machine's clock")
    if now > certificate.not_valid_after_utc:
        ends = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        raise ValueError(f"{path}: ran out on {ends}; renew it: it is taken at the next connection")
    return Own(certificate, der, key, uris[0])


def read_trusted(folder: Path) -> Trusted:
    """Whom ``folder`` trusts; what cannot be read trusts nobody: ValueError("what; what would be right")."""
    files = OpcuaFiles.of(folder)
    listed = frozenset(_read(path, "") for path in _files(files.trusted, ".der"))
    authorities: list[x509.Certificate] = []
    revoked: list[revocation.List] = []
    for path in _files(files.ca, ".der", ".crl"):
        try:
            if path.suffix == ".crl":
                revoked += read_lists(_read(path, "", revocation.MOST_BYTES))
            else:
                authorities.append(read_der(_read(path, "")))
        except ValueError as error:
            raise ValueError(f"{path}: cannot be read: {error}; put it there anew, or delete it") from None
    return Trusted(listed, tuple(authorities), tuple(revoked))


def rejected_path(folder: Path, der: bytes) -> Path:
    """Where the certificate ``der`` is kept, if it is."""
    return folder / REJECTED / f"{thumbprint(der)}.der"


def reject(folder: Path, der: bytes) -> Path | None:
    """Keep the certificate ``der``, so that a person may look at it and trust it; None where it cannot be."""
    path = rejected_path(folder, der)
    place = path.parent
    try:
        place.mkdir(exist_ok=True)
        if not path.exists():
            oldest = sorted(_files(place, ".der"), key=lambda each: each.stat().st_mtime_ns)
            for each in oldest[: max(0, len(oldest) + 1 - MOST_REJECTED)]:
                each.unlink(missing_ok=True)
            write_atomically(path, der)
    except OSError:
        return None
    return path


def read_password(access: Access, environment: Mapping[str, str] = os.environ) -> str:
    """The password of ``access.user``; ValueError("what was wrong; what would be right"), without it."""
    if not access.password_file:
        if found := environment.get(access.variable):
            return found
        raise ValueError(
            f"no password for {access.user}; name its file as password-file: in the station file, "
            f"or set {access.variable}"
        )
    path = Path(access.password_file)
    try:
        open_to_others = sys.platform != "win32" and path.stat().st_mode & 0o077
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; put the password there, mode 0600") from None
    if open_to_others:
        raise ValueError(f"{path}: others may read it; chmod 600 {path}")
    try:
        password = _read(path, "put the password there, mode 0600").decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not UTF-8; write the password, and nothing else") from None
    if not password:
        raise ValueError(f"{path}: is empty; write the password, and nothing else")
    return password


def _files(folder: Path, *suffixes: str) -> list[Path]:
    try:
        found = sorted(each for each in folder.iterdir() if each.suffix in suffixes and each.is_file())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ValueError(f"{folder}: {error.strerror}; let the gateway's user read it") from None
    if len(found) > MOST_FILES:
        raise ValueError(f"{folder}: has more than {MOST_FILES} files; delete what is not needed")
    return found


def _read(path: Path, hint: str, most: int = MOST_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; {hint or 'let the gateway read it'}") from None
    if len(data) > most:
        raise ValueError(f"{path}: is larger than {most} bytes; put there what belongs there")
    return data

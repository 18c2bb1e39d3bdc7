"""The probe's secured OPC UA connection: a certificate of its own, and what the report says of both sides."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto.cert_gen import generate_self_signed_app_certificate
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.field.opcua import channel
from gateway.field.opcua.folder import Own, read_own, reject
from gateway.field.opcua.trust import SERVES, Peer, Trusted, judge, split, thumbprint
from gateway.field.probe.report import Report
from gateway.field.security import Access, Security
from gateway.field.security import read_security as read
from gateway.pki.certificates import key_pem, new_opcua_key
from gateway.pki.credentials import OpcuaFiles
from gateway.store.atomic import write_atomically

YEARS = 5


class Wanted(NamedTuple):
    """Connect by ``security`` (without a mode: by the strongest offered).

    The client's certificate and key are in ``folder``, and made there where there are none.
    """

    security: Security
    folder: Path


def read_security(text: str, folder: Path) -> Wanted:
    """Read ``Basic256Sha256`` or ``Basic256Sha256/Sign``; ValueError("what; what would be right")."""
    found = read(text)
    if not found.mode:
        raise ValueError("None is no security; leave --security out")
    return Wanted(found if "/" in text else found._replace(mode=""), folder)


def default_folder() -> Path:
    """Where the certificate is kept unless said otherwise."""
    if named := os.environ.get("TWINLINE_CERTIFICATES"):
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "twinline" / "opcua"


def credentials(folder: Path, now: datetime) -> Own:
    """What is in ``folder`` and valid at ``now``, else made anew, the key for its owner alone; OSError.

    ValueError("what; what would be right") where an authority issued it: that one renews it.
    """
    try:
        return read_own(folder, now)
    except ValueError:
        if _is_issued(folder):
            raise
    host = socket.gethostname()
    files, key = OpcuaFiles.of(folder), new_opcua_key()
    names = [x509.UniformResourceIdentifier(f"urn:{host}:twinline:probe"), x509.DNSName(host)]
    usage = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]  # a device may be served by it
    made = generate_self_signed_app_certificate(
        key, f"Twinline at {host}", {"organizationName": "Twinline"}, names, usage, YEARS * 365
    )
    files.trusted.mkdir(parents=True, exist_ok=True)
    write_atomically(files.key, key_pem(key), 0o600)
    write_atomically(files.certificate, made.public_bytes(Encoding.DER))
    return read_own(folder, made.not_valid_before_utc)


def _is_issued(folder: Path) -> bool:
    try:
        held = x509.load_der_x509_certificate(OpcuaFiles.of(folder).certificate.read_bytes())
    except (OSError, ValueError):
        return False
    return held.issuer != held.subject


def choose(endpoints: Sequence[ua.EndpointDescription], wanted: Wanted) -> ua.EndpointDescription | None:
    """The endpoint of the policy and mode that are asked for; of several the strongest mode."""
    return channel.choose(endpoints, wanted.security)


def secure(
    client: Client,
    endpoint: ua.EndpointDescription,
    wanted: Wanted,
    own: Own,
    trusted: Trusted,
    report: Report,
) -> None:
    """Let ``client``, which is not connected yet, speak as ``endpoint`` asks; tells ``report`` both sides.

    Any server's certificate is taken, to ask without a secret and to write nothing; the report says whether
    a session would trust it. ValueError, TypeError where it is none.
    """
    der = split(endpoint.ServerCertificate)[0]
    server = x509.load_der_x509_certificate(der)
    channel.secure(client, der, wanted.security._replace(mode=endpoint.SecurityMode.name), own)
    doubt = _doubt(endpoint, wanted.folder, trusted, report)
    for what, says in (
        ("policy", wanted.security.policy),
        ("mode", endpoint.SecurityMode.name),
        ("our certificate", str(OpcuaFiles.of(wanted.folder).certificate)),
        ("our SHA-1", thumbprint(own.der)),
        ("server's certificate", server.subject.rfc4514_string()),
        ("server's SHA-1", thumbprint(der)),
        ("server's is valid until", f"{server.not_valid_after_utc:%Y-%m-%d}"),
        ("server's is trusted here", f"no: it {doubt}" if doubt else "yes"),
    ):
        report.add("security", what=what, says=says)


def _doubt(endpoint: ua.EndpointDescription, folder: Path, trusted: Trusted, report: Report) -> str:
    """Why a session with the certificates in ``folder`` would not trust the server; what to do is advised."""
    peer = Peer(str(endpoint.Server.ApplicationUri), SERVES, urlsplit(report.url).hostname or "")
    fault = judge(endpoint.ServerCertificate, trusted, peer, datetime.now(UTC))
    if fault is None:
        return ""
    if fault.code in channel.TO_TRUST:
        kept = reject(folder, split(endpoint.ServerCertificate)[0])
        report.advice.append(f"so that a session trusts the server: {channel.how_to_trust(folder, kept)}")
    else:
        report.advice.append(f"so that a session trusts the server: {channel.ANOTHER}")
    return fault.what


def advise(status: str, wanted: Wanted, own: Own) -> str:
    """What to change when the server refuses a secured connection with ``status``; "" for another cause.

    A server that closes without a word ("") mostly does not trust the certificate.
    """
    access = Access(wanted.security, str(wanted.folder))
    return channel.advise(status, str(OpcuaFiles.of(wanted.folder).certificate), own.der, access)

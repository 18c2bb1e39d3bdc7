"""A secured OPC UA connection: policy and mode, the client's own certificate, and what a refusal asks for."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.crypto.cert_gen import generate_private_key, generate_self_signed_app_certificate
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.field.probe.report import Report
from gateway.store.atomic import write_atomically

POLICIES: dict[str, type[security_policies.SecurityPolicy]] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
"""By the name at the end of the policy's URI; older ones are broken and not spoken."""
MODES = {"Sign": ua.MessageSecurityMode.Sign, "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt}
YEARS = 5
CERTIFICATE, KEY = "certificate.der", "key.pem"

_TRUST = (
    "the server does not trust the certificate {certificate} (SHA-1 {thumbprint}): move it from the rejected "
    "to the trusted ones in the server's settings, or import that file there (TIA Portal: CPU properties, "
    "OPC UA, Server, Security, Trusted clients; download the hardware), then probe again"
)
_CLOCK = (
    "set the server's clock, or this machine's: by one of them the certificate {certificate} is not valid now"
)
_AGAIN = "delete {folder} and probe again: a new certificate {certificate} is made"
_ADVICE = {
    "BadSecurityChecksFailed": _TRUST, "BadCertificateUntrusted": _TRUST,
    "BadCertificateChainIncomplete": _TRUST,
    "BadCertificateTimeInvalid": _CLOCK, "BadCertificateIssuerTimeInvalid": _CLOCK,
    "BadCertificateUriInvalid": _AGAIN, "BadCertificateInvalid": _AGAIN, "BadCertificateRevoked": _AGAIN,
    "BadCertificateUseNotAllowed": _AGAIN,
    "BadSecurityPolicyRejected": "ask for another policy with --security; the endpoints show which there are",
    "BadSecurityModeRejected": "ask for the other mode: --security {policy}/Sign or {policy}/SignAndEncrypt",
}  # fmt: skip


class Security(NamedTuple):
    """Connect by ``policy`` (a key of POLICIES) in ``mode`` (None: the strongest offered).

    The client's certificate and key are in ``folder``, and made there where there are none.
    """

    policy: str
    mode: ua.MessageSecurityMode | None
    folder: Path


class Credentials(NamedTuple):
    """The client's certificate (DER), its private key (PEM), and the application's URI that it names."""

    certificate: bytes
    key: bytes
    uri: str


def read_security(text: str, folder: Path) -> Security:
    """Read ``Basic256Sha256`` or ``Basic256Sha256/Sign``; ValueError("what; what would be right")."""
    name, slash, mode = text.partition("/")
    plain = name.replace("_", "").lower()
    policy = next((each for each in POLICIES if each.replace("_", "").lower() == plain), "")
    modes = {each.lower(): of for each, of in MODES.items()}
    if not policy or (slash and mode.lower() not in modes):
        raise ValueError(
            f"{text!r} is no security spoken here; write {', '.join(POLICIES)}, "
            "and after it /Sign or /SignAndEncrypt if need be"
        )
    return Security(policy, modes.get(mode.lower()), folder)


def default_folder() -> Path:
    """Where the certificate is kept unless said otherwise."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "twinline" / "opcua"


def credentials(folder: Path, now: datetime) -> Credentials:
    """What is in ``folder`` and valid at ``now``, else made anew, the key for its owner alone; OSError."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        found = Credentials((folder / CERTIFICATE).read_bytes(), (folder / KEY).read_bytes(), "")
        held = x509.load_der_x509_certificate(found.certificate)
        if now < held.not_valid_after_utc:
            return found._replace(uri=_uri(held))
    host = socket.gethostname()
    uri = f"urn:{host}:twinline:probe"
    key = generate_private_key()
    names = [x509.UniformResourceIdentifier(uri), x509.DNSName(host)]
    usage = [ExtendedKeyUsageOID.CLIENT_AUTH]
    made = generate_self_signed_app_certificate(
        key, f"Twinline probe at {host}", {"organizationName": "Twinline"}, names, usage, YEARS * 365
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    der = made.public_bytes(Encoding.DER)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / KEY, pem, 0o600)
    write_atomically(folder / CERTIFICATE, der)
    return Credentials(der, pem, uri)


def _uri(certificate: x509.Certificate) -> str:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return str(next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), ""))


def first_certificate(chain: bytes) -> bytes:
    """The first of the DER certificates that stand one after the other in ``chain``."""
    if len(chain) < 4 or chain[0] != 0x30:
        return chain
    many = chain[1] & 0x7F if chain[1] & 0x80 else 0
    size = int.from_bytes(chain[2 : 2 + many], "big") if many else chain[1]
    return chain[: 2 + many + size]


def choose(endpoints: Sequence[ua.EndpointDescription], wanted: Security) -> ua.EndpointDescription | None:
    """The endpoint of the policy and mode that are asked for; of several the strongest mode."""
    fitting = [
        each
        for each in endpoints
        if policy_of(each) == wanted.policy
        and each.SecurityMode in ((wanted.mode,) if wanted.mode else MODES.values())
        and each.ServerCertificate
    ]
    return max(fitting, key=lambda each: each.SecurityMode.value, default=None)


def policy_of(endpoint: ua.EndpointDescription) -> str:
    """The name at the end of the policy's URI."""
    return str(endpoint.SecurityPolicyUri).rpartition("#")[2]


async def secure(
    client: Client, endpoint: ua.EndpointDescription, wanted: Security, own: Credentials, report: Report
) -> None:
    """Let ``client``, which is not connected yet, speak as ``endpoint`` asks; tells ``report`` both sides."""
    server = x509.load_der_x509_certificate(first_certificate(endpoint.ServerCertificate))
    client.application_uri = own.uri
    await client.set_security(
        POLICIES[wanted.policy],
        CertProperties(own.certificate, "der"),
        CertProperties(own.key, "pem"),
        server_certificate=CertProperties(server.public_bytes(Encoding.DER), "der"),
        mode=endpoint.SecurityMode,
    )
    for what, says in (
        ("policy", wanted.policy),
        ("mode", endpoint.SecurityMode.name),
        ("our certificate", str(wanted.folder / CERTIFICATE)),
        ("our SHA-1", _thumbprint(own.certificate)),
        ("server's certificate", server.subject.rfc4514_string()),
        ("server's SHA-1", _thumbprint(server.public_bytes(Encoding.DER))),
        ("server's is valid until", f"{server.not_valid_after_utc:%Y-%m-%d}"),
    ):
        report.add("security", what=what, says=says)
    if server.not_valid_after_utc < datetime.now(UTC):
        report.advice.append("the server's own certificate has run out: make a new one in its settings")


def advise(status: str, wanted: Security, own: Credentials) -> str:
    """What to change when the server refuses a secured connection with ``status``; "" for another cause.

    A server that closes without a word ("") mostly does not trust the certificate.
    """
    advice = _ADVICE.get(status, "") if status else f"a server may close without a word where {_TRUST}"
    return advice.format(
        certificate=wanted.folder / CERTIFICATE,
        folder=wanted.folder,
        thumbprint=_thumbprint(own.certificate),
        policy=wanted.policy,
    )


def _thumbprint(certificate: bytes) -> str:
    return x509.load_der_x509_certificate(certificate).fingerprint(hashes.SHA1()).hex()

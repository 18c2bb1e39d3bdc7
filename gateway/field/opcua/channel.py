"""A secured connection of asyncua's client: which endpoint it is for, by which certificates, or why not.

What is asked for is what is spoken. The list of endpoints comes unsigned and only says what the server's
certificate is: no policy, mode or address is taken from it, and the certificate is trusted for its own sake.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies
from cryptography import x509

from gateway.errors import DeviceRefused
from gateway.field.opcua.folder import Own, read_own, read_password, read_trusted, reject
from gateway.field.opcua.opening import hear_faults
from gateway.field.opcua.trust import SERVES, Peer, Trusted, judge, split, thumbprint, uris_of
from gateway.field.security import Access, Security
from gateway.pki.credentials import OpcuaFiles

POLICIES: dict[str, type[security_policies.SecurityPolicy]] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
MODES = {"Sign": ua.MessageSecurityMode.Sign, "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt}
TO_TRUST = ("BadCertificateUntrusted", "BadCertificateHostNameInvalid")
ANOTHER = "make a new certificate in the server's settings"
_TRUST = (
    "the server does not trust the certificate {certificate} (SHA-1 {thumbprint}): move it from the rejected "
    "to the trusted ones in the server's settings, or import that file there (TIA Portal: CPU properties, "
    "OPC UA, Server, Security, Trusted clients; download the hardware. CODESYS: Security Screen, Quarantined "
    "Certificates, drag it to Trusted Certificates)"
)
_CLOCK = (
    "set the server's clock, or this machine's: by one of them the certificate {certificate} is not valid now"
)
_AGAIN = (
    "have a new certificate made in place of {certificate} (delete it, if 'twinline probe' made it: the next "
    "probe makes another), and trust that one on the server"
)
_LISTS = (
    "the server wants the revocation lists of the authorities of {certificate}: import there what lies in "
    "ca/ beside it, *.der and *.crl (python -m gateway.enroll --renew brings later ones)"
)
_USER = "check the user {user} and its password here, and its rights in the server's user administration"
_ADVICE = {
    "BadSecurityChecksFailed": _TRUST, "BadCertificateUntrusted": _TRUST,
    "BadCertificateChainIncomplete": _TRUST,
    "BadCertificateRevocationUnknown": _LISTS, "BadCertificateIssuerRevocationUnknown": _LISTS,
    "BadCertificateTimeInvalid": _CLOCK, "BadCertificateIssuerTimeInvalid": _CLOCK,
    "BadCertificateUriInvalid": _AGAIN, "BadCertificateInvalid": _AGAIN, "BadCertificateRevoked": _AGAIN,
    "BadCertificateUseNotAllowed": _AGAIN,
    "BadSecurityPolicyRejected": "ask for another policy; 'twinline probe' shows which the server offers",
    "BadSecurityModeRejected": "ask for the other mode: {policy}/Sign or {policy}/SignAndEncrypt",
    "BadUserAccessDenied": _USER, "BadIdentityTokenInvalid": _USER, "BadIdentityTokenRejected": _USER,
}  # fmt: skip


class Unsecured(DeviceRefused):
    """We do not connect, since it would not be as secure as asked for: code, and what is wrong with what."""

    def __init__(self, code: str, where: str, what: str, change: str) -> None:
        self.code, self.where, self.change = code, where, change
        Exception.__init__(self, f"{where}: not connected, {code}: {what}; {change}")


def choose(endpoints: Sequence[ua.EndpointDescription], wanted: Security) -> ua.EndpointDescription | None:
    """The endpoint of the policy and mode that are asked for; of several the strongest mode."""
    modes = [MODES[wanted.mode]] if wanted.mode else list(MODES.values())
    fitting = [
        each
        for each in endpoints
        if policy_of(each) == wanted.policy and each.SecurityMode in modes and each.ServerCertificate
    ]
    return max(fitting, key=lambda each: each.SecurityMode.value, default=None)


def policy_of(endpoint: ua.EndpointDescription) -> str:
    """The name at the end of the policy's URI."""
    return str(endpoint.SecurityPolicyUri).rpartition("#")[2]


def secure(client: Client, certificate: bytes, security: Security, own: Own) -> None:
    """Let ``client``, not yet connected, speak ``security`` with the holder of ``certificate`` (DER).

    ValueError, TypeError where that holds no usable key.
    """
    server = x509.load_der_x509_certificate(certificate)
    client.application_uri = own.uri
    policy: Any = POLICIES[security.policy](server, own.certificate, own.key, MODES[security.mode])
    client.security_policy = policy
    client.uaclient.set_security(policy)
    hear_faults(client)


class Securing:
    """Makes connections to ``url`` as ``access`` says; its files are read for each of them anew."""

    def __init__(self, url: str, access: Access) -> None:
        self._url, self._access = url, access
        self._folder = Path(access.folder)
        self._host = urlsplit(url).hostname or ""

    def prepare(self, client: Client, endpoints: Sequence[ua.EndpointDescription]) -> None:
        """Secure ``client`` for the server that told ``endpoints``; Unsecured where that cannot be."""
        wanted, now = self._access.security, datetime.now(UTC)
        own, trusted = self._files(now)
        endpoint = choose(endpoints, wanted)
        if endpoint is None:
            offered = ", ".join(sorted({_name(each) for each in endpoints})) or "nothing"
            raise Unsecured(
                "BadSecurityPolicyRejected",
                self._url,
                f"the server offers no {wanted}, only {offered}",
                "enable it in the server's settings; nothing else is spoken here",
            )
        peer = Peer(str(endpoint.Server.ApplicationUri), SERVES, self._host)
        fault = judge(endpoint.ServerCertificate, trusted, peer, now)
        certificate = split(endpoint.ServerCertificate)[0]
        if fault is not None:
            what = f"the server's certificate (SHA-1 {thumbprint(certificate)}) {fault.what}"
            raise Unsecured(fault.code, self._url, what, self._change(fault.code, certificate))
        try:
            secure(client, certificate, wanted, own)
        except (ValueError, TypeError) as error:
            what = f"the server's certificate cannot be used: {error}"
            raise Unsecured("BadCertificateInvalid", self._url, what, ANOTHER) from None
        client.certificate_validator = self._same
        if self._access.user:
            try:
                client.set_user(self._access.user)
                client.set_password(read_password(self._access))
            except ValueError as error:
                what, _, hint = str(error).partition("; ")
                raise Unsecured("BadIdentityTokenInvalid", self._url, what, hint) from None

    async def _same(self, certificate: x509.Certificate, described: ua.ApplicationDescription) -> None:
        """The application is the certificate's, as the server signs it now, not as it was listed before."""
        if described.ApplicationUri not in uris_of(certificate):
            what = f"it is the application {described.ApplicationUri}, and its certificate is another's"
            raise Unsecured("BadCertificateUriInvalid", self._url, what, ANOTHER)

    def _files(self, now: datetime) -> tuple[Own, Trusted]:
        try:
            return read_own(self._folder, now), read_trusted(self._folder)
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            raise Unsecured("BadCertificateInvalid", self._url, what, hint) from None

    def _change(self, code: str, certificate: bytes) -> str:
        if code == "BadCertificateTimeInvalid":
            return f"{ANOTHER}, or set the clock that is wrong"
        if code not in TO_TRUST:
            return ANOTHER
        return how_to_trust(self._folder, reject(self._folder, certificate))

    def advise(self, code: str) -> str:
        """What to change where the server refuses with ``code`` ("": it closes without a word)."""
        try:
            own = read_own(self._folder, datetime.now(UTC))
        except ValueError as error:
            return str(error)
        return advise(code, str(OpcuaFiles.of(self._folder).certificate), own.der, self._access)


def how_to_trust(folder: Path, kept: Path | None, whose: str = "server") -> str:
    """What to do so that ``folder`` trusts a certificate of the other side, that is ``kept`` in a file."""
    trusted = OpcuaFiles.of(folder).trusted
    if kept is None:
        return f"put it into {trusted}, if it is the {whose}'s own"
    return (
        f"compare its SHA-1 with the one that the {whose}'s own settings show; if it is the same: "
        f"mv {kept} {trusted}/"
    )


def advise(code: str, path: str, certificate: bytes, access: Access) -> str:
    """What to change where a server refuses, with ``code``, a secured connection for which our
    ``certificate`` at ``path`` was shown; "" for another cause.

    A server that closes without a word ("") mostly does not trust the certificate.
    """
    advice = _ADVICE.get(code, "") if code else f"a server may close without a word where {_TRUST}"
    return advice.format(
        certificate=path,
        thumbprint=thumbprint(certificate),
        policy=access.security.policy,
        user=access.user or "anonymous",
    )


def _name(endpoint: ua.EndpointDescription) -> str:
    mode = endpoint.SecurityMode.name.rstrip("_")
    return policy_of(endpoint) if mode == "None" else f"{policy_of(endpoint)}/{mode}"

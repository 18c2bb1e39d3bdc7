"""asyncua's server made to serve one policy and mode alone, to certificates that are trusted, from the first
message on.

The library asks about a client's certificate when a session is made, by what the client says there, and keeps
a channel without security open beside all others. Here the certificate by which the channel itself is opened
decides, each time anew, and on a channel without security only the endpoints are told.
"""

from __future__ import annotations

import hmac
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import PermissionRuleset, User, UserRole
from asyncua.crypto.security_policies import SecurityPolicy, SecurityPolicyNone
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import BadUserAccessDenied

from gateway.field.opcua.channel import MODES, POLICIES, TO_TRUST, how_to_trust
from gateway.field.opcua.folder import Own, read_own, read_password, read_trusted, reject, rejected_path
from gateway.field.opcua.trust import ASKS, Fault, Peer, judge, split, thumbprint, uris_of
from gateway.field.security import Access, Security
from gateway.pki.certificates import read_der

KEEP_EVERY = 10_000_000_000  # ns, from one certificate of a stranger that is kept to the next
ANOTHER_THERE = "make a new certificate in the client's settings"


class Doorkeeper(UserManager):
    """Lets in whom ``access`` trusts. Its files are read at each connection: who is trusted anew comes in
    without a restart, who is no longer stays out, and a renewed certificate is shown from then on.

    ``turned_away`` says who was refused last and what to do; empty once somebody comes in.
    """

    def __init__(self, access: Access) -> None:
        """ValueError("what was wrong; what would be right") where there is nothing to be secure with."""
        self._access = access
        self._folder = Path(access.folder)
        self._own = read_own(self._folder, datetime.now(UTC))
        read_trusted(self._folder)  # what cannot be read is said now, not to the first client
        self._password = read_password(access) if access.user else ""
        self._server: Server | None = None
        self._kept: int | None = None  # when, monotonic ns
        self.turned_away = ""

    async def secure(self, server: Server) -> None:
        """Secure ``server``, after init and before start."""
        security, own = self._access.security, self._own
        server.iserver.certificate, server.iserver.private_key = own.certificate, own.key
        self._server = server
        await server.set_application_uri(own.uri)
        kind = ua.SecurityPolicyType[f"{security.policy.replace('_', '')}_{security.mode}"]
        server.set_security_policy([kind])
        token = ua.UserNameIdentityToken if self._access.user else ua.AnonymousIdentityToken
        server.set_identity_tokens([token])
        server.iserver.user_manager = self  # it asks get_user
        # A live session is not handed to another channel: whoever guesses its token would have it.
        setattr(server.iserver, "lookup_external_session", lambda token: None)  # noqa: B010
        # Of several for one policy the first counts: ours before those that the library adds at the start.
        policies: list[Any] = server._policies
        policies += [_Discovery(self), _Checked(self, security)]

    def own(self) -> Own:
        """What to show now: another than the last where it was renewed meanwhile."""
        try:
            own = read_own(self._folder, datetime.now(UTC))
        except ValueError:  # half written, or it ran out: the client says what it makes of the last one
            return self._own
        if own.der != self._own.der and self._server is not None:
            self._own, inner = own, self._server.iserver
            inner.certificate, inner.private_key = own.certificate, own.key
            for endpoint in inner.endpoints:
                endpoint.ServerCertificate = own.der
        return self._own

    def admit(self, certificate: bytes) -> bool:
        """Whether its holder is given a channel; why not is kept for a person."""
        fault = self.judge(certificate)
        if fault is None:
            self.turned_away = ""
            return True
        leaf = (split(certificate) or [b""])[0]
        kept = self._keep(leaf) if leaf and fault.code in TO_TRUST else None
        change = how_to_trust(self._folder, kept, "client") if fault.code in TO_TRUST else ANOTHER_THERE
        shown = (
            f"its certificate (SHA-1 {thumbprint(leaf)}) {fault.what}" if leaf else "it shows no certificate"
        )
        self.turned_away = f"a client was refused, {fault.code}: {shown}; {change}"
        return False

    def _keep(self, certificate: bytes) -> Path | None:
        """Where a person finds it. Not each of many is put there: writing to a disk holds up the scan."""
        if (held := rejected_path(self._folder, certificate)).exists():
            return held
        now = time.monotonic_ns()
        if self._kept is not None and now - self._kept < KEEP_EVERY:
            return None
        self._kept = now
        return reject(self._folder, certificate)

    def judge(self, certificate: bytes) -> Fault | None:
        """What is wrong with a client's certificate (DER), by which it opens a channel."""
        try:
            trusted = read_trusted(self._folder)
            uris = uris_of(read_der(split(certificate)[0]))
        except (ValueError, IndexError) as error:
            return Fault("BadCertificateInvalid", str(error))
        peer = Peer(uris[0] if uris else "", ASKS)
        return judge(certificate, trusted, peer, datetime.now(UTC))

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        """Who logs in on the channel that ``certificate`` opened; None, or ServiceError: nobody."""
        if not certificate:
            raise ServiceError(StatusCodes.BadSecurityPolicyRejected)
        if self.judge(certificate) is not None:
            raise ServiceError(StatusCodes.BadCertificateUntrusted)
        wanted = self._access.user
        if wanted and not (
            username == wanted and hmac.compare_digest((password or "").encode(), self._password.encode())
        ):
            return None
        return User(role=UserRole.User, name=wanted or None)


class _Nothing(PermissionRuleset):
    def check_validity(self, user: Any, action_type: Any, body: Any) -> bool:
        return False


class _Discovery:
    """The channel without security: who asks is told the endpoints, and nothing else."""

    def __init__(self, keeper: Doorkeeper) -> None:
        self._keeper = keeper

    def matches(self, uri: str, mode: Any = None) -> bool:
        return uri == SecurityPolicyNone.URI and mode in (None, ua.MessageSecurityMode.None_)

    def create(self, peer_certificate: bytes | None) -> SecurityPolicy:
        self._keeper.own()
        policy: SecurityPolicy = SecurityPolicyNone(permission_ruleset=_Nothing())  # type: ignore[no-untyped-call]
        return policy


class _Checked:
    """A channel of the policy that is served, for who is trusted."""

    def __init__(self, keeper: Doorkeeper, security: Security) -> None:
        self._keeper = keeper
        self._policy: Any = POLICIES[security.policy]
        self._mode = MODES[security.mode]

    def matches(self, uri: str, mode: Any = None) -> bool:
        return bool(uri == self._policy.URI) and mode in (None, self._mode)

    def create(self, peer_certificate: bytes | None) -> SecurityPolicy:
        if not self._keeper.admit(peer_certificate or b""):
            raise BadUserAccessDenied  # of all errors the one after which the library closes the connection
        leaf = split(peer_certificate or b"")[0]
        own = self._keeper.own()
        policy: SecurityPolicy = self._policy(leaf, own.certificate, own.key, self._mode)
        return policy

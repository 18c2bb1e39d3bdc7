"""TLS to a broker of one's own line: what it must show before anything is said to it, and what was wrong.

A broker that another authority vouches for, that is another line's, that shows a certificate which is not a
broker's, or one that was revoked, gets no byte of MQTT. OpenSSL would leave everybody once a list of the
revoked is overdue; so the lists are asked here.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cryptography import x509

from gateway.errors import BadInput
from gateway.pki.certificates import invalid_now, read_certificates, read_der, subject_of
from gateway.pki.credentials import TlsFiles, read_revoked
from gateway.pki.revocation import List, overdue, taken_back
from gateway.private import exposed

log = logging.getLogger(__name__)

# OpenSSL's codes of why a peer's certificate does not hold, and the alerts by which a peer refuses ours.
_NOT_YET, _EXPIRED, _PURPOSE = 9, 10, 26
_FOREIGN = frozenset({2, 18, 19, 20, 21, 24})
_NAMES = frozenset({62, 64})
_ANEW = "enrol this node anew"
BRING = "bring a later one: python -m gateway.enroll --renew (docs/pki.md)"
_ALERTS = {
    "CERTIFICATE_EXPIRED": "the broker says that our certificate has expired",
    "CERTIFICATE_REVOKED": f"the broker says that our certificate is revoked; {_ANEW}, if it may take part",
    "UNKNOWN_CA": "the broker does not know the authority of our certificate; " + _ANEW + " with this line's",
    "CERTIFICATE_REQUIRED": "the broker wants a certificate of us; name the folder in tls",
    "UNSUPPORTED_CERTIFICATE": f"the broker says that our certificate is not one to connect with; {_ANEW}",
    "BAD_CERTIFICATE": f"the broker refuses our certificate; {_ANEW}",
}


class WrongPeer(ConnectionError):
    """Whoever answers is not the line's broker, or we have nothing to show it; why, and what to do."""


class LineContext:
    """What paho takes for an ``ssl.SSLContext``: a new one for each connection, of the files as they are
    then, so that a renewed certificate serves from the next connection on.

    ``refused`` is told why a peer ended the connection: in TLS 1.3 it looks at our certificate after we have
    taken the connection for made.
    """

    check_hostname = True

    def __init__(self, files: TlsFiles, refused: Callable[[ssl.SSLError], None]) -> None:
        self._files, self._refused = files, refused
        self._late = ""  # said already

    def wrap_socket(self, sock: socket.socket, server_hostname: str, **_: Any) -> ssl.SSLSocket:
        """A connection on which nothing was said yet; OSError where our own files do not serve."""
        try:
            known, context = self._open()
            made = context.wrap_socket(sock, server_hostname=server_hostname, do_handshake_on_connect=False)
        except OSError:
            sock.close()  # paho leaves it open
            raise
        assert isinstance(made, BrokerSocket)
        made.known, made.refused = known, self._refused
        return made

    def _open(self) -> tuple[Known, ssl.SSLContext]:
        """What we know, and what to connect with."""
        files = self._files
        try:
            own = subject_of(read_certificates(files.certificate)[0])
            authorities, lists = read_certificates(files.ca), read_revoked(files)
            if problems := exposed(files.key):
                raise BadInput(problems)
        except BadInput as bad:
            raise WrongPeer(str(bad)) from None
        if own is None:
            raise WrongPeer(f"{files.certificate} is no certificate of a line; {_ANEW}")
        late = overdue(lists, datetime.now(UTC))
        if late and late != self._late:
            log.warning("%s; whom it names stays out, who was revoked since is not known: %s", late, BRING)
        self._late = late
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the chain and the host's name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.certificate, files.key, password=str)  # none: it must not ask
        context.sslsocket_class = BrokerSocket
        return Known(own.line, authorities, lists), context


class Known(NamedTuple):
    """Our line, its authorities, and whom they revoked."""

    line: str
    authorities: list[x509.Certificate]
    lists: list[List]


class BrokerSocket(ssl.SSLSocket):
    """A connection that breaks off where the peer is no broker of the line that is ``known``, or was one."""

    known: Known
    refused: Callable[[ssl.SSLError], None]

    def do_handshake(self, block: bool = False) -> None:
        """As ever, and then the peer's place. WrongPeer."""
        try:
            super().do_handshake(block)
            self._check_peer()
        except OSError:
            self.close()  # paho leaves it open
            raise

    def _check_peer(self) -> None:
        shown = self.getpeercert(True)
        assert shown is not None, "a context for clients wants one"
        try:
            certificate = read_der(shown)
        except ValueError as error:
            raise WrongPeer(f"the broker's certificate cannot be read: {error}; enrol it anew") from None
        found, line = subject_of(certificate), self.known.line
        if found is None or found.kind != "broker":
            what = f"it is the certificate of {found.kind} {found.node}" if found else "it names no node"
            raise WrongPeer(f"the certificate shown is no broker's: {what}; somebody plays the broker there")
        if found.line != line:
            raise WrongPeer(f"this is the broker of line {found.line}, ours is {line}; correct brokers")
        if taken_back(certificate, self.known.authorities, self.known.lists):
            raise WrongPeer(f"the certificate of broker {found.node} is revoked; enrol that broker anew")

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """As ever; the reason of a refusal is told."""
        try:
            return super().recv(buflen, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self.refused(error)
            raise


def explain(error: OSError, files: TlsFiles | None) -> str:
    """What was wrong with a connection, and what to do, for a person."""
    match error:
        case ssl.SSLCertVerificationError():
            return _peer(error)
        case ConnectionResetError() | ssl.SSLEOFError() if files is not None:
            return "the connection was cut at its beginning; is it a broker that speaks TLS?"
        case ssl.SSLError():
            return _alert(error, files)
        case PermissionError() if files is not None:
            return f"{files.key} is for the gateway's own user; try as root"
        case socket.gaierror():
            return "no such host name"
        case ConnectionRefusedError():
            return "it refuses the connection: nothing listens at that port"
        case TimeoutError():
            return (
                "no answer in time" if files is None else "no answer in time; is it a broker that speaks TLS?"
            )
    return error.strerror or str(error)


def unanswered(files: TlsFiles) -> str:
    """Of a broker that ended the connection without a word."""
    return _own_time(files) or "the broker ended the connection: it refuses our certificate, or is no broker"


def _own_time(files: TlsFiles) -> str:
    """What is wrong with the time of our own certificate."""
    try:
        return invalid_now(read_certificates(files.certificate)[0], time.time_ns(), "our certificate")
    except BadInput as bad:
        return str(bad)


def _peer(error: ssl.SSLCertVerificationError) -> str:
    code, said = error.verify_code, error.verify_message
    if code in (_NOT_YET, _EXPIRED):
        today = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        what = "is not valid yet" if code == _NOT_YET else "has expired"
        return f"the broker's certificate {what}; renew it, or set the clock here, which says {today} UTC"
    if code in _FOREIGN:
        return "the broker's certificate is another authority's; correct brokers, or enrol with that one"
    if code == _PURPOSE:
        return "the certificate shown is not one to serve with; somebody plays the broker there"
    if code in _NAMES:
        return f"the broker's certificate is for another host: {said}; give it one that names this"
    return f"the broker's certificate does not hold: {said}"


def _alert(error: ssl.SSLError, files: TlsFiles | None) -> str:
    reason = error.reason or ""
    said = next((text for alert, text in _ALERTS.items() if reason.endswith(alert)), "")
    if reason == "WRONG_VERSION_NUMBER":
        return "it speaks no TLS; write mqtt:// where that is meant, or correct the port"
    if reason.endswith("CERTIFICATE_EXPIRED") and files is not None:
        return _own_time(files) or f"{said}, which it has not by the clock here; set the broker's clock"
    return said or f"TLS failed: {reason or error}"

"""Ask the line's authority over HTTPS; nothing is said before it is known to be under the right root.

The first connection only fetches the root's certificate, which the token's fingerprint proves or not. The
second is verified up to that root, and asks.
"""

from __future__ import annotations

import http.client
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography import x509

from gateway.errors import BadInput, Problem
from gateway.pki import certificates, revocation
from gateway.pki.certificates import EARLIER, moment, subject_of
from gateway.pki.requests import MAX_BYTES, Answer, read_answer
from ledger.codec import Malformed

PORT = 8443
ROOT, ENROL, RENEW, CRL = "/1/root", "/1/enroll", "/1/renew", "/1/revoked"
TIMEOUT = 10.0  # s, for each step of a conversation


class Unreachable(Exception):
    """The authority is not there, or what is there speaks otherwise; what to do."""


class Declined(Exception):
    """The authority refuses: what it said."""


class Address(NamedTuple):
    """Where an authority is."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"https://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class _Root(NamedTuple):
    certificate: x509.Certificate
    ahead: int  # ns that the authority's clock is ahead of ours


def read_address(text: str) -> Address:
    """``https://host[:port]``; ValueError."""
    hint = f"write https://host, or https://host:port if it is not {PORT}"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no address of an authority: {error}; {hint}") from None
    if url.scheme != "https" or not url.hostname or url.path.strip("/") or url.query or url.username:
        raise ValueError(f"{text!r} is no address of an authority; {hint}")
    return Address(url.hostname, port or PORT)


def ask(
    address: Address, path: str, data: bytes, fingerprint: bytes, timeout: float = TIMEOUT
) -> tuple[Answer, bytes]:
    """What the authority answers to ``data``, and the SHA-256 of its root, which begins with ``fingerprint``.

    Raises BadInput where it is another authority or a clock is wrong, Unreachable, Declined.
    """
    root = _fetch_root(address, fingerprint, timeout)
    _check_clock(root)
    body = _exchange(_Known(address, root, timeout), "POST", path, data)[0]
    answer = read_answer(body)
    if isinstance(answer, Malformed):
        raise Unreachable(f"{address} answers something that is no enrolment: {answer.reason}")
    return answer, certificates.fingerprint(root.certificate)


def fetch_lists(address: Address, fingerprint: bytes, timeout: float = TIMEOUT) -> bytes:
    """The authority's lists of the revoked (PEM); raises as ``ask`` does."""
    root = _fetch_root(address, fingerprint, timeout)
    return _exchange(_Known(address, root, timeout), "GET", CRL, b"", most=revocation.MOST_BYTES)[0]


def _check_clock(root: _Root) -> None:
    """BadInput where the clocks differ by more than certificates begin before they are issued."""
    now = time.time_ns()
    if abs(root.ahead) <= EARLIER:
        return
    what = (
        f"this machine's clock says {moment(now):%Y-%m-%d %H:%M:%S} UTC, "
        f"the authority's {moment(now + root.ahead):%Y-%m-%d %H:%M:%S} UTC"
    )
    raise BadInput([Problem("", 0, 0, what, "set the one that is wrong, and ask again")])


def _fetch_root(address: Address, fingerprint: bytes, timeout: float) -> _Root:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(*address, timeout=timeout, context=context)
    body, date = _exchange(connection, "GET", ROOT, b"", str(address))
    try:
        (root,) = certificates.certificates(body)
    except ValueError:
        raise Unreachable(f"{address} is no authority of a line; check the address") from None
    if certificates.fingerprint(root)[: len(fingerprint)] != fingerprint:
        what = f"{address} is another authority than the one that made the token"
        hint = "check the address; if it is right, somebody stands in between: tell who made the token"
        raise BadInput([Problem("", 0, 0, what, hint)])
    return _Root(root, date - time.time_ns() if date else 0)


class _Known(http.client.HTTPSConnection):
    """To the authority under ``root``: another peer is left before anything is said."""

    def __init__(self, address: Address, root: _Root, timeout: float) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False  # the certificate names the authority, whatever host it is on
        context.load_verify_locations(cadata=certificates.pem(root.certificate).decode())
        super().__init__(*address, timeout=timeout, context=context)
        self._address, self._root = address, root

    def connect(self) -> None:
        super().connect()
        assert isinstance(self.sock, ssl.SSLSocket)
        held = self.sock.getpeercert(binary_form=True)
        assert held is not None, "it was verified"
        peer, root = subject_of(certificates.read_der(held)), subject_of(self._root.certificate)
        if peer is None or root is None or peer.line != root.line or peer.kind != "authority":
            self.close()
            what = f"{self._address} is {peer.uri if peer else 'something else'}, not the line's authority"
            raise BadInput([Problem("", 0, 0, what, "check the address")])


def _exchange(
    connection: http.client.HTTPSConnection,
    method: str,
    path: str,
    data: bytes,
    name: str = "",
    most: int = MAX_BYTES,
) -> tuple[bytes, int]:
    """What comes back, ``most`` bytes of it, and the peer's clock (UTC ns; 0 where it did not say)."""
    name = name or f"https://{connection.host}:{connection.port}"
    try:
        connection.request(method, path, data, {"Content-Type": "application/octet-stream"} if data else {})
        answer = connection.getresponse()
        body = answer.read(most + 1)
        date = answer.getheader("Date")
    except ssl.SSLCertVerificationError as error:
        what = f"{name} shows a certificate that does not hold under the root: {error.verify_message}"
        hint = "check the address; if it is right, somebody stands in between: tell who made the token"
        raise BadInput([Problem("", 0, 0, what, hint)]) from None
    except ssl.SSLError as error:
        raise Unreachable(f"{name}: no TLS with it: {error.reason or error}") from None
    except (OSError, http.client.HTTPException) as error:
        what = "it is silent" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        raise Unreachable(
            f"{name} cannot be asked: {what}; check the address and that the authority serves "
            "(twinline pki serve), and ask again: nothing is lost"
        ) from None
    finally:
        connection.close()
    if answer.status != http.client.OK:
        said = body[:1024].decode(errors="replace").strip()
        raise Declined(said or f"{name} answers {answer.status} {answer.reason}")
    if len(body) > most:
        raise Unreachable(f"{name} answers with more than {most} bytes; check the address")
    try:
        clock = int(parsedate_to_datetime(date).timestamp()) * 10**9 if date else 0
    except ValueError:
        clock = 0
    return body, clock

"""The issuing authority over HTTPS.

It answers four questions: which root, enrol, renew, and who is revoked. Everything about a connection is
bounded: how many there are, how long each may take and how much it may say.
"""

from __future__ import annotations

import contextlib
import http.server
import logging
import socket
import socketserver
import ssl
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus

import msgspec

from gateway.errors import BadInput
from gateway.pki import certificates
from gateway.pki.asking import CRL, ENROL, RENEW, ROOT, Address
from gateway.pki.certificates import DAY
from gateway.pki.requests import MAX_BYTES, Answer
from gateway.store.atomic import write_atomically
from ledger import codec
from rig.pki.desk import Desk, Refused
from rig.pki.guesses import Guesses

log = logging.getLogger(__name__)

AT_ONCE = 16  # connections
PATIENCE = 10.0  # s, for each read of one
LONGEST = 30 * 10**9  # ns, for one from its beginning to its end
SOON = 30 * DAY  # before its end our certificate is made anew
EVERYWHERE = ("0.0.0.0", "::")
SERVING = "serving.pem"

_Request = socket.socket | tuple[bytes, socket.socket]


class _Conversation(msgspec.Struct):
    """One connection: its socket, and by when it has to end (monotonic ns)."""

    socket: socket.socket
    until: int


class Server(http.server.ThreadingHTTPServer):
    """``desk`` at ``address``; OSError where it cannot be there. It is reached at ``reached``."""

    daemon_threads = True
    request_queue_size = AT_ONCE

    def __init__(self, desk: Desk, address: Address) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self.desk, self.guesses = desk, Guesses()
        host = socket.gethostname()
        everywhere = address.host in EVERYWHERE
        self._hosts = (host,) if everywhere else (host, address.host)
        self.reached = Address(host, address.port) if everywhere else address
        self._serving: tuple[ssl.SSLContext, int] | None = None  # and until when, UTC ns
        self._open: dict[socket.socket, _Conversation] = {}  # by the socket that was accepted
        self._guard = threading.Lock()
        super().__init__((address.host, address.port), _Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # the parent's asks name servers, too, and waits for them

    def context(self) -> ssl.SSLContext:
        """To serve with; its certificate is made anew long before it ends."""
        with self._guard:
            if self._serving is None or time.time_ns() > self._serving[1] - SOON:
                self._serving = self._make_context()
            return self._serving[0]

    def _make_context(self) -> tuple[ssl.SSLContext, int]:
        authority, key = self.desk.authority, certificates.new_tls_key()
        held = authority.serving(key.public_key(), self._hosts, now=time.time_ns())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        path = authority.folder / SERVING  # the library reads a key from a file alone
        write_atomically(path, certificates.key_pem(key) + certificates.pem(held, authority.issuing), 0o600)
        try:
            context.load_cert_chain(path)
        finally:
            path.unlink()
        return context, certificates.ends(held)

    def barred(self, host: str) -> int:
        """For how many ns ``host`` is not heard, since too many wrong tokens came."""
        with self._guard:
            return self.guesses.wait(host, time.monotonic_ns())

    def guessed(self, host: str) -> None:
        """``host`` tried a token that nobody made."""
        with self._guard:
            self.guesses.add(host, time.monotonic_ns())

    def process_request(self, request: _Request, client_address: object) -> None:
        assert isinstance(request, socket.socket), "that of TCP is"
        with self._guard:
            room = len(self._open) < AT_ONCE
            if room:
                self._open[request] = _Conversation(request, time.monotonic_ns() + LONGEST)
        if not room:
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started for it: it gives its place back
            with self._guard:
                del self._open[request]
            raise

    def process_request_thread(self, request: _Request, client_address: object) -> None:
        assert isinstance(request, socket.socket), "that of TCP is"
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._guard:
                self._open.pop(request).socket.close()

    def secure(self, plain: socket.socket) -> ssl.SSLSocket:
        """The same connection, by TLS."""
        secured = self.context().wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self._guard:
            self._open[plain].socket = secured
        secured.do_handshake()
        return secured

    def service_actions(self) -> None:
        """Twice a second: end what takes too long, however slowly it goes on talking."""
        now = time.monotonic_ns()
        with self._guard:
            late = [each.socket for each in self._open.values() if now > each.until]
        for each in late:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        log.warning("%s: the conversation ended: %s", _host(client_address), ascii(str(sys.exc_info()[1])))


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection, one question. What is logged has no token and no request in it."""

    server_version, sys_version = "twinline", ""
    timeout = PATIENCE
    server: Server

    def setup(self) -> None:
        self.request.settimeout(PATIENCE)
        self.request = self.server.secure(self.request)
        super().setup()

    def do_GET(self) -> None:
        authority = self.server.desk.authority
        if self.path == ROOT:
            self._answer(HTTPStatus.OK, certificates.pem(authority.root))
        elif self.path == CRL:
            self._answer(HTTPStatus.OK, authority.lists)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here; see docs/pki.md")

    def do_POST(self) -> None:
        desk = self.server.desk
        answers: dict[str, Callable[[bytes], Answer | Refused]] = {ENROL: desk.enrol, RENEW: desk.renew}
        if self.path not in answers:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here; see docs/pki.md")
            return
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or not 0 < int(length) <= MAX_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"say 1 to {MAX_BYTES} bytes; none were read")
            return
        asked = self.rfile.read(int(length))  # in any case: who is left with half said hears no answer
        host = _host(self.client_address)
        if wait := self.server.barred(host):
            minutes = -(-wait // (60 * 10**9))
            what = f"too many wrong tokens came; ask again in {minutes} min"
            log.warning("to hear %s sooner, start twinline pki serve again: it forgets wrong tokens", host)
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, what)
            return
        try:
            answer = answers[self.path](asked)
        except (BadInput, OSError) as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"the authority cannot write it down: {error}")
            return
        if isinstance(answer, Refused):
            if answer.guess:
                self.server.guessed(host)
            self._refuse(HTTPStatus.FORBIDDEN, str(answer))
            return
        said = answer.enrolment.enrolment
        log.info("%s: %s is enrolled as %s", host, said.node, said.kind)
        self._answer(HTTPStatus.OK, codec.encode(answer))

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        log.warning("%s: refused: %s", _host(self.client_address), why)
        self._answer(status, why.encode())

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        log.info("%s: %s", _host(self.client_address), ascii(format % args))


def _host(address: object) -> str:
    return str(address[0]) if isinstance(address, tuple) else str(address)

"""The authority over HTTPS, asked as a gateway asks, and by those who try to get round it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import logging
import os
import shutil
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway import enroll
from gateway.agentfile import AgentConfig, load_config
from gateway.errors import BadInput
from gateway.net.identity import Identity
from gateway.pki import asking, certificates, credentials
from gateway.pki.asking import CRL, ENROL, ROOT, Address, Declined, Unreachable, read_address
from gateway.pki.certificates import DAY
from gateway.pki.credentials import enrolled
from gateway.pki.enrolment import Kind
from gateway.pki.keys import make_keys, make_request
from gateway.pki.requests import MAX_BYTES
from gateway.pki.token import Token
from rig.pki import serve
from rig.pki.admission import admit
from rig.pki.authority import Authority
from rig.pki.desk import Desk
from rig.pki.guesses import EACH, Guesses
from rig.pki.registry import Place, Registry
from rig.pki.serve import AT_ONCE, Server
from rig.ports import free_ports

MINUTE = 60 * 10**9
HOST = "127.0.0.1"


class Site:
    """An authority that serves on a thread."""

    def __init__(self, folder: Path, line: str = "starter") -> None:
        self.folder = folder
        self.authority = Authority.create(folder / "authority", line, None, now=time.time_ns())
        self.registry = Registry(folder / "authority")
        self.desk = Desk(self.authority, self.registry, time.time_ns)
        self.desk.publish()
        self.address = Address(HOST, free_ports(1)[0])
        self.server = Server(self.desk, self.address)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
        self.registry.close()

    def token(self, node: str, valid: int = 10 * MINUTE) -> Token:
        made = self.desk.invite(Place(node, "gateway", "starter"), valid)
        assert isinstance(made, Token), made
        return made

    @property
    def root(self) -> bytes:
        return certificates.fingerprint(self.authority.root)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("foreign"))
    yield made
    made.close()


@pytest.fixture
def fresh(site: Site) -> Iterator[Site]:
    """Nobody has guessed yet."""
    site.server.guesses = Guesses()
    yield site
    site.server.guesses = Guesses()


def connected(address: Address) -> ssl.SSLSocket:
    """As anybody can, who trusts whatever is there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(address, 10))


def raw(address: Address, *said: bytes) -> bytes:
    """What comes back before the authority ends the connection."""
    heard = b""
    with connected(address) as link:
        for each in said:
            link.sendall(each)
        while part := link.recv(65536):
            heard += part
    return heard


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def post(address: Address, path: str, body: bytes) -> bytes:
    return raw(address, f"POST {path} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def secrets_of(folder: Path) -> dict[str, bytes]:
    """Each private key in ``folder``, as every form in which it could leave."""
    found: dict[str, bytes] = {}
    identity = Identity.load(folder / "key.pem")
    found["ledger"] = identity._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    for name in ("tls", "opcua"):
        key = certificates.read_key(folder / name / "key.pem")
        numbers = key.private_numbers()
        if isinstance(key, EllipticCurvePrivateKey):
            found[name] = numbers.private_value.to_bytes(32)  # type: ignore[union-attr]
        else:
            assert isinstance(key, RSAPrivateKey)
            found[f"{name} d"] = key.private_numbers().d.to_bytes(256)
            found[f"{name} p"] = key.private_numbers().p.to_bytes(128)
            found[f"{name} q"] = key.private_numbers().q.to_bytes(128)
    for path in folder.rglob("key.pem"):
        lines = [line for line in path.read_bytes().splitlines() if b":" not in line and b"-" not in line]
        found |= {f"{path} {at}": line for at, line in enumerate(lines[:-1] or lines)}
    return found


def test_nothing_private_leaves_a_gateway(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all that it says, in the clear, before TLS hides it."""
    said: list[bytes] = []
    send = http.client.HTTPConnection.send

    def listen(self: http.client.HTTPConnection, data: bytes) -> None:
        said.append(bytes(data))
        send(self, data)

    token = site.token("infeed")
    with monkeypatch.context() as patched:
        patched.setattr(http.client.HTTPConnection, "send", listen)
        held = enroll.by_token(token, site.address, tmp_path / "infeed")
        enroll.renew(tmp_path / "infeed", site.address, new_keys=True)
    everything = b"".join(said)
    assert Identity.load(tmp_path / "infeed/key.pem").public_bytes in everything  # it was heard
    assert held.enrolment.node == "infeed"
    private = secrets_of(tmp_path / "infeed")
    assert len(private) > 10
    for name, secret in private.items():
        for form in (secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"=")):
            assert form not in everything, name


def test_the_token_is_said_to_the_right_authority_alone(
    tmp_path: Path, site: Site, foreign: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[bytes] = []
    monkeypatch.setattr(http.client.HTTPConnection, "send", lambda self, data: _say(self, data, said))
    token = site.token("astray")
    with pytest.raises(BadInput, match="another authority than the one that made the token"):
        enroll.by_token(token, foreign.address, tmp_path / "astray")
    assert b"".join(said).startswith(b"GET /1/root HTTP/1.1")
    assert token.secret not in b"".join(said)
    assert enrolled(tmp_path / "astray") is None


_send = http.client.HTTPConnection.send


def _say(self: http.client.HTTPConnection, data: bytes, said: list[bytes]) -> None:
    said.append(bytes(data))
    _send(self, data)


@contextlib.contextmanager
def impostor(root: bytes, chain: Path) -> Iterator[tuple[Address, list[bytes]]]:
    """It shows the right root to whoever asks, and another certificate than the authority's."""
    heard: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    (port,) = free_ports(1)
    with socket.create_server((HOST, port)) as listening:

        def answer() -> None:
            for _ in range(2):
                plain, _ = listening.accept()
                with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as link:
                    heard.append(link.recv(65536))
                    link.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(root) + root)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield Address(HOST, port), heard
        thread.join(10)


def test_a_folder_that_is_enrolled_is_not_taken_for_it_without_asking(tmp_path: Path, fresh: Site) -> None:
    folder, token = tmp_path / "again", fresh.token("again")
    held = enroll.by_token(token, fresh.address, folder)
    assert enroll.by_token(token, fresh.address, folder) == held  # as after a kill
    renewed = enroll.renew(folder, fresh.address)
    assert enroll.by_token(token, fresh.address, folder) == renewed
    assert fresh.desk.revoke("again", "the card was stolen") == 2
    with pytest.raises(Declined, match="again was revoked"):
        enroll.by_token(token, fresh.address, folder)
    with pytest.raises(Declined, match=r"this is the key of again, and revoked.*choose an empty folder"):
        enroll.by_token(fresh.token("again"), fresh.address, folder)
    assert enrolled(folder) == renewed


def test_a_gateway_that_starts_finishes_a_renewal_that_was_cut_off(
    tmp_path: Path, fresh: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after the new key is in place, before its certificate is."""
    folder = tmp_path / "cut"
    enroll.by_token(fresh.token("cut"), fresh.address, folder)
    tls = credentials.TlsFiles.of(folder / "tls")
    written = credentials.write_atomically

    def cut(path: Path, *rest: Any) -> None:
        if path == tls.certificate:
            raise KeyboardInterrupt
        written(path, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(credentials, "write_atomically", cut)
        with pytest.raises(KeyboardInterrupt):
            enroll.renew(folder, fresh.address, new_keys=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLError, match=r"(?i)key.values.mismatch"):
        context.load_cert_chain(tls.certificate, tls.key)
    config = AgentConfig("starter", "station.yaml", (), "key.pem", "trust.yaml", "state", tls="tls")
    (folder / "gateway.json").write_bytes(msgspec.json.encode(config))
    load_config(folder / "gateway.json")
    context.load_cert_chain(tls.certificate, tls.key)


@pytest.mark.parametrize("whose", ["another authority's", "a gateway's", "a broker's"])
def test_who_only_shows_the_right_root_hears_no_token(
    tmp_path: Path, site: Site, foreign: Site, whose: str
) -> None:
    now = time.time_ns()
    if whose == "another authority's":
        key = certificates.new_tls_key()
        held = foreign.authority.serving(key.public_key(), [HOST], now=now)
        chain = certificates.key_pem(key) + certificates.pem(held, foreign.authority.issuing)
    else:
        kind: Kind = "gateway" if whose == "a gateway's" else "broker"
        admit(site.authority, tmp_path / kind, Identity.create(kind), kind, now=now, hosts=[HOST])
        chain = b"".join((tmp_path / kind / "tls" / name).read_bytes() for name in ("key.pem", "cert.pem"))
    (tmp_path / "chain.pem").write_bytes(chain)
    token = site.token("caught-" + whose.split("'")[0].replace(" ", "-"))
    with (
        impostor(certificates.pem(site.authority.root), tmp_path / "chain.pem") as (address, heard),
        pytest.raises(BadInput, match=r"hold under the root|not the line's authority"),
    ):
        enroll.by_token(token, address, tmp_path / "node")
    assert [each for each in heard if each and not each.startswith(b"GET /1/root")] == []


@pytest.mark.parametrize("ahead", [-DAY, DAY], ids=["behind", "ahead"])
def test_a_clock_that_is_wrong_is_said(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    token = site.token("late" if ahead < 0 else "early")

    class Clock:
        @staticmethod
        def time_ns() -> int:
            return time.time_ns() + ahead

    with monkeypatch.context() as patched:
        patched.setattr(asking, "time", Clock)
        with pytest.raises(BadInput, match=r"this machine's clock says .* UTC, the authority's .* UTC; set"):
            enroll.by_token(token, site.address, tmp_path / "node")
    assert enroll.by_token(token, site.address, tmp_path / "node").enrolment.node == token.node


def test_a_token_is_read_from_standard_input(
    tmp_path: Path, fresh: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for node, words in (("typed", ()), ("dashed", ("-",))):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{fresh.token(node)}\n"))
        monkeypatch.setattr(
            "sys.argv", ["enroll", *words, str(fresh.address), "--into", str(tmp_path / node)]
        )
        assert enroll.main() == 0
        assert f"{node} is gateway" in capsys.readouterr().out


def test_wrong_tokens_run_out(tmp_path: Path, fresh: Site, caplog: pytest.LogCaptureFixture) -> None:
    make_keys(tmp_path / "node", "guesser", opcua=False)
    right = fresh.token("guesser")
    guesses = [right._replace(secret=bytes([each] * 10)) for each in range(EACH)]
    with caplog.at_level(logging.INFO):
        for guess in guesses:
            with pytest.raises(Declined, match="was not made here"):
                asking.ask(fresh.address, ENROL, make_request(tmp_path / "node", guess.secret), fresh.root)
        with pytest.raises(Declined, match="too many wrong tokens came; ask again in 10 min"):
            asking.ask(fresh.address, ENROL, make_request(tmp_path / "node", right.secret), fresh.root)
    assert len(fresh.registry.issued("guesser")) == 0
    assert f"to hear {HOST} sooner, start twinline pki serve again" in caplog.text
    with Server(fresh.desk, Address(HOST, free_ports(1)[0])) as again:
        assert again.guesses.wait(HOST, time.monotonic_ns()) == 0
    fresh.server.guesses = Guesses()
    asking.ask(fresh.address, ENROL, make_request(tmp_path / "node", right.secret), fresh.root)
    for secret in (right.secret, *(each.secret for each in guesses)):
        for form in (repr(secret)[2:-1], secret.hex(), str(right)):
            assert form not in caplog.text


def test_what_is_no_request_is_refused_and_it_goes_on(fresh: Site) -> None:
    assert status(post(fresh.address, ENROL, b"x" * 100)) == 403
    assert status(post(fresh.address, "/1/enrol-me", b"x")) == 404
    assert status(raw(fresh.address, b"GET /../authority/issuing.key.pem HTTP/1.0\r\n\r\n")) == 404
    assert status(raw(fresh.address, b"DELETE / HTTP/1.0\r\n\r\n")) == 501
    assert b"Error code: 400" in raw(fresh.address, b"nonsense\r\n\r\n")
    assert raw(fresh.address, b"GET " + b"x" * 70_000 + b" HTTP/1.0\r\n\r\n")[:12] in (b"HTTP/1.0 414", b"")
    for length in (str(MAX_BYTES + 1), "-1", "1e9", "", "0"):
        said = f"POST {ENROL} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n".encode()
        assert status(raw(fresh.address, said)) == 413, length
    with socket.create_connection(fresh.address, 10) as plain:  # no TLS at all
        plain.sendall(b"GET /1/root HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            while plain.recv(65536):
                pass
    assert b"BEGIN CERTIFICATE" in raw(fresh.address, f"GET {ROOT} HTTP/1.0\r\n\r\n".encode())
    assert b"BEGIN X509 CRL" in raw(fresh.address, f"GET {CRL} HTTP/1.0\r\n\r\n".encode())


def test_a_full_disk_is_told_to_who_asks_and_the_token_holds(tmp_path: Path, fresh: Site) -> None:
    token, pragma = fresh.token("patient"), fresh.registry._db.execute
    (pages,) = pragma("PRAGMA page_count").fetchone()
    pragma(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Declined, match=r"cannot write it down.*full"):
        enroll.by_token(token, fresh.address, tmp_path / "patient")
    pragma("PRAGMA max_page_count = 1000000")
    assert enroll.by_token(token, fresh.address, tmp_path / "patient").enrolment.node == "patient"


def test_many_guess_and_ask_at_once(fresh: Site) -> None:
    """Each connection has a thread; what they share is changed by one at a time."""
    fresh.server.guesses, failed = Guesses(total=1_000), list[BaseException]()

    def guess(host: int) -> None:
        try:
            for number in range(300):
                fresh.server.guessed(f"{host}-{number}")
                fresh.server.barred("another")
        except RuntimeError as error:
            failed.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=guess, args=(host,)) for host in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(before)
    assert failed == []


def test_where_no_thread_can_be_started_no_place_is_lost(
    fresh: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", full)
        for _ in range(AT_ONCE):
            with socket.create_connection(fresh.address, 10) as link:
                assert link.recv(1) == b""  # it is ended
    assert b"BEGIN CERTIFICATE" in raw(fresh.address, f"GET {ROOT} HTTP/1.0\r\n\r\n".encode())


def test_who_talks_for_ever_is_ended_and_who_fills_every_place_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "LONGEST", 10**9)
    site = Site(tmp_path)
    silent: list[socket.socket] = []
    try:
        # Places are given when they are asked for: these say nothing, and some of them no TLS either.
        silent = [socket.create_connection(site.address, 10) for _ in range(AT_ONCE // 2)]
        silent += [connected(site.address) for _ in range(AT_ONCE - len(silent))]
        slow = silent[-1]

        def drip() -> None:
            with contextlib.suppress(OSError):
                while True:
                    slow.sendall(b"x")
                    ended.wait(0.02)

        ended = threading.Event()
        talker = threading.Thread(target=drip)
        talker.start()
        full = socket.create_connection(site.address, 10)
        with full, contextlib.suppress(ConnectionResetError):
            assert full.recv(1) == b""  # no place: left at once
        for each in silent:
            each.settimeout(20)
            with contextlib.suppress(OSError):
                while each.recv(65536):  # until it is ended
                    pass
        ended.set()
        talker.join(20)
        token = site.token("infeed")
        assert enroll.by_token(token, site.address, tmp_path / "infeed").enrolment.node == "infeed"
        assert site.server._open == {} or len(site.server._open) < AT_ONCE
    finally:
        for each in silent:
            each.close()
        site.close()


def test_the_serving_key_stays_on_no_disk(site: Site) -> None:
    names = {path.name for path in site.authority.folder.iterdir()}
    lists = {"revoked.crl.pem", "root.crl.pem"}
    assert names == {"root.pem", "issuing.pem", "issuing.key.pem", "registry.sqlite"} | lists


def test_an_authority_that_is_not_there(tmp_path: Path) -> None:
    nobody = Address(HOST, free_ports(1)[0])
    token = Token("infeed", bytes(16), bytes(10))
    with pytest.raises(Unreachable, match=r"twinline pki serve.*nothing is lost"):
        enroll.by_token(token, nobody, tmp_path / "infeed", timeout=5)
    with pytest.raises(BadInput, match="holds no enrolment"):
        enroll.renew(tmp_path / "infeed", nobody)


@pytest.mark.parametrize(
    "answer", [b"", b"\0" * 100, b"HTTP/1.0 200 OK\r\n\r\nhello", b"HTTP/1.0 500 No\r\n\r\n"]
)
def test_what_is_there_is_no_authority(tmp_path: Path, site: Site, answer: bytes) -> None:
    node = f"b-{len(site.desk.listed())}"
    admit(site.authority, tmp_path / "b", Identity.create(node), "broker", now=time.time_ns(), hosts=[HOST])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "b/tls/cert.pem", tmp_path / "b/tls/key.pem")
    (port,) = free_ports(1)
    with socket.create_server((HOST, port)) as listening:

        def serve_once() -> None:
            plain, _ = listening.accept()
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as link:
                link.recv(65536)
                link.sendall(answer)

        thread = threading.Thread(target=serve_once, daemon=True)
        thread.start()
        with pytest.raises((Unreachable, Declined)):
            enroll.by_token(Token("infeed", bytes(16), bytes(10)), Address(HOST, port), tmp_path / "infeed")
        thread.join(10)


@pytest.mark.parametrize("text", ["http://a", "https://", "a:1", "https://a/b", "https://a:x", "https://u@a"])
def test_an_address_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no address of an authority"):
        read_address(text)


def test_addresses() -> None:
    assert read_address("https://10.0.0.5") == Address("10.0.0.5", asking.PORT)
    assert str(read_address("https://[::1]:1234/")) == "https://[::1]:1234"


def test_the_keys_of_a_folder_are_one_nodes(tmp_path: Path, site: Site) -> None:
    enroll.by_token(site.token("mine"), site.address, tmp_path / "mine")
    shutil.copytree(tmp_path / "mine", tmp_path / "yours")
    with pytest.raises(BadInput, match="holds the keys of mine, not of yours"):
        enroll.by_token(site.token("yours"), site.address, tmp_path / "yours")
    assert os.stat(tmp_path / "mine").st_mode & 0o777 == 0o700

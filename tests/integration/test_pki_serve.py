"""The authority over HTTPS, where many ask at once, guess, say nonsense or nothing, or fill its disk."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from served_authority import HOST, Site

from gateway import enroll
from gateway.pki import asking
from gateway.pki.asking import CRL, ENROL, ROOT, Address, Declined
from gateway.pki.keys import make_keys, make_request
from gateway.pki.requests import MAX_BYTES
from rig.pki import serve
from rig.pki.guesses import EACH, Guesses
from rig.pki.serve import AT_ONCE, Server
from rig.ports import free_ports


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with closing(Site(tmp_path_factory.mktemp("site"))) as made:
        yield made


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

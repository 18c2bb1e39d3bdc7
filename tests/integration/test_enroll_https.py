"""A gateway asks the authority over HTTPS: it keeps what is private, and tells its token to the right one."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import os
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from served_authority import HOST, Site

from gateway import enroll
from gateway.agentfile import AgentConfig, load_config
from gateway.errors import BadInput
from gateway.net.identity import Identity
from gateway.pki import asking, certificates, credentials
from gateway.pki.asking import Address, Declined, Unreachable, read_address
from gateway.pki.certificates import DAY
from gateway.pki.credentials import enrolled
from gateway.pki.enrolment import Kind
from gateway.pki.token import Token
from rig.pki.admission import admit
from rig.ports import free_ports


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with closing(Site(tmp_path_factory.mktemp("site"))) as made:
        yield made


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with closing(Site(tmp_path_factory.mktemp("foreign"))) as made:
        yield made


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """All that is asked, in the clear, before TLS hides it."""
    heard: list[bytes] = []
    send = http.client.HTTPConnection.send

    def listen(self: http.client.HTTPConnection, data: bytes) -> None:
        heard.append(bytes(data))
        send(self, data)

    monkeypatch.setattr(http.client.HTTPConnection, "send", listen)
    return heard


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


def test_nothing_private_leaves_a_gateway(tmp_path: Path, site: Site, said: list[bytes]) -> None:
    held = enroll.by_token(site.token("infeed"), site.address, tmp_path / "infeed")
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
    tmp_path: Path, site: Site, foreign: Site, said: list[bytes]
) -> None:
    token = site.token("astray")
    with pytest.raises(BadInput, match="another authority than the one that made the token"):
        enroll.by_token(token, foreign.address, tmp_path / "astray")
    assert b"".join(said).startswith(b"GET /1/root HTTP/1.1")
    assert token.secret not in b"".join(said)
    assert enrolled(tmp_path / "astray") is None


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


def test_an_authority_that_is_not_there(tmp_path: Path) -> None:
    nobody = Address(HOST, free_ports(1)[0])
    token = Token("infeed", bytes(16), bytes(10))
    with pytest.raises(Unreachable, match=r"twinline pki serve.*nothing is lost"):
        enroll.by_token(token, nobody, tmp_path / "infeed", timeout=5)
    with pytest.raises(BadInput, match="holds no enrolment"):
        enroll.renew(tmp_path / "infeed", nobody)


def test_a_folder_that_is_enrolled_is_not_taken_for_it_without_asking(tmp_path: Path, site: Site) -> None:
    folder, token = tmp_path / "again", site.token("again")
    held = enroll.by_token(token, site.address, folder)
    assert enroll.by_token(token, site.address, folder) == held  # as after a kill
    renewed = enroll.renew(folder, site.address)
    assert enroll.by_token(token, site.address, folder) == renewed
    assert site.desk.revoke("again", "the card was stolen") == 2
    with pytest.raises(Declined, match="again was revoked"):
        enroll.by_token(token, site.address, folder)
    with pytest.raises(Declined, match=r"this is the key of again, and revoked.*choose an empty folder"):
        enroll.by_token(site.token("again"), site.address, folder)
    assert enrolled(folder) == renewed


def test_a_gateway_that_starts_finishes_a_renewal_that_was_cut_off(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after the new key is in place, before its certificate is."""
    folder = tmp_path / "cut"
    enroll.by_token(site.token("cut"), site.address, folder)
    tls = credentials.TlsFiles.of(folder / "tls")
    written = credentials.write_atomically

    def cut(path: Path, *rest: Any) -> None:
        if path == tls.certificate:
            raise KeyboardInterrupt
        written(path, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(credentials, "write_atomically", cut)
        with pytest.raises(KeyboardInterrupt):
            enroll.renew(folder, site.address, new_keys=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLError, match=r"(?i)key.values.mismatch"):
        context.load_cert_chain(tls.certificate, tls.key)
    config = AgentConfig("starter", "station.yaml", (), "key.pem", "trust.yaml", "state", tls="tls")
    (folder / "gateway.json").write_bytes(msgspec.json.encode(config))
    load_config(folder / "gateway.json")
    context.load_cert_chain(tls.certificate, tls.key)


def test_the_keys_of_a_folder_are_one_nodes(tmp_path: Path, site: Site) -> None:
    enroll.by_token(site.token("mine"), site.address, tmp_path / "mine")
    shutil.copytree(tmp_path / "mine", tmp_path / "yours")
    with pytest.raises(BadInput, match="holds the keys of mine, not of yours"):
        enroll.by_token(site.token("yours"), site.address, tmp_path / "yours")
    assert os.stat(tmp_path / "mine").st_mode & 0o777 == 0o700


def test_a_token_is_read_from_standard_input(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for node, words in (("typed", ()), ("dashed", ("-",))):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{site.token(node)}\n"))
        monkeypatch.setattr("sys.argv", ["enroll", *words, str(site.address), "--into", str(tmp_path / node)])
        assert enroll.main() == 0
        assert f"{node} is gateway" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["http://a", "https://", "a:1", "https://a/b", "https://a:x", "https://u@a"])
def test_an_address_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no address of an authority"):
        read_address(text)


def test_addresses() -> None:
    assert read_address("https://10.0.0.5") == Address("10.0.0.5", asking.PORT)
    assert str(read_address("https://[::1]:1234/")) == "https://[::1]:1234"

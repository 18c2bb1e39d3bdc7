"""A line's authority, its broker, and who knocks at it: with what the authority gave them, or with something
else."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gateway.net.identity import Identity
from gateway.net.roles import Role
from gateway.pki.certificates import read_certificates, read_key
from gateway.pki.credentials import OPCUA, TLS, OpcuaFiles, TlsFiles
from gateway.pki.enrolment import Kind
from rig import brokerfiles
from rig.acl import Admitted
from rig.broker import HOST, Broker
from rig.pki.admission import admit
from rig.pki.authority import LEAF_LASTS, Authority
from rig.pki.desk import Desk
from rig.pki.registry import Registry

WITHIN_S = 60.0
CONNECT = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc"
ADMITTED = (
    Admitted("belt", "gateway"),
    Admitted("weld", "gateway"),
    Admitted("witness-1", "witness"),
    Admitted("anna", "operator", ("operator",)),
    Admitted("vera", "party", ("viewer",)),
)


def until(what: str, holds: Callable[[], Any], within: float = WITHIN_S) -> Any:
    """What ``holds`` gives once it is true."""
    deadline = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
        time.sleep(0.01)
    return found


class LineOf:
    """The authority of ``line`` in ``folder``, and credentials that it gave."""

    def __init__(self, folder: Path, line: str = "one") -> None:
        self.folder = folder
        self.authority = Authority.create(folder / "authority", line, None, now=time.time_ns())
        self._identities: dict[str, Identity] = {}

    def give(
        self,
        node: str,
        kind: Kind = "gateway",
        roles: tuple[Role, ...] = (),
        *,
        now: int = 0,
        lasts: int = LEAF_LASTS,
        opcua: bool = False,
    ) -> TlsFiles:
        """What ``node`` shows, with new keys for TLS; made at ``now`` (UTC ns, 0: this moment) for ``lasts``
        ns."""
        made = self._identities.setdefault(node, Identity.create(node))
        hosts = (HOST,) if kind == "broker" or opcua else ()
        shutil.rmtree(self.folder / node, ignore_errors=True)
        admit(
            self.authority, self.folder / node, made, kind, now=time.time_ns(), roles=roles, hosts=hosts,
            opcua=opcua,
        )  # fmt: skip
        files = TlsFiles.of(self.folder / node / TLS)
        if now:  # what nobody would install today
            key = read_key(files.key).public_key()
            answer = self.authority.issue(
                node, kind, made.public_bytes, key, now=now, lasts=lasts, hosts=hosts
            )
            shown = (answer.tls, answer.issuing)
            files.certificate.write_text("".join(map(ssl.DER_cert_to_PEM_cert, shown)))
        return files

    def opcua(self, node: str) -> tuple[Path, Path]:
        """Certificate (PEM) and key for OPC UA that ``node`` was given."""
        files = OpcuaFiles.of(self.folder / node / OPCUA)
        certificate = files.certificate.with_suffix(".pem")
        certificate.write_text(ssl.DER_cert_to_PEM_cert(files.certificate.read_bytes()))
        return certificate, files.key

    def revoke(self, *nodes: str) -> None:
        """Take back what they have, and write the list of the revoked."""
        registry = Registry(self.authority.folder)
        desk = Desk(self.authority, registry, time.time_ns)
        for node in nodes:
            desk.revoke(node, "stolen")
        desk.publish()
        registry.close()

    def overdue(self, *nodes: str) -> bytes:
        """A list (PEM) that names these, and ran out yesterday."""
        key, now = read_key(self.authority.folder / "issuing.key.pem"), datetime.now(UTC)
        assert isinstance(key, RSAPrivateKey)
        made = x509.CertificateRevocationListBuilder().issuer_name(self.authority.issuing.subject)
        made = made.last_update(now - timedelta(2)).next_update(now - timedelta(1))
        for node in nodes:
            leaf = read_certificates(TlsFiles.of(self.folder / node / TLS).certificate)[0]
            entry = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number)
            made = made.add_revoked_certificate(entry.revocation_date(now - timedelta(2)).build())
        return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def broker(self, kind: str | None = None, admitted: tuple[Admitted, ...] = ADMITTED) -> Broker:
        """One that is not started yet."""
        folder = self.folder / f"broker-{kind}"
        now = time.time_ns()
        brokerfiles.write(folder, self.authority, f"broker-{kind or 'any'}", (HOST,), (HOST, 8883), now)
        brokerfiles.refresh(folder, self.authority, admitted)
        return Broker(folder, kind=kind, secured=True)


class Peer:
    """A client that does as it likes with the certificate it has."""

    def __init__(self, broker: Broker, files: TlsFiles, name: str) -> None:
        self.heard: list[str] = []
        self._acknowledged, self._answered = threading.Event(), threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, name)
        context = ssl.create_default_context(cafile=str(files.ca))
        context.load_cert_chain(files.certificate, files.key)
        client.tls_set_context(context)
        client.on_message = self._on_message
        client.on_subscribe = lambda *_: self._acknowledged.set()
        client.on_connect = lambda *_: self._answered.set()
        client.connect(HOST, broker.port)
        client.loop_start()
        assert self._answered.wait(WITHIN_S)
        self.client = client

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self.heard.append(f"{message.topic} {message.payload.decode()}")

    def subscribe(self, pattern: str) -> None:
        """Acknowledged when it returns, granted or not."""
        self._acknowledged.clear()
        self.client.subscribe(pattern, 1)
        assert self._acknowledged.wait(WITHIN_S)

    def say(self, topic: str, text: str, retain: bool = False) -> None:
        """Acknowledged when it returns, carried on or not."""
        self.client.publish(topic, text, 1, retain).wait_for_publish(WITHIN_S)

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()


def answer_without(broker: Broker, ca: Path) -> bytes:
    """What a broker says to MQTT from a client that shows no certificate: its CONNACK, or nothing."""
    context = ssl.create_default_context(cafile=str(ca))
    try:
        with (
            socket.create_connection((HOST, broker.port), WITHIN_S) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as client,
        ):
            client.sendall(CONNECT)
            return client.recv(4)
    except (ssl.SSLError, ConnectionError):
        return b""


@contextmanager
def false_broker(certificate: Path, key: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Somebody who serves TLS with these; the port, and what was said to them after each handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    said: list[bytes] = []
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    plain, _ = server.accept()
                except OSError:
                    return
                with plain:
                    plain.settimeout(WITHIN_S)
                    try:
                        with context.wrap_socket(plain, server_side=True) as client:
                            said.append(client.recv(100))
                    except OSError:  # whoever came did not even end the handshake
                        said.append(b"")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], said
        server.shutdown(socket.SHUT_RDWR)
        thread.join(WITHIN_S)

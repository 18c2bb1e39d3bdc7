"""The loopback broker starts, serves MQTT 3.1.1, ends when told, and ends with its parent."""

from __future__ import annotations

import os
import queue
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gateway.errors import BadInput
from rig.broker import HOST, VARIABLE, Broker, BrokerFailed

KINDS = ("mosquitto", "embedded")
WITHIN_S = 60.0
INSTALLED = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None

# A rig that starts a broker and hangs.
PARENT = """
import sys, time
from pathlib import Path
from rig.broker import Broker
broker = Broker(Path(sys.argv[1]), kind=sys.argv[2])
broker.start()
print(broker.port, broker._process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "mosquitto" and not INSTALLED:
        pytest.skip("mosquitto is not installed")
    return str(request.param)


@pytest.fixture
def broker(kind: str, tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path, kind=kind) as broker:
        yield broker


class Watch:
    """A client's connection that says when its broker is gone."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), WITHIN_S)
        self.socket.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00")
        assert self.socket.recv(4) == b"\x20\x02\x00\x00"

    def wait_gone(self) -> None:
        with self.socket, suppress(ConnectionResetError):
            assert self.socket.recv(1) == b""


class Peer:
    """A plain MQTT client that keeps what comes."""

    def __init__(self, broker: Broker, name: str) -> None:
        self.came: queue.Queue[tuple[str, bytes, int, bool]] = queue.Queue()
        self.acks: queue.Queue[None] = queue.Queue()
        self.client = Client(CallbackAPIVersion.VERSION2, name)
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: self.acks.put(None)
        self.client.on_connect = lambda *_: self.acks.put(None)
        self.client.will_set(f"will/{name}", b"gone", qos=1)
        self.client.connect(HOST, broker.port)
        self.client.loop_start()
        self.acks.get(timeout=WITHIN_S)

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self.came.put((message.topic, bytes(message.payload), message.qos, message.retain))

    def subscribe(self, pattern: str, qos: int) -> None:
        self.client.subscribe(pattern, qos)
        self.acks.get(timeout=WITHIN_S)

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos, retain)

    def next(self) -> tuple[str, bytes, int, bool]:
        return self.came.get(timeout=WITHIN_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_it_serves_what_is_used_of_mqtt(broker: Broker) -> None:
    with ExitStack() as stack:
        peers = [Peer(broker, f"peer-{number}") for number in range(4)]
        for peer in peers:
            stack.callback(peer.close)
        sender, *receivers = peers
        for receiver in receivers:
            receiver.subscribe("a/+/c", 1)
        for number in range(200):
            sender.publish(f"a/{number % 3}/c", str(number).encode(), qos=number % 2)
            sender.publish("a/b/other", b"for nobody")
        for receiver in receivers:
            came = [receiver.next() for _ in range(200)]
            assert sorted(int(payload) for _, payload, _, _ in came) == list(range(200))
            for quality in (0, 1):  # in order, each of its quality
                numbers = [int(payload) for _, payload, _, _ in came if int(payload) % 2 == quality]
                assert numbers == sorted(numbers)
        sender.publish("kept/x", b"old", qos=1, retain=True)
        sender.publish("kept/x", b"new", qos=1, retain=True)
        receivers[0].subscribe("kept/+", 1)
        assert receivers[0].next() == ("kept/x", b"new", 1, True)
        receivers[1].subscribe("will/#", 1)
        sender.client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        assert receivers[1].next()[:2] == ("will/peer-0", b"gone")


def test_it_ends_when_told(broker: Broker) -> None:
    assert broker.alive
    assert broker.version[0].isdigit()
    watch = Watch(broker.port)
    broker.stop()
    assert not broker.alive
    watch.wait_gone()
    broker.stop()
    broker.start()  # on the same port
    assert broker.alive


def test_it_can_be_killed_and_started_again(broker: Broker) -> None:
    watch = Watch(broker.port)
    broker.kill()
    assert not broker.alive
    watch.wait_gone()
    broker.start()
    Watch(broker.port).socket.close()


def test_it_listens_on_loopback_alone(broker: Broker) -> None:
    # Another address of this machine: it belongs to the loopback network, but is not the one asked for.
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", broker.port), 1.0):
        pass


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a process that is not a child")
def test_it_ends_when_its_parent_is_killed(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port, child = map(int, parent.stdout.readline().split())
        watch, process = Watch(port), os.pidfd_open(child)
        parent.kill()
    watch.wait_gone()
    try:
        assert select.select([process], [], [], WITHIN_S)[0] == [process]
    finally:
        os.close(process)


def test_the_embedded_one_warns_of_nothing(tmp_path: Path) -> None:
    broker = Broker(tmp_path, kind="embedded")
    command = [sys.executable, "-W", "error", "-m", "rig.broker", "--embedded", "--port", str(broker.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            peer = connect(broker, process)
            peer.subscribe("a/+", 1)
            for qos in (0, 1):
                peer.publish("a/b", b"x", qos=qos, retain=True)
                assert peer.next()[:2] == ("a/b", b"x")
            peer.close()
        finally:
            _, errors = process.communicate(timeout=WITHIN_S)
        assert process.returncode == 0
        assert errors == ""


def connect(broker: Broker, process: subprocess.Popen[str]) -> Peer:
    while process.poll() is None:
        try:
            return Peer(broker, "peer")
        except ConnectionRefusedError:
            select.select([process.stderr], [], [], 0.02)
    raise AssertionError("it ended")


def test_a_port_in_use_is_told(kind: str, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as server, pytest.raises(BrokerFailed, match="in use"):
        Broker(tmp_path, server.getsockname()[1], kind).start()


def test_a_start_that_fails_shows_the_log(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(tmp_path, kind=kind)
    wrong = {"mosquitto": ["--wrap", sys.executable, "-c", "raise SystemExit('no such option')"]}
    monkeypatch.setattr(broker, "_arguments", lambda: wrong.get(kind, ["--no-such-option"]))
    with pytest.raises(BrokerFailed, match=r"no.such.option"):
        broker.start()
    assert not broker.alive


def test_the_choice_can_be_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert Broker(tmp_path).kind == ("mosquitto" if INSTALLED else "embedded")
    monkeypatch.setenv(VARIABLE, "embedded")
    assert Broker(tmp_path).kind == "embedded"
    with pytest.raises(BadInput, match="mosquitto, embedded"):
        Broker(tmp_path, kind="rabbit")
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: None)
    with pytest.raises(BadInput, match="not installed"):
        Broker(tmp_path, kind="mosquitto")

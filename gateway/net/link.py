"""The connection to one broker: comes back by itself, subscribes again, and sends within bounds.

paho-mqtt does the work on a network thread of its own; MQTT 3.1.1 only, so that every broker serves.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import msgspec
from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from gateway.net.tls import LineContext, explain, unanswered
from gateway.pki.credentials import TlsFiles
from gateway.reach import unreached

log = logging.getLogger(__name__)

MAX_INFLIGHT = 40  # QoS 1 messages sent and not acknowledged; paho's cost grows with them
MAX_QUEUED = 1000  # messages per QoS that wait for a broker
CONNECT_S = 2.0
RECONNECT_S = (0.1, 2.0)


class LinkEvents(msgspec.Struct, frozen=True):
    """What a link tells; called on its network thread."""

    will: Callable[[str], tuple[str, bytes] | None]
    """Asked before each connect, with the broker's url: topic and payload of the last will."""
    changed: Callable[[Link, bool], None]
    """Up: connected and all subscriptions acknowledged. Down: it was up and is no more."""
    received: Callable[[Link, str, bytes, bool], None]
    """Topic, payload, and whether the broker had kept the message."""


class Link:
    """One broker at ``url`` (``broker_address``); ValueError if it is none, or wants ``tls`` and has none.

    ``condition`` guards the state and is notified when it changes. ``problem`` is why it is not up, as far as
    that is known; empty where it is.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        events: LinkEvents,
        condition: threading.Condition,
        keepalive_s: int,
        tls: TlsFiles | None = None,
    ) -> None:
        self.url = url
        self.up = False
        self.problem = ""
        self._host, self._port, secured = broker_address(url)
        self._tls = tls
        self._events, self._condition, self._keepalive_s = events, condition, keepalive_s
        self._connected = False
        self._patterns: dict[str, int] = {}
        self._asked: set[int] = set()
        self._pending: tuple[deque[MQTTMessageInfo], deque[MQTTMessageInfo]] = (deque(), deque())
        client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv311)
        client.max_inflight_messages_set(MAX_INFLIGHT)
        client.connect_timeout = CONNECT_S
        client.reconnect_delay_set(*RECONNECT_S)  # type: ignore[arg-type]  # fractions work, its hint says int
        client.on_pre_connect = self._on_pre_connect
        client.on_socket_open = _on_socket_open
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_connect_fail = self._on_connect_fail
        if secured:
            if tls is None:
                raise ValueError(f"{url} wants a certificate of us; name the folder that holds it")
            client.tls_set_context(cast(ssl.SSLContext, LineContext(tls, self._failed)))
        self._client = client

    def start(self) -> None:
        """Connect, and connect again whenever it is lost, until ``close``."""
        self._client.connect_async(self._host, self._port, self._keepalive_s)
        self._client.loop_start()

    @property
    def settled(self) -> bool:
        """Up, and every subscription so far is acknowledged."""
        return self.up and not self._asked

    def subscribe(self, patterns: Mapping[str, int]) -> None:
        """Ask for ``patterns`` (each with its QoS), now and after every reconnect."""
        with self._condition:
            self._patterns.update(patterns)
            if self._connected:
                self._ask(patterns)

    def _ask(self, patterns: Mapping[str, int]) -> None:
        if patterns:
            _, mid = self._client.subscribe(list(patterns.items()))
            if mid is not None:
                self._asked.add(mid)

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> bool:
        """Whether the message was taken: sent, or (QoS 1) kept until the broker is there. Not thread-safe."""
        pending = self._pending[qos]
        while pending and _done(pending[0]):
            pending.popleft()
        if len(pending) >= MAX_QUEUED:
            return False
        info = self._client.publish(topic, payload, qos, retain)
        if info.rc == MQTTErrorCode.MQTT_ERR_NO_CONN and qos:
            info.rc = MQTTErrorCode.MQTT_ERR_SUCCESS  # it says no connection, and has queued the message
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        pending.append(info)
        return True

    def flush(self, timeout_s: float) -> bool:
        """Whether all that was taken was sent, and acknowledged where QoS 1, within ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        for pending in self._pending:
            for info in tuple(pending):
                remaining = deadline - time.monotonic()
                with contextlib.suppress(RuntimeError, ValueError):  # lost with its connection
                    if remaining > 0:
                        info.wait_for_publish(remaining)
                if not _done(info):
                    return False
        return True

    def close(self, timeout_s: float) -> None:
        """Send what can be sent, disconnect so that no last will is published, and end the thread."""
        deadline = time.monotonic() + timeout_s
        if self._connected:
            self.flush(timeout_s / 2)
        self._client.disconnect()
        # loop_stop() waits without a bound for a thread that may be inside a connect.
        stopper = threading.Thread(target=self._client.loop_stop, name=f"close-{self.url}", daemon=True)
        stopper.start()
        stopper.join(max(0.1, deadline - time.monotonic()))
        if stopper.is_alive():
            log.warning(
                "%s: the network thread did not end in %.1f s and is left behind", self.url, timeout_s
            )
        else:
            self._client._reset_sockets()  # else those that wake its thread stay open for the collector

    def _on_pre_connect(self, client: Client, _userdata: Any) -> None:
        if will := self._events.will(self.url):
            client.will_set(will[0], will[1], qos=1, retain=True)

    def _on_connect_fail(self, *_: Any) -> None:
        error = sys.exception()  # paho calls this while it handles it, and does not hand it over
        if isinstance(error, OSError):
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        self._is_wrong(unreached(self._host) or explain(error, self._tls))

    def _is_wrong(self, why: str) -> None:
        if why != self.problem:
            log.warning("%s: %s", self.url, why)
        self.problem = why

    def _on_connect(
        self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._is_wrong(f"it refuses the connection: {reason}")
            return
        with self._condition:
            self._connected = True
            self._asked.clear()
            self._ask(self._patterns)
            self._condition.notify_all()
        self._announce()

    def _on_subscribe(
        self, _client: Client, _userdata: Any, mid: int, reasons: Any, _properties: Any
    ) -> None:
        for reason in reasons:
            if reason.is_failure:
                log.warning("%s: refused a subscription: %s", self.url, reason)
        with self._condition:
            self._asked.discard(mid)
            self._condition.notify_all()
        self._announce()

    def _announce(self) -> None:
        with self._condition:
            if self.up or not self._connected or self._asked:
                return
            self.up, self.problem = True, ""
            self._condition.notify_all()
        self._events.changed(self, True)

    def _on_disconnect(self, *_: Any) -> None:
        with self._condition:
            was_up, answered, self.up, self._connected = self.up, self._connected, False, False
            self._asked.clear()
            self._condition.notify_all()
        if was_up:
            self._events.changed(self, False)
        if self._tls is not None and not answered and not self.problem:
            self._is_wrong(unanswered(self._tls))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # fits no sender and no pattern
        self._events.received(self, topic, bytes(message.payload), message.retain)


def _on_socket_open(_client: Client, _userdata: Any, sock: object) -> None:
    cast(socket.socket, sock).setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # a small message waits for no other


def _done(info: MQTTMessageInfo) -> bool:
    try:
        return info.is_published()
    except (RuntimeError, ValueError):
        return True  # lost with its connection


class Address(NamedTuple):
    """Where a broker is, and whether TLS is spoken there."""

    host: str
    port: int
    secured: bool


def broker_address(url: str) -> Address:
    """Of ``mqtts://host[:8883]``, or ``mqtt://host[:1883]`` in the clear; ValueError("what was wrong; what
    would be right")."""
    parts = urlsplit(url)
    secured = parts.scheme == "mqtts"
    try:
        port = parts.port or (8883 if secured else 1883)
    except ValueError:
        port = 0
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or not port or parts.path.strip("/"):
        raise ValueError(f"{url!r} is no broker; write mqtts://host:8883")
    return Address(parts.hostname, port, secured)


def check_plain(url: str, plain: bool) -> None:
    """ValueError where all would go to another machine in the clear, unless ``plain`` allows it."""
    address = broker_address(url)
    if not (address.secured or plain or _is_here(address.host)):
        raise ValueError(
            f"{url} would carry everything in the clear to another machine; write mqtts://{address.host}, "
            "or say plain: true"
        )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

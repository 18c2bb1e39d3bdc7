"""Everything that a broker passes on, as somebody who sits on it records it, and sends it again."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

WITHIN = 60.0


class Message(NamedTuple):
    """As it stood on the wire."""

    topic: str
    payload: bytes


class Tape:
    """A client without a key at the broker on ``port`` of this machine."""

    def __init__(self, port: int) -> None:
        self.messages: deque[Message] = deque()
        self._there = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.max_queued_messages_set(0)
        self._client.on_connect = lambda client, *_: client.subscribe("tl/#", 1)
        self._client.on_subscribe = lambda *_: self._there.set()
        self._client.on_message = self._record
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._there.wait(WITHIN)

    def _record(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        if not message.retain:
            self.messages.append(Message(message.topic, message.payload))

    def commands(self, operator: str = "") -> list[Message]:
        """What was asked so far, by ``operator`` or by anybody."""
        return [each for each in self.messages if f"/cmd/{operator}" in each.topic]

    def sent(self, wanted: Callable[[str], bool]) -> list[Message]:
        """What was sent so far on such topics."""
        return [each for each in self.messages if wanted(each.topic)]

    def play(self, messages: Sequence[Message], qos: int = 1) -> None:
        """Send them, in this order; with ``qos`` 1 the broker has them all when it returns."""
        last = None
        for each in messages:
            last = self._client.publish(each.topic, each.payload, qos)
            assert last.rc == MQTTErrorCode.MQTT_ERR_SUCCESS
        if last is not None:
            last.wait_for_publish(WITHIN)

    def close(self) -> None:
        """End it."""
        self._client.disconnect()
        self._client.loop_stop()


def pour(port: int, file: Path, rate: int) -> None:
    """Send what ``file`` holds, so many a second: by another process than those that wait."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    messages = msgspec.msgpack.decode(file.read_bytes(), type=list[Message])
    begun = time.monotonic()
    for number, each in enumerate(messages):
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        client.publish(*each)
    client.publish("tl/poured", b"", 1).wait_for_publish(WITHIN)
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    pour(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))

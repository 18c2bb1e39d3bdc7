"""The bus against real brokers: each message once, whatever dies; nothing unchecked gets through."""

from __future__ import annotations

import asyncio
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from paho.mqtt import publish as plain
from shell_support import until

from gateway.net import bus as bus_module
from gateway.net import link as link_module
from gateway.net import topics
from gateway.net.bus import Bus, Delivery, Will
from gateway.net.envelope import NO_SEQUENCE, Envelope, seal
from gateway.net.identity import Identity, Trust, boot_id
from rig.broker import HOST, Broker

KINDS = ("mosquitto", "embedded")
WITHIN_S = 60.0
INSTALLED = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None
EVENT = topics.event("demo", "st-a")
EVENTS = topics.event("demo", topics.ANY)
STATE = topics.state("demo", "st-a")
STATES = topics.state("demo", topics.ANY)

# A gateway that says it is there, and hangs.
GATEWAY = """
import sys, time
from gateway.net import topics
from gateway.net.bus import Bus, Will
topic = topics.state("demo", "st-a")
bus = Bus("st-a", sys.argv[1:], will=Will(topic, "state", lambda broker: b"offline " + broker.encode()))
bus.start()
assert bus.wait_ready(60, every=True)
assert bus.publish(topic, "state", b"online", qos=1, retain=True) and bus.flush(60)
print(bus.boot.hex(), flush=True)
time.sleep(600)
"""


class Inbox(queue.Queue[Delivery]):
    """A handler that keeps what comes."""

    __call__ = queue.Queue.put

    def next(self) -> Delivery:
        return self.get(timeout=WITHIN_S)

    def bodies(self, count: int) -> list[bytes]:
        return [self.next().envelope.body for _ in range(count)]


class States(queue.Queue[tuple[str, bool]]):
    """What a bus says of its brokers."""

    def __call__(self, broker: str, up: bool) -> None:
        self.put((broker, up))

    def wait(self, broker: str, up: bool) -> None:
        while self.get(timeout=WITHIN_S) != (broker, up):
            pass


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "mosquitto" and not INSTALLED:
        pytest.skip("mosquitto is not installed")
    return str(request.param)


@pytest.fixture
def broker(kind: str, tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker", kind=kind) as broker:
        yield broker


@pytest.fixture
def second(kind: str, tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "second", kind=kind) as broker:
        yield broker


@pytest.fixture
def started() -> Iterator[Callable[[Bus], Bus]]:
    """Starts a bus, waits until it is there on every broker, and closes it after the test."""
    with ExitStack() as stack:

        def start(bus: Bus) -> Bus:
            stack.enter_context(bus)
            assert bus.wait_ready(WITHIN_S, every=True)
            return bus

        yield start
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("paho")]


Start = Callable[[Bus], Bus]


def listener(brokers: list[str], pattern: str, **options: object) -> tuple[Bus, Inbox]:
    bus, inbox = Bus("rig", brokers, **options), Inbox()  # type: ignore[arg-type]
    bus.subscribe(pattern, inbox)
    return bus, inbox


def send_raw(broker: Broker, topic: str, *payloads: bytes, retain: bool = False) -> None:
    """What anybody with a plain client can do; acknowledged when it returns."""
    messages = [{"topic": topic, "payload": payload, "qos": 1, "retain": retain} for payload in payloads]
    plain.multiple(messages, HOST, broker.port)  # type: ignore[arg-type]


def envelope(**changes: object) -> Envelope:
    made = Envelope(1, "st-a", b"bootboot", 1, 0, 0, "event", b"body")
    return msgspec.structs.replace(made, **changes)


def test_what_is_published_arrives(broker: Broker, started: Start) -> None:
    times = iter(range(1_000_000))
    rig, inbox = listener([broker.url], EVENTS)
    started(rig)
    gateway = started(Bus("st-a", [broker.url], utc_ns=lambda: 7, mono_ns=lambda: next(times)))
    numbers = [gateway.publish(EVENT, "event", str(n).encode(), qos=n % 2) for n in range(100)]
    came = [inbox.next() for _ in numbers]
    assert {delivery.envelope.seq: delivery.envelope.body for delivery in came} == {
        number: str(n).encode() for n, number in enumerate(numbers)
    }
    first = came[0]
    assert (first.topic, first.verified, first.retained, first.broker) == (EVENT, None, False, broker.url)
    assert (first.envelope.sender, first.envelope.boot, first.envelope.utc_ns) == ("st-a", boot_id(), 7)
    assert gateway.flush(WITHIN_S)
    assert gateway.counters.published == rig.counters.delivered == 100


def test_a_message_comes_once_to_each_handler(broker: Broker, started: Start) -> None:
    rig, wide = listener([broker.url], "tl/1/line/demo/st/+/event")
    narrow, again = Inbox(), Inbox()
    rig.subscribe(EVENT, narrow)
    rig.subscribe(EVENT, again)
    started(rig)
    # The broker may send it once for each pattern that it matches, and the sender may send it again.
    payloads = [seal(EVENT, envelope(seq=n, body=str(n).encode())) for n in (1, 2, 1, 2, 3)]
    send_raw(broker, EVENT, *payloads)
    for inbox in (wide, narrow, again):
        assert inbox.bodies(3) == [b"1", b"2", b"3"]
        assert inbox.empty()
    assert rig.counters.duplicates >= 2


def test_who_sent_it_is_verified(broker: Broker, started: Start) -> None:
    identity, trust = Identity.create("st-a"), Trust()
    trust.add("st-a", identity.public_bytes)
    rig, inbox = listener([broker.url], EVENTS, trust=trust)
    started(rig)
    gateway = started(Bus("st-a", [broker.url], identity=identity))
    gateway.publish(EVENT, "event", b"signed", qos=1, sign=True)
    gateway.publish(EVENT, "event", b"plain", qos=1)
    impostor = started(Bus("st-a", [broker.url], identity=Identity.create("st-a")))
    assert [inbox.next().verified for _ in range(2)] == [True, None]
    impostor.publish(EVENT, "event", b"forged", qos=1, sign=True)
    forged = inbox.next()
    assert (forged.envelope.body, forged.verified) == (b"forged", False)
    assert rig.counters.bad_signature == 1


def test_a_stranger_cannot_make_the_signed_look_old(broker: Broker, started: Start) -> None:
    identity, trust = Identity.create("st-a"), Trust()
    trust.add("st-a", identity.public_bytes)
    rig, inbox = listener([broker.url], EVENTS, trust=trust)
    started(rig)
    gateway = started(Bus("st-a", [broker.url], identity=identity))
    far = envelope(boot=boot_id(), seq=2**62)
    send_raw(broker, EVENT, seal(EVENT, far), seal(EVENT, far, Identity.create("st-a")))
    assert inbox.next().verified is None  # the other has the same number, and is no better
    gateway.publish(EVENT, "event", b"true", qos=1, sign=True)
    came = inbox.next()
    assert (came.envelope.body, came.verified) == (b"true", True)
    assert (rig.counters.bad_signature, rig.counters.duplicates) == (1, 1)


def test_a_broker_cannot_make_the_unsigned_look_old_nor_take_their_place(
    broker: Broker, second: Broker, started: Start
) -> None:
    """A chain's messages are signed inside, and their envelopes are not: whoever has one broker sends what he
    likes under a node's name and numbers, also those that are still to come."""
    rig, inbox = listener([broker.url, second.url], EVENTS)
    started(rig)
    true = [seal(EVENT, envelope(seq=n, body=b"true %d" % n)) for n in (1, 2, 3)]
    send_raw(broker, EVENT, *(seal(EVENT, envelope(seq=n, body=b"made up")) for n in (1, 2**62, 2, 2**62)))
    assert inbox.bodies(3) == [b"made up"] * 3
    send_raw(second, EVENT, *true)
    assert inbox.bodies(3) == [b"true 1", b"true 2", b"true 3"]
    send_raw(broker, EVENT, *true)  # a copy comes once
    send_raw(broker, EVENT, seal(EVENT, envelope(seq=4, body=b"last")))
    assert inbox.bodies(1) == [b"last"]
    assert (rig.counters.stale, rig.counters.duplicates) == (0, 4)


def test_what_does_not_decode_is_counted_and_told_once(
    broker: Broker, started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    rig, inbox = listener([broker.url], EVENTS)
    started(rig)
    send_raw(broker, EVENT, b"garbage", b"", b"\x00" * 1000, seal(EVENT, envelope()))
    assert inbox.bodies(1) == [b"body"]
    assert rig.counters.malformed == 3
    assert len([record for record in caplog.records if "does not decode" in record.message]) == 1


def test_nobody_sends_on_anothers_topic(
    broker: Broker, started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    rig, inbox = listener([broker.url], EVENTS)
    started(rig)
    send_raw(broker, EVENT.replace("st-a", "st-b"), b"garbage")  # what else is said of it does not hide this
    send_raw(broker, EVENT, seal(EVENT, envelope(sender="st-b")), seal(EVENT, envelope()))
    assert inbox.next().envelope.sender == "st-a"
    assert inbox.empty()
    assert rig.counters.wrong_sender == 1
    assert len([each for each in caplog.messages if each.startswith(f"st-b: sent on {EVENT}")]) == 1


def test_a_command_cannot_be_kept_for_later(broker: Broker, started: Start) -> None:
    command = topics.command("demo", "st-a", "rig")
    send_raw(broker, command, seal(command, envelope(sender="rig", seq=1)), retain=True)
    gateway, inbox = Bus("st-a", [broker.url]), Inbox()
    gateway.subscribe(topics.command("demo", "st-a", topics.ANY), inbox)
    started(gateway)
    send_raw(broker, command, seal(command, envelope(sender="rig", seq=2)))
    assert inbox.next().envelope.seq == 2
    assert gateway.counters.retained_refused == 1


def test_a_state_reaches_who_comes_late_and_jumps_no_queue(broker: Broker, started: Start) -> None:
    gateway = started(Bus("st-a", [broker.url]))
    gateway.publish(STATE, "state", b"ready", qos=1, retain=True)
    assert gateway.flush(WITHIN_S)
    rig, events = listener([broker.url], EVENTS)
    started(rig)
    for number in range(1500):  # more than a window of other messages, seen before the state is asked for
        gateway.publish(EVENT, "event", str(number).encode(), qos=1)
        if number % 500 == 499:
            assert events.bodies(500)[-1] == str(number).encode()
    states = Inbox()
    rig.subscribe(STATES, states)
    came = states.next()
    assert (came.envelope.body, came.retained) == (b"ready", True)
    assert rig.counters.stale == 0


def test_a_broker_that_dies_and_comes_back(broker: Broker, started: Start) -> None:
    seen, inbox = States(), Inbox()
    bus = Bus("st-a", [broker.url], on_state=seen)
    bus.subscribe(EVENTS, inbox)
    started(bus)
    seen.wait(broker.url, True)
    broker.kill()
    seen.wait(broker.url, False)
    assert bus.brokers == {broker.url: False}
    assert not bus.publish(EVENT, "event", b"lost", qos=0)
    assert bus.counters.dropped_down == 1
    assert bus.publish(EVENT, "event", b"kept", qos=1)
    broker.start()
    seen.wait(broker.url, True)
    assert bus.publish(EVENT, "event", b"after", qos=1)
    assert inbox.bodies(2) == [b"kept", b"after"]
    assert inbox.empty()


def test_what_waits_for_a_broker_is_bounded(monkeypatch: pytest.MonkeyPatch, started: Start) -> None:
    del started
    monkeypatch.setattr(link_module, "MAX_QUEUED", 5)
    with socket.create_server((HOST, 0)) as silent:  # takes the connection and never answers
        bus = Bus("st-a", [f"mqtt://{HOST}:{silent.getsockname()[1]}"])
        bus.start()
        assert not bus.wait_ready(0.05)
        assert [bool(bus.publish(EVENT, "event", b"x", qos=1)) for _ in range(7)] == [True] * 5 + [False] * 2
        assert bus.counters.dropped_full == 2
        bus.close(0.5)


def test_two_brokers_of_which_one_dies(broker: Broker, second: Broker, started: Start) -> None:
    seen = States()
    brokers = [broker.url, second.url]
    rig, inbox = listener(brokers, EVENTS)
    started(rig)
    gateway = started(Bus("st-a", brokers, on_state=seen))
    gateway.publish(STATE, "state", b"ready", qos=1, retain=True)
    for number in range(20):
        gateway.publish(EVENT, "event", str(number).encode(), qos=1)
    assert inbox.bodies(20) == [str(number).encode() for number in range(20)]
    broker.kill()
    seen.wait(broker.url, False)
    for number in range(20, 40):
        assert gateway.publish(EVENT, "event", str(number).encode(), qos=1)
    assert inbox.bodies(20) == [str(number).encode() for number in range(20, 40)]
    broker.start()
    seen.wait(broker.url, True)
    # The broker that came back has forgotten everything, and is told again what it is to keep.
    late, states = listener([broker.url], STATES)
    started(late)
    assert states.next().envelope.body == b"ready"
    assert rig.wait_ready(WITHIN_S, every=True)
    before = rig.counters.duplicates
    assert gateway.publish(EVENT, "event", b"end", qos=1)
    assert inbox.bodies(1) == [b"end"]
    until("the other broker's copy", lambda: rig.counters.duplicates > before)
    assert inbox.empty()
    assert rig.counters.stale == 0


def test_the_last_will_of_each_broker(broker: Broker, second: Broker, started: Start) -> None:
    brokers = [broker.url, second.url]
    rig, inbox = listener(brokers, STATES)
    started(rig)
    command = [sys.executable, "-c", GATEWAY, *brokers]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        boot = bytes.fromhex(gateway.stdout.readline())
        assert inbox.next().envelope.body == b"online"
        gateway.send_signal(signal.SIGKILL)
    wills = [inbox.next().envelope for _ in brokers]
    assert sorted(will.body for will in wills) == sorted(b"offline " + url.encode() for url in brokers)
    assert {(will.sender, will.boot, will.seq) for will in wills} == {("st-a", boot, NO_SEQUENCE)}


def test_closing_says_the_will_too(broker: Broker, started: Start) -> None:
    rig, inbox = listener([broker.url], STATES)
    started(rig)
    identity = Identity.create("st-a")
    will = Will(STATE, "state", lambda url: b"offline " + url.encode(), sign=True)
    gateway = started(Bus("st-a", [broker.url], identity=identity, will=will))
    gateway.publish(STATE, "state", b"online", qos=1, retain=True)
    gateway.close()
    assert inbox.bodies(2) == [b"online", b"offline " + broker.url.encode()]
    late, states = listener([broker.url], STATES)
    started(late)
    assert states.next().envelope.body.startswith(b"offline")


def test_a_handler_that_fails_does_not_stop_the_bus(
    broker: Broker, started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Delivery) -> None:
        raise KeyError("a mistake")

    rig, _ = listener([broker.url], STATES)
    inbox = Inbox()
    rig.subscribe(EVENTS, fail)
    rig.subscribe(EVENTS, inbox)
    started(rig)
    gateway = started(Bus("st-a", [broker.url]))
    for body in (b"1", b"2"):
        gateway.publish(EVENT, "event", body, qos=1)
    assert inbox.bodies(2) == [b"1", b"2"]
    assert rig.counters.handler_errors == 2
    assert "a mistake" in caplog.text


def test_handlers_run_on_the_loop(broker: Broker, started: Start) -> None:
    async def session() -> None:
        loop, here = asyncio.get_running_loop(), threading.get_ident()
        came: asyncio.Queue[tuple[int, object]] = asyncio.Queue()

        def keep(what: object) -> None:
            came.put_nowait((threading.get_ident(), what))

        bus = Bus("st-a", [broker.url], loop=loop, on_state=lambda url, up: keep((url, up)))
        bus.subscribe(EVENTS, lambda delivery: keep(delivery.envelope.body))
        bus.start()
        async with asyncio.timeout(WITHIN_S):
            assert await came.get() == (here, (broker.url, True))
            for number in range(300):
                assert bus.publish(EVENT, "event", str(number).encode(), qos=1)
            assert [await came.get() for _ in range(300)] == [(here, str(n).encode()) for n in range(300)]
        await asyncio.to_thread(bus.close)

    del started
    asyncio.run(session())


def test_a_loop_that_does_not_keep_up_loses_the_newest(
    broker: Broker, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "MAX_INBOX", 100)
    arrived, gateway = Inbox(), started(Bus("st-a", [broker.url]))

    async def session() -> None:
        came: asyncio.Queue[bytes] = asyncio.Queue()
        bus = Bus("rig", [broker.url], loop=asyncio.get_running_loop())
        bus.subscribe(EVENTS, lambda delivery: came.put_nowait(delivery.envelope.body))
        witness, _ = listener([broker.url], STATES)
        witness.subscribe(EVENTS, arrived)
        started(witness)
        started(bus)  # blocks the loop, as all that follows
        for number in range(130):
            gateway.publish(EVENT, "event", str(number).encode(), qos=1)
        arrived.bodies(130)
        # There is no event for what is dropped.
        until("all of it", lambda: bus.counters.received >= 130)
        assert bus.counters.dropped_inbox == 30
        async with asyncio.timeout(WITHIN_S):
            assert [await came.get() for _ in range(100)] == [str(number).encode() for number in range(100)]
            gateway.publish(EVENT, "event", b"goes on", qos=1)
            assert await came.get() == b"goes on"

    asyncio.run(session())


@pytest.mark.parametrize(
    "url", ["127.0.0.1:1883", "http://host", "mqtt://", "mqtt://host:x", "mqtt://host/path"]
)
def test_what_is_no_broker_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="write mqtts://host:8883"):
        Bus("rig", [url])

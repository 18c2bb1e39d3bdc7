"""Messages over MQTT, through every broker that is up: sealed on the way out; checked, freed of duplicates
and handed to whoever subscribed on the way in.

A bus serves threads (handlers run on a network thread, one at a time) and asyncio (handlers run on ``loop``).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

import msgspec
from paho.mqtt.matcher import MQTTMatcher

from gateway.net import topics
from gateway.net.duplicates import Arrival, Contents, Duplicates
from gateway.net.envelope import NO_SEQUENCE, Envelope, Verifier, open_envelope, seal, verified
from gateway.net.identity import Identity, boot_id, next_sequence
from gateway.net.link import Link, LinkEvents
from gateway.pki.credentials import TlsFiles
from ledger.codec import Malformed

log = logging.getLogger(__name__)

MAX_INBOX = 4096  # deliveries that wait for the loop
MAX_RETAINED = 64
MAX_COMPLAINTS = 256
_BATCH = 64  # deliveries in one turn of the loop


class Delivery(msgspec.Struct, frozen=True):
    """One message as a handler gets it."""

    topic: str
    envelope: Envelope
    verified: bool | None
    """None: not signed. True: by its sender, for this topic. False: no known key of its sender fits."""
    retained: bool
    """The broker had kept it: it was sent some time before this bus subscribed."""
    broker: str


Handler = Callable[[Delivery], None]
Screen = Callable[[str, Envelope, Arrival], bool]
"""Told by which broker a message came, before its signature, which costs most, is looked at, and whether it
came before; says whether to go on with it. On the network's thread, one message at a time."""


class Will(msgspec.Struct, frozen=True):
    """What each broker publishes (QoS 1, retained) when it loses this bus, and this bus when it closes.

    ``body`` gets the broker's url. The envelope carries boot id and no sequence (``NO_SEQUENCE``).
    """

    topic: str
    kind: str
    body: Callable[[str], bytes]
    sign: bool = False


class Counters(msgspec.Struct):
    """What a bus did since it was made."""

    published: int = 0
    dropped_down: int = 0  # QoS 0 with no broker up
    dropped_full: int = 0  # more waits for the brokers than may wait
    received: int = 0
    delivered: int = 0
    duplicates: int = 0
    stale: int = 0  # too old to know whether it is a duplicate
    malformed: int = 0
    wrong_sender: int = 0
    retained_refused: int = 0
    screened: int = 0  # a subscriber wanted no more of it
    bad_signature: int = 0  # delivered all the same, with verified=False
    dropped_inbox: int = 0  # more waits for the loop than may wait
    handler_errors: int = 0


class _Retained(msgspec.Struct, frozen=True):
    kind: str
    body: bytes
    qos: int
    sign: bool


class Bus:
    """``node`` on the ``brokers`` (``link.broker_address``). Subscribe, then ``start``, then publish.

    ``tls`` is what it shows those of ``mqtts://``; ValueError where it is missing. ``identity`` signs,
    ``trust`` verifies. ``on_state`` is told (broker, up). With a ``loop``, handlers and ``on_state`` are
    called there. A bus hears its own messages where it subscribes to them.
    """

    def __init__(
        self,
        node: str,
        brokers: Sequence[str],
        *,
        identity: Identity | None = None,
        trust: Verifier | None = None,
        will: Will | None = None,
        on_state: Callable[[str, bool], None] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        utc_ns: Callable[[], int] = time.time_ns,
        mono_ns: Callable[[], int] = time.monotonic_ns,
        keepalive_s: int = 5,
        tls: TlsFiles | None = None,
    ) -> None:
        assert identity is None or identity.node == node
        assert will is None or topics.retainable(will.topic)
        self.node, self.boot, self.counters = node, boot_id(), Counters()
        self._identity, self._trust, self._will = identity, trust, will
        self._on_state, self._loop, self._utc_ns, self._mono_ns = on_state, loop, utc_ns, mono_ns
        # Lock order: sending or receiving first, then the links' condition; no two of the former together
        # except a handler that publishes.
        self._sending, self._receiving = threading.Lock(), threading.RLock()
        self._condition = threading.Condition()
        # What a stranger sends unsigned must not make the signed look old, so each has its own memory; nor,
        # by a broker that is broken into, what others sent unsigned. Python's hash has a key of this process.
        self._seen, self._unsigned = Duplicates(), Contents(hash)
        self._matcher = MQTTMatcher()  # type: ignore[no-untyped-call]
        self._screens = MQTTMatcher()  # type: ignore[no-untyped-call]
        self._handlers: dict[str, list[Handler]] = {}
        self._retained: dict[str, _Retained] = {}
        self._inbox: deque[tuple[Handler, Delivery]] = deque()
        self._woken = False
        self._complained: set[tuple[str, str]] = set()
        events = LinkEvents(self._last_will, self._changed, self._received)
        # Whoever knows a client's id can have the broker end its connection, so nobody can guess it.
        client_id = f"{node}-{secrets.token_hex(8)}"
        self._links = tuple(
            Link(url, client_id, events, self._condition, keepalive_s, tls) for url in brokers
        )

    def start(self) -> None:
        """Connect to all brokers in the background."""
        for link in self._links:
            link.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def brokers(self) -> dict[str, bool]:
        """Each broker, and whether it is up."""
        return {link.url: link.up for link in self._links}

    @property
    def problems(self) -> dict[str, str]:
        """Of each broker that is not up, why, and what to do."""
        return {link.url: link.problem for link in self._links if link.problem}

    def wait_ready(self, timeout_s: float, every: bool = False) -> bool:
        """Block until one broker (or ``every``) is up with all subscriptions; False after ``timeout_s``."""
        wanted = all if every else any
        with self._condition:
            return self._condition.wait_for(lambda: wanted(link.settled for link in self._links), timeout_s)

    def subscribe(self, pattern: str, handler: Handler, qos: int = 1, screen: Screen | None = None) -> None:
        """Call ``handler`` with what comes on ``pattern``, and its ``screen`` lets pass, now and after every
        reconnect.

        A message goes to a handler once, however many brokers bring it. One retained before is brought again
        for a new pattern, but is a duplicate if this bus has had it: subscribe before ``start``.
        """
        with self._receiving:
            handlers = self._handlers.setdefault(pattern, [])
            handlers.append(handler)
            self._matcher[pattern] = handlers
            if screen is not None:
                self._screens[pattern] = screen
        for link in self._links:
            link.subscribe({pattern: qos})

    def publish(
        self, topic: str, kind: str, body: bytes, qos: int = 0, retain: bool = False, sign: bool = False
    ) -> int:
        """Send through every broker that is up; its sequence number, 0 if none took it.

        With none up, QoS 0 is dropped and QoS 1 waits, within ``link.MAX_QUEUED``. What is retained is sent
        again to a broker that comes back, since it may have forgotten it or put our last will in its place.
        Raises ValueError if ``body`` is too large (``envelope.MAX_BYTES``).
        """
        assert topics.topic_sender(topic) in (None, self.node), topic
        assert qos in (0, 1)
        assert not retain or topics.retainable(topic), topic
        with self._sending:
            message = _Retained(kind, body, qos, sign)
            if retain:
                self._retained[topic] = message
                assert len(self._retained) <= MAX_RETAINED
            links = [link for link in self._links if link.up] or (self._links if qos else ())
            if not links:
                self.counters.dropped_down += 1
                return 0
            sequence = next_sequence()
            payload = self._sealed(topic, message, sequence)
            taken = sum(link.publish(topic, payload, qos, retain) for link in links) > 0
            self.counters.published += taken
            self.counters.dropped_full += not taken
            return sequence if taken else 0

    def flush(self, timeout_s: float) -> bool:
        """Whether every broker that is up has taken all that was published, within ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        return all(link.flush(deadline - time.monotonic()) for link in self._links if link.up)

    def close(self, timeout_s: float = 3.0) -> None:
        """Say the will, send what waits, disconnect; not from a handler. Ends within about ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        with self._sending:
            for link in self._links:
                if link.up and (will := self._last_will(link.url)):
                    link.publish(*will, qos=1, retain=True)
        for link in self._links:
            link.close(max(0.1, deadline - time.monotonic()))

    def _sealed(self, topic: str, message: _Retained, seq: int) -> bytes:
        assert self._identity is not None or not message.sign
        envelope = Envelope(
            v=1,
            sender=self.node,
            boot=self.boot,
            seq=seq,
            utc_ns=self._utc_ns(),
            mono_ns=self._mono_ns(),
            kind=message.kind,
            body=message.body,
        )
        return seal(topic, envelope, self._identity if message.sign else None)

    def _last_will(self, broker: str) -> tuple[str, bytes] | None:
        if self._will is None:
            return None
        message = _Retained(self._will.kind, self._will.body(broker), 1, self._will.sign)
        return self._will.topic, self._sealed(self._will.topic, message, NO_SEQUENCE)

    def _changed(self, link: Link, up: bool) -> None:
        if up:
            with self._sending:
                for topic, message in self._retained.items():
                    link.publish(
                        topic, self._sealed(topic, message, next_sequence()), message.qos, retain=True
                    )
        if self._on_state is None:
            return
        if self._loop is None:
            self._on_state(link.url, up)
        else:
            self._on_loop(self._on_state, link.url, up)

    def _received(self, link: Link, topic: str, payload: bytes, retained: bool) -> None:
        with self._receiving:
            self.counters.received += 1
            delivery = self._checked(link, topic, payload, retained)
            if delivery is None:
                return
            for handlers in self._matcher.iter_match(topic):  # type: ignore[no-untyped-call]
                for handler in tuple(handlers):
                    self._deliver(handler, delivery)

    def _checked(self, link: Link, topic: str, payload: bytes, retained: bool) -> Delivery | None:
        envelope = open_envelope(payload)
        owner = topics.topic_sender(topic)
        if isinstance(envelope, Malformed):
            self.counters.malformed += 1
            self._complain(owner or topic, "malformed", f"a message that does not decode: {envelope.reason}")
            return None
        if owner not in (None, envelope.sender):
            self.counters.wrong_sender += 1
            self._complain(envelope.sender, "foreign", f"sent on {topic}, which belongs to {owner}")
            return None
        if retained and not topics.retainable(topic):
            self.counters.retained_refused += 1
            self._complain(envelope.sender, "retained", f"a retained message on {topic}, where none may be")
            return None
        if not self._passes(link, topic, envelope):
            self.counters.screened += 1
            return None
        if not self._fresh(envelope, retained, bool(envelope.sig), remember=False):
            return None  # before the signature, which costs more to check
        genuine = verified(topic, envelope, self._trust)
        self.counters.bad_signature += genuine is False
        if not self._fresh(envelope, retained, genuine is True, remember=True):
            return None
        return Delivery(topic, envelope, genuine, retained, link.url)

    def _passes(self, link: Link, topic: str, envelope: Envelope) -> bool:
        screens = tuple(self._screens.iter_match(topic))  # type: ignore[no-untyped-call]
        if not screens:
            return True
        seen = self._arrival(envelope, bool(envelope.sig), remember=False)
        return all(screen(link.url, envelope, seen) for screen in screens)

    def _fresh(self, envelope: Envelope, retained: bool, genuine: bool, remember: bool) -> bool:
        arrival = self._arrival(envelope, genuine, remember)
        if arrival is Arrival.STALE and retained:
            return True  # it was kept while its sender went on with other topics
        self.counters.duplicates += arrival is Arrival.SEEN
        self.counters.stale += arrival is Arrival.STALE
        return arrival is Arrival.NEW

    def _arrival(self, envelope: Envelope, genuine: bool, remember: bool) -> Arrival:
        named = envelope.sender, envelope.boot, envelope.seq
        if genuine:
            return self._seen.admit(*named) if remember else self._seen.look(*named)
        if not remember:
            return self._unsigned.look(envelope)
        return self._unsigned.admit(envelope)

    def _complain(self, sender: str, kind: str, what: str) -> None:
        if (sender, kind) not in self._complained and len(self._complained) < MAX_COMPLAINTS:
            self._complained.add((sender, kind))
            log.warning("%s: %s; from now on only counted", sender, what)

    def _deliver(self, handler: Handler, delivery: Delivery) -> None:
        if self._loop is None:
            self._call(handler, delivery)
        elif len(self._inbox) >= MAX_INBOX:
            self.counters.dropped_inbox += 1
        else:
            self._inbox.append((handler, delivery))
            if not self._woken:
                self._woken = True
                self._on_loop(self._drain)

    def _drain(self) -> None:
        self._woken = False  # first, so that what comes from now on wakes the loop again
        for _ in range(min(_BATCH, len(self._inbox))):
            self._call(*self._inbox.popleft())
        if self._inbox and not self._woken:
            self._woken = True
            self._on_loop(self._drain)

    def _on_loop(self, call: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the loop is closed: its handlers are gone with it
            self._inbox.clear()

    def _call(self, handler: Handler, delivery: Delivery) -> None:
        self.counters.delivered += 1
        try:
            handler(delivery)
        except Exception:  # an error here would end the network thread, and the bus with it, in silence
            self.counters.handler_errors += 1
            log.exception("the handler of %s failed", delivery.topic)

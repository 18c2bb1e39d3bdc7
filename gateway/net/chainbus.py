"""The messages of one chain over MQTT: what all nodes hear, and answers to one of them.

Nothing is acknowledged (QoS 0): the chain repairs what is lost by itself. Each message that matters is signed
inside, so the envelope is not.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from gateway.net import topics
from gateway.net.bus import Bus, Delivery

KIND = "chain"
MAX_HEARD = 1_024


class ChainBus:
    """``me`` on ``chain`` over ``bus``, which must still be started; ``received`` gets what others send.

    ``heard`` is when each of the last senders was heard last, monotonic ns: what they say of themselves.
    """

    def __init__(self, bus: Bus, chain: str, me: str, received: Callable[[bytes], None]) -> None:
        self._bus, self._chain, self._me, self._received = bus, chain, me, received
        self.heard: OrderedDict[str, int] = OrderedDict()
        for kind in (topics.ALL, topics.to(me)):
            bus.subscribe(topics.pool(chain, kind, topics.ANY), self._deliver, qos=0)

    def publish(self, data: bytes, to: str | None) -> None:
        """To all other nodes, or to one; never blocks, and loses it while no broker is up."""
        topic = topics.pool(self._chain, topics.ALL if to is None else topics.to(to), self._me)
        self._bus.publish(topic, KIND, data)

    def _deliver(self, delivery: Delivery) -> None:
        sender = delivery.envelope.sender
        if sender != self._me:
            self.heard[sender] = time.monotonic_ns()
            self.heard.move_to_end(sender)
            if len(self.heard) > MAX_HEARD:
                self.heard.popitem(last=False)
            self._received(delivery.envelope.body)

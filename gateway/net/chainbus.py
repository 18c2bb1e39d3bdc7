"""The messages of one chain over MQTT: what all nodes hear, and answers to one of them.

Nothing is acknowledged (QoS 0): the chain repairs what is lost by itself. Each message that matters is signed
inside, so the envelope is not.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.net import topics
from gateway.net.bus import Bus, Delivery

ALL = "all"
KIND = "chain"


class ChainBus:
    """``me`` on ``chain`` over ``bus``, which must still be started; ``received`` gets what others send."""

    def __init__(self, bus: Bus, chain: str, me: str, received: Callable[[bytes], None]) -> None:
        self._bus, self._chain, self._me, self._received = bus, chain, me, received
        for kind in (ALL, _to(me)):
            bus.subscribe(topics.pool(chain, kind, topics.ANY), self._deliver, qos=0)

    def publish(self, data: bytes, to: str | None) -> None:
        """To all other nodes, or to one; never blocks, and loses it while no broker is up."""
        topic = topics.pool(self._chain, ALL if to is None else _to(to), self._me)
        self._bus.publish(topic, KIND, data)

    def _deliver(self, delivery: Delivery) -> None:
        if delivery.envelope.sender != self._me:
            self._received(delivery.envelope.body)


def _to(node: str) -> str:
    """The kind of topic on which ``node`` hears answers. An id has 32 characters at most, and so has this."""
    return f"to-{node}"[:32]

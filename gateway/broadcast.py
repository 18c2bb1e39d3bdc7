"""What a gateway says to all who listen: which station it has, that it is there, and its process image."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from gateway.announce import about
from gateway.cell.cell import Cell, Outputs
from gateway.cell.quality import Quality
from gateway.cell.standing import standing
from gateway.field.types import Value
from gateway.hearing import Hearing
from gateway.net import topics
from gateway.net.bus import Bus, Will
from gateway.net.messages import encode
from gateway.net.reports import Image, State
from gateway.wiring import Wiring

HEARTBEAT = 0.5
IMAGE_PERIOD = 0.1
KEY_EVERY = 20


def last_will(line: str, node: str, boot: str) -> Will:
    """What brokers say of the gateway when they lose it in its life ``boot``."""
    return Will(topics.state(line, node), "state", lambda _: encode(State(False, boot)), sign=True)


class Broadcast:
    """Of the ``cell`` of the gateway ``node`` on ``line`` in its life ``boot``, with its ``devices``, through
    ``bus``; what was refused is ``hearing``'s. ``problem`` says what is wrong with the gateway itself."""

    def __init__(
        self,
        line: str,
        node: str,
        boot: str,
        bus: Bus,
        cell: Cell,
        devices: Wiring,
        hearing: Hearing,
        problem: Callable[[], str],
    ) -> None:
        self._line, self._node, self._boot, self._bus = line, node, boot, bus
        self._cell, self._devices, self._hearing, self._problem = cell, devices, hearing, problem
        self._changed: dict[str, Value] = {}
        self._quality: dict[str, Quality] = {}
        self._times: dict[str, int] = {}

    def station(self, version: str) -> None:
        """What the station is, retained; ``version`` is the gateway's."""
        body = encode(about(self._cell.station, self._boot, version))
        self._bus.publish(topics.about(self._line, self._node), "about", body, qos=1, retain=True, sign=True)

    def scanned(self, out: Outputs, times: Mapping[str, int]) -> None:
        """A scan is done; ``times`` are when its outputs changed, where a device tells."""
        self._changed.update(out.changed)
        self._quality.update(out.quality)
        self._times.update(times)

    async def beat(self) -> None:
        """The retained state, also when nothing happens."""
        while True:
            state = standing(self._cell, self._boot, self._devices.state, self._problem())
            state = msgspec.structs.replace(state, refused=self._hearing.refused)
            self._bus.publish(
                topics.state(self._line, self._node), "state", encode(state), retain=True, sign=True
            )
            await asyncio.sleep(HEARTBEAT)

    async def show(self) -> None:
        """The process image: changes at most ten times a second, with key frames."""
        count = 0
        while True:
            await asyncio.sleep(IMAGE_PERIOD)
            count += 1
            key = count % KEY_EVERY == 0
            values = dict(self._cell.values) if key else self._changed
            quality = self._cell.qualities.now if key else self._quality
            if values or quality:
                image = Image(key, not self._devices.lost, values, dict(quality), self._times)
                self._bus.publish(topics.image(self._line, self._node), "image", encode(image))
            self._changed, self._quality, self._times = {}, {}, {}

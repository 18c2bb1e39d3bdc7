"""A wide-area network on one machine: gateways in network namespaces, and a slow link to the broker.

The link is a TCP proxy: each piece of data comes half a round trip later, give or take some jitter, and now
and then as much later as a retransmission takes, which is how TCP shows the loss of a packet. Order stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

PIECE = 16 * 1024
WAITING = 256  # pieces on their way, each direction of a connection


class Weather(NamedTuple):
    """Seconds one way, more or less by ``jitter``; the share ``loss`` of pieces comes ``stall`` s later."""

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    stall: float = 0.3


WAN = Weather(0.1, 0.02, 0.01)


class Link:
    """A proxy before the broker at ``port`` of loopback; ``weather`` may change at any time."""

    def __init__(self, port: int, seed: int = 1) -> None:
        self.weather = Weather()
        self.carried = 0  # bytes
        self.port = 0
        self._to, self._random = port, Random(seed)
        self._down = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wan", daemon=True)

    def start(self) -> None:
        """Listen at a free ``port`` on all addresses."""
        self._thread.start()
        assert self._ready.wait(30)

    def cut(self) -> None:
        """Everything under way is lost, and nobody gets through until ``mend``."""
        self._down = True
        self._loop.call_soon_threadsafe(self._abort)

    def mend(self) -> None:
        """Connections are taken again."""
        self._down = False

    def close(self) -> None:
        """End it."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, "0.0.0.0", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connected(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self._writers.add(back)
        try:
            if self._down:
                back.transport.abort()
                return
            far, onward = await asyncio.open_connection("127.0.0.1", self._to)
            self._writers.add(onward)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(near, onward))
                both.create_task(self._carry(far, back))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            for writer in (back, *((onward,) if "onward" in locals() else ())):
                self._writers.discard(writer)
                writer.transport.abort()

    async def _carry(self, near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING)

        async def read() -> None:
            data = b"-"
            while data:
                data = await near.read(PIECE)
                await pieces.put((self._loop.time() + self._takes(), data))

        async def write() -> None:
            while True:
                due, data = await pieces.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                if not data:
                    raise ConnectionResetError
                self.carried += len(data)
                far.write(data)
                await far.drain()

        await asyncio.gather(read(), write())

    def _takes(self) -> float:
        weather = self.weather
        stall = weather.stall if self._random.random() < weather.loss else 0.0
        return max(0.0, weather.delay + self._random.uniform(-weather.jitter, weather.jitter)) + stall


class Denied(Exception):
    """No network namespace may be made here, and why."""


class Namespace:
    """A machine of its own as far as the network goes: ``here`` reaches it, it reaches ``here``."""

    def __init__(self, number: int) -> None:
        self.name = f"twinline-{number}"
        self._net = f"10.213.{number}"
        self.here = f"{self._net}.1"
        self.wrap = ("ip", "netns", "exec", self.name)

    def make(self) -> None:
        """Denied where that may not be done."""
        near, far = f"{self.name}-a", f"{self.name}-b"
        try:
            _ip("netns", "add", self.name)
        except FileNotFoundError:
            raise Denied("the command ip is not there") from None
        except subprocess.CalledProcessError as error:
            raise Denied(error.stderr.strip()) from None
        _ip("link", "add", near, "type", "veth", "peer", "name", far)
        _ip("link", "set", far, "netns", self.name)
        _ip("addr", "add", f"{self.here}/24", "dev", near)
        _ip("link", "set", near, "up")
        for command in (("link", "set", "lo", "up"), ("link", "set", far, "up")):
            _ip("-n", self.name, *command)
        self._far = far
        self.address = ""
        self.move(2)

    def move(self, host: int) -> None:
        """It has another address from now on; what was connected from the old one hears nothing more."""
        if self.address:
            _ip("-n", self.name, "addr", "del", f"{self.address}/24", "dev", self._far)
        self.address = f"{self._net}.{host}"
        _ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", self._far)

    def remove(self) -> None:
        """With its link."""
        for command in (("link", "del", f"{self.name}-a"), ("netns", "del", self.name)):
            with contextlib.suppress(subprocess.CalledProcessError, FileNotFoundError):
                _ip(*command)


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, capture_output=True, text=True, timeout=10)


@contextmanager
def namespaces(count: int) -> Iterator[list[Namespace]]:
    """Some of them, gone afterwards; Denied where none may be made."""
    there = [*Path("/run/netns").glob("twinline-*"), *Path("/sys/class/net").glob("twinline-*")]
    taken = {int(path.name.split("-")[1]) for path in there}
    made = [Namespace(number) for number in range(1, 250) if number not in taken][:count]
    try:
        for each in made:
            each.make()
        yield made
    finally:
        for each in made:
            each.remove()

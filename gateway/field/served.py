"""A device that the gateway itself is: a server that the controller polls as it would the real module.

It is ready while the controller polls it. When the controller falls silent for the device's time-out, and
when the gateway ends, the inputs go to their safe values; then, at the end, the server closes.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from gateway.field.drivers.base import Identity
from gateway.field.scan import Backoff, LinkState
from gateway.field.security import Access
from gateway.field.serving import Server
from gateway.field.serving.tables import Tables
from gateway.field.serving.variables import Variables
from gateway.field.tags import Tag
from gateway.field.types import Value

if TYPE_CHECKING:
    from gateway.field.serving.opcua import OpcUaServer

PRODUCT = "gateway as remote I/O"
POLL = 0.002  # s, between looks at whether the safe values were polled


class ServedLink:
    """Serves ``tags`` at ``address``: ``modbus://host:port/unit`` or ``opc.tcp://host:port``.

    Used as a DeviceLink is: ``run`` is its life, ``read`` and ``write`` are called once a scan while it is
    ``ready``. ValueError("what; hint") for an address that cannot be served at.

    With ``access`` it is served over OPC UA as that says, and not otherwise; an ``exposed`` one, which would
    be at a network without and nobody says that it may, is not served at all.
    """

    def __init__(
        self,
        address: str,
        tags: Mapping[str, Tag],
        timeout_ns: int,
        access: Access | None = None,
        exposed: bool = False,
    ) -> None:
        self.identity: Identity | None = None
        self.losses = 0
        self._address, self._timeout = address, timeout_ns
        self._safe = {tag.name: tag.safe for tag in tags.values() if tag.direction == "input"}
        self._heard_at: int | None = None
        self._ready_since: int | None = None
        self._problem = "not served yet"
        self._exposed = exposed
        self._serving = False
        self._safe_now = True
        self._life: asyncio.Task[object] | None = None
        url = urlsplit(address)
        self.image: Tables | Variables
        self._server: Server
        self._secured: OpcUaServer | None = None
        if url.scheme == "modbus":
            self.image = tables = Tables(tags.values(), self._hear)
            self._server = _modbus(url, tables)
        elif url.scheme == "opc.tcp":
            self.image = variables = Variables(tags.values(), self._hear)
            self._server = self._secured = _opcua(url, variables, access)
        else:
            raise ValueError(f"{address!r} cannot be served; write modbus://host:port/unit or opc.tcp://…")
        self._protocol = "modbus" if url.scheme == "modbus" else "opcua"

    @property
    def ready(self) -> bool:
        """Whether the controller polls."""
        if not self._serving or self._heard_at is None or self._server.clients == 0:
            return False
        return time.monotonic_ns() - self._heard_at <= self._timeout

    @property
    def state(self) -> LinkState:
        """``connecting`` while no controller polls."""
        if self._life is None:
            return "closed"
        return "ready" if self.ready else "connecting"

    @property
    def problem(self) -> str:
        """Why it is not ready; empty while it is."""
        if self.ready:
            return ""
        turned_away = self._secured.turned_away if self._secured is not None else ""
        return "; ".join(filter(None, (self._problem, turned_away)))

    @property
    def slowest_ns(self) -> int:
        """0: nobody is asked."""
        return 0

    @property
    def times(self) -> Mapping[str, int]:
        """None: a controller says no times."""
        return {}

    @property
    def uncertain(self) -> set[str]:
        """None: a controller writes a value or does not."""
        return set()

    @property
    def refused(self) -> dict[str, str]:
        """The tags that the controller leaves out, though it polls the device."""
        since = self._ready_since
        if since is None or not self.image.unpolled or time.monotonic_ns() - since < self._timeout:
            return {}
        return {name: left_out(tag) for name, tag in self.image.unpolled.items()}

    async def run(self) -> None:
        """Serve, and try again where the port is not to be had, until cancelled or closed."""
        assert self._life is None, "a link lives once at a time"
        self._life = asyncio.current_task()
        backoff = Backoff()
        try:
            while not await self._start():
                await asyncio.sleep(backoff.wait() / 1e9)
            while True:
                await asyncio.sleep(self._timeout / 4e9)
                self._watch()
        finally:
            self._life = None

    async def read(self) -> dict[str, Value]:
        """The outputs that the controller changed (engineering values; at first all)."""
        return self.image.changes()

    async def write(self, values: Mapping[str, Value]) -> dict[str, str] | None:
        """Show these inputs to the controller at its next poll; None when it does not poll."""
        if not self.ready:
            return None
        self.image.put(values)
        self._safe_now = False
        self._server.publish()
        return {}

    async def close(self) -> None:
        """Safe values, until the controller has polled them (or is silent for the time-out); then close."""
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait((self._life,))
        if not self._serving:
            return
        self._make_safe()
        self.image.expect()
        deadline = time.monotonic_ns() + self._timeout
        while self.ready and self._safe.keys() & self.image.unpolled.keys():
            if time.monotonic_ns() > deadline:
                break
            await asyncio.sleep(POLL)
        self._serving = False
        await self._server.stop()

    async def _start(self) -> bool:
        if self._exposed:
            self._problem = (
                f"{self._address} is not served: it is at a network, not signed and not encrypted; give "
                "security: in the station file, None where that is meant"
            )
            return False
        try:
            await self._server.start()
        except ValueError as error:  # of its certificate, or of whom it trusts
            self._problem = f"cannot serve at {self._address}: {error}"
            return False
        except OSError as error:
            self._problem = f"cannot serve at {self._address}: {error.strerror or error}"
            return False
        self._serving = True
        self._problem = f"no controller polls {self._address}"
        self.identity = Identity(self._protocol, "Twinline", PRODUCT, _version())
        return True

    def _hear(self) -> None:
        self._heard_at = time.monotonic_ns()
        if self._ready_since is None:
            self._ready_since = self._heard_at

    def _watch(self) -> None:
        if not self.ready and self._ready_since is not None:
            self._ready_since = None
            self.losses += 1
            self._problem = f"the controller polls {self._address} no longer"
            self.image.expect()
            self._make_safe()

    def _make_safe(self) -> None:
        if not self._safe_now:
            self.image.put(self._safe)
            self._server.publish()
            self._safe_now = True


def left_out(tag: Tag) -> str:
    """What is wrong with a tag that the controller leaves out, though it polls the device."""
    does = "read" if tag.direction == "input" else "write"
    return f"the controller does not {does} {tag.text}; check the module's configuration in the controller"


def _modbus(url: SplitResult, tables: Tables) -> Server:
    from gateway.field.serving.modbus import ModbusSession, identification
    from gateway.field.serving.tcp import TcpServer

    unit = int(url.path.strip("/") or 1)
    session = partial(ModbusSession, tables, unit, identification(PRODUCT, _version()))
    return TcpServer(url.hostname or "", url.port or 502, session)


def _opcua(url: SplitResult, variables: Variables, access: Access | None) -> OpcUaServer:
    from gateway.field.serving.opcua import About, OpcUaServer

    about = About(PRODUCT, _version(), "Gateway")
    return OpcUaServer(url.hostname or "", url.port or 4840, variables, about, variables.asked, access)


def _version() -> str:
    return importlib.metadata.version("twinline")

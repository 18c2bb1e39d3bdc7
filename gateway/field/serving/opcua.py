"""OPC UA: the variables of a memory as nodes of asyncua's server, on the scan's own loop.

A client's write goes straight into the memory, whole requests at a time, where the next scan latches it.
After a scan only what changed is published: value and source timestamp are put into the address space
directly, all of them before any subscription is told, so no read sees half a scan.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, cast

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AttributeService, AttributeValue
from asyncua.server.server import Server as UaServer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from gateway.errors import DeviceRefused
from gateway.field.security import Access
from gateway.field.serving.opcua_security import Doorkeeper
from gateway.field.serving.variables import NAMESPACE
from gateway.field.types import Value

NAMESPACE_URI = "urn:twinline:controller"
MAX_CONNECTIONS = 32
MAX_NOTICES = 10_000  # waiting for the subscriptions; past it the oldest go

_Notice = tuple[Callable[[int, ua.DataValue], Awaitable[None]], int, ua.DataValue]

# A peer's mistakes are answered in the protocol; its library would put their tracebacks on our stderr.
logging.getLogger("asyncua").setLevel(logging.CRITICAL)


class Variable(Protocol):
    """One variable: its node id, name, OPC UA type, and whether clients may write it."""

    @property
    def node(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def opcua_type(self) -> str: ...
    @property
    def writable(self) -> bool: ...


class View(Protocol):
    """Variables of a memory."""

    @property
    def nodes(self) -> Mapping[str, Variable]:
        """By node id."""
        ...

    def state(self) -> object:
        """Equal to the last one while no value has changed."""
        ...

    def read(self, node: str) -> Value:
        """The node's value."""
        ...

    def write(self, node: str, opcua_type: str, value: Value) -> None:
        """Take what a client wrote; DeviceRefused with the status code."""
        ...


class About(NamedTuple):
    """What the server says it is; the variables lie in ``folder``. Without a program it names none."""

    product: str
    version: str
    folder: str
    program: str = ""
    sha256: str = ""


class OpcUaServer:
    """Serves ``view`` at opc.tcp://host:port. ``heard`` is told the variables that a client reads.

    With ``access`` only as that says, and to whom it trusts; else to all, neither signed nor encrypted.
    """

    def __init__(
        self,
        host: str,
        port: int,
        view: View,
        about: About,
        heard: Callable[[list[str]], None] | None = None,
        access: Access | None = None,
    ) -> None:
        self.host, self.port, self.view = host, port, view
        self._about, self.heard, self._access = about, heard, access
        self._keeper: Doorkeeper | None = None
        self._server = UaServer()
        self._published: list[_Published] = []
        self._seen: object = None
        self._notices: deque[_Notice] = deque(maxlen=MAX_NOTICES)
        self._teller: asyncio.Task[None] | None = None
        self._started = False

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._server.bserver.clients) if self._server.bserver is not None else 0

    @property
    def turned_away(self) -> str:
        """Who was refused last, and what to do so that he is not; empty where nobody was since somebody came
        in."""
        return self._keeper.turned_away if self._keeper is not None else ""

    async def start(self) -> int:
        """Build the address space and listen; the port. Raises OSError; then it may be tried again.

        ValueError("what was wrong; what would be right") where there is no certificate to be secure with.
        """
        keeper = self._keeper = None if self._access is None else Doorkeeper(self._access)
        probe = await asyncio.get_running_loop().create_server(asyncio.Protocol, self.host, self.port)
        probe.close()  # a port that is not to be had is found out before the work
        await probe.wait_closed()
        self._server = UaServer()
        self._published.clear()
        # The standard's 6,000 nodes are garbage to nobody: collecting while they are made doubles the time,
        # and walking them in a later collection would stop the loop for 400 ms.
        collecting = gc.isenabled()
        gc.disable()
        try:
            await self._server.init()
            await self._build(keeper)
            gc.freeze()
        finally:
            if collecting:
                gc.enable()
        await self._server.start()
        self._started = True
        assert self._server.bserver is not None
        self.port = self._server.bserver.port
        return self.port

    async def stop(self) -> None:
        """Close every session and the port."""
        if not self._started:
            return
        self._started = False
        self._notices.clear()
        if self._teller is not None:
            await self._teller
        await self._server.stop()

    def publish(self) -> None:
        """Put into the address space what has changed in memory since the last time."""
        seen = self.view.state()
        if seen == self._seen:
            return
        self._seen = seen
        now = _now()
        notices: list[_Notice] = []
        for each in self._published:
            notices += each.refresh(self.view.read(each.node.node), now)
        if notices:
            self._tell(notices)

    async def _build(self, keeper: Doorkeeper | None) -> None:
        server, about = self._server, self._about
        uri = "urn:twinline:" + about.product.replace(" ", "-")
        server.set_endpoint(f"opc.tcp://{self.host}:{self.port}")
        server.set_server_name(f"Twinline {about.product}")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        server.allow_remote_admin(False)
        server.iserver.max_connections = MAX_CONNECTIONS
        await server.set_application_uri(uri)
        if keeper is not None:
            await keeper.secure(server)
        await server.set_build_info(
            uri, "Twinline", about.product, about.version, about.sha256, datetime.now(UTC)
        )
        known = [ua.NodeId.from_string(node) for node in self.view.nodes]
        for index in range(NAMESPACE, max([NAMESPACE, *(node.NamespaceIndex for node in known)]) + 1):
            name = NAMESPACE_URI if index == NAMESPACE else f"{NAMESPACE_URI}:{index}"
            assert await server.register_namespace(name) == index
        folder = await self._folder(about.folder)
        nodes: dict[ua.NodeId, str] = {}
        for node in self.view.nodes.values():
            value = self.view.read(node.node)
            variable = await folder.add_variable(
                ua.NodeId.from_string(node.node),
                f"{NAMESPACE}:{node.name}",
                ua.Variant(value, ua.VariantType[node.opcua_type]),
            )
            if node.writable:
                await variable.set_writable()
            attribute = server.iserver.aspace[variable.nodeid].attributes[AttributeIds.Value]
            self._published.append(_Published(node, attribute, value))
            nodes[variable.nodeid] = node.node
        if about.program:
            await self._build_identity()
        server.iserver.attribute_service = _Service(self, server.iserver.aspace, nodes)

    async def _folder(self, name: str) -> Any:
        return await self._server.nodes.objects.add_folder(_node_id(name), f"{NAMESPACE}:{name}")

    async def _build_identity(self) -> None:
        """``Controller.ProgramName`` and ``.ProgramHash``, unless the program's own nodes have those ids."""
        texts = {"ProgramName": self._about.program, "ProgramHash": self._about.sha256}
        names = {f"Controller.{name}": text for name, text in texts.items()}
        if self._about.folder == "Controller":
            names = {k: v for k, v in names.items() if f"ns={NAMESPACE};s={k}" not in self.view.nodes}
            folder = self._server.get_node(_node_id("Controller"))
        else:
            folder = await self._folder("Controller")
        for name, text in names.items():
            await folder.add_variable(
                _node_id(name), f"{NAMESPACE}:{name.partition('.')[2]}", ua.Variant(text)
            )

    def _tell(self, callbacks: list[_Notice]) -> None:
        """Hand changes to the subscriptions, in order, outside the scan."""
        self._notices.extend(callbacks)
        if self._teller is None or self._teller.done():
            self._teller = asyncio.get_running_loop().create_task(self._tell_all())

    async def _tell_all(self) -> None:
        while self._notices:
            callback, handle, value = self._notices.popleft()
            try:
                await callback(handle, value)
            except KeyError:
                continue  # the subscription has been deleted meanwhile


class _Published:
    """A variable's place in the address space."""

    def __init__(self, node: Variable, attribute: AttributeValue, value: Value) -> None:
        self.node, self._attribute, self._value = node, attribute, value
        self._type = ua.VariantType[node.opcua_type]

    def refresh(self, value: Value, now: ua.DateTime) -> list[_Notice]:
        """Show ``value``; whom to tell, if it is another than the last."""
        if value == self._value:
            return []
        self._value = value
        shown = ua.DataValue(ua.Variant(value, self._type), SourceTimestamp=now)
        self._attribute.value = shown
        return [
            (callback, handle, shown) for handle, callback in self._attribute.datachange_callbacks.items()
        ]


def _now() -> ua.DateTime:
    return cast(ua.DateTime, datetime.now(UTC))  # the library's own name for it


def _node_id(name: str) -> ua.NodeId:
    return ua.NodeId.from_string(f"ns={NAMESPACE};s={name}")


_OURSELVES = User(role=UserRole.Admin)


class _Service(AttributeService):
    """Reads and writes of clients: a whole write request reaches memory before anything else runs.

    asyncua's own answers BadUserAccessDenied for what is not writable at all, and takes an array, or no
    value, for a number.
    """

    def __init__(self, server: OpcUaServer, space: Any, nodes: dict[ua.NodeId, str]) -> None:
        super().__init__(space)
        self._server, self._nodes = server, nodes

    def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        """The value of each attribute, in order."""
        heard = self._server.heard
        if heard is not None:
            heard([n for each in params.NodesToRead if (n := self._nodes.get(each.NodeId)) is not None])
        return list(super().read(params))

    async def write(self, params: ua.WriteParameters, user: User = _OURSELVES) -> list[ua.StatusCode]:
        """The status of each write, in order."""
        if user.role == UserRole.Admin:
            return list(await super().write(params, user))  # the server's own
        codes = [self._write_one(each) for each in params.NodesToWrite]
        self._server.publish()
        return [ua.StatusCode(getattr(StatusCodes, code)) for code in codes]

    def _write_one(self, write: ua.WriteValue) -> str:
        node = self._nodes.get(write.NodeId)
        if node is None:
            return "BadNotWritable" if write.NodeId in self._aspace else "BadNodeIdUnknown"
        if write.AttributeId != AttributeIds.Value or write.IndexRange:
            return "BadNotWritable"
        variant = (write.Value and write.Value.Value) or ua.Variant()
        value: Any = variant.Value
        kind = "" if value is None or variant.is_array else variant.VariantType.name
        try:
            self._server.view.write(node, kind, value)
        except DeviceRefused as refused:
            return refused.code
        return "Good"

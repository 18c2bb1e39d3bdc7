"""Which server stands before a virtual controller's memory and before each of its I/O modules.

A protocol's library is imported only where the protocol is served.
"""

from __future__ import annotations

import importlib.metadata
import sys
from functools import partial
from typing import Any

from gateway.controller.couplers import coupler_view
from gateway.controller.mapping import view_of
from gateway.controller.masters import Master, Wired
from gateway.controller.modules import Polled, ranges
from gateway.controller.runtime import VirtualController
from gateway.controller.servers.addresses import Modules, ServeAddress
from gateway.controller.wires import Wires
from gateway.field.addresses import Protocol
from gateway.field.security import Access
from gateway.field.serving import Server

_PROTOCOLS: dict[str, Protocol] = {"modbus": "modbus", "opc.tcp": "opcua", "s7": "s7"}
_CONTROLLER, _MODULE = "virtual controller", "virtual remote I/O"


def make_server(address: ServeAddress, controller: VirtualController, access: Access | None = None) -> Server:
    """The server for ``address`` before the controller's memory; OPC UA's as ``access`` says."""
    program = controller.program
    view = view_of(_PROTOCOLS[address.scheme], program, controller.memory)
    return _serve(address, view, _CONTROLLER, program.name, program.name, program.sha256, access)


def make_modules(
    modules: Modules, controller: VirtualController, period_ns: int, access: Access | None = None
) -> tuple[list[Server], list[Master]]:
    """Servers for the couplers and masters for the modules that are polled, OPC UA's as ``access`` says; and
    one for the plant."""
    program, memory = controller.program, controller.memory
    where = ranges(module.at for module in (*modules.couplers, *modules.polled))
    servers: list[Server] = []
    masters: list[Master] = []
    for (address, _), span in zip(modules.couplers, where, strict=False):
        view = coupler_view(_PROTOCOLS[address.scheme], program, memory, span)
        servers.append(_serve(address, view, _MODULE, program.name, "", "", access))
    for (address, _), span in zip(modules.polled, where[len(modules.couplers) :], strict=True):
        polled = Polled(program, memory, _PROTOCOLS[address.scheme], span)
        for unserved in polled.unserved:
            print(f"warning: {unserved} is not polled at {address}", file=sys.stderr)
        how = access if address.scheme == "opc.tcp" else None
        masters.append(Master(str(address), polled, period_ns, how))
    if modules.plant is not None:
        wires = Wires(modules.plant.station, program, memory, modules.plant.following)
        for unserved in wires.unserved:
            print(f"warning: {unserved}; it is not wired to the plant", file=sys.stderr)
        masters.append(Wired(str(modules.plant.address), wires, period_ns))
    return servers, masters


def _serve(
    address: ServeAddress,
    view: Any,
    product: str,
    folder: str,
    program: str,
    sha256: str,
    access: Access | None,
) -> Server:
    """The server of ``address``'s protocol; ``view`` is one of that protocol."""
    host, port, version = address.host, address.port, _version()
    if address.scheme == "opc.tcp":
        from gateway.field.serving.opcua import About, OpcUaServer

        about = About(product, version, folder, program, sha256)
        return OpcUaServer(host, port, view, about, access=access)
    from gateway.field.serving.tcp import TcpServer

    if address.scheme == "modbus":
        from gateway.field.serving.modbus import ModbusSession, identification

        objects = identification(product, version, program, sha256)
        return TcpServer(host, port, partial(ModbusSession, view, address.numbers[0], objects))
    from gateway.controller.servers.s7 import S7Session, component_lists

    lists = component_lists(product, program, version)
    rack, slot = address.numbers
    return TcpServer(host, port, partial(S7Session, view, rack, slot, lists))


def _version() -> str:
    try:
        return importlib.metadata.version("twinline")
    except importlib.metadata.PackageNotFoundError:
        return "0.0.0"  # run from a checkout that is not installed

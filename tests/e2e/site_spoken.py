"""The small line's station over each protocol, its controller as another's, and eyes of our own on it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509
from running import CONTROLLER, Belt
from snap7.client import Client as S7Client
from snap7.error import S7Error
from watching import Inputs

from gateway.net.identity import Identity
from gateway.pki.credentials import OPCUA, OpcuaFiles
from gateway.station import load_station
from rig.pki.admission import admit
from rig.pki.authority import Authority
from rig.secured import serve_options

Protocol = Literal["modbus", "s7", "opcua"]
logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what goes wrong is seen by who watches
NAMES: dict[Protocol, str] = {"modbus": "Modbus", "s7": "S7", "opcua": "OPC UA"}
STATION = "stations/belt.yaml"
ANSWERS = 2.0  # s, within which an eye is told
_TAG = re.compile(r'^(  ([\w-]+): .*? type: (\w+), .*?address: )"([^"]+)"', re.MULTILINE)
_DEVICE = {
    "s7": ("s7://127.0.0.1:{}/0/1", ""),
    "opcua": ("opc.tcp://127.0.0.1:{}", ", security: Basic256Sha256/SignAndEncrypt"),
}


def speak(made: Belt, protocol: Protocol) -> None:
    """Let the station, which is written for Modbus, be reached over ``protocol``."""
    if protocol == "modbus":
        return
    address, security = _DEVICE[protocol]
    made.change(STATION, (f'"modbus://127.0.0.1:{made.port}/1"', f'"{address.format(made.port)}"{security}'))
    path = made.folder / STATION
    there = _in_blocks if protocol == "s7" else _in_variables
    path.write_text(_TAG.sub(lambda found: f'{found[1]}"{there(*found.groups()[1:])}"', path.read_text()))


def _in_blocks(_name: str, kind: str, address: str) -> str:
    """The same place as in docs/mapping.md: %M is DB1, %Q is DB2."""
    table, number = address.split(":")
    block, at = 2, int(number)
    if at >= (first := {"coil": 2048, "hr": 1024}[table]):
        block, at = 1, at - first
    if table == "coil":
        return f"DB{block}.DBX{at // 8}.{at % 8}"
    return f"DB{block}.DB{'D' if kind == 'DWORD' else 'W'}{2 * at}"


def _in_variables(name: str, _kind: str, _address: str) -> str:
    return "ns=2;s=Belt." + "".join(part.capitalize() for part in name.split("-"))


def serving(made: Belt, folder: Path, authority: Authority) -> tuple[str, ...]:
    """The command that serves the station as its file asks; its credentials, if any, are in ``folder``."""
    station = load_station(made.folder / STATION)
    options = serve_options(authority, folder, station) if station.controller.secured else []
    program = str(made.folder / "programs/belt.st")
    return sys.executable, "-m", CONTROLLER, program, "--address", station.controller.address, *options


class Blocks:
    """Two words from byte ``at`` of a data block on, told by ``means``; python-snap7's own client asks."""

    lost = (S7Error, OSError)

    def __init__(self, port: int, block: int, at: int, means: Callable[[int, int], Inputs]) -> None:
        self._client, self._port, self._place, self._means = S7Client(), port, (block, at, 4), means

    def read(self) -> Inputs | None:
        """As ``means`` tells; None while nobody serves them."""
        if not self._client.get_connected():
            self.close()
            self._client.connect("127.0.0.1", 0, 1, self._port)
            self._client.connection.timeout = ANSWERS
        data = self._client.db_read(*self._place)
        return self._means(int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big"))

    def close(self) -> None:
        """Close the connection; the library leaves the socket open when nobody hears its farewell."""
        there = self._client.connection
        socket = there.socket if there is not None else None
        self._client.disconnect()
        if socket is not None:
            socket.close()


class Variables:
    """Variables of the program over an encrypted session; asyncua's own client asks."""

    lost = (Exception,)  # the library raises what it meets, also what its tasks have met before
    every = 0.03  # s: the library takes a millisecond or two

    def __init__(self, port: int, names: tuple[str, ...], authority: Authority, folder: Path) -> None:
        """Its credentials are made in ``folder``/eye; the controller's are in ``folder``/plc."""
        own = folder / "eye"
        admit(authority, own, Identity.create("eye"), "operator", now=time.time_ns(), opcua=True)
        self._own, self._there = OpcuaFiles.of(own / OPCUA), OpcuaFiles.of(folder / "plc" / OPCUA)
        self._port, self._names = port, names
        self._runner: asyncio.Runner | None = None
        self._client: Client | None = None

    def read(self) -> Inputs | None:
        """Their values."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(self._read())
        except asyncio.CancelledError:  # by the library, as it closes
            raise ConnectionError("the session has ended") from None

    async def _read(self) -> Inputs:
        if self._client is None:
            client = await self._secured()
            await client.connect()
            self._client = client
        nodes = [self._client.get_node(f"ns=2;s=Belt.{name}") for name in self._names]
        return tuple(await self._client.read_values(nodes))

    async def _secured(self) -> Client:
        client = Client(f"opc.tcp://127.0.0.1:{self._port}", timeout=ANSWERS, watchdog_intervall=86_400)
        own = x509.load_der_x509_certificate(self._own.certificate.read_bytes())
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (client.application_uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        files = str(self._own.certificate), str(self._own.key), None, str(self._there.certificate)
        await client.set_security(
            SecurityPolicyBasic256Sha256, *files, mode=ua.MessageSecurityMode.SignAndEncrypt
        )
        return client

    def close(self) -> None:
        """End the session, as far as somebody is there."""
        client, self._client = self._client, None
        runner, self._runner = self._runner, None
        if runner is not None:
            with runner, contextlib.suppress(Exception, asyncio.CancelledError):
                if client is not None:
                    runner.run(client.disconnect())

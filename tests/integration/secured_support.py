"""For tests of secured OPC UA: an authority, credentials of either side, a server of the library's own, and
somebody in between who sees and changes what passes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

from drivers_support import process

from gateway.field.opcua.trust import thumbprint
from gateway.field.security import Access, read_security
from gateway.net.identity import Identity
from gateway.pki.credentials import OpcuaFiles
from gateway.pki.enrolment import Kind
from rig.pki.admission import admit
from rig.pki.authority import Authority

BEST = "Basic256Sha256/SignAndEncrypt"
IDENTITIES: dict[tuple[str, str], Identity] = {}  # by authority and node
SECRET = "Zuerich-4711"  # in what is written, and as a password: nobody in between may see it

SERVER = """
import asyncio, logging, pathlib, sys
from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.uaprocessor import UaProcessor
from cryptography.hazmat.primitives.serialization import Encoding
logging.disable(logging.CRITICAL)
folder, uri, user, *policies = sys.argv[1:]
folder = pathlib.Path(folder)
async def only_known(certificate, description):
    known = [each.read_bytes() for each in (folder / "trusted").iterdir()]
    if certificate.public_bytes(Encoding.DER) not in known:
        raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)
opens = UaProcessor.open_secure_channel
def refuses(self, algorithm, sequence, body):  # as some servers do, by a fault in place of a channel
    if algorithm.SenderCertificate not in [each.read_bytes() for each in (folder / "banned").glob("*")]:
        return opens(self, algorithm, sequence, body)
    fault = ua.ServiceFault()
    fault.ResponseHeader.ServiceResult = ua.StatusCode(ua.StatusCodes.BadCertificateRevoked)
    self.send_response(1, sequence, fault, ua.MessageType.SecureOpen)
UaProcessor.open_secure_channel = refuses
class Users:
    def get_user(self, server, username=None, password=None, certificate=None):
        name, _, secret = user.partition(":")
        return User(role=UserRole.User) if (username or "", password or "") == (name, secret) else None
async def main():
    server = Server(user_manager=Users())
    await server.init()
    await server.load_certificate((folder / "cert.der").read_bytes(), "der")
    await server.load_private_key((folder / "key.pem").read_bytes(), None, "pem")
    await server.set_application_uri(uri)
    server.set_certificate_validator(only_known)
    server.set_security_policy([ua.SecurityPolicyType[each] for each in policies])
    server.set_identity_tokens([ua.UserNameIdentityToken if user else ua.AnonymousIdentityToken])
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    space = await server.register_namespace("urn:test")
    for name, value in (("text", ""), ("number", 0.0), ("shown", 7.5)):
        node = await server.nodes.objects.add_variable(ua.NodeId(name, space), name, value)
        await node.set_writable()
    await server.start()
    print(server.bserver._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop()
asyncio.run(main())
"""


def server(
    folder: Path, uri: str, *policies: str, user: str = ""
) -> contextlib.AbstractContextManager[tuple[subprocess.Popen[str], int]]:
    """asyncua's own server by the credentials in ``folder``, which takes those in ``trusted`` alone."""
    return process(sys.executable, "-c", SERVER, str(folder), uri, user, *policies)


class Secured(NamedTuple):
    """A server at ``port`` by the credentials in ``folder``; ``own`` are a gateway's of its authority."""

    port: int
    folder: Path
    own: Path
    authority: Authority

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"opc.tcp://127.0.0.1:{self.port}"


def authority(folder: Path, line: str = "press-line") -> Authority:
    """A new one."""
    return Authority.create(folder, line, None, now=time.time_ns())


def enrol(of: Authority, folder: Path, node: str, *hosts: str) -> Path:
    """The folder for OPC UA of a controller at ``hosts``, without any of a gateway; enrolled again it has new
    keys for it."""
    identity = IDENTITIES.setdefault((of.root_hex, node), Identity.create(node))
    kind: Kind = "controller" if hosts else "gateway"
    admit(of, folder / node, identity, kind, now=time.time_ns(), hosts=hosts, opcua=True)
    return folder / node / "opcua"


def trust(folder: Path, other: Path) -> None:
    """Let ``folder`` trust the certificate of ``other`` by itself."""
    der = OpcuaFiles.of(other).certificate.read_bytes()
    (OpcuaFiles.of(folder).trusted / f"{thumbprint(der)}.der").write_bytes(der)


def access(folder: Path, security: str = BEST, user: str = "", password: str = "") -> Access:
    """As a station file asks for it; the password is put into a file."""
    file = folder / f"{thumbprint(password.encode())}.password"
    if password:
        file.write_text(password + "\n")
        os.chmod(file, 0o600)
    return Access(read_security(security), str(folder), user, str(file) if password else "")


Change = Callable[[int, bytes], bytes]
"""What is passed on to the client on its n-th connection (from 0) of what the server says."""


class Between:
    """Passes on what client and server say, and keeps it: ``heard[n]`` is what the client said on connection
    n, and what the server did. ``change`` is applied to what the server says."""

    def __init__(self, server: int) -> None:
        self.change: Change = lambda number, data: data
        self.heard: list[tuple[bytearray, bytearray]] = []
        self.port = 0
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number, said = len(self.heard), (bytearray(), bytearray())
        self.heard.append(said)
        there, back = await asyncio.open_connection("127.0.0.1", self._server)

        async def pass_on(source: asyncio.StreamReader, to: asyncio.StreamWriter, side: int) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    said[side].extend(data)
                    to.write(self.change(number, data) if side else data)
                    await to.drain()
            to.close()

        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(pass_on(reader, back, 0), pass_on(there, writer, 1))
        for each in (back, writer):
            each.close()
            with contextlib.suppress(ConnectionError):
                await each.wait_closed()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """The address to connect to in the server's place."""
        made = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = made.sockets[0].getsockname()[1]
        try:
            yield f"opc.tcp://127.0.0.1:{self.port}"
        finally:
            made.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

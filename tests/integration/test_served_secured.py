"""The gateway as a secured OPC UA server: whom it lets poll it, and who tries to otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from asyncua import Client, ua
from asyncua.ua.uaerrors import UaError
from cryptography import x509
from drivers_support import BRISK_NS, PATIENT_NS, run
from secured_support import SECRET, access, authority, enrol
from serve_support import WITHIN_S, ready, start

from gateway.field.entries import Dialect, TagEntry, compile_tags
from gateway.field.opcua.trust import split, thumbprint
from gateway.field.security import Access
from gateway.field.served import ServedLink
from gateway.field.tags import Tag
from gateway.pki.credentials import OpcuaFiles, take_lists
from rig.pki.authority import Authority
from rig.ports import free_ports

PROGRAM = """
PROGRAM Io
VAR
    sensor AT %IX8.3 : BOOL;  lamp AT %QX9.0 : BOOL;
END_VAR
lamp := sensor;
END_PROGRAM
"""

# A master by the library's own client, in a process of its own: one read, one write.
MASTER = """
import asyncio, sys
from asyncua import Client, ua
from asyncua.crypto import security_policies
async def main(url, folder, there, uri, user):
    client = Client(url, timeout=5)
    client.application_uri = uri
    kind = security_policies.SecurityPolicyBasic256Sha256
    await client.set_security(kind, folder + "/cert.der", folder + "/key.pem", server_certificate=there,
                              mode=ua.MessageSecurityMode.SignAndEncrypt)
    name, _, password = user.partition(":")
    if user:
        client.set_user(name)
        client.set_password(password)
    async with client:
        sensor, lamp = (client.get_node("ns=2;s=Io." + name) for name in ("sensor", "lamp"))
        print(await sensor.read_value(), flush=True)
        await lamp.write_value(ua.Variant(True, ua.VariantType.Boolean))
        print("written", flush=True)
        sys.stdin.read()
asyncio.run(main(*sys.argv[1:]))
"""


def tags() -> dict[str, Tag]:
    entries = [
        TagEntry("input", "BOOL", "ns=2;s=Io.sensor", safe="0", name="sensor"),
        TagEntry("output", "BOOL", "ns=2;s=Io.lamp", name="lamp"),
    ]
    problems: list[str] = []
    found = compile_tags(
        entries, {"io": "opcua"}, lambda _, what, hint: problems.append(what), {"io": Dialect(served=True)}
    )
    assert problems == []
    return found


PEERS = Path(__file__).parent / "peers"
NODE = os.environ.get("TWINLINE_NODE_OPCUA", "")  # as in test_opcua_stacks.py


class Tool(NamedTuple):
    """What the line gave the gateway that is the tool, and its controller."""

    authority: Authority
    own: Path
    controller: Path


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Tool:
    folder = tmp_path_factory.mktemp("tool")
    line = authority(folder / "authority")
    return Tool(line, enrol(line, folder, "tool", "127.0.0.1"), enrol(line, folder, "press"))


@contextlib.asynccontextmanager
async def serving(how: Access | None, timeout_ns: int = PATIENT_NS) -> AsyncIterator[tuple[ServedLink, str]]:
    url = f"opc.tcp://127.0.0.1:{free_ports(1)[0]}"
    link = ServedLink(url, tags(), timeout_ns, how)
    life = asyncio.create_task(link.run())
    try:
        await until(lambda: "no controller polls" in link.problem)
        yield link, url
    finally:
        await link.close()
        assert life.done()


async def until(holds: Callable[[], object]) -> None:
    """The guard of ``run`` bounds it."""
    while not holds():
        await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def master(
    url: str, folder: Path, there: Path, user: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The library's client with the certificate in ``folder``, for a server that shows that in ``there``."""
    files = OpcuaFiles.of(there)
    names = x509.load_der_x509_certificate(OpcuaFiles.of(folder).certificate.read_bytes()).extensions
    own = names.get_extension_for_class(x509.SubjectAlternativeName).value
    [uri] = own.get_values_for_type(x509.UniformResourceIdentifier)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MASTER, url, str(folder), str(files.certificate), uri, user,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def is_refused(url: str, folder: Path, tool: Tool, user: str = "") -> None:
    async with master(url, folder, tool.own, user=user) as process:
        assert await said(process) == ""
        assert await process.wait() != 0


async def in_the_clear(url: str) -> set[tuple[str, ua.MessageSecurityMode]]:
    """The policies and modes that are told to who asks without security, and gets no session."""
    client = Client(url, timeout=WITHIN_S)
    await client.connect_sessionless()
    try:
        offered = await client.get_endpoints()
        with contextlib.suppress(UaError):
            await client.create_session()
        with pytest.raises((UaError, ConnectionError)):
            await client.activate_session()
    finally:
        client.disconnect_socket()
    return {(each.SecurityPolicyUri.rpartition("#")[2], each.SecurityMode) for each in offered}


def test_whom_it_lets_poll(tool: Tool, tmp_path: Path) -> None:
    """A controller of the line, a stranger once a person trusts it; who is revoked no more, in the clear
    nobody."""
    stranger = enrol(authority(tmp_path / "foreign"), tmp_path, "press")
    der = OpcuaFiles.of(stranger).certificate.read_bytes()
    gone = enrol(tool.authority, tmp_path, "gone")
    serial = x509.load_der_x509_certificate(OpcuaFiles.of(gone).certificate.read_bytes()).serial_number

    async def work() -> None:
        async with serving(access(tool.own)) as (link, url):
            assert await in_the_clear(url) == {("Basic256Sha256", ua.MessageSecurityMode.SignAndEncrypt)}
            assert not link.ready
            async with master(url, tool.controller, tool.own) as process:
                assert await said(process) == "False"
                assert await said(process) == "written"
                assert (link.ready, link.problem) == (True, "")
                assert await link.read() == {"lamp": True}
            await until(lambda: not link.ready)
            await is_refused(url, stranger, tool)
            kept = tool.own / "rejected" / f"{thumbprint(der)}.der"
            assert kept.read_bytes() == der
            assert "a client was refused, BadCertificateUntrusted" in link.problem
            assert "the client's own settings show" in link.problem
            assert f"mv {kept} {OpcuaFiles.of(tool.own).trusted}/" in link.problem
            kept.rename(OpcuaFiles.of(tool.own).trusted / kept.name)
            async with master(url, stranger, tool.own) as process:
                assert await said(process) == "False"
                assert (link.ready, link.problem) == (True, "")
            now = time.time_ns()
            tool.authority.revoke([(serial, now)], now=now)
            take_lists(tool.own.parent, tool.authority.lists)
            await is_refused(url, gone, tool)
            assert "BadCertificateRevoked" in link.problem

    run(work())


@pytest.mark.long
@pytest.mark.skipif(not NODE or shutil.which("node") is None, reason="needs TWINLINE_NODE_OPCUA")
def test_a_controller_by_node_opcua_polls_it(tool: Tool, tmp_path: Path) -> None:
    """It trusts by the authority and both its lists."""
    command = ("node", str(PEERS / "node_opcua_master.js"), str(tool.controller))
    environment = {**os.environ, "NODE_PATH": str(Path(NODE) / "node_modules")}

    async def work() -> None:
        async with serving(access(tool.own, "Aes256_Sha256_RsaPss")) as (link, url):
            process = await asyncio.create_subprocess_exec(
                *command, url, str(tmp_path / "pki"), "urn:twinline:press-line:press", env=environment,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            try:
                assert process.stdout is not None
                heard: list[str] = []
                while not heard or not heard[-1].startswith("lamp"):
                    line = await process.stdout.readline()
                    assert line, (heard, link.problem)
                    heard.append(line.decode().strip())
                assert "sensor false" in heard
                assert heard[-1] == "lamp Good"
                assert link.ready
                assert await link.read() == {"lamp": True}
            finally:
                process.kill()
                await process.communicate()

    run(work())


@pytest.mark.long
def test_the_user_alone_is_let_in_where_there_is_one(tool: Tool) -> None:
    async def work() -> None:
        async with serving(access(tool.own, user="ada", password=SECRET)) as (link, url):
            for user in ("", "ada:wrong"):
                await is_refused(url, tool.controller, tool, user)
            assert not link.ready
            async with master(url, tool.controller, tool.own, user=f"ada:{SECRET}") as process:
                assert await said(process) == "False"
                assert link.ready

    run(work())


def test_a_virtual_controller_polls_it(tool: Tool, tmp_path: Path) -> None:
    """Itself reached by another protocol; the module's security, and its user, is for what it polls."""
    how = access(tool.own, "Aes256_Sha256_RsaPss", "ada", SECRET)
    options = ["--security", str(how.security), "--certificates", str(tool.controller)]
    options += ["--user", how.user, "--password-file", how.password_file]

    async def work() -> None:
        async with serving(how) as (link, url):
            with start(tmp_path, PROGRAM, "modbus", "/1", "--poll", f"{url}?at=8", *options) as process:
                try:
                    await asyncio.to_thread(ready, process)
                    await until(lambda: link.ready)
                    for sensor in (True, False):
                        await link.write({"sensor": sensor})
                        while (await link.read()).get("lamp") is not sensor:
                            await asyncio.sleep(0.005)
                finally:
                    process.kill()
                    process.communicate()

    run(work())


def test_without_a_certificate_it_waits_and_a_renewed_one_is_shown(tool: Tool, tmp_path: Path) -> None:
    """Neither needs a restart, and meanwhile nothing is served."""
    own = tmp_path / "tool" / "opcua"
    own.mkdir(parents=True)
    port = free_ports(1)[0]
    url = f"opc.tcp://127.0.0.1:{port}"

    async def shown() -> str:
        client = Client(url, timeout=WITHIN_S)
        await client.connect_sessionless()
        try:
            return thumbprint(split((await client.get_endpoints())[0].ServerCertificate)[0])
        finally:
            client.disconnect_socket()

    async def work() -> None:
        link = ServedLink(url, tags(), BRISK_NS, access(own))
        life = asyncio.create_task(link.run())
        await until(lambda: f"cannot serve at {url}" in link.problem)
        assert "have a certificate made" in link.problem
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
        for number in range(2):
            enrol(tool.authority, tmp_path, "tool", *(f"name-{number}",))
            if not number:
                await until(lambda: "no controller polls" in link.problem)
            held = thumbprint(OpcuaFiles.of(own).certificate.read_bytes())
            assert await shown() == held
        async with master(url, tool.controller, own) as process:
            assert await said(process) == "False"
        await link.close()
        assert life.done()

    run(work())


def test_at_a_network_it_is_not_served_without_unless_that_is_meant() -> None:
    async def work() -> None:
        [port] = free_ports(1)
        link = ServedLink(f"opc.tcp://127.0.0.1:{port}", tags(), BRISK_NS, exposed=True)
        life = asyncio.create_task(link.run())
        await until(lambda: "is not served: it is at a network, not signed" in link.problem)
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
        await link.close()
        assert life.done()

    run(work())

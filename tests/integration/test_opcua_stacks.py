"""Secured sessions with two servers of other people's stacks: open62541 (C) and node-opcua (JavaScript).

Neither is needed to develop Twinline. ``TWINLINE_OPEN62541`` names a Python that has the package o6,
``TWINLINE_NODE_OPCUA`` a folder in which node-opcua-server is installed; without, the test is skipped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from drivers_support import run, tags_for
from secured_support import SECRET, access, authority, enrol, trust

from gateway.errors import DeviceRefused, GatewayError
from gateway.field.drivers.base import Driver, open_driver
from gateway.field.probe.opcua_security import credentials
from gateway.field.security import Access
from gateway.pki.credentials import take_lists
from rig.pki.authority import Authority
from rig.ports import free_ports

PEERS = Path(__file__).parent / "peers"
URI = "urn:twinline:press-line:press"
PYTHON, NODE = os.environ.get("TWINLINE_OPEN62541", ""), os.environ.get("TWINLINE_NODE_OPCUA", "")
POLICIES = ("Basic256Sha256", "Aes256_Sha256_RsaPss", "Aes128_Sha256_RsaOaep")
TIMEOUT_NS = 10_000_000_000


@contextlib.contextmanager
def peer(*command: str, folder: str = ".") -> Iterator[None]:
    """A server that prints a line with its port alone when it is ready."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "NODE_PATH": str(Path(folder) / "node_modules")},
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            for line in server.stdout:
                if line.strip() == command[4]:
                    break
            else:
                pytest.fail(f"{command[1]} did not start")
            yield
        finally:
            server.kill()


def driver(port: str, how: Access) -> Driver:
    inputs = {"number": ("LREAL", "ns=1;s=number"), "text": ("STRING[40]", "ns=1;s=text")}
    tags = tags_for("opcua", inputs, {"shown": ("LREAL", "ns=1;s=shown")})
    return open_driver(f"opc.tcp://127.0.0.1:{port}", tags, TIMEOUT_NS, access=how)


async def exchange(port: str, how: Access) -> None:
    """Values each way."""
    made = driver(port, how)
    try:
        await made.connect()
        assert await made.read() == {"shown": 7.5}
        await made.write({"number": 12.5, "text": SECRET})
        assert await made.read_back(["number", "text"]) == {"number": 12.5, "text": SECRET}
    finally:
        await made.close()


async def refused(port: str, how: Access) -> DeviceRefused:
    made = driver(port, how)
    try:
        with pytest.raises(GatewayError) as error:
            await made.connect()
    finally:
        await made.close()
    assert isinstance(error.value, DeviceRefused)
    return error.value


def revoke(line: Authority, gone: Path, there: Path) -> None:
    """Let ``there`` have the lists that name ``gone``."""
    serial = x509.load_der_x509_certificate((gone / "cert.der").read_bytes()).serial_number
    line.revoke([(serial, time.time_ns())], now=time.time_ns())
    take_lists(there.parent, line.lists)


@pytest.mark.long
@pytest.mark.skipif(not PYTHON, reason="needs TWINLINE_OPEN62541")
def test_open62541(tmp_path: Path) -> None:
    line = authority(tmp_path / "authority")
    there, own = enrol(line, tmp_path, "press", "127.0.0.1"), enrol(line, tmp_path, "gateway")
    gone, stranger = (
        enrol(line, tmp_path, "gone"), enrol(authority(tmp_path / "foreign"), tmp_path, "stranger"),
    )  # fmt: skip
    revoke(line, gone, there)
    trust(there, gone)
    for one, other in ((there, own), (stranger, there)):
        trust(one, other)
    [port] = map(str, free_ports(1))
    with peer(PYTHON, str(PEERS / "open62541.py"), str(there), URI, port):
        for policy in POLICIES:
            for mode in ("Sign", "SignAndEncrypt"):
                run(exchange(port, access(own, f"{policy}/{mode}")))
        error = run(refused(port, access(stranger)))
        assert "the server does not trust the certificate" in error.change
        assert str(gone / "cert.der") in run(refused(port, access(gone))).change


@pytest.mark.long
@pytest.mark.skipif(not NODE or shutil.which("node") is None, reason="needs TWINLINE_NODE_OPCUA")
def test_node_opcua(tmp_path: Path) -> None:
    """It wants the revocation lists of every authority, also of whom it trusts by itself; it has them,
    with the authorities, and takes a certificate without one, too."""
    line, own = authority(tmp_path / "authority"), tmp_path / "gateway" / "opcua"
    there, issued = enrol(line, tmp_path, "press", "127.0.0.1"), enrol(line, tmp_path, "issued")
    gone = enrol(line, tmp_path, "gone")
    revoke(line, gone, there)
    credentials(own, datetime.now(UTC))
    for one, other in ((there, own), (own, there)):
        trust(one, other)
    [port] = map(str, free_ports(1))
    with peer("node", str(PEERS / "node_opcua.js"), str(there), URI, port, f"ada:{SECRET}", folder=NODE):
        for policy in POLICIES:
            run(exchange(port, access(own, policy, "ada", SECRET)))
        assert run(refused(port, access(own, user="ada", password="other"))).code == "BadUserAccessDenied"
        run(exchange(port, access(issued, user="ada", password=SECRET)))
        error = run(refused(port, access(gone, user="ada", password=SECRET)))
        assert str(gone / "cert.der") in error.change

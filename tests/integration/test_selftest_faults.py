"""Eight faults that a technician meets, each made for real, and found by the self-test alone."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from drivers_support import SNAP7_SERVER, process, snap7_server
from serve_support import serving
from shell_support import ROOT, WITHIN_S, Gateway, findings, until, wrong

from gateway.genesisfile import genesis_bytes
from gateway.local.place import reachable
from gateway.net import topics
from gateway.net.bus import Bus
from gateway.net.identity import Identity
from gateway.net.messages import encode
from gateway.net.reports import State
from ledger.genesis import Genesis
from ledger.records import Party
from rig.broker import Broker

CELL = """
PROGRAM Cell
VAR
    level AT %QD1 : REAL := 12.7;  count AT %QD2 : DINT := 70000;  speed AT %QW10 : INT := 1275;
    lamp AT %QX40.0 : BOOL := TRUE;  go AT %MX20.3 : BOOL;
END_VAR
level := level; count := count; speed := speed; lamp := lamp;
END_PROGRAM
"""
MODBUS = """
level: {direction: output, type: REAL, address: "hr:2", range: 0..100, unit: Cel}
count: {direction: output, type: DINT, address: "hr:4"}
speed: {direction: output, type: INT, address: "hr:10"}
go: {direction: input, type: BOOL, address: "coil:2211", safe: false}
"""
S7 = """
level: {direction: output, type: UINT, address: DB1.DBW0}
more: {direction: output, type: UINT, address: DB1.DBW10}
go: {direction: input, type: BOOL, address: M3.5, safe: false}
"""
CONNECTED = "the controller is connected"
HOUR_NS = 3_600_000_000_000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as running:
        yield running


def faults(found: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is wrong, but for scans that come late: on a busy machine they do."""
    return [check for check in wrong(found) if check != "scans"]


def test_nothing_is_wrong(tmp_path: Path, broker: Broker) -> None:
    """Else the tests below show nothing."""
    with serving(CELL, "modbus", "/1") as (port, _):
        gateway = Gateway(tmp_path / "gw", f"modbus://127.0.0.1:{port}/1", MODBUS, broker.url)
        with gateway.running(CONNECTED):
            found = gateway.selftest()
            assert found["device plc"]["standing"] == found["words plc"]["standing"] == "ok"
            assert faults(found) == []
            assert set(found) >= {"disk", "files", "gateway", "broker", "clock", "cable plc"}


# --- the network ---------------------------------------------------------------------------------------

NETWORK = """
set -e
mount -t sysfs none /sys
ip link set lo up
ip link add tw0 type veth peer name tw1
ip addr add 10.98.0.1/24 dev tw0
ip link set tw0 up
{also}
{agent} >{log} 2>&1 &
agent=$!
n=0
until [ -S {state}/shell.sock ] || [ $n = 600 ]; do sleep 0.1; n=$((n+1)); done
{shell} -c 'selftest --json' || true
echo {also_said}
n=0
until {shell} -c status | grep -q 'device plc.* is ' || [ $n = 60 ]; do n=$((n+1)); done
{shell} -c status -c plc 2>&1 || true
echo {also_said}
{shell} -c 'probe' 2>&1 || true
{shell} -c 'net' 2>&1 || true
kill $agent
"""


ALSO_SAID = "--- and said"


def alone_in_a_network(gateway: Gateway, also: str = "") -> tuple[dict[str, dict[str, str]], str, str]:
    """Where the gateway has an interface tw0 (10.98.0.1/24) of its own, and no other: the findings; what
    ``status`` and ``plc`` say; and what ``probe`` and ``net`` do."""
    script = NETWORK.format(
        also=also, agent=" ".join(gateway.agent_command), log=gateway.log, state=gateway.state,
        shell=" ".join(gateway.shell_command()), also_said=ALSO_SAID,
    )  # fmt: skip
    command = ["unshare", "--net", "--mount", "sh", "-c", script]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if not done.stdout:
        pytest.skip(f"no network of one's own can be made here: {done.stderr[-200:]}")
    found, *said = done.stdout.split(ALSO_SAID)
    known, asked = (" ".join(each.split()) for each in said)
    return findings(found), known, asked


def test_an_unplugged_cable(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "gw", "modbus://10.98.0.2/1", MODBUS, "mqtt://10.98.0.3")
    found, known, asked = alone_in_a_network(gateway)
    assert found["cable plc"]["text"] == "tw0 has no link: its cable is unplugged"
    assert found["cable plc"]["do"].startswith("plug the cable in")
    assert found["cable broker"]["text"] == "tw0 has no link: its cable is unplugged"
    assert found["device plc"]["standing"] == "open"  # nothing is said of what cannot be known
    assert faults(found) == ["cable broker", "cable plc"]
    dark = "10.98.0.2 is not reached: tw0 has no link: its cable is unplugged"
    assert f"device plc {dark}" in known
    assert f"problem {dark}" in known
    assert dark in asked
    assert "mqtt://10.98.0.3 tw0 has no link: its cable is unplugged; the gateway is not connected" in asked
    assert "firewall" not in known + asked


def test_a_wrong_ip_address(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "gw", "modbus://10.98.0.77/1", MODBUS, "mqtt://10.98.0.1:9")
    found, known, asked = alone_in_a_network(gateway, "ip link set tw1 up")
    assert found["cable plc"]["standing"] == "ok"
    nobody = "10.98.0.77 is not reached: nobody on tw0 has the address 10.98.0.77"
    assert found["device plc"]["text"] == nobody
    assert f"device plc {nobody}" in known
    assert f"problem {nobody}" in known
    assert nobody in asked
    assert "correct it" in found["device plc"]["do"]
    assert "device plc" in wrong(found)


def test_an_address_in_another_network(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "gw", "modbus://192.168.7.5/1", MODBUS, "mqtt://10.98.0.1:9")
    found, known, _ = alone_in_a_network(gateway, "ip link set tw1 up")
    assert found["cable plc"]["text"].startswith("no way leads to 192.168.7.5")
    assert "device plc 192.168.7.5 is not reached: no way leads to 192.168.7.5: no interface" in known
    assert "network of 192.168.7.5" in found["cable plc"]["do"]


# --- the controller --------------------------------------------------------------------------------------


def test_a_wrong_rack_and_slot(tmp_path: Path) -> None:
    with serving(CELL, "s7", "/0/1") as (port, _):
        gateway = Gateway(tmp_path / "gw", f"s7://127.0.0.1:{port}/0/2", S7)
        with gateway.running():
            found = gateway.selftest()
    assert "rack and slot may be wrong" in found["device plc"]["text"]
    assert found["device plc"]["do"] == f"rack 0, slot 1 answers: write s7://127.0.0.1:{port}/0/1"


PROTECTED = SNAP7_SERVER.replace(
    "server = Server(log=False)",
    """
class Protected(Server):
    def _handle_read_area(self, request, client):
        return self._build_error_response(request, 0x8104)
    _handle_write_area = _handle_read_area
server = Protected(log=False)
""",
)


def test_put_get_is_disabled(tmp_path: Path) -> None:
    """python-snap7's own server, which is an S7-315, and refuses to be read as one that is protected."""
    assert PROTECTED != SNAP7_SERVER
    with process(sys.executable, "-c", PROTECTED) as (_, port):
        gateway = Gateway(tmp_path / "gw", f"s7://127.0.0.1:{port}/0/1", S7)
        with gateway.running(CONNECTED):
            until("a refusal", lambda: gateway.json("plc")["devices"][0]["refused"])
            found = gateway.selftest()
            said = gateway.shell("plc")
    assert "function not available; the CPU or the data block is protected" in found["tags plc"]["text"]
    assert "S7-300 and S7-400: set 'Protection'" in found["tags plc"]["do"]
    assert "set the CPU's protection to level 1" in " ".join(said.stdout.split())


def test_where_put_get_is_permitted_nothing_is_said_of_it(tmp_path: Path) -> None:
    with snap7_server() as (_, port):
        gateway = Gateway(tmp_path / "gw", f"s7://127.0.0.1:{port}/0/1", S7)
        with gateway.running(CONNECTED):
            assert "tags plc" not in gateway.selftest()


@pytest.mark.parametrize("order", ["CDAB", "DCBA"])
def test_swapped_words(tmp_path: Path, order: str) -> None:
    """The controller sends the high word first; the station file says otherwise."""
    with serving(CELL, "modbus", "/1") as (port, _):
        device = f", order: {order}"
        gateway = Gateway(tmp_path / "gw", f"modbus://127.0.0.1:{port}/1", MODBUS, device=device)
        with gateway.running(CONNECTED):
            found = gateway.selftest()["words plc"]
    assert found["standing"] == "WRONG"
    assert "level shows" in found["text"]
    assert "in the order ABCD it is 12.7" in found["text"]
    assert found["do"].startswith("write order: ABCD for the device plc")


EXPIRED = """
import asyncio, datetime, logging, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from asyncua import Server, ua
from asyncua.crypto.cert_gen import generate_private_key
logging.disable(logging.CRITICAL)
async def main():
    server = Server()
    await server.init()
    key = generate_private_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Press")])
    year = datetime.timedelta(days=365)
    ends = datetime.datetime.now(datetime.UTC) - float(sys.argv[1]) * datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(ends - year).not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier("urn:press")]), False)
        .sign(key, hashes.SHA256()))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    await server.load_certificate(certificate.public_bytes(Encoding.DER), "der")
    await server.load_private_key(pem, None, "pem")
    server.set_security_policy([
        ua.SecurityPolicyType.NoSecurity, ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    space = await server.register_namespace("urn:test")
    tag = await server.nodes.objects.add_variable(ua.NodeId("speed", space), "speed", 7.0)
    await server.start()
    print(server.bserver._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop()
asyncio.run(main())
"""
OPCUA = 'speed: {direction: output, type: LREAL, address: "ns=2;s=speed"}'


@pytest.mark.parametrize(("days", "standing"), [(3, "WRONG"), (-100, "ok")])
def test_an_expired_certificate(tmp_path: Path, days: int, standing: str) -> None:
    with process(sys.executable, "-c", EXPIRED, str(days)) as (_, port):
        gateway = Gateway(tmp_path / "gw", f"opc.tcp://127.0.0.1:{port}", OPCUA, device=", timeout: 2 s")
        with gateway.running(CONNECTED):
            found = gateway.selftest()["certificate plc"]
    assert found["standing"] == standing
    if days > 0:
        assert "the server's certificate expired on" in found["text"]
        assert "make a new one" in found["do"]


# --- the gateway itself ----------------------------------------------------------------------------------


@contextlib.contextmanager
def neighbour(broker: Broker, node: str, ahead: int) -> Iterator[None]:
    """A gateway's heartbeat, of a clock that is ``ahead`` ns ahead."""
    bus = Bus(node, [broker.url], identity=Identity.create(node), utc_ns=lambda: time.time_ns() + ahead)
    state = encode(State(True, bus.boot.hex(), "ready"))
    with bus:
        assert bus.wait_ready(WITHIN_S)
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(0.2):
                bus.publish(topics.state("one", node), "state", state, retain=True, sign=True)

        thread = threading.Thread(target=beat)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def test_a_clock_that_is_an_hour_off(tmp_path: Path, broker: Broker) -> None:
    gateway = Gateway(tmp_path / "gw", "modbus://127.0.0.1:9/1", MODBUS, broker.url)
    with neighbour(broker, "left", HOUR_NS), neighbour(broker, "right", HOUR_NS):
        found = gateway.selftest()["clock"]
        assert found["standing"] == "WRONG"
        assert found["text"].endswith("60 min behind the clocks of left, right")
        assert "timedatectl" in found["do"]
        said = gateway.shell("peers").stdout
        assert "left" in said
        assert "+3600" in said.replace(" ", "") or "+3599" in said


def test_clocks_that_agree(tmp_path: Path, broker: Broker) -> None:
    gateway = Gateway(tmp_path / "gw", "modbus://127.0.0.1:9/1", MODBUS, broker.url)
    with neighbour(broker, "left", 0):
        found = gateway.selftest()["clock"]
    assert found["standing"] == "ok"
    assert found["text"].endswith("as do left")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(tmp_path: Path, small: Path) -> None:
    with serving(CELL, "modbus", "/1") as (port, _):
        gateway = Gateway(tmp_path / "gw", f"modbus://127.0.0.1:{port}/1", MODBUS, state=str(small))
        with gateway.running(CONNECTED) as agent:
            with (small / "log").open("wb") as file, pytest.raises(OSError, match="space"):
                file.write(bytes(2_000_000))
            found = gateway.selftest()
            assert found["disk"]["text"].startswith(f"{small} is full")
            assert f"du -xh {small}" in found["disk"]["do"]
            assert wrong(found)[0] == "disk"
            # Nothing is granted that is not on the disk; the agent ends, and the cause is found all the same.
            assert gateway.shell("lease take").returncode != 0
            assert agent.wait(WITHIN_S) == 3
            found = gateway.selftest()
            assert wrong(found)[:2] == ["disk", "gateway"]


def test_a_quota_is_a_full_disk_too(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "gw", "modbus://127.0.0.1:9/1", MODBUS)
    gateway.state.mkdir()
    done = subprocess.run(
        gateway.shell_command("selftest --json"), cwd=ROOT, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)),
    )  # fmt: skip
    assert findings(done.stdout)["disk"]["text"].startswith(f"{gateway.state} is full")


@pytest.mark.long
def test_a_witness_answers_what_needs_no_station(tmp_path: Path, broker: Broker) -> None:
    gateway = Gateway(tmp_path / "gw", "modbus://127.0.0.1:9/1", MODBUS, broker.url)
    file = gateway.folder / "gateway.json"
    config = msgspec.json.decode(file.read_bytes())
    file.write_bytes(msgspec.json.encode({**config, "station": "", "chain": "genesis.json"}))
    keys = {"cell": Identity.load(gateway.folder / "key.pem"), "other": Identity.create("other")}
    parties = tuple(Party(name, each.public_bytes, name) for name, each in keys.items())
    (gateway.folder / "genesis.json").write_bytes(genesis_bytes(Genesis(1, "one", 0, parties)))
    done = gateway.shell("status")
    assert done.returncode == 3
    assert "the gateway's process does not run" in " ".join(done.stderr.split())
    with gateway.running():
        with neighbour(broker, "left", 0):
            found = gateway.selftest()
        assert faults(found) == ["chain"]
        assert found["chain"]["text"] == "no other node of it is heard"
        assert found["gateway"]["text"].endswith("a witness")
        assert found["files"]["text"] == "all files of cell can be read"
        for command, says in (
            ("status", "cell of line one; it has no station"),
            ("chain", "member"),
            ("net", "answers in"),
            ("logs", ""),
            (
                f"bundle {tmp_path}/seen.zip",
                "holds gateway.json, status.json, net.json, chain.json, logs.json",
            ),
        ):
            done = gateway.shell(command)
            assert done.returncode == 0, done.stderr
            assert says in " ".join(done.stdout.split())
        for command in ("tags", "plc", "twin", "lease", "watch level", "trace level", "lease take", "probe"):
            done = gateway.shell(command)
            assert done.returncode == 3, command
            assert "a witness has no station" in " ".join(done.stderr.split())


@pytest.mark.parametrize("sent", [b"\0\0\0\4oops", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", b""])
def test_what_is_no_request_ends_its_connection_and_no_more(tmp_path: Path, sent: bytes) -> None:
    gateway = Gateway(tmp_path / "gw", "modbus://127.0.0.1:9/1", MODBUS)
    with gateway.running():
        with socket.socket(socket.AF_UNIX) as stream, reachable(gateway.state / "shell.sock") as path:
            stream.settimeout(WITHIN_S)
            stream.connect(path)
            stream.sendall(sent)
            stream.shutdown(socket.SHUT_WR)
            while stream.recv(65_536):
                pass
        assert gateway.json("status")["station"] == "cell"
    assert "Traceback" not in gateway.log.read_text()

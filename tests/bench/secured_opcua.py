"""What security costs an OPC UA client: processor time of one read, plain and secured, side by side.

``python tests/bench/secured_opcua.py`` prints rows for docs/opcua.md. asyncua's server is another process.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "integration"), str(Path(__file__).parents[2])]

from drivers_support import process, tags_for  # noqa: E402
from secured_support import access, authority, enrol, trust  # noqa: E402

from gateway.field.drivers.base import open_driver  # noqa: E402

POLICIES = (
    "", "Basic256Sha256/Sign", "Basic256Sha256/SignAndEncrypt", "Aes256_Sha256_RsaPss/SignAndEncrypt"
)  # fmt: skip
COUNTS, ROUNDS = (20, 1000), 40
TIMEOUT_NS = 10_000_000_000
SERVER = """
import asyncio, logging, pathlib, sys
from asyncua import Server, ua
logging.disable(logging.CRITICAL)
folder = pathlib.Path(sys.argv[1])
async def main():
    server = Server()
    await server.init()
    await server.load_certificate((folder / "cert.der").read_bytes(), "der")
    await server.load_private_key((folder / "key.pem").read_bytes(), None, "pem")
    await server.set_application_uri("urn:twinline:bench:press")
    kinds = ["NoSecurity", "Basic256Sha256_Sign"]
    kinds += [f"{policy}_SignAndEncrypt" for policy in ("Basic256Sha256", "Aes256Sha256RsaPss")]
    server.set_security_policy([ua.SecurityPolicyType[kind] for kind in kinds])
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    space = await server.register_namespace("urn:test")
    for n in range(1000):
        await server.nodes.objects.add_variable(
            ua.NodeId(f"tag{n}", space), f"tag{n}", ua.Variant(n, ua.VariantType.Int16))
    await server.start()
    print(server.bserver._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""


async def cost(url: str, own: Path, policy: str, count: int) -> float:
    """Milliseconds of this process for one read of ``count`` nodes, the median."""
    tags = tags_for("opcua", {}, {f"t{n}": ("INT", f"ns=2;s=tag{n}") for n in range(count)})
    driver = open_driver(url, tags, TIMEOUT_NS, access=access(own, policy) if policy else None)
    await driver.connect()
    await driver.read()
    spent = []
    for _ in range(ROUNDS):
        before = time.process_time_ns()
        await driver.read()
        spent.append((time.process_time_ns() - before) / 1e6)
    await driver.close()
    return statistics.median(spent)


async def connecting(url: str, own: Path, policy: str) -> float:
    """Milliseconds of this process for one connection."""
    driver = open_driver(url, {}, TIMEOUT_NS, access=access(own, policy) if policy else None)
    spent = []
    for _ in range(7):
        before = time.process_time_ns()
        await driver.connect()
        spent.append((time.process_time_ns() - before) / 1e6)
        await driver.close()
    return statistics.median(spent)


def main() -> None:
    """Print the rows."""
    with tempfile.TemporaryDirectory() as folder:
        line = authority(Path(folder) / "authority", "bench")
        there, own = enrol(line, Path(folder), "press", "127.0.0.1"), enrol(line, Path(folder), "gateway")
        trust(there, own)
        with process(sys.executable, "-c", SERVER, str(there)) as (_, port):
            url = f"opc.tcp://127.0.0.1:{port}"
            for count in COUNTS:
                row = [asyncio.run(cost(url, own, policy, count)) for policy in POLICIES]
                print(f"| {count} | " + " | ".join(f"{each:.2f} ms" for each in row) + " |")
            row = [asyncio.run(connecting(url, own, policy)) for policy in POLICIES]
            print("| connecting | " + " | ".join(f"{each:.0f} ms" for each in row) + " |")


if __name__ == "__main__":
    main()

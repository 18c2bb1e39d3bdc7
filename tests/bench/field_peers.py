"""What bench_fields measures against: servers as programs, frames as bytes, a station for the closed loop."""

from __future__ import annotations

S7_CONNECT = bytes.fromhex("0300001611e00000000100c0010ac1020100c2020101")
S7_SETUP = bytes.fromhex("0300001902f08032010000000100080000f0000001000101e0")
S7_READ = bytes.fromhex("0300001f02f080320100000002000e00000401120a10020100000284000000")  # DB2, 256 bytes

S7_PROGRAM = "PROGRAM p VAR a AT %MW0 : INT; END_VAR a := a; END_PROGRAM"

SNAP7_SERVER = """
import logging, socket, sys
from snap7.server import Server
from snap7.type import SrvArea
logging.disable(logging.CRITICAL)
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
server = Server(log=False)
server.register_area(SrvArea.DB, 1, bytearray(2000))
server.start_to("127.0.0.1", port)
print(port, flush=True)
sys.stdin.read()
"""

# Every line that it is sent, it changes every value, and says so when that is done.
ASYNCUA_SERVER = """
import asyncio, logging, sys
from asyncua import Server, ua
logging.disable(logging.CRITICAL)
async def main():
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    space = await server.register_namespace("urn:bench")
    nodes = [await server.nodes.objects.add_variable(
        ua.NodeId(f"tag{n}", space), f"tag{n}", ua.Variant(n, ua.VariantType.Int16)) for n in range(1000)]
    await server.start()
    print(server.bserver._server.sockets[0].getsockname()[1], flush=True)
    loop, turn = asyncio.get_running_loop(), 0
    while await loop.run_in_executor(None, sys.stdin.readline):
        turn += 1
        for number, node in enumerate(nodes):
            await server.write_attribute_value(
                node.nodeid, ua.DataValue(ua.Variant(number + turn, ua.VariantType.Int16)))
        print("changed", flush=True)
asyncio.run(main())
"""

BARE_CONNECT = """
import asyncio, time, msgspec, uvloop
from pymodbus.client import AsyncModbusTcpClient
async def main():
    client = AsyncModbusTcpClient("127.0.0.1", port=%d)
    assert await client.connect()
    print(time.monotonic_ns(), flush=True)
    client.close()
uvloop.run(main())
"""

LOOP_STATION = """
twinline: station 1
id: belt
scan: 10 ms
manual: command.0
inlet: belt
outlet: belt
devices: {plc: {address: "modbus://127.0.0.1:502/1"}}
tags:
  run:     {direction: output, type: BOOL, address: "hr:0.0"}
  seen:    {direction: output, type: WORD, address: "hr:1"}
  command: {direction: input, type: WORD, address: "hr:100", safe: 0, observer: seen}
  ok:      {direction: input, type: BOOL, address: "hr:101.0", safe: false}
  eye:     {direction: input, type: BOOL, address: "hr:101.1", safe: false}
  speed:   {direction: input, type: INT, address: "hr:102", range: 0..500, raw: 0..27648, unit: mm/s,
            safe: 0}
twin:
  belt: {kind: belt-conveyor, params: {length: 200 mm, speed: 500 mm/s},
         ports: {run: run, ok: ok, speed: speed}}
  eye:  {kind: photo-eye, params: {at: 100 mm}, links: {"on": belt}, ports: {sees: eye}}
"""

"""Forces read back over a wire: a program that writes its own input, and a second client that does."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from drivers_support import run
from pymodbus.client import AsyncModbusTcpClient

from gateway.cell.cell import Asked, Cell, Inputs
from gateway.cell.couplings import Neighbours
from gateway.cell.standing import standing
from gateway.controller.compile import compile_program
from gateway.controller.runtime import VirtualController
from gateway.controller.servers import build
from gateway.controller.servers.addresses import read_address
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import (
    Acquire,
    Action,
    Command,
    Force,
    Free,
    Leased,
    Renew,
    ReplyBody,
    Run,
)
from gateway.net.reports import State
from gateway.station import load_station
from gateway.wiring import Wiring

PROGRAM = """
PROGRAM Stubborn
VAR
  command AT %MW0 : WORD;
  own AT %MX20.0 : BOOL;
  guard AT %MX20.1 : BOOL;
  level AT %MW2 : INT;
  seen AT %QW0 : WORD;
END_VAR
seen := command;
own := FALSE;
END_PROGRAM
"""
STATION = """
twinline: station 1
id: cell
devices:
  plc: {address: "modbus://127.0.0.1:502/1"}
tags:
  command: {direction: input, type: WORD, address: "hr:1024", safe: 0}
  own:     {direction: input, type: BOOL, address: "coil:2208", safe: false}
  guard:   {direction: input, type: BOOL, address: "coil:2209", safety: true}
  level:   {direction: input, type: INT, address: "hr:1026", range: 0..100, raw: 0..1000, safe: 0}
  seen:    {direction: output, type: WORD, address: "hr:0"}
twin: {}
"""
GUARD, LEVEL = TagRef("guard"), TagRef("level")


class Site:
    """A controller that is served, and a gateway before it, scanned here until something holds."""

    def __init__(
        self, cell: Cell, wiring: Wiring, controller: VirtualController, server: build.Server
    ) -> None:
        self.cell, self.wiring, self.controller, self.server = cell, wiring, controller, server
        self.writes: Counter[str] = Counter()
        self.replies: dict[int, ReplyBody] = {}
        self.events: list[str] = []
        self._asked: list[Asked] = []
        self._persisted = 0
        self.left = 10**9  # until the next scan, as the wiring is told

    async def until(self, holds: Callable[[], bool]) -> None:
        """The guard of ``run`` bounds it."""
        while not holds():
            self.controller.scan(time.monotonic_ns())
            self.server.publish()
            read, lost = await self.wiring.read(self.cell.read_back.asked), self.wiring.lost
            asked, self._asked = (*self._asked, Asked("anna", 0, Renew(self.cell.lease.token))), []
            seen = Inputs(
                read.outputs, not lost, persisted=self._persisted, asked=asked, lost=lost,
                machine=read.machine, held=read.held,
            )  # fmt: skip
            out = self.cell.step(time.monotonic_ns(), seen)
            self._persisted = out.ticket
            self.replies |= {number: body for _, number, body in out.replies if number}
            self.events += [event.text for event in out.events if event.kind == "force"]
            self.writes.update(list(out.writes))
            taken, _ = await self.wiring.write(out.writes, out.actuate)
            self.cell.took(taken)
            await self.wiring.look(self.cell.read_back.asked, self.left)
            await asyncio.sleep(0.002)

    async def scans(self, count: int) -> None:
        """So many more."""
        left = iter(range(count))
        await self.until(lambda: next(left, None) is None)

    async def answer(self, command: Command) -> ReplyBody:
        number = len(self.replies) + 1
        self._asked.append(Asked("anna", number, command))
        await self.until(lambda: number in self.replies)
        return self.replies[number]

    async def do(self, *actions: Action) -> None:
        await self.answer(Run(self.cell.lease.token, actions, keep=True))

    @property
    def state(self) -> State:
        return standing(self.cell, "boot", "ready")


async def story(folder: Path) -> None:
    (folder / "cell.yaml").write_text(STATION)
    controller = VirtualController(compile_program(PROGRAM, "stubborn.st"))
    server = build.make_server(read_address("modbus://127.0.0.1:0/1"), controller)
    port = await server.start()
    station = load_station(folder / "cell.yaml").moved({"plc": port})
    wiring = Wiring(station, "hil", None, lambda: None)
    cell = Cell(station, Neighbours(), time.monotonic_ns())
    life = asyncio.create_task(wiring.run())
    other = AsyncModbusTcpClient("127.0.0.1", port=port)
    site = Site(cell, wiring, controller, server)
    try:
        assert await other.connect()
        await told(site, other)
    finally:
        other.close()
        life.cancel()
        await asyncio.wait((life,))
        await wiring.close()
        await server.stop()


async def told(site: Site, other: AsyncModbusTcpClient) -> None:
    async def theirs(address: int, value: int) -> None:
        assert not (await other.write_registers(address, [value])).isError()

    async def there(address: int) -> int:
        return (await other.read_holding_registers(address, count=1)).registers[0]

    values: dict[str, Value] = site.cell.values
    await site.until(lambda: not site.wiring.lost)
    assert isinstance(await site.answer(Acquire(5 * 10**9)), Leased)

    # The program's own input: written once, found otherwise, told, shown as it is, and left alone.
    await site.do(Force(TagRef("own"), True), Force(TagRef("command"), 7), Force(LEVEL, 12.34))
    await site.until(lambda: bool(site.state.overwritten))
    assert site.state.overwritten == {"own": False}
    assert site.state.forced == {"own": True, "command": 7, "level": 12.34}
    assert values["own"] is False
    written = site.writes["own"]
    await site.until(lambda: values["seen"] == 7)

    # Where no time is left before the next scan it is read back all the same, though later.
    site.left = -1

    # A second client: the last who wrote has it, and the gateway says so.
    await theirs(1024, 9)
    await site.until(lambda: "command" in site.state.overwritten)
    assert site.state.overwritten == {"own": False, "command": 9}
    assert values["command"] == 9
    await site.scans(100)
    assert await there(1024) == 9
    assert (site.writes["own"], site.writes["command"]) == (written, 2) == (2, 2)  # at first, and forced
    await theirs(1024, 7)
    await site.until(lambda: "command" not in site.state.overwritten)
    await theirs(1024, 11)
    await site.until(lambda: "command" in site.state.overwritten)
    await site.do(Free(TagRef("command")))
    await site.until(lambda: values["seen"] == 0)
    assert await there(1024) == 0
    assert site.events[-3:] == [
        "command is held at 7 again",
        "command is forced to 7 and does not hold: overwritten with 11",
        "command freed",
    ]
    assert "level" not in site.state.overwritten  # 123 is as near to 12.34 as it can have it

    # A safety tag is read, never written.
    assert values["guard"] is False
    assert not (await other.write_coil(2209, True)).isError()
    await site.until(lambda: values["guard"] is True)
    assert "guard" not in site.writes


def test_a_force_is_read_back_where_it_was_written(tmp_path: Path) -> None:
    run(story(tmp_path), uv=True)

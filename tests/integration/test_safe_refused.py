"""A controller that is busy for a while: what it refuses comes to it in the end, the safe state above all."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from pathlib import Path

from drivers_support import PATIENT_NS, listening, run, tags_for
from test_driver_modbus import device, reply

from gateway.cell.cell import Asked, Cell, Inputs
from gateway.cell.couplings import Neighbours
from gateway.field.drivers.base import TagsRefused, open_driver
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import Acquire, Command, Force, Release, Renew, Run
from gateway.station import load_station
from gateway.wiring import Wiring

STATION = """
twinline: station 1
id: busy
devices:
  plc: {{address: "modbus://127.0.0.1:{port}/1"}}
tags:
  seen: {{direction: output, type: UINT, address: "hr:20"}}
  one:  {{direction: input, type: UINT, address: "hr:0", safe: 1}}
  two:  {{direction: input, type: UINT, address: "hr:2", safe: 2}}
twin: {{}}
"""


class Registers:
    """A device's holding registers; those in ``busy`` cannot be written just now. ``asked`` is which were to
    be, in order."""

    def __init__(self) -> None:
        self.held: dict[int, int] = {}
        self.busy: set[int] = set()
        self.asked: list[int] = []

    def answer(self, transaction: int, pdu: bytes) -> bytes | None:
        """To a write of one register; None: the device's own."""
        if pdu[0] not in (6, 16):
            return None
        first = struct.unpack(">H", pdu[1:3])[0]
        self.asked.append(first)
        if first in self.busy:
            return reply(transaction, bytes((pdu[0] | 0x80, 6)))
        self.held[first] = int.from_bytes(pdu[-2:], "big")
        return reply(transaction, pdu[:5])


def test_what_is_refused_has_its_turn_and_one_that_stays_refused_is_in_nobodys_way() -> None:
    registers = Registers()
    inputs = {f"w{n}": ("UINT", f"hr:{n}") for n in (0, 2, 4, 6)}
    wanted: dict[str, Value] = dict.fromkeys(inputs, 7)

    async def write(port: int) -> None:
        driver = open_driver(f"modbus://127.0.0.1:{port}/1", tags_for("modbus", inputs, {}), PATIENT_NS)
        await driver.connect()

        async def refused() -> tuple[tuple[str, ...], list[int]]:
            registers.asked.clear()
            try:
                await driver.write(wanted)
            except TagsRefused as error:
                return tuple(sorted(error.tags)), list(registers.asked)
            return (), list(registers.asked)

        registers.busy = {0, 2, 4, 6}
        assert await refused() == (("w0", "w2", "w4", "w6"), [0, 2, 4, 6])
        turns = [await refused() for _ in range(5)]
        assert turns == [(("w0", "w2", "w4", "w6"), [n]) for n in (0, 2, 4, 6, 0)]
        registers.busy = {2}
        assert await refused() == (("w0", "w2", "w4", "w6"), [2])
        assert await refused() == (("w2",), [4, 6, 0, 2])
        assert registers.held == {0: 7, 4: 7, 6: 7}
        registers.busy = set()
        assert await refused() == ((), [0, 4, 6, 2])
        assert registers.held == {0: 7, 2: 7, 4: 7, 6: 7}
        await driver.close()

    async def work() -> None:
        async with listening(device(registers.answer)) as port:
            await write(port)

    run(work())


def test_the_safe_state_is_driven_though_the_controller_was_busy_when_the_lease_went(tmp_path: Path) -> None:
    registers = Registers()

    async def drive(port: int) -> None:
        path = tmp_path / "busy.yaml"
        path.write_text(STATION.format(port=port))
        station = load_station(path)
        wiring = Wiring(station, "hil", None, lambda: None)
        cell = Cell(station, Neighbours(), time.monotonic_ns())
        life = asyncio.create_task(wiring.run())
        asked: list[Asked] = []
        journal: dict[tuple[str, str], bytes] = {}
        said: list[str] = []
        persisted = 0

        def ask(command: Command) -> None:
            asked.append(Asked("anna", 0, command))

        async def until(holds: Callable[[], bool]) -> None:
            nonlocal persisted
            while not holds():
                read, lost = await wiring.read(), wiring.lost
                now, given = time.monotonic_ns(), (*asked, Asked("anna", 0, Renew(1)))  # the lease lives on
                asked.clear()
                seen = Inputs(
                    read.outputs,
                    not lost,
                    persisted=persisted,
                    asked=given,
                    refused=wiring.refused,
                    lost=lost,
                )
                out = cell.step(now, seen)
                persisted = out.ticket
                for change in out.journal:
                    journal.pop((change.table, change.key), None)
                    if change.data is not None:
                        journal[change.table, change.key] = change.data
                said.extend(event.text for event in out.events if event.kind == "safe")
                if out.writes:
                    taken, refused = await wiring.write(out.writes, out.actuate)
                    cell.took(taken, refused.keys() - taken.keys())
                await asyncio.sleep(0.002)

        try:
            await until(lambda: not wiring.lost)
            ask(Acquire(5 * 10**9))
            await until(lambda: registers.held == {0: 1, 2: 2})
            ask(Run(1, (Force(TagRef("one"), 11), Force(TagRef("two"), 12)), keep=True))
            await until(lambda: registers.held == {0: 11, 2: 12})
            registers.busy = {2}
            ask(Release(1))
            await until(lambda: registers.asked.count(2) == 4)  # written, forced, and refused twice
            assert registers.held == {0: 1, 2: 12}
            assert cell.gate.state == "safing"
            assert ("gate", "open") in journal
            registers.busy = set()
            await until(lambda: ("gate", "open") not in journal)
            assert registers.held == {0: 1, 2: 2}
            first, last = said
            assert first.startswith("not driven yet, and tried again: two is refused: two at hr:2: refused")
            assert last == "the safe state is driven"
        finally:
            life.cancel()
            await asyncio.wait((life,))
            await wiring.close()

    async def work() -> None:
        async with listening(device(registers.answer)) as port:
            await drive(port)

    run(work())

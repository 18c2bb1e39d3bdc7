"""The small line with its inputs at terminals and a shim before them, and what its program sees of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pymodbus.client import ModbusTcpClient
from running import Belt, belt, until
from site_spoken import Protocol, speak

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from shim_bench import put_in

from gateway.station import load_station
from rig.tags.shim import generate
from rig.tags.shimplan import plan

SHIM = "shim: {commissioning: twin-on, heartbeat: beat, status: shim-status, stamp: shim-stamp}\n"
TAGS = """\
  twin-on:      {direction: input,  type: BOOL, address: "coil:2100", safe: false}
  beat:         {direction: input,  type: UINT, address: "hr:1040", safe: 0}
  shim-status:  {direction: output, type: WORD, address: "hr:1041"}
  shim-stamp:   {direction: output, type: DWORD, address: "hr:1042"}
"""
# What the machine itself shows, and nobody can write from outside.
TERMINALS = {"PartEnters": "%IX0.0 : BOOL", "PartLeaves": "%IX0.1 : BOOL := TRUE", "DriveOk": "%IX0.2 : BOOL"}
REAL, TWIN = (False, True, False, 0), (True, False, True, 32)


def shimmed(folder: Path, serve: bool, with_shim: bool = True, protocol: Protocol = "modbus") -> Belt:
    """The small line with its inputs at terminals, and (but for the bad case) its shim put in."""
    made = belt(folder, serve)
    made.change("stations/belt.yaml", ("# Inputs: what the program reads\n", f"# Inputs\n{TAGS}"))
    station = made.folder / "stations/belt.yaml"
    station.write_text(station.read_text() + SHIM)
    speak(made, protocol)
    path = made.folder / "programs/belt.st"
    program = path.read_text()
    if with_shim:
        for name, at in TERMINALS.items():
            program, count = re.subn(rf"{name} +AT %M[^;]+;", f"{name} AT {at};", program)
            assert count == 1
        program = re.sub(r" +Command +AT %MW0 +: WORD;\n", "", program)
        program = put_in(program, generate(plan(load_station(station)), "st"))
    path.write_text(program)
    return made


class Seen:
    """What the program has seen of its inputs, read by a client of our own."""

    def __init__(self, port: int) -> None:
        self._client = ModbusTcpClient("127.0.0.1", port=port, timeout=2, retries=0)

    def read(self) -> tuple[bool, bool, bool, int] | None:
        """part-enters, part-leaves, drive-ok, command; None while nobody serves them."""
        if not self._client.connected and not self._client.connect():
            return None
        words = self._client.read_holding_registers(1, count=2)
        assert not words.isError()
        bits, command = words.registers
        return bool(bits & 1), bool(bits & 2), bool(bits & 4), command

    def wait(self, wanted: tuple[bool, bool, bool, int]) -> None:
        """Until it is ``wanted``."""
        until(f"the program sees {wanted}", lambda: self.read() == wanted)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

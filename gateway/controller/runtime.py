"""The virtual controller's scan cycle: latch inputs, run the program, publish outputs.

Before a scan every located variable that the program never assigns is read from memory; after it every
located variable that the program assigns is written. A program that faults stays stopped, with its
outputs at their initial values. The clock is the caller's: one timestamp per scan.
"""

from __future__ import annotations

from gateway.controller.compile import Program, ProgramError, ProgramErrors
from gateway.controller.declarations import SIZES
from gateway.controller.instance import RuntimeFault
from gateway.controller.memory import Memory
from gateway.controller.writers import Writer

__all__ = ["RuntimeFault", "VirtualController"]


class VirtualController:
    def __init__(self, program: Program, memory: Memory | None = None) -> None:
        """Publishes the initial values of all located variables. Raises ProgramErrors for addresses outside
        the memory."""
        self.program = program
        self.memory = memory or Memory()
        self.scans = 0
        self.fault: RuntimeFault | None = None
        self.instance = program.new()
        areas = self.memory.areas
        self._areas = areas["I"], areas["Q"], areas["M"]
        self._check()
        self._write_initial("I", "Q", "M")

    def scan(self, now_ns: int) -> None:
        """One scan at a time in nanoseconds, which starts anywhere and does not decrease. Does nothing after
        a fault."""
        if self.fault is not None:
            return
        instance = self.instance
        instance.latch(*self._areas)
        try:
            instance.scan(now_ns)
        except RuntimeFault as fault:
            self.fault = fault
            self._write_initial("Q")
            return
        instance.publish(*self._areas)
        self.scans += 1

    def writer(self, area: str, byte: int, bit: int | None = None) -> Writer | None:
        """Which statement wrote what is at that byte (or its bit) last; None: none yet, or the program is
        compiled without writers. Its file and line: `Program.place`."""
        for variable in self.program.variables:
            where = variable.location
            if where is None or where.area != area:
                continue
            size = SIZES[where.size]
            if where.size == "X":
                if (where.byte, where.bit) == (byte, bit):
                    return self.instance.writer(variable.name)
            elif where.byte <= byte < where.byte + size // 8:
                # Words are big-endian: bit 0 of the last byte is that of the whole.
                above = 8 * (where.byte + size // 8 - 1 - byte)
                return self.instance.writer(variable.name, None if bit is None else bit + above)
        return None

    def _write_initial(self, *areas: str) -> None:
        for variable in self.program.variables:
            where = variable.location
            if where is None or where.area not in areas:
                continue
            if where.size == "X":
                self.memory.write_bit(where.area, where.byte, where.bit, bool(variable.initial))
            else:
                self.memory.write(where.area, where.byte, variable.type, variable.initial)

    def _check(self) -> None:
        problems = [
            ProgramError(
                self.program.file,
                variable.line,
                0,
                f"{variable.name} at {where.text} is outside the memory",
                f"%{where.area} has {len(self.memory.areas[where.area])} bytes",
            )
            for variable in self.program.variables
            if (where := variable.location)
            and where.byte + max(SIZES[where.size] // 8, 1) > len(self.memory.areas[where.area])
        ]
        if problems:
            raise ProgramErrors(problems)

"""One running copy of a compiled program: its variables by name, and its scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import repeat
from types import TracebackType
from typing import Any, ClassVar

from gateway.controller.datatypes import DataType, Value
from gateway.controller.operations import LOOP_LIMIT, LoopLimit, f32
from gateway.controller.writers import Writer, latest


class RuntimeFault(Exception):
    """What stopped the program, and the line of its source. The controller stays stopped."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line, self.what = line, what


@dataclass(frozen=True, slots=True)
class Member:
    """Where a variable is kept in an instance."""

    path: tuple[str, ...]
    type: DataType
    constant: bool


class Instance:
    """The base of generated programs, which add `__slots__` and the methods that raise here."""

    __slots__ = ()
    members: ClassVar[Mapping[str, Member]]
    """By upper-case name; those of function block instances too: "T1.Q"."""
    code_file: ClassVar[str]
    code_lines: ClassVar[list[int]]
    """The line of the program each line of generated code came from, 0 for none."""

    def run(self, now: int, loops: Iterator[None]) -> None:
        raise NotImplementedError

    def latch(self, i: bytearray, q: bytearray, m: bytearray) -> None:
        """Read every located variable that the program never assigns from the memory areas."""
        raise NotImplementedError

    def publish(self, i: bytearray, q: bytearray, m: bytearray) -> None:
        """Write every located variable that the program assigns to the memory areas."""
        raise NotImplementedError

    def memory(self) -> tuple[object, ...]:
        """What the next scan can depend on besides the inputs and the clock; see gateway.controller.rest."""
        raise NotImplementedError

    def wakes(self, now: int) -> int | None:
        """The first instant after ``now`` at which time alone may change what the program does, or None."""
        raise NotImplementedError

    def scan(self, now_ns: int) -> None:
        """One scan of the program alone, at a time that starts anywhere and does not decrease. Raises
        RuntimeFault."""
        try:
            self.run(now_ns, repeat(None, LOOP_LIMIT))
        except (ArithmeticError, ValueError) as error:
            raise RuntimeFault(self._line(error.__traceback__), _words(error)) from error

    def get(self, name: str) -> Value:
        """A variable's value; a TIME in nanoseconds. `fb.Q` reaches into instances. Raises KeyError."""
        owner, key, _ = self._find(name)
        value: Value = getattr(owner, key)
        return value

    def set(self, name: str, value: Value) -> None:
        """Set a variable. Raises KeyError, and ValueError if it is a constant or cannot hold the value."""
        owner, key, member = self._find(name)
        kind = member.type
        if member.constant:
            raise ValueError(f"{name} is a constant")
        if kind.kind == "bool":
            good = value in (0, 1)
            value = bool(value)
        elif kind.real:
            good = not isinstance(value, bool)
            value = f32(value) if kind.bits == 32 else float(value)
        else:
            good = isinstance(value, int) and not isinstance(value, bool) and kind.low <= value <= kind.high
        if not good:
            bounds = f"; it holds {kind.low} to {kind.high}" if kind.discrete else ""
            raise ValueError(f"{name} is {kind} and cannot hold {value!r}{bounds}")
        setattr(owner, key, value)

    def writer(self, name: str, bit: int | None = None) -> Writer | None:
        """Which statement wrote a located variable (or a bit of it) last; None: none yet, or the program is
        compiled without writers. Raises KeyError."""
        owner, key, _ = self._find(name)
        return latest(owner, key, bit)

    def _find(self, name: str) -> tuple[Any, str, Member]:
        member = self.members.get(name.upper())
        if member is None:
            close = get_close_matches(name.upper(), self.members, n=1)
            raise KeyError(f"no variable {name}" + (f"; did you mean {close[0]}?" if close else ""))
        owner: Any = self
        for part in member.path[:-1]:
            owner = getattr(owner, part)
        return owner, member.path[-1], member

    def _line(self, trace: TracebackType | None) -> int:
        """The innermost line of the program on the way to an error."""
        line = 0
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.code_file:
                line = self.code_lines[trace.tb_lineno - 1] or line
            trace = trace.tb_next
        return line


def _words(error: Exception) -> str:
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    if isinstance(error, LoopLimit):
        return str(error)
    return f"a result is out of range: {error}"

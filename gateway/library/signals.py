"""The signals of a composed station: which there are, and where they lie in the controller; pure.

Inputs lie in %M, outputs in %Q, bits first, then words, then double words, so the same layout serves every
protocol in the way that docs/mapping.md says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from gateway.controller.mapping import M_COILS, M_REGISTERS, SERVED_BYTES
from gateway.field.addresses import ModbusAddress, OpcUaAddress, Protocol, S7Address, parse_address
from gateway.library.nodes import Plain
from gateway.library.pattern import camel

BITS = {"BOOL": 1, "WORD": 16, "INT": 16, "DWORD": 32, "REAL": 32}
LETTERS = {1: "X", 16: "W", 32: "D"}
WORD, DOUBLE = 16, 32  # bits of an echo word, and of a command word that needs more than that


class Signal(msgspec.Struct, frozen=True):
    """A tag to be: ``about`` is what stands in the station file besides its address."""

    name: str
    direction: Literal["input", "output"]
    type: str
    about: dict[str, Plain] = {}
    byte: int = 0
    bit: int = 0

    @property
    def variable(self) -> str:
        """What it is called in the program."""
        return camel(self.name)

    @property
    def located(self) -> str:
        """Its address in the program: ``%MX0.3``."""
        size = BITS[self.type]
        area, letter = "M" if self.direction == "input" else "Q", LETTERS[size]
        return f"%{area}X{self.byte}.{self.bit}" if size == 1 else f"%{area}{letter}{self.byte * 8 // size}"

    def address(self, protocol: Protocol, program: str, base: int = 0) -> str:
        """Its address for a client that speaks ``protocol``."""
        inside = self.direction == "input"
        if protocol == "opcua":
            return f"ns=2;s={program}.{self.variable}"
        size = BITS[self.type]
        if protocol == "s7":
            block = f"DB{1 if inside else 2}.DB{LETTERS[size]}{self.byte}"
            return f"{block}.{self.bit}" if size == 1 else block
        if size == 1:
            return f"coil:{8 * self.byte + self.bit + (M_COILS if inside else 0) + base}"
        return f"hr:{self.byte // 2 + (M_REGISTERS if inside else 0) + base}"

    def moved(self, text: str, protocol: Protocol, program: str, base: int = 0) -> Signal | None:
        """The signal where a client finds it at the address ``text``; None where the program has no such
        place, or ``text`` is no address."""
        try:
            where = parse_address(protocol, text, base)
        except ValueError:
            return None
        size, inside = BITS[self.type], self.direction == "input"
        at = -1  # bits
        if isinstance(where, ModbusAddress) and where.bit < 0:
            if (where.table, size) == ("coil", 1):
                at = where.index - (M_COILS if inside else 0)
            elif where.table == "hr" and size > 1:
                at = 16 * (where.index - (M_REGISTERS if inside else 0))
        elif isinstance(where, S7Address) and where.area == "DB" and where.db == (1 if inside else 2):
            at = 8 * where.byte + max(where.bit, 0) if where.width == size else -1
        elif isinstance(where, OpcUaAddress):
            return self if text == self.address(protocol, program, base) else None
        there = 0 <= at <= 8 * SERVED_BYTES - size and at % size == 0
        return msgspec.structs.replace(self, byte=at // 8, bit=at % 8) if there else None


class Full(Exception):
    """More signals than a controller's memory serves."""


def place(signals: Iterable[Signal]) -> list[Signal]:
    """``signals`` with their places, in the order given; Full."""
    ordered = list(signals)
    placed: dict[str, Signal] = {}
    for direction in ("input", "output"):
        at = 0  # bits
        for size in sorted(LETTERS):
            at = -(-at // max(size, 8)) * max(size, 8) if size > 1 else at
            for each in ordered:
                if each.direction == direction and BITS[each.type] == size:
                    placed[each.name] = msgspec.structs.replace(each, byte=at // 8, bit=at % 8)
                    at += size
        if at > 8 * SERVED_BYTES:
            raise Full(f"its {direction}s need {-(-at // 8)} bytes; a controller serves {SERVED_BYTES}")
    return [placed[each.name] for each in ordered]


class Bit(NamedTuple):
    """One bit of a word: ``seen.3``."""

    word: str
    bit: int

    def __str__(self) -> str:
        return f"{self.word}.{self.bit}"

    @property
    def variable(self) -> str:
        """What it is called in the program."""
        return f"{camel(self.word)}.{self.bit}"


class Words:
    """Hands out bits of numbered words: ``seen``, ``seen-2``, ..."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size, self.given = name, size, 0

    def take(self) -> Bit:
        """The next bit."""
        number, bit = divmod(self.given, self.size)
        self.given += 1
        return Bit(self.name if number == 0 else f"{self.name}-{number + 1}", bit)

    @property
    def names(self) -> list[str]:
        """The words that are in use."""
        count = -(-self.given // self.size)
        return [self.name if n == 0 else f"{self.name}-{n + 1}" for n in range(count)]

"""Blocks: tags at neighbouring addresses, read in one request and decoded by one plan; pure.

A device of this kind is memory: areas of numbered cells. A cell is a bit (coils, discrete inputs), a
register of 16 bits, or a byte (S7). A block's raw bytes are as the protocol answers them: numbers in
the order of their tag, coils packed from the lowest bit of the first byte.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

from gateway.field.addresses import ModbusAddress, S7Address
from gateway.field.tags import Tag
from gateway.field.types import Value, arrange

GAP_BITS = 256
"""Reading over so many bits that nobody asked for costs less than one more request."""

_CELL_BITS = {"coil": 1, "di": 1, "hr": 16, "ir": 16, "DB": 8, "I": 8, "Q": 8, "M": 8}


class Area(NamedTuple):
    """One numbered memory: ``kind`` coil, di, hr, ir, DB, I, Q or M; ``number`` of a data block, else 0."""

    kind: str
    number: int = 0

    @property
    def cell_bits(self) -> int:
        """How many bits a cell has: 1, 8 or 16."""
        return _CELL_BITS[self.kind]


class Place(NamedTuple):
    """Where a tag lies: ``cells`` cells from ``first``; ``bit`` within the one cell, or -1 for the whole."""

    area: Area
    first: int
    cells: int
    bit: int


def place(tag: Tag) -> Place:
    """The tag's place in its device's memory."""
    address = tag.address
    if isinstance(address, ModbusAddress):
        size = 1 if address.table in ("coil", "di") else 16
        cells = 1 if address.bit >= 0 else tag.type.bits // size
        return Place(Area(address.table), address.index, cells, address.bit)
    assert isinstance(address, S7Address), f"{tag.name} is no address in memory"
    if tag.type.kind == "bool":
        return Place(Area(address.area, address.db), address.byte, 1, address.bit)
    return Place(Area(address.area, address.db), address.byte, tag.type.bits // 8, -1)


class Field(NamedTuple):
    """A tag within a block's raw bytes: at ``offset``; ``mask`` of its bit, or 0 for what has ``size`` bytes.

    An array of coils has no bytes of its own: it is ``bits`` bits from bit ``offset``.
    """

    tag: Tag
    offset: int
    mask: int
    size: int
    bits: int = 0

    def part(self, raw: bytes) -> bytes:
        """The tag's own bytes (not for one bit)."""
        if not self.bits:
            return raw[self.offset : self.offset + self.size]
        found = int.from_bytes(raw, "little") >> self.offset & (1 << self.bits) - 1
        return found.to_bytes(self.size, "little")

    def put(self, raw: bytearray, value: Value) -> None:
        """Set the tag to the device's ``value``."""
        if self.bits:
            kept = int.from_bytes(raw, "little") & ~((1 << self.bits) - 1 << self.offset)
            put = int.from_bytes(self.tag.type.pack(value), "little") << self.offset
            raw[:] = (kept | put).to_bytes(len(raw), "little")
        elif not self.mask:
            raw[self.offset : self.offset + self.size] = self.tag.type.pack(value)
        elif value:
            raw[self.offset] |= self.mask
        else:
            raw[self.offset] &= ~self.mask


class Block:
    """``cells`` cells of ``area`` from ``first``, with the ``tags`` that lie in them."""

    def __init__(self, area: Area, first: int, cells: int, tags: Iterable[Tag]) -> None:
        self.area, self.first, self.cells = area, first, cells
        self.size = (cells * area.cell_bits + 7) // 8
        self.fields = tuple(self._field(tag) for tag in tags)
        self._bits = [each for each in self.fields if each.mask]
        whole = sorted((each for each in self.fields if not each.mask), key=lambda each: each.offset)
        self._numbers = [each for each in whole if each.tag.type.code]
        self._rows = [each for each in whole if not each.tag.type.code]  # texts and arrays
        self._plain = _ordering(self._numbers, self.size)
        layout, end = ">", 0
        for each in self._numbers:
            assert each.offset >= end, f"{each.tag.name} overlaps another tag"
            layout += f"{each.offset - end}x{each.tag.type.code}"
            end = each.offset + each.size
        self._unpack = struct.Struct(f"{layout}{self.size - end}x").unpack

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The tags in this block."""
        return tuple(each.tag for each in self.fields)

    def _field(self, tag: Tag) -> Field:
        at = place(tag)
        cell = at.first - self.first
        if self.area.cell_bits == 1:
            if tag.type.kind == "array":
                return Field(tag, cell, 0, (at.cells + 7) // 8, at.cells)
            return Field(tag, cell // 8, 1 << cell % 8, 0)
        width = self.area.cell_bits // 8
        if at.bit < 0:
            return Field(tag, cell * width, 0, tag.type.bits // 8)
        return Field(tag, cell * width + width - 1 - at.bit // 8, 1 << at.bit % 8, 0)

    def changes(self, raw: bytes, last: bytes | None) -> dict[str, Value]:
        """Engineering values of the tags whose bytes differ between ``raw`` and ``last`` (None: all)."""
        if raw == last:
            return {}
        found: dict[str, Value] = {}
        for tag, offset, mask, _, _ in self._bits:
            if last is None or (raw[offset] ^ last[offset]) & mask:
                found[tag.name] = bool(raw[offset] & mask)
        numbers = self._unpack(raw if self._plain is None else bytes(self._plain(raw)))
        for (tag, offset, _, size, _), value in zip(self._numbers, numbers, strict=True):
            if last is None or raw[offset : offset + size] != last[offset : offset + size]:
                found[tag.name] = tag.from_device(value)
        for field in self._rows:
            part = field.part(raw)
            if last is None or part != field.part(last):
                found[field.tag.name] = field.tag.from_device(field.tag.type.unpack(part))
        return found


def _ordering(numbers: Iterable[Field], size: int) -> Callable[[bytes], tuple[int, ...]] | None:
    """What brings a block's bytes to high byte first; None where they are."""
    places = list(range(size))
    for each in numbers:
        span = slice(each.offset, each.offset + each.size)
        places[span] = [each.offset + at for at in arrange(bytes(range(each.size)), each.tag.type.order)]
    return None if places == sorted(places) else itemgetter(*places)


Limit = Callable[[Area], int]


def plan(tags: Iterable[Tag], limit: Limit, gap_bits: int = GAP_BITS) -> list[Block]:
    """Cover every tag by exactly one block.

    A block has at most ``limit(area)`` cells and bridges at most ``gap_bits`` that no tag uses. A tag is
    never split, so a value that spans cells is of one moment.
    """
    blocks: list[Block] = []
    for area, first, cells, members in spans(tags, limit, gap_bits):
        blocks.append(Block(area, first, cells, members))
    return blocks


def spans(tags: Iterable[Tag], limit: Limit, gap_bits: int) -> Iterable[tuple[Area, int, int, Sequence[Tag]]]:
    """The area, first cell, cell count and tags of each block that ``plan`` would make."""
    placed = sorted(((place(tag), tag) for tag in tags), key=lambda each: each[0])
    members: list[Tag] = []
    area, first, end = Area(""), 0, 0
    for at, tag in placed:
        last = max(end, at.first + at.cells)
        near = at.area == area and (at.first - end) * at.area.cell_bits <= gap_bits
        if members and not (near and last - first <= limit(area)):
            yield area, first, end - first, members
            members = []
        if not members:
            area, first, last = at.area, at.first, at.first + at.cells
        members.append(tag)
        end = last
    if members:
        yield area, first, end - first, members


class Latch:
    """Blocks with the raw bytes last read of each: what changed is all that is told."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.blocks = list(blocks)
        self._last: dict[Block, bytes] = {}

    def take(self, block: Block, raw: bytes) -> dict[str, Value]:
        """The changes that ``raw`` brings (engineering values; all of them at the block's first time)."""
        changes = block.changes(raw, self._last.get(block))
        self._last[block] = raw
        return changes

    def replace(self, block: Block, parts: Sequence[Block]) -> None:
        """Read ``parts`` from now on where ``block`` was read."""
        at = self.blocks.index(block)
        self.blocks[at : at + 1] = parts
        self._last.pop(block, None)

"""The driver's own image of the inputs it owns, so that a bit can be written without its neighbours; pure.

A protocol writes whole cells. What shares a cell with an input is either another input, which this image
knows, or a bit that no tag of the station names, which is taken over from the device and kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.field.drivers.blocks import Area, Block, Field, Limit, place, plan, spans
from gateway.field.tags import Tag
from gateway.field.types import Value

LAYOUTS = 256
"""So many sets of inputs that are written together are remembered with their runs."""


class Run(NamedTuple):
    """Neighbouring cells to write at once: ``data`` in the protocol's byte order, for ``tags``."""

    block: Block
    first: int
    cells: int
    data: bytes
    tags: tuple[Tag, ...]

    @property
    def area(self) -> Area:
        """The memory it lies in."""
        return self.block.area


class InputImage:
    """What the device's inputs hold as far as this gateway wrote them; at first the ``initial`` values."""

    def __init__(self, tags: Iterable[Tag], initial: Mapping[str, Value]) -> None:
        self._raw: dict[Block, bytearray] = {}
        self._owned: dict[Block, bytearray] = {}
        self._home: dict[str, tuple[Block, Field]] = {}
        for block in plan(tags, lambda area: 1 << 32, gap_bits=0):
            raw, owned = bytearray(block.size), bytearray(block.size)
            for field in block.fields:
                field.put(raw, field.tag.to_device(initial[field.tag.name]))
                if block.area.cell_bits > 1:
                    for offset in range(field.offset, field.offset + max(field.size, 1)):
                        owned[offset] |= field.mask or 0xFF
                self._home[field.tag.name] = block, field
            self._raw[block], self._owned[block] = raw, owned
        self._layouts: dict[tuple[str, ...], list[tuple[Block, int, int, tuple[Tag, ...]]]] = {}

    def shared(self) -> list[Run]:
        """The cells, with what they hold now, of which the station owns only some bits."""
        runs: list[Run] = []
        for block, owned in self._owned.items():
            width = block.area.cell_bits // 8
            if width == 0:
                continue  # a coil is one bit and has one owner
            for cell in range(block.cells):
                part = slice(cell * width, (cell + 1) * width)
                if owned[part] != b"\xff" * width:
                    tags = tuple(tag for tag in block.tags if place(tag).first == block.first + cell)
                    runs.append(Run(block, block.first + cell, 1, bytes(self._raw[block][part]), tags))
        return runs

    def adopt(self, run: Run, raw: bytes) -> None:
        """Take over from ``raw``, as read at a shared ``run``, the bits that the station does not own."""
        image, owned = self._raw[run.block], self._owned[run.block]
        start = (run.first - run.block.first) * run.area.cell_bits // 8
        for offset, byte in enumerate(raw, start):
            image[offset] = image[offset] & owned[offset] | byte & ~owned[offset]

    def forget(self) -> None:
        """What one request may write is another from now on: plan the runs anew."""
        self._layouts.clear()

    def stage(self, values: Mapping[str, Value], limit: Limit) -> list[Run]:
        """What to write so that the inputs take the engineering ``values``, in as few runs as may be.

        A run has no cell that none of the given tags lies in, and at most ``limit(area)`` cells, which
        stays the same until ``forget``. The image itself changes by ``commit`` alone.
        """
        staged: dict[Block, bytearray] = {}
        for name, value in values.items():
            block, field = self._home[name]
            if block not in staged:
                staged[block] = bytearray(self._raw[block])
            field.put(staged[block], field.tag.to_device(value))
        return [
            Run(block, first, cells, _cut(block, staged[block], first, cells), tags)
            for block, first, cells, tags in self._layout(tuple(values), limit)
        ]

    def _layout(self, names: tuple[str, ...], limit: Limit) -> list[tuple[Block, int, int, tuple[Tag, ...]]]:
        """Block, first cell, cells and tags of each run for ``names``; mostly it is the same few sets."""
        known = self._layouts.get(names)
        if known is None:
            given: dict[Block, list[Tag]] = {}
            for name in names:
                block, field = self._home[name]
                given.setdefault(block, []).append(field.tag)
            known = [
                (block, first, cells, tuple(members))
                for block, tags in given.items()
                for _, first, cells, members in spans(tags, limit, gap_bits=0)
            ]
            if len(self._layouts) >= LAYOUTS:
                self._layouts.clear()
            self._layouts[names] = known
        return known

    def commit(self, run: Run) -> None:
        """The device has taken ``run``."""
        raw, start = self._raw[run.block], run.first - run.block.first
        if run.area.cell_bits > 1:
            offset = start * run.area.cell_bits // 8
            raw[offset : offset + len(run.data)] = run.data
            return
        mask = (1 << run.cells) - 1
        whole = int.from_bytes(raw, "little") & ~(mask << start)
        whole |= int.from_bytes(run.data, "little") << start
        raw[:] = whole.to_bytes(len(raw), "little")


def _cut(block: Block, raw: bytes | bytearray, first: int, cells: int) -> bytes:
    """The bytes of ``cells`` cells from ``first``; coils packed anew from the lowest bit."""
    start, bits = first - block.first, block.area.cell_bits
    if bits > 1:
        return bytes(raw[start * bits // 8 : (start + cells) * bits // 8])
    part = int.from_bytes(raw, "little") >> start & (1 << cells) - 1
    return part.to_bytes((cells + 7) // 8, "little")

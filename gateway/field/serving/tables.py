"""The memory of a device that the gateway itself is, over Modbus: four tables that a controller polls; pure.

Inputs may lie in any table, for the controller only reads them; outputs lie where it writes. What no tag
names reads as zero and may be written, as controllers poll and write whole blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from gateway.errors import DeviceRefused
from gateway.field.drivers.blocks import Area, Latch, place, plan
from gateway.field.drivers.image import InputImage
from gateway.field.serving import bits
from gateway.field.tags import Tag
from gateway.field.types import Value

CELLS = 65536


class Tables:
    """The tags of a served device: ``put`` inputs, take ``changes`` of outputs; the rest is the controller's.

    ``unpolled`` are the tags that the controller has not asked for (inputs) or written (outputs) since
    ``expect``; ``heard`` is called at each of its requests.
    """

    def __init__(self, tags: Iterable[Tag], heard: Callable[[], None]) -> None:
        self._tags = list(tags)
        self._heard = heard
        self._cells = {"coil": bytearray(CELLS // 8), "di": bytearray(CELLS // 8)} | {
            table: bytearray(CELLS * 2) for table in ("hr", "ir")
        }
        inputs = [tag for tag in self._tags if tag.direction == "input"]
        self._image = InputImage(inputs, {tag.name: tag.safe for tag in inputs})
        self._latch = Latch(plan([t for t in self._tags if t.direction == "output"], _unbounded))
        self._ours = {
            (at.area.kind, cell) for at in map(place, inputs) for cell in range(at.first, at.first + at.cells)
        }
        self.unpolled: dict[str, Tag] = {}
        self.expect()
        self.put({tag.name: tag.safe for tag in inputs})

    def expect(self) -> None:
        """Count anew which tags the controller polls."""
        self.unpolled = {tag.name: tag for tag in self._tags}

    def put(self, values: Mapping[str, Value]) -> None:
        """Set inputs to engineering ``values``."""
        for run in self._image.stage(values, _unbounded):
            self._store(run.area.kind, run.first, run.cells, run.data)
            self._image.commit(run)

    def changes(self) -> dict[str, Value]:
        """Engineering values of the outputs that changed since the last call (at first all)."""
        found: dict[str, Value] = {}
        for block in self._latch.blocks:
            found |= self._latch.take(block, self._fetch(block.area.kind, block.first, block.cells))
        return found

    def drop(self) -> None:
        """Every output to zero, as a module does whose controller is gone."""
        for block in self._latch.blocks:
            zero = bytes(len(self._fetch(block.area.kind, block.first, block.cells)))
            self._store(block.area.kind, block.first, block.cells, zero)

    # --- what the controller does (serving.modbus.View) ------------------------------------------------

    def read_bits(self, table: Literal["coil", "di"], first: int, count: int) -> bytes:
        """``count`` bits in ceil(count / 8) bytes."""
        self._asked(table, first, count, "input")
        return self._fetch(table, first, count)

    def read_registers(self, table: Literal["hr", "ir"], first: int, count: int) -> bytes:
        """``count`` registers in 2 * count bytes."""
        self._asked(table, first, count, "input")
        return self._fetch(table, first, count)

    def write_bits(self, first: int, count: int, values: int) -> None:
        """Write ``count`` coils from the low bits of ``values``."""
        self._written("coil", first, count, values.to_bytes((count + 7) // 8, "little"))

    def write_registers(self, first: int, data: bytes) -> None:
        """Write ``len(data) // 2`` holding registers."""
        self._written("hr", first, len(data) // 2, data)

    def _written(self, table: str, first: int, count: int, data: bytes) -> None:
        inputs = [cell for cell in range(first, first + count) if (table, cell) in self._ours]
        if inputs:
            where = f"{table}:{inputs[0]}"
            raise DeviceRefused("illegal data address", where, "an input lies there: the controller reads it")
        self._asked(table, first, count, "output")
        self._store(table, first, count, data)

    def _asked(self, table: str, first: int, count: int, direction: str) -> None:
        """Check the request and note whose it is; raises DeviceRefused past the end of the table."""
        if first + count > CELLS:
            raise DeviceRefused(
                "illegal data address", f"{table}:{first + count - 1}", f"the last is {CELLS - 1}"
            )
        self._heard()
        for tag in list(self.unpolled.values()):
            at = place(tag)
            inside = at.area.kind == table and first <= at.first and at.first + at.cells <= first + count
            if inside and tag.direction == direction:
                del self.unpolled[tag.name]

    def _fetch(self, table: str, first: int, count: int) -> bytes:
        cells = self._cells[table]
        if Area(table).cell_bits > 1:
            return bytes(cells[2 * first : 2 * (first + count)])
        return bits.cut(cells, first, count)

    def _store(self, table: str, first: int, count: int, data: bytes) -> None:
        cells = self._cells[table]
        if Area(table).cell_bits > 1:
            cells[2 * first : 2 * first + len(data)] = data
            return
        bits.put(cells, first, count, int.from_bytes(data, "little"))


def _unbounded(area: Area) -> int:
    return CELLS

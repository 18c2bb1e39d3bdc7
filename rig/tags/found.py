"""A tag that was found in a list, the device it is for, and each field of a tag as text; pure."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec

from gateway.field.addresses import Address, Protocol, parse_address
from gateway.field.compound import laid_out, read_type
from gateway.field.entries import Dialect, TagEntry, compile_tags
from gateway.field.tags import Direction, Range, Tag
from gateway.field.types import DataType
from rig.tags.rows import Row

Certainty = Literal["said", "guessed", "unknown"]
FROM_PLACE = ("line", "name")
_FIRST = ("direction", "type", "address", "device", "range", "raw", "unit")
_LAST = ("safe", "observer", "jog", "title")
KEYS = (
    *_FIRST,
    *(key for key in TagEntry.__struct_fields__ if key not in (*_FIRST, *_LAST, *FROM_PLACE)),
    *_LAST,
)
"""The keys of a tag in a station file, in the order in which people read them."""


class Target(msgspec.Struct, frozen=True):
    """The device that tags are for, and what a person says of what the source leaves open.

    ``inputs_at`` is the memory that the program reads in place of its terminals, such as ``DB100``.
    """

    device: str
    protocols: dict[str, Protocol]
    dialects: dict[str, Dialect] = {}
    direction: Direction | None = None
    modbus_base: int | None = None
    inputs_at: str | None = None

    @property
    def protocol(self) -> Protocol:
        """Which protocol the device speaks."""
        return self.protocols[self.device]

    @property
    def first(self) -> int:
        """The number of the device's first register or coil."""
        return self.dialects.get(self.device, Dialect()).base

    def place(self, address: str) -> Address:
        """Where an address of the device is; ValueError where it is none."""
        return parse_address(self.protocol, address, self.first)

    def kind(self, entry: TagEntry) -> DataType:
        """A tag's type as it lies in the device; ValueError where it is none."""
        return laid_out(read_type(entry.type), self.protocol)

    def compile(self, entries: list[TagEntry], complain: Any) -> dict[str, Tag]:
        """The station's own check of ``entries``."""
        return compile_tags(entries, self.protocols, complain, self.dialects)


def alone(entry: TagEntry) -> TagEntry:
    """A tag without what it says of other tags and devices: that is checked where all are known."""
    kept = msgspec.structs.replace(entry, observer=None, jog=None, real=None)
    spoken = {name for each in (entry.formula, entry.inverse) if each is not None for name in each.names}
    if not spoken - {"raw", "value"}:
        return kept
    safe = None if entry.safe is None else "0"
    return msgspec.structs.replace(
        kept, formula=None, inverse=None, range=None, tolerance=None, scale=1.0, safe=safe
    )


def placeless(entry: TagEntry) -> TagEntry:
    """A tag without its name and the lines in which it stands."""
    said = entry.tolerance
    if said is not None:
        value = None if said.value is None else said.value._replace(line=0, column=0)
        said = msgspec.structs.replace(said, value=value, line=0)
    return msgspec.structs.replace(entry, line=0, name="", tolerance=said)


class Found(msgspec.Struct, frozen=True):
    """A row as a tag; its direction is a stand-in where ``certainty`` is ``unknown``.

    ``wired`` is why the address cannot be an input's: only the controller's terminals write there. The
    signal is one all the same, at another address.
    """

    row: Row
    entry: TagEntry
    certainty: Certainty
    wired: str = ""


def off(kind: DataType, within: Range | None) -> str:
    """The value of a type that switches off: false, or 0, or the end of the range that is nearer to 0."""
    plain = getattr(kind, "element", kind)
    if plain.kind == "bool":
        return "false"
    if within is None or within.low <= 0 <= within.high:
        return "0"
    return number_text(within.low if within.low > 0 else within.high)


def number_text(value: float) -> str:
    """A number as short as it can be read back."""
    return repr(float(value)).removesuffix(".0")


_DEFAULTS = {each.name: each.default for each in msgspec.structs.fields(TagEntry)}


def text_of(entry: TagEntry, key: str) -> str:
    """A field of a tag as the station file has it; "" where it is left out."""
    value: Any = getattr(entry, key)
    if value is None or value == _DEFAULTS.get(key):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Range):
        return f"{number_text(value.low)}..{number_text(value.high)}"
    if key == "hold":
        return f"{value // 1_000_000} ms" if value % 1_000_000 == 0 else f"{value} ns"
    if key == "table":
        return json.dumps(value)
    return number_text(value) if isinstance(value, float) else str(value)

"""A station's tags as one has them who only watches: its inputs are read, and nothing can be written; pure.

In shadow mode the controller has its inputs from the machine, and the gateway reads what the controller
reads: at the tag's own address, or where the tag says ``real``, an address on the controller such as its own
image of the terminal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import msgspec

from gateway.field.addresses import Address, Protocol, parse_address
from gateway.field.compound import laid_out, read_type
from gateway.field.placement import check_width
from gateway.field.scaling import Bad, told
from gateway.field.types import DataType

if TYPE_CHECKING:  # entries are read while tags are made
    from gateway.field.entries import Dialect, TagEntry
    from gateway.field.tags import Tag


class Real(msgspec.Struct, frozen=True):
    """Where an input is read in shadow mode: on the controller ``device``, as it lies there."""

    device: str
    type: DataType
    address: Address
    text: str


def read_real(
    entry: TagEntry, controller: str, protocol: Protocol | None, dialect: Dialect, bad: Bad
) -> Real | None:
    """Of an entry, whose ``controller`` speaks ``protocol`` (None: not known); None where it says nothing."""
    if entry.real is None:
        return None
    if entry.direction == "output":
        bad("an output has no real", "leave real out; an output is read at its address in every mode")
        return None
    if protocol is None:
        return None  # what is wrong with the devices has been said
    order = (entry.order or dialect.order) if protocol == "modbus" else "ABCD"
    try:
        kind = laid_out(read_type(entry.type), protocol, order)
        address = parse_address(protocol, entry.real, dialect.base)
    except ValueError as error:
        what, hint = told(error)
        bad(f"real: {what}", hint)
        return None
    check_width(kind, address, entry.real, "output", lambda what, hint: bad(f"real: {what}", hint))
    return Real(controller, kind, address, entry.real)


def observed(tags: Mapping[str, Tag], served: Collection[str]) -> dict[str, Tag]:
    """All ``tags`` as what a device puts out, so that they are read and cannot be written.

    What the controller polls of the devices ``served``, which the gateway is itself, cannot be read there:
    such an input stays an input, unless it says ``real``.
    """
    found: dict[str, Tag] = {}
    for tag in tags.values():
        real = tag.real
        if tag.direction == "output" or (real is None and tag.device in served):
            found[tag.name] = tag
        elif real is None:
            found[tag.name] = msgspec.structs.replace(tag, direction="output")
        else:
            found[tag.name] = msgspec.structs.replace(
                tag,
                direction="output",
                device=real.device,
                type=real.type,
                address=real.address,
                text=real.text,
            )
    return found
